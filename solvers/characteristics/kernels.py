"""Compiled loops over atoms, in blocks for `in_blocks`; sums are taken block by block, whatever the threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..threads.blocks import in_blocks

BLOCK = 2048
"""Atoms of a block."""
THREADED = 2**14
"""Atoms from which a loop, 30 us on one thread, is shared."""


def over_atoms(kernel: Callable[..., None], count: int, *arguments: Any) -> None:
    """kernel(start, stop, *arguments) over so many atoms."""
    in_blocks(kernel, count, BLOCK if count >= THREADED else count, *arguments)


def sums(count: int) -> Array:
    """A place for the sum of each block."""
    return np.empty(-(-count // BLOCK))


@numba.njit(cache=True, nogil=True)
def put_within(start: int, stop: int, places: Array, lower: Array, upper: Array, out: Array) -> None:
    """out = the first coordinates of places, those beyond a wall put on it; NaN stays."""
    for i in range(start, stop):
        for a in range(out.shape[1]):
            value = places[i, a]
            if value < lower[a]:
                value = lower[a]
            elif value > upper[a]:
                value = upper[a]
            out[i, a] = value


@numba.njit(cache=True, nogil=True)
def moved_by(
    start: int,
    stop: int,
    gradient: Array,
    pull: Array,
    growth: Array,
    factors: Array,
    weights: Array,
    inertia: Array,
    moving: NDArray[np.bool_],
    out: Array,
    partial: Array,
) -> None:
    """out = minus (gradient + pull) times the factors, then the growth; what its squares dissipate into partial.

    Args:
        pull, growth: of the confinement and of the actions; empty where there is none.
        factors: mobilities, and what transport there is, shape (2, D).
        inertia, moving: of every coordinate, and which count.
    """
    dimension = gradient.shape[1]
    for first in range(start, stop, BLOCK):
        dissipated = 0.0
        for i in range(first, min(first + BLOCK, stop)):
            own = 0.0
            for a in range(dimension):
                slope = gradient[i, a]
                if len(pull) > 0:
                    slope += pull[i, a]
                rate = -slope * factors[0, a] * factors[1, a]
                out[i, a] = rate
                if moving[i, a]:
                    own += rate * rate * inertia[a]
            if len(growth) > 0:
                out[i, dimension] = growth[i]
                if moving[i, dimension]:
                    own += growth[i] * growth[i] * inertia[dimension]
            dissipated += weights[i] * own
        partial[first // BLOCK] = dissipated
