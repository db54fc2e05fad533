"""Gaussian moments of the activations against composite Gauss-Legendre quadrature split at the kinks."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss
from numpy.testing import assert_allclose
from scipy import special

from mfpde.problem.activations.erf import Erf
from mfpde.problem.activations.piecewise_linear import Relu, TruncatedRelu
from mfpde.problem.activations.sigmoid import Sigmoid
from mfpde.problem.activations.tanh import Tanh
from mfpde.solvers.activations.activation import Activation, Affine
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.activations.sampled import Sampled
from mfpde.solvers.activations.smooth import Smooth
from mfpde.solvers.arrays import Array

HIGHEST = 60
STEEP = PiecewiseLinear.through(np.array([0.5, 1.5]), np.array([-2.5, 7.5]))
NONMONOTONE = PiecewiseLinear.through(np.array([0.0, 0.5, 1.5]), np.array([-2.5, -4.0, 7.5]))
LINEAR: dict[str, PiecewiseLinear] = {
    "relu": Relu(),
    "truncated-relu": TruncatedRelu(),
    "steep": STEEP,
    "nonmonotone": NONMONOTONE,
}
SMOOTH: dict[str, Activation] = {"sigmoid": Sigmoid(), "tanh": Tanh(), "erf": Erf()}
GIVEN: dict[str, Activation] = {
    "softplus": Sampled(lambda u: np.logaddexp(0.0, u), special.expit, "softplus"),
    "tanh without slope": Sampled(np.tanh, None, "tanh without slope"),
    "bent exponential": Sampled(
        lambda u: np.where(u > 0.0, u, 0.3 * np.expm1(np.minimum(u, 0.0))),
        lambda u: np.where(u >= 0.0, 1.0, 0.3 * np.exp(np.minimum(u, 0.0))),
        "bent exponential",
        knots=(0.0,),
    ),
    "nonmonotone, given": Sampled(NONMONOTONE.value, NONMONOTONE.slope, "nonmonotone", NONMONOTONE.knots),
}
ALL: dict[str, Activation] = {**LINEAR, **SMOOTH, **GIVEN}


def normal_rule(breaks: Array, spacing: float = 0.25) -> tuple[Array, Array]:
    """Nodes and weights of E f(G), f smooth between `breaks`; |G| > 14 leaves out 1e-44 times f."""
    ends = np.unique(np.concatenate([np.arange(-14.0, 14.0 + spacing, spacing), breaks[np.abs(breaks) < 14.0]]))
    x, w = leggauss(20)
    half = 0.5 * np.diff(ends)
    nodes = (ends[:-1, None] + half[:, None] * (x + 1.0)).ravel()
    return nodes, (half[:, None] * w).ravel() * np.exp(-0.5 * nodes**2) / np.sqrt(2 * np.pi)


def hermite(nodes: Array, highest: int) -> Array:
    """He_k / sqrt(k!) at the nodes, k = 0 ... highest, shape (nodes, highest + 1)."""
    table = [np.ones_like(nodes), nodes]
    for k in range(2, highest + 1):
        table.append((nodes * table[-1] - np.sqrt(k - 1.0) * table[-2]) / np.sqrt(k))
    return np.stack(table, axis=1)


def moments(unit: Activation, scale: float, offset: float, highest: int) -> tuple[Array, Array, Array]:
    """E[sigma(tG + b) h_k], E[sigma'(tG + b) G h_k], E[sigma'(tG + b) h_k] for k = 0 ... highest."""
    spacing = 0.25 if unit.linear else min(0.25, 0.25 / scale)
    nodes, weights = normal_rule((unit.knots - offset) / scale, spacing)
    table = hermite(nodes, highest)
    u = scale * nodes + offset
    slope = weights * unit.slope(u)
    return (weights * unit(u)) @ table, (slope * nodes) @ table, slope @ table


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("offset", [0.0, 0.5, -1.3, 3.0])
def test_moments_equal_their_integrals(name: str, offset: float) -> None:
    unit = ALL[name]
    scales = np.array([1e-3, 0.07, 0.9, 2.7, 15.0])
    offsets = np.full_like(scales, offset)
    mean = unit.mean(scales, offsets)
    hermites = unit.even_hermite(scales, offsets, HIGHEST)
    for n, scale in enumerate(scales):
        expected = moments(unit, scale, offset, HIGHEST)
        size = 1.0 + scale
        for got, even, exact in zip(mean, hermites, expected, strict=True):
            assert_allclose(got[n], exact[0], rtol=0, atol=2e-13 * size)
            assert_allclose(even[n], exact[2::2], rtol=0, atol=5e-13 * size)
    assert_allclose(unit.levels(scales, offsets, 0), mean.value[:, None], rtol=0, atol=1e-15)
    both = np.column_stack([mean.value, hermites.value])
    assert_allclose(unit.levels(scales, offsets, HIGHEST), both, rtol=0, atol=5e-14)


@pytest.mark.parametrize("name", ALL)
def test_at_scale_zero_the_mean_is_the_activation_and_hermite_moments_vanish(name: str) -> None:
    unit = ALL[name]
    offsets = np.array([-2.0, 0.0, 0.5, 0.75, 1.5])
    mean = unit.mean(np.zeros(5), offsets)
    hermites = unit.even_hermite(np.zeros(5), offsets, 8)
    assert_allclose(mean.value, unit(offsets), rtol=0, atol=3e-14)
    assert_allclose(hermites.value, 0.0, rtol=0, atol=3e-14)


@pytest.mark.parametrize("name", LINEAR)
def test_slope_at_scale_zero_is_that_of_the_cone(name: str) -> None:
    """At a kink of jump m, E sigma(tG + b) = sigma(b) + (slopes) + m t E(G_+): q_t(0+, b) = m / sqrt(2 pi)."""
    unit = LINEAR[name]
    for knot, jump in zip(unit.knots, unit.kinks, strict=True):
        mean = unit.mean(np.zeros(1), np.array([knot]))
        assert_allclose(mean.by_scale, jump / np.sqrt(2 * np.pi), rtol=1e-14)
        # c_2 ~ t m / (2 sqrt(pi)): E[(G)_+ He_2(G)] = 1 / sqrt(2 pi)
        c2 = unit.even_hermite(np.zeros(1), np.array([knot]), 2).by_scale[0, 0]
        assert_allclose(c2, jump / (2.0 * np.sqrt(np.pi)), rtol=1e-14)


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("scale", [1e-12, 1e-6])
def test_tiny_scales_see_only_the_nearest_kink(name: str, scale: float) -> None:
    unit = LINEAR[name]
    for knot, jump in zip(unit.knots, unit.kinks, strict=True):
        below = unit.slope(np.array([knot - 0.1]))
        offset = np.array([knot + 0.3 * scale])
        tail = 0.6179114221889526  # P(G > -0.3)
        density = 0.3813878154605241  # of G at 0.3
        mean = unit.mean(np.array([scale]), offset)
        shift = (offset[0] - knot) / scale  # rounding of knot + 0.3 scale matters at 1e-12
        expected = density + 0.3 * tail + (shift - 0.3) * tail
        got = (mean.value - unit(np.array([knot])) - below * (offset - knot)) / (jump * scale)
        assert_allclose(got, expected, atol=4e-16 * 4 / scale + 1e-9, rtol=0)
        assert_allclose(mean.by_scale, jump * density, rtol=1e-3 if scale < 1e-9 else 1e-9)


@pytest.mark.parametrize("name", ["truncated-relu", "steep", "nonmonotone", "sigmoid", "tanh", "erf"])
def test_huge_scales_tend_to_the_mean_of_the_two_ends(name: str) -> None:
    """q(t) = (sigma(-inf) + sigma(inf)) / 2 + O(1/t), with the first-order term known."""
    unit = ALL[name]
    low, high = unit(np.array([-40.0]))[0], unit(np.array([40.0]))[0]
    x, w = leggauss(20)
    u = (np.arange(-40.0, 40.0, 0.25)[:, None] + 0.125 * (x + 1.0)).ravel()
    step = np.where(u > 0, high, low)
    area = 0.125 * float(np.tile(w, 320) @ (unit(u) - step))
    scale = 1e4
    mean = unit.mean(np.array([scale]), np.zeros(1))
    expected = 0.5 * (low + high) + area / (scale * np.sqrt(2 * np.pi))
    assert_allclose(mean.value, expected, rtol=0, atol=1e-7)
    assert_allclose(mean.by_scale, -area / (scale**2 * np.sqrt(2 * np.pi)), rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", ALL)
def test_expansion_adds_up_to_the_second_moment(name: str) -> None:
    """Parseval: E sigma(tG + b)^2 = sum_k c_k^2; odd orders come from quadrature here."""
    unit = ALL[name]
    scale, offset, highest = 0.8, 0.4, 400
    values = moments(unit, scale, offset, highest)[0]
    even = unit.even_hermite(np.array([scale]), np.array([offset]), highest).value[0]
    mean = unit.mean(np.array([scale]), np.array([offset])).value[0]
    nodes, weights = normal_rule((unit.knots - offset) / scale)
    second = float(weights @ unit(scale * nodes + offset) ** 2)
    total = mean**2 + even @ even + values[1::2] @ values[1::2]
    # piecewise linear: c_k^2 ~ k^(-5/2), so that about 400^(-3/2) = 1e-4 of kinks^2 is missing
    missing = 1e-5 * float(unit.kinks @ unit.kinks)
    assert 0.0 - 1e-12 <= second - total <= missing + 1e-12


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "erf", "nonmonotone"])
def test_high_orders_stay_accurate(name: str) -> None:
    unit = ALL[name]
    expected = moments(unit, 1.4, 0.7, 300)[0][2::2]
    got = unit.even_hermite(np.array([1.4]), np.array([0.7]), 300).value[0]
    assert_allclose(got, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_affine_unit_is_the_activation_shifted_and_scaled(name: str) -> None:
    unit = ALL[name]
    affine = Affine(unit, -1.7, 0.4)
    u = np.linspace(-3.03, 3.04, 61)
    assert_allclose(affine(u), -1.7 * unit(u + 0.4), atol=1e-15)
    expected = moments(unit, 0.9, 0.4 - 0.2, 12)
    scale, offset = np.array([0.9]), np.array([-0.2])
    mean, even = affine.mean(scale, offset), affine.even_hermite(scale, offset, 12)
    for got, series, exact in zip(mean, even, expected, strict=True):
        assert_allclose(got[0], -1.7 * exact[0], atol=1e-12)
        assert_allclose(series[0], -1.7 * exact[2::2], atol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_derivative_is_the_slope_of_the_values(name: str) -> None:
    unit = ALL[name]
    u = np.linspace(-2.983, 3.011, 41)
    step = 1e-5
    slope = (unit(u + step) - unit(u - step)) / (2 * step)
    assert_allclose(unit.slope(u), slope, atol=2e-9)


def test_interpolant_passes_through_its_knots_and_is_flat_outside() -> None:
    assert_allclose(NONMONOTONE(NONMONOTONE.knots), [-2.5, -4.0, 7.5], atol=1e-14)
    assert_allclose(NONMONOTONE(np.array([-9.0, 0.25, 1.0, 9.0])), [-2.5, -3.25, 1.75, 7.5], atol=1e-14)


@pytest.mark.parametrize(
    ("knots", "values", "words"),
    [
        ([0.0], [1.0], "two or more knots and as many values, got 1 and 1"),
        ([0.0, 1.0], [1.0], "got 2 and 1"),
        ([1.0, 0.0], [0.0, 1.0], "strictly increasing"),
        ([0.0, np.nan], [0.0, 1.0], "finite"),
        ([0.0, 1.0], [0.0, np.inf], "finite"),
    ],
)
def test_bad_knots_are_refused(knots: list[float], values: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PiecewiseLinear.through(np.array(knots), np.array(values))


def test_breaks_of_the_rule_are_used() -> None:
    """The rule of these tests is itself exact: E (G - 0.3)_+ in closed form."""
    nodes, weights = normal_rule(np.array([0.3]))
    assert weights.sum() == pytest.approx(1.0, abs=1e-14)
    exact = 0.3813878154605241 - 0.3 * (1.0 - 0.6179114221889526)
    assert weights @ np.maximum(nodes - 0.3, 0.0) == pytest.approx(exact, abs=1e-15)
    assert all(a < b for a, b in pairwise(nodes))


@pytest.mark.parametrize("steepest", [1.0, 8.0])
def test_closed_pair_moments_of_erf_are_those_by_quadrature(steepest: float) -> None:
    """Offsets that vanish, on one side and on both, and parallel weights among them."""
    random, erf, count = np.random.default_rng(0), Erf(), 40
    scales = random.uniform(0.05, steepest, count), random.uniform(0.05, steepest, count)
    offsets, correlation = (random.normal(size=count), random.normal(size=count)), random.uniform(-1.0, 1.0, count)
    offsets[0][:20] = offsets[1][10:30] = 0.0
    correlation[:5], correlation[5:8] = 1.0, -1.0
    for orders in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0)):
        expected = Smooth.pair_moments(erf, *orders, scales, offsets, correlation)
        assert_allclose(erf.pair_moments(*orders, scales, offsets, correlation), expected, atol=2e-14)
    expected = Smooth.tilted_moments(erf, scales, offsets, correlation)
    assert_allclose(erf.tilted_moments(scales, offsets, correlation), expected, atol=2e-14)


def test_names_are_in_the_order_of_their_files_whichever_was_imported_first() -> None:
    told = "from mfpde.problem.activations import sigmoid, interface; print(*interface.ACTIVATIONS.names())"
    names = subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True).stdout.split()
    assert names == ["erf", "truncated-relu", "relu", "sigmoid", "tanh"]
