"""Piecewise linear activations: every Gaussian moment to rounding, in closed form but for very steep pieces (`ramps`).

With sigma'' = sum_i m_i delta_{k_i} and x_i = (k_i - b) / t, integrating by parts twice gives
c_k = t sum_i m_i n(x_i) h_{k-2}(x_i) / sqrt(k (k-1)) for k >= 2, n the normal density.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from ..arrays import Array
from .activation import ARCCOSINE, Activation, Arc, Bounds, Compiled, Moments, Pair
from .hinges import density
from .pieces import Pieces

if TYPE_CHECKING:
    from .ramps.pair import RampPair
    from .ramps.standard import Standard


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
        self.pieces = self._pieces()

    def _pieces(self) -> Pieces:
        """The function by its values at the knots, at 0 where there are none."""
        knots, kinks = (self._knots, self._kinks) if self._knots.size else (np.zeros(1), np.zeros(1))
        # sums of slopes are exact: what is flat beyond a steep piece stays flat
        slopes = [math.fsum([self.first_slope, *kinks[:i]]) for i in range(1, len(kinks) + 1)]
        widths = np.diff(knots)
        rises = np.array(slopes[:-1]) * widths
        values = self.left + self.first_slope * knots[0] + np.concatenate([[0.0], np.cumsum(rises)])
        return Pieces(knots, values, widths, rises, self.first_slope, slopes[-1])

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
        made = PiecewiseLinear(knots, np.diff(slopes), left=float(values[0]), name=name)
        made.pieces = Pieces(knots, values, np.diff(knots), np.diff(values), 0.0, 0.0)
        return made

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
    def arc(self) -> Arc | None:
        if self.homogeneity != 1.0:
            return None
        low, kink = self.first_slope, float(self.kinks.sum())
        return Arc(ARCCOSINE, kink**2, low * (low + kink))

    @cached_property
    def single_slope(self) -> float:
        """The slope of sigma where it is not flat, if it is the same everywhere; 0 if there are several, or none."""
        slopes = {slope for slope in np.cumsum((self.first_slope, *self.kinks)).tolist() if slope != 0.0}
        return slopes.pop() if len(slopes) == 1 else 0.0

    def value(self, u: Array) -> Array:
        return self.pieces(u)

    def slope(self, u: Array) -> Array:
        return np.asarray(self.pieces.slopes[np.searchsorted(self.pieces.knots, u, side="right")])

    def bend(self, u: Array) -> Array:
        return np.zeros_like(u)

    def affine(self, coefficient: float, offset: float) -> PiecewiseLinear:
        left = coefficient * (self.left + self.first_slope * offset)
        slope = coefficient * self.first_slope
        made = PiecewiseLinear(self.knots - offset, coefficient * self.kinks, left, slope, self.name)
        made.pieces = self.pieces.affine(coefficient, offset)
        return made

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
        """A row for each knot, two at least: it, its value, the middle between it and that before, the slopes about it.

        No sum of hinges: these cancel far from the knots of a steep piece.
        """
        pieces = self.pieces
        middles = np.append(pieces.knots[0], pieces.knots[:-1] + 0.5 * pieces.widths)
        table = np.stack([pieces.knots, pieces.values, middles, pieces.slopes[:-1], pieces.slopes[1:]], axis=1)
        if len(table) == 1:
            table = np.vstack([table, [*table[0, :3], table[0, 4], table[0, 4]]])
        return 0, np.clip(table, np.finfo(precision).min, np.finfo(precision).max).astype(precision)

    def _standard(self, scale: Array, offset: Array) -> Standard:
        from .ramps.standard import Standard

        return Standard.of(self.pieces, scale, offset)

    def mean(self, scale: Array, offset: Array) -> Moments:
        return Moments(*self._standard(scale, offset).moments(scale)[0])

    def mean_curvature(self, scale: Array) -> Array:
        """d^2/dt^2 E sigma(t G) at scales t, shape (n,)."""
        return self._standard(scale, np.zeros_like(scale)).curvature()

    def even_hermite(self, scale: Array, offset: Array, highest: int) -> Moments:
        return self.expansion(scale, offset, highest)[1]

    def expansion(self, scale: Array, offset: Array, highest: int) -> tuple[Moments, Moments]:
        mean, hermite = self._standard(scale, offset).moments(scale, highest)
        return Moments(*mean), Moments(*hermite)

    def coefficients(self, scale: Array, offset: Array, terms: int, order: int = 0) -> Array:
        from .kernels import kink_coefficients

        unit = self._standard(scale, offset)
        found = np.zeros((len(scale), terms))
        risen = unit.line[1] + np.sum(unit.kinks * unit.away * special.ndtr(-np.abs(unit.x)), axis=1)
        if order == 0:
            found[:, 0], found[:, 1] = unit.moments(scale)[0][0], scale * risen
        elif order == 1:
            found[:, 0] = risen
        factor = (scale, np.ones_like(scale), 1.0 / unit.scale)[order]
        kink_coefficients(factor, unit.x, density(unit.x) * unit.kinks, order, found)
        if unit.narrow.any():
            places, weights = unit.nodes
            kink_coefficients(unit.scale**-order, places, density(places) * weights, order + 1, found)
        return found

    def second_moments(self, scale: Array, offset: Array) -> Array:
        return self._standard(scale, offset).squares()

    def pair_moments(
        self, p: int, q: int, scales: Pair, offsets: Pair, correlation: Array, gap: Array | None = None
    ) -> Array:
        pair = self._pair(scales, offsets, correlation, gap)
        return pair.bent() if p == 2 else pair.moment(p, q)

    def tilted_moments(self, scales: Pair, offsets: Pair, correlation: Array, gap: Array | None = None) -> Array:
        return self._pair(scales, offsets, correlation, gap).tilted()

    def _pair(self, scales: Pair, offsets: Pair, correlation: Array, gap: Array | None) -> RampPair:
        from .ramps.pair import RampPair

        u, v = (self._standard(scale, offset) for scale, offset in zip(scales, offsets, strict=True))
        sign = np.where(correlation >= 0.0, 1.0, -1.0)
        return RampPair(u, v, sign, 1.0 - np.abs(correlation) if gap is None else gap)
