"""The harmonic of each even degree that is invariant under the rotations of two blocks."""

from __future__ import annotations

import numba
import numpy as np

from mfpde.problem.reduction.hermite import log_rising
from mfpde.solvers.arrays import Array


def invariant_harmonics(square: Array, highest: int, first: float, second: float) -> tuple[Array, Array]:
    """Y_l / max |Y_l| and its derivative for l = 0, 2, ..., 2 highest, at x = u_1^2 of shape (n,).

    The recurrence of the orthonormal polynomials of Beta(first/2, second/2), divided by their values at the pole of the
    smaller block: these grow like p^(l/2) and would overflow.
    """
    a, b = second / 2 - 1, first / 2 - 1
    t = 2 * square - 1
    values, slopes = np.ones((len(t), highest + 1)), np.zeros((len(t), highest + 1))
    # t Y_k = off_{k+1} Y_{k+1} + centre_k Y_k + off_k Y_{k-1}
    k = np.arange(highest + 1, dtype=float)
    total = 2 * k + a + b
    centre = np.full(highest + 1, (b - a) / (a + b + 2))
    centre[1:] = (b * b - a * a) / (total[1:] * (total[1:] + 2))
    off = np.zeros(highest + 2)
    if highest >= 1:
        off[1] = np.sqrt(4 * (a + 1) * (b + 1) / ((a + b + 2) ** 2 * (a + b + 3)))
    m = np.arange(2, highest + 1, dtype=float)
    s = 2 * m + a + b
    off[2 : highest + 1] = np.sqrt(4 * m * (m + a) * (m + b) * (m + a + b) / (s**2 * (s + 1) * (s - 1)))
    pole = log_pole(highest, first, second)
    step = np.exp(pole[:-1] - pole[1:]) / off[1 : highest + 1]
    back = np.zeros(highest)
    back[1:] = off[1:highest] * np.exp(pole[:-2] - pole[2:]) / off[2 : highest + 1]
    _recur(t, centre, step, back, values, slopes)
    return values, slopes


@numba.njit(cache=True)
def _recur(t: Array, centre: Array, step: Array, back: Array, values: Array, slopes: Array) -> None:
    """Y_{k+1} = step_k (t - centre_k) Y_k - back_k Y_{k-1} and its derivative in (1 + t) / 2, from Y_0 in column 0."""
    for n in range(t.size):
        previous, previous_slope = 0.0, 0.0
        for k in range(step.size):
            value, slope = values[n, k], slopes[n, k]
            away = t[n] - centre[k]
            values[n, k + 1] = step[k] * away * value - back[k] * previous
            slopes[n, k + 1] = step[k] * (2.0 * value + away * slope) - back[k] * previous_slope
            previous, previous_slope = value, slope


def log_pole(highest: int, first: float, second: float) -> Array:
    """log max |Y_l| for l = 0, 2, ..., 2 highest, attained at the pole of the smaller block."""
    a, b = second / 2 - 1, first / 2 - 1
    j = np.arange(1, highest + 1, dtype=float)
    factorial = log_rising(1.0, highest)
    log_norm = log_rising(a + 1, highest) + log_rising(b + 1, highest) - factorial - log_rising(a + b + 2, highest)
    # at l = 0 this is 1, even where a + b + 1 = 0
    log_norm[1:] += np.log1p(-j / (2 * j + a + b + 1))
    return np.asarray(log_rising(max(a, b) + 1, highest) - factorial - 0.5 * log_norm)
