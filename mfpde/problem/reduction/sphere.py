"""E_n sigma(s n), n the first coordinate of a uniform point of S^(p-1), however steep a piecewise linear unit is.

A unit is its value at 0, ramps between neighbouring knots on either side of it and a hinge beyond the last of each:

    g(s) = sigma(0) + sum_ramps ± rise A(lo / s, hi / s) + sum_hinges slope s H(k / s),
    A(x, y) = ∫_x^y T / (y - x),    T(x) = P(n > x),    H(x) = E(n - x)_+ = ∫_x^1 T.

A is the mean of T, which is never taken as a difference of H where the ramp is narrow: with x = cos(phi) it is analytic
in phi, and the angle between the ends of a ramp comes from their difference and the middle angle.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from scipy import special

from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array

CLOSED = (1, 2, 3, 4)
"""p for which T and H are elementary."""
NARROW = 0.02
"""Width of a ramp, over s, from which differences of H lose nothing to speak of."""
NODES = np.polynomial.legendre.leggauss(6)
"""Gauss rule in the angle of a narrow ramp, of at most .2: exact to rounding."""
SHARES, SHARE_WEIGHTS = 0.5 * (NODES[0] + 1.0), 0.5 * NODES[1]


class Ramps(NamedTuple):
    """A unit seen from 0.

    Attributes:
        level: sigma(0).
        low, high: distances from 0 between which each ramp rises, shape (n,) each; high is inf of a hinge.
        rise: what it adds on its way outwards, shape (n,); of a hinge its slope.
        slope: of it, shape (n,).
    """

    level: float
    low: Array
    high: Array
    rise: Array
    slope: Array


def ramps_of(unit: PiecewiseLinear) -> Ramps:
    """The unit as ramps away from 0 on both sides."""
    pieces = unit.pieces
    rows = _outwards(pieces.knots, pieces.rises, pieces.slopes)
    rows += _outwards(-pieces.knots[::-1], -pieces.rises[::-1], -pieces.slopes[::-1])
    table = np.array([row for row in rows if row[2] != 0.0]).reshape(-1, 3)
    low, high, rise = (np.ascontiguousarray(column) for column in table.T)
    slope = rise / np.where(high < np.inf, high - low, 1.0)
    return Ramps(float(unit.value(np.zeros(1))[0]), low, high, rise, slope)


def _outwards(knots: Array, rises: Array, slopes: Array) -> list[tuple[float, float, float]]:
    """Rows (low, high, rise) of the ramps beyond 0."""
    inner = int(np.searchsorted(knots, 0.0, side="right"))
    if inner == len(knots):
        return [(0.0, np.inf, float(slopes[-1]))]
    rows = [(0.0, float(knots[inner]), float(slopes[inner] * knots[inner]))]
    rows += [(float(knots[k]), float(knots[k + 1]), float(rises[k])) for k in range(inner, len(knots) - 1)]
    return [*rows, (float(knots[-1]), np.inf, float(slopes[-1]))]


@numba.njit(cache=True, error_model="numpy")
def _angle(s: float, k: float) -> float:
    """arccos(k / s), 0 <= k <= s, from s - k."""
    return float(2.0 * np.arcsin(np.sqrt(max((s - k) / (2.0 * s), 0.0))))


@numba.njit(cache=True, error_model="numpy")
def _tail(phi: float, dimension: int) -> float:
    """T(cos phi) for p = 2, 3, 4."""
    if dimension == 2:
        return phi / np.pi
    if dimension == 3:
        return float(np.sin(0.5 * phi) ** 2)
    return float((phi - np.sin(phi) * np.cos(phi)) / np.pi)


@numba.njit(cache=True, error_model="numpy")
def _hinge(x: float, dimension: int) -> tuple[float, float]:
    """H(x) and E n 1{n > x} for p = 2, 3, 4, 0 <= x <= 1."""
    square = max((1.0 - x) * (1.0 + x), 0.0)
    if dimension == 3:
        return 0.25 * (1.0 - x) ** 2, 0.25 * square
    root = np.sqrt(square)
    if dimension == 2:
        return (root - x * np.arccos(x)) / np.pi, root / np.pi
    moment = 2.0 * square * root / (3.0 * np.pi)
    return moment - x * (np.arccos(x) - x * root) / np.pi, moment


@numba.njit(cache=True, error_model="numpy")
def _moments_between(first: float, second: float, apart: float, dimension: int) -> float:
    """E n 1{n > cos phi} at phi = `first` minus that at `second`, the angles `apart` from each other."""
    a, b = np.sin(first), np.sin(second)
    difference = 2.0 * np.cos(0.5 * (first + second)) * np.sin(0.5 * apart)
    if dimension == 2:
        return float(difference / np.pi)
    if dimension == 3:
        return float(0.25 * difference * (a + b))
    return float(2.0 * difference * (a * a + a * b + b * b) / (3.0 * np.pi))


@numba.njit(cache=True, error_model="numpy")
def sphere_mean(
    s: float, level: float, low: Array, high: Array, rise: Array, steepness: Array, dimension: int
) -> tuple[float, float]:
    """g(s) and g'(s) of the ramps of a unit, p from 1 to 4; at s = 0 what begins there has its one-sided slope."""
    value, slope = level, 0.0
    inverse = 1.0 / max(s, 1e-300)
    for i in range(low.size):
        if s == 0.0 and low[i] == 0.0:
            slope += steepness[i] * (0.5 if dimension == 1 else _hinge(0.0, dimension)[1])
        if low[i] >= s:
            continue
        if dimension == 1:
            rises = high[i] > s
            value += 0.5 * (steepness[i] * (s - low[i]) if rises else rise[i])
            slope += 0.5 * steepness[i] if rises else 0.0
            continue
        if high[i] - low[i] >= NARROW * s:
            value_in, moment = _hinge(min(low[i] * inverse, 1.0), dimension)
            if high[i] < s:
                value_out, moment_out = _hinge(min(high[i] * inverse, 1.0), dimension)
                value_in -= value_out
                moment -= moment_out
            value += steepness[i] * s * value_in
            slope += steepness[i] * moment
            continue
        width = (high[i] - low[i]) * inverse
        first, second = _angle(s, low[i]), _angle(s, high[i]) if high[i] < s else 0.0
        apart = first
        if high[i] < s:
            apart = 2.0 * np.arcsin(min(0.5 * width / np.sin(0.5 * (first + second)), 1.0))
        mean = 0.0
        for q in range(SHARES.size):
            phi = second + apart * SHARES[q]
            mean += SHARE_WEIGHTS[q] * _tail(phi, dimension) * np.sin(phi)
        value += rise[i] * mean * apart / width
        slope += rise[i] * _moments_between(first, second, apart, dimension) / width / s
    return value, slope


@numba.njit(cache=True, error_model="numpy")
def _fill(radius: Array, ramps: Ramps, dimension: int, out: Array) -> None:
    """g - sigma(0) at every radius."""
    _, low, high, rise, slope = ramps
    for n in range(radius.size):
        out[n] = sphere_mean(radius[n], 0.0, low, high, rise, slope, dimension)[0]


def mean_on_sphere(unit: PiecewiseLinear, radius: Array, dimension: float) -> Array:
    """g(s) - sigma(0) at s > 0 of shape (n,), for any p >= 1."""
    ramps = ramps_of(unit)
    found = np.zeros(len(radius))
    if dimension in CLOSED:
        _fill(radius, ramps, int(dimension), found)
        return found
    for low, high, rise, _ in zip(*ramps[1:], strict=True):
        reached = radius > low
        s = radius[reached]
        if high == np.inf:
            found[reached] += rise * s * _hinges(low / s, dimension)
        else:
            found[reached] += rise * _ramp_means(s, low, high, dimension)
    return found


def _hinges(x: Array, dimension: float) -> Array:
    """H(x), 0 <= x <= 1."""
    half = (dimension - 1.0) / 2.0
    moment = ((1.0 - x) * (1.0 + x)) ** half / ((dimension - 1.0) * special.beta(0.5, half))
    return np.asarray(moment - x * _tails(x * x, (1.0 - x) * (1.0 + x), dimension))


def _tails(square: Array, rest: Array, dimension: float) -> Array:
    """T(x), x >= 0, from x^2 and 1 - x^2: near 0 the one holds what the other has lost."""
    half = (dimension - 1.0) / 2.0
    near, far = special.betaincc(0.5, half, square), special.betainc(half, 0.5, rest)
    return np.asarray(0.5 * np.where(square < 0.5, near, far))


def _ramp_means(s: Array, low: float, high: float, dimension: float) -> Array:
    """A(low / s, high / s) at s > low."""
    width = (high - low) / s
    means = (_hinges(low / s, dimension) - _hinges(np.minimum(high / s, 1.0), dimension)) / width
    narrow = np.flatnonzero(width < NARROW)
    if narrow.size:
        s, width = s[narrow], width[narrow]
        first, second = (2.0 * np.arcsin(np.sqrt(np.maximum(s - end, 0.0) / (2.0 * s))) for end in (low, high))
        sine = np.sin(0.5 * (first + second))
        apart = np.where(high < s, 2.0 * np.arcsin(np.minimum(0.5 * width / sine, 1.0)), first)
        phi = second[:, None] + apart[:, None] * SHARES
        sines = np.sin(phi)
        means[narrow] = (_tails(np.cos(phi) ** 2, sines**2, dimension) * sines) @ SHARE_WEIGHTS * apart / width
    return np.asarray(means)
