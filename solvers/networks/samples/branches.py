"""Kinks of units at samples, and their features on fixed sides of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...activations.activation import Activation
from ...arrays import Array
from ...objective.kinks import Kinks, distinct_planes
from ...objective.objective import DenseFeatures


@dataclass(frozen=True)
class SampleKinks:
    """Where sigma(<w, x_p> + b) bends: the planes <inputs_p, z> = knot_q.

    Attributes:
        inputs: x_p, followed by the 1 that an offset multiplies, shape (M, D).
        unit: sigma.
        kinks: the planes.
        plane: the number of the plane of each sample and knot, shape (M, Q); -1 where sigma does not vary.
        turned: whether its normal is opposed to the sample, shape (M, Q).
    """

    inputs: Array
    unit: Activation
    kinks: Kinks
    plane: NDArray[np.int64]
    turned: NDArray[np.bool_]

    @classmethod
    def of(cls, inputs: Array, unit: Activation) -> SampleKinks | None:
        """None where sigma has no knots, or no sample moves across them."""
        bent = np.flatnonzero(unit.kinks)
        lengths = np.linalg.norm(inputs, axis=1)
        moved = np.flatnonzero(lengths)
        if not (bent.size and moved.size):
            return None
        samples, knots = np.repeat(moved, len(bent)), np.tile(bent, len(moved))
        number, turned, normals, offsets = distinct_planes(inputs[samples], unit.knots[knots])
        jumps = unit.kinks[knots] * lengths[samples]
        kinks = Kinks(normals, offsets, number, samples.astype(np.int64), jumps)
        shape = (len(inputs), len(unit.knots))
        plane, opposed = np.full(shape, -1), np.zeros(shape, dtype=bool)
        plane[samples, knots], opposed[samples, knots] = number, turned
        return cls(inputs, unit, kinks, plane, opposed)

    def on(self, sides: NDArray[np.int64]) -> SampleBranches:
        """The branches of n units with these sides (n, K)."""
        above = (sides[:, self.plane] > 0) ^ self.turned
        return SampleBranches(self.inputs, self.unit, above, self.plane >= 0)


class SampleBranches(DenseFeatures):
    """sigma(<w, x_p> + b) of n units, each on its side of the knots, beyond which it goes on along its slope there.

    Args:
        inputs, unit: as for `SampleKinks`.
        above: whether each unit is above each knot at each sample, shape (n, M, Q).
        fixed: where that is said, shape (M, Q); elsewhere sigma is taken as it is.
    """

    def __init__(self, inputs: Array, unit: Activation, above: NDArray[np.bool_], fixed: NDArray[np.bool_]) -> None:
        self.inputs, self.unit = inputs, unit
        self._above, self._fixed = above, fixed

    @property
    def dimension(self) -> int:
        return int(self.inputs.shape[1])

    @property
    def rank(self) -> int:
        return len(self.inputs)

    def values(self, points: Array) -> Array:
        return self._values_and_slopes(points)[0]

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        values, slopes = self._values_and_slopes(points)
        return values, slopes[:, :, None] * self.inputs

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        values, slopes = self._values_and_slopes(points)
        return values @ coefficients, (slopes * coefficients) @ self.inputs

    def _values_and_slopes(self, points: Array) -> tuple[Array, Array]:
        """sigma and sigma', shape (n, M), where a unit overshot a knot those of its own side."""
        u = points @ self.inputs.T
        if self._lines is not None:
            places, values, slopes = self._lines
            return values + slopes * (u - places), slopes
        values, slopes = self.unit.value(u), self.unit.slope(u)
        for q, (knot, kink) in enumerate(zip(self.unit.knots, self.unit.kinks, strict=True)):
            off = self._fixed[:, q] & (self._above[:, :, q] != (u >= knot))
            jump = np.where(off, np.where(self._above[:, :, q], kink, -kink), 0.0)
            values, slopes = values + jump * (u - knot), slopes + jump
        return np.asarray(values), np.asarray(slopes)

    @cached_property
    def _lines(self) -> tuple[Array, Array, Array] | None:
        """Of a piecewise linear sigma: a knot of each unit and sample, sigma there and its slope, shape (n, M)."""
        if self.unit.linear is None:
            return None
        pieces = self.unit.linear.pieces
        passed = np.where(self._above & self._fixed, np.arange(1, len(pieces.knots) + 1), 0).max(axis=-1)
        # a sample that moves no unit: sigma(0) for all
        still = ~self._fixed.any(axis=-1)
        passed[:, still] = np.searchsorted(pieces.knots, 0.0, side="right")
        at = np.maximum(passed - 1, 0)
        return pieces.knots[at], pieces.values[at], np.asarray(pieces.slopes)[passed]
