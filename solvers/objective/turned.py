"""Features of places that run on around circles."""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import Array
from ..space.geometry import Geometry
from .objective import FeatureMap


@dataclass(frozen=True)
class TurnedFeatures:
    """Features that are read within one turn.

    Attributes:
        inner: defined there.
        geometry: which coordinates turn.
    """

    inner: FeatureMap
    geometry: Geometry

    @property
    def dimension(self) -> int:
        return self.inner.dimension

    @property
    def rank(self) -> int:
        return self.inner.rank

    def values(self, points: Array) -> Array:
        return self.inner.values(self.geometry.turned(points))

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        return self.inner.values_and_gradients(self.geometry.turned(points))

    def outputs(self, points: Array, masses: Array) -> Array:
        return self.inner.outputs(self.geometry.turned(points), masses)

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        return self.inner.contract(self.geometry.turned(points), coefficients)
