"""What happens beyond a wall, on the way that a Runge-Kutta step takes as if there were none."""

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
    coefficients = _coefficients(path, start, end)
    low, high = np.full(len(bounds), -1.0), np.full(len(bounds), 1.0)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        inside = legendre.legval(middle, coefficients, tensor=False) > bounds
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    reach = 0.5 * (1.0 - high)
    places = high + reach * (nodes[:, None] + 1.0)
    velocity = legendre.legval(places, legendre.legder(coefficients), tensor=False) / half
    return np.asarray(half * reach * (weights @ velocity**2))


def come_back(path: Callable[[Array], Array], start: float, end: float) -> Array:
    """How far each coordinate has come back at the end of the step since it last turned inwards, shape (n,).

    Args:
        path: as for `beyond`; the coordinates rise at the end of the step.
        start, end: the step.
    """
    coefficients = _coefficients(path, start, end)
    slopes = legendre.legder(coefficients)
    count = coefficients.shape[1]
    low, high = np.full(count, -1.0), np.full(count, 1.0)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        rising = legendre.legval(middle, slopes, tensor=False) > 0.0
        low, high = np.where(rising, low, middle), np.where(rising, middle, high)
    turn = legendre.legval(high, coefficients, tensor=False)
    return np.asarray(legendre.legval(np.ones(count), coefficients, tensor=False) - turn)


def _coefficients(path: Callable[[Array], Array], start: float, end: float) -> Array:
    """Legendre coefficients of the coordinates over the step, shape (DEGREE + 1, n)."""
    nodes = legendre.leggauss(DEGREE + 1)[0]
    samples = path(start + 0.5 * (end - start) * (nodes + 1.0))
    return np.asarray(np.linalg.solve(legendre.legvander(nodes, DEGREE), samples.T))
