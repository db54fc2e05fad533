"""Population risk of a finite network on a Gaussian mixture, without sampling.

    R_N = (1/2) sum_± [1 ∓ (2/N) sum_i a_i E sigma(u_i) + (1/N^2) sum_ij a_i a_j E sigma(u_i) sigma(u_j)]

over the classes y = ±1, where u_i = <w_i, x> + b_i ~ N(b_i, tau_i^2) and the correlation of u_i, u_j is that of the
scaled weights. Pairs are summed by Mehler's series, as many terms as the bound on what is left out asks for, without
expansion where LONG do not suffice; the diagonal is a second moment.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from ..activations.activation import TINY_SCALE, Activation
from ..arrays import Array
from ..sgd.blas import one_thread
from ..sgd.samplers import GaussianClasses
from ..threads.blocks import threads
from .pair_series import MOST as LONG
from .pair_series import STRIDE as SHORT
from .pair_series import sum_pairs

CLOSE = 1e-3
"""1 - |rho| below which it is taken from the weights."""
SMALLEST = 1e-300
"""Deviations below it are taken for it where weights are divided by them, whose directions count."""
CHUNK = 4_000_000
"""Coordinates of pairs of weights held at once."""
SIDE = 1024
"""Neurons of a block of pairs, whose inner products a thread holds."""
LISTED = 2**16
"""Pairs taken without expansion at once."""

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
    neurons, pairs = len(weights), _Pairs(unit, np.ascontiguousarray(weights), a, b)
    square = float(np.dot(a * a, pairs.moments)) + 2.0 * pairs.sum()
    return float(a @ pairs.short[0][:, 0]) / neurons, square / neurons**2


class _Pairs:
    """Pairs of neurons, summed in blocks that depend on nothing but their number, on the threads that there are.

    Args:
        unit, weights, a, b: of all neurons.
    """

    def __init__(self, unit: Activation, weights: Array, a: Array, b: Array) -> None:
        self.unit, self.weights, self.a, self.b = unit, weights, a, b
        self.scale = np.sqrt(np.einsum("nd,nd->n", weights, weights))
        self.inverse = np.where(self.scale > TINY_SCALE, 1.0 / np.maximum(self.scale, TINY_SCALE), 0.0)
        self.moments = unit.second_moments(self.scale, b)

    def sum(self) -> float:
        """Sum over i > j of a_i a_j E sigma(u_i) sigma(u_j)."""
        starts = range(0, len(self.weights), SIDE)
        blocks = [(row, column) for row in starts for column in starts if column <= row]
        with one_thread():
            total = self._block(*blocks[0])
            if (many := min(threads(), len(blocks) - 1)) <= 1:
                return total + sum(self._block(*block) for block in blocks[1:])
            with ThreadPoolExecutor(many) as pool:
                return total + sum(pool.map(lambda block: self._block(*block), blocks[1:]))

    @cached_property
    def short(self) -> tuple[Array, Array, Array]:
        """Coefficients of SHORT terms, how far these reach, and how far all do."""
        coefficients = self.unit.coefficients(self.scale, self.b, SHORT)
        reach = _reach(coefficients, self.moments)
        return coefficients, reach, reach

    @cached_property
    def long(self) -> tuple[Array, Array, Array]:
        """The same of LONG terms, the first of which are those of `short`."""
        coefficients = self.unit.coefficients(self.scale, self.b, LONG)
        coefficients[:, :SHORT], reach = self.short[:2]
        return coefficients, reach, _reach(coefficients, self.moments)

    def _block(self, row: int, column: int) -> float:
        """The sum over a block of SIDE neurons and another, or among themselves."""
        gram = _inner_products(self.weights[row : row + SIDE], self.weights[column : column + SIDE], row == column)
        left = np.zeros(gram.shape, dtype=bool)
        series = self.__dict__.get("long", self.short)
        total, beyond = sum_pairs(gram, row, column, self.inverse, *series, self.a, left)
        if beyond and series is self.short:
            total, beyond = sum_pairs(gram, row, column, self.inverse, *self.long, self.a, left)
        if beyond:
            i, j = np.nonzero(left)
            products = gram[i, j]
            del gram, left
            total += self._closed(i + row, j + column, products)
        return float(total)

    def _closed(self, rows: NDArray[np.int64], columns: NDArray[np.int64], products: Array) -> float:
        """The sum over pairs without expansion, LISTED of them at a time."""
        total, a, scale = 0.0, self.a, self.scale
        for part in np.array_split(np.arange(rows.size), -(-rows.size // LISTED)):
            i, j = rows[part], columns[part]
            rho = np.clip(products[part] * self.inverse[i] * self.inverse[j], -1.0, 1.0)
            gap = gaps(self.weights, scale, i, j, rho)
            values = self.unit.pair_moments(0, 0, (scale[i], scale[j]), (self.b[i], self.b[j]), rho, gap)
            total += float(np.sum(a[i] * a[j] * values))
        return total


def _inner_products(rows: Array, columns: Array, same: bool) -> Array:
    """<rows_i, columns_j>; of the same neurons what is above the diagonal may not be there."""
    if same:
        return np.asarray(blas.dsyrk(1.0, rows.T, trans=1, lower=0).T)
    return np.asarray(blas.dgemm(1.0, columns.T, rows.T, trans_a=1).T)


def _reach(coefficients: Array, moments: Array) -> Array:
    """g_i, shape (n,): K terms are enough for a pair with |rho| g_i g_j <= 1, that is |rho|^K sqrt(t t') <= tolerance.

    t is a difference, known to rounding only: it is kept above the rounding of the second moment.
    """
    terms = coefficients.shape[1]
    share = 1.0 - np.einsum("nk,nk->n", coefficients, coefficients) / np.maximum(moments, 1e-300)
    return np.asarray((np.maximum(share, TOLERANCE) / TOLERANCE) ** (0.5 / terms))


def gaps(
    weights: Array, scale: Array, rows: NDArray[np.int64], columns: NDArray[np.int64], correlation: Array
) -> Array:
    """1 - |rho| of pairs: that of parallel weights from their difference, as rho itself is known to rounding only."""
    found = 1.0 - np.abs(correlation)
    close = np.flatnonzero((found < CLOSE) & (rows != columns))
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
