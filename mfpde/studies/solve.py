"""solve: the trajectory of the reduced dynamics, with an error estimate, checkpoints and resumption."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from mfpde.configuration.sources import Source, experiment_of
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.solve import SolveResult
from mfpde.results.files.netcdf_file import Attribute
from mfpde.schemes.choice import on_scheme, scheme_of
from mfpde.schemes.interface import SCHEMES, SchemeKind, scheme_named
from mfpde.schemes.pair import make_pair, refuse_leaving
from mfpde.shell.progress import Progress, say, silent
from mfpde.studies.run.arithmetic import strict_arithmetic
from mfpde.studies.run.continuation import Earlier, earlier_run
from mfpde.studies.run.output import output_file
from mfpde.studies.run.refusals import refuse_unsupported, setting_up
from mfpde.studies.run.run import Run


def solve(
    source: Source,
    output: str | Path | None = None,
    *,
    scheme: str | SchemeKind | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Progress = silent,
    **given: Any,
) -> SolveResult:
    """Solve the reduced dynamics that a source describes.

    Args:
        source: a preset's name, the path of a TOML file, an experiment, or a problem made in Python.
        scheme: the scheme, by its name or itself, in place of the one that the source names.
        output: result file, also the checkpoint; an existing one is kept unless `force` or `resume`.
        resume: go on from `output`, which must come from the same configuration; bit-identical to one run. `time.end`
            may be later: save times of before stay, and so do the grids, which the law then must not leave.
        progress: called with a line of text and the fraction of the work done.
        given: overrides=, use=, and keys of [time], [solver] and [sgd], as `experiment_of` takes them.

    Returns:
        The trajectory; `status` tells whether it reached the end. `attributes["message"]` says why not, where a run
        until stationary stopped, and that the energy balance is off.

    Raises:
        ConfigurationError: the configuration cannot be solved, or is not the one of the file to resume.
        ResultFileError: the file to resume is damaged or foreign.
        OutputError: `output` cannot be written (RunOutputError: during the run).
    """
    started = monotonic()
    asked = None if scheme is None else scheme_named(scheme)
    known = asked.name if asked is not None and asked.name in SCHEMES else None
    configuration = experiment_of(source, scheme=known, **given)
    kind = asked or scheme_of(configuration)
    configuration = on_scheme(configuration, kind)
    refuse_unsupported(configuration, kind)
    with output_file(output, resume=resume, force=force) as path:
        earlier = earlier_run(path, configuration, SolveResult) if resume and path is not None else None
        if earlier is not None and earlier.finished:
            return earlier.result
        with strict_arithmetic():
            with setting_up(configuration):
                run = _prepared(configuration, kind, path, progress, started, earlier)
            if earlier is not None:
                run.restore(earlier.result, earlier.arrays)
            return run.complete()


def _prepared(
    experiment: Experiment, kind: SchemeKind, path: Path | None, progress: Progress, started: float,
    earlier: Earlier[SolveResult] | None,
) -> Run:  # fmt: skip
    """The run at its start; one that goes on to a later end keeps the grids that were laid out for the earlier one."""
    progress("reducing the problem", 0.0)
    problem = build_problem(experiment)
    marks: Mapping[str, Attribute] = {}
    laid_out = experiment
    if earlier is not None and earlier.marks:
        experiment, marks = earlier.configuration, earlier.marks
        laid_out = earlier.laid_out if kind.straight else experiment
    pair = make_pair(problem, laid_out, lambda text: progress(text, 0.0), kind, lambda text: say(progress, text))
    if marks:
        refuse_leaving(pair, problem, experiment)
    return Run(pair, kind.name, problem, experiment, path, progress, started, marks)
