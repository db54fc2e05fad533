"""Means of steep piecewise linear units on spheres against steps, whose means are incomplete beta functions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss
from scipy import special

from mfpde.problem.reduction.sphere import mean_on_sphere, ramps_of, sphere_mean
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array

WIDTHS = (0.3, 1e-2, 1e-5, 1.1e-8)
PLACES = np.array([1e-3, 0.4, 0.5001, 0.8, 3.0, 1e3, 1e6])


def steep(width: float) -> PiecewiseLinear:
    """Steps up by 8 at .5, down by 15 at -.7, and by 3 about 0."""
    knots = [-0.7 - width, -0.7, -0.4 * width, 0.6 * width, 0.5, 0.5 + width]
    return PiecewiseLinear.through(knots, [1.0, -14.0, -14.0, -11.0, -11.0, -3.0])


def expected(unit: PiecewiseLinear, s: float, dimension: int) -> tuple[float, float]:
    """g and s g', each ramp a mean of steps: a rule on the parts that -s and s cut it into, half powers at all ends."""
    if dimension == 1:
        value = 0.5 * float(np.sum(unit.value(np.array([s, -s]))))
        return value, 0.5 * s * float(unit.slope(np.array([s]))[0] - unit.slope(np.array([-s]))[0])
    node, weight = leggauss(80)
    turn = 0.25 * np.pi * (node + 1.0)
    share, shares = np.sin(turn) ** 2, 0.25 * np.pi * weight * np.sin(2.0 * turn)
    half, value, slope = 0.5 * (dimension - 1.0), float(unit.pieces.values[0]), 0.0
    for low, width, rise in zip(unit.pieces.knots[:-1], unit.pieces.widths, unit.pieces.rises, strict=True):
        cuts = np.clip([0.0, -s - low, s - low, width], 0.0, width)
        for start, end in pairwise(cuts):
            x = np.clip((low + start + (end - start) * share) / s, -1.0, 1.0)
            square = (1.0 - x) * (1.0 + x)
            below = 0.5 * special.betainc(0.5, half, x * x)
            tail = np.where(x * x < 0.1, 0.5 - below, 0.5 * special.betainc(half, 0.5, square))
            tail = np.arccos(np.abs(x)) / np.pi if dimension == 2 else tail
            part = rise * (end - start) / width * shares
            value += float(part @ np.where(x > 0.0, tail, 1.0 - tail))
            inside = square > 0.0
            dense = np.where(inside, np.where(inside, square, 1.0) ** (half - 1.0), 0.0)
            slope += float(part @ (x * dense)) / special.beta(0.5, half)
    return value, slope


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 40])
def test_means_are_exact_to_rounding_at_every_slope(width: float, dimension: int) -> None:
    """Relative to the largest value: sums of hinges are off by 1e-7 at a slope of 1e9 and s = 1, by .1 at s = 1e6."""
    unit = steep(width)
    wanted = np.array([expected(unit, s, dimension)[0] for s in PLACES])
    found = mean_on_sphere(unit, PLACES, float(dimension)) + float(unit.value(np.zeros(1))[0])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * 15)
    if dimension <= 4:
        ramps = ramps_of(unit)
        pairs = np.array([sphere_mean(s, *ramps, dimension) for s in PLACES])
        np.testing.assert_allclose(pairs[:, 0], wanted, rtol=0, atol=1e-13 * 15)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dimension", [1, 3, 4])
def test_slopes_are_those_of_the_means(width: float, dimension: int) -> None:
    unit, places = steep(width), np.array([0.4, 0.8, 3.0, 1e3])
    ramps = ramps_of(unit)
    found = np.array([s * sphere_mean(s, *ramps, dimension)[1] for s in places])
    wanted = np.array([expected(unit, s, dimension)[1] for s in places])
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-12 * 15)


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_the_slope_at_0_is_that_beside_it(dimension: int) -> None:
    for knots, values in (([0.0, 1.0], [0.0, 2.0]), ([-0.5, 0.0, 1.0], [1.0, 0.0, 2.0])):
        ramps = ramps_of(PiecewiseLinear.through(knots, values))
        beside = sphere_mean(1e-9, *ramps, dimension)[1]
        np.testing.assert_allclose(sphere_mean(0.0, *ramps, dimension)[1], beside, rtol=1e-12)


def test_far_values_are_not_subtracted() -> None:
    """A hinge far off on the other side has no part in what happens at 1."""
    unit = PiecewiseLinear.through([-2e6, -1e6, 0.5, 0.5 + 1e-8], [5e9, 0.0, 0.0, 1.0])
    found = mean_on_sphere(unit, np.array([1.0]), 3.0)
    np.testing.assert_allclose(found, [0.25], rtol=2e-8)


def curvature(unit: PiecewiseLinear, scale: Array) -> Array:
    """d^2/dt^2 E sigma(t G): of a step at k it is phi(x) (x^3 - 2 x) / t^2, x = k / t."""
    node, weight = leggauss(40)
    found = np.zeros_like(scale)
    for low, width, rise in zip(unit.pieces.knots[:-1], unit.pieces.widths, unit.pieces.rises, strict=True):
        x = (low + 0.5 * width * (node + 1.0)) / scale[:, None]
        found += rise * (np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi) * (x**3 - 2.0 * x)) @ (0.5 * weight) / scale**2
    return found


@pytest.mark.parametrize("width", WIDTHS)
def test_the_curvature_of_gaussian_means_is_that_of_steps(width: float) -> None:
    scale = np.array([0.2, 1.0, 30.0, 1e5])
    unit = steep(width)
    np.testing.assert_allclose(scale**2 * unit.mean_curvature(scale), scale**2 * curvature(unit, scale), atol=2e-11)
