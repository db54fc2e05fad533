"""Smooth units of any steepness: their moments against exact values and other quadrature, in bounded memory."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from scipy import special

from mfpde.problem.activations.erf import Erf
from mfpde.problem.activations.interface import ACTIVATIONS
from mfpde.problem.activations.tanh import Tanh
from mfpde.solvers.activations import smooth
from mfpde.solvers.activations.sampled import NODES, Sampled
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.gradient import GaussianPopulation
from mfpde.solvers.networks.risk import network_risk
from mfpde.solvers.sgd.samplers import GaussianClasses
from tests.solvers.networks.test_gradient import numerical_gradient

SMOOTH = ("tanh", "sigmoid", "erf")
STEEP = (17.0, 300.0, 1e4, 1e6)
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(24)


def expectation(name: str, order: int, t: float, b: float, k: int, power: int = 1) -> float:
    """E[sigma^(order)(t X + b)^power h_k(X)] by Gauss panels in u that double away from where sigma rises."""
    unit = ACTIVATIONS[name]()
    away = np.minimum(0.5 * 2.0 ** np.arange(0.0, math.log2(60.0 * t)), 50.0 * t)
    edges = np.clip(np.concatenate([-away, [0.0], away, b + t * np.linspace(-13.0, 13.0, 27)]), b - 13 * t, b + 13 * t)
    edges = np.unique(edges)
    half = 0.5 * np.diff(edges)[:, None]
    u = (edges[:-1, None] + half * (POINTS + 1.0)).ravel()
    x = (u - b) / t
    density = (half * WEIGHTS).ravel() / t * np.exp(-0.5 * x**2) / math.sqrt(2.0 * math.pi)
    values = (unit.value, unit.slope, unit.bend)[order](u) ** power
    return math.fsum(density * values * special.eval_hermitenorm(k, x) / math.sqrt(math.factorial(k)))


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("t", STEEP)
def test_moments_are_those_of_panels_about_the_rise(name: str, t: float) -> None:
    unit, offsets = ACTIVATIONS[name](), np.array([0.0, 0.7, -3.0, 0.8 * t])
    scales = np.full(4, t)
    found = [unit.coefficients(scales, offsets, 31, order) for order in (0, 1, 2)]
    mean, even = unit.expansion(scales, offsets, 30)
    second = unit.second_moments(scales, offsets)
    for n, b in enumerate(offsets):
        for k in (0, 1, 2, 7, 30):
            for order in (0, 1, 2):
                expected = expectation(name, order, t, b, k)
                assert found[order][n, k] == pytest.approx(expected, abs=4e-15 * (1.0 if order == 0 else 20.0 / t))
        assert second[n] == pytest.approx(expectation(name, 0, t, b, 0, power=2), abs=4e-15)
        tilted = expectation(name, 1, t, b, 1)
        assert [mean.value[n], mean.by_offset[n]] == pytest.approx([found[0][n, 0], found[1][n, 0]], abs=1e-15)
        assert mean.by_scale[n] == pytest.approx(tilted, abs=1e-13 / t)
        assert even.value[n] == pytest.approx(found[0][n, 2::2], abs=1e-15)
        lifted = np.sqrt(31.0) * expectation(name, 1, t, b, 31) + np.sqrt(30.0) * found[1][n, 29]
        assert even.by_scale[n, -1] == pytest.approx(lifted, abs=1e-13 / t)


@pytest.mark.parametrize("t", [0.3, 5.0, *STEEP])
def test_pairs_of_error_functions_are_in_closed_form(t: float) -> None:
    """E erf(u) erf(v) = (2/pi) arctan(2 rho t s / root), root^2 = 1 + 2 t^2 + 2 s^2 + 4 t^2 s^2 (1 - rho^2)."""
    generator = np.random.default_rng(3)
    count = 24
    u, v = t * generator.uniform(0.5, 1.0, count), t * 10.0 ** generator.uniform(-3.0, 0.0, count)
    gap = np.append(10.0 ** generator.uniform(-14.0, 0.0, count - 2), [0.0, 1.0])
    rho = (1.0 - gap) * generator.choice([-1.0, 1.0], count)
    root = np.sqrt(1.0 + 2.0 * u**2 + 2.0 * v**2 + (2.0 * u * v) ** 2 * gap * (2.0 - gap))
    pair = (u, v), (np.zeros(count), np.zeros(count)), rho, gap
    value = 2.0 / math.pi * np.arctan2(2.0 * rho * u * v, root)
    assert Erf().pair_moments(0, 0, *pair) == pytest.approx(value, abs=4e-15)
    assert Erf().pair_moments(1, 1, *pair) == pytest.approx(4.0 / (math.pi * root), rel=1e-12)
    # E X sigma'(u) sigma(v) is the derivative of E sigma(u) sigma(v) in t at fixed rho
    tilted = 4.0 / math.pi * rho * v / (root * (1.0 + 2.0 * u**2))
    assert Erf().tilted_moments(*pair) == pytest.approx(tilted, rel=1e-9, abs=1e-15 / t)


@pytest.mark.parametrize("name", SMOOTH)
def test_steep_pairs_with_offsets_are_those_of_the_rule_in_x(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generator, unit, count = np.random.default_rng(5), ACTIVATIONS[name](), 9
    scales = generator.uniform(9.0, 14.0, count), generator.uniform(1.0, 14.0, count)
    offsets = generator.normal(0.0, 3.0, count), generator.normal(0.0, 3.0, count)
    rho = np.append(generator.uniform(-1.0, 1.0, count - 4), [1.0, -1.0, 0.0, 1.0 - 1e-6])
    orders = ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0))
    found = [unit.pair_moments(*order, scales, offsets, rho) for order in orders]
    for limit in ("PAIR_STEEP", "INNER_STEEP"):
        monkeypatch.setattr(smooth, limit, np.inf)
    for order, moments in zip(orders, found, strict=True):
        assert moments == pytest.approx(unit.pair_moments(*order, scales, offsets, rho), abs=3e-15), order


@pytest.mark.parametrize("name", SMOOTH)
def test_memory_does_not_grow_with_the_weights(name: str) -> None:
    """Risk, its gradient and features of weights of size 1e6; one rule in X would take 2.6 GiB."""
    unit, generator = ACTIVATIONS[name](), np.random.default_rng(7)
    data = GaussianClasses((8,), ((1.8, 0.2),))
    w, a, b = generator.normal(size=(12, 8)), np.ones(12), 0.1 * generator.normal(size=12)
    w *= 1e6 / np.linalg.norm(w, axis=1)[:, None]
    w[1] = w[0] + 1.0
    population = GaussianPopulation(data, unit)
    tracemalloc.start()
    try:
        risk = network_risk(data, unit, w, a, b)
        gradient = population.gradient(w, a, b, True, True)
        unit.expansion(np.geomspace(1.0, 1e6, 400), np.zeros(400), 200)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 500e6
    assert risk == pytest.approx(_risk_of_signs(name, w), abs=1e-5)
    assert all(np.all(np.isfinite(part)) for part in gradient)
    moved = numerical_gradient(lambda b: population.risk(w, a, b), b, (3,), len(w))
    assert gradient[2][3] == pytest.approx(moved, rel=1e-4)


def _risk_of_signs(name: str, w: Array) -> float:
    """The risk in the limit of infinite weights: m + h sign, pairs by the law of the arcsine."""
    low, high = smooth_limits(name)
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    unit = w / np.linalg.norm(w, axis=1)[:, None]
    pairs = 2.0 / math.pi * np.arcsin(np.clip(unit @ unit.T, -1.0, 1.0))
    return float(1.0 + middle**2 + half**2 * pairs.mean())


def smooth_limits(name: str) -> tuple[float, float]:
    bounds = ACTIVATIONS[name]().bounds()
    return bounds.low, bounds.high


@pytest.mark.parametrize(("place", "width"), [(2e4, 3.0), (-6e4, 0.8), pytest.param(3e7, 3.0, marks=pytest.mark.long)])
def test_what_is_far_out_in_given_functions_is_seen_or_told(place: float, width: float) -> None:
    """A bump beside a step, seen where probes lie as close as panels are; where they are drawn it may be missed."""
    unit = Sampled(lambda u: np.tanh(u) + np.exp(-0.5 * ((u - place) / width) ** 2), None, "far")
    scale, none = np.array([1.5 * abs(place)]), np.zeros(1)
    exact = width / np.hypot(width, scale) * np.exp(-0.5 * place**2 / (width**2 + scale**2))
    off = np.abs(unit.mean(scale, none).value - exact)[0]
    told = unit.moment_error(scale, none, 4)
    if place < 1e7:
        assert off < 1e-6 * exact
        assert told < 1e-11
    assert off <= told + 1e-14
    assert told < 1e-6


@pytest.mark.parametrize("slope", [True, False])
def test_given_functions_take_no_more_nodes_where_they_are_steep(slope: bool) -> None:
    """The unit's own panels: those of tanh at 1e6 are those of 1e3, and its moments those of the built-in one."""
    unit = Sampled(np.tanh, (lambda u: 1.0 - np.tanh(u) ** 2) if slope else None, "given")
    offset = np.array([-1.3, 0.0, 0.4])
    for size in (40.0, 1e3, 1e6):
        scale = size * np.array([0.5, 0.9, 1.0])
        nodes = [found.size for _, found, _ in unit._rules(scale, offset, unit.width, 8)]
        assert sum(nodes) < 3 * 100 * NODES
        expected = Tanh().coefficients(scale, offset, 9)
        np.testing.assert_allclose(unit.coefficients(scale, offset, 9), expected, rtol=0, atol=2e-15)
        assert unit.moment_error(scale, offset, 8) < 1e-14
    correlation = np.array([1.0, -0.3, 0.8])
    both = ((scale, scale[::-1].copy()), (offset, offset[::-1].copy()), correlation)
    np.testing.assert_allclose(unit.pair_moments(0, 0, *both), Tanh().pair_moments(0, 0, *both), atol=1e-14)


def test_panels_of_given_functions_follow_what_is_far_out() -> None:
    """sin keeps its waves, a step at 300 and a bump at -77 their panels, softplus its exact mean."""
    none, steep = np.zeros(1), np.array([1e3])
    shift, waves = np.array([0.3]), np.array([6.0])
    sine = Sampled(np.sin, np.cos, "sin").mean(waves, shift)
    np.testing.assert_allclose(sine.value, np.exp(-18.0) * np.sin(0.3), rtol=0, atol=1e-15)
    cosine = Sampled(lambda u: np.cos(u) ** 2, lambda u: -np.sin(2.0 * u), "square").mean(0.1 * steep, none)
    np.testing.assert_allclose(cosine.value, 0.5, rtol=1e-13)
    far = Sampled(
        lambda u: np.tanh(u - 300.0) + np.exp(-((u + 77.0) ** 2)),
        lambda u: 1.0 - np.tanh(u - 300.0) ** 2 - 2.0 * (u + 77.0) * np.exp(-((u + 77.0) ** 2)),
        "far",
    )
    wide = 1.0 + 2.0 * steep**2
    bump = np.exp(-(77.0**2) / wide) / np.sqrt(wide)
    exact = Tanh().mean(steep, np.array([-300.0])).value + bump
    np.testing.assert_allclose(far.mean(steep, none).value, exact, rtol=1e-13)
    # narrower than the nodes of panels lie apart there
    narrow = Sampled(
        lambda u: np.tanh(u) + np.exp(-(((u - 1500.7) / 0.3) ** 2)),
        lambda u: 1.0 - np.tanh(u) ** 2 - 2.0 * (u - 1500.7) / 0.09 * np.exp(-(((u - 1500.7) / 0.3) ** 2)),
    )
    exact = 0.3 / np.sqrt(0.09 + 2.0 * steep**2) * np.exp(-(1500.7**2) / (0.09 + 2.0 * steep**2))
    np.testing.assert_allclose(narrow.mean(steep, none).value, exact, rtol=1e-8)
    softplus = Sampled(lambda u: np.logaddexp(0.0, u), lambda u: 0.5 + 0.5 * np.tanh(0.5 * u), "softplus")
    # E max(t G, 0) = t / sqrt(2 pi), and ∫log(1 + exp(-|u|)) du = pi^2 / 6 under the density at 0
    exact = (steep + np.pi**2 / (6.0 * steep)) / np.sqrt(2.0 * np.pi)
    np.testing.assert_allclose(softplus.mean(steep, none).value, exact, rtol=1e-11)


def test_tanh_in_loops_is_that_of_numpy_at_every_size() -> None:
    from mfpde.solvers.activations.kernels import tanh_and_slope

    u = np.concatenate([np.linspace(-25.0, 25.0, 401), [0.0, -0.0, 1e-300, -345.7, 1e308, np.inf, -np.inf, np.nan]])
    value, gate, power = np.empty_like(u), np.empty_like(u), np.empty_like(u)
    tanh_and_slope(u, value, gate, power, power.view(np.int64))
    assert value == pytest.approx(np.tanh(u), rel=0, abs=4e-16, nan_ok=True)
    assert gate == pytest.approx(Tanh().slope(u), rel=0, abs=8e-16, nan_ok=True)
    assert np.array_equal(value[:401], -value[400::-1])


@pytest.mark.parametrize("t", [0.3, 3.0, 15.0])
def test_nodes_left_out_where_tanh_is_flat_or_the_density_small_hold_nothing(t: float) -> None:
    for b in (0.0, 1.3, -20.0):
        mean, even = Tanh().expansion(np.array([t]), np.array([b]), 14)
        found = [mean.value[0], even.value[0, 0], even.value[0, 6], mean.by_offset[0], mean.by_scale[0]]
        expected = [expectation("tanh", 0, t, b, k) for k in (0, 2, 14)]
        expected += [expectation("tanh", 1, t, b, k) for k in (0, 1)]
        assert found == pytest.approx(expected, rel=0, abs=4e-15)
        assert b != 0.0 or (mean.value[0], even.value[0].any()) == (0.0, False)
