"""What atoms would dissipate beyond a bound, on the way that a Runge-Kutta step takes as if there were none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.polynomial import legendre

from ..arrays import Array

DEGREE = 7
"""Of DOP853's dense output."""
BISECTIONS = 40


def beyond(path: Callable[[Array], Array], start: float, end: float, bounds: Array) -> Array:
    """∫ (dz/ds)^2 ds from where each coordinate last passes its bound to the end of the step, shape (n,).

    Args:
        path: flow times (k,) -> coordinates (n, k), polynomials of degree `DEGREE` in time.
        start, end: the step.
        bounds: shape (n,); the coordinates start at or above them and end below.
    """
    nodes, weights = legendre.leggauss(DEGREE + 1)
    half = 0.5 * (end - start)
    samples = path(start + half * (nodes + 1.0))
    coefficients = np.linalg.solve(legendre.legvander(nodes, DEGREE), samples.T)
    low, high = np.full(len(bounds), -1.0), np.full(len(bounds), 1.0)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        inside = legendre.legval(middle, coefficients, tensor=False) > bounds
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    reach = 0.5 * (1.0 - high)
    places = high + reach * (nodes[:, None] + 1.0)
    velocity = legendre.legval(places, legendre.legder(coefficients), tensor=False) / half
    return np.asarray(half * reach * (weights @ velocity**2))
