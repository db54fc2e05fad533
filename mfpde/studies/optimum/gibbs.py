"""The optimum of the free energy with noise: the Gibbs law, with its duality gap."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mfpde.errors import raise_mistakes
from mfpde.experiment import Experiment
from mfpde.problem.problem import Problem, build_problem
from mfpde.results.answers.optimum import GibbsOptimum
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.optimum.gibbs import Gibbs, gibbs_law
from mfpde.solvers.space.box import Box

if TYPE_CHECKING:
    from mfpde.solvers.objective.representation import ReducedObjective

NODES = 16
FIRST_PANELS = {1: 64, 2: 10}
"""In more coordinates panels are as many as nodes may be, of fewer nodes first."""
MOST_NODES, MOST_ENTRIES = 400_000, 40_000_000
"""Nodes, and nodes times features, of a rule."""
ROUGH, ACCURACY = 1e-6, 1e-12
TAIL = 1e-17
"""Mass, relative to the largest in a slice, below which the box is cut."""


def gibbs_optimum(configuration: Experiment, radius: float | None = None) -> GibbsOptimum:
    """The Gibbs law of a configuration with finite inverse temperature, to about 1e-10 in F.

    Args:
        radius: R of the box 0 <= r_j <= R; None for a box that holds all the mass.

    Raises:
        ConfigurationError: without noise, without confinement, or with a frozen random coordinate.
        ArithmeticError: if Newton's method fails.
    """
    problem = build_problem(configuration)
    refuse_gibbs(problem, radius)
    box = _first_box(problem, radius)
    rules = _rules(problem.geometry.dimension)
    rough = problem.represent("compressed", box, ROUGH).objective
    for _ in range(3):
        box = _narrowed(problem, box, _solve(problem, rough, box, rules[0]))
    reduced = problem.represent("compressed", box, ACCURACY)
    objective, change = reduced.objective, math.inf
    solved = _solve(problem, objective, box, rules[0])
    for rule in rules[1:]:
        (panels, nodes), held = rule, change < math.inf
        entries = (panels * nodes) ** problem.geometry.dimension * reduced.rank
        if held and (entries > MOST_ENTRIES or change <= ACCURACY * max(1.0, abs(solved[0].half_free_energy))):
            break
        finer = _solve(problem, objective, box, rule)
        change = abs(finer[0].half_free_energy - solved[0].half_free_energy)
        solved = finer
    return _described(problem, reduced, box, radius, solved, 2.0 * change)


def _rules(dimension: int) -> list[tuple[int, int]]:
    """Panels and Gauss nodes of one coordinate, ever finer: at least two, that the change between them is known."""
    if dimension in FIRST_PANELS:
        panels = [FIRST_PANELS[dimension] * 2**level for level in range(12)]
        return [(count, NODES) for count in panels if (count * NODES) ** dimension <= MOST_NODES]
    most = int(MOST_NODES ** (1.0 / dimension))
    return [(1, max(int(share * most), 2)) for share in (0.45, 0.6, 0.8, 1.0)]


Solved = tuple[Gibbs, Array]
"""The Gibbs law and the nodes it lives on, shape (n, D)."""


def refuse_gibbs(problem: Problem, radius: float | None) -> None:
    messages = []
    if not math.isfinite(problem.flow.inverse_temperature):
        messages.append(
            "dynamics.inverse_temperature: inf; without noise the optimum is made of atoms, not a Gibbs law: "
            "write a finite beta, or ask optimum_atoms"
        )
    loose = problem.flow.confinement(problem.geometry).loose(problem.geometry)
    if loose and radius is None:
        problem_ = f"dynamics.ridge: 0; without confinement of {', '.join(loose)} there is no Gibbs law"
        messages.append(f"{problem_}, write ridge > 0 or give a box with --radius")
    messages += problem.frozen_problems("the Gibbs law needs a constant or a trained one")
    raise_mistakes(messages)


def _first_box(problem: Problem, radius: float | None) -> Box:
    """The stated box, or one around where the ridge alone would hold the mass, with room for the data's pull."""
    reach, held = [], problem.flow.confinement(problem.geometry)
    for number, axis in enumerate(problem.geometry.axes):
        if radius is not None:
            reach.append(radius)
            continue
        if math.isfinite(axis.upper):
            reach.append(max(abs(axis.lower), axis.upper))
            continue
        # where 4 beta V = d and 81, and where V = 1
        quarter = 0.25 / problem.flow.inverse_temperature
        spread = held.reach(number, quarter * axis.dimension) + held.reach(number, quarter * 81.0)
        reach.append(spread + 4.0 * held.reach(number, 1.0))
    upper = np.array(reach)
    return problem.geometry.cut(Box(-upper, upper))


def _solve(problem: Problem, objective: Objective, box: Box, rule: tuple[int, int]) -> Solved:
    panels, count = rule
    x, w = np.polynomial.legendre.leggauss(count)
    axes, log_weights = [], []
    for axis, (low, high) in enumerate(zip(box.lower, box.upper, strict=True)):
        half = 0.5 * (high - low) / panels
        centres = low + half * (2.0 * np.arange(panels) + 1.0)
        nodes = (centres[:, None] + half * x).ravel()
        axes.append(nodes)
        log_weights.append(np.log(np.tile(half * w, panels)) + problem.geometry.log_density(axis, nodes))
    points = np.stack([grid.ravel() for grid in np.meshgrid(*axes, indexing="ij")], axis=1)
    joint = log_weights[0]
    for part in log_weights[1:]:
        joint = np.add.outer(joint, part)
    features = np.concatenate(
        [objective.features.values(part) for part in np.array_split(points, len(points) // 4096 + 1)]
    )
    law = gibbs_law(
        objective,
        features,
        joint.ravel(),
        problem.flow.confinement(problem.geometry).value(points),
        problem.flow.inverse_temperature,
    )
    return law, points


def _narrowed(problem: Problem, box: Box, solved: Solved) -> Box:
    """The part of the box that holds all but `TAIL` of the mass, with a margin."""
    law, points = solved
    lower, upper = box.lower.copy(), box.upper.copy()
    for axis in range(problem.geometry.dimension):
        held = points[law.masses > TAIL * law.masses.max(), axis]
        margin = 0.1 * (held.max() - held.min()) + (box.upper[axis] - box.lower[axis]) / 100.0
        lower[axis] = max(lower[axis], held.min() - margin)
        upper[axis] = min(upper[axis], held.max() + margin)
    return Box(lower, upper)


def _described(
    problem: Problem, reduced: ReducedObjective, box: Box, radius: float | None, solved: Solved, change: float
) -> GibbsOptimum:
    law, points = solved
    beta, objective = problem.flow.inverse_temperature, reduced.objective
    surfaces = problem.geometry.log_surface
    mean = law.masses @ points
    outer = 0.0
    if radius is not None:
        outer = float(law.masses[(points > radius - (box.upper - box.lower) / 1000.0).any(axis=1)].sum())
    return GibbsOptimum(
        names=problem.geometry.names,
        risk=objective.risk(law.outputs),
        free_energy=2.0 * law.half_free_energy - surfaces / beta,
        lower_bound=2.0 * min(law.half_lower_bound, law.half_free_energy) - surfaces / beta - change - reduced.error,
        mean=mean,
        variance=law.masses @ (points - mean) ** 2,
        radius=radius,
        at_boundary=outer > 1e-8,
        quadrature_change=change,
        feature_error=reduced.error,
    )
