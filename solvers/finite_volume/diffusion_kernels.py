"""Compiled loops of the implicit drift and diffusion: rates through faces, and solves along lines."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ..arrays import Array

STEEPEST = 30.0  # log ratio of neighbouring densities beyond which a law has no slope to speak of
LEAST, MOST = 0.1, 2.0  # bounds of the correction factor


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
def axis_rates(psi, factor, rise, up, down, twice_beta, upward, downward):  # type: ignore[no-untyped-def]
    """Rates from cell k to k + 1 and back, for arrays of shape (before, n, after).

    Args:
        psi: the potential.
        factor: q at the inner faces, shape (before, n - 1, after).
        rise: of the log of omega's mean from cell k to k + 1, shape (n - 1,).
        up, down: the rates where 2 beta Psi rises like that, shape (n - 1,).
        twice_beta: 2 beta.
        upward, downward: filled, shape (before, n - 1, after).
    """
    before, n, after = psi.shape
    for i in range(before):
        for k in range(n - 1):
            for j in range(after):
                drift = twice_beta * (psi[i, k + 1, j] - psi[i, k, j]) - rise[k]
                low = _bernoulli(abs(drift))
                high = low + abs(drift)
                q = factor[i, k, j]
                upward[i, k, j] = q * up[k] * (low if drift >= 0.0 else high)
                downward[i, k, j] = q * down[k] * (high if drift >= 0.0 else low)


@njit(cache=True, nogil=True)
def axis_factors(psi, law, rise, share, inverse_width, twice_beta, factor):  # type: ignore[no-untyped-def]
    """The correction q of the inner faces, measured on `law`.

    Args:
        psi, law: potential and masses, shape (before, n, after).
        rise: of the log of omega's mean from cell k to k + 1, shape (n - 1,).
        share: of the faces, shape (n - 1,).
        inverse_width: shape (n,).
        twice_beta: 2 beta.
        factor: filled, shape (before, n - 1, after).
    """
    before, n, after = psi.shape
    factor[:] = 1.0
    for i in range(before):
        for k in range(2, n - 2):
            for j in range(after):
                drift = twice_beta * (psi[i, k + 1, j] - psi[i, k, j]) - rise[k]
                factor[i, k, j] = _factor(
                    drift, law[i, k - 1, j] * inverse_width[k - 1], law[i, k, j] * inverse_width[k],
                    law[i, k + 1, j] * inverse_width[k + 1], law[i, k + 2, j] * inverse_width[k + 2], share[k],
                )  # fmt: skip


@njit(cache=True, nogil=True)
def axis_solve(mass, upward, downward, step, new, crossed):  # type: ignore[no-untyped-def]
    """new = (1 - step Q)^-1 mass along the middle axis, and the masses that crossed the faces upward.

    The elimination adds and divides positive numbers only (Grassmann, Taksar, Heyman, Oper. Res. 33 (1985)
    1107), so that every cell keeps its relative accuracy however stiff the rates.
    """
    before, n, after = mass.shape
    inverse_pivot = np.empty((n, after))
    excess = np.empty(after)
    for i in range(before):
        excess[:] = 1.0
        new[i, 0] = mass[i, 0]
        for k in range(n - 1):
            for j in range(after):
                up = step * upward[i, k, j]
                inverse = 1.0 / (excess[j] + up)
                inverse_pivot[k, j] = inverse
                excess[j] = 1.0 + step * downward[i, k, j] * (excess[j] * inverse)
                new[i, k + 1, j] = mass[i, k + 1, j] + up * (new[i, k, j] * inverse)
        for j in range(after):
            new[i, n - 1, j] /= excess[j]
        for k in range(n - 2, -1, -1):
            for j in range(after):
                back = step * downward[i, k, j] * new[i, k + 1, j]
                new[i, k, j] = (new[i, k, j] + back) * inverse_pivot[k, j]
                crossed[i, k, j] = step * upward[i, k, j] * new[i, k, j] - back


@njit(cache=True)
def largest_rate(upward: Array, downward: Array) -> float:
    """Largest of the rates, 0 if there are none."""
    found = 0.0
    for value in upward.ravel():
        found = max(found, value)
    for value in downward.ravel():
        found = max(found, value)
    return found
