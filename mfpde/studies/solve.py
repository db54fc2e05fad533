"""solve: the trajectory of the reduced dynamics, with an error estimate, checkpoints and resumption."""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import numpy as np

from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.solve import SolveResult
from mfpde.results.files.netcdf import load_checkpoint
from mfpde.results.files.provenance import provenance
from mfpde.schemes import make_schemes
from mfpde.studies.run.outputs import earlier_run, output_file
from mfpde.studies.run.refusals import refuse_unsupported
from mfpde.studies.run.run import ARITHMETIC, Progress, Run, silent


def solve(
    configuration: Experiment,
    output: str | Path | None = None,
    *,
    resume: bool = False,
    force: bool = False,
    progress: Progress = silent,
) -> SolveResult:
    """Solve the reduced dynamics that `configuration` describes.

    Args:
        configuration: what to solve, and how.
        output: result file, also the checkpoint; an existing one is kept unless `force` or `resume`.
        resume: go on from `output`, which must come from the same configuration; bit-identical to one run.
        progress: called with a line of text and the fraction of the work done.

    Returns:
        The trajectory; `status` tells whether it reached the end. `attributes["message"]` says why not, where a run
        until stationary stopped, and that the energy balance is off.

    Raises:
        ConfigurationError: the configuration cannot be solved, or is not the one of the file to resume.
        ResultFileError: the file to resume is damaged or foreign.
        OutputError: `output` cannot be written (RunOutputError: during the run).
    """
    started = monotonic()
    refuse_unsupported(configuration)
    with output_file(output, resume=resume, force=force) as path, ExitStack() as held:
        earlier = earlier_run(path, configuration, load_checkpoint) if resume and path is not None else None
        if earlier is not None and earlier[0].status == "success":
            return earlier[0]
        # A number that leaves the range of floating point is an error, not a NaN that travels on.
        held.enter_context(np.errstate(all="raise", under="ignore"))
        run = _prepared(configuration, path, progress, started)
        if earlier is not None:
            run.restore(*earlier)
        return run.complete()


def _prepared(configuration: Experiment, path: Path | None, progress: Progress, started: float) -> Run:
    """The run at its start; raises ConfigurationError where the problem lies outside what numbers can hold."""
    try:
        progress("reducing the problem", 0.0)
        problem = build_problem(configuration)
        schemes = make_schemes(problem, configuration, progress=lambda text: progress(text, 0.0))
        return Run(
            schemes,
            problem.geometry.names,
            configuration.time.save_times,
            problem.flow.schedule,
            provenance(configuration),
            path,
            progress,
            started,
            configuration.solver.step or math.inf,
            configuration.time.stationary_tolerance,
        )
    except ARITHMETIC as error:
        message = f"the problem cannot be set up in floating point ({error})"
        remedy = "write scales, activation, initial law and dynamics of moderate size"
        raise ConfigurationError([f"{message}; {remedy}"], configuration) from error
