"""Risk and gradient of a finite network over x ~ N(0, Id_d), y = sum_k g_k(x_k) + noise, exact.

    R_N = E y^2 - (2/N) sum_i a_i sum_k T_k(w_i, b_i) + (1/N^2) sum_ij a_i a_j E sigma(u_i) sigma(u_j),
    T_k(w, b) = E g_k(x_k) sigma(<w, x> + b) = E_v[ g_k(v) q(s, w_k v + b) ],      s^2 = |w|^2 - w_k^2.

The pairs are those of `gradient` and `risk`, T_k that of `pulls`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..activations.activation import Activation
from ..arrays import Array
from ..normal import Teacher, projected
from ..sgd.samplers import Projections
from .gradient import Pairs
from .population import Measured
from .pulls import pulled
from .risk import squared_output


@dataclass(frozen=True)
class ProjectedPopulation:
    """Exact risk and gradient where y is a sum of functions of single coordinates.

    Attributes:
        data: of which the noise is read.
        unit: sigma.
        teachers: g_k of the first coordinates of x.
    """

    data: Projections
    unit: Activation
    teachers: tuple[Teacher, ...]

    def risk(self, w: Array, a: Array, b: Array) -> float:
        _, square = squared_output(self.unit, w, a, b)
        mixed = float(np.mean(a * self._mixed(w, b)[0]))
        return self._second_moment - 2.0 * mixed + square

    def measure(self, w: Array, a: Array, b: Array) -> Measured:
        return Measured(self.risk(w, a, b), 0.0)

    def unit_squares(self, points: Array, b: Array) -> Array:
        return self.unit.second_moments(np.linalg.norm(points, axis=1), b)

    def gradient(
        self, w: Array, a: Array, b: Array, trained_coefficients: bool = False, trained_offsets: bool = False
    ) -> tuple[Array, Array, Array]:
        gw, ga, gb = np.zeros_like(w), np.zeros_like(a), np.zeros_like(b)
        share = a / len(a)
        pairs, (mixed, along, by_offset) = Pairs.of(self.unit, w, b), self._mixed(w, b)
        gw += a[:, None] * (pairs.pull(share) - along)
        if trained_coefficients:
            ga += pairs.moments(0, 0) @ share - mixed
        if trained_offsets:
            gb += a * (pairs.moments(1, 0) @ share - by_offset)
        return gw, ga, gb

    @property
    def _second_moment(self) -> float:
        """E y^2."""
        squares = [projected(lambda v, g=g: g(v) ** 2, g.breaks) for g in self.teachers]  # type: ignore[misc]
        means = [projected(g, g.breaks) for g in self.teachers]
        variance = sum(square - mean**2 for square, mean in zip(squares, means, strict=True))
        return float(variance + sum(means) ** 2 + self.data.noise**2)

    def _mixed(self, w: Array, b: Array) -> tuple[Array, Array, Array]:
        """sum_k T_k of every neuron, shape (N,), and its derivatives in w, shape (N, d), and b, shape (N,)."""
        mixed, slopes, by_offset = np.zeros(len(w)), np.zeros_like(w), np.zeros(len(w))
        for k, teacher in enumerate(self.teachers):
            rest = w.copy()
            rest[:, k] = 0.0
            across = np.linalg.norm(rest, axis=1)
            value, by_along, by_across, by_b = pulled(self.unit, teacher, w[:, k], across, b)
            mixed, by_offset = mixed + value, by_offset + by_b
            slopes += (by_across / np.maximum(across, np.finfo(float).tiny))[:, None] * rest
            slopes[:, k] += by_along
        return mixed, slopes, by_offset
