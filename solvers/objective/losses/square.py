"""The square loss, R = 2 L = c + sum_m omega_m (y_m - q_m)^2."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...arrays import Array
from .hessian import Diagonal
from .interface import LOSSES, Loss
from .through import LossThrough


@dataclass(frozen=True)
class SquareLoss(Loss):
    """L = R / 2 with a diagonal quadratic R.

    Attributes:
        weights: omega, shape (M,), positive.
        targets: y, shape (M,).
        constant: c, the part of the risk that no law changes.
    """

    weights: Array
    targets: Array
    constant: float = 0.0

    @property
    def quadratic(self) -> bool:
        return True

    @property
    def metric(self) -> Array:
        return self.weights

    @property
    def scale(self) -> float:
        return self.constant + float(np.dot(self.weights, self.targets**2))

    @property
    def free(self) -> NDArray[np.bool_]:
        return np.asarray((self.weights == 1.0) & (self.targets == 0.0))

    def value(self, outputs: Array) -> float:
        return 0.5 * self.risk(outputs)

    def risk(self, outputs: Array) -> float:
        residual = self.targets - outputs
        return self.constant + float(np.dot(self.weights * residual, residual))

    def gradient(self, outputs: Array) -> Array:
        return self.weights * (outputs - self.targets)

    def hessian(self, outputs: Array) -> Diagonal:
        return Diagonal(self.weights)

    def conjugate(self, gradient: Array) -> float:
        return float(gradient @ self.targets + 0.5 * gradient @ (gradient / self.weights)) - 0.5 * self.constant

    def conjugate_gradient(self, gradient: Array) -> Array:
        return self.targets + gradient / self.weights

    def mismatch(self, outputs: Array, gradient: Array) -> Array:
        return outputs - self.targets - gradient / self.weights

    def divergence(self, start: Array, move: Array) -> float:
        return 0.5 * float(self.weights @ move**2)

    def chord(self, start: Array) -> SquareLoss:
        return SquareLoss(0.5 * self.weights, 2.0 * self.targets - start)

    def mean_gradient(self, start: Array, end: Array) -> Array:
        return self.gradient(0.5 * (start + end))

    def model(self, outputs: Array) -> tuple[Diagonal, Array]:
        return Diagonal(self.weights), self.weights * self.targets

    def rounding(self, outputs: Array) -> float:
        residual = np.abs(outputs - self.targets)
        return float(self.weights * residual @ (np.abs(outputs) + np.abs(self.targets)))

    def through(self, basis: Array) -> Loss:
        return LossThrough(self, basis)

    def shifted(self, origin: Array) -> SquareLoss:
        return replace(self, targets=self.targets + origin)

    def rotated(self, kept: int, rank: int) -> SquareLoss:
        if not self.free[kept:].all():
            raise ValueError("outputs with a target or a weight other than 1 may not be rotated freely")
        weights = np.concatenate([self.weights[:kept], np.ones(rank)])
        return SquareLoss(weights, np.concatenate([self.targets[:kept], np.zeros(rank)]), self.constant)


@LOSSES.register("square")
class Square:
    """(f - y)^2 / 2."""

    def value(self, f: Array, y: Array) -> Array:
        return 0.5 * (f - y) ** 2

    def slope(self, f: Array, y: Array) -> Array:
        return f - y

    def curvature(self, f: Array, y: Array) -> Array:
        return np.ones_like(f)

    def conjugate(self, v: Array, y: Array) -> Array:
        return v * (y + 0.5 * v)

    def conjugate_slope(self, v: Array, y: Array) -> Array:
        return y + v
