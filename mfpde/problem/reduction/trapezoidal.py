"""Fitting a density on the line by equal Gaussian bumps: the finite feature map of their locations.

The unit is phi(x; z) = N(x; z, s^2), the target f(x) = sum_k w_k N(x; m_k, s^2), and the risk the squared L2 distance
with respect to Lebesgue measure,

    R(rho) = ∫(f - f_rho)^2 dx,     U(z, z') = ∫phi(x; z) phi(x; z') dx = N(z; z', 2 s^2).

The trapezoidal rule with step h takes these integrals with the relative error 2 exp(-(pi s / h)^2): its nodes are the
features.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.objective import DenseFeatures


@dataclass(frozen=True)
class GaussianBumps:
    """The target f(x) = sum_k w_k N(x; m_k, s^2) on the line, fitted by units N(x; z, s^2) in L2(dx).

    Attributes:
        centres: m_k.
        weights: w_k.
        width: s.
    """

    centres: tuple[float, ...]
    weights: tuple[float, ...]
    width: float

    @property
    def squared_norm(self) -> float:
        """∫f^2 dx = sum_kl w_k w_l N(m_k; m_l, 2 s^2)."""
        height = 1.0 / (2.0 * math.sqrt(math.pi) * self.width)
        pairs = zip(self.centres, self.weights, strict=True), zip(self.centres, self.weights, strict=True)
        return height * sum(
            first_weight * weight * math.exp(-(((first - centre) / (2.0 * self.width)) ** 2))
            for (first, first_weight), (centre, weight) in itertools.product(*pairs)
        )


STEP = 0.5
"""Step of the trapezoidal rule in widths s: an error of 2 exp(-4 pi^2), below rounding."""


@dataclass(frozen=True)
class BumpFeatures(DenseFeatures):
    """sqrt(h) N(x_m; z, s^2) at equidistant nodes x_m, reflected so that the target has one component only.

    Attributes:
        nodes: x_m, shape (M,).
        width: s.
        mirror: unit normal v of the reflection Phi -> Phi - 2 v (v . Phi), shape (M,).
    """

    nodes: Array
    width: float
    mirror: Array

    @property
    def dimension(self) -> int:
        return 1

    @property
    def rank(self) -> int:
        return len(self.nodes)

    def values(self, points: Array) -> Array:
        return self._reflected(bumps(self.nodes, points, self.width))

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        values = bumps(self.nodes, points, self.width)
        slopes = values * ((self.nodes - points) / self.width**2)
        return self._reflected(values), self._reflected(slopes)[:, :, None]

    def _reflected(self, rows: Array) -> Array:
        return np.asarray(rows - 2.0 * np.outer(rows @ self.mirror, self.mirror))


def bumps(nodes: Array, points: Array, width: float) -> Array:
    """sqrt(h) N(x_m; z, s^2), shape (n, M), for nodes (M,) and points (n, 1)."""
    spacing = STEP * width
    distance = (nodes - points) / width
    height = np.sqrt(spacing) / (np.sqrt(2.0 * np.pi) * width)
    return np.asarray(height * np.exp(-0.5 * distance * distance))
