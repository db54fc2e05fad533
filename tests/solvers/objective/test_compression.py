"""Compression of a feature map to its numerical rank, and of the loss with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.compression import Compressed, CompressedFeatures, compress, sample_box
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import DenseFeatures, Objective

LOWER, UPPER = np.array([-2.0]), np.array([3.0])
COUNT = 60
INPUTS = np.linspace(-1.0, 2.0, COUNT)


@dataclass(frozen=True)
class Units(DenseFeatures):
    """phi_m(z) = sin(z x_m): far fewer than 60 directions on the box."""

    dimension: int = 1
    rank: int = COUNT

    @property
    def inputs(self) -> Array:
        return np.linspace(-1.0, 2.0, self.rank)

    def values(self, points: Array) -> Array:
        return np.sin(points * self.inputs)

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        return np.sin(points * self.inputs), (self.inputs * np.cos(points * self.inputs))[:, :, None]


def laws() -> list[tuple[Array, Array]]:
    random = np.random.default_rng(4)
    return [(random.uniform(LOWER, UPPER, (5, 1)), random.dirichlet(np.ones(5))) for _ in range(30)]


def largest_gap(small: Compressed, source: Objective) -> float:
    made = Objective(small.features, small.loss)
    return max(abs(made.risk(made.outputs(*law)) - source.risk(source.outputs(*law))) for law in laws())


def kept_two() -> SquareLoss:
    """Two outputs with a target and a weight of their own, the others free."""
    weights, targets = np.ones(COUNT), np.zeros(COUNT)
    weights[:2], targets[:2] = 0.5, (1.0, -1.0)
    return SquareLoss(weights, targets, 0.25)


def many_targets() -> SquareLoss:
    random = np.random.default_rng(0)
    return SquareLoss(random.uniform(0.5, 2.0, COUNT), np.cos(3.0 * INPUTS), 0.25)


LOSSES = pytest.mark.parametrize("loss", [kept_two(), many_targets()], ids=["two kept", "many targets"])


@LOSSES
@pytest.mark.parametrize("accuracy", [1e-3, 1e-6, 1e-9])
def test_the_risk_changes_by_less_than_the_accuracy(loss: SquareLoss, accuracy: float) -> None:
    small = compress(Units(), loss, LOWER, UPPER, accuracy)
    assert small.error <= accuracy
    assert small.features.rank == small.loss.metric.size < 16
    gap = largest_gap(small, Objective(Units(), loss))
    assert 1e-7 * accuracy < gap <= 2.0 * accuracy
    assert isinstance(small.loss, SquareLoss)
    assert small.loss.constant == loss.constant
    assert small.loss.scale == pytest.approx(loss.scale, rel=1e-14)


@LOSSES
def test_one_feature_less_misses_the_accuracy(loss: SquareLoss) -> None:
    """The error without the last feature of the basis is above what was asked for."""
    small = compress(Units(), loss, LOWER, UPPER, 1e-6)
    coarser = compress(Units(), loss, LOWER, UPPER, 2.0 * small.error)
    assert coarser.features.rank <= small.features.rank
    assert compress(Units(), loss, LOWER, UPPER, 0.99 * small.error).features.rank > small.features.rank


def test_as_few_features_as_singular_vectors_need() -> None:
    """Of 400 outputs some 100 count: more than one block of directions, and points enough for several parts."""
    wide = Units(rank=400)
    lower, upper = np.array([-150.0]), np.array([150.0])
    raw = wide.values(sample_box(lower, upper, 2048))
    vectors = np.linalg.svd(raw, full_matrices=False)[2]
    left = np.cumsum((raw @ vectors.T)[:, ::-1] ** 2, axis=1)[:, ::-1].max(axis=0)
    fewest = int(np.argmax(np.append(left, 0.0) <= 1e-6))
    small = compress(wide, SquareLoss(np.ones(400), np.zeros(400)), lower, upper, 1e-6)
    assert 64 < fewest <= small.features.rank <= fewest + 1
    many = np.linspace(-150.0, 150.0, 4000)[:, None]
    made, slopes = small.features.values_and_gradients(many)
    whole = wide.values(many)
    assert np.max(np.abs((made**2).sum(axis=1) - (whole**2).sum(axis=1))) < 2e-6
    np.testing.assert_allclose(small.features.values(many), made, rtol=0.0, atol=1e-12)
    steps = (made[2:] - made[:-2]) / (many[2:] - many[:-2])
    np.testing.assert_allclose(slopes[1:-1, :, 0], steps, rtol=0.0, atol=2e-2 * np.abs(steps).max())


@LOSSES
def test_gradients_and_potentials_follow(loss: SquareLoss) -> None:
    small, source = compress(Units(), loss, LOWER, UPPER, 1e-12), Objective(Units(), loss)
    made = Objective(small.features, small.loss)
    law, points = laws()[0], np.linspace(-2.0, 3.0, 7)[:, None]
    both = [each.features.contract(points, each.loss_gradient(each.outputs(*law))) for each in (made, source)]
    np.testing.assert_allclose(both[0][0], both[1][0], rtol=0.0, atol=1e-6)
    np.testing.assert_allclose(both[0][1], both[1][1], rtol=0.0, atol=1e-5)
    values, gradients = small.features.values_and_gradients(points)
    g = made.loss_gradient(made.outputs(*law))
    np.testing.assert_allclose(values @ g, both[0][0], rtol=0.0, atol=1e-13)
    np.testing.assert_allclose(np.einsum("nmd,m->nd", gradients, g), both[0][1], rtol=0.0, atol=1e-13)


def test_outputs_that_are_not_free_stay_as_they_are() -> None:
    small = compress(Units(), kept_two(), LOWER, UPPER, 1e-6)
    assert isinstance(small.features, CompressedFeatures)
    assert small.features.kept == 2
    points = np.linspace(-2.0, 3.0, 5)[:, None]
    np.testing.assert_array_equal(small.features.values(points)[:, :2], Units().values(points)[:, :2])
    assert isinstance(small.loss, SquareLoss)
    assert small.loss.weights.tolist() == [0.5, 0.5] + [1.0] * (small.features.rank - 2)


def test_many_targets_become_one() -> None:
    loss = many_targets()
    small = compress(Units(), loss, LOWER, UPPER, 1e-6)
    assert isinstance(small.loss, SquareLoss)
    assert small.loss.weights.tolist() == [1.0] * small.features.rank
    assert small.loss.targets[0] == pytest.approx(np.sqrt(loss.weights @ loss.targets**2), rel=1e-14)
    assert not small.loss.targets[1:].any()


def test_weights_without_targets_are_taken_up_by_the_features() -> None:
    loss = SquareLoss(np.full(COUNT, 0.3), np.zeros(COUNT))
    small = compress(Units(), loss, LOWER, UPPER, 1e-6)
    assert largest_gap(small, Objective(Units(), loss)) <= 2e-6
    assert isinstance(small.loss, SquareLoss)
    assert not small.loss.targets.any()


def test_nothing_is_done_where_every_output_is_kept() -> None:
    @dataclass(frozen=True)
    class Two(Units):
        rank: int = 2

        def values(self, points: Array) -> Array:
            return super().values(points)[:, :2]

    loss = SquareLoss(np.full(2, 0.5), np.array([1.0, -1.0]))
    small = compress(Two(), loss, LOWER, UPPER, 1e-6)
    assert small.features == Two()
    assert small.loss is loss
    assert small.error == 0.0
