"""The unit a sigma(<w, x> + b) around an activation: constant a and b folded in, or a as a coordinate of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mfpde.problem.activations.interface import Activation, Moments
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.objective import FeatureMap


@dataclass(frozen=True)
class AffineUnit:
    """The activation u -> coefficient * sigma(u + offset)."""

    activation: Activation
    coefficient: float
    offset: float

    @property
    def name(self) -> str:
        return self.activation.name

    def __call__(self, u: Array) -> Array:
        return self.coefficient * self.activation(u + self.offset)

    def derivative(self, u: Array) -> Array:
        return self.coefficient * self.activation.derivative(u + self.offset)

    def mean(self, scale: Array, offset: Array) -> Moments:
        moments = self.activation.mean(scale, offset + self.offset)
        return Moments(*(self.coefficient * part for part in moments))

    def even_hermite(self, scale: Array, offset: Array, highest: int) -> Moments:
        moments = self.activation.even_hermite(scale, offset + self.offset, highest)
        return Moments(*(self.coefficient * part for part in moments))


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
