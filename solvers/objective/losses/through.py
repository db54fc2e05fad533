"""A loss seen through a linear map: q -> L(basis q)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ...arrays import Array
from .hessian import Dense
from .interface import Loss
from .memory import Memory

ITERATIONS = 100
"""Newton steps for the conjugate: more only where the supremum is not attained."""
ENOUGH, STALLED = 1e-15, 1e-10
"""Residual of the conjugate's equation, relative to what it adds up: where to stop; what passes if nothing helps."""
SHORTEST = 1e-10
"""Share of a Newton step below which it is given up."""


@dataclass(frozen=True)
class LossThrough(Loss):
    """q -> L(B q), q of shape (K,); its conjugate is found by Newton's method in K unknowns.

    Attributes:
        inner: L, of M outputs.
        basis: B, shape (M, K), of full column rank.
    """

    inner: Loss
    basis: Array
    _memory: Memory = field(init=False, default_factory=Memory, repr=False, compare=False)

    @property
    def quadratic(self) -> bool:
        return self.inner.quadratic

    @property
    def descends(self) -> bool:
        return self.inner.descends

    @property
    def metric(self) -> Array:
        return np.asarray(self.inner.metric @ self.basis**2)

    @property
    def scale(self) -> float:
        return self.inner.scale

    def value(self, outputs: Array) -> float:
        return self.inner.value(self.basis @ outputs)

    def risk(self, outputs: Array) -> float:
        return self.inner.risk(self.basis @ outputs)

    def gradient(self, outputs: Array) -> Array:
        return self.inner.gradient(outputs @ self.basis.T) @ self.basis

    def hessian(self, outputs: Array) -> Dense:
        return Dense(self.basis.T @ (self.inner.hessian(self.basis @ outputs) @ self.basis))

    def conjugate(self, gradient: Array) -> float:
        found = self.conjugate_gradient(gradient)
        return float(gradient @ found) - self.value(found) if np.isfinite(found).all() else math.inf

    def conjugate_gradient(self, gradient: Array) -> Array:
        return self._memory.of(gradient, self._maximiser)

    def _maximiser(self, gradient: Array) -> Array:
        """The q of the conjugate, by damped Newton steps on L(B q) - g . q from q = 0."""
        q = np.zeros(self.basis.shape[1])
        height, slope = self._tilted(q, gradient)
        for _ in range(ITERATIONS):
            size, scale = float(np.linalg.norm(slope)), self._magnitude(q, gradient)
            if size <= ENOUGH * scale:
                return q
            try:
                step = -np.linalg.solve(self.hessian(q).dense(), slope)
            except np.linalg.LinAlgError:
                break
            length, fall = 1.0, float(slope @ step)
            reached, turned = self._tilted(q + step, gradient)
            while not (reached <= height + 0.25 * length * fall or np.linalg.norm(turned) <= 0.5 * size):
                length *= 0.5
                if not (length > SHORTEST):
                    return q if size <= STALLED * scale else q * np.nan
                reached, turned = self._tilted(q + length * step, gradient)
            q, height, slope = q + length * step, reached, turned
        return q * np.nan

    def _tilted(self, q: Array, gradient: Array) -> tuple[float, Array]:
        """L(B q) - g . q and its gradient."""
        return self.value(q) - float(gradient @ q), self.gradient(q) - gradient

    def _magnitude(self, q: Array, gradient: Array) -> float:
        """What the difference of gradients adds up."""
        terms = np.abs(self.inner.gradient(self.basis @ q)) @ np.abs(self.basis)
        return float(np.linalg.norm(terms) + np.linalg.norm(gradient))

    def chord(self, start: Array) -> Loss:
        return LossThrough(self.inner.chord(self.basis @ start), self.basis)

    def mean_gradient(self, start: Array, end: Array) -> Array:
        return self.inner.mean_gradient(self.basis @ start, self.basis @ end) @ self.basis

    def rounding(self, outputs: Array) -> float:
        return self.inner.rounding(self.basis @ outputs)

    def shifted(self, origin: Array) -> Loss:
        return LossThrough(self.inner.shifted(self.basis @ origin), self.basis)

    def through(self, basis: Array) -> Loss:
        return LossThrough(self.inner, self.basis @ basis)
