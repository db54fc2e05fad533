"""Teachers on the circle, and units of two slopes by the Fourier coefficients of their angle."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.arrays import Array

MOST_ORDERS = 4000
"""Largest order of a Fourier expansion."""


@dataclass(frozen=True)
class Teachers:
    """y = sum_k c_k sigma(<v_k, x>), |v_k| = 1.

    Attributes:
        angles: of v_k, shape (K,).
        weights: c_k, shape (K,).
    """

    angles: Array
    weights: Array

    @property
    def directions(self) -> Array:
        """v_k, shape (K, 2)."""
        return on_circle(self.angles)


def on_circle(angles: Array) -> Array:
    """Unit vectors with these angles, shape (n, 2)."""
    return np.column_stack([np.cos(angles), np.sin(angles)])


@dataclass(frozen=True)
class TwoSlopes:
    """sigma(u) = alpha (u)_+ + beta (-u)_+.

    Attributes:
        right, left: alpha and beta.
    """

    right: float
    left: float

    @classmethod
    def of(cls, unit: Activation) -> TwoSlopes | None:
        """The slopes of a unit that is linear on either side of 0; None for any other."""
        if unit.linear is None or unit.homogeneity != 1.0:
            return None
        right, left = unit.value(np.array([1.0, -1.0]))
        return cls(float(right), float(left))

    def multiple(self, other: TwoSlopes) -> float | None:
        """The factor that makes the other one of this one; None where there is none."""
        size = math.hypot(self.right, self.left)
        factor = (self.right * other.right + self.left * other.left) / size**2
        apart = math.hypot(factor * self.right - other.right, factor * self.left - other.left)
        return factor if apart <= 1e-15 * math.hypot(other.right, other.left) else None

    def coefficients(self, orders: Array) -> Array:
        """sqrt(E cos^2) s_k, the features' sizes."""
        k = orders.astype(float)
        even, total = orders % 2 == 0, self.right + self.left
        found = np.where(orders % 4 == 0, -2.0, 2.0) * total / math.pi * even / np.where(even, k**2 - 1.0, 1.0)
        found[orders == 0] = total / math.pi
        found[orders == 1] = 0.5 * (self.right - self.left)
        return np.asarray(np.where(orders == 0, found, found / math.sqrt(2.0)))

    def orders(self, accuracy: float) -> tuple[Array, float]:
        """0, 1 and the even orders up to one that leaves `accuracy` of k, and what it leaves."""
        high = 2
        while high < MOST_ORDERS and self._left_beyond(high) > accuracy:
            high = min(2 * high, MOST_ORDERS)
        low = high // 2
        while high - low > 2:
            middle = 2 * ((low + high) // 4)
            low, high = (low, middle) if self._left_beyond(middle) <= accuracy else (middle, high)
        return np.concatenate([[0, 1], np.arange(2, high + 1, 2)]), self._left_beyond(high)

    def _left_beyond(self, order: int) -> float:
        """sum of s_k^2 / 2 over even k > order, for an even order.

        4/(k^2 - 1)^2 = 1/(k - 1)^2 + 1/(k + 1)^2 - 1/(k - 1) + 1/(k + 1): trigamma functions and a telescoping sum.
        """
        first = 0.5 * order + 1.0
        squares = 0.25 * (special.polygamma(1, first - 0.5) + special.polygamma(1, first + 0.5))
        differences = 0.5 / (first - 0.5)
        total = self.right + self.left
        return float(max(0.5 * (total / math.pi) ** 2 * (squares - differences), 0.0))
