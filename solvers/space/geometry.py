"""The reduced space: its coordinates, their bounds, which of them move, and the image omega of Lebesgue measure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..arrays import Array


@dataclass(frozen=True)
class Geometry:
    """Coordinates z = (r_1, ..., r_B, a, b): Euclidean metric, omega(r) = prod_j r_j^(p_j - 1).

    Attributes:
        names: coordinate names, ("r1", "r2", "a", ...).
        block_dimensions: p_j for a radius r_j = |w_j| >= 0; 0 for a coordinate on the whole line (omega = 1, no bound).
            np.inf where d is infinite: omega is then undefined and noise is refused.
        mobile: whether the flow moves the coordinate (offsets or coefficients may be frozen).
    """

    names: tuple[str, ...]
    block_dimensions: tuple[float, ...]
    mobile: tuple[bool, ...]

    @property
    def dimension(self) -> int:
        """Number of reduced coordinates."""
        return len(self.names)

    @property
    def lower_bounds(self) -> Array:
        """0 for radii, -inf for the others, shape (D,)."""
        return np.array([0.0 if p > 0 else -np.inf for p in self.block_dimensions])

    @property
    def mobility(self) -> Array:
        """1 where the coordinate moves, 0 where it is frozen, shape (D,)."""
        return np.array(self.mobile, dtype=float)

    @property
    def log_surface(self) -> float:
        """sum_j log S_{p_j} over the radii that move, S_p = 2 pi^(p/2) / Gamma(p/2)."""
        halves = [0.5 * self._power(axis) for axis in range(self.dimension) if self._is_radius(axis)]
        return sum(math.log(2.0) + half * math.log(math.pi) - math.lgamma(half) for half in halves)

    def log_density(self, axis: int, points: Array) -> Array:
        """log of the factor of omega of one axis at points > 0: (p - 1) log r, or 0 without a radius that moves."""
        power = self._power(axis)
        if power == 1.0:
            return np.zeros(len(points))
        return np.asarray((power - 1.0) * np.log(points))

    def log_measure(self, axis: int, edges: Array) -> Array:
        """log of the integral of that factor over the cells between `edges`, shape (n,).

        (b^p - a^p) / p is formed as b^p (1 - (a/b)^p) / p in logarithms, which holds for p in the thousands.
        """
        power = self._power(axis)
        if power == 1.0:
            return np.asarray(np.log(np.diff(edges)))
        low, high = edges[:-1], edges[1:]
        ratio = power * np.log1p(-(high - low) / np.where(low > 0.0, high, np.inf))
        part = np.where(low > 0.0, -np.expm1(ratio), 1.0)
        return np.asarray(power * np.log(high) + np.log(part) - np.log(power))

    def mean_square(self, axis: int, edges: Array) -> Array:
        """Mean of r^2 over the cells between `edges` with respect to that factor, shape (n,)."""
        power = self._power(axis)
        low, high = edges[:-1], edges[1:]
        ratio = low / high
        share = (1.0 - ratio ** (power + 2.0)) / (1.0 - ratio**power)
        return np.asarray(power / (power + 2.0) * high**2 * share)

    def _is_radius(self, axis: int) -> bool:
        return self.block_dimensions[axis] > 0 and self.mobile[axis]

    def _power(self, axis: int) -> float:
        """p of a radius that moves, else 1; omega is undefined for p = inf."""
        if not self._is_radius(axis):
            return 1.0
        power = float(self.block_dimensions[axis])
        if not (power < np.inf):
            raise ValueError(
                f"{self.names[axis]} has infinite dimension, where omega is undefined: noise needs finite data.dims"
            )
        return power
