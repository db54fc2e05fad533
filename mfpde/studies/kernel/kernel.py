"""kernel: the limit of large output scales, in which the network learns linearly with the kernel of rho_0.

L. Chizat, E. Oyallon, F. Bach, On lazy training in differentiable programming, NeurIPS 2019; S. Mei, T. Misiakiewicz,
A. Montanari, COLT 2019, Section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mfpde.configuration.sources import Source, experiment_of
from mfpde.errors import all_of
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.kernel import KernelLimit
from mfpde.shell.progress import Progress, silent
from mfpde.studies.kernel.limit import refuse_flow
from mfpde.studies.kernel.scales import ScaledRuns, refuse_scales
from mfpde.studies.run.arithmetic import strict_arithmetic
from mfpde.studies.run.output import output_file


def kernel(
    source: Source,
    scales: Sequence[float] | None = None,
    *,
    output: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Progress = silent,
    **given: Any,
) -> KernelLimit:
    """The kernel limit of the problem that a source describes, at its save times.

    Args:
        source: a preset's name, the path of a TOML file, an experiment, or a problem made in Python.
        scales: alpha of runs of the equation beside the limit.
        output: JSON file, written as runs end; an existing one is kept unless `force` or `resume`.
        resume: compute only the runs that `output` does not hold.
        progress: called with a line of text and the fraction of the work done.
        given: overrides=, use=, and keys of [time], [solver] and [sgd], as `experiment_of` takes them.

    Raises:
        ConfigurationError: f_0 != 0, noise, a ridge, birth and death, or another loss than the square one; another
            problem in the file to resume.
        ResultFileError: the file to resume is missing or none.
        OutputError: `output` cannot be written.
    """
    configuration = experiment_of(source, **given)
    refuse(configuration, scales or ())
    with output_file(output, resume=resume, force=force, kind="OUT.json") as path, strict_arithmetic():
        runs = ScaledRuns(configuration, scales or (), path, progress)
        if resume and path is not None:
            runs.restore(path)
        return runs.complete()


def refuse(configuration: Experiment, scales: Sequence[float] = ()) -> None:
    """Raise ConfigurationError where there is no limit, or no run at these scales."""
    checks: tuple[Callable[[], None], ...] = (
        lambda: refuse_flow(build_problem(configuration)),
        lambda: refuse_scales(configuration, scales),
    )
    all_of(lambda check: check(), checks)
