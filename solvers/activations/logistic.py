"""Logistic curves, m + h tanh(pi u / (2 strip)): moments in one compiled loop, whose cost is that of their nodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from .activation import Moments
from .smooth import STEEP, Smooth, alike, rule


class Logistic(Smooth):
    """A smooth activation that rises from one limit to the other as tanh does, with poles at the ends of its strip."""

    def mean(self, scale: Array, offset: Array) -> Moments:
        moments = self._moments(scale, offset, np.array([0]))
        return Moments(*(part[:, 0] for part in moments))

    def even_hermite(self, scale: Array, offset: Array, highest: int) -> Moments:
        return self._moments(scale, offset, np.arange(2, highest + 1, 2))

    def expansion(self, scale: Array, offset: Array, highest: int) -> tuple[Moments, Moments]:
        moments = self._moments(scale, offset, np.arange(0, highest + 1, 2))
        return Moments(*(part[:, 0] for part in moments)), Moments(*(part[:, 1:] for part in moments))

    def levels(self, scale: Array, offset: Array, highest: int) -> Array:
        from .kernels import tanh_levels

        orders, steep = np.arange(0, highest + 1, 2), scale > STEEP
        found, (middle, height), rate = np.empty((scale.size, orders.size)), self._rise, 0.5 * np.pi / self.strip
        for largest, part in alike(scale, steep):
            half, table = self._halves(largest, orders)
            some = np.empty((part.size, orders.size))
            tanh_levels(rate * scale[part], rate * offset[part], half, table, some)
            found[part] = height * some + 2.0 * middle * table.sum(axis=1)
        if steep.any():
            found[steep] = self._steep(0, scale[steep], offset[steep], max(highest + 1, 2))[:, orders]
        return found

    def _halves(self, largest: float, orders: NDArray[np.int64]) -> tuple[Array, Array]:
        """Nodes x >= 0 of the rule, of which x and -x go together, and weights times h_k, which are even."""
        nodes, table = rule(self.strip, largest, int(orders.max(initial=0)) + 1)
        half = nodes.size // 2
        table = np.ascontiguousarray(table[half:, orders].T)
        table[:, 0] *= 0.5
        return nodes[half:], table

    def _moments(self, scale: Array, offset: Array, orders: NDArray[np.int64]) -> Moments:
        """The even orders c_k, with their derivatives."""
        moments = Moments(*(np.empty((scale.size, orders.size)) for _ in range(3)))
        steep = scale > STEEP
        terms = int(orders.max(initial=0)) + 1
        for largest, part in alike(scale, steep):
            half, table = self._halves(largest, orders)
            for all_of, some in zip(moments, self._against(scale[part], offset[part], half, table), strict=True):
                all_of[part] = some
        if steep.any():
            moments.value[steep] = self._steep(0, scale[steep], offset[steep], max(terms, 2))[:, orders]
            slopes = self._steep(1, scale[steep], offset[steep], terms + 1)
            moments.by_offset[steep] = slopes[:, orders]
            # X h_k = sqrt(k + 1) h_{k+1} + sqrt(k) h_{k-1}
            below = slopes[:, np.maximum(orders - 1, 0)] * np.sqrt(orders)
            moments.by_scale[steep] = slopes[:, orders + 1] * np.sqrt(orders + 1.0) + below
        return moments

    def _against(self, scale: Array, offset: Array, half: Array, table: Array) -> Moments:
        """Integrals of sigma and its two derivatives over the nodes of `half` and -`half`, shape (n, orders)."""
        from .kernels import tanh_sums

        (middle, height), rate = self._rise, 0.5 * np.pi / self.strip
        found = np.empty((3, scale.size, len(table)))
        tanh_sums(rate * scale, rate * offset, half, table, half * table, found)
        found[0] *= height
        found[0] += 2.0 * middle * table.sum(axis=1)
        found[1:] *= height * rate
        return Moments(*found)
