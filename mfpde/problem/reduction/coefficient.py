"""An activation with a constant coefficient and offset folded in."""

from __future__ import annotations

from dataclasses import dataclass

from mfpde.problem.activations.interface import Activation, Moments
from mfpde.solvers.arrays import Array


@dataclass(frozen=True)
class AffineUnit:
    """The activation u -> coefficient * sigma(u + offset)."""

    activation: Activation
    coefficient: float
    offset: float

    @property
    def name(self) -> str:
        return self.activation.name

    def __call__(self, u: Array) -> Array:
        return self.coefficient * self.activation(u + self.offset)

    def derivative(self, u: Array) -> Array:
        return self.coefficient * self.activation.derivative(u + self.offset)

    def mean(self, scale: Array, offset: Array) -> Moments:
        moments = self.activation.mean(scale, offset + self.offset)
        return Moments(*(self.coefficient * part for part in moments))

    def even_hermite(self, scale: Array, offset: Array, highest: int) -> Moments:
        moments = self.activation.even_hermite(scale, offset + self.offset, highest)
        return Moments(*(self.coefficient * part for part in moments))
