"""Continuous piecewise linear functions by their values, without the sums of hinges that cancel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..arrays import Array


@dataclass(frozen=True)
class Pieces:
    """A continuous piecewise linear function by its values.

    Attributes:
        knots, values: shape (K,), K >= 1.
        widths, rises: from each knot to the next, shape (K - 1,): known better than from differences.
        first, last: slopes outside the knots.
    """

    knots: Array
    values: Array
    widths: Array
    rises: Array
    first: float
    last: float

    @cached_property
    def slopes(self) -> Array:
        """Of all pieces, shape (K + 1,)."""
        return np.concatenate([[self.first], self.rises / self.widths, [self.last]])

    def __call__(self, u: Array) -> Array:
        # from the nearer end: the farther one may have a value that what is wanted is lost in
        below = np.searchsorted(self.knots, u, side="right")
        near, upper = np.maximum(below - 1, 0), np.minimum(below, len(self.knots) - 1)
        near = np.where(np.abs(u - self.knots[near]) <= np.abs(u - self.knots[upper]), near, upper)
        return np.asarray(self.values[near] + self.slopes[below] * (u - self.knots[near]))

    def affine(self, coefficient: float, offset: float) -> Pieces:
        """u -> coefficient * self(u + offset)."""
        knots, values = self.knots - offset, coefficient * self.values
        slopes = coefficient * self.first, coefficient * self.last
        return Pieces(knots, values, self.widths, coefficient * self.rises, *slopes)
