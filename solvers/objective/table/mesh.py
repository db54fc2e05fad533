"""Choice of the tensor mesh of a feature table: bisection of each axis by measured one-dimensional errors.

Interpolation on a tensor grid is a product of one-dimensional interpolations I_a, so its error obeys

    |Phi - I_1 ... I_D Phi| <= sum_a Lambda^(a-1) |Phi - I_a Phi|,    Lambda the Lebesgue constant (about 2).

Every axis is therefore refined on its own, from the error of I_a along *lines* parallel to it, and the
product grid is filled only when every axis is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...arrays import Array
from ..objective import FeatureMap
from .elements import axis_nodes, reference_element

SMALLEST_SCALE = 1e-200


def sequence(count: int, dimension: int, shift: int = 0) -> Array:
    """Quasi-random points of [0, 1)^D, shape (count, D): multiples of g^-1 ... g^-D, g^(D+1) = g + 1."""
    root = 2.0
    for _ in range(60):
        root = (1.0 + root) ** (1.0 / (dimension + 1))
    steps = root ** -np.arange(1.0, dimension + 1.0)
    return (0.5 + np.arange(1 + shift, 1 + shift + count)[:, None] * steps) % 1.0


def place(lower: Array, upper: Array, fractions: Array) -> Array:
    """Points of the box at `fractions` in [0, 1] of its sides, never past `upper` by rounding."""
    return np.minimum(lower + (upper - lower) * fractions, upper)


def _refuse_non_finite(points: Array, values: Array) -> None:
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise ValueError(f"the features are not finite at {points[bad][0]}; tabulate them on a box without that point")


def evaluate(features: FeatureMap, points: Array, chunk: int) -> tuple[Array, Array]:
    """Values (n, M) and gradients (n, M, D) of the source, `chunk` points at a time; refuses NaN."""
    values = np.empty((len(points), features.rank))
    gradients = np.empty((len(points), features.rank, features.dimension))
    for start in range(0, len(points), chunk):
        part = slice(start, start + chunk)
        values[part], gradients[part] = features.values_and_gradients(points[part])
        _refuse_non_finite(points[part], values[part] + gradients[part].sum(axis=2))
    return values, gradients


def check_points(edges: Sequence[Array], checks: int, shift: int) -> Array:
    """Points in (nearly) every cell, and a quarter as many crowded to the lower corner, shape (n, D)."""
    shape = tuple(len(axis) - 1 for axis in edges)
    count = min(max(checks, int(np.prod(shape))), 8 * checks)
    uniform = sequence(count, len(edges), shift)
    cells = np.unravel_index(np.arange(count) * int(np.prod(shape)) // count, shape)
    spread = [
        place(axis[cell], axis[cell + 1], uniform[:, k])
        for k, (axis, cell) in enumerate(zip(edges, cells, strict=True))
    ]
    lower, upper = (np.array([axis[end] for axis in edges]) for end in (0, -1))
    crowded = place(lower, upper, 10.0 ** (-5.0 * uniform[: count // 4]))
    return np.concatenate([np.stack(spread, axis=1), crowded])


@dataclass(frozen=True)
class Scales:
    """Per-feature sizes of |Phi_m| and |grad Phi_m|, shape (M,) each, positive."""

    values: Array
    gradients: Array

    def enlarged(self, values: Array, gradients: Array) -> Scales:
        """The larger of these and the maxima over samples of shape (n, M) and (n, M, D)."""
        return Scales(
            np.maximum(self.values, np.abs(values).max(axis=0)),
            np.maximum(self.gradients, np.abs(gradients).max(axis=(0, 2))),
        )


class MeshBuilder:
    """Edges per axis, bisected where a one-dimensional error along some line exceeds the tolerance.

    Args:
        features: the source.
        edges: the coarsest mesh.
        degree: q.
        tolerance: accepted error of values and gradients relative to the scales.
        max_nodes: bound on the number of nodes of the tensor grid.
        smallest_cell: width, relative to the axis, below which no cell is bisected.
        least_scales: smallest value scale of each feature, shape (M,).
        chunk: points per evaluation of the source.
    """

    def __init__(
        self,
        features: FeatureMap,
        edges: Sequence[Array],
        degree: int,
        tolerance: float,
        max_nodes: int,
        smallest_cell: float,
        least_scales: Array,
        chunk: int,
    ) -> None:
        self.features, self.degree, self.max_nodes, self.chunk = features, degree, max_nodes, chunk
        self.edges = [np.array(axis_edges, dtype=float) for axis_edges in edges]
        self.tolerance = tolerance / len(edges)
        self.lower = np.array([axis_edges[0] for axis_edges in self.edges])
        self.upper = np.array([axis_edges[-1] for axis_edges in self.edges])
        self.smallest = smallest_cell * (self.upper - self.lower)
        self.corners = np.array(list(np.ndindex(*[2] * len(edges))), dtype=float)
        sample = np.concatenate([self.corners, sequence(256, len(edges))])
        least = np.maximum(least_scales, SMALLEST_SCALE)
        floor = Scales(least, np.maximum(least / (self.upper - self.lower).max(), SMALLEST_SCALE))
        self.scales = floor.enlarged(*evaluate(features, place(self.lower, self.upper, sample), chunk))
        self.lines = self._first_lines()
        self.errors = [self._axis_errors(axis, self._cells(axis), self.lines[axis]) for axis in range(len(edges))]

    @property
    def nodes(self) -> int:
        """Nodes of the tensor grid."""
        return int(np.prod([float((len(edges) - 1) * self.degree + 1) for edges in self.edges]))

    def _first_lines(self) -> list[Array]:
        """Lines per axis: through the corners and quasi-random points, half of them near the lower bounds."""
        dimension = len(self.edges)
        if dimension == 1:
            return [self.lower[None, :].copy()]
        spread = sequence(8 * (dimension - 1), dimension)
        points = place(self.lower, self.upper, np.concatenate([self.corners, spread, spread**4]))
        lines = []
        for axis in range(dimension):
            on_axis = points.copy()
            on_axis[:, axis] = self.lower[axis]
            lines.append(np.unique(on_axis, axis=0))
        return lines

    def _cells(self, axis: int) -> Array:
        return np.stack([self.edges[axis][:-1], self.edges[axis][1:]], axis=1)

    def _axis_errors(self, axis: int, cells: Array, lines: Array) -> Array:
        """Largest scaled error of interpolation along `axis` on lines (S, D), per cell (k, 2), shape (k,)."""
        per_cell = len(lines) * (2 * self.degree + 1)
        together = max(1, 4 * self.chunk // per_cell)
        parts = [
            self._few_axis_errors(axis, cells[start : start + together], lines)
            for start in range(0, len(cells), together)
        ]
        return np.concatenate(parts)

    def _few_axis_errors(self, axis: int, cells: Array, lines: Array) -> Array:
        element = reference_element(self.degree)
        widths = cells[:, 1] - cells[:, 0]
        shape = (len(cells), len(lines), len(element.points))
        points = np.broadcast_to(lines[None, :, None, :], (*shape, lines.shape[1])).copy()
        points[..., axis] = place(cells[:, :1], cells[:, 1:], element.points)[:, None, :]
        values, gradients = evaluate(self.features, points.reshape(-1, lines.shape[1]), self.chunk)
        values = values.reshape(*shape, -1)
        gradients = gradients.reshape(*values.shape, -1)
        on_nodes, slopes_on_nodes = values[:, :, : self.degree + 1], gradients[:, :, : self.degree + 1]
        value_error = np.abs(element.interpolation @ on_nodes - values) / self.scales.values
        slopes = np.einsum("tj,ksjmd->kstmd", element.interpolation, slopes_on_nodes)
        slopes[..., axis] = (element.derivative @ on_nodes) / widths[:, None, None, None]
        slope_error = np.abs(slopes - gradients).max(axis=-1) / self.scales.gradients
        rounding = 8.0 * np.finfo(float).eps * self.degree**2 * self.scales.values / self.scales.gradients
        value_error -= 8.0 * np.finfo(float).eps
        slope_error -= (rounding / widths[:, None])[:, None, None, :]
        return np.asarray(np.maximum(value_error, slope_error).max(axis=(1, 2, 3)))

    def correct(self, points: Array, errors: Array) -> None:
        """Take up scaled `errors`, shape (n,), met at `points`, shape (n, D), by lines along every axis."""
        if len(self.edges) == 1:
            cells = np.searchsorted(self.edges[0][1:-1], points[:, 0], side="right")
            np.maximum.at(self.errors[0], cells, errors)
            return
        for axis in range(len(self.edges)):
            lines = points.copy()
            lines[:, axis] = self.lower[axis]
            self.lines[axis] = np.concatenate([self.lines[axis], lines])
            found = self._axis_errors(axis, self._cells(axis), lines)
            self.errors[axis] = np.maximum(self.errors[axis], found)

    def _marked(self) -> list[NDArray[np.int64]]:
        """Cells to bisect per axis: those above the tolerance, worst first, while the node budget lasts."""
        candidates = [
            (error, axis, cell)
            for axis, errors in enumerate(self.errors)
            for cell, error in enumerate(errors)
            if not (error <= self.tolerance) and np.diff(self.edges[axis])[cell] > self.smallest[axis]
        ]
        counts = [len(edges) - 1 for edges in self.edges]
        marked: list[list[int]] = [[] for _ in self.edges]
        for _, axis, cell in sorted(candidates, reverse=True):
            counts[axis] += 1
            if np.prod([float(count * self.degree + 1) for count in counts]) > self.max_nodes:
                break
            marked[axis].append(cell)
        return [np.array(sorted(cells), dtype=np.int64) for cells in marked]

    def refine(self) -> bool:
        """Bisect until each cell passes, is as small as allowed, or the budget is spent; say if any was."""
        changed = False
        while True:
            marks = self._marked()
            if not any(len(cells) for cells in marks):
                return changed
            changed = True
            for axis, cells in enumerate(marks):
                if len(cells) == 0:
                    continue
                edges = self.edges[axis]
                middles = 0.5 * (edges[cells] + edges[cells + 1])
                halves = np.concatenate(
                    [np.stack([edges[cells], middles], axis=1), np.stack([middles, edges[cells + 1]], axis=1)]
                )
                found = self._axis_errors(axis, halves, self.lines[axis])
                left, right = np.split(found, 2)
                errors = self.errors[axis].copy()
                errors[cells] = left
                self.errors[axis] = np.insert(errors, cells + 1, right)
                self.edges[axis] = np.insert(edges, cells + 1, middles)

    def fill(self) -> Array:
        """Features at the nodes of the tensor grid, shape (nodes_1, ..., nodes_D, M)."""
        axes = [axis_nodes(edges, self.degree) for edges in self.edges]
        shape = tuple(len(axis) for axis in axes)
        nodal = np.empty((self.nodes, self.features.rank))
        for start in range(0, self.nodes, self.chunk):
            flat = np.arange(start, min(start + self.chunk, self.nodes))
            index = np.unravel_index(flat, shape)
            points = np.stack([axis[i] for axis, i in zip(axes, index, strict=True)], axis=1)
            nodal[flat] = self.features.values(points)
            _refuse_non_finite(points, nodal[flat])
        return nodal.reshape(*shape, self.features.rank)
