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
MOST_NODES = 2000
"""Nodes beyond which a rule is not refined."""
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


def expand(
    centres: Sequence[float], shares: Sequence[float], width: float, loss: str, box: Box, accuracy: float
) -> Expansion:
    """The nodes of the rule for locations on the box, and for the target sum_k shares_k N(x; centres_k, width^2).

    A loss that is not quadratic may have kinks, where the rule is of low order: its step is then halved until the
    rule and the same rule moved by half a step agree to `accuracy`, or there are `MOST_NODES`.
    """
    size = 1.0 / math.sqrt(2.0 * math.sqrt(math.pi) * width)
    rounding = 1e-15 * size**2
    spacing = STEP * width
    while True:
        made = _Rule(centres, shares, width, loss, box, spacing)
        error = rounding if made.objective().loss.quadratic else max(rounding, made.moved())
        if error <= max(accuracy, rounding) or made.count > MOST_NODES:
            return Expansion(made.objective(), error, "trapezoidal rule", scale=size, potential=made.potential)
        spacing *= 0.5


@dataclass(frozen=True)
class _Rule:
    """The rule with one step."""

    centres: Sequence[float]
    shares: Sequence[float]
    width: float
    loss: str
    box: Box
    spacing: float

    @property
    def ends(self) -> tuple[float, float]:
        """The outermost locations."""
        return min(self.box.lower[0], *self.centres), max(self.box.upper[0], *self.centres)

    @property
    def count(self) -> int:
        """M."""
        low, high = self.ends
        return int(np.ceil((high - low + 2.0 * REACH * self.width) / self.spacing)) + 1

    def potential(self, points: Array, masses: Array) -> tuple[Array, Array]:
        """Psi of a law at its own points and its gradients: in closed form, or for other losses from the moved rule."""
        moved = self.objective(0.5)
        if not moved.loss.quadratic:
            return moved.features.contract(points, moved.loss_gradient(moved.features.outputs(points, masses)))
        centres = np.asarray(self.centres)
        pairs = np.concatenate([points[:, 0], centres])
        overlaps = bumps(pairs, points, math.sqrt(2.0) * self.width) * np.append(masses, -np.asarray(self.shares))
        return overlaps.sum(axis=1), (overlaps * (pairs - points) / (2.0 * self.width**2)).sum(axis=1)[:, None]

    def objective(self, shift: float = 0.0) -> Objective:
        """With the nodes moved by this part of the step."""
        first = self.ends[0] - REACH * self.width
        nodes: Array = first + self.spacing * (shift + np.arange(self.count, dtype=float))
        target = np.asarray(self.shares) @ bumps(nodes, np.asarray(self.centres)[:, None], self.width)
        weights = np.full(self.count, self.spacing)
        return Objective(BumpFeatures(nodes, self.width), nodal_loss(self.loss, weights, target))

    def moved(self) -> float:
        """Twice the largest change of the risk by half a step, over laws from one bump to a wide spread of them."""
        low, high = self.ends
        here, there = self.objective(), self.objective(0.5)
        changes = []
        for centre in np.linspace(low, high, 7):
            for reach in (0.0, self.width, 0.25 * (high - low), high - low):
                places = np.clip(np.linspace(centre - reach, centre + reach, 65), low, high)[:, None]
                masses = np.full(len(places), 1.0 / len(places))
                changes.append(abs(here.risk(here.outputs(places, masses)) - there.risk(there.outputs(places, masses))))
        return 2.0 * max(changes)
