"""Features of 1-homogeneous units at unit vectors w: by the coordinates of w, or in the plane by its angle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from .kinks import Kinked, Kinks, kinks_of
from .objective import DenseFeatures, FeatureMap

CROSSINGS = 6
"""Times that an angle between -2 pi and 4 pi meets a line through the origin: neurons may turn once and come back."""


@dataclass(frozen=True)
class OnSphere(DenseFeatures):
    """Phi(w / |w|): its gradient is tangential, so that |w| = 1 stays.

    Kinks through the origin are where they were, and velocities along them are what they are in space.
    """

    inner: FeatureMap

    @property
    def dimension(self) -> int:
        return self.inner.dimension

    @property
    def rank(self) -> int:
        return self.inner.rank

    def values(self, points: Array) -> Array:
        return self.inner.values(points / np.linalg.norm(points, axis=1, keepdims=True))

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        lengths = np.linalg.norm(points, axis=1)[:, None, None]
        w = points / lengths[:, 0]
        values, slopes = self.inner.values_and_gradients(w)
        radial = slopes @ w[:, :, None]
        return values, (slopes - radial * w[:, None, :]) / lengths

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        lengths = np.linalg.norm(points, axis=1)[:, None]
        w = points / lengths
        value, slope = self.inner.contract(w, coefficients)
        return value, (slope - (slope * w).sum(axis=1, keepdims=True) * w) / lengths

    @property
    def kinks(self) -> Kinks | None:
        return kinks_of(self.inner)

    def on(self, sides: NDArray[np.int64]) -> FeatureMap:
        return OnSphere(cast(Kinked, self.inner).on(sides))


@dataclass(frozen=True)
class OnCircle(DenseFeatures):
    """Phi(cos t, sin t), t of shape (n, 1)."""

    inner: FeatureMap

    @property
    def dimension(self) -> int:
        return 1

    @property
    def rank(self) -> int:
        return self.inner.rank

    def values(self, points: Array) -> Array:
        return self.inner.values(_unit(points))

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        w = _unit(points)
        values, slopes = self.inner.values_and_gradients(w)
        return values, slopes @ quarter_turned(w)[:, :, None]

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        w = _unit(points)
        value, slope = self.inner.contract(w, coefficients)
        return value, (slope * quarter_turned(w)).sum(axis=1, keepdims=True)

    @property
    def kinks(self) -> Kinks | None:
        """Each line of the plane as often as an angle meets it; a jump across is the same from either side."""
        inner = kinks_of(self.inner)
        if inner is None:
            return None
        numbers = CROSSINGS * inner.plane[:, None] + np.arange(CROSSINGS)
        offsets = (self._first[:, None] + np.pi * (np.arange(CROSSINGS) - CROSSINGS // 3)).ravel()
        return replace(
            inner,
            normals=np.ones((len(offsets), 1)),
            offsets=offsets,
            plane=numbers.ravel(),
            feature=np.repeat(inner.feature, CROSSINGS).astype(np.int64),
            jump=np.asarray(np.repeat(inner.jump, CROSSINGS), dtype=np.float64),
        )

    def on(self, sides: NDArray[np.int64]) -> FeatureMap:
        """Between crossings the side of a line alternates."""
        passed = (sides > 0).reshape(len(sides), -1, CROSSINGS).sum(axis=2)
        middle = self._first + np.pi * (passed - CROSSINGS // 3 - 0.5)
        above = np.cos(middle - self._normal) > 0.0
        return OnCircle(cast(Kinked, self.inner).on(above.astype(np.int64)))

    @cached_property
    def _normal(self) -> Array:
        """The angle of each normal."""
        kinks = kinks_of(self.inner)
        assert kinks is not None
        return np.asarray(np.arctan2(kinks.normals[:, 1], kinks.normals[:, 0]))

    @property
    def _first(self) -> Array:
        """Of each line the least angle from 0 on."""
        return np.asarray(np.mod(self._normal + 0.5 * np.pi, np.pi))


def _unit(points: Array) -> Array:
    return np.column_stack([np.cos(points[:, 0]), np.sin(points[:, 0])])


def quarter_turned(w: Array) -> Array:
    """Vectors of the plane a quarter of a turn on, shape (n, 2)."""
    return np.column_stack([-w[:, 1], w[:, 0]])
