"""The logistic loss of classes y = +1 and -1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import expit, logit, xlogy

from ...arrays import Array
from .interface import LOSSES

FAR = 40.0
"""y f from which log(1 + exp(-y f)) is exp(-y f) in floating point."""


@LOSSES.register("logistic")
class Logistic:
    """log(1 + exp(-y f)), with the conjugate q log q + (1 - q) log(1 - q), q = -y v in [0, 1]."""

    def check(self, y: Array) -> None:
        """ValueError unless every target is +1 or -1."""
        other = y[np.abs(y) != 1.0]
        if other.size:
            raise ValueError(f"the logistic loss needs targets +1 or -1, got {other[0]:g}")

    def recession(self, y: Array) -> Array:
        """Towards the sign of y."""
        return y

    def exponents(self, y: Array) -> tuple[Array, Array]:
        return np.stack([np.zeros_like(y), -y]), np.zeros((2, len(y)))

    def value(self, f: Array, y: Array) -> Array:
        return np.asarray(np.logaddexp(0.0, -y * f))

    def slope(self, f: Array, y: Array) -> Array:
        return np.asarray(-y * expit(-y * f))

    def logarithms(self, f: Array, y: Array) -> tuple[Array, Array]:
        """log l and log |l'|: l is exp(-y f) to rounding beyond y f = 40."""
        margins = y * f
        near = np.minimum(margins, FAR)
        own = np.where(margins > FAR, -margins, np.log(np.logaddexp(0.0, -near)))
        return own, -np.logaddexp(0.0, margins)

    @staticmethod
    def pull(f: Any, y: Any, out: Any, count: int) -> None:
        """out[i] = -l'(f[i], y[i]), for compiled loops."""
        for i in range(count):
            out[i] = y[i] / (1.0 + math.exp(min(y[i] * f[i], 700.0)))

    def curvature(self, f: Array, y: Array) -> Array:
        return np.asarray(expit(f) * expit(-f))

    def conjugate(self, v: Array, y: Array) -> Array:
        q = -y * v
        inside = np.clip(q, 0.0, 1.0)
        return np.where(q == inside, xlogy(inside, inside) + xlogy(1.0 - inside, 1.0 - inside), np.inf)

    def conjugate_slope(self, v: Array, y: Array) -> Array:
        q = -y * v
        inside = (q > 0.0) & (q < 1.0)
        return np.where(inside, -y * logit(np.where(inside, q, 0.5)), np.nan)
