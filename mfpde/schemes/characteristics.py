"""Characteristics from quadrature labels of rho_0."""

from __future__ import annotations

from mfpde.experiment import Experiment
from mfpde.problem.problem import Problem
from mfpde.schemes.guide import label_law
from mfpde.schemes.pair import Schemes, described, error_floor_of
from mfpde.solvers.characteristics.characteristics import Characteristics
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.grid import Guide


def characteristics(problem: Problem, configuration: Experiment, guide: Guide, box: Box) -> Schemes:
    tolerance = configuration.solver.tolerance
    reduced = problem.represent("tabulated", box, 0.1 * tolerance)
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
