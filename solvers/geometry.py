"""The reduced space: its coordinates, their bounds, which of them move, and the image omega of Lebesgue measure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .objective import Array


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
