"""Samples of what is left to learn of a network whose own first output is subtracted: (x, y + f_0(x))."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...activations.activation import Activation
from ...arrays import Array
from ..samplers import Sampler, Stream
from ..state import SgdState

ROWS = 64
"""Samples whose f_0 is computed at once."""


@dataclass(frozen=True)
class Centred(Sampler):
    """The error y - (f_N - f_0) is that of f_N at y + f_0, f_0 the output of the neurons at step 0.

    Attributes:
        inner: the samples (x, y).
        unit: the activation.
        first: the state at step 0.
    """

    inner: Sampler
    unit: Activation
    first: SgdState

    @property
    def dimension(self) -> int:
        return self.inner.dimension

    @property
    def together(self) -> int:  # type: ignore[override]
        return self.inner.together

    def fill(self, x: Array, y: Array, first: int, rows: int, stream: Stream) -> None:
        self.inner.fill(x, y, first, rows, stream)
        begin, last = first, first + len(y)
        while begin < last:
            end = min(begin - begin % ROWS + ROWS, last)
            part = slice(begin - first, end - first)
            y[part] += self._start(x[part, : self.dimension], begin % ROWS)
            begin = end

    def _start(self, x: Array, place: int) -> Array:
        """f_0 at these x: a product of one shape, in which rows have their place, so that no bit hangs on others."""
        whole, start = np.zeros((ROWS, self.dimension)), self.first
        whole[place : place + len(x)] = x
        values = self.unit.value(whole @ start.w.T + start.b)[place : place + len(x)]
        return np.asarray((values * start.a).sum(axis=1) / start.neurons)

    def factors(self, first: int, count: int, stream: Stream) -> Array:
        return self.inner.factors(first, count, stream)

    @property
    def whole(self) -> tuple[Array, Array, Array] | None:
        found = self.inner.whole
        if found is None:
            return None
        x, y, weights = found
        start = self.unit.value(x @ self.first.w.T + self.first.b) @ self.first.a / self.first.neurons
        return x, y + start, weights

    def embed(self, points: Array, seed: int, replica: int) -> Array:
        return self.inner.embed(points, seed, replica)

    def reduce(self, w: Array) -> Array:
        return self.inner.reduce(w)

    def moved(self, w: Array, points: Array) -> Array:
        return self.inner.moved(w, points)
