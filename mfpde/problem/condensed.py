"""A law given at many knots as few polynomials: panels of labels end where a density has kinks, and a table has many.

On a stretch of the table the density rho becomes its projection P rho on the polynomials up to `DEGREE`: masses and
moments up to that order are kept, and for any f

    |∫f rho - ∫f P rho| <= max |f'| ∫|F - F_P|,

F and F_P the distribution functions, so that their distance says what a stretch may hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from mfpde.problem.marginals import Marginal, Tabulated
from mfpde.solvers.arrays import Array

DEGREE = 9
"""Degree of the polynomials, that of the flow map on a panel of ten nodes."""
SEEN = 24
"""Places between two knots where the distance is measured."""
MANY = 24
"""Knots beyond which a table is condensed."""


@dataclass(frozen=True)
class Condensed:
    """A table's law with polynomials between its `breaks`, some of its knots.

    Attributes:
        breaks: ends of the stretches.
        coefficients: of the density per stretch in Legendre polynomials on it, shape (stretches, DEGREE + 1).
    """

    breaks: Array
    coefficients: Array

    @cached_property
    def _masses(self) -> Array:
        """Below each break."""
        return np.append(0.0, np.cumsum(self.coefficients[:, 0] * np.diff(self.breaks)))

    def _placed(self, x: Array) -> tuple[NDArray[np.int64], Array]:
        """The stretch of each place, and where it lies there, in [-1, 1]."""
        stretch = np.clip(np.searchsorted(self.breaks, x, side="right") - 1, 0, len(self.coefficients) - 1)
        low, high = self.breaks[stretch], self.breaks[stretch + 1]
        return stretch, np.clip(2.0 * (x - low) / (high - low) - 1.0, -1.0, 1.0)

    def density(self, x: Array) -> Array:
        stretch, places = self._placed(x)
        inside = (x >= self.breaks[0]) & (x <= self.breaks[-1])
        return np.where(inside, legendre.legval(places, self.coefficients[stretch].T, tensor=False), 0.0)

    def cumulative(self, x: Array) -> Array:
        stretch, places = self._placed(x)
        rising = legendre.legint(self.coefficients, lbnd=-1, axis=1)[stretch].T
        half = 0.5 * np.diff(self.breaks)[stretch]
        return np.asarray(self._masses[stretch] + half * legendre.legval(places, rising, tensor=False))


def condensed(marginal: Marginal, accuracy: float) -> Marginal:
    """The law within `accuracy` of the table's in ∫|F - F_P| over its length; any other marginal, or a short one, as
    it is."""
    if not isinstance(marginal, Tabulated) or len(marginal.breaks) <= MANY:
        return marginal
    todo, breaks, coefficients = [(0, len(marginal.breaks) - 1)], [], []
    while todo:
        first, last = todo.pop()
        found, distance, least = _projected(marginal, marginal.breaks[first : last + 1])
        if last - first > 1 and not (distance <= accuracy and least >= 0.0):
            middle = (first + last) // 2
            todo += [(middle, last), (first, middle)]
            continue
        breaks.append(marginal.breaks[first])
        coefficients.append(found)
    return Condensed(np.append(breaks, marginal.breaks[-1]), np.array(coefficients))


def _projected(table: Tabulated, knots: Array) -> tuple[Array, float, float]:
    """P rho between the outermost knots, the largest |F - F_P| there, and the least density as sampled."""
    nodes, weights = legendre.leggauss(DEGREE // 2 + 2)
    half = 0.5 * np.diff(knots)
    places = (knots[:-1, None] + half[:, None] * (nodes + 1.0)).ravel()
    unit = 2.0 * (places - knots[0]) / (knots[-1] - knots[0]) - 1.0
    masses = (half[:, None] * weights).ravel() * table.density(places)
    orders = 2.0 * np.arange(DEGREE + 1) + 1.0
    coefficients = orders / (knots[-1] - knots[0]) * (masses @ legendre.legvander(unit, DEGREE))
    one = Condensed(knots[[0, -1]], coefficients[None])
    # nearest a kink the difference turns fastest
    seen = (knots[:-1, None] + 2.0 * half[:, None] * np.linspace(0.0, 1.0, SEEN, endpoint=False)).ravel()
    gap = table.cumulative(seen) - table.cumulative(knots[:1]) - one.cumulative(seen)
    return coefficients, float(np.max(np.abs(gap))), float(one.density(seen).min())
