"""Exact risk of finite networks: pairs against quadrature, the whole against Monte Carlo and all closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import integrate

from mfpde.problem.activations.erf import Erf
from mfpde.problem.activations.sigmoid import Sigmoid
from mfpde.problem.activations.tanh import Tanh
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.activations.hinges import hinge_products
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks import risk
from mfpde.solvers.networks.risk import network_risk
from mfpde.solvers.sgd.engine import GaussianClasses

UNITS: dict[str, Activation] = {
    "ramp": PiecewiseLinear.through(np.array([0.5, 1.5]), np.array([-2.5, 7.5])),
    "relu": PiecewiseLinear((0.0,), (1.0,)),
    "three kinks": PiecewiseLinear((-0.3, 0.2, 1.0), (1.0, -2.0, 0.5), 0.7, 0.3),
    "sigmoid": Sigmoid(),
    "tanh": Tanh(),
    "erf": Erf(),
}
SCALES, OFFSETS = np.array([1.7, 0.6]), np.array([0.3, -0.4])


def by_quadrature(unit: Activation, correlation: float) -> float:
    """E sigma(u) sigma(v) by adaptive quadrature in two dimensions, told of the kinks."""
    width = math.sqrt(1.0 - correlation**2)
    knots = np.array(unit.knots)

    def inner(x: float) -> float:
        def integrand(z: float) -> float:
            v = OFFSETS[1] + SCALES[1] * (correlation * x + width * z)
            return float(unit(np.array([v]))[0]) * math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)

        breaks = ((knots - OFFSETS[1]) / SCALES[1] - correlation * x) / width
        ends = [-9.0, *sorted(point for point in breaks if abs(point) < 9.0), 9.0]
        return float(sum(_panels(integrand, lo, hi) for lo, hi in itertools.pairwise(ends)))

    def outer(x: float) -> float:
        u = OFFSETS[0] + SCALES[0] * x
        return float(unit(np.array([u]))[0]) * math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi) * inner(x)

    breaks = (knots - OFFSETS[0]) / SCALES[0]
    ends = [-9.0, *sorted(point for point in breaks if abs(point) < 9.0), 9.0]
    pieces = itertools.pairwise(ends)
    return float(sum(integrate.quad(outer, lo, hi, epsabs=1e-11, epsrel=1e-11, limit=200)[0] for lo, hi in pieces))


NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)


def _panels(function: object, low: float, high: float) -> float:
    edges = np.linspace(low, high, 1 + math.ceil((high - low) / 1.2))
    half = 0.5 * np.diff(edges)
    points = (edges[:-1] + half)[:, None] + half[:, None] * NODES
    values = np.array([function(z) for z in points.ravel()])  # type: ignore[operator]
    return float(np.sum(values * (half[:, None] * WEIGHTS).ravel()))


def pair(unit: Activation, correlation: float) -> float:
    columns = [np.array([value]) for value in (*SCALES, *OFFSETS)]
    found = unit.pair_moments(0, 0, (columns[0], columns[1]), (columns[2], columns[3]), np.array([correlation]))
    return float(found[0])


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("correlation", [0.35, -0.93])
def test_pairs_against_adaptive_quadrature(name: str, correlation: float) -> None:
    assert pair(UNITS[name], correlation) == pytest.approx(by_quadrature(UNITS[name], correlation), abs=1e-10)


@pytest.mark.parametrize("name", UNITS)
def test_series_and_closed_forms_agree(name: str) -> None:
    unit = UNITS[name]
    coefficients = unit.coefficients(SCALES, OFFSETS, 160)
    for correlation in (0.0, 0.1, -0.5, 0.75):
        series = float(np.sum(coefficients[0] * coefficients[1] * correlation ** np.arange(160)))
        assert pair(unit, correlation) == pytest.approx(series, abs=2e-13)


@pytest.mark.parametrize("name", UNITS)
def test_second_moments_are_pairs_of_equals(name: str) -> None:
    unit = UNITS[name]
    scales, offsets = np.array([1.7, 0.6, 3.0]), np.array([0.3, -0.4, 1.0])
    found = unit.pair_moments(0, 0, (scales, scales), (offsets, offsets), np.ones(3))
    np.testing.assert_allclose(unit.second_moments(scales, offsets), found, rtol=1e-13)
    at_rest = unit.second_moments(np.zeros(3), offsets)
    np.testing.assert_allclose(at_rest, unit(offsets) ** 2, rtol=1e-13, atol=1e-15)


def test_hinges_near_full_correlation() -> None:
    # E (X - h)_+ (rho X + s Z - k)_+ by integrating Z exactly and X by panels about the bend of width s
    h, k = 0.3, 0.3 + 1e-4
    for gap in (1e-3, 1e-6, 1e-9):
        correlation = 1.0 - gap
        width = math.sqrt(gap * (2.0 - gap))
        bend = k / correlation
        offsets = width * np.array([0.0, 0.5, 1, 2, 4, 6, 9])
        ends = np.unique(np.clip(np.concatenate((bend - offsets, bend + offsets, np.linspace(h, 9.0, 30))), h, 9.0))
        half = 0.5 * np.diff(ends)
        x = ((ends[:-1] + half)[:, None] + half[:, None] * NODES).ravel()
        weights = (half[:, None] * WEIGHTS).ravel() * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        lift = correlation * x - k
        ratio = lift / width
        tail = 0.5 * np.array([math.erfc(-value / math.sqrt(2.0)) for value in ratio])
        inner = lift * tail + width * np.exp(-0.5 * ratio**2) / math.sqrt(2 * math.pi)
        expected = float(np.sum(weights * (x - h) * inner))
        found = hinge_products(0, 0, *(np.array([value]) for value in (h, k, 1.0, gap)))[0]
        assert found == pytest.approx(expected, abs=1e-13), gap


def by_closed_forms(data: GaussianClasses, unit: Activation, w: Array, a: Array, b: Array) -> float:
    """R_N with every pair summed without expansion."""
    risk = 0.0
    for label, class_scales in zip((1.0, -1.0), data.coordinate_scales, strict=True):
        scaled = w * class_scales
        scale = np.linalg.norm(scaled, axis=1)
        i, j = np.tril_indices(len(w), -1)
        correlation = np.clip(np.sum(scaled[i] * scaled[j], axis=1) / (scale[i] * scale[j]), -1.0, 1.0)
        pairs = a[i] * a[j] * unit.pair_moments(0, 0, (scale[i], scale[j]), (b[i], b[j]), correlation)
        square = (2.0 * np.sum(pairs) + np.sum(a * a * unit.second_moments(scale, b))) / len(w) ** 2
        mean = np.mean(a * unit.coefficients(scale, b, 2)[:, 0])
        risk += 0.5 * (1.0 - 2.0 * label * mean + square)
    return risk


@pytest.mark.parametrize("dimensions", [(1,), (2,), (3, 1), (40,)])
@pytest.mark.parametrize("name", ["ramp", "relu", "tanh"])
def test_risk_against_closed_forms_for_all_pairs(dimensions: tuple[int, ...], name: str) -> None:
    random = np.random.default_rng(sum(dimensions))
    data = GaussianClasses(dimensions, ((1.8, 0.2), (1.0, 1.0))[: len(dimensions)])
    neurons = 90 if UNITS[name].linear else 24
    w = 1.5 / math.sqrt(data.dimension) * random.standard_normal((neurons, data.dimension))
    w[1] = w[0]
    w[2] = -2.0 * w[0]
    w[3] *= 1e-9
    a, b = 3.0 * random.standard_normal(neurons), 0.5 * random.standard_normal(neurons)
    expected = by_closed_forms(data, UNITS[name], w, a, b)
    assert network_risk(data, UNITS[name], w, a, b) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("name", UNITS)
def test_risk_against_monte_carlo(name: str) -> None:
    random = np.random.default_rng(8)
    data = GaussianClasses((3, 5), ((1.8, 0.2), (1.0, 1.3)))
    w, a, b = random.standard_normal((30, 8)), 1.0 + random.standard_normal(30), 0.3 * random.standard_normal(30)
    y = random.choice([1.0, -1.0], 200_000)
    x = random.standard_normal((y.size, 8)) * np.where(y[:, None] > 0, *data.coordinate_scales)
    losses = (y - UNITS[name](x @ w.T + b) @ a / 30) ** 2
    # 5 standard errors: fails with probability 6e-7
    error = 5.0 * float(np.std(losses)) / math.sqrt(y.size)
    assert abs(network_risk(data, UNITS[name], w, a, b) - float(np.mean(losses))) < error
    assert error < 0.1


def test_neurons_at_rest() -> None:
    data = GaussianClasses((4,), ((1.8, 0.2),))
    unit = UNITS["ramp"]
    assert network_risk(data, unit, np.zeros((5, 4)), np.ones(5), np.zeros(5)) == pytest.approx(1.0 + 2.5**2, rel=1e-14)
    knot = np.full(5, 0.5)
    assert network_risk(data, unit, np.zeros((5, 4)), np.ones(5), knot) == pytest.approx(1.0 + 2.5**2, rel=1e-14)


@pytest.mark.parametrize("listed", [1, 10, 2**16])
@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_pairs_in_blocks(name: str, listed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small blocks and lists are, nearly parallel neurons of other blocks included; bit for bit on threads."""
    monkeypatch.setattr(risk, "LISTED", listed)
    random = np.random.default_rng(5)
    w, a, b = random.standard_normal((23, 3)), random.standard_normal(23), 0.3 * random.standard_normal(23)
    w[20:] = w[:3] * (1.0 + 1e-3 * random.standard_normal((3, 3)))
    data, unit = GaussianClasses((3,), ((1.2, 0.8),)), UNITS[name]
    whole = network_risk(data, unit, w, a, b)
    monkeypatch.setattr(risk, "SIDE", 6)
    found = []
    for many in (1, 3):
        monkeypatch.setattr(risk, "threads", lambda many=many: many)
        found.append(network_risk(data, unit, w, a, b))
    assert found[0] == found[1] == pytest.approx(whole, rel=1e-13)


def test_rows_of_many_tiles() -> None:
    """Rows of more neurons than a tile, in few and many dimensions: a tenth, and hardly any, ask for more terms."""
    random, unit = np.random.default_rng(6), UNITS["ramp"]
    for dimension in (4, 60):
        w, (a, b) = random.standard_normal((300, dimension)), random.standard_normal((2, 300))
        data = GaussianClasses((dimension,), ((1.2 / dimension, 0.8 / dimension),))
        assert network_risk(data, unit, w, a, b) == pytest.approx(by_closed_forms(data, unit, w, a, b), rel=1e-12)
