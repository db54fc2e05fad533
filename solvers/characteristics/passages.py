"""When a polynomial path first passes below 0."""

from __future__ import annotations

import numba
import numpy as np

from ..arrays import Array

DEGREE = 7
"""Of DOP853's dense output."""
BISECTIONS = 60
NODES = 0.5 - 0.5 * np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / DEGREE)
"""Of a step of length 1: the points where Chebyshev's polynomial has its extrema, the first beyond the start."""
NODES[-1] = 1.0
TO_MONOMIALS = np.linalg.inv(np.vander(NODES, DEGREE + 1, increasing=True))


def first_passages(heights: Array, least: Array) -> Array:
    """Where in (0, 1] polynomials fall below bounds for the first time, inf where they do not, shape (n,).

    Args:
        heights: their values at `NODES`, shape (DEGREE + 1, n).
        least: the bounds, which they are not below at 0, shape (n,).
    """
    found = np.full(len(least), np.inf)
    _passages(TO_MONOMIALS @ heights, heights, least, NODES, found)
    return found


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _passages(coefficients: Array, heights: Array, least: Array, nodes: Array, found: Array) -> None:
    earliest = np.inf
    for i in range(len(least)):
        low = 0.0
        for j in range(len(nodes)):
            if low >= earliest:
                break
            if heights[j, i] < least[i]:
                high = nodes[j]
                for _ in range(BISECTIONS):
                    middle = 0.5 * (low + high)
                    value = 0.0
                    for k in range(len(coefficients) - 1, -1, -1):
                        value = value * middle + coefficients[k, i]
                    if value < least[i]:
                        high = middle
                    else:
                        low = middle
                found[i] = high
                earliest = min(earliest, high)
                break
            low = nodes[j]
