"""Measures on the reduced space, on atoms or on the cells of a grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..arrays import Array
from .grid import Grid


class Outputs(Protocol):
    """What a measure asks of a feature map."""

    def outputs(self, points: Array, masses: Array) -> Array:
        """Phi nu, shape (M,), of sum_i masses_i delta_{points_i}."""


class MeasureBase:
    """What atoms and cells have in common. The mass need not be 1; a sign may go with it.

    Attributes:
        points: the points that carry the masses, shape (n, D).
        weights: the masses on them, >= 0, shape (n,).
        signs: +1 or -1 for each mass, shape (n,); None where all are +1.
        names: of the coordinates; empty where nobody named them.
        edges: cell edges per axis; None for atoms.
        corners: lower and upper corners of what holds each mass, shapes (n, D): a cell, or the atom itself.
        mean, variance: of each coordinate under the normalised masses, shape (D,).
    """

    if TYPE_CHECKING:  # fields of some measures: a property here would become their default

        @property
        def points(self) -> Array: ...

        @property
        def weights(self) -> Array: ...

        @property
        def signs(self) -> Array | None: ...

        @property
        def names(self) -> tuple[str, ...]: ...

    @property
    def mass(self) -> float:
        """The total mass, signs aside."""
        return float(self.weights.sum())

    def outputs(self, features: Outputs) -> Array:
        """Phi nu = ∫Phi dnu of a feature map, signs counted, shape (M,)."""
        signs = self.signs
        return features.outputs(self.points, self.weights if signs is None else self.weights * signs)

    def expectation(self, function: Callable[[Array], Array]) -> Array:
        """∫f dnu / mass, signs aside, of a function of points (n, D) with values of shape (n, ...)."""
        return np.asarray(np.tensordot(self.weights, function(self.points), axes=1) / self.mass)

    def _chosen(self, coordinates: tuple[int | str, ...]) -> tuple[list[int], tuple[str, ...]]:
        """Numbers and names of coordinates; raises ValueError for a name that there is not."""
        for name in coordinates:
            if isinstance(name, str) and name not in self.names:
                raise ValueError(f"no coordinate {name!r}: write one of {', '.join(self.names) or 'their numbers'}")
        axes = [self.names.index(name) if isinstance(name, str) else name for name in coordinates]
        return axes, tuple(self.names[axis] for axis in axes if self.names)


@dataclass(frozen=True)
class Atoms(MeasureBase):
    """sum_i sign_i weights_i delta_{points_i}.

    Attributes:
        points: shape (n, D).
        weights: shape (n,).
        sign: shape (n,), or None.
        names: of the coordinates.
    """

    points: Array
    weights: Array
    sign: Array | None = None
    names: tuple[str, ...] = ()

    @property
    def signs(self) -> Array | None:
        return self.sign

    @property
    def edges(self) -> None:
        return None

    @property
    def corners(self) -> tuple[Array, Array]:
        return self.points, self.points

    @property
    def mean(self) -> Array:
        return np.asarray(self.weights @ self.points / self.mass)

    @property
    def variance(self) -> Array:
        return np.asarray(self.weights @ (self.points - self.mean) ** 2 / self.mass)

    @property
    def ordered(self) -> Atoms:
        """The atoms in the order of their coordinates, without sign and names."""
        order = np.lexsort(self.points.T[::-1])
        return Atoms(self.points[order], self.weights[order])

    def marginal(self, *coordinates: int | str) -> Atoms:
        """The law of some coordinates, given by their numbers or names."""
        axes, names = self._chosen(coordinates)
        return Atoms(self.points[:, axes], self.weights, self.sign, names)

    def binned(self, edges: Array) -> Cells:
        """The masses of the first coordinate in bins; what lies beyond them goes to the outermost."""
        inside = np.clip(self.points[:, 0], edges[0], edges[-1])
        masses = np.histogram(inside, bins=edges, weights=self.weights)[0]
        return Cells(Grid((edges,), (0.5 * (edges[1:] + edges[:-1]),)), masses, names=self.names[:1])


@dataclass(frozen=True)
class Cells(MeasureBase):
    """A density that is constant in each cell of a tensor grid, an atom in an origin cell.

    Attributes:
        grid: the cells.
        masses: of the grid's shape.
        sign: of the grid's shape, or None.
        names: of the coordinates.
    """

    grid: Grid
    masses: Array
    sign: Array | None = None
    names: tuple[str, ...] = ()

    @property
    def points(self) -> Array:
        return self.grid.points

    @property
    def weights(self) -> Array:
        return self.masses.ravel()

    @property
    def signs(self) -> Array | None:
        return None if self.sign is None else self.sign.ravel()

    @property
    def edges(self) -> tuple[Array, ...]:
        return self.grid.edges

    @property
    def corners(self) -> tuple[Array, Array]:
        lower, upper = ([edge[side] for edge in self.edges] for side in (slice(None, -1), slice(1, None)))
        return _mesh(lower), _mesh(upper)

    @property
    def density(self) -> Array:
        """Masses over volumes; where a cell has no width along an axis, per volume of the others."""
        return np.asarray(self.masses / self.grid.volumes)

    @property
    def mean(self) -> Array:
        return np.array([self.grid.moments(self.masses, axis)[0] for axis in range(self.masses.ndim)])

    @property
    def variance(self) -> Array:
        """With the variance inside the cells: what is gathered in one of them has width^2 / 12."""
        return np.array([self.grid.moments(self.masses, axis)[1] for axis in range(self.masses.ndim)])

    def marginal(self, *coordinates: int | str) -> Cells:
        """The law of some coordinates; its cells have no sign, for they add masses of either."""
        axes, names = self._chosen(coordinates)
        others = tuple(other for other in range(self.masses.ndim) if other not in axes)
        order = np.argsort(np.argsort(axes))
        grid = Grid(tuple(self.edges[axis] for axis in axes), tuple(self.grid.centres[axis] for axis in axes))
        return Cells(grid, self.masses.sum(axis=others).transpose(order), names=names)


Measure = Atoms | Cells
"""A measure on the reduced space."""


def _mesh(columns: list[Array]) -> Array:
    return np.stack([column.ravel() for column in np.meshgrid(*columns, indexing="ij")], axis=1)
