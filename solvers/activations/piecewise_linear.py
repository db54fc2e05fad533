"""Piecewise linear activations: every Gaussian moment in closed form.

With sigma'' = sum_i m_i delta_{k_i} and x_i = (k_i - b) / t, integrating by parts twice gives
c_k = t sum_i m_i n(x_i) h_{k-2}(x_i) / sqrt(k (k-1)) for k >= 2, n the normal density.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from ..arrays import Array
from .activation import TINY_SCALE, Activation, Bounds, Compiled, Moments, Pair
from .hinges import FAR, density, hinge_products


class PiecewiseLinear(Activation):
    """Continuous piecewise linear sigma(u) = left + first_slope u + sum_i kinks_i (u - knots_i)_+.

    Args:
        knots: increasing abscissae of the kinks, shape (K,).
        kinks: jumps of the slope there, shape (K,).
        left: sigma at the origin of the leftmost line.
        first_slope: slope of the leftmost line.

    Raises:
        ValueError: if the lengths differ, or anything is not finite.
    """

    name = "piecewise-linear"
    exact_bend = True

    def __init__(
        self,
        knots: Sequence[float] | Array,
        kinks: Sequence[float] | Array,
        left: float = 0.0,
        first_slope: float = 0.0,
        name: str | None = None,
    ) -> None:
        self._knots, self._kinks = np.array(knots, dtype=float), np.array(kinks, dtype=float)
        self.left, self.first_slope = float(left), float(first_slope)
        self.name = name or type(self).name
        if self.knots.shape != self.kinks.shape:
            raise ValueError(f"{self.knots.size} knots but {self.kinks.size} kinks: give one kink to each knot")
        if not np.all(np.isfinite([*self.knots, *self.kinks, left, first_slope])):
            raise ValueError("knots, kinks, left and slope of an activation must be finite")

    @classmethod
    def through(
        cls, knots: Sequence[float] | Array, values: Sequence[float] | Array, name: str | None = None
    ) -> PiecewiseLinear:
        """The interpolant of (knots, values), constant outside the first and last knot.

        Raises:
            ValueError: if the knots are not at least two, finite and strictly increasing, or lengths differ.
        """
        knots, values = np.asarray(knots, dtype=float), np.asarray(values, dtype=float)
        if knots.ndim != 1 or knots.shape != values.shape or knots.size < 2:
            raise ValueError(
                f"an activation needs two or more knots and as many values, got {knots.size} and {values.size}"
            )
        if not (np.all(np.isfinite(knots)) and np.all(np.isfinite(values)) and np.all(np.diff(knots) > 0)):
            raise ValueError("activation knots must be finite and strictly increasing, values finite")
        slopes = np.concatenate(([0.0], np.diff(values) / np.diff(knots), [0.0]))
        return PiecewiseLinear(knots, np.diff(slopes), left=float(values[0]), name=name)

    @property
    def knots(self) -> Array:
        return self._knots

    @property
    def kinks(self) -> Array:
        return self._kinks

    @property
    def linear(self) -> PiecewiseLinear:
        return self

    @property
    def homogeneity(self) -> float | None:  # type: ignore[override]
        """1 for a cone at 0."""
        return 1.0 if self.left == 0.0 and not np.any(self.knots[self.kinks != 0.0]) else None

    @property
    def single_slope(self) -> float:
        """The slope of sigma where it is not flat, if it is the same everywhere; 0 if there are several, or none."""
        slopes = {slope for slope in np.cumsum((self.first_slope, *self.kinks)).tolist() if slope != 0.0}
        return slopes.pop() if len(slopes) == 1 else 0.0

    def value(self, u: Array) -> Array:
        hinges = np.maximum(np.subtract.outer(u, self.knots), 0.0)
        return np.asarray(self.left + self.first_slope * u + hinges @ self.kinks)

    def slope(self, u: Array) -> Array:
        return np.asarray(self.first_slope + np.greater_equal.outer(u, self.knots) @ self.kinks)

    def bend(self, u: Array) -> Array:
        return np.zeros_like(u)

    def affine(self, coefficient: float, offset: float) -> PiecewiseLinear:
        left = coefficient * (self.left + self.first_slope * offset)
        slope = coefficient * self.first_slope
        return PiecewiseLinear(self.knots - offset, coefficient * self.kinks, left, slope, self.name)

    def bounds(self) -> Bounds:
        slopes = self.first_slope + np.concatenate([[0.0], np.cumsum(self.kinks)])
        steepest = float(np.max(np.abs(slopes)))
        # how fast it rises outwards, to the left and to the right
        ends = [end for end in (-slopes[0], slopes[-1]) if not (abs(end) <= 1e-14 * steepest)]
        reached = [*self.value(np.append(self.knots, 0.0)), *(math.copysign(math.inf, end) for end in ends)]
        at_zero = float(self.value(np.zeros(1))[0])
        return Bounds(
            float(min(reached)), float(max(reached)), at_zero, steepest, self.knots, self.kinks, math.inf, 0.0
        )

    def compiled(self, precision: str) -> Compiled:
        """Row 0 (left, slope), then a row (knot, kink) for each knot; at least two, padded by kinks of 0."""
        rows = [(self.left, self.first_slope), *zip(self.knots, self.kinks, strict=True)]
        return 0, np.array(rows + [(0.0, 0.0)] * (3 - len(rows))).astype(precision)

    def _standardised(self, scale: Array, offset: Array) -> Array:
        distance = self.knots[None, :] - offset[:, None]
        return np.clip(distance / np.maximum(scale, TINY_SCALE)[:, None], -FAR, FAR)

    def mean(self, scale: Array, offset: Array) -> Moments:
        x = self._standardised(scale, offset)
        dense = np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)
        tail = special.ndtr(-x)
        hinge = scale[:, None] * dense - (self.knots[None, :] - offset[:, None]) * tail
        return Moments(
            self.left + self.first_slope * offset + hinge @ self.kinks,
            dense @ self.kinks,
            self.first_slope + tail @ self.kinks,
        )

    def even_hermite(self, scale: Array, offset: Array, highest: int) -> Moments:
        from .kernels import piecewise_linear_hermite

        x = self._standardised(scale, offset)
        moments = np.zeros((3, scale.size, highest // 2))
        piecewise_linear_hermite(scale, x, self.kinks, moments)
        return Moments(*moments)

    def coefficients(self, scale: Array, offset: Array, terms: int, order: int = 0) -> Array:
        from .kernels import kink_coefficients

        x = self._standardised(scale, offset)
        dense, tail = density(x), special.ndtr(-x)
        found = np.zeros((len(scale), terms))
        if order == 0:
            hinge = scale[:, None] * dense - (self.knots - offset[:, None]) * tail
            found[:, 0] = self.left + self.first_slope * offset + hinge @ self.kinks
            found[:, 1] = scale * (self.first_slope + tail @ self.kinks)
        elif order == 1:
            found[:, 0] = self.first_slope + tail @ self.kinks
        factor = (scale, np.ones_like(scale), 1.0 / np.maximum(scale, TINY_SCALE))[order]
        kink_coefficients(factor, x, dense * self.kinks, order, found)
        return found

    def second_moments(self, scale: Array, offset: Array) -> Array:
        distance, x = self.knots - offset[:, None], self._standardised(scale, offset)
        dense, tail = density(x), special.ndtr(-x)
        line = self.left + self.first_slope * offset
        hinges = scale[:, None] * dense - distance * tail
        moments = line**2 + (self.first_slope * scale) ** 2
        moments = moments + 2.0 * (line * (hinges @ self.kinks) + self.first_slope * scale**2 * (tail @ self.kinks))
        for p in range(self.knots.size):
            for q in range(p + 1):
                # q's knot lies below p's: the product is (u - k_p)_+^2 + (k_p - k_q) (u - k_p)_+
                square = (scale**2 + distance[:, p] ** 2) * tail[:, p] - scale * distance[:, p] * dense[:, p]
                product = square + (self.knots[p] - self.knots[q]) * hinges[:, p]
                moments = moments + (1.0 if p == q else 2.0) * self.kinks[p] * self.kinks[q] * product
        return np.asarray(moments)

    def pair_moments(self, p: int, q: int, scales: Pair, offsets: Pair, correlation: Array) -> Array:
        if p == 2:
            return self._at_kinks(q, scales, offsets, correlation)
        orders = (p, q)
        x = [(self.knots - offset[:, None]) / scale[:, None] for scale, offset in zip(scales, offsets, strict=True)]
        # a hinge is scale (X - x)_+, its derivative a step
        sizes = [scale if order == 0 else np.ones_like(scale) for scale, order in zip(scales, orders, strict=True)]
        lines = [self._line(order, scale, b) for order, scale, b in zip(orders, scales, offsets, strict=True)]
        total = lines[0][0] * lines[1][0] + lines[0][1] * lines[1][1] * correlation
        for i, kink in enumerate(self.kinks):
            for side in range(2):
                level, rise = lines[1 - side]
                h = x[side][:, i]
                dense, tail = density(h), special.ndtr(-h)
                hinge, tilted = (dense - h * tail, tail) if orders[side] == 0 else (tail, dense)
                total = total + kink * sizes[side] * (level * hinge + rise * correlation * tilted)
            for j, other in enumerate(self.kinks):
                products = hinge_products(p, q, x[0][:, i], x[1][:, j], correlation)
                total = total + kink * other * sizes[0] * sizes[1] * products
        return np.asarray(total)

    def _line(self, order: int, scale: Array, offset: Array) -> tuple[Array, Array]:
        """The leftmost line as c + s X, or its slope."""
        if order == 1:
            return np.full_like(scale, self.first_slope), np.zeros_like(scale)
        return self.left + self.first_slope * offset, self.first_slope * scale

    def _at_kinks(self, q: int, scales: Pair, offsets: Pair, correlation: Array) -> Array:
        """E sigma''(u) sigma^(q)(v): v has a normal law where u is at a knot."""
        total = np.zeros_like(correlation)
        width = np.sqrt(np.maximum((1.0 - correlation) * (1.0 + correlation), 0.0))
        for knot, kink in zip(self.knots, self.kinks, strict=True):
            x = (knot - offsets[0]) / scales[0]
            mean = offsets[1] + correlation * scales[1] * x
            total += kink / scales[0] * density(x) * self._under_normal(q, mean, scales[1] * width)
        return total

    def _under_normal(self, order: int, mean: Array, spread: Array) -> Array:
        """E sigma^(order)(N(mean, spread^2)), spread >= 0, order 0 or 1; at a knot itself half the jump."""
        found = self.left + self.first_slope * mean if order == 0 else np.full_like(mean, self.first_slope)
        safe = np.maximum(spread, 1e-300)
        for knot, kink in zip(self.knots, self.kinks, strict=True):
            above = mean - knot
            with np.errstate(over="ignore", under="ignore"):
                z = np.clip(above / safe, -FAR, FAR)
            upper = np.where(spread > 0.0, special.ndtr(z), 0.5 * (1.0 + np.sign(above)))
            found = found + kink * (upper if order == 1 else above * upper + spread * density(z))
        return np.asarray(found)
