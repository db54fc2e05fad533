"""Compiled loops over the atoms of a step, in blocks for `over_atoms`."""

from __future__ import annotations

import numba

from ...arrays import Array
from ...characteristics.kernels import BLOCK


@numba.njit(cache=True, nogil=True)
def extended(
    start: int, stop: int, base: Array, begin: Array, end: Array, ahead: Array, lower: Array, upper: Array, out: Array
) -> None:
    """out = base + ahead * (end - begin), put between the walls; shapes (n, D), and (D,) of factors and walls."""
    for i in range(start, stop):
        for a in range(base.shape[1]):
            place = base[i, a] + ahead[a] * (end[i, a] - begin[i, a])
            if place < lower[a]:
                place = lower[a]
            elif place > upper[a]:
                place = upper[a]
            out[i, a] = place


@numba.njit(cache=True, nogil=True)
def squared_rates(
    start: int, stop: int, centres: Array, moved: Array, factors: Array, lower: Array, weights: Array, partial: Array
) -> None:
    """Sums of weights times factors . (centres - moved)^2, of what is beyond the lower wall, into partial[block]."""
    for first in range(start, stop, BLOCK):
        total = 0.0
        for i in range(first, min(first + BLOCK, stop)):
            own = 0.0
            for a in range(moved.shape[1]):
                if moved[i, a] > lower[a]:
                    own += factors[a] * (centres[i, a] - moved[i, a]) ** 2
            total += weights[i] * own
        partial[first // BLOCK] = total
