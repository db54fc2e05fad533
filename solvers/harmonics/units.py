"""Coefficients of units on the sphere: l_k(t, b) = E[sigma(t sqrt(d) tau + b) p_k(tau)] = sqrt(N_k) lambda_k.

By the addition theorem E sigma(u) sigma(u') = sum_k l_k l_k' P_k(cosine of the weights), and sum_k l_k^2 = E sigma^2
(Parseval), which tells what finitely many of them leave. The slopes are

    d_b l_k = s_k = E[sigma' p_k],
    d_t l_k = sqrt(d) E[sigma' tau p_k] = sqrt(d) (alpha_{k+1} s_{k+1} + alpha_k s_{k-1}).

sigma is a sum of hinges m_i (u - k_i)_+ at its knots and of what has no knots. The latter goes by Gauss's rule; with
x = (k_i - b) / (t sqrt d) a hinge is t sqrt(d) (tau - x)_+, and Rodrigues' formula gives, B = B(1/2, (d-1)/2),

    E[1{tau > x} p_k] = sqrt(d (d-1) / (k (k+d-2))) (1 - x^2)^((d-1)/2) p_{k-1}(x; d+2) / ((d-1) B),     k >= 1,
    E[(tau - x)_+ p_k] = sqrt((d+2)(d+1)d(d-1) / (k (k-1) (k+d-1) (k+d-2)))
                         (1 - x^2)^((d+1)/2) p_{k-2}(x; d+4) / ((d^2-1) B),                             k >= 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import special

from ..activations.activation import Activation
from ..arrays import Array
from ..normal import REACH
from .polynomials import gauss_rule, panel_rule, panels, steps, weighted, width

SMALLEST = 1e-5
"""t below which l_k / t is taken to be its slope: they differ by t^2."""
SHARPEST = 2.0**-36
"""Shortest panel of a steep unit, in units of v."""
COARSE = 1.0
"""Longest panel of E sigma^2, in standard deviations of v."""
TOGETHER = 64
"""Neurons whose E sigma^2 is found at once."""


CONSTANT = 4.0 * float(np.finfo(float).eps)
"""Rounding of a mean of mirror images."""
FAINT = 1e-100
"""Slopes below it are taken for 0: what is smaller than numbers of full precision is slow to multiply."""


class Coefficients(NamedTuple):
    """l_k and its derivatives, shape (n, K) each."""

    value: Array
    by_size: Array
    by_offset: Array


@dataclass(frozen=True)
class ZonalUnit:
    """A unit on S^(d-1)(sqrt d) by its first coefficients.

    Attributes:
        activation: sigma.
        dimension: d.
        count: K, of the coefficients l_0, ..., l_{K-1}; 2 at most at d = 1.
        nodes: of the rule for what has no knots.
    """

    activation: Activation
    dimension: int
    count: int
    nodes: int

    @classmethod
    def of(cls, activation: Activation, dimension: int, count: int) -> ZonalUnit:
        """With the nodes that it takes for as many coefficients."""
        count = min(count, 2) if dimension == 1 else count
        # what the rule takes for p_k is l_{2Q-k}; a line needs two nodes
        nodes = 4 if activation.linear is not None else count + count // 2 + 8
        return cls(activation, dimension, count, nodes)

    @property
    def root(self) -> float:
        """sqrt d."""
        return math.sqrt(self.dimension)

    @cached_property
    def _rule(self) -> tuple[Array, tuple[Array, Array]]:
        """Nodes tau_q >= 0, and w_q p_k(tau_q) for even k <= K, twice that for odd ones, shape (Q / 2, K / 2) each.

        A node at 0 stands for itself alone.
        """
        nodes, products = gauss_rule(self.dimension, self.nodes)
        filled = np.zeros((len(nodes), self.count + 1))
        kept = min(self.count + 1, products.shape[1])
        filled[:, :kept] = products[:, :kept]
        half = filled[len(nodes) // 2 :]
        half[nodes[len(nodes) // 2 :] == 0.0] *= 0.5
        return nodes[len(nodes) // 2 :], (np.ascontiguousarray(half[:, ::2]), np.ascontiguousarray(half[:, 1::2]))

    def _sums(self, above: Array, below: Array) -> Array:
        """E[f p_k] for k <= K from f at the nodes and at their mirror images, shape (n, K + 1).

        p_k is even or odd, so that half of them see what is even in f, and half what is odd; one that is constant, as
        odd units have it, is seen by p_0 alone.
        """
        _, (even, odd) = self._rule
        found = np.zeros((len(above), self.count + 1))
        mean, difference = above + below, above - below
        level = mean[:, :1]
        if np.all(np.abs(mean - level) <= CONSTANT * np.abs(level)):
            found[:, 0] = 0.5 * level[:, 0]
        else:
            found[:, ::2] = mean @ even
        if difference.any():
            found[:, 1::2] = difference @ odd
        return found

    @cached_property
    def _hinged(self) -> bool:
        """Whether hinges are taken out; at d = 1 the two nodes are all there is."""
        return self.dimension > 1 and len(self.activation.knots) > 0

    def coefficients(self, sizes: Array, offsets: Array) -> Coefficients:
        """At sizes t = |w| >= 0 and offsets b of shape (n,)."""
        half = np.multiply.outer(self.root * sizes, self._rule[0])
        sides = [self._smooth(offsets[:, None] + part) for part in (half, -half)]
        value, slope = (self._sums(*parts) for parts in zip(*sides, strict=True))
        value = value[:, :-1]
        if self._hinged:
            self._add_hinges(sizes, offsets, value, slope)
        alpha = self.root * steps(self.dimension, self.count + 1)
        by_size = alpha[1:] * slope[:, 1:]
        by_size[:, 1:] += alpha[1 : self.count] * slope[:, : self.count - 1]
        return Coefficients(value, by_size, slope[:, :-1])

    def _smooth(self, u: Array) -> tuple[Array, Array]:
        """What of sigma has no knots, and its slope; none where it is too small to matter, as in products with it."""
        values, slopes = self.activation.value(u), self.activation.slope(u)
        if self._hinged:
            for knot, kink in zip(self.activation.knots, self.activation.kinks, strict=True):
                values, slopes = values - kink * np.maximum(u - knot, 0.0), slopes - kink * (u >= knot)
        return values, np.where(np.abs(slopes) < FAINT, 0.0, slopes)

    def _add_hinges(self, sizes: Array, offsets: Array, value: Array, slope: Array) -> None:
        """Those of all knots, added to l, shape (n, K), and s, shape (n, K + 1)."""
        d, reach = float(self.dimension), np.maximum(self.root * sizes, np.finfo(float).tiny)
        k = np.arange(1.0, self.count + 1.0)
        first = np.sqrt(d * (d - 1.0) / (k * (k + d - 2.0))) / ((d - 1.0) * width(self.dimension))
        k = k[1 : self.count - 1]
        second = np.sqrt((d + 2.0) * (d + 1.0) * d * (d - 1.0) / (k * (k - 1.0) * (k + d - 1.0) * (k + d - 2.0)))
        second = second / ((d * d - 1.0) * width(self.dimension))
        for knot, kink in zip(self.activation.knots, self.activation.kinks, strict=True):
            gap = knot - offsets
            x = np.clip(gap, -reach, reach) / reach
            beside = np.maximum((1.0 - x) * (1.0 + x), 0.0)
            logs = np.log(np.maximum(beside, 1e-300))
            weights = [np.exp(np.maximum(0.5 * (d + odd) * logs, -700.0)) * (beside > 0.0) for odd in (-1.0, 1.0)]
            above = _above(x, beside, d)
            mean = weights[0] / ((d - 1.0) * width(self.dimension))
            slope[:, 0] += kink * above
            slope[:, 1:] += kink * first * weighted(self.dimension + 2, x, weights[0], self.count)
            value[:, 0] += kink * np.where(beside > 0.0, reach * mean - gap * above, np.maximum(-gap, 0.0))
            if self.count > 1:
                # E tau (tau - x)_+ = P(tau > x) / d less what the ends leave of E tau^2
                value[:, 1] += kink * reach * self.root * (above / d - x * mean / d)
            value[:, 2:] += (
                kink * second * (reach[:, None] * weighted(self.dimension + 4, x, weights[1], max(self.count - 2, 0)))
            )

    def squares(self, sizes: Array, offsets: Array) -> Array:
        """E sigma^2, shape (n,), by a rule of its own for each neuron."""
        found = np.empty(len(sizes))
        for part in np.array_split(np.arange(len(sizes)), 1 + len(sizes) // TOGETHER):
            places, weights = panel_rule(self.dimension, self._own_edges(sizes[part], offsets[part]))
            u = self.root * sizes[part, None, None] * places + offsets[part, None, None]
            found[part] = (self.activation.value(u) ** 2 * weights).sum(axis=(1, 2))
        return found

    def _own_edges(self, sizes: Array, offsets: Array) -> Array:
        """Ends of panels that double from where a neuron is steep, shape (n, E)."""
        slope = np.maximum(sizes, SHARPEST)
        centres = np.clip((self.activation.centres - offsets[:, None]) / slope[:, None], -2.0 * REACH, 2.0 * REACH)
        widths = np.clip((self.activation.strip or 0.0) / slope, SHARPEST, COARSE)
        levels = int(np.ceil(np.log2(COARSE / float(widths.min(initial=COARSE))))) + 1
        lengths = widths[:, None, None] * 2.0 ** np.arange(levels)
        near = np.concatenate([-lengths, np.zeros_like(lengths[:, :, :1]), lengths], axis=2)
        own = (centres[:, :, None] + near).reshape(len(sizes), -1)
        fixed = panels(self.dimension, np.empty(0), COARSE)
        edges = np.hstack([own, np.broadcast_to(fixed, (len(sizes), len(fixed)))])
        return np.sort(np.clip(edges, fixed[0], fixed[-1]), axis=1)

    def left(self, sizes: Array, offsets: Array) -> Array:
        """|E sigma^2 - sum_{k < K} l_k^2|, shape (n,)."""
        held = (self.coefficients(sizes, offsets).value ** 2).sum(axis=1)
        return np.asarray(np.abs(self.squares(sizes, offsets) - held))

    def finer(self) -> ZonalUnit:
        """Twice as many coefficients."""
        return ZonalUnit.of(self.activation, self.dimension, 2 * self.count)

    def shorter(self, count: int) -> ZonalUnit:
        """Fewer of them, by the same rule."""
        return replace(self, count=min(count, self.count))


def over_size(found: Coefficients, sizes: Array) -> Array:
    """l_k / t for k >= 1, its limit at t = 0, shape (n, K); 0 at k = 0."""
    ratio = np.where((sizes > SMALLEST)[:, None], found.value / np.maximum(sizes, SMALLEST)[:, None], found.by_size)
    ratio[:, 0] = 0.0
    return ratio


def _above(x: Array, beside: Array, dimension: float) -> Array:
    """P(tau > x), from x and 1 - x^2."""
    half = 0.5 * (dimension - 1.0)
    near, far = special.betaincc(0.5, half, x * x), special.betainc(half, 0.5, beside)
    tail = 0.5 * np.where(x * x < 0.5, near, far)
    return np.asarray(np.where(x >= 0.0, tail, 1.0 - tail))
