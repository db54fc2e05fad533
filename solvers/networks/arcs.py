"""Closed forms of E sigma(u) sigma(u') for Gaussian pairs without offset, and their means over a correlation.

With v = E u^2, v' = E u'^2 and c = E u u':

    arcsine (erf)          kappa = (2/pi) arcsin X,   X = 2 c / sqrt((1 + 2 v)(1 + 2 v'))
    arccosine ((u)_+)      kappa = (sqrt(v v' - c^2) + c (pi - theta)) / (2 pi),   cos theta = c / sqrt(v v')

An activation declares which one is its own, times a factor and with a multiple of c beside it (`Activation.arc`).
"""

from __future__ import annotations

import math

import numba
import numpy as np

from ..activations.activation import ARCCOSINE, Arc
from ..arrays import Array

LEAST = 1e-120
"""Lengths of w below it are taken for it: derivatives at w = 0 are then those along the last coordinate."""


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
    arc: tuple[int, float, float], points: Array, others: Array, nodes: Array, weights: Array, values: Array,
    slopes: Array,
) -> None:  # fmt: skip
    """E_n kappa at c = <m, m'> + s s' n, for rows (m, s), into `values` (n, n'), and its gradient into `slopes`.

    Args:
        arc: form, factor, multiple of c.
        points, others: shape (n, K + 1), (n', K + 1).
        nodes, weights: the law of n.
        slopes: shape (n, n', K + 1); not filled where that is empty.
    """
    form, scale, linear = arc
    last = points.shape[1] - 1
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
            value, by_c, by_v, by_n = 0.0, 0.0, 0.0, 0.0
            for q in range(nodes.size):
                one, first, second = closed_form(form, v, other, c + s * t * nodes[q])
                value += weights[q] * one
                by_c += weights[q] * first
                by_n += weights[q] * nodes[q] * first
                by_v += weights[q] * second
            values[i, j] = scale * value + linear * c
            if slopes.size:
                for k in range(last):
                    slopes[i, j, k] = (scale * by_c + linear) * others[j, k] + 2.0 * scale * by_v * points[i, k]
                slopes[i, j, last] = scale * (by_n * t + 2.0 * by_v * s)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def expanded(
    points: Array, moments: Array, others: Array, theirs: Array, nodes: Array, weights: Array, values: Array,
    slopes: Array,
) -> None:  # fmt: skip
    """As `averaged`, of any unit: E_n sum_k c_k c'_k rho^k, rho = (<m, m'> + s s' n) / (t t'), t^2 = |m|^2 + s^2.

    Args:
        points, others: shape (n, K + 1), (n', K + 1).
        moments: c_k, d_t c_k and d_b c_k of the points, shape (n, 3, terms); theirs: c'_k, shape (n', terms).
        slopes: shape (n, n', K + 2), the last one in b; not filled where that is empty.
    """
    last, terms = points.shape[1] - 1, theirs.shape[1]
    powers = np.empty(nodes.size)
    for i in range(len(points)):
        size = math.sqrt(max((points[i] ** 2).sum(), LEAST**2))
        for j in range(len(others)):
            both = size * math.sqrt(max((others[j] ** 2).sum(), LEAST**2))
            c, across = 0.0, points[i, last] * others[j, last]
            for k in range(last):
                c += points[i, k] * others[j, k]
            powers[:] = weights
            value, grown, shifted, turned, lower, lower_n = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            below, below_n = 0.0, 0.0
            for k in range(terms):
                mean, mean_n = 0.0, 0.0
                for q in range(nodes.size):
                    mean += powers[q]
                    mean_n += powers[q] * nodes[q]
                    powers[q] *= (c + across * nodes[q]) / both
                own = moments[i, 0, k] * theirs[j, k]
                value += own * mean
                if slopes.size:
                    grown += moments[i, 1, k] * theirs[j, k] * mean
                    shifted += moments[i, 2, k] * theirs[j, k] * mean
                    turned += k * own * mean
                    lower += k * own * below
                    lower_n += k * own * below_n
                below, below_n = mean, mean_n
            values[i, j] = value
            if slopes.size:
                radial = (grown - turned / size) / size
                for k in range(last):
                    slopes[i, j, k] = radial * points[i, k] + lower / both * others[j, k]
                slopes[i, j, last] = radial * points[i, last] + lower_n / both * others[j, last]
                slopes[i, j, last + 1] = shifted
