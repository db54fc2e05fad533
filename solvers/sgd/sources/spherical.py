"""Samples uniform on a sphere: Gaussian ones, brought to its radius."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...arrays import Array
from ..samplers import GaussianBlocks, Projections, Sampler, Stream


@dataclass(frozen=True)
class SphericalInputs(Sampler):
    """x uniform on S^(d-1)(sqrt d), y = g(x) + noise.

    Attributes:
        gaussian: x before it is brought to the sphere, how neurons are reduced, and the noise.
        target: g of x, shape (n, d), an array of shape (n,); no value may hang on the rows beside it.
    """

    gaussian: Projections
    target: Callable[[Array], Array]

    @property
    def dimension(self) -> int:
        return self.gaussian.dimension

    def fill(self, x: Array, y: Array, first: int, rows: int, stream: Stream) -> None:
        GaussianBlocks.fill(self.gaussian, x, y, first, rows, stream)
        own = x[:, : self.dimension]
        own *= (math.sqrt(self.dimension) / np.sqrt(np.einsum("nd,nd->n", own, own)))[:, None]
        y[:] = self.target(own)
        self.gaussian.add_noise(y, first, stream)

    def embed(self, points: Array, seed: int, replica: int) -> Array:
        return self.gaussian.embed(points, seed, replica)

    def reduce(self, w: Array) -> Array:
        return self.gaussian.reduce(w)

    def moved(self, w: Array, points: Array) -> Array:
        return self.gaussian.moved(w, points)

    def check(self, points: Array) -> None:
        """Nothing: what is drawn is known."""
