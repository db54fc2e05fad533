"""Choice of the tensor mesh of a feature table: bisection of each axis by measured one-dimensional errors.

Interpolation on a tensor grid is a product of one-dimensional interpolations I_a, so its error obeys
|Phi - I_1 ... I_D Phi| <= sum_a Lambda^(a-1) |Phi - I_a Phi|. Every axis is therefore refined on its own, from the error of
I_a along *lines* parallel to it, and the product grid is filled only once at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import basix
import numpy as np

from .objective import Array, FeatureMap

CHUNK = 2048


@dataclass(frozen=True)
class Reference:
    """Lagrange element of degree q on [0, 1] with nodes warped to the Gauss-Lobatto points.

    Attributes:
        nodes: increasing, shape (q+1,).
        points: the nodes, then the midpoints between them, shape (2q+1,): errors of the value are largest near the
            midpoints, errors of the slope at the nodes.
        interpolation: basis at the points, shape (2q+1, q+1).
        derivative: derivative of the basis at the points, shape (2q+1, q+1).
    """

    nodes: Array
    points: Array
    interpolation: Array
    derivative: Array


@cache
def reference_element(degree: int) -> Reference:
    """The basix element of this degree, its degrees of freedom sorted from left to right."""
    element = basix.create_element(
        basix.ElementFamily.P, basix.CellType.interval, degree, basix.LagrangeVariant.gll_warped
    )
    order = np.argsort(element.points[:, 0])
    nodes = element.points[order, 0]
    points = np.concatenate([nodes, 0.5 * (nodes[1:] + nodes[:-1])])
    tables = element.tabulate(1, points[:, None])[:, :, order, 0]
    return Reference(nodes, points, tables[0], tables[1])


def axis_nodes(edges: Array, degree: int) -> Array:
    """Nodes of one axis, shape (cells * degree + 1,), shared by neighbouring cells."""
    inner = edges[:-1, None] + np.diff(edges)[:, None] * reference_element(degree).nodes[None, :-1]
    return np.append(inner.ravel(), edges[-1])


def sequence(count: int, dimension: int, shift: int = 0) -> Array:
    """Deterministic quasi-random points of [0, 1)^D, shape (count, D): the additive sequence of the root of g^(D+1) = g + 1."""
    root = 2.0
    for _ in range(60):
        root = (1.0 + root) ** (1.0 / (dimension + 1))
    steps = root ** -np.arange(1.0, dimension + 1.0)
    return (0.5 + np.arange(1 + shift, 1 + shift + count)[:, None] * steps) % 1.0


def evaluate(features: FeatureMap, points: Array, chunk: int = CHUNK) -> tuple[Array, Array]:
    """Values (n, M) and gradients (n, M, D) of the source, `chunk` points at a time."""
    values = np.empty((len(points), features.rank))
    gradients = np.empty((len(points), features.rank, features.dimension))
    for start in range(0, len(points), chunk):
        part = slice(start, start + chunk)
        values[part], gradients[part] = features.values_and_gradients(points[part])
    return values, gradients


@dataclass(frozen=True)
class Scales:
    """Per-feature maxima of |Phi_m| and |grad Phi_m|, shape (M,) each (1 for a feature that vanishes)."""

    values: Array
    gradients: Array

    @classmethod
    def measured(cls, values: Array, gradients: Array) -> Scales:
        """Maxima over samples of shape (n, M) and (n, M, D)."""
        maxima = np.abs(values).max(axis=0), np.abs(gradients).max(axis=(0, 2))
        return cls(*(np.where(maximum > 0.0, maximum, 1.0) for maximum in maxima))


class MeshBuilder:
    """Edges per axis, bisected where a one-dimensional error along some line exceeds the tolerance.

    Args:
        features: the source.
        edges: the coarsest mesh.
        degree: q.
        tolerance: accepted error of values and gradients relative to the scales.
        max_nodes: bound on the number of nodes of the tensor grid.
        smallest_cell: width, relative to the axis, below which no cell is bisected.
    """

    def __init__(
        self,
        features: FeatureMap,
        edges: Sequence[Array],
        degree: int,
        tolerance: float,
        max_nodes: int,
        smallest_cell: float,
        chunk: int,
    ) -> None:
        self.features, self.degree, self.max_nodes, self.chunk = features, degree, max_nodes, chunk
        self.edges = [np.array(axis_edges, dtype=float) for axis_edges in edges]
        self.tolerance = tolerance / len(edges)
        self.lower = np.array([axis_edges[0] for axis_edges in self.edges])
        self.length = np.array([axis_edges[-1] for axis_edges in self.edges]) - self.lower
        self.smallest = smallest_cell * self.length
        grid = np.linspace(0.0, 1.0, 9)
        corners = np.stack(np.meshgrid(*[grid[::8]] * len(edges), indexing="ij"), -1).reshape(-1, len(edges))
        sample = np.concatenate([corners, sequence(256, len(edges))])
        self.scales = Scales.measured(*evaluate(features, self.lower + self.length * sample, chunk))
        self.lines = self._first_lines()
        self.errors = [self._axis_errors(axis, self._cells(axis), self.lines[axis]) for axis in range(len(edges))]

    @property
    def nodes(self) -> int:
        """Nodes of the tensor grid."""
        return int(np.prod([float((len(edges) - 1) * self.degree + 1) for edges in self.edges]))

    def _first_lines(self) -> list[Array]:
        """Lines per axis: through the corners of the box and quasi-random points, half of them crowded to the lower bounds."""
        dimension = len(self.edges)
        if dimension == 1:
            return [self.lower[None, :].copy()]
        corners = np.array(list(np.ndindex(*[2] * dimension)), dtype=float)
        spread = sequence(8 * (dimension - 1), dimension)
        points = self.lower + self.length * np.concatenate([corners, spread, spread**4])
        lines = []
        for axis in range(dimension):
            on_axis = points.copy()
            on_axis[:, axis] = self.lower[axis]
            lines.append(np.unique(on_axis, axis=0))
        return lines

    def _cells(self, axis: int) -> Array:
        return np.stack([self.edges[axis][:-1], self.edges[axis][1:]], axis=1)

    def _axis_errors(self, axis: int, cells: Array, lines: Array) -> Array:
        """Largest scaled error in each cell (k, 2) of interpolation along `axis` on the lines (S, D), shape (k,)."""
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
        points[..., axis] = (cells[:, :1] + widths[:, None] * element.points)[:, None, :]
        points[..., axis].clip(self.lower[axis], self.lower[axis] + self.length[axis], out=points[..., axis])
        values, gradients = evaluate(self.features, points.reshape(-1, lines.shape[1]), self.chunk)
        values = values.reshape(*shape, -1)
        gradients = gradients.reshape(*values.shape, -1)
        on_nodes, slopes_on_nodes = values[:, :, : self.degree + 1], gradients[:, :, : self.degree + 1]
        value_error = np.abs(element.interpolation @ on_nodes - values) / self.scales.values
        slopes = np.einsum("tj,ksjmd->kstmd", element.interpolation, slopes_on_nodes)
        slopes[..., axis] = (element.derivative @ on_nodes) / widths[:, None, None, None]
        slope_error = np.abs(slopes - gradients).max(axis=-1) / self.scales.gradients
        rounding = 8.0 * np.finfo(float).eps * self.degree**2 * self.scales.values / self.scales.gradients
        slope_error -= (rounding / widths[:, None])[:, None, None, :]
        return np.maximum(value_error, slope_error).max(axis=(1, 2, 3))

    def add_lines(self, points: Array) -> None:
        """Lines along every axis through `points`, shape (n, D), and the errors they reveal."""
        for axis in range(len(self.edges)):
            lines = points.copy()
            lines[:, axis] = self.lower[axis]
            self.lines[axis] = np.concatenate([self.lines[axis], lines])
            found = self._axis_errors(axis, self._cells(axis), lines)
            self.errors[axis] = np.maximum(self.errors[axis], found)

    def _marked(self) -> list[Array]:
        """Cells to bisect per axis: those above the tolerance, the worst first, as far as the node budget reaches."""
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
        """Bisect until every cell passes, is as small as allowed, or the budget is spent; whether anything changed."""
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
