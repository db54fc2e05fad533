"""kernel: the limit of large output scales, in which the network learns linearly with the kernel of rho_0.

L. Chizat, E. Oyallon, F. Bach, On lazy training in differentiable programming, NeurIPS 2019; S. Mei, T. Misiakiewicz,
A. Montanari, COLT 2019, Section 4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mfpde.configuration.sources import Source, experiment_of
from mfpde.errors import all_of, raise_mistakes
from mfpde.experiment import Experiment
from mfpde.problem.laws.finite_data import FiniteData
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
    ridges: Sequence[float] | None = None,
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
        ridges: lambda of kernel regressions on a data set, sum_p omega_p (y_p - f)^2 + lambda |f|_H^2, beside the one
            without, in which the flow ends.
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
    refuse(configuration, scales or (), ridges or ())
    with output_file(output, resume=resume, force=force, kind="OUT.json") as path, strict_arithmetic():
        runs = ScaledRuns(configuration, scales or (), path, progress, ridges or ())
        if resume and path is not None:
            runs.restore(path)
        return runs.complete()


def refuse(configuration: Experiment, scales: Sequence[float] = (), ridges: Sequence[float] = ()) -> None:
    """Raise ConfigurationError where there is no limit, no run at these scales, or no data set for these ridges."""
    checks: tuple[Callable[[], None], ...] = (
        lambda: refuse_flow(build_problem(configuration)),
        lambda: refuse_scales(configuration, scales),
        lambda: raise_mistakes(ridge_mistakes(configuration, ridges)),
    )
    all_of(lambda check: check(), checks)


def ridge_mistakes(configuration: Experiment, ridges: Sequence[float]) -> list[str]:
    """Why there are no regressions under these ridges."""
    if ridges and not isinstance(build_problem(configuration).data, FiniteData):
        words = f'--ridge: "{configuration.data.name}" is no finite set of samples'
        return [f'{words}; write law = "dataset", or samples of a law that draws some']
    bad = [each for each in ridges if not (0.0 <= each < math.inf)]
    return [f"--ridge {bad[0]:g}: write numbers from 0 on"] if bad else []
