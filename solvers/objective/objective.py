"""The objective: a finite feature map under a convex loss (docs/mathematics.md, section 2).

    L(Phi rho),     (Phi rho)_m = ∫ Phi_m(z) rho(dz),     Psi(z; rho) = grad L(Phi rho) . Phi(z)

with R = 2 L = c + sum_m omega_m (y_m - (Phi rho)_m)^2 for the square loss. A scheme reaches the risk only through the
M *outputs* Phi rho, the value and gradient of Phi, and the `Loss`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..arrays import Array
from .losses.interface import Loss


class FeatureMap(Protocol):
    """A map z -> Phi(z) from the reduced space (dimension D) to R^M."""

    @property
    def dimension(self) -> int:
        """D, the number of reduced coordinates."""
        ...

    @property
    def rank(self) -> int:
        """M, the number of features."""
        ...

    def values(self, points: Array) -> Array:
        """Phi at `points` of shape (n, D), as an array of shape (n, M)."""
        ...

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        """Phi, shape (n, M), and its gradient, shape (n, M, D), one-sided where a coordinate sits on its bound."""
        ...

    def outputs(self, points: Array, masses: Array) -> Array:
        """Phi rho, shape (M,), of sum_i masses_i delta_{points_i}."""
        ...

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        """coefficients . Phi, shape (n,), and its gradient, shape (n, D)."""
        ...


class DenseFeatures:
    """Mixin: `outputs` and `contract` of a feature map whose n x M values are cheap to form."""

    def outputs(self: FeatureMap, points: Array, masses: Array) -> Array:
        return np.asarray(masses @ self.values(points))

    def contract(self: FeatureMap, points: Array, coefficients: Array) -> tuple[Array, Array]:
        values, gradients = self.values_and_gradients(points)
        return values @ coefficients, np.einsum("nmd,m->nd", gradients, coefficients)


@dataclass(frozen=True)
class Objective:
    """A convex loss L of the outputs Phi rho of a law.

    Attributes:
        features: the feature map Phi.
        loss: L, of M outputs.
    """

    features: FeatureMap
    loss: Loss

    def risk(self, outputs: Array) -> float:
        """The risk that is reported, at outputs Phi rho of shape (M,): 2 L for the square loss, L for others."""
        return self.loss.risk(outputs)

    def energy(self, outputs: Array) -> float:
        """2 L, the share of the loss in the free energy F = 2 L + ... that the dynamics halve and lower."""
        return 2.0 * self.loss.value(outputs)

    def loss_gradient(self, outputs: Array) -> Array:
        """grad L, shape (M,): Psi = loss_gradient . Phi."""
        return self.loss.gradient(outputs)

    def outputs(self, points: Array, masses: Array) -> Array:
        """Phi rho, shape (M,), of the atomic law sum_i masses_i delta_{points_i}."""
        return self.features.outputs(points, masses)

    def psi(self, points: Array, outputs: Array) -> Array:
        """Psi(z; rho), shape (n,), of the law with these outputs."""
        return self.features.values(points) @ self.loss_gradient(outputs)
