"""A box of the reduced space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array


@dataclass(frozen=True)
class Box:
    """A box of the reduced space, corners of shape (D,), infinite where it has no face."""

    lower: Array
    upper: Array

    def holds(self, points: Array) -> NDArray[np.bool_]:
        """Which coordinates of points (n, D) lie within, faces included, shape (n, D)."""
        return np.asarray((points >= self.lower) & (points <= self.upper))

    def held(self, points: Array) -> Array:
        """Points (n, D) with the coordinates beyond a face put on it."""
        return np.minimum(np.maximum(points, self.lower), self.upper)

    def stops(self, points: Array, velocity: Array) -> NDArray[np.bool_]:
        """Which coordinates are on a face or beyond it and pushed outwards, so that they rest there, shape (n, D)."""
        below = (points <= self.lower) & (velocity < 0.0)
        return np.asarray(below | (points >= self.upper) & (velocity > 0.0))

    def returned(self, points: Array, velocity: Array) -> Array:
        """Points with the coordinates beyond a face brought back to it where the velocity points inwards."""
        inwards = (points < self.lower) & (velocity > 0.0) | (points > self.upper) & (velocity < 0.0)
        return np.where(inwards, self.held(points), points)
