"""What is asked of an activation sigma: values, bounds, Gaussian expansions, and a form for compiled loops.

For a pre-activation u = t X + b with X standard normal, and h_k = He_k / sqrt(k!) the normalised Hermite polynomials,

    q(t, b)   = E sigma(t X + b),      c_k(t, b) = E[sigma(t X + b) h_k(X)].

Whoever computes with an activation asks it: nothing depends on which one it is.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..arrays import Array

if TYPE_CHECKING:
    from .piecewise_linear import PiecewiseLinear

TINY_SCALE = 1e-30
"""Scales below it are taken for it where they divide."""
BEND_STEP = 1e-5
"""Half-width of the difference of slopes that stands in for sigma'', relative to 1 + |u|: error 1e-10 of sigma''."""

Pair = tuple[Array, Array]
"""Something of u and of v."""


class Moments(NamedTuple):
    """Gaussian moments at n scales: value and derivatives in t and b, each of shape (n,) or (n, orders)."""

    value: Array
    by_scale: Array
    by_offset: Array


ARCSINE, ARCCOSINE = 0, 1


class Arc(NamedTuple):
    """E sigma(u) sigma(v) of Gaussian pairs without offset in closed form (`networks.arcs`).

    Attributes:
        form: `ARCSINE`, that of erf, or `ARCCOSINE`, that of (u)_+.
        scale: its factor.
        linear: how many times E u v is beside it.
    """

    form: int
    scale: float = 1.0
    linear: float = 0.0


Compiled = tuple[int, Array]
"""What loops call: the address of a compiled function (`compiled.loop_address`), or 0 and a table of kinks."""


@dataclass(frozen=True)
class Bounds:
    """Bounds of an activation and its derivatives.

    Attributes:
        low, high: its range, infinite where it grows.
        at_zero: sigma(0).
        slope: sup |sigma'|.
        knots, kinks: the jumps of sigma', shape (K,); sigma'' is sum kinks delta_knots and what lies between.
        bend: sup |sigma''|, inf with knots.
        variation: total variation of sigma' between the knots.
        reach: |u| up to which they hold.
        proven: False where they are the largest values among samples.
        turns: where sigma'' turns, between and beyond which it is monotone; None where they are not known.
    """

    low: float
    high: float
    at_zero: float
    slope: float
    knots: Array
    kinks: Array
    bend: float
    variation: float
    reach: float = math.inf
    proven: bool = True
    turns: tuple[float, ...] | None = None


class Activation(ABC):
    """An activation sigma, continuous, smooth between its knots.

    Attributes:
        name: the name in configurations.
        strip: half-width of the strip about the real line in which sigma is analytic and of order one; None if unknown.
        homogeneity: k with sigma(c u) = c^k sigma(u) for c > 0, None if there is none.
        exact_bend: whether `bend` is sigma'' itself, with nothing at knots.
    """

    name: str = "activation"
    strip: float | None = None
    homogeneity: float | None = None
    exact_bend: bool = False

    @abstractmethod
    def value(self, u: Array) -> Array:
        """sigma(u), elementwise."""

    @abstractmethod
    def slope(self, u: Array) -> Array:
        """sigma'(u), elementwise; at a knot the slope to its right."""

    def bend(self, u: Array) -> Array:
        """sigma''(u) between the knots, elementwise; by default a difference of slopes."""
        step = BEND_STEP * (1.0 + np.abs(u))
        return np.asarray((self.slope(u + step) - self.slope(u - step)) / (2.0 * step))

    def __call__(self, u: Array) -> Array:
        """sigma(u), elementwise."""
        return self.value(u)

    @property
    def knots(self) -> Array:
        """Where sigma' jumps, increasing, shape (K,)."""
        return np.empty(0)

    @property
    def kinks(self) -> Array:
        """The jumps of sigma' at the knots, shape (K,)."""
        return np.empty(0)

    @property
    def centres(self) -> Array:
        """Where sigma is steep or not smooth: its knots, else 0."""
        return self.knots if self.knots.size else np.zeros(1)

    @property
    def linear(self) -> PiecewiseLinear | None:
        """The table of a piecewise linear activation, of which more is known in closed form; None for any other."""
        return None

    @property
    def arc(self) -> Arc | None:
        """The closed form of E sigma(u) sigma(v) without offsets; None where there is none."""
        return None

    @abstractmethod
    def bounds(self) -> Bounds:
        """Bounds of sigma and its derivatives."""

    @abstractmethod
    def mean(self, scale: Array, offset: Array) -> Moments:
        """q(t, b) with its derivatives, at scales t >= 0 and offsets b of shape (n,)."""

    @abstractmethod
    def even_hermite(self, scale: Array, offset: Array, highest: int) -> Moments:
        """c_2, c_4, ..., c_highest with their derivatives, each of shape (n, highest // 2)."""

    def expansion(self, scale: Array, offset: Array, highest: int) -> tuple[Moments, Moments]:
        """Both of them, where they are wanted together."""
        return self.mean(scale, offset), self.even_hermite(scale, offset, highest)

    def levels(self, scale: Array, offset: Array, highest: int) -> Array:
        """q, c_2, c_4, ..., c_highest without derivatives, shape (n, 1 + highest // 2)."""
        if highest < 2:
            return self.mean(scale, offset).value[:, None]
        mean, higher = self.expansion(scale, offset, highest)
        return np.column_stack([mean.value, higher.value])

    def moment_error(self, scale: Array, offset: Array, highest: int) -> float:
        """Measured error of (q, c_2, ..., c_highest) in the l2 norm, at the worst of the scales; 0 for rounding."""
        return 0.0

    @abstractmethod
    def coefficients(self, scale: Array, offset: Array, terms: int, order: int = 0) -> Array:
        """E[sigma^(order)(t X + b) h_k(X)] for k < terms, of shape (n, terms), terms >= 2; order 0, 1 or 2."""

    @abstractmethod
    def second_moments(self, scale: Array, offset: Array) -> Array:
        """E sigma(t X + b)^2 at scales and offsets of shape (n,)."""

    @abstractmethod
    def pair_moments(
        self, p: int, q: int, scales: Pair, offsets: Pair, correlation: Array, gap: Array | None = None
    ) -> Array:
        """E sigma^(p)(u) sigma^(q)(v) of n Gaussian pairs without expansion, for (p, q) in {0, 1}^2 and (2, 0).

        Scales > 0 and offsets of u and v, correlations in [-1, 1], all of shape (n,); `gap` is 1 - |correlation| where
        it is known better than from that difference: steep units see its square root.
        """

    def tilted_moments(self, scales: Pair, offsets: Pair, correlation: Array, gap: Array | None = None) -> Array:
        """E X sigma'(u) sigma(v), u = t X + b, as for `pair_moments`: what sigma'' and sigma' sigma' hold together."""
        bent, risen = (self.pair_moments(p, q, scales, offsets, correlation, gap) for p, q in ((2, 0), (1, 1)))
        return np.asarray(scales[0] * bent + correlation * scales[1] * risen)

    def affine(self, coefficient: float, offset: float) -> Activation:
        """u -> coefficient * sigma(u + offset): constants of a network's coefficient and offset folded in."""
        return self if (coefficient, offset) == (1.0, 0.0) else Affine(self, coefficient, offset)

    def compiled(self, precision: str) -> Compiled | None:
        """What loops of numbers of a precision ("float64", "float32") call; None where NumPy must take their place."""
        return None


@dataclass(frozen=True)
class Affine(Activation):
    """The activation u -> coefficient * sigma(u + shift)."""

    inner: Activation
    coefficient: float
    shift: float

    def __post_init__(self) -> None:
        for key in ("name", "strip", "exact_bend"):
            object.__setattr__(self, key, getattr(self.inner, key))

    def value(self, u: Array) -> Array:
        return self.coefficient * self.inner.value(u + self.shift)

    def slope(self, u: Array) -> Array:
        return self.coefficient * self.inner.slope(u + self.shift)

    def bend(self, u: Array) -> Array:
        return self.coefficient * self.inner.bend(u + self.shift)

    @property
    def knots(self) -> Array:
        return self.inner.knots - self.shift

    @property
    def kinks(self) -> Array:
        return self.coefficient * self.inner.kinks

    @property
    def centres(self) -> Array:
        return self.inner.centres - self.shift

    @property
    def arc(self) -> Arc | None:
        inner, square = self.inner.arc, self.coefficient**2
        return None if inner is None or self.shift else Arc(inner.form, square * inner.scale, square * inner.linear)

    def bounds(self) -> Bounds:
        bounds, size = self.inner.bounds(), abs(self.coefficient)
        ends = np.sort(self.coefficient * np.array([bounds.low, bounds.high]))
        return Bounds(
            low=ends[0],
            high=ends[1],
            at_zero=float(self.value(np.zeros(1))[0]),
            slope=size * bounds.slope,
            knots=self.knots,
            kinks=self.kinks,
            bend=size * bounds.bend,
            variation=size * bounds.variation,
            reach=bounds.reach - abs(self.shift),
            proven=bounds.proven,
            turns=None if bounds.turns is None else tuple(turn - self.shift for turn in bounds.turns),
        )

    def mean(self, scale: Array, offset: Array) -> Moments:
        moments = self.inner.mean(scale, offset + self.shift)
        return Moments(*(self.coefficient * part for part in moments))

    def even_hermite(self, scale: Array, offset: Array, highest: int) -> Moments:
        moments = self.inner.even_hermite(scale, offset + self.shift, highest)
        return Moments(*(self.coefficient * part for part in moments))

    def levels(self, scale: Array, offset: Array, highest: int) -> Array:
        return self.coefficient * self.inner.levels(scale, offset + self.shift, highest)

    def moment_error(self, scale: Array, offset: Array, highest: int) -> float:
        return abs(self.coefficient) * self.inner.moment_error(scale, offset + self.shift, highest)

    def coefficients(self, scale: Array, offset: Array, terms: int, order: int = 0) -> Array:
        return self.coefficient * self.inner.coefficients(scale, offset + self.shift, terms, order)

    def second_moments(self, scale: Array, offset: Array) -> Array:
        return self.coefficient**2 * self.inner.second_moments(scale, offset + self.shift)

    def pair_moments(
        self, p: int, q: int, scales: Pair, offsets: Pair, correlation: Array, gap: Array | None = None
    ) -> Array:
        shifted = (offsets[0] + self.shift, offsets[1] + self.shift)
        return self.coefficient**2 * self.inner.pair_moments(p, q, scales, shifted, correlation, gap)
