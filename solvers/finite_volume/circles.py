"""Cells around circles: the same sweep on a grid that goes on past the cut by two cells each way."""

from __future__ import annotations

from typing import Any

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
    cell of a turn enters the first; they count in no output and are dropped after each sweep. The axis of the most
    cells is taken last, along which sweeps are fastest.

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
        self._order = np.argsort(grid.shape, kind="stable")
        self._back = np.argsort(self._order)
        axes, names, mobile = (_chosen(part, self._order) for part in (geometry.axes, geometry.names, geometry.mobile))
        inner = Geometry(axes, names, mobile, _chosen(geometry.factors, self._order))
        turn = Grid(_chosen(grid.edges, self._order), _chosen(grid.centres, self._order))
        past = [PAST * bool(closed) for closed in inner.periodic]
        pairs = list(zip(turn.shape, past, strict=True))
        self._turn = tuple(slice(more, more + count) for count, more in pairs)
        self._copies = np.ix_(*[np.arange(-more, count + more) % count for count, more in pairs])
        longer = turn.longer([axis.period for axis in axes], PAST)
        super().__init__(objective, inner, longer, confinement, self._laid(masses), order, empty)
        # copies to the last bit: rounding would make mass at the cut
        rank, whole = self.features.shape[1], self.features.transpose(0, 2, 1).reshape(*self.shape, -1)
        copied = whole[self._turn][self._copies].reshape(self.rows[0], self.rows[1], rank)
        self.features = np.ascontiguousarray(copied.transpose(0, 2, 1))
        for faces, count, more in zip(self._axes[3 - len(pairs) :], turn.shape, past, strict=True):
            if more:
                faces[:, [0, 1]], faces[:, -1] = faces[:, [count, count + 1]], faces[:, more]

    def potential(self, gradient: Array) -> Array:
        return self._taken(super().potential(gradient))

    @property
    def confinement(self) -> Array:
        return self._taken(super().confinement)

    def outputs(self, mass: Array) -> Array:
        padded, count = np.zeros(self.shape), [part.stop - part.start for part in self._turn]
        padded[self._turn] = self._laid(mass.reshape([count[a] for a in self._back]))
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
        before, base = (np.ascontiguousarray(self._laid(part)[self._copies]) for part in (mass, old))
        _, rate = super().sweep(before, base, weight, step, gradient, moved, measure, limited)
        new[...] = self._taken(moved)
        return self.outputs(new), rate

    def _feature_rows(self, points: Array, confinement: Confinement) -> Array:
        return super()._feature_rows(points[:, self._back], confinement)

    def _laid(self, values: Array) -> Array:
        """Values on the grid of one turn, its axes in the order of sweeps."""
        return values.transpose(self._order)

    def _taken(self, values: Array) -> Array:
        """Values of one turn, in the order of the grid."""
        return np.ascontiguousarray(values[self._turn].transpose(self._back))


def _chosen(parts: tuple[Any, ...], order: Any) -> tuple[Any, ...]:
    """Parts, one for each axis or none, in an order."""
    return tuple(parts[a] for a in order) if parts else ()


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
