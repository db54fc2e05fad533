"""A smooth loss that grows like |f - y|."""

from __future__ import annotations

import numpy as np
from scipy.special import xlogy

from ...arrays import Array
from .interface import LOSSES


@LOSSES.register("log-cosh")
class LogCosh:
    """log cosh(f - y): the square loss near the target, the absolute one far from it."""

    def exponents(self, y: Array) -> tuple[Array, Array]:
        return np.stack([np.ones_like(y), -np.ones_like(y)]), np.stack([-y, y]) - np.log(2.0)

    def value(self, f: Array, y: Array) -> Array:
        distance = np.abs(f - y)
        return np.asarray(distance + np.log1p(np.exp(-2.0 * distance)) - np.log(2.0))

    def slope(self, f: Array, y: Array) -> Array:
        return np.asarray(np.tanh(f - y))

    def curvature(self, f: Array, y: Array) -> Array:
        shrink = np.exp(-2.0 * np.abs(f - y))
        return np.asarray(4.0 * shrink / (1.0 + shrink) ** 2)

    def conjugate(self, v: Array, y: Array) -> Array:
        inside = np.clip(v, -1.0, 1.0)
        entropy = xlogy(0.5 * (1.0 + inside), 1.0 + inside) + xlogy(0.5 * (1.0 - inside), 1.0 - inside)
        return np.where(v == inside, v * y + entropy, np.inf)

    def conjugate_slope(self, v: Array, y: Array) -> Array:
        inside = np.abs(v) < 1.0
        return np.where(inside, y + np.arctanh(np.where(inside, v, 0.0)), np.nan)
