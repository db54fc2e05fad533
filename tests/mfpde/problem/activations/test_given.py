"""Activations of a user: values and slopes on arrays, and what is measured of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

from mfpde.problem.activations.interface import ACTIVATIONS, made_activation
from mfpde.problem.activations.sigmoid import Sigmoid
from mfpde.problem.activations.tanh import Tanh
from mfpde.problem.laws.gaussian_mixture import GaussianMixture
from mfpde.problem.network import Network
from mfpde.problem.problem import Problem
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.activations.sampled import Sampled
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.box import Box

BENT = PiecewiseLinear.through([0.0, 0.5, 1.5], [-2.5, -4.0, 7.5])
SLANT = PiecewiseLinear.through([0.1, 0.6, 1.7], [-2.5, -4.0, 7.5])
"""The same with kinks that no panel ends at by itself."""
COPIES: dict[str, tuple[Activation, Activation]] = {
    "tanh": (Sampled(np.tanh, lambda u: 1.0 - np.tanh(u) ** 2), Tanh()),
    "sigmoid": (Sampled(special.expit, lambda u: special.expit(u) * special.expit(-u)), Sigmoid()),
    "bent": (Sampled(BENT.value, BENT.slope, knots=BENT.knots), BENT),
}
SCALES, OFFSETS = np.array([0.07, 0.9, 2.7, 15.0]), np.array([0.5, -1.3, 0.0, 3.0])


class Swish:
    """u / (1 + exp(-c u)), written as a user would."""

    c = 1.5

    def value(self, u: Array) -> Array:
        return u / (1.0 + np.exp(-self.c * u))

    def slope(self, u: Array) -> Array:
        gate = 1.0 / (1.0 + np.exp(-self.c * u))
        return gate + self.c * u * gate * (1.0 - gate)


@pytest.mark.parametrize("name", COPIES)
def test_expansions_are_those_of_the_activation_it_copies(name: str) -> None:
    given, exact = COPIES[name]
    for order in (0, 1, 2):
        found, expected = (unit.coefficients(SCALES, OFFSETS, 80, order) for unit in (given, exact))
        assert_allclose(found, expected, rtol=0, atol=2e-12)
    assert_allclose(given.second_moments(SCALES, OFFSETS), exact.second_moments(SCALES, OFFSETS), rtol=1e-12)
    assert given.moment_error(SCALES, OFFSETS, 80) < 1e-12


@pytest.mark.parametrize("name", COPIES)
def test_pairs_are_those_of_the_activation_it_copies(name: str) -> None:
    given, exact = COPIES[name]
    correlation = np.array([-1.0, -1.0 + 1e-10, -0.9999, -0.8, 0.0, 0.4, 0.95, 1.0 - 1e-7, 1.0])
    one = np.ones_like(correlation)
    for (t, b), (s, c) in (((1.3, 0.2), (0.7, -0.4)), ((0.9, 0.0), (0.9, 0.0)), ((0.3, 0.0), (2.5, 0.0))):
        for p, q in ((0, 0), (1, 0), (1, 1), (2, 0)):
            found, expected = (
                unit.pair_moments(p, q, (t * one, s * one), (b * one, c * one), correlation) for unit in (given, exact)
            )
            assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_a_kink_that_is_not_declared_is_seen_in_the_error() -> None:
    hidden = Sampled(SLANT.value, SLANT.slope)
    error = hidden.moment_error(SCALES, OFFSETS, 80)
    found, expected = (unit.coefficients(SCALES, OFFSETS, 80) for unit in (hidden, SLANT))
    even = np.arange(0, 80, 2)
    actual = float(np.max(np.linalg.norm((found - expected)[:, even], axis=1)))
    assert 1e-9 < actual < 3.0 * error < 1e-4


@pytest.mark.parametrize("name", COPIES)
def test_sampled_bounds_come_close_to_the_proven_ones(name: str) -> None:
    given, exact = (unit.bounds() for unit in COPIES[name])
    assert not given.proven
    assert exact.proven
    for key in ("low", "high", "at_zero", "slope", "bend", "variation"):
        assert getattr(given, key) == pytest.approx(getattr(exact, key), rel=1e-5, abs=1e-9), key
    assert_allclose(given.kinks, exact.kinks, rtol=1e-9)


def test_growth_is_seen_and_overflow_is_left_out() -> None:
    softplus = Sampled(lambda u: np.log1p(np.exp(u)), lambda u: np.exp(u) / (1.0 + np.exp(u))).bounds()
    assert softplus.low == pytest.approx(0.0, abs=1e-300)
    assert softplus.high == math.inf
    assert 500.0 < softplus.reach < 710.0
    assert softplus.slope == pytest.approx(1.0)


@pytest.mark.parametrize("dims", [(60, 260), (12,)])
def test_a_copy_has_the_features_of_the_activation(dims: tuple[int, ...]) -> None:
    box = Box(np.zeros(len(dims)), np.full(len(dims), 3.0))
    points = np.random.default_rng(0).uniform(0.0, 3.0, (50, len(dims)))
    copy, exact = (
        Problem(GaussianMixture(delta=0.8, dims=dims), Network(unit)).represent("exact", box, 1e-10)
        for unit in COPIES["tanh"]
    )
    gram = [np.square(reduced.objective.features.values(points)).sum(axis=1) for reduced in (copy, exact)]
    assert_allclose(gram[0], gram[1], rtol=0, atol=1e-11)
    assert copy.error == pytest.approx(exact.error, abs=1e-11)


@pytest.mark.long
def test_what_is_measured_enters_the_error_of_the_features() -> None:
    hidden, declared = (
        Problem(
            GaussianMixture(delta=0.8, dims=(60, 260)), Network(Sampled(SLANT.value, SLANT.slope, knots=knots))
        ).represent("exact", Box(np.zeros(2), np.full(2, 3.0)), 1e-12)
        for knots in ((), SLANT.knots)
    )
    assert declared.error < 1e-11
    points = np.random.default_rng(0).uniform(0.0, 3.0, (200, 2))
    own = [np.square(reduced.objective.features.values(points)) for reduced in (hidden, declared)]
    actual = float(np.max(np.abs(own[0].sum(axis=1) - own[1].sum(axis=1))))
    assert declared.error < actual <= 3.0 * hidden.error < 1e-4


def test_objects_functions_and_activations_are_all_taken() -> None:
    u = np.linspace(-3.0, 3.0, 7)
    swish = made_activation(Swish())
    assert_allclose(swish.value(u), u * special.expit(1.5 * u), rtol=1e-14)
    assert swish.name == "activation"
    assert_allclose(made_activation(np.tanh).slope(u), 1.0 - np.tanh(u) ** 2, atol=1e-11)
    assert made_activation(BENT) is BENT
    assert Network(Swish()).activation.value(np.ones(1)) == pytest.approx(special.expit(1.5))
    with pytest.raises(ValueError, match=r"no method value\(u\); write one"):
        made_activation(object())


def test_a_registered_class_is_made_once() -> None:
    ACTIVATIONS.register("swish-of-a-test")(Swish)
    try:
        made = made_activation("swish-of-a-test")
        assert made is made_activation("swish-of-a-test")
        assert made.name == "swish-of-a-test"
    finally:
        del ACTIVATIONS._items["swish-of-a-test"]


@pytest.mark.parametrize(
    ("value", "slope", "knots", "words"),
    [
        (lambda u: 1.0, None, (), r"value\(u\) gives an array of shape \(\) for an array of shape"),
        (lambda u: u.sum(axis=0), None, (), "write it for arrays, elementwise"),
        (np.log, None, (), r"value\(-4.93\) is not finite"),
        (np.tanh, np.tanh, (), r"slope\(-4.93\) is -0.99.*, but its values rise by 0.0002"),
        (np.sign, lambda u: np.zeros_like(u), (0.0,), "value jumps by 2 at the knot 0"),
        (np.tanh, None, (math.inf,), "knots must be finite"),
    ],
)
def test_mistakes_are_told(
    value: Callable[[Array], Any], slope: Callable[[Array], Any] | None, knots: tuple[float, ...], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Sampled(value, slope, "mine", knots)


def test_values_beyond_floating_point_are_an_error_that_names_the_place() -> None:
    steep = Sampled(lambda u: np.exp(u * u), lambda u: 2.0 * u * np.exp(u * u), "steep")
    with pytest.raises(FloatingPointError, match=r"value\(-?\d+.*\) of 'steep' is not finite"):
        steep.value(np.array([1.0, 40.0]))
