"""Smooth activations, analytic in a known strip: Gaussian moments to rounding, at every scale with as many nodes.

Up to a scale of STEEP the trapezoidal rule in X serves. Beyond, sigma is a step with a width of its own, and the rule
is one in u = t X + b: sigma' decays, and so does sigma - m - h erf(u / strip), m and h the middle and half of the rise,

    E erf((t X + b) / s) = erf(b / sqrt(s^2 + 2 t^2)),      E sigma h_k = (t / sqrt(k)) E sigma' h_{k-1}.

Steep pairs take Gauss rules in X on panels that widen by factors of two from where sigma(u) rises, and from where what
is left of v given u does.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ..arrays import Array
from .activation import TINY_SCALE, Activation, Bounds, Compiled, Pair
from .sampled import gauss_panels

REACH = 12.5
"""|X| that a rule covers at most: h_k times the normal density is below exp(-x^2 / 4), whatever k."""
EXPONENT = 38.0
"""The error of a rule at the largest scale is about e^-38, 3e-17."""
HIGHEST_SHIFT = 6.0
"""Imaginary part of X up to which the strip is used: beyond it the normal density grows too far."""
STEEP, PAIR_STEEP, INNER_STEEP = 16.0, 8.0, 2.0
"""Largest scale of the rule in X: of one unit, of pairs, of v given u."""
BINS = np.append(0.0, 0.25 * 2.0 ** np.arange(0.0, 6.5, 0.5))
"""Scales between which points share a rule, that of the upper end, from none to STEEP."""
RULES = 64
"""Rules that are kept."""
PAIR_REACH, PAIR_EXPONENT = 8.6, 36.0
"""The same without h_k, where the density beyond is rounding, and e^-36 is 2e-16."""
SPACING, NODES = 0.13, 101
"""Spacing of the rule in u over the strip, and nodes on either side: sigma' decays at least like exp(-pi u / strip)."""
FURTHEST = 1e3
"""(u - b) / t is cut there, where the normal density is 0."""
GROWTH = 4.0
"""Factor from one panel to the next, away from where sigma rises; the first is the strip wide."""
PAIRS = 256
"""Pairs whose rules are made at once."""
MOMENT_CHUNK = 1_000_000
"""Values held at once."""


def alike(scale: Array, steep: NDArray[np.bool_]) -> Iterator[tuple[float, NDArray[np.intp]]]:
    """Bounds of scales of about one size, with their places: small ones do not take the many nodes of large ones."""
    place = np.where(steep, -1, np.searchsorted(BINS, scale))
    for which in np.unique(place[place >= 0]):
        yield float(BINS[which]), np.flatnonzero(place == which)


@lru_cache(RULES)
def rule(strip: float, scale: float, terms: int) -> tuple[Array, Array]:
    """Nodes for a standard Gaussian and weights times h_k, k < terms, shape (m, terms), fine enough up to this scale.

    The trapezoidal rule of spacing h errs by e^(-2 pi s / h) times the supremum of the integrand on Im X = s, where
    the density is at most e^(s^2 / 2) and h_k e^(s sqrt(2 k)) times larger, and sigma bounded, t s below the strip.
    """
    shift = min(strip / max(scale, 1e-3), HIGHEST_SHIFT)
    spacing = 2 * np.pi * shift / (EXPONENT + 0.5 * shift**2 + shift * np.sqrt(2.0 * terms))
    reach = _reach(terms - 1)
    half = np.linspace(0.0, reach, int(np.ceil(reach / spacing)) + 1)
    # exact mirror images, so that what is odd integrates to 0 exactly
    nodes = np.concatenate([-half[:0:-1], half])
    return nodes, weighted_hermite(nodes, np.exp(-0.5 * nodes**2) / np.sqrt(2 * np.pi) * half[1], terms)


def _reach(order: int) -> float:
    """|X| beyond which h_k times the normal density is below e^-EXPONENT, k up to `order`: |h_k| < |x|^k / sqrt(k!)."""
    reach = REACH
    # the zeros of He_k are below 2 sqrt(k + 1/2)
    if order < 0.25 * REACH**2 - 0.5:
        for _ in range(8):
            reach = math.sqrt(2.0 * (EXPONENT + order * math.log(reach) - 0.5 * math.lgamma(order + 1.0)))
    return min(reach, REACH)


class Smooth(Activation):
    """An activation analytic in the strip of half-width `strip`, with what is known of it.

    Attributes:
        limits: infimum and supremum, the limits at -inf and inf.
        steepest, sharpest: sup |sigma'| and sup |sigma''|.
        variation: total variation of sigma'.
        turns: where sigma'' turns; None where they are not known.
    """

    exact_bend = True
    strip: float
    limits: ClassVar[tuple[float, float]]
    steepest: ClassVar[float]
    sharpest: ClassVar[float]
    variation: ClassVar[float]
    turns: ClassVar[tuple[float, ...] | None] = None

    @staticmethod
    @abstractmethod
    def loop(u: Any, value: Any, gate: Any, count: int) -> None:
        """Fill value[i] with sigma(u[i]) and gate[i] with sigma'(u[i]), for compiled loops."""

    def bounds(self) -> Bounds:
        at_zero, none = float(self.value(np.zeros(1))[0]), np.empty(0)
        known = *self.limits, at_zero, self.steepest, none, none, self.sharpest, self.variation
        return Bounds(*known, turns=self.turns)

    def compiled(self, precision: str) -> Compiled:
        from .compiled import loop_address

        return loop_address(type(self).loop, precision), np.zeros((3, 2), precision)

    def coefficients(self, scale: Array, offset: Array, terms: int, order: int = 0) -> Array:
        found, steep = np.empty((scale.size, terms)), scale > STEEP
        for largest, part in alike(scale, steep):
            found[part] = self._sums(order, scale[part], offset[part], *rule(self.strip, largest, terms))
        if steep.any():
            found[steep] = self._steep(order, scale[steep], offset[steep], terms)
        return found

    def second_moments(self, scale: Array, offset: Array) -> Array:
        found, steep = np.empty(scale.size), scale > STEEP
        for largest, part in alike(scale, steep):
            found[part] = self._sums(0, scale[part], offset[part], *rule(self.strip, largest, 1), power=2)[:, 0]
        if steep.any():
            middle, half, u = *self._rise, self._nodes
            t, b = scale[steep], offset[steep]
            # (sigma - m)^2 is h^2 less what decays
            dip = half**2 - (self.value(u) - middle) ** 2
            mean = self._steep(0, t, b, 2)[:, 0]
            found[steep] = half**2 - middle**2 + 2.0 * middle * mean - self._in_u(dip, t, b, 2)[:, 0]
        return found

    @property
    def _rise(self) -> tuple[float, float]:
        """The middle and half of the rise of sigma."""
        low, high = self.limits
        return 0.5 * (low + high), 0.5 * (high - low)

    @property
    def _nodes(self) -> Array:
        """Nodes of the rule in u."""
        return SPACING * self.strip * np.arange(-NODES, NODES + 1.0)

    def _steep(self, order: int, scale: Array, offset: Array, terms: int) -> Array:
        """E[sigma^(order)(t X + b) h_k(X)] for k < terms, at large scales."""
        if order > 0:
            return self._in_u(self._derivative(order, self._nodes), scale, offset, terms)
        found = np.empty((scale.size, terms))
        if terms > 1:
            lifted = self._in_u(self.slope(self._nodes), scale, offset, terms - 1)
            found[:, 1:] = lifted * scale[:, None] / np.sqrt(np.arange(1.0, terms))
        found[:, 0] = self._risen(offset, scale) + self._in_u(self._local, scale, offset, 1)[:, 0]
        return found

    @property
    def _local(self) -> Array:
        """What sigma is beside its rise as an error function, at the nodes."""
        return np.asarray(self.value(self._nodes) - self._risen(self._nodes, np.zeros(1)))

    def _risen(self, offset: Array, scale: Array) -> Array:
        """E[m + h erf((t X + b) / strip)]."""
        middle, half = self._rise
        return np.asarray(middle + half * special.erf(offset / np.sqrt(self.strip**2 + 2.0 * scale**2)))

    def _in_u(self, values: Array, scale: Array, offset: Array, terms: int) -> Array:
        """E[f(t X + b) h_k(X)] for k < terms, from the values at the nodes of an f that decays."""
        from .kernels import hermite_sums

        found = np.zeros((scale.size, terms))
        chunk = max(1, MOMENT_CHUNK // values.size)
        for start in range(0, scale.size, chunk):
            part = slice(start, start + chunk)
            t = scale[part, None]
            x = np.clip((self._nodes - offset[part, None]) / t, -FURTHEST, FURTHEST)
            half = np.exp(-0.25 * x**2) * np.sqrt(SPACING * self.strip / (np.sqrt(2.0 * np.pi) * t))
            hermite_sums(x, half, np.broadcast_to(values, x.shape), found[part])
        return found

    def _sums(self, order: int, scale: Array, offset: Array, nodes: Array, table: Array, power: int = 1) -> Array:
        """sum_m sigma^(order)(b + t x_m)^power table[m], of shape (n, columns)."""
        found = np.empty((scale.size, table.shape[1]))
        chunk = max(1, MOMENT_CHUNK // nodes.size)
        for start in range(0, scale.size, chunk):
            part = slice(start, start + chunk)
            values = self._derivative(order, scale[part, None] * nodes + offset[part, None])
            found[part] = values**power @ table
        return found

    def _derivative(self, order: int, u: Array) -> Array:
        return (self.value, self.slope, self.bend)[order](u)

    def _pair_rule(self, steepest: float) -> tuple[Array, Array]:
        """Nodes and weights for a standard Gaussian without h_k, at scales up to `steepest`.

        In a strip of half-width a in which the function is analytic the error is about exp(a^2/2 - 2 pi a / h).
        """
        strip = min(0.8 * self.strip / max(steepest, 1e-3), np.sqrt(2.0 * PAIR_EXPONENT))
        half = int(np.ceil(PAIR_REACH * (PAIR_EXPONENT + 0.5 * strip**2) / (2.0 * np.pi * strip)))
        nodes = np.linspace(-PAIR_REACH, PAIR_REACH, 2 * half + 1)
        return nodes, np.exp(-0.5 * nodes * nodes) * (PAIR_REACH / half) / np.sqrt(2.0 * np.pi)

    def pair_moments(
        self, p: int, q: int, scales: Pair, offsets: Pair, correlation: Array, gap: Array | None = None
    ) -> Array:
        return self._pairs(p, q, scales, offsets, correlation, gap)

    def tilted_moments(self, scales: Pair, offsets: Pair, correlation: Array, gap: Array | None = None) -> Array:
        return self._pairs(1, 0, scales, offsets, correlation, gap, tilt=1)

    def _pairs(
        self, p: int, q: int, scales: Pair, offsets: Pair, correlation: Array, gap: Array | None, tilt: int = 0
    ) -> Array:
        """E X^tilt sigma^(p)(u) sigma^(q)(v), u = t X + b, v integrated under its normal law given u."""
        found = np.empty_like(correlation)
        apart = 1.0 - np.abs(correlation) if gap is None else gap
        (ti, tj), (bi, bj) = scales, offsets
        slant, spread = tj * correlation, tj * np.sqrt(np.maximum(apart * (2.0 - apart), 0.0))
        # pairs of like needs go together, and those whose u and v agree need no inner nodes
        needs = 3 * (np.maximum(ti, tj) > PAIR_STEEP) + np.sign(spread) + (spread > INNER_STEEP)
        for need in np.unique(needs):
            group = np.flatnonzero(needs == need)
            for part in np.array_split(group[np.argsort(spread[group])], 1 + group.size // PAIRS):
                first, second, level, tail = ti[part], slant[part], bj[part], spread[part]
                nodes, weights = self._outer(first, second, bi[part], level, tail)
                left = weights * nodes**tilt * self._derivative(p, first[:, None] * nodes + bi[part, None])
                right = self._under_normal(q, level[:, None] + second[:, None] * nodes, tail)
                found[part] = np.sum(left * right, axis=1)
        return found

    def _outer(self, scale: Array, slant: Array, offset: Array, level: Array, spread: Array) -> tuple[Array, Array]:
        """Nodes and weights in X for sigma(t X + b) and v of mean `level` + `slant` X: a row, or one for each pair."""
        steepest = max(float(np.max(scale)), float(np.max(np.abs(slant))))
        if steepest <= PAIR_STEEP:
            nodes, weights = self._pair_rule(steepest)
            return nodes[None], weights[None]
        some = np.copysign(np.maximum(np.abs(slant), TINY_SCALE), slant)
        centres = np.clip(np.stack([-offset / scale, -level / some], axis=1), -FURTHEST, FURTHEST)
        widths = np.stack([self.strip / scale, np.hypot(self.strip, spread) / np.abs(some)], axis=1)
        growths = int(np.ceil(np.log(2.0 * PAIR_REACH / np.min(widths)) / np.log(GROWTH)))
        away = widths[:, :, None] * GROWTH ** np.arange(growths)
        away = np.minimum(away, FURTHEST)
        breaks = np.concatenate([centres[:, :, None], centres[:, :, None] - away, centres[:, :, None] + away], axis=2)
        return gauss_panels(breaks.reshape(len(scale), -1), np.inf, PAIR_REACH)

    def _under_normal(self, order: int, mean: Array, spread: Array) -> Array:
        """E sigma^(order)(N(mean, spread^2)), rows of means for each spread; none or all of these are 0."""
        if spread[-1] == 0.0:
            return self._derivative(order, mean)
        found, flat, each = np.empty(mean.size), mean.ravel(), np.repeat(spread, mean.shape[1])
        if spread[0] > INNER_STEEP:
            return self._steep(order, each, flat, 1)[:, 0].reshape(mean.shape)
        nodes, weights = self._pair_rule(float(spread[-1]))
        chunk = max(1, MOMENT_CHUNK // nodes.size)
        for start in range(0, flat.size, chunk):
            part = slice(start, start + chunk)
            found[part] = self._derivative(order, flat[part, None] + each[part, None] * nodes) @ weights
        return found.reshape(mean.shape)


def weighted_hermite(nodes: Array, weights: Array, terms: int) -> Array:
    """weights h_k(nodes) for k < terms, shape (n, terms)."""
    table = np.empty((nodes.size, terms))
    # half of the weights at a time, so that no order overflows
    half = np.sqrt(weights)
    previous, current = np.zeros_like(nodes), half
    for k in range(terms):
        table[:, k] = current * half
        previous, current = current, (nodes * current - np.sqrt(float(k)) * previous) / np.sqrt(k + 1.0)
    return table
