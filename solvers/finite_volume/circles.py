"""Cells around circles: the same sweep on a grid that goes on past the cut by two cells each way."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..flow.confinement import Confinement
from ..objective.objective import Objective
from ..space.geometry import Geometry
from ..space.grid import Grid
from .cell_features import CellFeatures

PAST = 2
"""Cells past the cut: a flux asks the outer neighbours of the two cells beside its face."""


class TurningCells(CellFeatures):
    """`CellFeatures` of a grid that closes along some axes.

    The cells past the cut are copies of those they stand for, features and faces alike, so that what leaves the last
    cell of a turn enters the first; they count in no output and are dropped after each sweep.

    Args:
        those of `CellFeatures`, of one turn.
    """

    def __init__(
        self,
        objective: Objective,
        geometry: Geometry,
        grid: Grid,
        confinement: Confinement,
        masses: Array,
        order: int,
        empty: float,
    ) -> None:
        past = [PAST * bool(closed) for closed in geometry.periodic]
        pairs = list(zip(grid.shape, past, strict=True))
        self._turn = tuple(slice(more, more + count) for count, more in pairs)
        self._copies = np.ix_(*[np.arange(-more, count + more) % count for count, more in pairs])
        self._inner_shape = grid.shape
        longer = grid.longer([axis.period for axis in geometry.axes], PAST)
        super().__init__(objective, geometry, longer, confinement, masses, order, empty)
        # copies to the last bit: rounding would make mass at the cut
        rank, whole = self.features.shape[1], self.features.transpose(0, 2, 1).reshape(*self.shape, -1)
        copied = whole[self._turn][self._copies].reshape(self.rows[0], self.rows[1], rank)
        self.features = np.ascontiguousarray(copied.transpose(0, 2, 1))
        for faces, count, more in zip(self._axes[3 - len(pairs) :], grid.shape, past, strict=True):
            if more:
                faces[:, [0, 1]], faces[:, -1] = faces[:, [count, count + 1]], faces[:, more]

    def potential(self, gradient: Array) -> Array:
        return super().potential(gradient)[self._turn]

    @property
    def confinement(self) -> Array:
        return super().confinement[self._turn]

    def outputs(self, mass: Array) -> Array:
        padded = np.zeros(self.shape)
        padded[self._turn] = mass.reshape(self._inner_shape)
        return super().outputs(padded)

    def sweep(
        self,
        mass: Array,
        old: Array,
        weight: float,
        step: float,
        gradient: Array,
        new: Array,
        measure: bool = False,
        limited: bool = True,
    ) -> tuple[Array, float]:
        moved = np.empty(self.shape)
        before, base = (np.ascontiguousarray(part[self._copies]) for part in (mass, old))
        _, rate = super().sweep(before, base, weight, step, gradient, moved, measure, limited)
        new[...] = moved[self._turn]
        return self.outputs(new), rate


def cells_on(
    objective: Objective,
    geometry: Geometry,
    grid: Grid,
    confinement: Confinement,
    masses: Array,
    order: int,
    empty: float,
) -> CellFeatures:
    """The cells of a grid, around circles where there are some."""
    kind = TurningCells if geometry.periodic.any() else CellFeatures
    return kind(objective, geometry, grid, confinement, masses, order, empty)
