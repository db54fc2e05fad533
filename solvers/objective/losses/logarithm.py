"""log L of a loss that falls for ever: its gradient flow is that of L in the clock ds = L dt.

grad log L = grad L / L does not fade as L vanishes: for the logistic loss it is the softmax of the margins, which
logarithms of l and l' give where exp(y f) overflows. It is not convex, and F = 2 log L + ... falls without end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from ...arrays import Array
from .hessian import Diagonal
from .interface import Loss
from .pointwise import PointwiseLoss


def has_logarithms(pointwise: object) -> bool:
    """Whether a pointwise loss says log l and log |l'|."""
    return callable(getattr(pointwise, "logarithms", None))


@dataclass(frozen=True)
class LogarithmicLoss(Loss):
    """log L of L(q) = sum_m omega_m l(q_m, y_m), l > 0; the reported risk is still L.

    Attributes:
        inner: L, whose l has a method `logarithms(f, y)`: log l and log |l'|.
    """

    inner: PointwiseLoss

    @property
    def metric(self) -> Array:
        return self.inner.metric

    @property
    def scale(self) -> float:
        return self.inner.scale

    @property
    def recession(self) -> Array | None:
        return self.inner.recession

    def value(self, outputs: Array) -> float:
        return float(self._logarithms(outputs)[1][..., 0])

    def risk(self, outputs: Array) -> float:
        return self.inner.value(outputs)

    def gradient(self, outputs: Array) -> Array:
        steepness, level = self._logarithms(outputs)
        assert self.recession is not None, "l falls for ever"
        return np.asarray(-np.sign(self.recession) * np.exp(steepness - level))

    def hessian(self, outputs: Array) -> Diagonal:
        """What it does not exceed where l'' <= |l'|, as for the logistic loss."""
        return Diagonal(np.abs(self.gradient(outputs)))

    def conjugate(self, gradient: Array) -> float:
        """log L falls without end, and is not convex."""
        return float(np.inf)

    def conjugate_gradient(self, gradient: Array) -> Array:
        return np.full_like(gradient, np.nan)

    def chord(self, start: Array) -> Loss:
        raise ValueError("log L is not convex: minimising movements and reactions have no chord of it")

    def rounding(self, outputs: Array) -> float:
        return float(np.abs(self.gradient(outputs)) @ np.abs(outputs) + 2.0 * abs(self.value(outputs)))

    def through(self, basis: Array) -> Loss:
        raise ValueError("the clock of the loss takes units at samples as they are")

    def _logarithms(self, outputs: Array) -> tuple[Array, Array]:
        """log(omega |l'|), shape (..., M), and log L, shape (..., 1)."""
        own, steep = self.inner.pointwise.logarithms(outputs, self.inner.targets)  # type: ignore[attr-defined]
        shares = np.log(self.inner.weights)
        return shares + steep, np.asarray(logsumexp(shares + own, axis=-1, keepdims=True))
