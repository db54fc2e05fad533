"""Networks of units that are steep or have far knots, against quadrature that sums nothing but bounded values."""

from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import pytest

from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.gradient import GaussianPopulation
from mfpde.solvers.networks.risk import network_risk
from mfpde.solvers.sgd.engine import GaussianClasses
from tests.solvers.networks.test_gradient import numerical_gradient

SHAPES = {
    "sign": ([-5e-9, 5e-9], [-1.0, 1.0]),
    "jump": ([0.5, 0.5 + 1e-9], [0.0, 1.0]),
    "non-monotone": ([0.5, 1.5], [-2.5, 7.5]),
    "steep and wide": ([0.3, 0.301, 2.0], [0.0, 5.0, -1.0]),
    "far": ([-1e6, 0.0, 1.0], [1e6, 0.0, 0.0]),
}
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(24)


def unit(name: str) -> PiecewiseLinear:
    knots, values = SHAPES[name]
    return PiecewiseLinear.through(np.array(knots), np.array(values))


def panels(edges: Array) -> tuple[Array, Array]:
    """Nodes, and weights of the normal law."""
    half = 0.5 * np.diff(edges)[:, None]
    nodes = (edges[:-1, None] + half * (POINTS + 1.0)).ravel()
    return nodes, (half * WEIGHTS).ravel() * np.exp(-0.5 * nodes**2) / math.sqrt(2.0 * math.pi)


def value(name: str, u: Array) -> Array:
    """sigma from its nearest knot to the right; that to the left where there is none."""
    knots, values = (np.array(part) for part in SHAPES[name])
    right = np.minimum(np.searchsorted(knots, u), len(knots) - 1)
    slopes = np.concatenate([[0.0], np.diff(values) / np.diff(knots)])
    return np.asarray(np.where(u > knots[-1], values[-1], values[right] + slopes[right] * (u - knots[right])))


def conditional(name: str, mean: float, spread: float) -> float:
    """E sigma(N(mean, spread^2))."""
    if spread == 0.0:
        return float(value(name, np.array([mean]))[0])
    breaks = np.clip((np.array(SHAPES[name][0]) - mean) / spread, -9.0, 9.0)
    z, w = panels(np.unique(np.concatenate([np.linspace(-9.0, 9.0, 8), breaks])))
    return float(w @ value(name, mean + spread * z))


def pair(name: str, u: tuple[float, float], v: tuple[float, float], sign: float, gap: float) -> float:
    """E sigma(u) sigma(v), v integrated under its law given u."""
    (t, b), (s, c), knots = u, v, np.array(SHAPES[name][0])
    rho, width = sign * (1.0 - gap), math.sqrt(gap * (2.0 - gap))
    layers = ((knots[:, None] - c) / s + width * np.array([-8.0, -3.0, 0.0, 3.0, 8.0])).ravel() / rho
    breaks = np.concatenate([(knots - b) / t, layers, np.linspace(-9.0, 9.0, 8)])
    x, w = panels(np.unique(np.clip(breaks, -9.0, 9.0)))
    inner = [conditional(name, c + s * rho * place, s * width) for place in x]
    return float(w @ (value(name, b + t * x) * np.array(inner)))


SCALES = ((1.0, 1.0), (30.0, 6.0), (1e6, 1e6), (2.1, 1e-3), (1e3, 3e4))
RELATIONS = ((1.0, 0.65), (-1.0, 0.07), (1.0, 1e-6), (-1.0, 0.0), (1.0, 0.0))


@pytest.mark.long
@pytest.mark.parametrize("name", SHAPES)
def test_pairs_of_steep_units(name: str) -> None:
    """To 1e-12 of the root mean squares, at every slope and size of weights."""
    sigma = unit(name)
    for (t, s), (b, c), (sign, gap) in product(SCALES, ((0.0, 0.0), (0.3, -0.4)), RELATIONS):
        one = [np.array([part]) for part in (t, s, b, c, sign * (1.0 - gap), gap)]
        found = sigma.pair_moments(0, 0, (one[0], one[1]), (one[2], one[3]), one[4], one[5])[0]
        size = np.prod(sigma.second_moments(np.array([t, s]), np.array([b, c]))) ** 0.5
        assert abs(found - pair(name, (t, b), (s, c), sign, gap)) <= 1e-12 * size, (t, s, b, c, sign, gap)


@pytest.mark.parametrize("name", SHAPES)
def test_moments_of_one_steep_unit(name: str) -> None:
    """E sigma, E sigma^2 and the first coefficients at any scale."""
    sigma = unit(name)
    for t, b in product((1e-3, 0.3, 3.9, 4.1, 40.0, 1e6), (0.0, 0.3, 0.5)):
        x, w = panels(np.unique(np.clip(np.append((sigma.knots - b) / t, np.linspace(-9.0, 9.0, 9)), -9.0, 9.0)))
        scale, offset, values = np.array([t]), np.array([b]), value(name, b + t * x)
        size = math.sqrt(w @ values**2)
        expected = [w @ values, w @ (values * x), w @ (values * (x**2 - 1.0)) / math.sqrt(2.0)]
        assert sigma.second_moments(scale, offset)[0] == pytest.approx(w @ values**2, rel=1e-13)
        np.testing.assert_allclose(sigma.coefficients(scale, offset, 3)[0], expected, rtol=0.0, atol=1e-13 * size)
        assert abs(sigma.mean(scale, offset).value[0] - expected[0]) <= 1e-13 * size
        assert abs(sigma.even_hermite(scale, offset, 2).value[0, 0] - expected[2]) <= 1e-13 * size


def test_risk_of_one_sign() -> None:
    """Classes alike: R = 1 + E sigma^2, and 1 - E sigma^2 = (4 / 3) delta n(0) up to delta^3, delta = 5e-9 / |w|."""
    weights = np.full((1, 4), 0.5)
    risk = network_risk(GaussianClasses((4,), ((1.0, 1.0),)), unit("sign"), weights, np.ones(1), np.zeros(1))
    assert risk == pytest.approx(2.0 - 4.0 / 3.0 * 5e-9 / math.sqrt(2.0 * math.pi), rel=1e-15)


@pytest.mark.parametrize("dimension", [1, 3])
def test_signs_know_the_angles_between_neurons(dimension: int) -> None:
    """E sign(u) sign(v) = 1 - 2 angle / pi, also of angles that the cosine has lost."""
    random = np.random.default_rng(dimension)
    w = random.standard_normal((20, dimension))
    w[1], w[2], w[3] = w[0], -3.0 * w[0], w[0] + 1e-7 * random.standard_normal(dimension)
    units = w / np.linalg.norm(w, axis=1)[:, None]
    i, j = np.tril_indices(20, -1)
    angles = 2.0 * np.arctan2(np.linalg.norm(units[i] - units[j], axis=1), np.linalg.norm(units[i] + units[j], axis=1))
    steep = PiecewiseLinear.through(np.array([-1e-14, 1e-14]), np.array([-1.0, 1.0]))
    risk = network_risk(GaussianClasses((dimension,), ((1.0, 1.0),)), steep, w, np.ones(20), np.zeros(20))
    assert risk == pytest.approx(1.0 + 1.0 / 20.0 + np.sum(1.0 - 2.0 * angles / np.pi) / 200.0, rel=1e-13)


@pytest.mark.parametrize("name", ["sign", "jump", "steep and wide"])
def test_gradient_of_steep_units(name: str) -> None:
    """Neurons that are equal or opposite among them; error of the differences 1e-9, of what cancelled 1e-7 and more."""
    random = np.random.default_rng(5)
    population = GaussianPopulation(GaussianClasses((1, 3), ((1.8, 0.2), (1.0, 1.3))), unit(name))
    w, a, b = random.standard_normal((6, 4)), 1.0 + random.standard_normal(6), 0.3 * random.standard_normal(6)
    w[1], w[2], b[1] = w[0], -2.0 * w[0], b[0]
    gradients = population.gradient(w, a, b, True, True)
    risks = (lambda x: population.risk(x, a, b), lambda x: population.risk(w, x, b), lambda x: population.risk(w, a, x))
    for (at, found), risk, index in zip(
        zip((w, a, b), gradients, strict=True), risks, ((4, 1), (1,), (5,)), strict=True
    ):
        assert found[index] == pytest.approx(numerical_gradient(risk, at, index, 6), abs=1e-8), index
    # along its own weights a neuron feels neurons that are parallel to it: R_N is smooth there
    whole = np.array([0, 1, 2])

    def grown(size: Array) -> float:
        moved = w.copy()
        moved[whole] *= size[0]
        return population.risk(moved, a, b)

    expected = numerical_gradient(grown, np.ones(1), (0,), 6)
    assert np.sum(gradients[0][whole] * w[whole]) == pytest.approx(expected, abs=1e-8)


def test_values_far_from_a_steep_piece() -> None:
    """Flat is flat, and a slope of 1e9 leaves no trace of rounding beyond it."""
    steep = PiecewiseLinear.through(np.array([0.0, 1e-9, 1.0]), np.array([0.0, 1.0, 0.3]))
    for sigma in (steep, steep.affine(2.0, 0.0).affine(0.5, 0.0)):
        np.testing.assert_allclose(sigma.value(np.array([-1e6, 0.5, 1e6])), [0.0, 0.65, 0.3], rtol=1e-9)
        assert not sigma.slope(np.array([-1.0, 1e6]))[0]
    assert not any(high - low for low, high in pairwise(steep.value(np.array([2.0, 1e3, 1e6]))))
