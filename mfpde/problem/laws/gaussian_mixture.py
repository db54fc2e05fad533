"""Reduction of a two-layer network on a centred Gaussian mixture with isotropic blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mfpde.problem.activations.interface import Activation
from mfpde.problem.activations.piecewise_linear import PiecewiseLinear
from mfpde.problem.reduction.block_pairs import BlockPairs, block_pairs
from mfpde.problem.reduction.coefficient import WithCoefficient
from mfpde.problem.reduction.hermite import hermite_features, squared_tail
from mfpde.problem.reduction.mixture import GaussianMixture
from mfpde.problem.reduction.zonal import zonal_features
from mfpde.solvers.objective.compression import compress
from mfpde.solvers.objective.objective import FeatureMap, Objective
from mfpde.solvers.objective.representation import ReducedObjective as ReducedObjective
from mfpde.solvers.objective.table.feature_table import build_table
from mfpde.solvers.objective.table.patched import PatchedFeatures
from mfpde.solvers.space.box import Box as Box

LARGEST_EXPANSION = 6000
"""Most raw Hermite features per class."""
LARGEST_CHEAP = 1500
"""Raw Hermite features per class beyond which zonal harmonics are cheaper."""
ROUGH_EXPANSION = 60
"""Most raw Hermite features per class of a guide."""

FINEST = 1e-10
"""Finest error of U that zonal harmonics are asked for where the cost is no matter."""
TABLE_ENTRIES = 8_000_000
"""Largest number of nodes times features of a table, 64 MB."""


@dataclass(frozen=True)
class _Expansion:
    features: FeatureMap
    error: float
    method: str


@dataclass(frozen=True)
class MixtureReduction:
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

    @property
    def pairs(self) -> BlockPairs | None:
        """The exact U and V of one small block, None where features are the best there is."""
        return None if self.has_coefficient or self.has_offset else block_pairs(self.unit, self.mixture)

    def rough(self, box: Box, accuracy: float) -> ReducedObjective:
        """A cheap objective for a guide: Hermite features up to `accuracy` or to a few hundred of them."""
        expansion = self._expansion(box, accuracy, limit=ROUGH_EXPANSION)
        inner = self._inner(box)
        quadrature = not isinstance(self.unit, PiecewiseLinear)
        if inner.lower.size > (2 if quadrature else 1) or (expansion.features.rank == 2 and not quadrature):
            return self._reduced(expansion)
        edges = [np.array([low, high]) for low, high in zip(inner.lower, inner.upper, strict=True)]
        table = build_table(expansion.features, edges, tolerance=100.0 * accuracy, max_nodes=10_000, rounds=1)
        return self._reduced(expansion, PatchedFeatures(table, expansion.features), float(table.value_error))

    def exact(self, box: Box, accuracy: float) -> ReducedObjective:
        """Uncompressed features, valid everywhere, with U accurate to `accuracy` on the box where that is possible."""
        return self._reduced(self._expansion(box, accuracy, finest=max(accuracy, FINEST)))

    def compressed(self, box: Box, accuracy: float) -> ReducedObjective:
        """Features of the numerical rank on the box."""
        expansion = self._expansion(box, accuracy)
        inner = self._inner(box)
        small = compress(expansion.features, inner.lower, inner.upper, max(accuracy, expansion.error))
        return self._reduced(expansion, small, small.error, ", compressed")

    def tabulated(self, box: Box, accuracy: float, degree: int = 8) -> ReducedObjective:
        """Features of the numerical rank, tabulated on the box; outside it they are evaluated exactly."""
        expansion = self._expansion(box, accuracy)
        if expansion.features.rank == 2 and isinstance(self.unit, PiecewiseLinear):
            return self._reduced(expansion)
        inner = self._inner(box)
        small = compress(expansion.features, inner.lower, inner.upper, max(accuracy, expansion.error))
        edges = [np.array([low, high]) for low, high in zip(inner.lower, inner.upper, strict=True)]
        corners = expansion.features.values(np.stack([inner.lower, inner.upper]))
        scale = max(float(np.max(np.abs(corners))), 1e-3)
        nodes = max(20_000, TABLE_ENTRIES // small.rank)
        # gradients, which decide the mesh, come out about a hundred times worse than values
        tolerance = 100.0 * accuracy
        table = build_table(
            small, edges, degree, tolerance, max_nodes=nodes, least_scales=scale, rounds=1, smallest_cell=2.0**-8
        )
        error = small.error + 2.0 * float(table.value_error) * scale**2
        return self._reduced(expansion, PatchedFeatures(table, small), error, ", compressed, tabulated")

    def for_grid(self, box: Box, accuracy: float) -> ReducedObjective:
        """Features to be evaluated once on the cells of a grid: no table where they are explicit."""
        if self.mixture.infinite or self._expansion_is_cheap(box, accuracy):
            return self.compressed(box, accuracy)
        return self.tabulated(box, accuracy)

    def _expansion_is_cheap(self, box: Box, accuracy: float) -> bool:
        highest, error = self._order(box, accuracy, LARGEST_EXPANSION)
        return error <= accuracy and _count(highest, len(self.mixture.dimensions)) <= LARGEST_CHEAP

    def _inner(self, box: Box) -> Box:
        """The box without the coefficient's axis."""
        if not self.has_coefficient:
            return box
        axis = len(self.mixture.dimensions)
        return Box(np.delete(box.lower, axis), np.delete(box.upper, axis))

    def _expansion(
        self, box: Box, accuracy: float, limit: int = LARGEST_EXPANSION, finest: float | None = None
    ) -> _Expansion:
        """Raw features on the box: Hermite moments where they converge fast, zonal harmonics for small blocks."""
        if self.mixture.infinite:
            features = hermite_features(self.unit, self.mixture, self.has_offset, 0)
            return _Expansion(features, 0.0, "closed form at d = infinity")
        blocks = len(self.mixture.dimensions)
        highest, error = self._order(box, accuracy, limit if blocks <= 2 else min(limit, LARGEST_CHEAP))
        zonal_applies = isinstance(self.unit, PiecewiseLinear) and blocks <= 2 and not self.has_offset
        if isinstance(self.unit, PiecewiseLinear) and zonal_applies and limit == LARGEST_EXPANSION:
            costly = _count(highest, blocks) > (LARGEST_CHEAP if blocks == 2 else LARGEST_CHEAP // 10)
            if error > accuracy or costly:
                target = max(accuracy, _reachable(self.mixture)) if finest is None else finest
                zonal, error = zonal_features(self.unit, self.mixture, self._largest_scale(box), target)
                return _Expansion(zonal, error, "zonal harmonics")
        features = hermite_features(self.unit, self.mixture, self.has_offset, highest)
        return _Expansion(features, error, "Hermite moment expansion")

    def _largest_scale(self, box: Box) -> float:
        """Largest tau on the box."""
        blocks = len(self.mixture.dimensions)
        upper = np.abs(self._inner(box).upper[:blocks])
        return max(float(np.max(np.linalg.norm(np.asarray(self.mixture.scales).T * upper, axis=1))), 1e-3)

    def _order(self, box: Box, accuracy: float, limit: int) -> tuple[int, float]:
        """Order at which the Hermite expansion is accurate enough, or the largest affordable, with its error."""
        inner = self._inner(box)
        blocks = len(self.mixture.dimensions)
        scale = np.geomspace(1e-3, 1.0, 60) * self._largest_scale(box)
        highest = 2
        while _count(highest + 2, blocks) <= limit and highest < 1000:
            highest += 2
        offsets = np.linspace(inner.lower[-1], inner.upper[-1], 9) if self.has_offset else np.zeros(1)
        tails = np.max([squared_tail(self.unit, self.mixture, scale, b, 2 * highest) for b in offsets], axis=0)
        enough = np.flatnonzero(tails[: highest // 2] <= accuracy)
        index = int(enough[0]) if enough.size else highest // 2 - 1
        return 2 * (index + 1), float(tails[index])

    def _reduced(
        self, expansion: _Expansion, features: FeatureMap | None = None, error: float = 0.0, how: str = ""
    ) -> ReducedObjective:
        """The expansion itself, or features made of it with an additional error."""
        made = expansion.features if features is None else features
        return ReducedObjective(
            objective=self._objective(made),
            rank=made.rank,
            error=expansion.error + error,
            method=expansion.method + how,
            source=self._objective(expansion.features),
            source_error=expansion.error,
        )

    def _objective(self, features: FeatureMap) -> Objective:
        weights, targets = np.ones(features.rank), np.zeros(features.rank)
        weights[:2], targets[:2] = 0.5, (1.0, -1.0)
        whole = WithCoefficient(features, len(self.mixture.dimensions)) if self.has_coefficient else features
        return Objective(whole, weights, targets)


def _reachable(mixture: GaussianMixture) -> float:
    """Error of U that zonal harmonics reach in seconds: the smallest block decides how slowly they converge."""
    if len(mixture.dimensions) == 1:
        return 1e-8 if mixture.dimension == 1 else 1e-10
    if min(mixture.dimensions) <= 3:
        return 1e-6 if mixture.dimension <= 5 else 1e-7
    return 1e-10


def _count(order: int, blocks: int) -> int:
    """Number of multi-indices of orders 2, 4, ..., order in `blocks` blocks."""
    half = np.arange(1, order // 2 + 1)
    counts = np.ones(len(half))
    for j in range(1, blocks):
        counts = counts * (half + j) / j
    return int(counts.sum())


def reduce_mixture(
    unit: Activation, mixture: GaussianMixture, has_coefficient: bool, has_offset: bool
) -> MixtureReduction:
    """The reduction of a network with this unit on this mixture; a and b are coordinates where they vary."""
    return MixtureReduction(unit, mixture, has_coefficient, has_offset)
