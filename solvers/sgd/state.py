"""The state of a trajectory of SGD."""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import Array

LARGEST_GRAM_BATCH = 1024
"""Samples of a step whose inner products are held at once."""


@dataclass(frozen=True)
class SgdState:
    """Everything a trajectory needs to go on.

    Attributes:
        step: k, steps made.
        w: first-layer weights, shape (N, d).
        a, b: coefficients and offsets, shape (N,).
    """

    step: int
    w: Array
    a: Array
    b: Array

    @property
    def parts(self) -> tuple[Array, Array, Array]:
        """w, a and b."""
        return self.w, self.a, self.b

    @property
    def neurons(self) -> int:
        """N."""
        return len(self.w)
