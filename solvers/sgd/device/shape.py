"""What a kernel of a graphics processor is compiled for, and the threads and shared memory that follow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...activations.compiled import Loop
from .memory import SIMULATED

WARP = 4 if SIMULATED else 32
"""Threads that exchange numbers without a barrier."""
WIDEST = WARP if SIMULATED else 4 * WARP
"""Threads beyond which each has several neurons, where it holds no weights."""


class Shape(NamedTuple):
    """What a kernel is compiled for.

    Attributes:
        loop: the activation (`activations.compiled.Loop`); None for a table of kinks.
        table: that, of `PiecewiseLinear.compiled`, a row for each knot.
        precision: "float64" or "float32".
        neurons, dimension: N, d.
        block, batch: steps of a block, samples of a step.
        moving: whether a or b move.
        fused: whether a thread holds the weights of its neuron, and makes the products of matrices itself.
    """

    loop: Loop | None
    table: tuple[tuple[float, ...], ...]
    precision: str
    neurons: int
    dimension: int
    block: int
    batch: int
    moving: bool
    fused: bool

    @property
    def rows(self) -> int:
        """Samples of a block."""
        return self.block * self.batch

    @property
    def each(self) -> int:
        """Neurons of a thread."""
        return 1 if self.fused else -(-self.neurons // WIDEST)

    @property
    def threads(self) -> int:
        """Of a thread block."""
        return -(-self.neurons // (self.each * WARP)) * WARP

    @property
    def shared_bytes(self) -> int:
        """S, G, and the samples where they are held: a row of these is one longer, for their banks."""
        size = self.rows * (self.neurons + self.rows + self.fused * (self.dimension + 1))
        return size * np.dtype(self.precision).itemsize
