"""Trigonometric features of an angle: what a measure on the circle looks like through a filter.

phi(theta) = (g_0, sqrt2 g_k cos k theta, sqrt2 g_k sin k theta), with g_0^2 + 2 sum_k g_k^2 = 1 so that |phi| = 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.objective import DenseFeatures


@dataclass(frozen=True)
class FourierFeatures(DenseFeatures):
    """phi of the angle.

    Attributes:
        gains: g_0, ..., g_K before they are normalised, K >= 1.
    """

    gains: tuple[float, ...]

    @property
    def dimension(self) -> int:
        return 1

    @property
    def rank(self) -> int:
        return 2 * len(self.gains) - 1

    @cached_property
    def _sizes(self) -> Array:
        """g_0, sqrt2 g_1, ..., sqrt2 g_K, of norm 1, shape (K + 1,)."""
        sizes = np.array(self.gains) * np.append(1.0, np.full(len(self.gains) - 1, math.sqrt(2.0)))
        return np.asarray(sizes / np.linalg.norm(sizes))

    def bend(self, gradient: Array) -> float:
        """A bound of |d^2 <phi, g> / d theta^2|: the sum of k^2 times the amplitudes of its waves."""
        orders, count = np.arange(1.0, len(self.gains)), len(self.gains)
        return float(orders**2 * self._sizes[1:] @ np.hypot(gradient[1:count], gradient[count:]))

    def _waves(self, points: Array) -> tuple[Array, Array, Array]:
        orders = np.arange(1.0, len(self.gains))
        phase = points[:, :1] * orders
        return orders, self._sizes[1:] * np.cos(phase), self._sizes[1:] * np.sin(phase)

    def values(self, points: Array) -> Array:
        _, cosines, sines = self._waves(points)
        return np.hstack([np.full((len(points), 1), self._sizes[0]), cosines, sines])

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        orders, cosines, sines = self._waves(points)
        level = np.full((len(points), 1), self._sizes[0])
        slopes = np.hstack([np.zeros((len(points), 1)), -orders * sines, orders * cosines])
        return np.hstack([level, cosines, sines]), slopes[:, :, None]
