"""solve: the trajectory of the reduced dynamics, with an error estimate, checkpoints and resumption."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from time import monotonic

from mfpde.configuration import Configuration, ConfigurationError, parse
from mfpde.problem import build_problem
from mfpde.results.errors import ResultFileError
from mfpde.results.netcdf import Checkpoint, load_checkpoint
from mfpde.results.output import probe
from mfpde.results.provenance import provenance
from mfpde.results.solve_result import SolveResult
from mfpde.schemes import make_schemes
from mfpde.studies.run import Progress, Run, silent
from mfpde.studies.support import refuse_unsupported
from mfpde.toml_writer import differing_keys


def solve(
    configuration: Configuration,
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
        The trajectory; `status` tells whether it reached the end, `attributes["message"]` why not.

    Raises:
        ConfigurationError: the configuration cannot be solved, or is not the one of the file to resume.
        ResultFileError: the file to resume is damaged or foreign.
        OutputError: `output` cannot be written (RunOutputError: during the run).
    """
    started = monotonic()
    refuse_unsupported(configuration)
    path = None if output is None else Path(output)
    earlier = _earlier(path, configuration, force) if resume else None
    if earlier is not None and earlier[0].status == "success":
        return earlier[0]
    if path is not None:
        probe(path, force=force or resume)
    progress("reducing the problem", 0.0)
    problem = build_problem(configuration)
    schemes = make_schemes(problem, configuration, progress=lambda text: progress(text, 0.0))
    run = Run(
        schemes,
        problem.geometry.names,
        configuration.time.save_times,
        problem.flow.schedule,
        provenance(configuration),
        path,
        progress,
        started,
        configuration.solver.step or math.inf,
    )
    if earlier is not None:
        run.restore(*earlier)
    return run.complete()


def _earlier(path: Path | None, configuration: Configuration, force: bool) -> tuple[SolveResult, Checkpoint]:
    """The result to go on from, once it is known to belong to this configuration."""
    if path is None:
        raise ConfigurationError(["--resume: there is no file to continue; name it with -o RUN.nc"])
    if force:
        raise ConfigurationError(["--resume and --force exclude each other: write one of them"])
    result, checkpoint = load_checkpoint(path)
    try:
        then = parse(tomllib.loads(str(result.attributes["configuration"])))
    except (KeyError, tomllib.TOMLDecodeError, ConfigurationError) as error:
        message = f"{path}: its configuration cannot be read ({error!r}); run it again with --force"
        raise ResultFileError(message) from None
    keys = differing_keys(then, configuration)
    if keys:
        message = f"{path}: comes from another configuration, which differs in {', '.join(keys)}"
        raise ConfigurationError([f"{message}; resume with the same values, or name another file with -o"])
    return result, checkpoint
