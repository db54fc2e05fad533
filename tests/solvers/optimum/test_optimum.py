"""The search for optimal atoms and the branch and bound of their certificate, on features made by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import optimize

from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.confinement import Confinement, Penalty
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import DenseFeatures, Objective
from mfpde.solvers.optimum.bound import global_lower_bound
from mfpde.solvers.optimum.newton import SearchBox, _descended, joint_newton, reweighted
from mfpde.solvers.optimum.optimum import _certified, certified_optimum
from mfpde.solvers.optimum.search import optimal_law
from mfpde.solvers.optimum.weights import simplex_weights
from mfpde.solvers.space.measure import Atoms
from tests.solvers.problems import Coordinates


@dataclass(frozen=True)
class Waves(DenseFeatures):
    """Phi_m = cos(k_m . z + c_m): |d_jj Psi| <= sum_m |g_m| k_mj^2."""

    frequencies: Array
    phases: Array

    @property
    def dimension(self) -> int:
        return int(self.frequencies.shape[1])

    @property
    def rank(self) -> int:
        return len(self.phases)

    def values(self, points: Array) -> Array:
        return np.cos(points @ self.frequencies.T + self.phases)

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        angle = points @ self.frequencies.T + self.phases
        return np.cos(angle), -np.sin(angle)[:, :, None] * self.frequencies


@dataclass(frozen=True)
class WaveBounds:
    """Derivative bounds of g . cos(k . z + c)."""

    coefficients: Array
    frequencies: Array

    def second_derivatives(self, lower: Array, upper: Array) -> Array:
        return np.broadcast_to(np.abs(self.coefficients) @ self.frequencies**2, lower.shape)

    def slopes(self, lower: Array, upper: Array) -> Array:
        return np.broadcast_to(np.abs(self.coefficients) @ np.abs(self.frequencies), lower.shape)


def waves(seed: int, dimension: int, count: int = 6) -> Objective:
    """A random objective whose optimum is not exact."""
    generator = np.random.default_rng(seed)
    features = Waves(generator.normal(size=(count, dimension)) * 2.0, generator.random(count) * 6.0)
    return Objective(features, SquareLoss(generator.random(count) + 0.5, 0.7 * generator.normal(size=count), 0.1))


def wave_bounds(objective: Objective):  # type: ignore[no-untyped-def]
    assert isinstance(objective.features, Waves)
    frequencies = objective.features.frequencies
    return lambda law, outputs, risk: WaveBounds(objective.loss_gradient(outputs), frequencies)


@pytest.mark.long
@pytest.mark.parametrize(("dimension", "seed"), [(1, 0), (1, 1), (1, 2), (2, 3), (2, 4), (2, 5), (3, 6)])
def test_optimum_of_random_objectives(dimension: int, seed: int) -> None:
    objective = waves(seed, dimension)
    box = SearchBox(np.full(dimension, -1.0), np.full(dimension, 2.0), Confinement.even(0.05, dimension))
    tolerance = 1e-10 if dimension < 3 else 1e-5
    found = certified_optimum(objective, box, wave_bounds(objective), tolerance)
    assert found.tight
    assert 0.0 <= found.free_energy - found.lower_bound <= tolerance * found.free_energy
    assert found.law.weights.sum() == pytest.approx(1.0, abs=1e-14)
    # no law on a grid does better: least squares with the ridge as a linear cost
    axes = [np.linspace(-1.0, 2.0, {1: 2001, 2: 41, 3: 13}[dimension])] * dimension
    grid = np.stack([part.ravel() for part in np.meshgrid(*axes)], axis=1)
    start = np.zeros(len(grid))
    start[0] = 1.0
    weights = simplex_weights(
        objective.loss.model(np.zeros(objective.features.rank)),
        objective.features.values(grid),
        2.0 * box.confinement.value(grid),
        start,
    )
    best = box.free_energy(objective, Atoms(grid, weights))
    assert best >= found.free_energy * (1.0 - tolerance)
    if dimension == 1:
        assert best == pytest.approx(found.free_energy, rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_weights_are_those_of_nonnegative_least_squares(seed: int) -> None:
    """min |B p|^2 on the simplex is min |B p|^2 + (1 . p - 1)^2 over p >= 0, scaled to sum 1."""
    generator = np.random.default_rng(seed)
    objective = waves(seed, 2)
    values = generator.normal(size=(15, objective.features.rank))
    values[7] = values[3]
    start = np.full(15, 1 / 15)
    model = objective.loss.model(np.zeros(objective.features.rank))
    weights = simplex_weights(model, values, np.zeros(15), start)
    assert isinstance(objective.loss, SquareLoss)
    residuals = np.sqrt(objective.loss.weights) * (values - objective.loss.targets)
    cone, _ = optimize.nnls(np.vstack([residuals.T, np.ones(15)]), np.append(np.zeros(objective.features.rank), 1.0))
    exact = objective.risk((cone / cone.sum()) @ values)
    assert objective.risk(weights @ values) == pytest.approx(exact, rel=1e-13)
    assert weights.min() >= 0.0


def test_weights_refuse_a_start_that_is_no_law() -> None:
    with pytest.raises(ValueError, match="write weights >= 0 that sum to 1"):
        simplex_weights(waves(0, 1).loss.model(np.zeros(6)), np.zeros((2, 6)), np.zeros(2), np.array([0.5, 0.2]))


@pytest.mark.parametrize("dimension", [1, 2])
def test_the_bound_lies_under_the_minimum_and_close(dimension: int) -> None:
    """prod_j cos(3 z_j) plus a slope: the minimum from many polished starts."""

    def psi(points: Array) -> Array:
        return np.asarray(np.cos(3.0 * points).prod(axis=1) + 0.1 * points.sum(axis=1))

    class Bounds:
        def second_derivatives(self, lower: Array, upper: Array) -> Array:
            return np.full_like(lower, 9.0)

        def slopes(self, lower: Array, upper: Array) -> Array:
            return np.full_like(lower, np.inf)

    low, high = np.full(dimension, -2.0), np.full(dimension, 2.5)
    starts = np.random.default_rng(1).uniform(-2.0, 2.5, size=(60, dimension))
    options = {"ftol": 1e-15, "gtol": 1e-10}
    ends = list(zip(low, high, strict=True))
    runs = [
        optimize.minimize(lambda z: psi(z[None])[0], z, method="L-BFGS-B", bounds=ends, options=options) for z in starts
    ]
    exact = min(run.fun for run in runs)
    found = global_lower_bound(psi, Bounds(), low, high, np.inf, 1e-9)
    assert found.tight
    assert exact - 2e-9 <= found.lower <= exact + 1e-12
    spent = global_lower_bound(psi, Bounds(), low, high, np.inf, 1e-9, most_evaluations=100)
    assert not spent.tight
    assert spent.lower <= exact


def test_a_bound_that_is_not_finite_is_not_trusted() -> None:
    class Unknown:
        def second_derivatives(self, lower: Array, upper: Array) -> Array:
            return np.full_like(lower, np.inf)

        slopes = second_derivatives

    found = global_lower_bound(lambda z: z[:, 0], Unknown(), np.zeros(1), np.ones(1), 1.0, 1e-3, most_evaluations=1_000)
    assert found.lower == -np.inf
    assert not found.tight


def test_a_well_between_the_samples_is_found_by_the_bound() -> None:
    """Psi of rho has a well of width 1e-4 near z = 0.61803 that 801 samples miss."""

    @dataclass(frozen=True)
    class Well(DenseFeatures):
        dimension: int = 1
        rank: int = 1

        def values(self, points: Array) -> Array:
            return np.exp(-0.5 * np.minimum(((points - 0.61803) / 1e-4) ** 2, 1400.0)) + 0.01 * points

        def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
            bump = np.exp(-0.5 * np.minimum(((points - 0.61803) / 1e-4) ** 2, 1400.0))
            return bump + 0.01 * points, (0.01 - bump * (points - 0.61803) / 1e-8)[:, :, None]

    class Bounds:
        def second_derivatives(self, lower: Array, upper: Array) -> Array:
            return np.full_like(lower, 2e8)

        def slopes(self, lower: Array, upper: Array) -> Array:
            return np.full_like(lower, 2e4)

    objective = Objective(Well(), SquareLoss(np.ones(1), np.full(1, 2.0)))
    box = SearchBox(np.zeros(1), np.ones(1), Confinement.even(0.0, 1))
    assert box.free_energy(objective, optimal_law(objective, box)) > 3.9
    found = certified_optimum(objective, box, lambda *_: Bounds())
    assert found.free_energy == pytest.approx((2.0 - 1.0061803) ** 2, abs=1e-8)
    assert found.tight


@pytest.mark.parametrize("ridge", [0.0, 1.0, 15.0])
def test_the_bound_of_a_law_that_is_not_optimal_is_that_of_the_linearised_energy(ridge: float) -> None:
    """Phi = z in [0, 1] with target 10: F = (10 - m)^2 + ridge E z^2 is 100 at z = 0, 81 + ridge at z = 1.

    Psi_lambda = -10 z + ridge z^2 / 2 at z = 0, so that the certificate is 100 + 2 min Psi_lambda, 80 for 81 without a
    ridge: with half of the gap it would lie above the least value.
    """

    class Bounds:
        def second_derivatives(self, lower: Array, upper: Array) -> Array:
            return np.zeros_like(lower)

        def slopes(self, lower: Array, upper: Array) -> Array:
            return np.full_like(lower, 10.0)

    objective = Objective(Coordinates(1), SquareLoss(np.ones(1), np.full(1, 10.0)))
    box = SearchBox(np.zeros(1), np.ones(1), Confinement.even(ridge, 1))
    found, point = _certified(objective, box, Atoms(np.zeros((1, 1)), np.ones(1)), lambda *_: Bounds(), 1e-9, 10_000)
    assert found.free_energy == 100.0
    lowest = min(1.0, 10.0 / max(ridge, 1.0))
    assert found.lower_bound == pytest.approx(100.0 - 20.0 * lowest + ridge * lowest**2, abs=1e-5)
    assert not found.tight
    assert point == pytest.approx([lowest], abs=1e-2)
    assert box.free_energy(objective, Atoms(np.ones((1, 1)), np.ones(1))) == 81.0 + ridge


def test_weights_of_two_atoms_under_a_ridge() -> None:
    """Atoms 0 and 1 under F = (10 - p)^2 + 19 p: the least F has p = 1/2."""
    objective = Objective(Coordinates(1), SquareLoss(np.ones(1), np.full(1, 10.0)))
    start = Atoms(np.array([[0.0], [1.0]]), np.array([0.9, 0.1]))
    found = reweighted(objective, SearchBox(np.zeros(1), np.ones(1), Confinement.even(19.0, 1)), start)
    np.testing.assert_allclose(found.weights, 0.5, rtol=1e-12)


def test_newton_converges_quadratically_to_stationary_atoms() -> None:
    objective = waves(1, 1)
    box = SearchBox(np.array([-1.0]), np.array([2.0]), Confinement.even(0.0, 1))
    exact = optimal_law(objective, box)
    shifted = Atoms(np.clip(exact.points + 0.01, box.lower, box.upper), exact.weights)
    found = joint_newton(objective, box, shifted)
    np.testing.assert_allclose(found.points, exact.points, atol=1e-9)
    np.testing.assert_allclose(found.weights, exact.weights, atol=1e-9)


class NoBend:
    """Bounds of Psi = g z: linear in one coordinate, the last."""

    def __init__(self, slope: float, dimension: int) -> None:
        self.slope, self.dimension = abs(slope), dimension

    def second_derivatives(self, lower: Array, upper: Array) -> Array:
        return np.zeros(lower.shape)

    def slopes(self, lower: Array, upper: Array) -> Array:
        return np.broadcast_to(np.array([0.0] * (self.dimension - 1) + [self.slope]), lower.shape)


@pytest.mark.parametrize("power", [1.5, 3.0])
def test_a_power_of_coefficients_has_one_atom_at_a_root(power: float) -> None:
    """f = a for the target 1 under strength .3: by convexity all mass lies where a - 1 + .3 a^(p-1) = 0."""
    features = Objective(Coordinates(1), SquareLoss(np.ones(1), np.ones(1)))
    held = Confinement((0.0,), 0, 0, Penalty(power, 0.3))
    box = SearchBox(np.array([-2.0]), np.array([3.0]), held)
    found = certified_optimum(features, box, lambda law, outputs, risk: NoBend(outputs[0] - 1.0, 1), 1e-9)
    root = optimize.brentq(lambda a: a - 1.0 + 0.3 * a ** (power - 1.0), 0.0, 1.0, xtol=1e-15)
    assert found.tight
    assert found.free_energy == pytest.approx((1.0 - root) ** 2 + 0.6 / power * root**power, rel=1e-10)
    assert found.lower_bound <= found.free_energy
    np.testing.assert_allclose(found.law.points, root, atol=1e-6)


@dataclass(frozen=True)
class Product(DenseFeatures):
    """Phi = r a: a linear unit of length r seen by one datum."""

    dimension: int = 2
    rank: int = 1

    def values(self, points: Array) -> Array:
        return points[:, :1] * points[:, 1:]

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        return self.values(points), points[:, None, ::-1].copy()


def test_a_path_shrinks_the_output_by_its_strength() -> None:
    """min (1 - m)^2 + 2 s m over m = ∫ r a: m = 1 - s, F = 1 - (1 - s)^2, certified within 1e-8."""
    strength, objective = 0.3, Objective(Product(), SquareLoss(np.ones(1), np.ones(1)))
    box = SearchBox(np.array([0.0, -2.0]), np.array([2.0, 2.0]), Confinement((0.0, 0.0), 1, 1, Penalty(path=strength)))

    class Bounds(NoBend):
        def slopes(self, lower: Array, upper: Array) -> Array:
            return self.slope * np.maximum(np.abs(lower), np.abs(upper))[:, ::-1]

    found = certified_optimum(objective, box, lambda law, outputs, risk: Bounds(outputs[0] - 1.0, 2), 1e-8)
    assert found.outputs[0] == pytest.approx(1.0 - strength, abs=1e-8)
    assert found.free_energy == pytest.approx(1.0 - (1.0 - strength) ** 2, rel=1e-9)
    assert found.tight


@dataclass(frozen=True)
class Valley(DenseFeatures):
    """Phi = (x, 100 (y - x^2)): with targets (1, 0) F is the function of Rosenbrock, 0 at (1, 1)."""

    dimension: int = 2
    rank: int = 2

    def values(self, points: Array) -> Array:
        return np.stack([points[:, 0], 100.0 * (points[:, 1] - points[:, 0] ** 2)], axis=1)

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        slopes = np.zeros((len(points), 2, 2))
        slopes[:, 0, 0], slopes[:, 1, 0], slopes[:, 1, 1] = 1.0, -200.0 * points[:, 0], 100.0
        return self.values(points), slopes


def test_a_descent_follows_a_valley_to_its_end() -> None:
    """A hundred steps at most are made; along the gradient they would end on the way."""
    objective = Objective(Valley(), SquareLoss(np.ones(2), np.array([1.0, 0.0]), 0.0))
    box = SearchBox(np.full(2, -2.0), np.full(2, 2.0), Confinement.even(0.0, 2))
    found = _descended(objective, box, Atoms(np.array([[-1.2, 1.0]]), np.ones(1)))
    np.testing.assert_allclose(found.points, [[1.0, 1.0]], atol=1e-6)


def test_the_search_ends_where_features_see_no_less() -> None:
    """F within their error of 0: the bound is 0 without a value of Psi, and is not called tight."""
    objective = Objective(Valley(), SquareLoss(np.ones(2), np.array([1.0, 0.0]), 0.0))
    box = SearchBox(np.full(2, -2.0), np.array([0.99, 2.0]), Confinement.even(0.0, 2), error=2e-3)
    found = certified_optimum(objective, box, lambda law, outputs, slope: pytest.fail("a bound was asked for"))
    assert 0.9e-4 < found.free_energy < 2e-3
    assert (found.lower_bound, found.evaluations, found.tight) == (0.0, 0, False)
