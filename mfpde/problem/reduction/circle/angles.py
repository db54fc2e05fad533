"""The same features of neurons on the unit circle, by their angle."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mfpde.problem.reduction.circle.arcs import on_circle
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.directed import OnCircle, quarter_turned
from mfpde.solvers.objective.kernel import Kernel, KernelFeatures, KernelLoss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.objective.representation import Expansion

FEW = 512
"""Features that no table is worth while for."""


@dataclass(frozen=True)
class KernelOfAngle:
    """U of w at unit vectors, by their angles."""

    inner: Kernel

    @property
    def dimension(self) -> int:
        return 1

    def potential(self, points: Array, others: Array, masses: Array) -> tuple[Array, Array]:
        w = on_circle(points[:, 0])
        values, slopes = self.inner.potential(w, on_circle(others[:, 0]), masses)
        return values, np.sum(slopes * quarter_turned(w), axis=1)[:, None]


def by_angle(expansion: Expansion) -> Expansion:
    """Features of w on the unit circle, by its angle."""
    gap, atoms = expansion.gap, expansion.atoms
    exact = None
    if atoms is not None and isinstance(atoms.loss, KernelLoss):
        kernel, rows = KernelOfAngle(atoms.loss.kernel), atoms.loss.target
        lengths, angles = np.hypot(rows[:, 1], rows[:, 2]), np.arctan2(rows[:, 2], rows[:, 1])
        target = np.column_stack([rows[:, 0] * lengths, angles])
        exact = Objective(KernelFeatures(kernel), KernelLoss(kernel, target, atoms.loss.constant))
    return replace(
        expansion,
        objective=replace(expansion.objective, features=OnCircle(expansion.objective.features)),
        explicit=expansion.objective.features.rank <= FEW,
        gap=None if gap is None else lambda points, masses: gap(on_circle(points[:, 0]), masses),
        atoms=exact,
    )
