"""The objective: a finite feature map under a convex loss (docs/mathematics.md, section 2).

    R(rho) = c + sum_m omega_m (y_m - (Phi rho)_m)^2,        (Phi rho)_m = ∫ Phi_m(z) rho(dz)
    L = R / 2,     Psi(z; rho) = grad L(Phi rho) . Phi(z)

A scheme reaches the risk only through the M *outputs* Phi rho and the value and gradient of Phi.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..arrays import Array


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
    """Risk of a law rho through its outputs Phi rho.

    Attributes:
        features: the feature map Phi.
        weights: omega, shape (M,), positive.
        targets: y, shape (M,).
        constant: c, the part of the risk that no law changes.
    """

    features: FeatureMap
    weights: Array
    targets: Array
    constant: float = 0.0

    def risk(self, outputs: Array) -> float:
        """R at outputs Phi rho of shape (M,)."""
        residual = self.targets - outputs
        return self.constant + float(np.dot(self.weights * residual, residual))

    def loss(self, outputs: Array) -> float:
        """L = R / 2, the functional whose Wasserstein gradient flow is the dynamics."""
        return 0.5 * self.risk(outputs)

    def loss_gradient(self, outputs: Array) -> Array:
        """grad L, shape (M,): Psi = loss_gradient . Phi."""
        return self.weights * (outputs - self.targets)

    def loss_hessian(self, outputs: Array) -> Array:
        """Hess L, shape (M, M); constant for the square loss."""
        return np.diag(self.weights)

    def outputs(self, points: Array, masses: Array) -> Array:
        """Phi rho, shape (M,), of the atomic law sum_i masses_i delta_{points_i}."""
        return self.features.outputs(points, masses)

    def psi(self, points: Array, outputs: Array) -> Array:
        """Psi(z; rho), shape (n,), of the law with these outputs."""
        return self.features.values(points) @ self.loss_gradient(outputs)

    def psi_gradient(self, points: Array, outputs: Array) -> Array:
        """grad Psi(z; rho), shape (n, D)."""
        return self.features.contract(points, self.loss_gradient(outputs))[1]
