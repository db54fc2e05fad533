"""Closed forms of E sigma(u) sigma(u') for Gaussian pairs without offset, and their means over a correlation.

With v = E u^2, v' = E u'^2 and c = E u u':

    arcsine (erf)          kappa = (2/pi) arcsin X,   X = 2 c / sqrt((1 + 2 v)(1 + 2 v'))
    arccosine ((u)_+)      kappa = (sqrt(v v' - c^2) + c (pi - theta)) / (2 pi),   cos theta = c / sqrt(v v')

An activation declares which one is its own, times a factor and with a multiple of c beside it (`Activation.arc`).

Means are over n, the first coordinate of a uniform point of S^(p - 1). A function f(alpha + beta n) that is singular at
+-1 alone is analytic about [-1, 1] up to l = (1 - |alpha|) / |beta|, and Gauss's rule of N nodes is then off by about
r^(-2 N), r + 1/r = 2 l. Most pairs of neurons need few nodes, and `Ladder` has rules for all of them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ..activations.activation import ARCCOSINE, Arc
from ..arrays import Array

ROUNDING = 1e-17
"""What a rule may be off by."""
RUNGS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192)
NEGLIGIBLE = 1e-18
"""What is left of a series, |rho|^k times moments, below which it ends."""
LEAST = 1e-120
"""Lengths of w below it are taken for it: derivatives at w = 0 are then those along the last coordinate."""


class Ladder(NamedTuple):
    """Rules for n of more and more nodes, the last one for whatever the others do not serve.

    Attributes:
        counts: N of each, shape (R,).
        reaches: least l for each, shape (R,).
        nodes, weights: padded by zeros, shape (R, largest N).
    """

    counts: NDArray[np.int64]
    reaches: Array
    nodes: Array
    weights: Array


def ladder(count: int, dimension: float) -> Ladder:
    """All rules of at most `count` nodes."""
    fewer = [rung for rung in RUNGS if rung < count and 1.0 < dimension < math.inf]
    rules = [angular_rule(rung, dimension) for rung in [*fewer, count]]
    counts = np.array([len(nodes) for nodes, _ in rules])
    reaches = np.cosh(-math.log(ROUNDING) / (2.0 * counts))
    reaches[-1] = -math.inf
    padded = np.zeros((2, len(rules), counts.max()))
    for row, (nodes, weights) in enumerate(rules):
        padded[0, row, : len(nodes)], padded[1, row, : len(nodes)] = nodes, weights
    return Ladder(counts, reaches, padded[0], padded[1])


def angular_rule(count: int, dimension: float) -> tuple[Array, Array]:
    """A Gauss rule for n; 0 in the limit."""
    if not (0.0 < dimension < math.inf):
        return np.zeros(1), np.ones(1)
    if dimension == 1.0:
        return np.array([-1.0, 1.0]), np.full(2, 0.5)
    twice, k = dimension - 3.0, np.arange(2.0, count)
    # the recurrence of the orthonormal Gegenbauer polynomials of weight (1 - n^2)^(twice / 2)
    squares = k * (k + twice) / ((2.0 * k + twice + 1.0) * (2.0 * k + twice - 1.0))
    squares = np.concatenate([[1.0 / dimension], squares])[: count - 1]
    nodes, vectors = linalg.eigh_tridiagonal(np.zeros(count), np.sqrt(squares))
    nodes = 0.5 * (nodes - nodes[::-1])
    weights = vectors[0] ** 2
    return nodes, 0.5 * (weights + weights[::-1])


def power_recurrence(terms: int, dimension: float) -> Array:
    """Rows A, B of E (alpha + beta n)^(k+1) = A_k alpha E (.)^k - B_k (alpha^2 - beta^2) E (.)^(k-1), shape (2, terms).

    E [(1 - n^2) f'] = (p - 1) E [n f] with f = (alpha + beta n)^k: with alpha^2 - beta^2 taken out these are Gegenbauer
    polynomials of alpha, and the recurrence is stable on either side of |alpha| = |beta|.
    """
    k = np.arange(float(terms))
    if not (0.0 < dimension < math.inf):
        return np.stack([np.ones(terms), np.zeros(terms)])
    with np.errstate(invalid="ignore"):
        rows = np.stack([(2.0 * k + dimension - 1.0) / (k + dimension - 1.0), k / (k + dimension - 1.0)])
    rows[:, 0] = 1.0, 0.0
    return rows


@numba.njit(cache=True, inline="always", error_model="numpy")
def closed_form(form: int, v: float, other: float, c: float) -> tuple[float, float, float]:
    """kappa, its derivative in c and that in v."""
    if form == ARCCOSINE:
        size = math.sqrt(v) * math.sqrt(other)
        cosine = min(max(c / size, -1.0), 1.0) if size > 0.0 else 0.0
        turned = math.pi - math.acos(cosine)
        sine = size * math.sqrt(max((1.0 - cosine) * (1.0 + cosine), 0.0))
        by_v = sine / (4.0 * math.pi * v) if v > 0.0 else 0.0
        return (sine + c * turned) / (2.0 * math.pi), turned / (2.0 * math.pi), by_v
    left = 1.0 + 2.0 * v
    root = math.sqrt(left * (1.0 + 2.0 * other))
    x = min(max(2.0 * c / root, -1.0), 1.0)
    g = 2.0 / (math.pi * math.sqrt(max((1.0 - x) * (1.0 + x), 1e-300)))
    return 2.0 / math.pi * math.asin(x), 2.0 * g / root, -g * x / left


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _pairs(form: int, scale: float, linear: float, v: Array, other: Array, c: Array, out: Array) -> None:
    for i in range(v.size):
        for j in range(other.size):
            kappa, by_c, by_v = closed_form(form, v[i], other[j], c[i, j])
            out[0, i, j] = scale * kappa + linear * c[i, j]
            out[1, i, j] = scale * by_c + linear
            out[2, i, j] = scale * by_v


def pairs(arc: Arc, v: Array, other: Array, c: Array) -> Array:
    """kappa, its derivatives in c and in v, shape (3, n, n'), of squares v (n,), v' (n',) and products c (n, n')."""
    out = np.empty((3, v.size, other.size))
    _pairs(arc.form, arc.scale, arc.linear, v, other, c, out)
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def averaged(
    arc: tuple[int, float, float], points: Array, others: Array, rules: Ladder, values: Array, slopes: Array
) -> None:
    """E_n kappa at c = <m, m'> + s s' n, for rows (m, s), into `values` (n, n'), and its gradient into `slopes`.

    kappa is a function of x = c / size times the sizes of both, singular at x = +-1.

    Args:
        arc: form, factor, multiple of c.
        points, others: shape (n, K + 1), (n', K + 1).
        rules: the law of n.
        slopes: shape (n, n', K + 1); not filled where that is empty.
    """
    form, scale, linear = arc
    last, curved = points.shape[1] - 1, form == ARCCOSINE
    for i in range(len(points)):
        s = max(points[i, last], LEAST)
        v = s * s
        for k in range(last):
            v += points[i, k] ** 2
        for j in range(len(others)):
            t = others[j, last]
            other, c = t * t, 0.0
            for k in range(last):
                other += others[j, k] ** 2
                c += points[i, k] * others[j, k]
            size = math.sqrt(v) * math.sqrt(other) if curved else 0.5 * math.sqrt((1.0 + 2.0 * v) * (1.0 + 2.0 * other))
            inverse = 1.0 / size if size > 0.0 else 0.0
            middle, spread = c * inverse, s * t * inverse
            rule, room = 0, 1.0 - abs(middle)
            while room < rules.reaches[rule] * spread:
                rule += 1
            value, turned, across, bent = 0.0, 0.0, 0.0, 0.0
            for q in range(rules.counts[rule]):
                n, weight = rules.nodes[rule, q], rules.weights[rule, q]
                x = min(max(middle + spread * n, -1.0), 1.0)
                square = max((1.0 - x) * (1.0 + x), 0.0)
                if curved:
                    angle, sine = math.pi - math.acos(x), math.sqrt(square)
                    value += weight * (sine + x * angle)
                    if slopes.size:
                        turned += weight * angle
                        across += weight * n * angle
                        bent += weight * sine
                else:
                    value += weight * math.asin(x)
                    if slopes.size:
                        slope = weight / math.sqrt(max(square, 1e-300))
                        turned += slope
                        across += n * slope
                        bent += x * slope
            factor = size / (2.0 * math.pi) if curved else 2.0 / math.pi
            values[i, j] = scale * factor * value + linear * c
            if slopes.size:
                by_c = scale * factor * inverse * turned + linear
                by_v = scale * (size / (4.0 * math.pi * v) if curved else -factor / (1.0 + 2.0 * v)) * bent
                for k in range(last):
                    slopes[i, j, k] = by_c * others[j, k] + 2.0 * by_v * points[i, k]
                slopes[i, j, last] = scale * factor * inverse * across * t + 2.0 * by_v * s


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def expanded(
    points: Array, moments: Array, others: Array, theirs: Array, rows: Array, wider: Array, dimension: float,
    values: Array, slopes: Array,
) -> None:  # fmt: skip
    """As `averaged`, of any unit: E_n sum_k c_k c'_k rho^k, rho = (<m, m'> + s s' n) / (t t'), t^2 = |m|^2 + s^2.

    E_n n rho^k = k beta / p E rho^(k-1) with n of dimension p + 2, for rho = alpha + beta n.

    Args:
        points, others: shape (n, K + 1), (n', K + 1).
        moments: c_k, d_t c_k and d_b c_k of the points, shape (n, 3, terms); theirs: c'_k, shape (n', terms).
        rows, wider: `power_recurrence` in p and in p + 2 dimensions, shape (2, terms).
        dimension: p, inf where n does not matter.
        slopes: shape (n, n', K + 2), the last one in b; not filled where that is empty.
    """
    last, terms = points.shape[1] - 1, theirs.shape[1]
    # the largest of what the moments from each one on come in with
    left = np.zeros(terms + 1)
    for i in range(len(points)):
        size = math.sqrt(max((points[i] ** 2).sum(), LEAST**2))
        for k in range(terms - 1, -1, -1):
            own = max((k + 1.0) * abs(moments[i, 0, k]) / min(size, 1.0), abs(moments[i, 1, k]), abs(moments[i, 2, k]))
            left[k] = max(left[k + 1], own)
        for j in range(len(others)):
            both = size * math.sqrt(max((others[j] ** 2).sum(), LEAST**2))
            c, across = 0.0, points[i, last] * others[j, last]
            for k in range(last):
                c += points[i, k] * others[j, k]
            middle, spread = c / both, across / both
            squares, power = (middle - spread) * (middle + spread), 1.0
            # E rho^k and E rho^(k-1), and E rho^(k-2) and E rho^(k-3) in p + 2 dimensions
            mean, below, wide, wide_below = 1.0, 0.0, 0.0, 0.0
            value, grown, shifted, turned, lower, lower_n = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(terms):
                own = moments[i, 0, k] * theirs[j, k]
                value += own * mean
                if slopes.size:
                    grown += moments[i, 1, k] * theirs[j, k] * mean
                    shifted += moments[i, 2, k] * theirs[j, k] * mean
                    turned += k * own * mean
                    lower += k * own * below
                    lower_n += k * (k - 1.0) * own * wide
                    if k < 2:
                        wide = float(k)
                    else:
                        following = wider[0, k - 2] * middle * wide - wider[1, k - 2] * squares * wide_below
                        wide, wide_below = following, wide
                mean, below = rows[0, k] * middle * mean - rows[1, k] * squares * below, mean
                # derivatives are one power behind
                if power * left[k + 1] < NEGLIGIBLE:
                    break
                power *= abs(middle) + abs(spread)
            values[i, j] = value
            if slopes.size:
                radial = (grown - turned / size) / size
                for k in range(last):
                    slopes[i, j, k] = radial * points[i, k] + lower / both * others[j, k]
                slopes[i, j, last] = radial * points[i, last] + lower_n * spread / dimension / both * others[j, last]
                slopes[i, j, last + 1] = shifted
