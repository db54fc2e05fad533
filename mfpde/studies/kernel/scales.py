"""Runs of the equation at finite output scales, which come to the kernel limit as these grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mfpde.experiment import Experiment
from mfpde.results.answers.kernel import KernelLimit, measured_slope
from mfpde.schemes.choice import on_oracle
from mfpde.shell.progress import Progress
from mfpde.studies.run.refusals import refuse_unsupported
from mfpde.studies.solve import solve


def at_scale(configuration: Experiment, scale: float) -> Experiment:
    """The experiment with outputs of another scale, on the scheme that is trusted most."""
    network, problem = replace(configuration.network, scale=scale), configuration.problem
    made = None if problem is None else replace(problem, network=network)
    return on_oracle(replace(configuration, network=network, problem=made), configuration.solver.tolerance)


def refuse_scales(configuration: Experiment, scales: Sequence[float]) -> None:
    """Raise ConfigurationError where no run can be made."""
    for scale in scales:
        refuse_unsupported(at_scale(configuration, scale))


def with_scales(
    limit: KernelLimit, configuration: Experiment, scales: Sequence[float], progress: Progress
) -> KernelLimit:
    """The limit with the runs beside it.

    Raises:
        ArithmeticError: a run failed.
    """
    ordered, runs = tuple(sorted(set(scales))), []
    for index, scale in enumerate(ordered):

        def tell(text: str, fraction: float, index: int = index, scale: float = scale) -> None:
            progress(f"scale {scale:g}: {text}", (index + fraction) / len(ordered))

        found = solve(at_scale(configuration, scale), progress=tell)
        if found.status == "interrupted":
            raise KeyboardInterrupt
        if found.status != "success":
            raise ArithmeticError(f"the run at network.scale = {scale:g} failed at {found.message}")
        runs.append(found)
    risk, error = np.stack([run.risk for run in runs]), np.stack([run.risk_error for run in runs])
    gaps = np.abs(risk - limit.trained.risk)
    at = gaps.argmax(axis=1), np.arange(len(runs))
    errors = np.array([error[row, time] + limit.trained.risk_error[time] for time, row in zip(*at, strict=True)])
    slope = measured_slope(np.array(ordered), gaps.max(axis=1), errors)
    note = f"the runs at finite scales are by {runs[0].scheme}"
    return replace(limit, scales=ordered, scale_risk=risk, scale_error=error, slope=slope, notes=(*limit.notes, note))
