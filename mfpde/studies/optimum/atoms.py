"""The optimum without noise: the law of least risk (with ridge) on a box, its atoms, its proven lower bound.

The optimum can depend on the box: a minimising sequence may send mass to infinity. The search is therefore repeated
on larger boxes, without a certificate, and the values are extrapolated where they settle.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mfpde.errors import raise_mistakes
from mfpde.experiment import Experiment
from mfpde.problem.problem import Problem, build_problem
from mfpde.results.answers.optimum import AtomicOptimum
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.coefficient import WithCoefficient
from mfpde.solvers.objective.losses.interface import least
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.optimum.bound import Curvature
from mfpde.solvers.optimum.newton import SearchBox
from mfpde.solvers.optimum.optimum import certified_optimum
from mfpde.solvers.optimum.sampled import SampledCurvature
from mfpde.solvers.optimum.search import optimal_law
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.measure import Atoms
from mfpde.studies.optimum.cone import cone_optimum

DEFAULT_RADIUS = 10.0
TOLERANCE = 1e-10
"""Relative gap asked for."""
VANISHING = 1e-15
"""F below this is zero to rounding, where no relative gap is defined."""
ACCURACY = 1e-15
"""Error of U asked of the features; what they reach enters the bound."""
MOST_WORK, MOST_EVALUATIONS = 2e8, 2_000_000
"""Limits of a bound: evaluations times features, and evaluations."""
MOST_COORDINATES = 6
"""Coordinates of a box that a grid of samples covers."""
GROWTH = (2.0, 4.0, 8.0)
"""Factors of the larger boxes."""
AT_END = 1e-9
"""Distance from the end of the box, relative to it, within which an atom sits there."""


def optimum_atoms(
    configuration: Experiment, radius: float = DEFAULT_RADIUS, growth: tuple[float, ...] = GROWTH
) -> AtomicOptimum:
    """The optimum of a configuration without noise on the box of a radius, with its lower bound.

    Args:
        radius: R of the box 0 <= r_j <= R; a, b and the positions of bumps lie in [-R, R].
        growth: factors of the larger boxes that are searched.

    Raises:
        ConfigurationError: with noise, or with a frozen random coordinate.
        ArithmeticError: if Psi is not finite on the box.
    """
    problem = build_problem(configuration)
    refuse_atoms(problem)
    box = _search_box(problem, radius)
    reduced = problem.represent("exact", box, ACCURACY)
    escaping = _escaping(problem, reduced.objective, box, radius)
    if escaping is not None:
        return escaping
    cone = cone_optimum(problem, reduced.objective, radius)
    if cone is not None:
        return cone
    box = replace(box, error=reduced.error)
    bounds = _Bounds(problem, reduced.objective, box)
    found = certified_optimum(
        reduced.objective,
        box,
        bounds,
        # below their error the features have minima of their own
        max(TOLERANCE, reduced.error),
        int(min(MOST_EVALUATIONS, MOST_WORK / reduced.rank)),
    )
    positions, weights = found.law.points, found.law.weights
    ends = AT_END * (box.upper - box.lower)
    # an end of the space is no end of the search
    below, above = box.lower > problem.geometry.lower_bounds, box.upper < problem.geometry.upper_bounds
    outside = (positions >= box.upper - ends) & above | (positions <= box.lower + ends) & below
    lower = max(found.lower_bound - reduced.error, least(reduced.objective.loss))
    risk, pairs = found.risk, problem.exact_pairs
    if pairs is not None:
        risk = pairs.risk(positions, weights)
    energy = found.free_energy + (risk - found.risk)
    proven = bounds.proven and (not problem.data.network_keys or problem.unit.activation.bounds().proven)
    known = box.least(reduced.objective)
    within = box.within(reduced.objective, found.free_energy) and found.free_energy > known
    larger = tuple(
        (size, found.free_energy if found.free_energy <= known else _searched(problem, size, found.free_energy))
        for size in (() if within else np.multiply(radius, growth).tolist())
    )
    return AtomicOptimum(
        names=problem.geometry.names,
        risk=risk,
        free_energy=energy,
        lower_bound=min(lower, energy),
        radius=radius,
        positions=positions,
        weights=weights,
        boundary_mass=float(weights[outside.any(axis=1)].sum()),
        feature_error=reduced.error,
        certified=proven and energy - lower <= max(TOLERANCE * abs(energy), VANISHING),
        larger=larger,
        limit=extrapolated([found.free_energy, *(value for _, value in larger)]),
        proven=proven,
    )


def _escaping(problem: Problem, objective: Objective, box: Box, radius: float) -> AtomicOptimum | None:
    """The direction of coefficients that grow without end, where they move every output to where the loss vanishes."""
    from mfpde.solvers.optimum.margin import largest_margin

    towards, names = objective.loss.recession, problem.geometry.names
    trained = problem.data.network_keys and problem.unit.coefficient.trained and problem.flow.mobility.a > 0.0
    growing = trained and not problem.flow.confinement(problem.geometry).acts
    if towards is None or not growing or not isinstance(objective.features, WithCoefficient):
        return None
    place = names.index("a")
    inner = Box(np.delete(box.lower, place), np.delete(box.upper, place))
    on_sphere = problem.unit.activation.homogeneity == 1.0
    found = largest_margin(objective.features.inner, towards, inner, on_sphere)
    if found is None:
        return None
    infimum = least(objective.loss)
    return AtomicOptimum(
        names=names,
        risk=0.5 * infimum,
        free_energy=infimum,
        lower_bound=infimum,
        radius=radius,
        positions=np.insert(found.units, place, found.signs, axis=1),
        weights=found.weights,
        boundary_mass=0.0,
        feature_error=0.0,
        certified=True,
        larger=(),
        limit=None,
        margin=found.value,
    )


def refuse_atoms(problem: Problem) -> None:
    messages = problem.kept_mass("this optimum is") + problem.reduced("the optimum is")
    count = problem.geometry.dimension
    if count > MOST_COORDINATES:
        words = f"the search for the optimum takes at most {MOST_COORDINATES} coordinates, this problem has {count}"
        messages.append(f"data.law: {words}; write a ridge and follow `mfpde solve --until stationary`")
    if np.isfinite(problem.flow.inverse_temperature):
        messages.append("dynamics.inverse_temperature: finite; with noise the optimum is a Gibbs law, write inf")
    messages += problem.frozen_problems("the optimum needs a constant or a trained one")
    raise_mistakes(messages)


def _search_box(problem: Problem, radius: float) -> SearchBox:
    box = problem.geometry.box(radius)
    return SearchBox(box.lower, box.upper, problem.flow.confinement(problem.geometry))


def _searched(problem: Problem, radius: float, energy: float) -> float:
    """F of the law found on another box, with features good enough to see how it changes."""
    box = _search_box(problem, radius)
    objective = problem.represent("exact", box, float(np.clip(1e-7 * energy, 1e-13, 1e-7))).objective
    return box.free_energy(objective, optimal_law(objective, box))


class _Bounds:
    """Bounds of the derivatives of Psi: the data law's, or sampled ones where it gives none.

    Attributes:
        proven: whether all of them so far were the law's.
    """

    def __init__(self, problem: Problem, objective: Objective, box: Box) -> None:
        self._problem, self._objective, self._box = problem, objective, box
        self.proven = True

    def __call__(self, law: Atoms, outputs: Array, squared_slope: float) -> Curvature:
        problem = self._problem
        known = None if problem.centred else problem.data.curvature
        found = None if known is None else known(problem.unit, law.points, law.weights, outputs, squared_slope)
        if found is None:
            self.proven = False
            return SampledCurvature(self._objective, outputs, self._box)
        return found


def extrapolated(values: list[float]) -> tuple[float, float] | None:
    """Limit of values at radii that double, and its error, by Aitken's rule: their steps fall geometrically.

    None where the steps do not fall, or two successive extrapolations differ by more than the last step.
    """
    if len(values) < 4:
        return None
    steps = np.diff(values)
    scale = 1e-7 * abs(values[0]) + 1e-14
    if np.max(np.abs(steps[-2:])) <= scale:
        return values[-1], float(np.max(np.abs(steps[-2:])))
    if not np.all(steps < 0.0):
        return None
    ratios = steps[1:] / steps[:-1]
    if not (ratios[-2:].max() <= 0.8):
        return None
    limits = np.array(values[2:]) + steps[1:] * ratios / (1.0 - ratios)
    error = float(abs(limits[-1] - limits[-2]))
    return (float(limits[-1]), error) if error <= abs(steps[-1]) else None
