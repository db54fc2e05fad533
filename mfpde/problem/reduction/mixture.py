"""The centred Gaussian mixture as its reductions see it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class BlockMixture:
    """Two centred Gaussian classes with isotropic blocks: y = ±1 with probability 1/2, x_j ~ N(0, s_{±,j}^2 Id_{p_j}).

    Attributes:
        dimensions: block dimensions p_j; all math.inf in the limit d -> infinity.
        scales: (s_{+,j}, s_{-,j}) per block.
        fractions: p_j / d, which the limit keeps.
    """

    dimensions: tuple[float, ...]
    scales: tuple[tuple[float, float], ...]
    fractions: tuple[float, ...]

    @property
    def infinite(self) -> bool:
        """Whether this is the limit d -> infinity."""
        return math.isinf(self.dimensions[0])

    @property
    def dimension(self) -> float:
        """d, the dimension of x."""
        return sum(self.dimensions)
