"""U of two neurons on the sphere, and y as one neuron more: what `objective.kernel` moves atoms by.

A row whose place is NaN stands for y itself: with a neuron it has E y sigma in common, with itself E y^2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..activations.activation import Activation
from ..arrays import Array
from ..objective.kernel import KernelFeatures, KernelLoss
from ..objective.objective import Objective
from .neurons import Neurons
from .targets import Target


@dataclass(frozen=True)
class SphereKernel:
    """Neurons w of R^d, and b where there are offsets.

    Attributes:
        activation: sigma.
        target: y.
        has_offset: whether b is the last coordinate.
    """

    activation: Activation
    target: Target
    has_offset: bool

    @property
    def dimension(self) -> int:
        return self.target.dimension + self.has_offset

    @property
    def itself(self) -> Array:
        """The row of y, of mass 1."""
        return np.concatenate([[1.0], np.full(self.dimension, np.nan)])[None]

    @property
    def objective(self) -> Objective:
        """Features and loss of y."""
        return Objective(KernelFeatures(self), KernelLoss(self, self.itself))

    def potential(self, points: Array, others: Array, masses: Array) -> tuple[Array, Array]:
        here, there = ~np.isnan(points[:, 0]), ~np.isnan(others[:, 0])
        share = float(masses[~there].sum())
        count = int(here.sum())
        if np.array_equal(points[here], others[there]):
            own = rest = self._neurons(points[here])
        else:
            both = self._neurons(np.vstack([points[here], others[there]]))
            own, rest = both.part(slice(0, count)), both.part(slice(count, None))
        found, taught = own.slopes(rest, masses[there]), own.taught(self.target)
        values, slopes = np.empty(len(points)), np.zeros(points.shape)
        values[here] = found.value + share * taught.value
        slopes[here, : self.target.dimension] = found.by_weight + share * taught.by_weight
        if self.has_offset:
            slopes[here, -1] = found.by_offset + share * taught.by_offset
        if not here.all():
            values[~here] = masses[there] @ rest.taught(self.target).value + share * self.target.second_moment
        return values, slopes

    def left(self, points: Array, masses: Array) -> float:
        """What degrees that are left out hold of E f^2 at most: y has none of them."""
        return float(np.abs(masses) @ np.sqrt(self._neurons(points).left)) ** 2

    def _neurons(self, points: Array) -> Neurons:
        d = self.target.dimension
        return Neurons.of(self.activation, points[:, :d], points[:, d] if self.has_offset else np.zeros(len(points)))
