"""Reduction of a two-layer network on a centred Gaussian mixture with isotropic blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mfpde.activations import Activation
from mfpde.data_laws import GaussianMixture
from mfpde.reduction.compression import CompressedFeatures, compress
from mfpde.reduction.hermite import HermiteFeatures, hermite_features, squared_tail
from mfpde.reduction.patched import PatchedFeatures
from mfpde.reduction.unit import WithCoefficient
from mfpde.solvers.feature_table import FeatureTable, build_table
from mfpde.solvers.objective import Array, FeatureMap, Objective

LARGEST_EXPANSION = 6000
"""Raw Hermite features per class beyond which a small-block kernel is cheaper."""


@dataclass(frozen=True)
class Box:
    """A box of the reduced space, corners of shape (D,)."""

    lower: Array
    upper: Array


@dataclass(frozen=True)
class ReducedObjective:
    """An objective with what is known of its accuracy.

    Attributes:
        objective: feature map, weights, targets.
        rank: number of features.
        error: bound, as measured, on the error of U and V on the box.
        method: how the features were obtained, in words.
    """

    objective: Objective
    rank: int
    error: float
    method: str


@dataclass(frozen=True)
class Reduction:
    """The reduced problem at any accuracy.

    Attributes:
        unit: the activation, constant coefficient and offset folded in.
        mixture: the data law.
        has_coefficient, has_offset: whether a and b are coordinates, after the radii in this order.
    """

    unit: Activation
    mixture: GaussianMixture
    has_coefficient: bool
    has_offset: bool

    def exact(self, box: Box, accuracy: float) -> ReducedObjective:
        """Uncompressed features, valid everywhere, with U accurate to `accuracy` on the box where that is possible."""
        features, error = self._expansion(box, accuracy)
        return self._objective(features, error, "Hermite moment expansion")

    def compressed(self, box: Box, accuracy: float) -> ReducedObjective:
        """Features of the numerical rank on the box."""
        features, error = self._expansion(box, accuracy)
        small = self._compress(features, box, accuracy)
        return self._objective(small, error + small.error, "compressed Hermite moment expansion")

    def tabulated(self, box: Box, accuracy: float, degree: int = 8) -> ReducedObjective:
        """Features of the numerical rank, tabulated on the box; outside it they are evaluated exactly."""
        features, error = self._expansion(box, accuracy)
        if features.rank == 2:
            return self._objective(features, error, "closed form")
        small = self._compress(features, box, accuracy)
        inner = self._inner(box)
        edges = [np.array([low, high]) for low, high in zip(inner.lower, inner.upper, strict=True)]
        scale = float(np.max(np.abs(features.values(np.stack([inner.lower, inner.upper])))))
        table = build_table(small, edges, degree=degree, tolerance=np.sqrt(accuracy) * 1e-2, least_scales=scale)
        patched = PatchedFeatures(table, small)
        total = error + small.error + float(table.value_error) * scale**2
        return self._objective(patched, total, "compressed Hermite moment expansion, tabulated")

    def for_grid(self, box: Box, accuracy: float) -> ReducedObjective:
        """Features to be evaluated once on the cells of a grid: no table where they are explicit."""
        return self.compressed(box, accuracy)

    def _inner(self, box: Box) -> Box:
        """The box without the coefficient's axis."""
        if not self.has_coefficient:
            return box
        axis = len(self.mixture.dimensions)
        return Box(np.delete(box.lower, axis), np.delete(box.upper, axis))

    def _compress(self, features: HermiteFeatures, box: Box, accuracy: float) -> CompressedFeatures:
        inner = self._inner(box)
        return compress(features, inner.lower, inner.upper, accuracy)

    def _expansion(self, box: Box, accuracy: float) -> tuple[HermiteFeatures, float]:
        if self.mixture.infinite:
            return hermite_features(self.unit, self.mixture, self.has_offset, 0), 0.0
        highest, error = self._order(box, accuracy)
        return hermite_features(self.unit, self.mixture, self.has_offset, highest), error

    def _order(self, box: Box, accuracy: float) -> tuple[int, float]:
        """Order at which the expansion is accurate enough, or the largest affordable, with its error."""
        inner = self._inner(box)
        blocks = len(self.mixture.dimensions)
        largest = float(np.max(np.asarray(self.mixture.scales))) * float(np.linalg.norm(inner.upper[:blocks]))
        scale = np.geomspace(1e-3, 1.0, 60) * max(largest, 1e-3)
        highest = 2
        while _count(highest + 2, blocks) <= LARGEST_EXPANSION and highest < 1000:
            highest += 2
        offsets = np.linspace(inner.lower[-1], inner.upper[-1], 9) if self.has_offset else np.zeros(1)
        tails = np.max([squared_tail(self.unit, self.mixture, scale, b, 2 * highest) for b in offsets], axis=0)
        enough = np.flatnonzero(tails[: highest // 2] <= accuracy)
        index = int(enough[0]) if enough.size else highest // 2 - 1
        return 2 * (index + 1), float(tails[index])

    def _objective(self, features: FeatureMap, error: float, method: str) -> ReducedObjective:
        weights, targets = np.ones(features.rank), np.zeros(features.rank)
        weights[:2], targets[:2] = 0.5, (1.0, -1.0)
        whole = WithCoefficient(features, len(self.mixture.dimensions)) if self.has_coefficient else features
        return ReducedObjective(Objective(whole, weights, targets), features.rank, error, method)


def _count(order: int, blocks: int) -> int:
    """Number of multi-indices of orders 2, 4, ..., order in `blocks` blocks."""
    half = np.arange(1, order // 2 + 1)
    counts = np.ones(len(half))
    for j in range(1, blocks):
        counts = counts * (half + j) / j
    return int(counts.sum())


def reduce_mixture(unit: Activation, mixture: GaussianMixture, has_coefficient: bool, has_offset: bool) -> Reduction:
    """The reduction of a network with this unit on this mixture; a and b are coordinates where they vary."""
    return Reduction(unit, mixture, has_coefficient, has_offset)
