"""Optimal measures on the sphere of directions: closed forms, certificates by sampling, and the arrangement's cells."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import nnls

from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.samples.outputs import SampleFeatures
from mfpde.solvers.objective.losses.pointwise import PointwiseLoss, nodal_loss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.optimum.sphere.cone import Cone, least_loss
from mfpde.solvers.optimum.sphere.fan import cells, cells_at_most, flats
from mfpde.solvers.optimum.sphere.homogeneous import SignedAtoms, homogeneous_optimum

RELU = PiecewiseLinear([0.0], [1.0])


def optimum(x: Array, y: Array, strength: float, loss: str = "square", unit: PiecewiseLinear = RELU) -> SignedAtoms:
    features = SampleFeatures(x, unit, False)
    objective = Objective(features, nodal_loss(loss, np.full(len(y), 1.0 / len(y)), y))
    return homogeneous_optimum(objective, features, strength)


def drawn(count: int, dimension: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(10 * count + dimension)
    return rng.normal(size=(count, dimension)), rng.normal(size=count)


def test_two_samples_on_the_line_are_shrunk_each() -> None:
    """(1/2)(y_p - c_p x_p)^2 + 2 lambda c_p: each side has its neuron of mass (|y_p| - 2 lambda/|x_p|)/|x_p|."""
    found = optimum(np.array([[2.0], [-1.0]]), np.array([3.0, -0.5]), 0.1)
    order = np.argsort(found.vectors[:, 0])
    assert_allclose(found.vectors[order, 0], [-(0.5 - 0.2), (3.0 - 0.1) / 2.0], rtol=1e-13)
    assert_allclose(found.signs[order], [-1.0, 1.0])
    assert_allclose(found.energy, found.lower_bound, rtol=1e-14)


def test_a_strong_ridge_leaves_nothing() -> None:
    """h(u) = -sum y_p sigma(<u, x_p>)/P at the zero function: within lambda from its supremum on."""
    x, y = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1.0, 1.0])
    assert len(optimum(x, y, np.sqrt(0.5) + 1e-9).signs) == 0
    found = optimum(x, y, np.sqrt(0.5) - 1e-3)
    assert_allclose(found.vectors / np.linalg.norm(found.vectors), [np.full(2, np.sqrt(0.5))], atol=1e-12)


@pytest.mark.parametrize(
    ("count", "dimension", "strength", "loss", "slope"),
    [
        (12, 2, 0.01, "square", 0.0),
        (8, 3, 0.02, "square", 0.0),
        (10, 2, 0.02, "logistic", 0.0),
        (7, 2, 0.02, "square", -0.4),
        (3, 4, 0.01, "square", 0.0),
    ],
)
def test_no_direction_is_better(count: int, dimension: int, strength: float, loss: str, slope: float) -> None:
    """h of 10^5 directions lies within lambda, which it takes at the atoms; F is its lower bound to rounding."""
    x, y = drawn(count, dimension)
    unit = PiecewiseLinear([0.0], [1.0 - slope], first_slope=slope)
    y = np.sign(y) if loss == "logistic" else y
    found = optimum(x, y, strength, loss, unit)
    assert_allclose(found.energy, found.lower_bound, rtol=1e-12)
    ways = np.random.default_rng(0).normal(size=(100_000, dimension))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    objective = Objective(SampleFeatures(x, unit, False), nodal_loss(loss, np.full(count, 1.0 / count), y))
    h = unit.value(ways @ x.T) @ objective.loss_gradient(found.outputs)
    assert np.abs(h).max() <= strength * (1.0 + 1e-12)
    units = found.vectors / np.linalg.norm(found.vectors, axis=1, keepdims=True)
    at_atoms = unit.value(units @ x.T) @ objective.loss_gradient(found.outputs)
    assert_allclose(at_atoms, -found.signs * strength, rtol=1e-9)


class PseudoHuber:
    """A loss that is neither quadratic nor by exponentials."""

    def value(self, f: Array, y: Array) -> Array:
        return np.sqrt(1.0 + (f - y) ** 2) - 1.0

    def slope(self, f: Array, y: Array) -> Array:
        return np.asarray((f - y) / np.sqrt(1.0 + (f - y) ** 2))


@pytest.mark.parametrize("name", ["square", "logistic", "log-cosh", "pseudo-Huber"])
@pytest.mark.parametrize("kind", ["general", "twice", "opposite", "grid"])
def test_small_ridges_on_samples_in_any_place(name: str, kind: str) -> None:
    """F is its bound to rounding where neurons of masses up to 30 nearly interpolate; samples twice change nothing."""

    def least(x: Array, y: Array) -> SignedAtoms:
        shares = np.full(len(y), 1.0 / len(y))
        loss = PointwiseLoss(shares, y, PseudoHuber()) if name == "pseudo-Huber" else nodal_loss(name, shares, y)
        features = SampleFeatures(x, RELU, False)
        return homogeneous_optimum(Objective(features, loss), features, 1e-4)

    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(10, 2)), rng.normal(size=10)
    y = np.sign(y) if name == "logistic" else y
    if kind == "grid":
        x = np.round(x)
    if kind == "opposite":
        x, y = np.vstack([x, -x]), np.append(y, np.sign(y) * np.abs(y) ** 2)
    found = least(x, y) if kind != "twice" else least(np.vstack([x, x]), np.append(y, y))
    assert found.energy - found.lower_bound <= 1e-12 * found.energy
    assert found.excess <= 1.0 + 1e-10
    if kind == "twice":
        assert_allclose(found.energy, least(x, y).energy, rtol=1e-12)


@pytest.mark.parametrize("strength", [0.3, 0.02])
def test_losses_by_exponentials_have_closed_forms(strength: float) -> None:
    """log(1 + e^-v) + s |v| is least at log((1 - s)/s), log cosh(v - 2) + s |v| at 2 - artanh s."""
    cone = [Cone(np.ones((1, 1)), np.ones((1, 1)))]
    for name, target, least in (
        ("logistic", 1.0, np.log((1.0 - strength) / strength)),
        ("log-cosh", 2.0, 2.0 - np.arctanh(strength)),
    ):
        loss = nodal_loss(name, np.ones(1), np.array([target]))
        assert_allclose(least_loss(cone, loss, strength, np.zeros(1)), [[least]], rtol=5e-6)


def test_directions_of_a_circle_can_do_no_better() -> None:
    """Least squares with non-negative masses on 2,000 fixed directions, both signs: F above, by their distance."""
    x, y = drawn(6, 2)
    strength = 0.02
    angles = np.arange(2000) * np.pi / 1000.0
    values = np.maximum(np.column_stack([np.cos(angles), np.sin(angles)]) @ x.T, 0.0)
    both = np.concatenate([values, -values]).T / np.sqrt(6.0)
    # 2 lambda sum c as (wide + lambda/wide sum c)^2 but for a constant and a term of lambda^2/wide^2
    wide = 300.0
    masses = nnls(np.vstack([both, np.full(both.shape[1], strength / wide)]), np.append(y / np.sqrt(6.0), -wide))[0]
    energy = float(np.sum((both @ masses - y / np.sqrt(6.0)) ** 2)) + 2.0 * strength * float(masses.sum())
    found = optimum(x, y, strength)
    assert found.energy <= energy + 1e-12
    assert energy - found.energy < 1e-3 * energy


@pytest.mark.parametrize(("planes", "dimension", "count"), [(5, 1, 2), (7, 2, 14), (6, 3, 32), (5, 4, 30)])
def test_cells_in_general_position_are_counted(planes: int, dimension: int, count: int) -> None:
    normals, _ = drawn(planes, dimension)
    found = cells(normals)
    assert len(found) == count
    # each by the signs of a point: no sign pattern of a sample is missing
    points = np.random.default_rng(1).normal(size=(20_000, dimension))
    seen = {tuple(signs) for signs in np.sign(points @ normals.T).astype(np.int8)}
    assert seen <= {tuple(signs) for signs in found}
    if dimension > 1:
        assert sum(len(flat.signs) for flat in flats(normals)) == cells_at_most(planes, dimension)


def test_planes_that_meet_in_one_line_have_fewer_cells() -> None:
    angles = np.arange(4) * 0.7
    normals = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(4)])
    everything = np.vstack([normals, [[0.0, 0.0, 1.0]]])
    assert len(cells(everything)) == 16
    assert sum(flat.basis.shape[1] == 1 for flat in flats(everything)) == 5
