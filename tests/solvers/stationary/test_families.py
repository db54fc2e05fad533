"""Zeros that fill curves are told as families, of the right tangent, and flat ones that are alone are not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mfpde.solvers.arrays import Array
from mfpde.solvers.stationary.families import Family, family_of, gathered
from mfpde.solvers.stationary.search import critical_points

LOWER, UPPER = np.array([-2.0, -2.0]), np.array([2.0, 2.0])


def circle(z: Array) -> Array:
    """The gradient of (x^2 + y^2 - 1)^2 / 4: the circle, and the origin alone."""
    return np.asarray(((z**2).sum(axis=1) - 1.0)[:, None] * z)


def quartic(z: Array) -> Array:
    """The gradient of (x^4 + y^2) / 2: flat along x, and alone."""
    return np.column_stack([2.0 * z[:, 0] ** 3, z[:, 1]])


def one_erf_unit(z: Array) -> Array:
    """dR/d(m, s) / 2 of E (erf(G) - erf(q G))^2, q = m / sqrt(1 + 2 s^2), that of s divided by s."""
    m, s = z.T
    d = 1.0 + 2.0 * s**2
    q = m / np.sqrt(d)

    def pairs(p: Array, other: float | Array) -> Array:
        """d/dp of (2/pi) arcsin(2 p other / sqrt((1 + 2 p^2)(1 + 2 other^2)))."""
        x = 2.0 * p * other / np.sqrt((1.0 + 2.0 * p**2) * (1.0 + 2.0 * other**2))
        slope = 2.0 * other / np.sqrt((1.0 + 2.0 * p**2) ** 3 * (1.0 + 2.0 * other**2))
        return np.asarray(2.0 / math.pi * slope / np.sqrt(1.0 - x**2))

    by_q = pairs(q, q) - pairs(q, 1.0)
    return np.column_stack([by_q / np.sqrt(d), -2.0 * by_q * m / d**1.5])


def curve(family: Family | None) -> Family:
    assert family is not None
    assert family.dimension == 1
    return family


def test_a_circle_closes() -> None:
    family = curve(family_of(circle, np.array([0.6, -0.8]), LOWER, UPPER))
    np.testing.assert_allclose(np.linalg.norm(family.points, axis=1), 1.0, atol=1e-9)
    np.testing.assert_allclose((family.points * family.tangents).sum(axis=1), 0.0, atol=1e-6)
    # all around, without a gap of two steps
    angles = np.sort(np.arctan2(family.points[:, 1], family.points[:, 0]))
    assert np.diff([*angles, angles[0] + 2.0 * math.pi]).max() < 2.0 * 0.02 * 4.0
    assert len(family.points) < 100
    places = np.array([[1.0, 0.0], [0.0, 1.0], [-math.sqrt(0.5), math.sqrt(0.5)], [0.0, 0.0], [1.1, 0.0]])
    assert family.holds(places).tolist() == [True, True, True, False, False]


def test_what_is_flat_but_alone_is_no_family() -> None:
    assert family_of(quartic, np.zeros(2), LOWER, UPPER) is None
    assert family_of(circle, np.zeros(2), LOWER, UPPER) is None


@pytest.mark.long
def test_one_erf_unit_in_infinite_dimension_has_a_curve_of_optima() -> None:
    """m = sqrt(1 + 2 s^2), and by symmetry nothing else but saddles: the search is complete but for the curve."""
    lower, upper = np.array([-3.0, 0.0]), np.array([3.0, 3.0])
    even = np.array([False, True])
    search = critical_points(lambda z: one_erf_unit(z) * np.where(even, z, 1.0), lower, upper, even)
    assert len(search.points) > 10
    families, rest = gathered(search, one_erf_unit, lower, upper)
    (family,) = families
    assert len(rest.points) == 0
    assert rest.complete
    m, s = family.points.T
    np.testing.assert_allclose(m, np.sqrt(1.0 + 2.0 * s**2), atol=1e-8)
    assert m.max() == pytest.approx(3.0, abs=0.01)
    assert s.min() == pytest.approx(0.0, abs=0.01)
    slopes = family.tangents[:, 0] / family.tangents[:, 1]
    np.testing.assert_allclose(slopes, 2.0 * s / m, atol=1e-5)


def test_zeros_with_two_null_directions_are_one_family() -> None:
    """The gradient of (x^2 + y^2 + z^2 - 1)^2 / 4 vanishes on a sphere: what a search found of it stands for it."""
    lower, upper = np.full(3, -2.0), np.full(3, 2.0)
    search = critical_points(circle, lower, upper, np.zeros(3, dtype=bool))
    families, rest = gathered(search, circle, lower, upper)
    (family,) = families
    assert family.dimension == 2
    np.testing.assert_allclose(np.linalg.norm(family.points, axis=1), 1.0, atol=1e-8)
    np.testing.assert_allclose(rest.points, np.zeros((1, 3)), atol=1e-8)
