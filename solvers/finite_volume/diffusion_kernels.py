"""Compiled loops of the implicit drift and diffusion: rates through faces, and solves along lines.

Arrays along an axis have shape (before, n, after): line i * after + j is [i, :, j]. Kernels over a range of lines, or
of cells, are for `in_blocks`; what they sum is summed block by block of `size`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ..arrays import Array

STEEPEST = 30.0  # log ratio of neighbouring densities beyond which a law has no slope to speak of
LEAST, MOST = 0.1, 2.0  # bounds of the correction factor
LEAST_MASS = 1e-290  # of a cell that may be drained: next to the smallest numbers SAFETY rounds away
SAFETY = 1.0 - 1e-10  # of a cell that the correction may drain: strictly less than all, whatever the rounding


@njit(cache=True, inline="always")
def _bernoulli(u):  # type: ignore[no-untyped-def]
    """u / (e^u - 1) for u >= 0."""
    if u < 1e-3:
        return 1.0 - u * (0.5 - u / 12.0)
    if u > 600.0:
        return 0.0
    return u / math.expm1(u)


@njit(cache=True, inline="always")
def _mean(y):  # type: ignore[no-untyped-def]
    """(1 - e^-y) / y, the logarithmic mean of e^-y and 1."""
    if abs(y) < 1e-4:
        return 1.0 - y * (0.5 - y / 6.0)
    return -math.expm1(-y) / y


@njit(cache=True, inline="always")
def _factor(drift, z, a, b, c, share):  # type: ignore[no-untyped-def]
    """Mean density of order 2 over the mean density that the Scharfetter-Gummel flux carries.

    The first is the upwind parabola, limited to [0, 2 a]. drift: rise of 2 beta Psi - log omega from a to b. z, a, b,
    c: densities. share: of the face, see `Diffusion`. Where the law is steeper than any resolved one the factor is
    1, and next to the ends of the axis the caller leaves it at 1.
    """
    if not (a > 1e-280 and b > 1e-280):
        return 1.0
    slope = math.log(b / a)
    if not abs(slope) < STEEPEST:
        return 1.0
    if drift < 0.0:
        wanted = min(max(a + (b - a) / 3.0 + (a - z) / 6.0, 0.0), 2.0 * a)
    else:
        wanted = min(max(b + (a - b) / 3.0 + (b - c) / 6.0, 0.0), 2.0 * b)
    # B(drift) a and B(-drift) b differ by the factor e^-total: the larger one is taken.
    total = slope + drift
    low = _bernoulli(abs(drift))
    if total < 0.0:
        carried = (low if drift >= 0.0 else low - drift) * share * a * _mean(-total)
    else:
        carried = (low + drift if drift >= 0.0 else low) * share * b * _mean(total)
    if not (wanted < MOST * carried):
        return MOST
    return max(wanted / carried, LEAST)


@njit(cache=True, nogil=True)
def axis_rates(start, stop, psi, factor, rise, up, down, twice_beta, upward, downward):  # type: ignore[no-untyped-def]
    """Rates from cell k to k + 1 and back, along a range of lines.

    Args:
        start, stop: the lines.
        psi: the potential, shape (before, n, after).
        factor: q at the inner faces, shape (before, n - 1, after).
        rise: of the log of omega's mean from cell k to k + 1, shape (n - 1,).
        up, down: the rates where 2 beta Psi rises like that, shape (n - 1,).
        twice_beta: 2 beta.
        upward, downward: filled, shape (before, n - 1, after).
    """
    _, n, after = psi.shape
    for i in range(start // after, (stop - 1) // after + 1):
        first, last = max(start - i * after, 0), min(stop - i * after, after)
        for k in range(n - 1):
            for j in range(first, last):
                drift = twice_beta * (psi[i, k + 1, j] - psi[i, k, j]) - rise[k]
                low = _bernoulli(abs(drift))
                high = low + abs(drift)
                q = factor[i, k, j]
                upward[i, k, j] = q * up[k] * (low if drift >= 0.0 else high)
                downward[i, k, j] = q * down[k] * (high if drift >= 0.0 else low)


@njit(cache=True, nogil=True)
def axis_factors(start, stop, psi, law, other, rise, share, inverse_width, twice_beta, factor):  # type: ignore[no-untyped-def]
    """The correction q of the inner faces along a range of lines, measured on the mean of two laws.

    Args:
        start, stop: the lines.
        psi, law, other: potential and masses, shape (before, n, after).
        rise: of the log of omega's mean from cell k to k + 1, shape (n - 1,).
        share: of the faces, shape (n - 1,).
        inverse_width: shape (n,).
        twice_beta: 2 beta.
        factor: filled, shape (before, n - 1, after).
    """
    _, n, after = psi.shape
    for i in range(start // after, (stop - 1) // after + 1):
        first, last = max(start - i * after, 0), min(stop - i * after, after)
        for k in range(n - 1):
            for j in range(first, last):
                if k < 2 or k >= n - 2:
                    factor[i, k, j] = 1.0
                    continue
                drift = twice_beta * (psi[i, k + 1, j] - psi[i, k, j]) - rise[k]
                factor[i, k, j] = _factor(
                    drift,
                    0.5 * (law[i, k - 1, j] + other[i, k - 1, j]) * inverse_width[k - 1],
                    0.5 * (law[i, k, j] + other[i, k, j]) * inverse_width[k],
                    0.5 * (law[i, k + 1, j] + other[i, k + 1, j]) * inverse_width[k + 1],
                    0.5 * (law[i, k + 2, j] + other[i, k + 2, j]) * inverse_width[k + 2],
                    share[k],
                )


@njit(cache=True, nogil=True)
def axis_solve(start, stop, mass, upward, downward, step, new, crossed):  # type: ignore[no-untyped-def]
    """new = (1 - step Q)^-1 mass along a range of lines, and the masses that crossed the faces upward.

    The elimination adds and divides positive numbers only (Grassmann, Taksar, Heyman, Oper. Res. 33 (1985)
    1107), so that every cell keeps its relative accuracy however stiff the rates.
    """
    _, n, after = mass.shape
    width = min(stop - start, after)
    inverse_pivot = np.empty((n, width))
    excess = np.empty(width)
    for i in range(start // after, (stop - 1) // after + 1):
        first, last = max(start - i * after, 0), min(stop - i * after, after)
        for j in range(first, last):
            excess[j - first] = 1.0
            new[i, 0, j] = mass[i, 0, j]
        for k in range(n - 1):
            for j in range(first, last):
                up = step * upward[i, k, j]
                inverse = 1.0 / (excess[j - first] + up)
                inverse_pivot[k, j - first] = inverse
                new[i, k + 1, j] = mass[i, k + 1, j] + up * (new[i, k, j] * inverse)
                excess[j - first] = 1.0 + step * downward[i, k, j] * (excess[j - first] * inverse)
        for j in range(first, last):
            new[i, n - 1, j] /= excess[j - first]
        for k in range(n - 2, -1, -1):
            for j in range(first, last):
                back = step * downward[i, k, j] * new[i, k + 1, j]
                new[i, k, j] = (new[i, k, j] + back) * inverse_pivot[k, j - first]
                crossed[i, k, j] = step * upward[i, k, j] * new[i, k, j] - back


@njit(cache=True, nogil=True)
def axis_drained(start, stop, flux, drained):  # type: ignore[no-untyped-def]
    """Add to `drained`, shape (before, n, after), what the fluxes along a range of lines take out of each cell."""
    _, faces, after = flux.shape
    for i in range(start // after, (stop - 1) // after + 1):
        first, last = max(start - i * after, 0), min(stop - i * after, after)
        for k in range(faces):
            for j in range(first, last):
                amount = flux[i, k, j]
                if amount > 0.0:
                    drained[i, k, j] += amount
                else:
                    drained[i, k + 1, j] -= amount


@njit(cache=True, nogil=True)
def axis_moved(start, stop, flux, share, mass):  # type: ignore[no-untyped-def]
    """Move the fluxes along a range of lines, each times the share of the cell that it drains, within `mass`."""
    _, faces, after = flux.shape
    for i in range(start // after, (stop - 1) // after + 1):
        first, last = max(start - i * after, 0), min(stop - i * after, after)
        for k in range(faces):
            for j in range(first, last):
                amount = flux[i, k, j]
                amount *= share[i, k, j] if amount > 0.0 else share[i, k + 1, j]
                mass[i, k, j] -= amount
                mass[i, k + 1, j] += amount


@njit(cache=True, nogil=True)
def differences(start, stop, whole, first, second):  # type: ignore[no-untyped-def]
    """whole = 2 (first + second - whole)."""
    for k in range(start, stop):
        whole[k] = 2.0 * (first[k] + second[k] - whole[k])


@njit(cache=True, nogil=True)
def shares(start, stop, mass, drained, share, moved):  # type: ignore[no-untyped-def]
    """The share of what would leave each cell that leaves something in it, and moved = mass."""
    for k in range(start, stop):
        held = SAFETY * mass[k] if mass[k] > LEAST_MASS else 0.0
        share[k] = held / drained[k] if drained[k] > held else 1.0
        moved[k] = mass[k]


@njit(cache=True, nogil=True)
def entropies(start, stop, size, mass, log_measure, partial):  # type: ignore[no-untyped-def]
    """Of each block sum m log(m / w) and sum m (|log m| + |log w|)."""
    for block in range(start // size, -(-stop // size)):
        total, scale = 0.0, 0.0
        for k in range(block * size, min((block + 1) * size, stop)):
            if mass[k] > 0.0:
                height = math.log(mass[k])
                total += mass[k] * (height - log_measure[k])
                scale += mass[k] * (abs(height) + abs(log_measure[k]))
        partial[block, 0], partial[block, 1] = total, scale


@njit(cache=True, nogil=True)
def changes(start, stop, size, before, after, euler, psi, log_measure, twice_beta, partial):  # type: ignore[no-untyped-def]
    """Of each block sum G (after - before), G = psi + log(m / w) / (2 beta) at the mean m, and sum |after - euler|."""
    for block in range(start // size, -(-stop // size)):
        work, distance = 0.0, 0.0
        for k in range(block * size, min((block + 1) * size, stop)):
            middle = 0.5 * (before[k] + after[k])
            if middle > 0.0:
                work += (psi[k] + (math.log(middle) - log_measure[k]) / twice_beta) * (after[k] - before[k])
            distance += abs(after[k] - euler[k])
        partial[block, 0], partial[block, 1] = work, distance


@njit(cache=True)
def largest_rate(upward: Array, downward: Array) -> float:
    """Largest of the rates, 0 if there are none."""
    found = 0.0
    for value in upward.ravel():
        found = max(found, value)
    for value in downward.ravel():
        found = max(found, value)
    return found
