"""convergence: refine a scheme, and hold every level against the finest characteristics run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mfpde.configuration import MINIMUM_TOLERANCE, Configuration, Solver
from mfpde.results.solve_result import SolveResult
from mfpde.studies.run import Progress, silent
from mfpde.studies.solve import solve

# The coarsest cells per axis in 1, 2 and 3 dimensions; every level doubles them.
COARSEST_CELLS = {1: 128, 2: 32, 3: 12}
COARSEST_PARTICLES = 50
COARSEST_TOLERANCE = 1e-2
TOLERANCE_RATIO = 1e-2
REFERENCE_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Level:
    """One run of the refinement.

    Attributes:
        scheme: the scheme's name.
        resolution: cells per axis, or the tolerance.
        error: max over the save times of |R - R_reference|.
        estimate: max over the save times of the run's own `risk_error`.
        order: log of the ratio of errors over log of the ratio of resolutions, NaN at the coarsest level.
        wall_seconds: time of the run.
    """

    scheme: str
    resolution: float
    error: float
    estimate: float
    order: float
    wall_seconds: float


@dataclass(frozen=True)
class ConvergenceResult:
    """The levels of a refinement, coarse to fine, and the reference they are held against.

    Attributes:
        levels: the runs that were completed.
        reference_risk: R at the last save time of the reference.
        reference_error: the largest `risk_error` of the reference; no smaller error can be seen.
        reference_seconds: time of the reference run.
        status: "success", or that of the run that was not.
        message: why it was not.
    """

    levels: tuple[Level, ...]
    reference_risk: float
    reference_error: float
    reference_seconds: float
    status: str
    message: str = ""

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values; NaN becomes None."""
        keys = ("scheme", "resolution", "error", "estimate", "order", "wall_seconds")
        levels = [{key: _number(getattr(level, key)) for key in keys} for level in self.levels]
        names = ("reference_risk", "reference_error", "reference_seconds")
        return {
            "levels": levels,
            **{name: _number(getattr(self, name)) for name in names},
            "status": self.status,
        }

    def table(self) -> str:
        """The result as text."""
        head = f"reference: characteristics, R = {self.reference_risk:.12g}"
        lines = [f"{head}, error {self.reference_error:.1e}, {self.reference_seconds:.2f} s"]
        lines.append(f"{'scheme':<16} {'resolution':>10} {'error':>9} {'estimate':>9} {'order':>6} {'seconds':>8}")
        for level in self.levels:
            order = "" if math.isnan(level.order) else f"{level.order:.2f}"
            text = f"{level.scheme:<16} {level.resolution:>10g} {level.error:>9.1e} {level.estimate:>9.1e}"
            lines.append(f"{text} {order:>6} {level.wall_seconds:>8.2f}")
        return "\n".join(lines)


def convergence(configuration: Configuration, levels: int = 4, progress: Progress = silent) -> ConvergenceResult:
    """Refine the scheme of `configuration` `levels` times against a finer run of characteristics.

    Finite volumes double their cells, which halves their steps; characteristics tighten their tolerance;
    particles become four times as many, one draw each: their order of 1/2 shows only on average.
    """
    tolerance = min(REFERENCE_TOLERANCE, configuration.solver.tolerance)
    if configuration.solver.scheme == "characteristics":
        tolerance = max(min(tolerance, COARSEST_TOLERANCE * TOLERANCE_RATIO**levels), MINIMUM_TOLERANCE)
    options = Solver(scheme="characteristics", tolerance=tolerance)
    # every level is held against the same times
    configuration = replace(configuration, time=replace(configuration.time, until="end", stationary_tolerance=None))
    reference = solve(replace(configuration, solver=options), progress=progress)
    found: list[Level] = []
    status, message = reference.status, str(reference.attributes.get("message", ""))
    if status == "success":
        for resolution, solver in _refinements(configuration.solver, len(reference.names), levels):
            result = solve(replace(configuration, solver=solver), progress=progress)
            if result.status != "success":
                status, message = result.status, str(result.attributes.get("message", ""))
                break
            found.append(_level(result, reference, resolution, found[-1] if found else None))
    return ConvergenceResult(
        tuple(found),
        float(reference.risk[-1]) if len(reference.risk) else math.nan,
        float(reference.risk_error.max(initial=0.0)),
        reference.wall_seconds,
        status,
        message,
    )


def _refinements(solver: Solver, dimension: int, levels: int) -> Iterator[tuple[float, Solver]]:
    if solver.scheme == "characteristics":
        for level in range(levels):
            tolerance = COARSEST_TOLERANCE * TOLERANCE_RATIO**level
            yield tolerance, replace(solver, tolerance=tolerance)
        return
    if solver.scheme == "particles":
        for level in range(levels):
            count = (solver.atoms or (COARSEST_PARTICLES,))[0] * 4**level
            yield float(count), replace(solver, atoms=(count,))
        return
    coarsest = solver.cells or (COARSEST_CELLS.get(dimension, COARSEST_CELLS[3]),)
    for level in range(levels):
        cells = tuple(count * 2**level for count in coarsest)
        yield float(cells[0]), replace(solver, cells=cells)


def _level(result: SolveResult, reference: SolveResult, resolution: float, coarser: Level | None) -> Level:
    error = float(np.max(np.abs(result.risk - reference.risk)))
    order = math.nan
    if coarser is not None and error > 0.0 and coarser.error > 0.0:
        order = math.log(coarser.error / error) / abs(math.log(resolution / coarser.resolution))
    estimate = float(result.risk_error.max())
    return Level(result.scheme, resolution, error, estimate, order, result.wall_seconds)


def _number(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
