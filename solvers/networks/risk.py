"""Population risk of a finite network on a Gaussian mixture, without sampling.

    R_N = (1/2) sum_± [1 ∓ (2/N) sum_i a_i E sigma(u_i) + (1/N^2) sum_ij a_i a_j E sigma(u_i) sigma(u_j)]

over the classes y = ±1, where u_i = <w_i, x> + b_i ~ N(b_i, tau_i^2) and the correlation of u_i, u_j is that of the
scaled weights. Pairs are summed by Mehler's series, short for all, long for those whose bound on what is left out asks
for it, without expansion for the rest; the diagonal is a second moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from ..activations.activation import TINY_SCALE, Activation
from ..arrays import Array
from ..sgd.blas import one_thread
from ..sgd.samplers import GaussianClasses

SHORT, LONG = 24, 160
"""Terms of the two series; multiples of four."""

CLOSE = 1e-3
"""1 - |rho| below which it is taken from the weights."""
SMALLEST = 1e-300
"""Deviations below it are taken for it where weights are divided by them, whose directions count."""
CHUNK = 4_000_000
"""Coordinates of pairs of weights held at once."""
BAND = 2**22
"""Inner products of weights held at once."""
LISTED = 2**21
"""Pairs beyond the short series held at once: all of those that a band of all neurons has."""

TOLERANCE = 1e-14
"""What a series may leave out of E sigma(u) sigma(v), in units of the root mean squares of its factors."""


def network_risk(data: GaussianClasses, unit: Activation, w: Array, a: Array, b: Array) -> float:
    """R_N of a network with weights w, shape (N, d), coefficients a and offsets b, shape (N,).

    The error is of the order of 1e-13 (mean_i |a_i| rms sigma(u_i))^2, at every slope of sigma and size of the weights.
    """
    plus, minus = data.coordinate_scales
    return 0.5 * (_class_risk(unit, w * plus, a, b, 1.0) + _class_risk(unit, w * minus, a, b, -1.0))


def _class_risk(unit: Activation, weights: Array, a: Array, b: Array, label: float) -> float:
    """E (y - f_N)^2 for x standard normal under the scaled weights."""
    mean, square = squared_output(unit, weights, a, b)
    return float(1.0 - 2.0 * label * mean + square)


def squared_output(unit: Activation, weights: Array, a: Array, b: Array) -> tuple[float, float]:
    """E f_N and E f_N^2 for standard normal x."""
    neurons, weights = len(weights), np.ascontiguousarray(weights)
    scale, bands = _inner_products(weights)
    moments = unit.second_moments(scale, b)
    coefficients = unit.coefficients(scale, b, SHORT)
    inverse = np.where(scale > TINY_SCALE, 1.0 / np.maximum(scale, TINY_SCALE), 0.0)
    listed = _Listed(unit, weights, scale, moments, a, b)
    reach, total = _reach(coefficients, moments), 0.0
    for first, gram in bands:
        part, rows, columns = _sum_pairs(gram, first, inverse, coefficients, reach, a)
        total += part
        listed.add(rows, columns, gram[rows - first, columns] * inverse[rows] * inverse[columns])
    square = float(np.dot(a * a, moments)) + 2.0 * (total + listed.sum())
    return float(a @ coefficients[:, 0]) / neurons, square / neurons**2


def _inner_products(weights: Array) -> tuple[Array, Iterable[tuple[int, Array]]]:
    """Lengths of weights, and bands of rows of their inner products: all at once where they are few.

    What is above the diagonal may not be there.
    """
    neurons = len(weights)
    if neurons**2 <= BAND:
        with one_thread():
            gram = blas.dsyrk(1.0, weights.T, trans=1, lower=0).T
        return np.sqrt(np.diagonal(gram)), [(0, gram)]
    return np.sqrt(np.einsum("nd,nd->n", weights, weights)), _bands(weights)


def _bands(weights: Array) -> Iterator[tuple[int, Array]]:
    height = max(1, BAND // (4 * len(weights)))
    for first in range(0, len(weights), height):
        last = min(first + height, len(weights))
        with one_thread():
            band = weights[first:last] @ weights[:last].T
        yield first, band


def _reach(coefficients: Array, moments: Array) -> Array:
    """g_i, shape (n,): K terms are enough for a pair with |rho| g_i g_j <= 1, that is |rho|^K sqrt(t t') <= tolerance.

    t is a difference, known to rounding only: it is kept above the rounding of the second moment.
    """
    terms = coefficients.shape[1]
    share = 1.0 - np.einsum("nk,nk->n", coefficients, coefficients) / np.maximum(moments, 1e-300)
    return np.asarray((np.maximum(share, TOLERANCE) / TOLERANCE) ** (0.5 / terms))


class _Listed:
    """Pairs that the short series does not reach, summed LISTED or a band at a time.

    Args:
        unit, weights, scale, moments, a, b: of all neurons.
    """

    def __init__(self, unit: Activation, weights: Array, scale: Array, moments: Array, a: Array, b: Array) -> None:
        self.unit, self.weights, self.scale, self.moments, self.a, self.b = unit, weights, scale, moments, a, b
        self.parts: list[tuple[NDArray[np.int64], NDArray[np.int64], Array]] = []
        self.total = 0.0

    @cached_property
    def long(self) -> tuple[Array, Array]:
        """Coefficients of the long series, and their reach."""
        coefficients = self.unit.coefficients(self.scale, self.b, LONG)
        return coefficients, _reach(coefficients, self.moments)

    def add(self, rows: NDArray[np.int64], columns: NDArray[np.int64], correlation: Array) -> None:
        """Pairs of a band."""
        self.parts.append((rows, columns, correlation))
        if sum(len(part[0]) for part in self.parts) >= LISTED:
            self.total = self.sum()

    def sum(self) -> float:
        """Sum of a_i a_j E sigma(u_i) sigma(u_j) over all that were added."""
        if not self.parts:
            return self.total
        parts, self.parts = self.parts, []
        rows, columns, correlation = map(np.concatenate, zip(*parts, strict=True))
        if not rows.size:
            return self.total
        correlation, a, scale = np.clip(correlation, -1.0, 1.0), self.a, self.scale
        coefficients, reach = self.long
        short = np.abs(correlation) * reach[rows] * reach[columns] <= 1.0
        total = float(_long_series(coefficients, a, rows[short], columns[short], correlation[short]))
        i, j = rows[~short], columns[~short]
        if i.size:
            rho = correlation[~short]
            gap = gaps(self.weights, scale, i, j, rho)
            values = self.unit.pair_moments(0, 0, (scale[i], scale[j]), (self.b[i], self.b[j]), rho, gap)
            total += float(np.sum(a[i] * a[j] * values))
        return self.total + total


def gaps(
    weights: Array, scale: Array, rows: NDArray[np.int64], columns: NDArray[np.int64], correlation: Array
) -> Array:
    """1 - |rho| of pairs: that of parallel weights from their difference, as rho itself is known to rounding only."""
    found = 1.0 - np.abs(correlation)
    close = np.flatnonzero(found < CLOSE)
    for part in np.array_split(close, 1 + close.size * weights.shape[1] // CHUNK):
        across = apart(weights, scale, rows[part], columns[part], correlation[part])
        found[part] = 0.5 * np.einsum("nd,nd->n", across, across)
    return np.asarray(found)


def apart(
    weights: Array, scale: Array, rows: NDArray[np.int64], columns: NDArray[np.int64], correlation: Array
) -> Array:
    """Differences of unit vectors along the weights of pairs, of their sum where rho < 0, shape (n, d)."""
    first, second = (weights[chosen] / np.maximum(scale[chosen], SMALLEST)[:, None] for chosen in (rows, columns))
    return np.asarray(second - np.copysign(1.0, correlation)[:, None] * first)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def _sum_pairs(
    gram: Array, first: int, inverse: Array, coefficients: Array, reach: Array, a: Array
) -> tuple[float, NDArray[np.int64], NDArray[np.int64]]:
    """Sum over i > j of a_i a_j times the series, and the pairs left out of it, for the rows i = first, ... of gram.

    What gram has above the diagonal is not read.
    """
    neurons, terms = coefficients.shape
    by_term = np.ascontiguousarray(coefficients.T)
    series, correlation, needed = np.empty(neurons), np.empty(neurons), np.empty(neurons)
    rows, columns = [np.int64(0) for _ in range(0)], [np.int64(0) for _ in range(0)]
    total = 0.0
    for i in range(max(first, 1), first + len(gram)):
        worst = 0.0
        for j in range(i):
            correlation[j] = gram[i - first, j] * inverse[i] * inverse[j]
            needed[j] = abs(correlation[j]) * reach[i] * reach[j]
            worst = max(worst, needed[j])
            series[j] = 0.0
        for k in range(terms - 4, -1, -4):
            t0, t1, t2, t3 = by_term[k], by_term[k + 1], by_term[k + 2], by_term[k + 3]
            c0, c1, c2, c3 = coefficients[i, k : k + 4]
            for j in range(i):
                r = correlation[j]
                series[j] = (((series[j] * r + c3 * t3[j]) * r + c2 * t2[j]) * r + c1 * t1[j]) * r + c0 * t0[j]
        if not (worst <= 1.0):
            for j in range(i):
                if not (needed[j] <= 1.0):
                    rows.append(np.int64(i))
                    columns.append(np.int64(j))
                    series[j] = 0.0
        part = 0.0
        for j in range(i):
            part += a[j] * series[j]
        total += a[i] * part
    return total, np.array(rows), np.array(columns)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def _long_series(
    coefficients: Array, a: Array, rows: NDArray[np.int64], columns: NDArray[np.int64], correlation: Array
) -> float:
    """Sum over the listed pairs of a_i a_j times the series."""
    terms = coefficients.shape[1]
    total = 0.0
    for n in range(rows.size):
        first, second, r = coefficients[rows[n]], coefficients[columns[n]], correlation[n]
        # four interleaved Horner chains in r^4
        power = r**4
        p0, p1, p2, p3 = 0.0, 0.0, 0.0, 0.0
        for k in range(terms - 4, -1, -4):
            p0 = p0 * power + first[k] * second[k]
            p1 = p1 * power + first[k + 1] * second[k + 1]
            p2 = p2 * power + first[k + 2] * second[k + 2]
            p3 = p3 * power + first[k + 3] * second[k + 3]
        total += a[rows[n]] * a[columns[n]] * (((p3 * r + p2) * r + p1) * r + p0)
    return total
