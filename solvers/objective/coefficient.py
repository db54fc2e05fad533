"""Features of a unit whose coefficient is a coordinate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from .objective import FeatureMap


@dataclass(frozen=True)
class WithCoefficient:
    """Features a * Phi(z without a): the coefficient a is the coordinate number `axis`."""

    inner: FeatureMap
    axis: int

    @property
    def dimension(self) -> int:
        return self.inner.dimension + 1

    @property
    def rank(self) -> int:
        return self.inner.rank

    def _split(self, points: Array) -> tuple[Array, Array]:
        return points[:, self.axis], np.ascontiguousarray(np.delete(points, self.axis, axis=1))

    def values(self, points: Array) -> Array:
        coefficient, rest = self._split(points)
        return np.asarray(coefficient[:, None] * self.inner.values(rest))

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        coefficient, rest = self._split(points)
        values, gradients = self.inner.values_and_gradients(rest)
        scaled = coefficient[:, None, None] * gradients
        return coefficient[:, None] * values, np.insert(scaled, self.axis, values, axis=2)

    def outputs(self, points: Array, masses: Array) -> Array:
        coefficient, rest = self._split(points)
        return self.inner.outputs(rest, masses * coefficient)

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        coefficient, rest = self._split(points)
        value, gradient = self.inner.contract(rest, coefficients)
        return coefficient * value, np.insert(coefficient[:, None] * gradient, self.axis, value, axis=1)
