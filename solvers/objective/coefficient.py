"""Features of a unit whose coefficient is a coordinate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from .kinks import Kinked, Kinks, kinks_of
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
        return points[:, self.axis], np.ascontiguousarray(points[:, self._others])

    @cached_property
    def _others(self) -> list[int]:
        return [axis for axis in range(self.dimension) if axis != self.axis]

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
        full = np.empty(points.shape)
        full[:, self._others] = coefficient[:, None] * gradient
        full[:, self.axis] = value
        return coefficient * value, full

    @property
    def kinks(self) -> Kinks | None:
        inner = kinks_of(self.inner)
        return None if inner is None else inner.multiplied(self.axis)

    def on(self, sides: NDArray[np.int64]) -> FeatureMap:
        return WithCoefficient(cast(Kinked, self.inner).on(sides), self.axis)
