"""The outputs of units at given inputs: the features of a finite set of samples, sigma(<w, x_p> + b)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...activations.activation import Activation, Bounds
from ...arrays import Array
from ...objective.kinks import Kinks
from ...objective.losses.interface import Loss
from ..population import Measured
from .branches import SampleBranches, SampleKinks

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
    def inputs(self) -> Array:
        """What arguments of units are products with, shape (M, D)."""
        return self._inputs

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


@dataclass(frozen=True)
class SampleCurvature:
    """Proven bounds of the derivatives of Psi = a sum_p g_p sigma(<w, x_p> + b) on cells of (w[, a][, b]).

    With u_p between its least and largest value on a cell, d_jj Psi = a sum_p g_p x_pj^2 sigma''(u_p), each term at
    most the largest of the products of the ends of a and of sigma''; sigma'' is unbounded at a knot.

    Attributes:
        features: of (w[, b]).
        bounds: of sigma.
        slope: g = grad L, shape (M,).
        has_coefficient: whether a is a coordinate, after those of w.
    """

    features: SampleFeatures
    bounds: Bounds
    slope: Array
    has_coefficient: bool

    @property
    def _own(self) -> int:
        return int(self.features.x.shape[1])

    def slopes(self, lower: Array, upper: Array) -> Array:
        low, high, a_low, a_high = self._ranges(lower, upper)
        largest, sizes = np.maximum(np.abs(a_low), np.abs(a_high)), np.abs(self.slope)
        steep = largest[:, None] * (self.bounds.slope * (sizes @ np.abs(self.features._inputs)))
        if not self.has_coefficient:
            return np.asarray(steep)
        reach = np.maximum(np.abs(low), np.abs(high))
        grown = abs(self.bounds.at_zero) + self.bounds.slope * reach
        values = np.minimum(grown, max(abs(self.bounds.low), abs(self.bounds.high))) @ sizes
        return np.insert(steep, self._own, values, axis=1)

    def second_derivatives(self, lower: Array, upper: Array) -> Array:
        """Psi is linear in a: 0 there."""
        low, high, a_low, a_high = self._ranges(lower, upper)
        least, most = self._bends(low, high)
        ends = [a[:, None] * self.slope * bend for a in (a_low, a_high) for bend in (least, most)]
        bent = np.maximum(np.max(ends, axis=0), 0.0) @ self.features._inputs**2
        crossed = self._convex_kinks(low, high, a_low, a_high)
        bent = np.where(crossed @ (self.features._inputs != 0.0) > 0, np.inf, bent)
        return np.insert(bent, self._own, 0.0, axis=1) if self.has_coefficient else np.asarray(bent)

    def _bends(self, low: Array, high: Array) -> tuple[Array, Array]:
        """The least and the largest sigma'' between knots, for arguments between `low` and `high`."""
        bounds = self.bounds
        if len(bounds.knots):
            return np.zeros_like(low), np.zeros_like(low)
        if bounds.turns is None:
            return np.full_like(low, -bounds.bend), np.full_like(low, bounds.bend)
        found = [self.features.unit.bend(low), self.features.unit.bend(high)]
        for turn in bounds.turns:
            inside = (low < turn) & (turn < high)
            found.append(np.where(inside, self.features.unit.bend(np.array([turn])), found[0]))
        return np.min(found, axis=0), np.max(found, axis=0)

    def _convex_kinks(self, low: Array, high: Array, a_low: Array, a_high: Array) -> Array:
        """Where a knot of positive weight lies in the range, or one whose linear pieces are not known, shape (n, M)."""
        found = np.zeros(low.shape, dtype=bool)
        for knot, kink in zip(self.bounds.knots, self.bounds.kinks, strict=True):
            strength = np.maximum(a_low[:, None] * (kink * self.slope), a_high[:, None] * (kink * self.slope))
            found |= (low <= knot) & (knot <= high) & (strength > 0.0)
        return found

    def _ranges(self, lower: Array, upper: Array) -> tuple[Array, Array, Array, Array]:
        """Ranges of the arguments, shape (n, M) each, and of a, shape (n,) each."""
        a_low = a_high = np.ones(len(lower))
        if self.has_coefficient:
            a_low, a_high = lower[:, self._own], upper[:, self._own]
            lower, upper = (np.delete(ends, self._own, axis=1) for ends in (lower, upper))
        inputs = self.features._inputs
        up, down = np.maximum(inputs, 0.0).T, np.minimum(inputs, 0.0).T
        return lower @ up + upper @ down, upper @ up + lower @ down, a_low, a_high


@dataclass(frozen=True, eq=False)
class FinitePopulation:
    """The mean loss of f_N on the samples, for the square loss the mean square error.

    Attributes:
        x: inputs, shape (P, d).
        loss: L of the outputs at them.
        unit: sigma.
    """

    x: Array
    loss: Loss
    unit: Activation

    @property
    def _features(self) -> SampleFeatures:
        return SampleFeatures(self.x, self.unit, True)

    def _outputs(self, w: Array, a: Array, b: Array) -> Array:
        return self._features.outputs(np.column_stack([w, b]), a / len(a))

    def measure(self, w: Array, a: Array, b: Array) -> Measured:
        return Measured(self.risk(w, a, b), 0.0)

    def risk(self, w: Array, a: Array, b: Array) -> float:
        return self.loss.risk(self._outputs(w, a, b))

    def gradient(
        self, w: Array, a: Array, b: Array, trained_coefficients: bool = False, trained_offsets: bool = False
    ) -> tuple[Array, Array, Array]:
        slope = self.loss.gradient(self._outputs(w, a, b))
        values, slopes = self._features.contract(np.column_stack([w, b]), slope)
        slopes = a[:, None] * slopes
        return slopes[:, :-1], values * trained_coefficients, slopes[:, -1] * trained_offsets

    def unit_squares(self, points: Array, b: Array) -> Array | None:
        """Known where fluctuations are told, under the square loss."""
        if not self.loss.quadratic:
            return None
        return np.asarray(self._features.values(np.column_stack([points, b])) ** 2 @ self.loss.metric)
