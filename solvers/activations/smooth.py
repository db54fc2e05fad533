"""Smooth activations, analytic in a known strip: Gaussian moments by the trapezoidal rule, to rounding."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from ..arrays import Array
from .activation import Activation, Bounds, Compiled, Moments, Pair

REACH = 12.5
"""|X| that a rule covers: h_k times the normal density decays like exp(-x^2 / 4) only."""
EXPONENT = 38.0
"""The error of a rule at the largest scale is about e^-38, 3e-17."""
PAIR_REACH, PAIR_EXPONENT = 8.6, 32.0
"""The same without h_k, where the density beyond is rounding, and e^-32 is 1e-14."""
MOMENT_CHUNK = 4_000_000
PAIR_CHUNK = 2**22
"""Values held at once."""


class Smooth(Activation):
    """An activation analytic in the strip of half-width `strip`, with what is known of it.

    Attributes:
        limits: infimum and supremum.
        steepest, sharpest: sup |sigma'| and sup |sigma''|.
        variation: total variation of sigma'.
    """

    exact_bend = True
    strip: float
    limits: ClassVar[tuple[float, float]]
    steepest: ClassVar[float]
    sharpest: ClassVar[float]
    variation: ClassVar[float]

    @staticmethod
    @abstractmethod
    def loop(u: Any, value: Any, gate: Any, count: int) -> None:
        """Fill value[i] with sigma(u[i]) and gate[i] with sigma'(u[i]), for compiled loops."""

    def bounds(self) -> Bounds:
        at_zero, none = float(self.value(np.zeros(1))[0]), np.empty(0)
        return Bounds(*self.limits, at_zero, self.steepest, none, none, self.sharpest, self.variation)

    def compiled(self, precision: str) -> Compiled:
        from .compiled import loop_address

        return loop_address(type(self).loop, precision), np.zeros((3, 2), precision)

    def _rule(self, scale: Array) -> tuple[Array, Array]:
        """Nodes and weights for a standard Gaussian, fine enough for the largest scale."""
        steepest = max(float(np.max(scale, initial=0.0)), 1e-3)
        spacing = min(0.05, 2 * np.pi * self.strip / (EXPONENT * steepest))
        half = np.linspace(0.0, REACH, int(np.ceil(REACH / spacing)) + 1)
        # exact mirror images, so that what is odd integrates to 0 exactly
        nodes = np.concatenate([-half[:0:-1], half])
        weights = np.exp(-0.5 * nodes**2) / np.sqrt(2 * np.pi) * (nodes[1] - nodes[0])
        return nodes, weights

    def _against(self, scale: Array, offset: Array, nodes: Array, table: Array) -> Moments:
        """Integrals of sigma and its two derivatives against the even columns of `table` (nodes x orders)."""
        shape = (scale.size, table.shape[1])
        moments = Moments(np.empty(shape), np.empty(shape), np.empty(shape))
        chunk = max(1, MOMENT_CHUNK // nodes.size)
        for start in range(0, scale.size, chunk):
            part = slice(start, start + chunk)
            u = scale[part, None] * nodes + offset[part, None]
            value, slope = self.value(u), self.slope(u)
            # the even parts in the nodes: the others integrate to 0
            moments.value[part] = 0.5 * (value + value[:, ::-1]) @ table
            moments.by_scale[part] = 0.5 * (slope - slope[:, ::-1]) @ (nodes[:, None] * table)
            moments.by_offset[part] = 0.5 * (slope + slope[:, ::-1]) @ table
        return moments

    def mean(self, scale: Array, offset: Array) -> Moments:
        nodes, weights = self._rule(scale)
        moments = self._against(scale, offset, nodes, weights[:, None])
        return Moments(*(part[:, 0] for part in moments))

    def even_hermite(self, scale: Array, offset: Array, highest: int) -> Moments:
        nodes, weights = self._rule(scale)
        table = np.ascontiguousarray(weighted_hermite(nodes, weights, highest + 1)[:, 2::2])
        return self._against(scale, offset, nodes, table)

    def coefficients(self, scale: Array, offset: Array, terms: int, order: int = 0) -> Array:
        nodes, weights = self._rule(scale)
        return self._sums(order, scale, offset, nodes, weighted_hermite(nodes, weights, terms))

    def second_moments(self, scale: Array, offset: Array) -> Array:
        nodes, weights = self._rule(scale)
        return self._sums(0, scale, offset, nodes, weights[:, None], power=2)[:, 0]

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
        del gap
        found = np.empty_like(correlation)
        if not len(correlation):
            return found
        (ti, tj), (bi, bj) = scales, offsets
        root = np.sqrt(np.maximum((1.0 - correlation) * (1.0 + correlation), 0.0))
        nodes, weights = self._pair_rule(float(max(ti.max(), tj.max())))
        # pairs of like needs go together, and those whose u and v agree need no inner nodes
        spread = tj * root
        order = np.argsort(spread)
        count = max(1, PAIR_CHUNK // len(nodes) ** 2)
        equal = int((spread == 0.0).sum())
        for part in np.split(order, [equal, *range(equal + count, len(order), count)]):
            if not len(part):
                continue
            inner_nodes, inner_weights = np.zeros(1), np.ones(1)
            if spread[part[-1]] > 0.0:
                inner_nodes, inner_weights = self._pair_rule(float(spread[part[-1]]))
            left = self._derivative(p, ti[part, None] * nodes + bi[part, None]) * weights
            inner = correlation[part, None, None] * nodes[:, None] + root[part, None, None] * inner_nodes
            right = self._derivative(q, tj[part, None, None] * inner + bj[part, None, None]) @ inner_weights
            found[part] = (left * right).sum(axis=1)
        return found


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
