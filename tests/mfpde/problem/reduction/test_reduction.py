"""Kernels U, V of the reduction against reference values, quadrature, sampling, Gauss nodes and d = infinity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.polynomial import chebyshev
from numpy.polynomial.legendre import leggauss
from numpy.testing import assert_allclose
from scipy import special

from mfpde.problem.activations.piecewise_linear import Relu, TruncatedRelu
from mfpde.problem.activations.sigmoid import Sigmoid
from mfpde.problem.activations.tanh import Tanh
from mfpde.problem.reduction.hermite import angular_moment, hermite_features
from mfpde.problem.reduction.mixture import BlockMixture
from mfpde.problem.reduction.zonal.expansion import zonal_features
from mfpde.problem.reduction.zonal.harmonics import invariant_harmonics
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.coefficient import WithCoefficient
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import FeatureMap, Objective
from mfpde.solvers.objective.representation import Form
from mfpde.solvers.space.box import Box
from tests import reference
from tests.mixtures import problem_on, with_delta

STEEP = PiecewiseLinear.through(np.array([0.5, 1.5]), np.array([-2.5, 7.5]))
NONMONOTONE = PiecewiseLinear.through(np.array([0.0, 0.5, 1.5]), np.array([-2.5, -4.0, 7.5]))
LETTERS = {"T": TruncatedRelu(), "M": STEEP, "N": NONMONOTONE, "R": Relu()}


def gaussian_mixture(delta: float, *dimensions: float) -> BlockMixture:
    """Scales 1 ± delta on the first block."""
    return with_delta(delta, dimensions, tuple(p / sum(dimensions) for p in dimensions))


def box(*upper: float) -> Box:
    """[0, upper]."""
    return Box(np.zeros(len(upper)), np.array(upper, dtype=float))


def objective_of(features: FeatureMap) -> Objective:
    """The objective of features whose first two are the class means."""
    weights, targets = np.ones(features.rank), np.zeros(features.rank)
    weights[:2], targets[:2] = 0.5, (1.0, -1.0)
    return Objective(features, SquareLoss(weights, targets))


def kernel(objective: Objective, first: Array, second: Array) -> tuple[Array, Array]:
    """U, shape (n,), of pairs of points (n, D), and its gradient in the first, shape (n, D)."""
    values, gradients = objective.features.values_and_gradients(first)
    weighted = objective.features.values(second) * objective.loss.metric
    return (values * weighted).sum(axis=1), np.einsum("nmd,nm->nd", gradients, weighted)


def potential(objective: Objective, points: Array) -> tuple[Array, Array]:
    """V, shape (n,), and its gradient, shape (n, D)."""
    return objective.features.contract(points, objective.loss_gradient(np.zeros(objective.features.rank)))


# Quadratures that share nothing with the reduction but q(t, b), which has its own tests.


def composite(ends: Array, count: int = 16) -> tuple[Array, Array]:
    """Gauss-Legendre rule on the panels between `ends`."""
    x, w = leggauss(count)
    half = 0.5 * np.diff(ends)
    return (ends[:-1, None] + half[:, None] * (x + 1.0)).ravel(), (half[:, None] * w).ravel()


def correlated(unit: Activation, first: tuple[float, float], second: tuple[float, float], cosine: float) -> float:
    """E sigma(t G + b) sigma(t' G' + b'), (t, b) = first, (t', b') = second, Cov(G, G') = cosine.

    Given G the second factor has mean q(t' sqrt(1 - c^2), b' + t' c G): steep about (k' - b') / (t' c).
    """
    (scale, offset), (other, shift) = first, second
    width = float(np.sqrt(max(1.0 - cosine**2, 0.0)))
    ends = [np.linspace(-10.0, 10.0, 21)]
    if isinstance(unit, PiecewiseLinear):
        ends.append((unit.knots - offset) / scale)
        if abs(cosine) > 0.1:
            steep = (unit.knots - shift) / (other * cosine)
            layers = width / abs(cosine) * np.array([-9.0, -6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 9.0])
            ends.append(np.add.outer(steep, layers).ravel())
    joined = np.unique(np.concatenate(ends))
    nodes, weights = composite(joined[np.abs(joined) <= 10.0])
    density = np.exp(-0.5 * nodes**2) / np.sqrt(2.0 * np.pi)
    if width < 1e-9:
        inner = unit(other * cosine * nodes + shift)
    else:
        inner = unit.mean(np.full_like(nodes, other * width), other * cosine * nodes + shift).value
    return float(np.sum(weights * density * unit(scale * nodes + offset) * inner))


def angles(dimension: float) -> tuple[Array, Array]:
    """Nodes n and weights of the first coordinate of a uniform point of S^(dimension - 1)."""
    if dimension == 1:
        return np.array([-1.0, 1.0]), np.array([0.5, 0.5])
    # the law of n has width dimension^(-1/2); where it reaches n = ±1, kinks of the two neurons may meet
    reach = min(0.5 * np.pi, 10.0 / np.sqrt(dimension))
    panels = np.array([1.0 / 3.0, 1.0]) if dimension > 3 else np.array([0.0, 0.5, 0.85, 0.96, 0.99, 1.0])
    theta, weights = composite(0.5 * np.pi + reach * np.unique(np.concatenate([-panels, panels])))
    log_density = (dimension - 2) * np.log(np.sin(theta)) - special.betaln(0.5, 0.5 * (dimension - 1))
    weights = weights * np.exp(log_density)
    # at large dimensions the norm of the density loses digits: it is known to be one
    assert abs(weights.sum() - 1.0) < 1e-9
    return np.cos(theta), weights / weights.sum()


def direct_kernel(unit: Activation, mixture: BlockMixture, first: Array, second: Array) -> float:
    """U(z, z') by quadrature: the correlation of two neurons averaged over the rotations of every block."""
    blocks = len(mixture.dimensions)
    offsets = [float(z[blocks]) if len(z) > blocks else 0.0 for z in (first, second)]
    total = 0.0
    for scales in np.asarray(mixture.scales).T:
        tau = [float(np.linalg.norm(scales * z[:blocks])) for z in (first, second)]
        share = (scales * first[:blocks]) * (scales * second[:blocks]) / (tau[0] * tau[1])
        cosines, weights = np.zeros(()), np.ones(())
        for j, dimension in enumerate(mixture.dimensions):
            n, w = angles(dimension)
            cosines = np.add.outer(cosines, share[j] * n)
            weights = np.multiply.outer(weights, w)
        correlation = _tabulated_correlation(unit, (tau[0], offsets[0]), (tau[1], offsets[1]), cosines)
        total += 0.5 * float(np.sum(weights * correlation))
    return total


def _tabulated_correlation(
    unit: Activation, first: tuple[float, float], second: tuple[float, float], cosines: Array
) -> Array:
    """`correlated` at many cosines: a polynomial in the angle, where the ends c = ±1 are smooth from one side."""
    if cosines.size <= 200:
        flat = [correlated(unit, first, second, float(np.clip(c, -1.0, 1.0))) for c in cosines.ravel()]
        return np.reshape(flat, cosines.shape)
    theta = np.arccos(np.clip(cosines, -1.0, 1.0))
    low, high = float(theta.min()), float(theta.max())
    nodes = chebyshev.chebpts1(72)
    sampled = [correlated(unit, first, second, float(np.cos(low + 0.5 * (high - low) * (x + 1)))) for x in nodes]
    coefficients = chebyshev.chebfit(nodes, sampled, 71)
    return np.asarray(chebyshev.chebval(2.0 * (theta - low) / (high - low) - 1.0, coefficients))


def sphere_mean(unit: PiecewiseLinear, radius: Array, dimension: float) -> Array:
    """E sigma(radius n), n the first coordinate of a uniform point of S^(dimension - 1), by incomplete beta."""
    if dimension == 1:
        return 0.5 * (unit(radius) + unit(-radius))
    half = 0.5 * (dimension - 1)
    total = np.full_like(radius, unit.left)
    for knot, kink in zip(unit.knots, unit.kinks, strict=True):
        x = np.clip(knot / np.maximum(radius, 1e-300), -1.0, 1.0)
        above = 0.5 * special.betainc(half, 0.5, 1.0 - x * x)
        above = np.where(x > 0, above, 1.0 - above)
        moment = (1.0 - x * x) ** half / ((dimension - 1) * special.beta(0.5, half))
        total += kink * (radius * moment - np.clip(knot, -radius, None) * above)
    return total


def chi_nodes(dimension: float, breaks: Array) -> tuple[Array, Array]:
    """Rule for chi(dimension), graded like u^2 at each of `breaks`, where the integrand has half-integer powers."""
    centre = np.sqrt(dimension)
    low, high = max(0.0, centre - 9.0), centre + 9.0
    ends = np.unique(np.concatenate([np.linspace(low, high, 37), breaks[(breaks > low) & (breaks < high)]]))
    theta, w = composite(np.linspace(0.0, np.pi, 2), 32)
    half = 0.5 * np.diff(ends)
    nodes = (ends[:-1, None] + half[:, None] * (1.0 - np.cos(theta))).ravel()
    weights = (half[:, None] * np.sin(theta) * w).ravel()
    log_density = special.xlogy(dimension - 1, nodes) - 0.5 * nodes**2 - special.gammaln(0.5 * dimension)
    return nodes, weights * np.exp(log_density - (0.5 * dimension - 1) * np.log(2.0))


def isotropic_by_nodes(unit: PiecewiseLinear, delta: float, dimension: float, r: float, other: float) -> float:
    """U(r, r') = E phi(R; r) phi(R; r') over the two chi laws of R."""
    total = 0.0
    for scale in (1.0 + delta, 1.0 - delta):
        breaks = np.abs(unit.knots)[:, None] / (scale * np.array([r, other]))
        nodes, weights = chi_nodes(dimension, breaks.ravel())
        values = [sphere_mean(unit, scale * nodes * radius, dimension) for radius in (r, other)]
        total += 0.5 * float(np.sum(weights * values[0] * values[1]))
    return total


# --- tests ---


@pytest.mark.parametrize(
    "entry", reference.values()["kernel_points"], ids=lambda e: f"{e['act']}-{e['d']}-{e['s0']}-{e['r']}"
)
def test_kernels_equal_the_reference(entry: dict[str, Any]) -> None:
    first = np.array(entry["r"], dtype=float).reshape(1, -1)
    second = np.array(entry["rp"], dtype=float).reshape(1, -1)
    mixture = reference.mixture(entry)
    highest = 200 if mixture.dimension <= 40 and len(mixture.dimensions) == 2 else 120
    objective = objective_of(hermite_features(LETTERS[entry["act"]], mixture, False, highest))
    value, slope = kernel(objective, first, second)
    v, v_slope = potential(objective, first)
    # (4, 6) is where the expansion converges slowly: K^-3 once r2 -> 0
    within = 2e-9 if mixture.dimension == 10 else 1e-12
    assert_allclose(value, entry["U"][0], rtol=0, atol=within)
    assert_allclose(v, entry["V"], rtol=0, atol=1e-13)
    several = "gradV" in entry
    assert_allclose(np.squeeze(v_slope), entry["gradV" if several else "dV"], rtol=0, atol=1e-12)
    assert_allclose(np.squeeze(slope), entry["grad1U" if several else "d1U"], rtol=0, atol=20 * within)
    if "d12U" in entry:
        both = [objective.features.values_and_gradients(point)[1][0, :, 0] for point in (first, second)]
        assert_allclose((both[0] * objective.loss.metric) @ both[1], entry["d12U"], rtol=0, atol=1e-11)


@pytest.mark.parametrize("letter", ["T", "M", "N"])
@pytest.mark.parametrize("dimension", [1.0, 2.0, 3.0, 10.0, 100.0])
def test_the_two_quadratures_agree(letter: str, dimension: float) -> None:
    """The oracles of this file: over angles (any law) and over norms (one block)."""
    unit, mixture = LETTERS[letter], gaussian_mixture(0.6, dimension)
    for r, other in ((0.9, 0.5), (2.1, 0.2), (0.7, 0.7)):
        by_angle = direct_kernel(unit, mixture, np.array([r]), np.array([other]))
        by_norm = isotropic_by_nodes(unit, 0.6, dimension, r, other)
        assert_allclose(by_angle, by_norm, rtol=0, atol=2e-11)


@pytest.mark.parametrize("letter", ["T", "M", "N", "R"])
@pytest.mark.parametrize(("dimension", "highest"), [(10.0, 400), (100.0, 120), (1e3, 60), (1e5, 30)])
def test_hermite_features_of_one_block(letter: str, dimension: float, highest: int) -> None:
    unit, mixture = LETTERS[letter], gaussian_mixture(0.6, dimension)
    objective = objective_of(hermite_features(unit, mixture, False, highest))
    for r, other in ((0.9, 0.5), (2.1, 0.2), (0.7, 0.7), (3.0, 1.1)):
        if dimension < 1e3:
            expected = isotropic_by_nodes(unit, 0.6, dimension, r, other)
        else:
            expected = direct_kernel(unit, mixture, np.array([r]), np.array([other]))
        got, _ = kernel(objective, np.array([[r]]), np.array([[other]]))
        assert_allclose(got, expected, rtol=1e-11, atol=1e-11)


BLOCKS = [
    ((10.0, 30.0), "M", 90),
    ((60.0, 260.0), "N", 60),
    ((1e3, 4e3), "T", 40),
    ((1e5, 5e4), "M", 24),
    ((10.0, 1e5), "N", 90),
    ((10.0, 20.0, 40.0), "M", 40),
    ((1e5, 100.0, 1e3), "T", 40),
]


@pytest.mark.parametrize(("dimensions", "letter", "highest"), BLOCKS)
def test_hermite_features_of_several_blocks(dimensions: tuple[float, ...], letter: str, highest: int) -> None:
    blocks = len(dimensions)
    unit, mixture = LETTERS[letter], gaussian_mixture(0.5, *dimensions)
    objective = objective_of(hermite_features(unit, mixture, False, highest))
    first = np.array([0.9, 0.5, 0.6])[:blocks]
    second = np.array([0.4, 0.8, 0.3])[:blocks]
    got, slope = kernel(objective, first[None], second[None])
    assert_allclose(got, direct_kernel(unit, mixture, first, second), rtol=0, atol=1e-10)
    step = 2e-3
    for j in range(blocks):
        shifts = [direct_kernel(unit, mixture, first + m * step * np.eye(blocks)[j], second) for m in (-2, -1, 1, 2)]
        expected = (shifts[0] - 8 * shifts[1] + 8 * shifts[2] - shifts[3]) / (12 * step)
        assert_allclose(slope[0, j], expected, rtol=0, atol=2e-9)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "dimensions"),
    [("sigmoid", (12.0,)), ("T", (12.0,)), ("T", (20.0, 60.0)), ("N", (20.0, 60.0))],
)
def test_offset_as_a_coordinate(name: str, dimensions: tuple[float, ...]) -> None:
    unit = {"sigmoid": Sigmoid(), "tanh": Tanh()}.get(name) or LETTERS[name]
    blocks = len(dimensions)
    mixture = gaussian_mixture(0.5, *dimensions)
    objective = objective_of(hermite_features(unit, mixture, True, 120))
    first = np.array([0.9, 0.5, 0.3])[-blocks - 1 :]
    second = np.array([0.4, 0.8, -0.6])[-blocks - 1 :]
    got, slope = kernel(objective, first[None], second[None])
    assert_allclose(got, direct_kernel(unit, mixture, first, second), rtol=0, atol=1e-10)
    step = 2e-3
    for j in range(blocks + 1):
        axis = np.eye(blocks + 1)[j]
        shifts = [direct_kernel(unit, mixture, first + m * step * axis, second) for m in (-2, -1, 1, 2)]
        expected = (shifts[0] - 8 * shifts[1] + 8 * shifts[2] - shifts[3]) / (12 * step)
        assert_allclose(slope[0, j], expected, rtol=0, atol=2e-9)
    v, v_slope = potential(objective, first[None])
    means = [_class_means(unit, mixture, first + m * step * np.eye(blocks + 1)[-1]) for m in (-2, -1, 0, 1, 2)]
    assert_allclose(v, -0.5 * (means[2][0] - means[2][1]), rtol=0, atol=1e-13)
    falls = [-0.5 * (plus - minus) for plus, minus in means]
    expected = (falls[0] - 8 * falls[1] + 8 * falls[3] - falls[4]) / (12 * step)
    assert_allclose(v_slope[0, -1], expected, rtol=0, atol=1e-9)


def _class_means(unit: Activation, mixture: BlockMixture, point: Array) -> list[float]:
    """E[sigma | y = ±1] by quadrature over the pre-activation."""
    blocks = len(mixture.dimensions)
    offset = float(point[blocks]) if len(point) > blocks else 0.0
    means = []
    for scales in np.asarray(mixture.scales).T:
        tau = float(np.linalg.norm(scales * point[:blocks]))
        knots = (unit.knots - offset) / tau if isinstance(unit, PiecewiseLinear) else np.empty(0)
        nodes, weights = composite(np.unique(np.concatenate([np.linspace(-10, 10, 41), knots[abs(knots) < 10]])))
        density = np.exp(-0.5 * nodes**2) / np.sqrt(2 * np.pi)
        means.append(float(np.sum(weights * density * unit(tau * nodes + offset))))
    return means


def test_coefficient_as_a_coordinate() -> None:
    """U = a a' U_0 and V = a V_0, whichever way they are evaluated, with b beside it."""
    mixture = gaussian_mixture(0.5, 10.0, 30.0)
    problem = problem_on(Sigmoid(), mixture, has_coefficient=True, has_offset=True)
    lower, upper = np.array([0.0, 0.0, -2.0, -1.0]), np.array([2.0, 2.0, 2.0, 1.0])
    objective = problem.represent("exact", Box(lower, upper), 1e-12).objective
    first, second = np.array([0.9, 0.5, -1.3, 0.3]), np.array([0.4, 0.8, 0.7, -0.6])
    expected = -1.3 * 0.7 * direct_kernel(Sigmoid(), mixture, first[[0, 1, 3]], second[[0, 1, 3]])
    got, slope = kernel(objective, first[None], second[None])
    assert_allclose(got, expected, rtol=0, atol=1e-11)
    assert_allclose(slope[0, 2], expected / -1.3, rtol=0, atol=1e-11)
    points = np.random.default_rng(5).uniform(lower, upper, (40, 4))
    masses = np.random.default_rng(6).dirichlet(np.ones(40))
    values, gradients = objective.features.values_and_gradients(points)
    outputs = objective.outputs(points, masses)
    assert_allclose(outputs, masses @ values, rtol=0, atol=1e-14)
    coefficients = objective.loss_gradient(outputs)
    value, gradient = objective.features.contract(points, coefficients)
    assert_allclose(value, values @ coefficients, rtol=0, atol=1e-14)
    assert_allclose(gradient, np.einsum("nmd,m->nd", gradients, coefficients), rtol=0, atol=1e-13)
    step = 1e-4
    for j in range(4):
        shift = step * np.eye(4)[j]
        ends = [objective.features.values(points + side * shift) for side in (-1.0, 1.0)]
        assert_allclose(gradients[:, :, j], (ends[1] - ends[0]) / (2 * step), rtol=0, atol=1e-7)


@pytest.mark.parametrize("dimensions", [(1.0,), (3.0,), (1.0, 1.0), (2.0, 4.0), (1.0, 2.0, 3.0)])
def test_kernels_against_sampling(dimensions: tuple[float, ...]) -> None:
    """U and V of neurons in R^d, rotated at random block by block: within 5 sigma (false failure 3e-6 in all)."""
    rng, count = np.random.default_rng(20), 400_000
    mixture = gaussian_mixture(0.5, *dimensions)
    blocks = len(dimensions)
    first, second = np.array([0.9, 0.5, 0.6])[:blocks], np.array([0.4, 0.8, 0.3])[:blocks]
    products, means = [], []
    for sign, scales in zip((1.0, -1.0), np.asarray(mixture.scales).T, strict=True):
        pre = np.zeros((2, count))
        for j, dimension in enumerate(dimensions):
            x = scales[j] * rng.normal(size=(count, int(dimension)))
            for neuron, radius in enumerate((first[j], second[j])):
                w = rng.normal(size=(count, int(dimension)))
                pre[neuron] += radius * (w * x).sum(axis=1) / np.linalg.norm(w, axis=1)
        units = NONMONOTONE(pre[0]), NONMONOTONE(pre[1])
        products.append(units[0] * units[1])
        means.append(-sign * units[0])
    expected_u = direct_kernel(NONMONOTONE, mixture, first, second)
    objective = objective_of(hermite_features(NONMONOTONE, mixture, False, 80 if blocks == 3 else 200))
    expected_v = potential(objective, first[None])[0][0]
    # p = 1 converges like K^-3/2 here, far below the sampling error of 5e-3 but for p = 1
    got_u = kernel(objective, first[None], second[None])[0][0]
    assert abs(got_u - expected_u) < (2e-2 if min(dimensions) == 1 else 1e-5)
    for samples, expected in ((products, expected_u), (means, expected_v)):
        mean = 0.5 * (samples[0].mean() + samples[1].mean())
        deviation = 0.5 * np.sqrt((samples[0].var() + samples[1].var()) / count)
        assert abs(mean - expected) < 5.0 * deviation
        assert deviation < 2e-2


@pytest.mark.long
def test_risk_of_a_network_against_sampling() -> None:
    """R of 7 neurons spread over their orbits: E(y - f)^2 - (orientation variance) by two independent copies."""
    rng, count = np.random.default_rng(4), 200_000
    mixture = gaussian_mixture(0.5, 3.0, 5.0)
    points, masses = rng.uniform(0.1, 1.5, (7, 2)), rng.dirichlet(np.ones(7))
    objective = objective_of(hermite_features(TruncatedRelu(), mixture, False, 160))
    risk = objective.risk(objective.outputs(points, masses))
    total, squares = 0.0, 0.0
    for sign, scales in zip((1.0, -1.0), np.asarray(mixture.scales).T, strict=True):
        x = rng.normal(size=(count, 8)) * np.repeat(scales, [3, 5])
        copies = np.zeros((2, count))
        for copy in copies:
            for point, mass in zip(points, masses, strict=True):
                w = rng.normal(size=(count, 8))
                w[:, :3] *= (point[0] / np.linalg.norm(w[:, :3], axis=1))[:, None]
                w[:, 3:] *= (point[1] / np.linalg.norm(w[:, 3:], axis=1))[:, None]
                copy += mass * TruncatedRelu()((w * x).sum(axis=1))
        sample = (sign - copies[0]) * (sign - copies[1])
        total += 0.5 * sample.mean()
        squares += 0.25 * sample.var() / count
    assert abs(total - risk) < 5.0 * np.sqrt(squares)  # false failure 6e-7
    assert np.sqrt(squares) < 2e-3


def test_infinite_dimension_is_the_closed_form_and_the_limit() -> None:
    """R = (1 - ∫q(tau_+))^2 / 2 + (1 + ∫q(tau_-))^2 / 2; finite d approaches it like 1/d."""
    points = np.random.default_rng(8).uniform(0.2, 1.4, (5, 2))
    masses = np.array([0.1, 0.3, 0.2, 0.15, 0.25])
    fractions = (0.1875, 0.8125)
    infinite = with_delta(0.8, (np.inf, np.inf), fractions)
    problem = problem_on(STEEP, infinite)
    limit = problem.represent("exact", box(2.0, 2.0), 1e-12)
    assert limit.rank == 2
    assert limit.error == 0.0
    means = np.array([_class_means(STEEP, infinite, point) for point in points])
    plus, minus = masses @ means
    risk = limit.objective.risk(limit.objective.outputs(points, masses))
    assert_allclose(risk, 0.5 * (1 - plus) ** 2 + 0.5 * (1 + minus) ** 2, rtol=1e-13)
    gaps = []
    for d in (1e3, 1e4, 1e5):
        finite = with_delta(0.8, (0.1875 * d, 0.8125 * d), fractions)
        objective = objective_of(hermite_features(STEEP, finite, False, 40))
        gaps.append(objective.risk(objective.outputs(points, masses)) - risk)
    assert gaps[2] > 0.0
    assert_allclose(np.array(gaps[:2]) / gaps[1:], 10.0, rtol=0.03)
    assert gaps[2] < 1e-4


def bayes_risk(delta: float, dimension: float) -> float:
    """E Var(y | R), y = ±1, R = |x|: 4 pi_+ pi_- averaged over R."""
    x, weights = composite(np.linspace(1e-9, (1 + delta) * (np.sqrt(dimension) + 9.0), 400))
    log_classes = [special.xlogy(dimension - 1, x / s) - 0.5 * (x / s) ** 2 - np.log(s) for s in (1 + delta, 1 - delta)]
    log_norm = special.gammaln(0.5 * dimension) + (0.5 * dimension - 1) * np.log(2.0)
    plus, minus = (0.5 * np.exp(value - log_norm) for value in log_classes)
    whole = plus + minus
    share = np.divide(plus * minus, whole, out=np.zeros_like(whole), where=whole > 0)
    return float(weights @ (4.0 * share))


@pytest.mark.parametrize(("dimension", "delta"), [(3.0, 0.5), (10.0, 0.3), (40.0, 0.1)])
def test_no_law_beats_bayes_and_signed_laws_come_close(dimension: float, delta: float) -> None:
    """With signed coefficients the span of the units reaches E[y | R] nearly, so that U is neither large nor small."""
    mixture = gaussian_mixture(delta, dimension)
    objective = objective_of(hermite_features(NONMONOTONE, mixture, False, 800))
    points = np.geomspace(0.02, 20.0, 60)[:, None]
    values = np.sqrt(objective.loss.metric) * objective.features.values(points)
    target = -objective.loss_gradient(np.zeros(objective.features.rank)) / np.sqrt(objective.loss.metric)
    bayes = bayes_risk(delta, dimension)
    solution = np.linalg.lstsq(values.T, target, rcond=1e-9)[0]
    best = float(np.sum((values.T @ solution - target) ** 2))
    assert bayes - 1e-9 <= best <= bayes + 1e-3
    assert 0.05 < bayes < 0.95
    rng = np.random.default_rng(0)
    for _ in range(20):
        masses = rng.dirichlet(np.full(60, 0.1))
        assert objective.risk(objective.outputs(points, masses)) >= bayes


@pytest.mark.parametrize("dimensions", [(4.0,), (10.0, 30.0), (5.0, 6.0, 7.0)])
def test_kernel_matrix_is_positive_semidefinite_and_bounded(dimensions: tuple[float, ...]) -> None:
    """U >= 0 and U - (q_+ q_+ + q_- q_-) / 2 >= 0; its diagonal stays below E sigma^2."""
    mixture = gaussian_mixture(0.5, *dimensions)
    objective = objective_of(hermite_features(STEEP, mixture, False, 60))
    points = np.random.default_rng(2).uniform(0.0, 2.0, (80, len(dimensions)))
    values = objective.features.values(points)
    matrix = (values * objective.loss.metric) @ values.T
    assert np.linalg.eigvalsh(matrix)[0] > -1e-12
    for point, diagonal in zip(points[:10], np.diag(matrix), strict=False):
        second = 0.0
        for scales in np.asarray(mixture.scales).T:
            tau = float(np.linalg.norm(scales * point))
            second += 0.5 * correlated(STEEP, (tau, 0.0), (tau, 0.0), 1.0)
        assert diagonal <= second + 1e-12


@pytest.mark.parametrize("letter", ["T", "N"])
def test_a_map_is_even_and_has_one_sided_slopes_at_zero(letter: str) -> None:
    """At w = 0 the slope along r_j is the limit of the slopes from inside (a cone for a knot at 0)."""
    mixture = gaussian_mixture(0.5, 10.0, 30.0)
    features = hermite_features(LETTERS[letter], mixture, False, 40)
    coefficients = np.linspace(1.0, -1.0, features.rank)
    for axis in (0, 1):
        near = np.zeros((1, 2))
        near[0, axis] = 1e-7
        at_zero, inside = (features.contract(point, coefficients)[1][0, axis] for point in (np.zeros((1, 2)), near))
        assert_allclose(at_zero, inside, rtol=1e-5)
        assert abs(at_zero) > 1e-2
        whole = features.values_and_gradients(np.zeros((1, 2)))[1][0, :, axis] @ coefficients
        assert_allclose(at_zero, whole, rtol=1e-12)


@pytest.mark.long
@pytest.mark.parametrize(
    ("letter", "dimensions", "accuracy"),
    [("T", (60.0, 260.0), 1e-6), ("T", (60.0, 260.0), 1e-11), ("M", (40.0,), 1e-9), ("N", (10.0, 20.0, 30.0), 1e-3)],
)
@pytest.mark.parametrize("form", ["compressed", "tabulated"])
def test_compression_and_tables_keep_their_stated_error(
    form: Form, letter: str, dimensions: tuple[float, ...], accuracy: float
) -> None:
    mixture = gaussian_mixture(0.5, *dimensions)
    problem = problem_on(LETTERS[letter], mixture)
    corner = [1.5] * len(dimensions)
    reduced = problem.represent(form, box(*corner), accuracy)
    full = objective_of(hermite_features(LETTERS[letter], mixture, False, 90 if len(dimensions) < 3 else 40))
    points = np.random.default_rng(7).uniform(0.0, 1.5, (400, len(dimensions)))
    pairs = points[:200], points[200:]
    exact, exact_slope = kernel(full, *pairs)
    got, slope = kernel(reduced.objective, *pairs)
    error = float(np.max(np.abs(got - exact)))
    scale = float(np.max(np.abs(full.features.values(points)[:, :2]))) ** 2
    # the stated error is found on samples, and rounding of U is a few ulp
    assert error <= 2.0 * reduced.error + 1e-13 * scale
    if form == "compressed":
        assert error <= 2.0 * accuracy + 1e-13 * scale
    v = potential(reduced.objective, points)[0] - potential(full, points)[0]
    assert np.max(np.abs(v)) <= 2.0 * reduced.error + 1e-13 * scale
    assert np.max(np.abs(slope - exact_slope)) <= 100.0 * np.sqrt(accuracy) * max(scale, 1.0)
    assert reduced.rank < full.features.rank


SMALL = [
    ((1.0,), "T", 1e-6),
    ((2.0,), "N", 1e-7),
    ((3.0,), "M", 1e-7),
    ((1.0, 1.0), "T", 1e-4),
    ((2.0, 3.0), "T", 1e-4),
    ((4.0, 6.0), "N", 1e-5),
]


@pytest.mark.long
@pytest.mark.parametrize(("dimensions", "letter", "accuracy"), SMALL)
def test_zonal_features_of_small_blocks_keep_their_stated_error(
    dimensions: tuple[float, ...], letter: str, accuracy: float
) -> None:
    unit, mixture = LETTERS[letter], gaussian_mixture(0.5, *dimensions)
    features, error = zonal_features(unit, mixture, 4.0, accuracy)
    assert error <= accuracy
    objective = objective_of(features)
    firsts = np.array([[0.9, 0.5], [2.0, 0.05], [0.3, 0.0]])[:, : len(dimensions)]
    seconds = np.array([[0.4, 0.8], [0.1, 1.2], [0.7, 1.5]])[:, : len(dimensions)]
    got, slope = kernel(objective, firsts, seconds)
    for n in range(3):
        expected = direct_kernel(unit, mixture, firsts[n], seconds[n])
        assert abs(got[n] - expected) <= 2.0 * error
        for j in range(len(dimensions)):
            axis, step = np.eye(len(dimensions))[j], 2e-3
            if firsts[n, j] < 2 * step:
                continue
            ends = [direct_kernel(unit, mixture, firsts[n] + m * step * axis, seconds[n]) for m in (-2, -1, 1, 2)]
            fall = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * step)
            assert abs(slope[n, j] - fall) <= 30.0 * np.sqrt(error)
    v = potential(objective, firsts)[0]
    means = [_class_means(unit, mixture, point) for point in firsts]
    assert_allclose(v, [-0.5 * (plus - minus) for plus, minus in means], rtol=0, atol=1e-12)


def test_the_invariant_harmonics_of_the_plane_are_cosines() -> None:
    square = np.linspace(0.0, 1.0, 7)
    values, slopes = invariant_harmonics(square, 6, 1.0, 1.0)
    orders, theta = 2.0 * np.arange(7), np.arccos(np.sqrt(square[1:-1]))[:, None]
    assert_allclose(values[1:-1], np.cos(orders * theta), rtol=0, atol=1e-13)
    assert_allclose(slopes[1:-1], orders * np.sin(orders * theta) / np.sin(2.0 * theta), rtol=0, atol=1e-11)


def test_hermite_and_zonal_features_agree() -> None:
    mixture = gaussian_mixture(0.8, 10.0, 30.0)
    zonal = objective_of(zonal_features(TruncatedRelu(), mixture, 3.0, 1e-8)[0])
    hermite = objective_of(hermite_features(TruncatedRelu(), mixture, False, 100))
    points = np.random.default_rng(3).uniform(0.05, 1.2, (60, 2))
    pairs = points[:30], points[30:]
    for ours, theirs, within in zip(kernel(zonal, *pairs), kernel(hermite, *pairs), (1e-8, 1e-5), strict=True):
        assert_allclose(ours, theirs, rtol=0, atol=within)


@pytest.mark.parametrize(("dimension", "order"), [(1.0, 2), (2.0, 4), (3.0, 6), (20.0, 8)])
def test_angular_moments(dimension: float, order: int) -> None:
    nodes, weights = angles(dimension)
    assert_allclose(weights.sum(), 1.0, rtol=1e-12)
    assert_allclose(angular_moment(np.array(order), dimension), weights @ nodes**order, rtol=1e-11)


def test_a_coefficient_wraps_features_of_one_block() -> None:
    inner = hermite_features(STEEP, gaussian_mixture(0.5, 20.0), False, 30)
    features = WithCoefficient(inner, 1)
    points = np.array([[0.7, 2.0], [1.1, -0.5]])
    values, gradients = features.values_and_gradients(points)
    plain, slopes = inner.values_and_gradients(points[:, :1])
    assert features.dimension == 2
    assert_allclose(values, [[2.0], [-0.5]] * plain, rtol=1e-15)
    assert_allclose(gradients[:, :, 1], plain, rtol=1e-15)
    assert_allclose(gradients[:, :, 0], [[2.0], [-0.5]] * slopes[:, :, 0], rtol=1e-15)
