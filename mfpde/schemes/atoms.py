"""Schemes that carry the law on atoms: characteristics, minimising movements, particles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mfpde.configuration import Configuration
from mfpde.problem import Problem
from mfpde.reduction.interface import Box
from mfpde.schemes.choice import Schemes, described, error_floor_of
from mfpde.schemes.guide import label_law, spread_guide, visited_box
from mfpde.solvers.birth_death_process import ParticleProcess
from mfpde.solvers.characteristics import Characteristics
from mfpde.solvers.feature_table import FeatureTable, build_table
from mfpde.solvers.grid import Guide
from mfpde.solvers.jko import Jko
from mfpde.solvers.jko_options import JkoOptions
from mfpde.solvers.objective import FeatureMap

JKO_NODES = 60_000
"""Most nodes of a table made for proximal maps."""
DEFAULT_PARTICLES = 200


def characteristics(problem: Problem, configuration: Configuration, guide: Guide, box: Box) -> Schemes:
    tolerance = configuration.solver.tolerance
    reduced = problem.reduction.tabulated(box, 0.1 * tolerance)
    labels = len(problem.initial_law.labels)
    asked = configuration.solver.atoms
    # A Dirac mass has no labels to spread atoms over.
    atoms = None if asked is None or not labels else (asked * labels if len(asked) == 1 else asked)[:labels]

    def run(coarser: int, counts: tuple[int, ...] | None) -> Characteristics:
        # with the atoms given, fewer of them are fewer nodes a panel or fewer panels
        order = 10 if counts is None else max(2, min(10, *counts))
        law = label_law(problem.initial_law)
        return Characteristics(
            reduced.objective, problem.geometry, problem.flow, law, coarser * tolerance, order=order, atoms=counts
        )

    main = run(1, atoms)
    companion = run(10, None if atoms is None else tuple(max(2, count // 2) for count in atoms))
    # where saves lie closer than the steps, main and companion step alike and their difference says nothing
    floor = error_floor_of(reduced, guide) + 0.1 * tolerance
    return Schemes(main, companion, floor, (), described(reduced))


def jko_on_atoms(problem: Problem, configuration: Configuration, guide: Guide, box: Box) -> Schemes:
    """Minimising movements of atoms, and the other formula of order 2 beside them.

    With the step given, the companion takes the same steps by the midpoint formula, whose error is another one; with
    steps that adapt it has ten times the tolerance as well.
    """
    solver = configuration.solver
    margin = 0.5 * (box.upper - box.lower)
    box = Box(np.maximum(box.lower - margin, problem.geometry.lower_bounds), box.upper + margin)
    reduced = problem.reduction.tabulated(box, 0.1 * solver.tolerance)
    table = _table_on(reduced.objective.features, box, 10.0 * solver.tolerance)
    reduced = replace(reduced, objective=replace(reduced.objective, features=table))
    labels = len(problem.initial_law.labels)
    atoms = None
    if solver.atoms is not None and labels:
        atoms = (solver.atoms * labels if len(solver.atoms) == 1 else solver.atoms)[:labels]

    def run(order: int, formula: str, coarser: float) -> Jko:
        options = JkoOptions(
            order=order,
            formula=formula,
            step=solver.step,
            tolerance=0.1 * coarser * solver.tolerance,
            resolution=10.0 * coarser * solver.tolerance,
            atoms=atoms,
        )
        return Jko(reduced.objective, table, problem.geometry, problem.flow, label_law(problem.initial_law), options)

    main = run(2 if solver.order is None else solver.order, "bdf2", 1.0)
    companion = run(2, "midpoint", 1.0 if solver.step is not None else 10.0)
    # main and companion may agree with each other better than with the truth, as their tables and first steps do
    floor = error_floor_of(reduced, guide) + solver.tolerance
    return Schemes(main, companion, floor, (), described(reduced), solver.step)


def _table_on(features: FeatureMap, box: Box, tolerance: float) -> FeatureTable:
    """The table behind tabulated features, or one on the box of features that have none."""
    table = getattr(features, "table", None)
    if isinstance(table, FeatureTable):
        return table
    edges = [np.array([low, high]) for low, high in zip(box.lower, box.upper, strict=True)]
    return build_table(features, edges, tolerance=tolerance, max_nodes=JKO_NODES, rounds=1, smallest_cell=2.0**-8)


def particles(problem: Problem, configuration: Configuration, guide: Guide, box: Box) -> Schemes:
    """N particles drawn from rho_0, and half as many drawn apart from them.

    The risks of N and N/2 particles differ by the bias of N, which is of order 1/N, and by fluctuations sqrt(3) times
    those of N: their difference estimates the distance from the mean-field law.
    """
    tolerance, seed = configuration.solver.tolerance, configuration.sgd.seed
    (count,) = configuration.solver.atoms or (DEFAULT_PARTICLES,)
    if np.isfinite(problem.flow.inverse_temperature):
        box = visited_box(problem, spread_guide(problem, guide))
    reduced = problem.reduction.tabulated(box, 0.1 * tolerance)

    def run(particles: int, stream: int) -> ParticleProcess:
        start = problem.initial_law.sample(particles, seed, stream)
        return ParticleProcess(reduced.objective, problem.geometry, problem.flow, start, seed, stream, tolerance)

    floor = error_floor_of(reduced, guide) + 0.1 * tolerance
    notes = (f"{count} particles: risk_error is their distance from the mean-field law, seen from half as many",)
    return Schemes(run(count, 0), run(max(1, count // 2), 1), floor, notes, described(reduced) | {"seed": seed})
