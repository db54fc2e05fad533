"""Sums over pairs of neurons of E sigma(u_i) sigma(u_j) by Mehler's series, as many terms as each pair asks for."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from ..arrays import INNER, Array

STRIDE, MOST = 24, 160
"""Terms that are added at a time to the series of a row of pairs, and at most; multiples of 4 and of LANES."""
LANES = 16
TILE = 256
"""Columns that a row is summed over at a time, with their coefficients in the nearest caches."""
FEW = 12
"""A pair in so many, for which more terms are not added to the series of all."""

FAST = {"reassoc", "contract", "nsz", "arcp"}


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def sum_pairs(
    gram: Array, row: int, column: int, inverse: Array, coefficients: Array, reach: Array, last: Array, a: Array,
    left: NDArray[np.bool_],
) -> tuple[float, int]:  # fmt: skip
    """Sum over i > j of a_i a_j sum_k c_k(i) c_k(j) rho_ij^k, and the number of pairs that the series does not reach.

    Args:
        gram: inner products of the neurons row, row + 1, ... with column, column + 1, ...; where it is on the diagonal
            what is above is not read.
        inverse: reciprocal lengths, shape (N,).
        coefficients: c_k, shape (N, K), K = MOST; or STRIDE, with which the first row that asks for more ends the sum.
        reach: g_i, shape (N,): STRIDE m terms are enough where |rho|^m g_i g_j <= 1.
        last: the same of all K terms, where |rho| g_i g_j <= 1.
        a: coefficients of the network.
        left: of the shape of `gram`, False; becomes True at the pairs that are left out of the sum.
    """
    height, width = gram.shape
    series, rho, power, need, part = np.empty(TILE), np.empty(TILE), np.empty(TILE), np.empty(TILE), np.empty(TILE)
    tile, lanes = np.empty((coefficients.shape[1], TILE)), np.empty(LANES)
    total, beyond = 0.0, 0
    for start in range(0, width, TILE):
        first = column + start
        _turn(tile, coefficients, first, min(first + TILE, column + width))
        for i in range(max(row, first + 1), row + height):
            count = min(TILE, width - start, i - first)
            missed = _begin(
                rho, need, gram[i - row, start:], inverse[i], inverse[first:], reach[i], reach[first:], count
            )
            if missed > 0 and coefficients.shape[1] == STRIDE:
                return 0.0, missed
            done = 0
            for start_term in range(0, coefficients.shape[1] - STRIDE + 1, STRIDE):
                if start_term > 0:
                    if missed * FEW <= count:
                        break
                    missed = _farther(need, rho, count)
                _add_terms(series, power, part, rho, tile, coefficients[i], start_term, count)
                done = start_term + STRIDE
            if missed > 0:
                for n in range(count):
                    if not need[n] <= 1.0:
                        j, size = first + n, abs(rho[n])
                        series[n] = 0.0
                        if size * last[i] * last[j] <= 1.0:
                            terms = _terms(need[n], size, done, coefficients.shape[1])
                            series[n] = _one(coefficients[i], coefficients[j], rho[n], terms, lanes)
                        else:
                            left[i - row, start + n] = True
                            beyond += 1
            row_sum, shares = 0.0, a[first:]
            for n in range(count):
                row_sum += shares[n] * series[n]
            total += a[i] * row_sum
    return total, beyond


@numba.njit(error_model="numpy", fastmath=FAST, **INNER)
def _turn(tile: Array, coefficients: Array, first: int, stop: int) -> None:
    """The coefficients of the columns first ... stop, term by term."""
    for j in range(first, stop):
        for k in range(coefficients.shape[1]):
            tile[k, j - first] = coefficients[j, k]


@numba.njit(error_model="numpy", fastmath=FAST, **INNER)
def _begin(
    rho: Array, need: Array, products: Array, inverse: float, inverses: Array, reach: float, reaches: Array, count: int
) -> int:
    """Correlations of a row, and for how many of its pairs STRIDE terms are too few."""
    missed = 0
    for n in range(count):
        rho[n] = products[n] * inverse * inverses[n]
        need[n] = abs(rho[n]) * reach * reaches[n]
        missed += not need[n] <= 1.0
    return missed


@numba.njit(error_model="numpy", fastmath=FAST, **INNER)
def _farther(need: Array, rho: Array, count: int) -> int:
    """For how many of the pairs STRIDE terms more are too few."""
    missed = 0
    for n in range(count):
        need[n] *= abs(rho[n])
        missed += not need[n] <= 1.0
    return missed


@numba.njit(error_model="numpy", fastmath=FAST, **INNER)
def _add_terms(
    series: Array, power: Array, part: Array, rho: Array, tile: Array, coefficients: Array, start: int, count: int
) -> None:
    """Add the STRIDE terms from `start` on, power = rho^start, which becomes that of the next."""
    for n in range(count):
        part[n] = 0.0
    for k in range(start + STRIDE - 4, start - 1, -4):
        t0, t1, t2, t3 = tile[k], tile[k + 1], tile[k + 2], tile[k + 3]
        c0, c1, c2, c3 = coefficients[k], coefficients[k + 1], coefficients[k + 2], coefficients[k + 3]
        for n in range(count):
            r = rho[n]
            part[n] = (((part[n] * r + c3 * t3[n]) * r + c2 * t2[n]) * r + c1 * t1[n]) * r + c0 * t0[n]
    for n in range(count):
        if start == 0:
            series[n], power[n] = 0.0, 1.0
        series[n] += power[n] * part[n]
        square = rho[n] * rho[n]
        fourth = square * square
        eighth = fourth * fourth
        power[n] *= eighth * eighth * eighth


@numba.njit(error_model="numpy", fastmath=FAST, **INNER)
def _terms(need: float, size: float, terms: int, most: int) -> int:
    """Terms that a pair asks for, in whole LANES, when so many are too few."""
    while not need <= 1.0 and terms < most:
        need *= size
        terms += STRIDE
    return min(-(-terms // LANES) * LANES, most)


@numba.njit(error_model="numpy", fastmath=FAST, **INNER)
def _one(first: Array, second: Array, r: float, terms: int, lanes: Array) -> float:
    """sum_k first_k second_k r^k: LANES chains of Horner's rule side by side."""
    square = r * r
    fourth = square * square
    eighth = fourth * fourth
    power = eighth * eighth
    for n in range(LANES):
        lanes[n] = 0.0
    for k in range(terms - LANES, -1, -LANES):
        f, s = first[k : k + LANES], second[k : k + LANES]
        for n in range(LANES):
            lanes[n] = lanes[n] * power + f[n] * s[n]
    for n in range(8):
        lanes[n] += eighth * lanes[n + 8]
    for n in range(4):
        lanes[n] += fourth * lanes[n + 4]
    return float(lanes[0] + r * lanes[1] + square * (lanes[2] + r * lanes[3]))
