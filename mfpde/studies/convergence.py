"""convergence: refine schemes, and hold every level against one oracle.

The oracle is a run of characteristics at a fine tolerance. With noise there are none: it is then the finest grid of
finite volumes refined once more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mfpde.errors import ConfigurationError
from mfpde.experiment import MINIMUM_TOLERANCE, Experiment, Solver
from mfpde.problem.problem import build_problem
from mfpde.results.answer import Answer
from mfpde.results.answers.solve import SolveResult
from mfpde.studies.run.refusals import unsupported
from mfpde.studies.run.run import Progress, silent
from mfpde.studies.solve import solve

# The coarsest cells per axis in 1, 2 and 3 dimensions; every level doubles them.
COARSEST_CELLS = {1: 128, 2: 32, 3: 12}
COARSEST_PARTICLES = 50
COARSEST_TOLERANCE = 1e-2
TOLERANCE_RATIO = 1e-2
REFERENCE_TOLERANCE = 1e-8
COARSEST_STEPS = 256
"""Steps of the coarsest run of minimising movements; every level doubles them."""
STEP_TOLERANCE = 1e-7
"""Tolerance of the parts of minimising movements that are not refined, so that the step shows."""
SHARED_TIMES = 5
"""Save times, equally spaced in flow time, where steps are refined: no save time cuts a step."""
NAMES = ("finite-volume", "jko", "characteristics", "particles")


@dataclass(frozen=True)
class Level:
    """One run of the refinement.

    Attributes:
        scheme: the scheme's name.
        refined: what is refined: "cells" (per axis), "tolerance", "step" (in flow time) or "particles".
        resolution: its value.
        error: max over the save times of |R - R_reference|.
        estimate: max over the save times of the run's own `risk_error`.
        order: log of the ratio of errors over log of the ratio of resolutions, NaN at the coarsest level.
        wall_seconds: time of the run.
    """

    scheme: str
    refined: str
    resolution: float
    error: float
    estimate: float
    order: float
    wall_seconds: float


@dataclass(frozen=True)
class ConvergenceResult(Answer):
    """The levels of a refinement, coarse to fine, scheme after scheme, and the reference they are held against.

    Attributes:
        levels: the runs that were completed.
        reference: what the reference is, in words.
        reference_scheme: its scheme.
        reference_risk: R at the last save time of the reference.
        reference_error: the largest `risk_error` of the reference; no smaller error can be seen.
        reference_seconds: time of the reference run.
        status: "success", or that of the run that was not.
        message: why it was not.
        refused: schemes that cannot do the problem, each with the reason.
    """

    levels: tuple[Level, ...]
    reference: str
    reference_scheme: str
    reference_risk: float
    reference_error: float
    reference_seconds: float
    status: str
    message: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values; NaN becomes None."""
        keys = ("scheme", "refined", "resolution", "error", "estimate", "order", "wall_seconds")
        levels = [{key: _number(getattr(level, key)) for key in keys} for level in self.levels]
        names = ("reference_scheme", "reference_risk", "reference_error", "reference_seconds")
        return {
            "levels": levels,
            **{name: _number(getattr(self, name)) for name in names},
            "refused": dict(self.refused),
            "status": self.status,
        }

    def table(self) -> str:
        """The result as text."""
        head = f"reference: {self.reference}, R = {self.reference_risk:.12g}"
        lines = [f"{head}, error {self.reference_error:.1e}, {self.reference_seconds:.2f} s"]
        titles = f"{'error':>9} {'estimate':>9} {'order':>6} {'seconds':>8}"
        lines.append(f"{'scheme':<16} {'refined':<9} {'resolution':>10} {titles}")
        for level in self.levels:
            order = "" if math.isnan(level.order) else f"{level.order:.2f}"
            text = f"{level.scheme:<16} {level.refined:<9} {level.resolution:>10.4g} {level.error:>9.1e}"
            lines.append(f"{text} {level.estimate:>9.1e} {order:>6} {level.wall_seconds:>8.2f}")
        lines += [f"{scheme}: not run: {reason}" for scheme, reason in self.refused.items()]
        return "\n".join(lines)


def chosen_schemes(text: str) -> tuple[str, ...]:
    """The schemes of a comma list, or of "all"; raises ConfigurationError."""
    from mfpde.keys.reader import nearest, one_line

    if text.strip() == "all":
        return NAMES
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    problems = [
        f"--schemes {one_line(name)}: no such scheme; did you mean {nearest(name, NAMES)}? write all, or some of "
        f"{', '.join(NAMES)}"
        for name in found
        if name not in NAMES
    ]
    if problems:
        raise ConfigurationError(problems)
    return found


def convergence(
    configuration: Experiment,
    levels: int = 4,
    progress: Progress = silent,
    schemes: Sequence[str] | None = None,
) -> ConvergenceResult:
    """Refine the scheme of `configuration`, or each of `schemes`, `levels` times against one reference.

    Finite volumes, and minimising movements with noise, double their cells, which halves their steps; minimising
    movements of atoms halve their fixed step; characteristics tighten their tolerance; particles become four times as
    many, one draw each: their order of 1/2 shows only on average.

    Raises:
        ConfigurationError: no scheme of them can do the problem.
    """
    names = (configuration.solver.scheme,) if schemes is None else tuple(schemes)
    configuration = _with_times(configuration, steps=schemes is not None or names == ("jko",))
    each = {name: _solver(configuration, name) for name in names}
    refused = {}
    if schemes is not None:
        for name, solver in each.items():
            reasons = unsupported(replace(configuration, solver=solver))
            if reasons:
                refused[name] = "; ".join(reasons)
        if len(refused) == len(names):
            raise ConfigurationError(list(dict.fromkeys(refused.values())))
    words, options = _reference(configuration, names, levels)
    reference = solve(replace(configuration, solver=options), progress=progress)
    found: list[Level] = []
    status, messages = reference.status, [str(reference.attributes.get("message", ""))]
    for name in names if status == "success" else ():
        if name in refused or status == "interrupted":
            continue
        try:
            ended, message = _refine(replace(configuration, solver=each[name]), reference, levels, found, progress)
        except ConfigurationError as error:
            if schemes is None:
                raise
            refused[name] = "; ".join(error.messages)
            continue
        if ended != "success":
            status = ended
            messages.append(message if schemes is None else f"{name}: {message}")
    return ConvergenceResult(
        tuple(found),
        words,
        reference.scheme,
        float(reference.risk[-1]) if len(reference.risk) else math.nan,
        float(reference.risk_error.max(initial=0.0)),
        reference.wall_seconds,
        status,
        "\n".join(filter(None, messages)) if status != "success" else "",
        refused,
    )


def _refine(
    configuration: Experiment,
    reference: SolveResult,
    levels: int,
    found: list[Level],
    progress: Progress,
) -> tuple[str, str]:
    """Append the levels of one scheme; the status and message of the run that ends them."""
    coarser: Level | None = None
    for refined, resolution, solver in _refinements(configuration, len(reference.names), levels):
        result = solve(replace(configuration, solver=solver), progress=progress)
        if result.status != "success":
            return result.status, str(result.attributes.get("message", ""))
        coarser = _level(result, reference, refined, resolution, coarser)
        found.append(coarser)
    return "success", ""


def _noisy(configuration: Experiment) -> bool:
    return math.isfinite(configuration.dynamics.inverse_temperature)


def _with_times(configuration: Experiment, steps: bool) -> Experiment:
    """The configuration to its end at save times all levels share; few where fixed `steps` are refined."""
    time, schedule = (
        replace(configuration.time, until="end", stationary_tolerance=None),
        configuration.dynamics.schedule,
    )
    end = schedule.flow_time(time.end)
    if steps and end > 0.0:
        inner = (schedule.time(end * index / (SHARED_TIMES - 1)) for index in range(1, SHARED_TIMES - 1))
        time = replace(time, save=(0.0, *inner, time.end))
    return replace(configuration, time=time)


def _solver(configuration: Experiment, name: str) -> Solver:
    """The solver of a scheme; numbers of atoms are meant for the configuration's own."""
    solver = configuration.solver
    return solver if name == solver.scheme else replace(solver, scheme=name, atoms=None)


def _reference(configuration: Experiment, names: Sequence[str], levels: int) -> tuple[str, Solver]:
    """What the reference is, and its solver."""
    if _noisy(configuration):
        dimension = build_problem(configuration).geometry.dimension
        finest = tuple(count * 2**levels for count in _coarsest(configuration.solver, dimension))
        words = f"finite-volume, {finest[0]} cells (noise: no characteristics; the finest grid refined once more)"
        return words, replace(configuration.solver, scheme="finite-volume", cells=finest, atoms=None)
    tolerance = min(REFERENCE_TOLERANCE, configuration.solver.tolerance)
    if "characteristics" in names:
        tolerance = max(min(tolerance, COARSEST_TOLERANCE * TOLERANCE_RATIO**levels), MINIMUM_TOLERANCE)
    return "characteristics", Solver(scheme="characteristics", tolerance=tolerance)


def _coarsest(solver: Solver, dimension: int) -> tuple[int, ...]:
    return solver.cells or (COARSEST_CELLS.get(dimension, COARSEST_CELLS[3]),)


def _refinements(configuration: Experiment, dimension: int, levels: int) -> Iterator[tuple[str, float, Solver]]:
    """What is refined, its value and the solver, coarse to fine."""
    solver = configuration.solver
    end = configuration.dynamics.schedule.flow_time(configuration.time.end)
    steps = solver.scheme == "jko" and not _noisy(configuration) and end > 0.0
    for level in range(levels):
        if solver.scheme == "characteristics":
            tolerance = COARSEST_TOLERANCE * TOLERANCE_RATIO**level
            yield "tolerance", tolerance, replace(solver, tolerance=tolerance)
        elif solver.scheme == "particles":
            count = (solver.atoms or (COARSEST_PARTICLES,))[0] * 4**level
            yield "particles", float(count), replace(solver, atoms=(count,))
        elif steps:
            step = (solver.step or end / COARSEST_STEPS) / 2**level
            yield "step", step, replace(solver, step=step, tolerance=min(solver.tolerance, STEP_TOLERANCE))
        else:
            cells = tuple(count * 2**level for count in _coarsest(solver, dimension))
            yield "cells", float(cells[0]), replace(solver, cells=cells)


def _level(
    result: SolveResult, reference: SolveResult, refined: str, resolution: float, coarser: Level | None
) -> Level:
    error = float(np.max(np.abs(result.risk - reference.risk)))
    order = math.nan
    if coarser is not None and error > 0.0 and coarser.error > 0.0:
        order = math.log(coarser.error / error) / abs(math.log(resolution / coarser.resolution))
    estimate = float(result.risk_error.max())
    return Level(result.scheme, refined, resolution, error, estimate, order, result.wall_seconds)


def _number(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
