"""What the reduction asks of an activation: its Gaussian moments, and no more.

For a pre-activation t G + b with G standard normal,

    q(t, b)   = E sigma(t G + b)
    c_k(t, b) = E[sigma(t G + b) h_k(G)],      h_k = He_k / sqrt(k!), the normalised Hermite polynomial.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from mfpde.solvers.arrays import Array


class Moments(NamedTuple):
    """Gaussian moments at n scales: value and derivatives in t and b, each of shape (n,) or (n, orders)."""

    value: Array
    by_scale: Array
    by_offset: Array


class Activation(Protocol):
    """A unit's activation, seen through its values and Gaussian moments."""

    @property
    def name(self) -> str:
        """The name in configurations."""
        ...

    def __call__(self, u: Array) -> Array:
        """sigma(u), elementwise."""
        ...

    def derivative(self, u: Array) -> Array:
        """sigma'(u), elementwise; at a knot the slope to its right."""
        ...

    def mean(self, scale: Array, offset: Array) -> Moments:
        """q(t, b) with its derivatives, at scales t >= 0 and offsets b of shape (n,)."""
        ...

    def even_hermite(self, scale: Array, offset: Array, highest: int) -> Moments:
        """c_2, c_4, ..., c_highest with their derivatives, each of shape (n, highest // 2)."""
        ...
