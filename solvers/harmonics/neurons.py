"""Neurons on the sphere S^(d-1)(sqrt d): what they have in common with one another and with a target, and its slopes.

With l_k the coefficients of the unit and e = w / |w|, c = <e, e'>,

    E sigma sigma' = sum_k l_k l_k' P_k(c),     E y sigma = sum_k l_k Y_k(e),
    grad_w = e (sum_k d_t l_k ...) + |w|^-1 (sum_k l_k grad_e ...),
    P_k'(c; d) = k (k + d - 2) / (d - 1) P_{k-1}(c; d + 2).

At w = 0 the direction is taken to be 0, which leaves the limits: l_1 / |w| is finite and the others vanish.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..activations.activation import Activation
from ..arrays import Array
from .pairs import pulls, sums
from .polynomials import recurrence
from .targets import Target
from .units import Coefficients, ZonalUnit, over_size

COUNTS = (16, 24, 32, 40, 48, 64, 80, 96, 128, 192, 256)
"""Numbers of degrees that are tried."""
ENOUGH = 1e-15
"""Share of E sigma^2 that may be left out, and more where no number of degrees is enough."""
SMALLEST = 1e-300


@dataclass(frozen=True)
class Slopes:
    """A value at every neuron and its derivatives in w, shape (n, d), and b, shape (n,)."""

    value: Array
    by_weight: Array
    by_offset: Array

    def minus(self, other: Slopes) -> Slopes:
        """The difference."""
        return Slopes(self.value - other.value, self.by_weight - other.by_weight, self.by_offset - other.by_offset)


@dataclass(frozen=True)
class Neurons:
    """Neurons by their directions and the coefficients of their units.

    Attributes:
        unit: l_k, of as many degrees as were enough.
        directions: e, shape (n, d), 0 for w = 0.
        sizes: |w|, shape (n,).
        offsets: b, shape (n,).
        squares: E sigma^2, shape (n,).
    """

    unit: ZonalUnit
    directions: Array
    sizes: Array
    offsets: Array
    squares: Array

    @classmethod
    def of(cls, activation: Activation, w: Array, b: Array) -> Neurons:
        """With the degrees that Parseval's identity asks for."""
        sizes, dimension = np.linalg.norm(w, axis=1), w.shape[1]
        directions = w / np.maximum(sizes, SMALLEST)[:, None]
        squares = ZonalUnit.of(activation, dimension, COUNTS[0]).squares(sizes, b)
        for count in COUNTS:
            found = cls(ZonalUnit.of(activation, dimension, count), directions, sizes, b, squares)
            if np.all(found.left <= ENOUGH * count * squares) or dimension == 1:
                break
        return found

    @cached_property
    def coefficients(self) -> Coefficients:
        """l_k and its slopes."""
        return self.unit.coefficients(self.sizes, self.offsets)

    @cached_property
    def left(self) -> Array:
        """|E sigma^2 - sum_k l_k^2|, shape (n,): what degrees that are left out hold, or rounding."""
        return np.asarray(np.abs(self.squares - (self.coefficients.value**2).sum(axis=1)))

    def part(self, rows: slice) -> Neurons:
        """Some of them, by the same degrees."""
        held = replace(
            self,
            directions=self.directions[rows],
            sizes=self.sizes[rows],
            offsets=self.offsets[rows],
            squares=self.squares[rows],
        )
        # known already
        held.__dict__["coefficients"] = Coefficients(*(part[rows] for part in self.coefficients))
        return held

    def pulled(self, others: Neurons, masses: Array) -> Array:
        """sum_j m_j E sigma sigma_j, shape (n,)."""
        return np.asarray(np.einsum("nk,nk->n", self.coefficients.value, self._pulls(others, masses)))

    def _cosines(self, others: Neurons) -> Array:
        return np.clip(self.directions @ others.directions.T, -1.0, 1.0)

    def _pulls(self, others: Neurons, masses: Array) -> Array:
        """sum_j m_j l_jk P_k(c_ij), shape (n, K)."""
        held = np.ascontiguousarray((masses[:, None] * others.coefficients.value).T)
        return np.asarray(pulls(self._cosines(others), held, *recurrence(self.unit.dimension, self.unit.count)))

    def slopes(self, others: Neurons, masses: Array) -> Slopes:
        """sum_j m_j E sigma sigma_j with its derivatives."""
        held = self._pulls(others, masses)
        return self._slopes(held, self._turned(others, masses))

    def _turned(self, others: Neurons, masses: Array) -> Array:
        """|w|^-1 sum_j m_j sum_k l_k l_jk P_k'(c_ij) e_j across e, shape (n, d)."""
        d, count = self.unit.dimension, self.unit.count
        if d == 1:
            return np.zeros_like(self.directions)
        k = np.arange(1.0, count)
        own = np.ascontiguousarray(over_size(self.coefficients, self.sizes)[:, 1:] * (k * (k + d - 2.0) / (d - 1.0)))
        held = np.ascontiguousarray((masses[:, None] * others.coefficients.value[:, 1:]).T)
        cosines = self._cosines(others)
        return self._across(sums(cosines, own, held, *recurrence(d + 2, count - 1)) @ others.directions)

    def _across(self, vectors: Array) -> Array:
        """What vectors, shape (n, d), have across the directions."""
        along = np.einsum("nd,nd->n", vectors, self.directions)
        return np.asarray(vectors - along[:, None] * self.directions)

    def _slopes(self, held: Array, turned: Array) -> Slopes:
        """Those of sum_k l_k held_k, `turned` its slope across e."""
        values, by_size, by_offset = (np.einsum("nk,nk->n", part, held) for part in self.coefficients)
        return Slopes(values, by_size[:, None] * self.directions + turned, by_offset)

    def taught(self, target: Target) -> Slopes:
        """E y sigma with its derivatives."""
        parts = target.parts(self.directions, self.unit.count)
        return self._slopes(parts, target.slopes(self.directions, over_size(self.coefficients, self.sizes)))
