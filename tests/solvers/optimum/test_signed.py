"""The signed optimum on a circle: closed cases, the certificate, near spikes, wherever the circle is cut."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mfpde.problem.reduction.fourier import FourierFeatures
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.losses.pointwise import nodal_loss
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.optimum.signed import SignedMeasure, signed_optimum

TURN = 2.0 * math.pi


def found(places: Array, weights: Array, order: int, penalty: float) -> SignedMeasure:
    features = FourierFeatures((1.0,) * (order + 1))
    loss = SquareLoss(np.ones(features.rank), features.outputs(places[:, None], weights))
    return signed_optimum(Objective(features, loss), penalty, features.bend)


def kernel(angle: Array, order: int) -> Array:
    """<phi(t), phi(t + angle)> = (1 + 2 sum_k cos k angle) / (2 K + 1)."""
    waves = np.cos(np.multiply.outer(angle, np.arange(1, order + 1)))
    return np.asarray((1.0 + 2.0 * waves.sum(axis=-1)) / (2.0 * order + 1.0))


@pytest.mark.parametrize("weight", [2.0, -0.7])
@pytest.mark.parametrize("place", [0.0, 1.3, TURN - 1e-3])
def test_one_spike_loses_the_penalty(weight: float, place: float) -> None:
    """|phi| = 1: the optimum is (|w| - lambda) sign w at the same place, J = lambda |w| - lambda^2 / 2."""
    best = found(np.array([place]), np.array([weight]), 6, 0.1)
    np.testing.assert_allclose(np.cos(best.places - place), [1.0], atol=1e-15)
    assert (best.signs[0], best.weights[0]) == (np.sign(weight), pytest.approx(abs(weight) - 0.1, rel=1e-13))
    assert best.value == pytest.approx(0.1 * abs(weight) - 0.005, rel=1e-13)
    assert best.value - best.dual < 1e-12
    assert best.certificate == pytest.approx(1.0, abs=1e-11)


def test_opposite_spikes_solve_two_equations() -> None:
    """At angles 0 and pi nothing moves for an even order: (1, k; k, 1) w = (1, k; k, 1) w_true - lambda s."""
    order, true, signs = 4, np.array([1.0, -0.6]), np.array([1.0, -1.0])
    pair = float(kernel(np.array([math.pi]), order)[0])
    matrix = np.array([[1.0, pair], [pair, 1.0]])
    best = found(np.array([0.0, math.pi]), true, order, 0.05)
    np.testing.assert_allclose(best.signs * best.weights, true - 0.05 * np.linalg.solve(matrix, signs), rtol=1e-12)
    np.testing.assert_allclose(best.places, [0.0, math.pi], atol=1e-12)


def test_a_penalty_beyond_the_correlations_leaves_nothing() -> None:
    """0 is optimal iff lambda >= max |<phi, y>|, here 1."""
    assert len(found(np.array([2.0]), np.array([1.0]), 5, 1.0 + 1e-9).weights) == 0
    assert len(found(np.array([2.0]), np.array([1.0]), 5, 1.0 - 1e-6).weights) == 1
    nothing = found(np.array([2.0]), np.array([1.0]), 5, 2.0)
    assert nothing.value == pytest.approx(0.5, rel=1e-15)
    assert nothing.dual == pytest.approx(0.5, rel=1e-12)
    assert nothing.certificate == pytest.approx(0.5, rel=1e-10)


@pytest.mark.parametrize("seed", range(8))
def test_random_spikes_are_certified_by_what_was_not_used_to_find_them(seed: int) -> None:
    """|eta| on 20000 places and at the atoms by the kernel alone; the value is below that of the true measure."""
    generator = np.random.default_rng(seed)
    count, order, penalty = 1 + seed, 4 + 3 * seed, [0.3, 0.03, 1e-3][seed % 3]
    places, weights = generator.uniform(0.0, TURN, count), generator.normal(size=count)
    best = found(places, weights, order, penalty)
    signed = best.signs * best.weights

    def eta(angles: Array) -> Array:
        true = kernel(np.subtract.outer(angles, places), order) @ weights
        return np.asarray((true - kernel(np.subtract.outer(angles, best.places), order) @ signed) / penalty)

    everywhere = np.linspace(0.0, TURN, 20_001)
    assert np.abs(eta(everywhere)).max() <= 1.0 + 1e-10
    assert best.certificate <= 1.0 + 1e-10
    assert np.abs(eta(everywhere)).max() <= best.certificate + 1e-9
    np.testing.assert_allclose(eta(best.places), best.signs, atol=1e-9)
    assert np.all(best.weights > 0.0)
    assert 0.0 <= best.value - best.dual <= 1e-12
    both, all_ = np.append(places, best.places), np.append(weights, -signed)
    squares = float(all_ @ kernel(np.subtract.outer(both, both), order) @ all_)
    assert best.value == pytest.approx(0.5 * squares + penalty * float(best.weights.sum()), abs=1e-13)
    assert best.value <= penalty * float(np.abs(weights).sum()) + 1e-13


def test_the_cut_of_the_circle_is_nowhere() -> None:
    places, weights = np.array([0.2, 0.9, 4.0]), np.array([1.0, -0.7, 0.5])
    best = found(places, weights, 8, 0.02)
    for turn in (0.5, 3.0, TURN - 0.2):
        other = found(places + turn, weights, 8, 0.02)
        assert other.value == pytest.approx(best.value, rel=1e-12)
        order = np.argsort(np.mod(best.places + turn, TURN))
        np.testing.assert_allclose(other.places, np.mod(best.places + turn, TURN)[order], atol=1e-9)
        np.testing.assert_allclose(other.weights, best.weights[order], atol=1e-9)


def test_data_and_penalty_have_one_scale() -> None:
    """J of s y and s lambda is s^2 J of y and lambda; places stay."""
    places, weights = np.array([0.2, 2.9, 4.0]), np.array([1.0, -0.7, 0.5])
    best = found(places, weights, 8, 0.02)
    for scale in (1e-4, 1e3):
        other = found(places, scale * weights, 8, scale * 0.02)
        assert other.value == pytest.approx(scale**2 * best.value, rel=1e-10)
        np.testing.assert_allclose(other.places, best.places, atol=1e-9)


def test_what_has_no_such_optimum_is_refused() -> None:
    features = FourierFeatures((1.0, 1.0))
    square = SquareLoss(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="needs a penalty > 0"):
        signed_optimum(Objective(features, square), 0.0, features.bend)
    logistic = nodal_loss("logistic", np.ones(3) / 3.0, np.array([1.0, -1.0, 1.0]))
    with pytest.raises(ValueError, match="quadratic losses"):
        signed_optimum(Objective(features, logistic), 0.1, features.bend)
