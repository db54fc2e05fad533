"""Laws of the data (x, y), reduced to what their symmetry leaves."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class GaussianMixture:
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

    @classmethod
    def with_delta(cls, delta: float, dimensions: tuple[float, ...], fractions: tuple[float, ...]) -> GaussianMixture:
        """Scales 1 ± delta on the first block and 1 on the others."""
        rest = ((1.0, 1.0),) * (len(dimensions) - 1)
        return cls(dimensions, ((1.0 + delta, 1.0 - delta), *rest), fractions)


@dataclass(frozen=True)
class GaussianBumps:
    """The target f(x) = sum_k w_k N(x; m_k, s^2) on the line, fitted by units N(x; z, s^2) in L2(dx).

    Attributes:
        centres: m_k.
        weights: w_k.
        width: s.
    """

    centres: tuple[float, ...]
    weights: tuple[float, ...]
    width: float

    @property
    def squared_norm(self) -> float:
        """∫f^2 dx = sum_kl w_k w_l N(m_k; m_l, 2 s^2)."""
        height = 1.0 / (2.0 * math.sqrt(math.pi) * self.width)
        pairs = zip(self.centres, self.weights, strict=True), zip(self.centres, self.weights, strict=True)
        return height * sum(
            first_weight * weight * math.exp(-(((first - centre) / (2.0 * self.width)) ** 2))
            for (first, first_weight), (centre, weight) in itertools.product(*pairs)
        )
