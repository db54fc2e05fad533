"""The error function."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from mfpde.problem.activations.interface import ACTIVATIONS
from mfpde.solvers.activations.activation import Moments
from mfpde.solvers.activations.smooth import Smooth
from mfpde.solvers.arrays import Array


@ACTIVATIONS.register("erf")
class Erf(Smooth):
    """erf(u), entire; the strip is where it stays of order one."""

    strip = 1.0
    limits = (-1.0, 1.0)
    steepest = 2.0 / math.sqrt(math.pi)
    sharpest = math.sqrt(8.0 / (math.pi * math.e))
    variation = 4.0 / math.sqrt(math.pi)

    def value(self, u: Array) -> Array:
        return np.asarray(special.erf(u))

    def slope(self, u: Array) -> Array:
        return np.asarray(2.0 / np.sqrt(np.pi) * np.exp(-np.minimum(u * u, 700.0)))

    def bend(self, u: Array) -> Array:
        return np.asarray(-2.0 * u * self.slope(u))

    def mean(self, scale: Array, offset: Array) -> Moments:
        """erf(b / D), D^2 = 1 + 2 t^2."""
        width = np.sqrt(1.0 + 2.0 * scale**2)
        slope = self.slope(offset / width)
        return Moments(self.value(offset / width), -2.0 * scale * offset * slope / width**3, slope / width)

    def even_hermite(self, scale: Array, offset: Array, highest: int) -> Moments:
        """c_k = 2 (-1)^(k-1) (t/T)^k h_(k-1)(b/T) n(b/T) / sqrt(k), T^2 = t^2 + 1/2; see `expansion`."""
        return self.expansion(scale, offset, highest)[1]

    def expansion(self, scale: Array, offset: Array, highest: int) -> tuple[Moments, Moments]:
        """In closed form; d/db c_k = sqrt(k+1) c_(k+1) / t, d/dt c_k = (k c_k + sqrt((k+1)(k+2)) c_(k+2)) / t."""
        width = np.sqrt(scale**2 + 0.5)
        ratio, place = scale / width, offset / width
        count = highest + 2
        # (t/T)^(k-1) h_(k-1)(x) n(x) for k = 1 ... highest + 2, upwards: the powers keep them from growing
        terms = np.empty((count, *scale.shape))
        terms[0] = np.exp(-np.minimum(0.5 * place**2, 700.0)) / math.sqrt(2.0 * math.pi)
        if count > 1:
            terms[1] = ratio * place * terms[0]
        for k in range(2, count):
            terms[k] = (ratio * place * terms[k - 1] - math.sqrt(k - 1.0) * ratio**2 * terms[k - 2]) / math.sqrt(k)
        orders = np.arange(1.0, count + 1.0)
        signs = 2.0 * (-1.0) ** (orders - 1.0) / np.sqrt(orders)
        # c_k / t
        reduced = (signs[:, None] * terms.reshape(count, -1)).reshape(terms.shape) / width
        even = orders[1:-1:2] if highest else orders[:0]
        root, next_root = np.sqrt(even + 1.0), np.sqrt((even + 1.0) * (even + 2.0))
        at = even.astype(int) - 1
        parts = (
            scale * reduced[at],
            _times(even, reduced[at]) + _times(next_root, reduced[at + 2]),
            _times(root, reduced[at + 1]),
        )
        return self.mean(scale, offset), Moments(*(np.moveaxis(part, 0, -1) for part in parts))

    def moment_error(self, scale: Array, offset: Array, highest: int) -> float:
        return 0.0

    @staticmethod
    def loop(u: Any, value: Any, gate: Any, count: int) -> None:
        for i in range(count):
            value[i] = math.erf(u[i])
            gate[i] = 2.0 / math.sqrt(math.pi) * math.exp(-u[i] * u[i])


def _times(factors: Array, rows: Array) -> Array:
    """Rows times numbers."""
    return factors.reshape(-1, *(1,) * (rows.ndim - 1)) * rows
