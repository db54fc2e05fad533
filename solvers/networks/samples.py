"""The outputs of units at given inputs: the features of a finite set of samples, sigma(<w, x_p> + b)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..activations.activation import Activation
from ..arrays import Array
from ..objective.kinks import Kinks
from .sample_branches import SampleBranches, SampleKinks

ENTRIES = 2**20
"""Units times samples that are held at once, which stay in a cache."""


@dataclass(frozen=True)
class SampleFeatures:
    """Phi_p(w[, b]) = sigma(<w, x_p> + b), exact everywhere.

    Attributes:
        x: the inputs x_p, shape (M, d).
        unit: sigma.
        has_offset: whether b is a coordinate, the last one.
    """

    x: Array
    unit: Activation
    has_offset: bool

    @property
    def dimension(self) -> int:
        return int(self.x.shape[1]) + self.has_offset

    @property
    def rank(self) -> int:
        return len(self.x)

    def values(self, points: Array) -> Array:
        return np.asarray(self.unit.value(self._arguments(points)))

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        u = self._arguments(points)
        return np.asarray(self.unit.value(u)), self.unit.slope(u)[:, :, None] * self._inputs

    def outputs(self, points: Array, masses: Array) -> Array:
        return np.asarray(sum(masses[part] @ self.values(points[part]) for part in self._parts(len(points))))

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        values, slopes = np.empty(len(points)), np.empty(points.shape)
        for part in self._parts(len(points)):
            u = self._arguments(points[part])
            values[part] = self.unit.value(u) @ coefficients
            slopes[part] = (self.unit.slope(u) * coefficients) @ self._inputs
        return values, slopes

    @property
    def kinks(self) -> Kinks | None:
        """Where units bend at samples; None where they are smooth."""
        return None if self._bends is None else self._bends.kinks

    def on(self, sides: NDArray[np.int64]) -> SampleBranches:
        """The branches of units with these sides of the kinks."""
        assert self._bends is not None, "asked of features that have kinks"
        return self._bends.on(sides)

    @cached_property
    def _bends(self) -> SampleKinks | None:
        return SampleKinks.of(self._inputs, self.unit)

    @cached_property
    def _inputs(self) -> Array:
        """x, and the 1 that an offset multiplies."""
        return np.column_stack([self.x, np.ones(len(self.x))]) if self.has_offset else self.x

    def _arguments(self, points: Array) -> Array:
        return np.asarray(points @ self._inputs.T)

    def _parts(self, count: int) -> Iterator[slice]:
        step = max(1, ENTRIES // max(1, self.rank))
        return (slice(first, first + step) for first in range(0, count, step))
