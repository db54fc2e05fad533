"""Samples drawn from a finite set: with replacement, by epochs, or all of them in every step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ...arrays import Array
from ..samplers import Sampler, Stream, key_of

REPLACEMENT, EPOCH, FULL = SAMPLINGS = ("replacement", "epoch", "full")
PERMUTATIONS = 2
"""Stream of the generators that permute an epoch."""


@dataclass(frozen=True, eq=False)
class FiniteSet(Sampler):
    """Samples (x_p, y_p) with weights omega_p that sum to 1.

    With replacement sample n is drawn with probability omega_p from a uniform number of its own. In an epoch each
    sample comes once, in an order that is a function of the stream and the epoch, and counts P omega_p times; so it
    does where all of them are in every step.

    Attributes:
        x, y: the samples, shapes (P, d) and (P,).
        weights: omega, shape (P,).
        sampling: one of `SAMPLINGS`.
    """

    x: Array
    y: Array
    weights: Array
    sampling: str = REPLACEMENT

    @property
    def dimension(self) -> int:
        return int(self.x.shape[1])

    def sampled(self, sampling: str) -> FiniteSet:
        return replace(self, sampling=sampling)

    def fill(self, x: Array, y: Array, first: int, rows: int, stream: Stream) -> None:
        chosen = self._chosen(first, len(y), stream)
        x[:, : self.dimension], y[:] = self.x[chosen], self.y[chosen]

    def factors(self, first: int, count: int, stream: Stream) -> Array:
        if self.sampling == REPLACEMENT or np.ptp(self.weights) == 0.0:
            return np.empty(0)
        return np.asarray(len(self.y) * self.weights[self._chosen(first, count, stream)])

    @property
    def whole(self) -> tuple[Array, Array, Array] | None:
        return (self.x, self.y, self.weights) if self.sampling == FULL else None

    def _chosen(self, first: int, count: int, stream: Stream) -> NDArray[np.int64]:
        """The numbers p of the samples first <= n < first + count."""
        if self.sampling == REPLACEMENT:
            from ..philox import LABELS, fill_uniforms

            uniforms = np.empty(count)
            fill_uniforms(uniforms, 0, LABELS, first, *key_of(stream))
            found = np.searchsorted(np.cumsum(self.weights), uniforms, side="right")
            return np.asarray(np.minimum(found, len(self.y) - 1))
        numbers = np.arange(first, first + count)
        epochs, places = np.divmod(numbers, len(self.y))
        found = np.empty(count, dtype=np.int64)
        for epoch in range(int(epochs[0]), int(epochs[-1]) + 1) if count else ():
            own = epochs == epoch
            found[own] = _order(len(self.y), epoch, *stream)[places[own]]
        return found

    def embed(self, points: Array, seed: int, replica: int) -> Array:
        return np.array(points, dtype=float)

    def reduce(self, w: Array) -> Array:
        return w

    def moved(self, w: Array, points: Array) -> Array:
        return points

    def check(self, points: Array) -> None:
        """Nothing: what is drawn is known."""


@lru_cache(maxsize=4)
def _order(count: int, epoch: int, seed: int, replica: int) -> NDArray[np.int64]:
    """The order of the samples in one epoch."""
    bits = np.random.Philox(key=[seed, replica], counter=[0, 0, epoch, PERMUTATIONS])
    return np.random.Generator(bits).permutation(count)
