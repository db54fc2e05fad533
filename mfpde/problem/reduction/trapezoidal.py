"""Equal Gaussian bumps on the line as features of their locations, by the trapezoidal rule.

The rule with step h takes integrals of products of bumps of width s with the relative error 2 exp(-(pi s / h)^2): the
values at its nodes are the features, h the weight of each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.losses.pointwise import nodal_loss
from mfpde.solvers.objective.objective import DenseFeatures, Objective
from mfpde.solvers.objective.representation import Expansion
from mfpde.solvers.space.box import Box

STEP = 0.5
"""Step of the trapezoidal rule in widths s: an error of 2 exp(-4 pi^2), below rounding."""
REACH = 9.0
"""Widths s that the nodes reach beyond the outermost bump: there it has fallen to 3e-18."""


@dataclass(frozen=True)
class BumpFeatures(DenseFeatures):
    """N(x_m; z, s^2), the bump itself at equidistant nodes x_m.

    Attributes:
        nodes: x_m, shape (M,).
        width: s.
    """

    nodes: Array
    width: float

    @property
    def dimension(self) -> int:
        return 1

    @property
    def rank(self) -> int:
        return len(self.nodes)

    def values(self, points: Array) -> Array:
        return bumps(self.nodes, points, self.width)

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        values = bumps(self.nodes, points, self.width)
        slopes = values * ((self.nodes - points) / self.width**2)
        return values, slopes[:, :, None]


def bumps(nodes: Array, points: Array, width: float) -> Array:
    """N(x_m; z, s^2), shape (n, M), for nodes (M,) and points (n, 1)."""
    distance = (nodes - points) / width
    return np.asarray(1.0 / (np.sqrt(2.0 * np.pi) * width) * np.exp(-0.5 * distance * distance))


def expand(centres: Sequence[float], shares: Sequence[float], width: float, loss: str, box: Box) -> Expansion:
    """The nodes of the rule for locations on the box, and for the target sum_k shares_k N(x; centres_k, width^2)."""
    places = np.asarray(centres)
    low, high = min(box.lower[0], places.min()), max(box.upper[0], places.max())
    spacing = STEP * width
    count = int(np.ceil((high - low + 2.0 * REACH * width) / spacing)) + 1
    nodes = low - REACH * width + spacing * np.arange(count)
    target = np.asarray(shares) @ bumps(nodes, places[:, None], width)
    size = 1.0 / math.sqrt(2.0 * math.sqrt(math.pi) * width)
    rounding = 1e-15 * size**2
    objective = Objective(BumpFeatures(nodes, width), nodal_loss(loss, np.full(count, spacing), target))
    return Expansion(objective, rounding, "trapezoidal rule", cheap=True, scale=size)
