"""What features do to the dissipation, by what shares nothing with them: pairs, further moments, closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mfpde.configuration.parsing import parse
from mfpde.problem.problem import Problem, build_problem
from mfpde.problem.reduction.blocks import PairPotential
from mfpde.schemes.pair import dissipation_floor_of
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.representation import ReducedObjective
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.space.trails import Trails

BENT = {"knots": [0.5, 1.5], "values": [-2.5, 7.5]}
LAW = Atoms(np.array([0.3, 0.9, 1.4, 2.6])[:, None], np.array([0.4, 0.3, 0.2, 0.1]))


def of(tables: dict[str, dict[str, object]]) -> Problem:
    return build_problem(parse(tables))


def floor(reduced: ReducedObjective, problem: Problem, law: Atoms) -> float:
    """What is said of D, where the risk is said to be right: no share of it may stand in for the gradients'."""
    trails = Trails(law.points[None], law.weights, np.zeros(1))
    return dissipation_floor_of(reduced, problem, trails, 0.0)


def dissipation(slopes: Array, law: Atoms) -> float:
    """D without births."""
    return float(2.0 * law.weights @ (slopes**2).sum(axis=1))


def of_features(reduced: ReducedObjective, law: Atoms) -> float:
    objective = reduced.objective
    gradient = objective.loss_gradient(objective.outputs(law.points, law.weights))
    return dissipation(objective.features.contract(law.points, gradient)[1], law)


def test_pairs_of_normal_variables_have_the_slopes_of_quadrature_in_the_radius() -> None:
    """In the plane, where features are worst; one-sided at 0."""
    problem = of({"data": {"dims": [2]}, "network": {"activation": BENT}})
    law = replace(LAW, points=LAW.points - LAW.points[0])
    exact = problem.data.exact_pairs(problem.unit)
    assert exact is not None
    linear = problem.unit.activation.linear
    assert linear is not None
    values, slopes = PairPotential(problem.data.mixture, linear)(law.points, law.weights)  # type: ignore[attr-defined]
    known = exact.psi(law.points, law.points, law.weights)
    np.testing.assert_allclose(values, known[0], atol=1e-7)
    np.testing.assert_allclose(slopes, known[1], atol=1e-6)


@pytest.mark.parametrize(("dims", "accuracy"), [(2, 1e-3), (2, 1e-5), (4, 1e-3), (4, 1e-5)])
def test_what_features_of_a_block_leave_of_the_dissipation_is_told(dims: int, accuracy: float) -> None:
    """Against quadrature in the radius: within what is said, and that no more than three times as much and 1e-6."""
    problem = of({"data": {"dims": [dims]}, "network": {"activation": BENT}})
    reduced = problem.represent("tabulated", Box(np.zeros(1), np.full(1, 3.0)), accuracy)
    exact = problem.data.exact_pairs(problem.unit)
    assert exact is not None
    off = abs(of_features(reduced, LAW) - dissipation(exact.psi(LAW.points, LAW.points, LAW.weights)[1], LAW))
    told = floor(reduced, problem, LAW)
    assert off <= 1.5 * told + 1e-6
    assert told <= 3.0 * off + 1e-6


@pytest.mark.parametrize("accuracy", [1e-2, 1e-4])
def test_what_truncated_moments_leave_of_the_dissipation_is_told(accuracy: float) -> None:
    """Moments of a block of forty, whose truncated orders slopes see k times as much as Psi, against 400 of them."""
    problem = of({"data": {"dims": [40]}, "network": {"activation": BENT}})
    box = Box(np.zeros(1), np.full(1, 3.0))
    reduced, finest = (problem.represent("exact", box, each) for each in (accuracy, 1e-13))
    off = abs(of_features(reduced, LAW) - of_features(finest, LAW))
    told = floor(reduced, problem, LAW)
    assert reduced.source is reduced.objective or reduced.source_error > 0.0
    assert off > 1e-10
    assert 0.5 * off <= told <= 2.0 * off


def test_the_dissipation_of_bumps_is_held_against_their_overlaps() -> None:
    """N(z - z'; 0, 2 s^2): features are right to rounding; with tilted outputs they are not, and it is told."""
    problem = of({"data": {"law": "gaussian-bumps"}, "network": {}})
    box, law = Box(np.full(1, -3.0), np.full(1, 3.0)), replace(LAW, points=LAW.points - 1.0)
    reduced = problem.represent("exact", box, 1e-10)
    assert floor(reduced, problem, law) < 1e-11
    wrong = replace(reduced.objective, loss=reduced.objective.loss.shifted(np.linspace(0.0, 1e-2, reduced.rank)))
    shifted = replace(reduced, objective=wrong, source=wrong)
    off = abs(of_features(shifted, law) - of_features(reduced, law))
    assert off > 1e-6
    assert math.isclose(floor(shifted, problem, law), off, rel_tol=1e-6)


def test_samples_are_their_own_features() -> None:
    """Nothing is truncated of units at samples: no share of the risk's error is taken for one of the slopes."""
    problem = of(
        {
            "data": {"law": "dataset", "points": [[0.5, -1.0], [1.0, 2.0]], "values": [1.0, -1.0]},
            "network": {"activation": "tanh"},
        }
    )
    law = Atoms(np.array([[0.1, 0.7], [-0.4, 0.2]]), np.full(2, 0.5))
    reduced = problem.represent("tabulated", Box(np.full(2, -1.0), np.ones(2)), 1e-7)
    trails = Trails(law.points[None], law.weights, np.zeros(1))
    assert dissipation_floor_of(reduced, problem, trails, 1e-3) < 1e-13
