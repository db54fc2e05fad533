"""Fitting a density on the line by equal Gaussian bumps: the finite feature map of their locations.

The unit is phi(x; z) = N(x; z, s^2), the target f(x) = sum_k w_k N(x; m_k, s^2), and the risk the squared L2 distance
with respect to Lebesgue measure,

    R(rho) = ∫(f - f_rho)^2 dx,     U(z, z') = ∫phi(x; z) phi(x; z') dx = N(z; z', 2 s^2).

The trapezoidal rule with step h takes these integrals with the relative error 2 exp(-(pi s / h)^2): its nodes are the
features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from mfpde.problem.reduction.trapezoidal import STEP, BumpFeatures, GaussianBumps, bumps
from mfpde.solvers.objective.compression import compress
from mfpde.solvers.objective.objective import FeatureMap, Objective
from mfpde.solvers.objective.representation import ReducedObjective
from mfpde.solvers.objective.table.feature_table import build_table
from mfpde.solvers.objective.table.patched import PatchedFeatures
from mfpde.solvers.space.box import Box

REACH = 9.0
"""Widths s that the nodes reach beyond the outermost bump: there it has fallen to 3e-18."""
TABLE_ENTRIES = 8_000_000
"""Largest number of nodes times features of a table, 64 MB."""
GUIDE_REACH = 20.0
"""Widths s that the bumps of a guide may spread beyond their start and the target."""


@dataclass(frozen=True)
class BumpReduction:
    """The reduced problem of `GaussianBumps` on the line of locations z.

    Attributes:
        law: the target and the width of the bumps.
    """

    law: GaussianBumps

    def rough(self, box: Box, accuracy: float) -> ReducedObjective:
        """A cheap table for a guide, on the part of the box that bumps can spread to."""
        start = -float(box.lower[0])
        reach = max(start, float(np.abs(self.law.centres).max())) + GUIDE_REACH * self.law.width
        near = Box(np.array([-reach]), np.array([reach]))
        return self._tabulated(near, accuracy, degree=6)

    def exact(self, box: Box, accuracy: float) -> ReducedObjective:
        """All the nodes of the rule, exact to rounding on the box."""
        del accuracy
        objective = self._objective(self._features(box))
        return self._reduced(objective, objective, 0.0, "trapezoidal rule")

    def compressed(self, box: Box, accuracy: float) -> ReducedObjective:
        """Features of the numerical rank on the box."""
        source = self._objective(self._features(box))
        small = compress(source.features, box.lower, box.upper, max(accuracy, self._rounding))
        return self._reduced(source, self._objective(small), small.error, "trapezoidal rule, compressed")

    def tabulated(self, box: Box, accuracy: float) -> ReducedObjective:
        """Features of the numerical rank, tabulated on the box; outside it they are evaluated."""
        return self._tabulated(box, accuracy, degree=8)

    def for_grid(self, box: Box, accuracy: float) -> ReducedObjective:
        """Features to be evaluated once on the cells of a grid."""
        return self.compressed(box, accuracy)

    @property
    def _rounding(self) -> float:
        """Error of U that rounding leaves: U is at most 1 / (2 s sqrt(pi))."""
        return 1e-15 / (2.0 * math.sqrt(math.pi) * self.law.width)

    def _features(self, box: Box) -> BumpFeatures:
        """Nodes for locations on the box, and for the target."""
        width, centres = self.law.width, np.asarray(self.law.centres)
        low, high = min(box.lower[0], centres.min()), max(box.upper[0], centres.max())
        spacing = STEP * width
        count = int(np.ceil((high - low + 2.0 * REACH * width) / spacing)) + 1
        nodes = low - REACH * width + spacing * np.arange(count)
        target = np.asarray(self.law.weights) @ bumps(nodes, centres[:, None], width)
        # the sign of the first component is that of -target[0]: nothing cancels
        normal = target.copy()
        normal[0] += np.linalg.norm(target)
        return BumpFeatures(nodes, width, normal / np.linalg.norm(normal))

    def _objective(self, features: FeatureMap) -> Objective:
        """Unit weights; the reflected target is -|target| in the first component, whose square has a closed form."""
        targets = np.zeros(features.rank)
        targets[0] = -np.sqrt(self.law.squared_norm)
        return Objective(features, np.ones(features.rank), targets)

    def _tabulated(self, box: Box, accuracy: float, degree: int) -> ReducedObjective:
        compressed = self.compressed(box, accuracy)
        small = compressed.objective.features
        edges = [np.array([box.lower[0], box.upper[0]])]
        scale = 1.0 / np.sqrt(2.0 * np.sqrt(np.pi) * self.law.width)
        tolerance, nodes = max(100.0 * accuracy, 1e-12), max(2_000, TABLE_ENTRIES // small.rank)
        table = build_table(small, edges, degree, tolerance, max_nodes=nodes, least_scales=scale, rounds=1)
        error = compressed.error + 2.0 * float(table.value_error) * scale**2
        objective = replace(compressed.objective, features=PatchedFeatures(table, small))
        return self._reduced(compressed.source, objective, error, f"{compressed.method}, tabulated")

    def _reduced(self, source: Objective, made: Objective, error: float, method: str) -> ReducedObjective:
        rank = made.features.rank
        return ReducedObjective(made, rank, self._rounding + error, method, source, self._rounding)
