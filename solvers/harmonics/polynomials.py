"""Gegenbauer polynomials of the first coordinate tau of a uniform point of S^(d-1), and rules for its law.

P_k has P_k(1) = 1, and p_k = sqrt(N_k) P_k is orthonormal, N_k the number of harmonics of degree k. With
alpha_k^2 = k (k + d - 3) / ((2k + d - 2) (2k + d - 4)) for k >= 2 and alpha_1^2 = 1/d

    tau p_k = alpha_{k+1} p_{k+1} + alpha_k p_{k-1},      (k + d - 2) P_{k+1} = (2k + d - 2) tau P_k - k P_{k-1}.

At d = 1, where tau = +-1, there are p_0 and p_1 alone.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numba
import numpy as np
from scipy import linalg, special

from ..arrays import Array
from ..normal import REACH

PANEL_NODES = 16
"""Gauss nodes of a panel."""


def steps(dimension: int, count: int) -> Array:
    """alpha_0 = 0, alpha_1, ..., shape (count,)."""
    k = np.arange(2.0, count)
    d = float(dimension)
    squares = k * np.maximum(k + d - 3.0, 0.0) / ((2.0 * k + d - 2.0) * np.maximum(2.0 * k + d - 4.0, 1.0))
    if dimension == 1:
        squares = np.zeros_like(k)
    return np.asarray(np.sqrt(np.concatenate([[0.0, 1.0 / d], squares]))[:count])


def harmonics(dimension: int, degree: int) -> float:
    """N_k."""
    found = special.binom(dimension + degree - 1, degree)
    return float(found - (special.binom(dimension + degree - 3, degree - 2) if degree >= 2 else 0.0))


def weighted(dimension: int, places: Array, scale: Array, count: int) -> Array:
    """scale p_k(tau) at places tau, shape (n, count): of a small scale where p_k is large."""
    found = np.empty((len(places), count))
    _fill_weighted(places, np.asarray(scale, dtype=float), steps(dimension, count + 1), found)
    return found


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fill_weighted(places: Array, scale: Array, alpha: Array, out: Array) -> None:
    for i in range(len(places)):
        before, now = 0.0, scale[i]
        for k in range(out.shape[1]):
            out[i, k] = now
            following = 0.0 if alpha[k + 1] == 0.0 else (places[i] * now - alpha[k] * before) / alpha[k + 1]
            before, now = now, following


def recurrence(dimension: int, count: int) -> tuple[Array, Array]:
    """P_{k+1} = first_k tau P_k - second_k P_{k-1}, shape (count,) each."""
    k = np.arange(count, dtype=float)
    below = np.maximum(k + dimension - 2.0, 1.0)
    first, second = (2.0 * k + dimension - 2.0) / below, k / below
    first[:1], second[:1] = 1.0, 0.0
    return first, second


def zonal(dimension: int, places: Array, count: int) -> tuple[Array, Array]:
    """P_k and P_k' at cosines, shape (n, count) each."""
    found = np.empty((2, len(places), count))
    _fill_zonal(np.ascontiguousarray(places), *recurrence(dimension, count), found)
    return found[0], found[1]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fill_zonal(places: Array, first: Array, second: Array, out: Array) -> None:
    for i in range(len(places)):
        value, slope, value_before, slope_before = 1.0, 0.0, 0.0, 0.0
        for k in range(out.shape[2]):
            out[0, i, k], out[1, i, k] = value, slope
            next_value = first[k] * places[i] * value - second[k] * value_before
            next_slope = first[k] * (value + places[i] * slope) - second[k] * slope_before
            value_before, slope_before, value, slope = value, slope, next_value, next_slope


@lru_cache(maxsize=16)
def gauss_rule(dimension: int, count: int) -> tuple[Array, Array]:
    """Nodes tau_q of Gauss's rule with `count` of them, and w_q p_k(tau_q), shape (count, count)."""
    if dimension == 1:
        return np.array([-1.0, 1.0]), np.array([[0.5, -0.5], [0.5, 0.5]])
    nodes, vectors = linalg.eigh_tridiagonal(np.zeros(count), steps(dimension, count)[1:])
    nodes = 0.5 * (nodes - nodes[::-1])
    return nodes, vectors[0][:, None] * vectors.T


def panel_rule(dimension: int, edges: Array) -> tuple[Array, Array]:
    """Nodes tau and weights of Gauss rules on panels between edges v of sqrt(d) tau, shapes (..., E - 1, 16).

    They are rules in the angle, in which the law has the density of a power of its sine. Edges beyond the sphere are
    its poles.
    """
    if dimension == 1:
        shape = (*edges.shape[:-1], 1, 2)
        return np.broadcast_to([-1.0, 1.0], shape), np.broadcast_to([0.5, 0.5], shape)
    angles = np.arccos(np.clip(edges / math.sqrt(dimension), -1.0, 1.0))
    x, w = np.polynomial.legendre.leggauss(PANEL_NODES)
    half = 0.5 * -np.diff(angles)[..., None]
    places = angles[..., 1:, None] + half * (x + 1.0)
    density = (dimension - 2.0) * np.log(np.maximum(np.sin(places), 1e-300)) - math.log(width(dimension))
    return np.cos(places), half * w * np.exp(np.maximum(density, -700.0))


def panels(dimension: int, breaks: Array, longest: float) -> Array:
    """Edges v of panels over the law of sqrt(d) tau, split at the breaks."""
    root = math.sqrt(dimension)
    reach = min(root, REACH)
    first = math.acos(reach / root)
    count = max(2, math.ceil((math.pi - 2.0 * first) * root / longest))
    edges = root * np.cos(np.linspace(math.pi - first, first, count + 1))
    return np.unique(np.concatenate([edges, breaks[np.abs(breaks) < reach]]))


def width(dimension: int) -> float:
    """B(1/2, (d - 1) / 2), the integral of (1 - tau^2)^((d - 3) / 2)."""
    return math.exp(special.betaln(0.5, 0.5 * (dimension - 1.0)))
