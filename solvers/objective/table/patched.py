"""A table where it is valid and the map it tabulates elsewhere, so that an atom may leave the table's box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...arrays import Array
from ..objective import FeatureMap
from .feature_table import FeatureTable


@dataclass(frozen=True)
class PatchedFeatures:
    """`table` inside its box, `exact` outside."""

    table: FeatureTable
    exact: FeatureMap

    @property
    def dimension(self) -> int:
        return self.table.dimension

    @property
    def rank(self) -> int:
        return self.table.rank

    def _inside(self, points: Array) -> NDArray[np.bool_]:
        lower, upper = self.table.box
        inside = np.ones(len(points), dtype=bool)
        for axis, places in enumerate(points.T):
            inside &= (places >= lower[axis]) & (places <= upper[axis])
        return inside

    def values(self, points: Array) -> Array:
        return self._merged(points, lambda features, part: (features.values(part),))[0]

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        values, gradients = self._merged(points, lambda features, part: features.values_and_gradients(part))
        return values, gradients

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        value, gradient = self._merged(points, lambda features, part: features.contract(part, coefficients))
        return value, gradient

    def outputs(self, points: Array, masses: Array) -> Array:
        if self.table.holds(points):
            return self.table.outputs(points, masses)
        inside = self._inside(points)
        within = self.table.outputs(points[inside], masses[inside])
        return np.asarray(within + self.exact.outputs(points[~inside], masses[~inside]))

    def _merged(self, points: Array, evaluate) -> tuple[Array, ...]:  # type: ignore[no-untyped-def]
        if self.table.holds(points):
            return tuple(evaluate(self.table, points))
        inside = self._inside(points)
        within, beyond = evaluate(self.table, points[inside]), evaluate(self.exact, points[~inside])
        merged = []
        for near, far in zip(within, beyond, strict=True):
            whole = np.empty((len(points), *near.shape[1:]))
            whole[inside], whole[~inside] = near, far
            merged.append(whole)
        return tuple(merged)
