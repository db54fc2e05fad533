"""The error function."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from mfpde.problem.activations.interface import ACTIVATIONS
from mfpde.solvers.activations.activation import ARCSINE, Arc, Moments, Pair
from mfpde.solvers.activations.smooth import Smooth
from mfpde.solvers.arrays import Array

VANISHING = 1e-200
"""What stands for 0 where offsets divide one another."""


@ACTIVATIONS.register("erf")
class Erf(Smooth):
    """erf(u), entire; the strip is where it stays of order one."""

    strip = 1.0
    limits = (-1.0, 1.0)
    steepest = 2.0 / math.sqrt(math.pi)
    sharpest = math.sqrt(8.0 / (math.pi * math.e))
    variation = 4.0 / math.sqrt(math.pi)
    turns = (-math.sqrt(0.5), math.sqrt(0.5))
    arc = Arc(ARCSINE)

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

    def pair_moments(
        self, p: int, q: int, scales: Pair, offsets: Pair, correlation: Array, gap: Array | None = None
    ) -> Array:
        if q > p:
            return self.pair_moments(q, p, scales[::-1], offsets[::-1], correlation, gap)
        pair = _TiltedPair.of(scales, offsets, correlation, gap)
        if p == 0:
            return pair.quadrant
        if (p, q) == (1, 1):
            return np.asarray(pair.weight * pair.slope)
        if p == 1:
            return np.asarray(pair.weight * pair.mean)
        # -2 E u erf(v) under the tilted law
        return np.asarray(-2.0 * pair.weight * (offsets[0] * pair.shrink * pair.mean + scales[0] * pair.lift))

    def tilted_moments(self, scales: Pair, offsets: Pair, correlation: Array, gap: Array | None = None) -> Array:
        pair = _TiltedPair.of(scales, offsets, correlation, gap)
        return np.asarray(pair.weight * (pair.centre * pair.mean + pair.lift))

    @staticmethod
    def loop(u: Any, value: Any, gate: Any, count: int) -> None:
        for i in range(count):
            value[i] = math.erf(u[i])
            gate[i] = 2.0 / math.sqrt(math.pi) * math.exp(-u[i] * u[i])


@dataclass(frozen=True)
class _TiltedPair:
    """u = t X + b and v = t' Y + b', (X, Y) a standard pair of correlation rho; under the weight erf'(u) X is normal.

    Attributes:
        u, v: (t, b) and (t', b').
        correlation: rho.
        apart: 1 - rho^2.
    """

    u: Pair
    v: Pair
    correlation: Array
    apart: Array

    @classmethod
    def of(cls, scales: Pair, offsets: Pair, correlation: Array, gap: Array | None) -> _TiltedPair:
        gap = 1.0 - np.abs(correlation) if gap is None else gap
        (t, other), (b, level) = scales, offsets
        return cls((t, b), (other, level), correlation, gap * (2.0 - gap))

    @property
    def shrink(self) -> Array:
        """The variance of X under the weight, 1 / (1 + 2 t^2)."""
        return np.asarray(1.0 / (1.0 + 2.0 * self.u[0] ** 2))

    @property
    def weight(self) -> Array:
        """E erf'(u)."""
        return np.asarray(
            Erf.steepest * np.sqrt(self.shrink) * np.exp(-np.minimum(self.u[1] ** 2 * self.shrink, 700.0))
        )

    @property
    def centre(self) -> Array:
        """The mean of X under the weight."""
        return np.asarray(-2.0 * self.u[0] * self.u[1] * self.shrink)

    @property
    def _place(self) -> tuple[Array, Array]:
        """The mean of v under the weight over its width, and that: E erf(v) is erf of the first."""
        spread = self.v[0] ** 2 * (self.correlation**2 * self.shrink + self.apart)
        width = np.sqrt(1.0 + 2.0 * spread)
        return (self.v[1] + self.v[0] * self.correlation * self.centre) / width, width

    @property
    def mean(self) -> Array:
        """E erf(v) under the weight."""
        return np.asarray(special.erf(self._place[0]))

    @property
    def slope(self) -> Array:
        """E erf'(v) under the weight."""
        place, width = self._place
        return np.asarray(Erf.steepest * np.exp(-np.minimum(place**2, 700.0)) / width)

    @property
    def lift(self) -> Array:
        """The covariance of X and erf(v) under the weight."""
        return np.asarray(self.correlation * self.v[0] * self.shrink * self.slope)

    @property
    def quadrant(self) -> Array:
        """E erf(u) erf(v) = 4 P(G < h, G' < k) - 2 P(G < h) - 2 P(G' < k) + 1, (G, G') a standard pair; by Owen's T."""
        (t, b), (other, level) = self.u, self.v
        first, second = np.sqrt(1.0 + 2.0 * t**2), np.sqrt(1.0 + 2.0 * other**2)
        h, k = (np.where(x == 0.0, VANISHING, x) for x in (np.sqrt(2.0) * b / first, np.sqrt(2.0) * level / second))
        rho = 2.0 * t * other * self.correlation / (first * second)
        rest = np.sqrt(1.0 + 2.0 * (t**2 + other**2) + 4.0 * (t * other) ** 2 * self.apart) / (first * second)
        # 1 - |rho| without its cancellation
        side = np.where(rho < 0.0, -1.0, 1.0)
        short = side * rest**2 / (1.0 + np.abs(rho))
        with np.errstate(over="ignore"):
            parts = special.owens_t(h, (k / h - side + short) / rest) + special.owens_t(
                k, (h / k - side + short) / rest
            )
        return np.asarray(1.0 - 4.0 * parts - 2.0 * (h * k < 0.0))


def _times(factors: Array, rows: Array) -> Array:
    """Rows times numbers."""
    return factors.reshape(-1, *(1,) * (rows.ndim - 1)) * rows
