"""Feature tables: a feature map represented on a box by tensor-product Lagrange elements of high order.

On each cell of a graded tensor mesh, with q + 1 Gauss-Lobatto-warped nodes per axis (basix),

    Phi(z) = sum_{i_1 ... i_D} l_{i_1}(z_1) ... l_{i_D}(z_D) Phi_{i_1 ... i_D},

continuous across cells; the gradient is that of the same polynomial, so that values and gradients of a table
are those of one function. Errors are O(h^(q+1)) in the value and O(h^q) in the gradient where the source is
smooth.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...arrays import Array
from ...threads.blocks import in_blocks
from ..objective import FeatureMap
from . import kernels as kernels
from .elements import CHUNK, reference_element
from .mesh import MeshBuilder, check_points, evaluate

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """A feature map on a box, with value and gradient from one piecewise polynomial.

    Attributes:
        edges: cell edges per axis.
        degree: q.
        nodal: source features at the nodes, shape (nodes_1, ..., nodes_D, M), nodes_a = q * cells_a + 1.
        tolerance: what the mesh was asked to reach.
        value_error: largest measured |error of Phi_m| / value_scale_m.
        gradient_error: largest measured |error of grad Phi_m| / gradient_scale_m (per component).
        gradient_error_at: where the second was found, shape (D,).
        value_scale: max |Phi_m| over samples of the box (at least `least_scales`), shape (M,).
        gradient_scale: max |grad Phi_m|, likewise, shape (M,).
    """

    edges: tuple[Array, ...]
    degree: int
    nodal: Array
    tolerance: float
    value_error: float
    gradient_error: float
    gradient_error_at: Array
    value_scale: Array
    gradient_scale: Array

    @property
    def dimension(self) -> int:
        """D."""
        return len(self.edges)

    @property
    def rank(self) -> int:
        """M."""
        return int(self.nodal.shape[-1])

    @property
    def nodes(self) -> int:
        """Number of nodes of the tensor grid."""
        return self.nodal.size // self.rank

    @property
    def accurate(self) -> bool:
        """Whether both measured errors are within the tolerance."""
        return self.value_error <= self.tolerance and self.gradient_error <= self.tolerance

    @cached_property
    def box(self) -> Array:
        """Corners of the box, shape (2, D)."""
        return np.array([edges[[0, -1]] for edges in self.edges]).T

    @cached_property
    def _flat(self) -> Array:
        return np.ascontiguousarray(self.nodal.reshape(-1, self.rank))

    @cached_property
    def _mesh(self) -> kernels.Mesh:
        cells = np.array([len(edges) - 1 for edges in self.edges])
        padded = np.zeros((self.dimension, cells.max() + 1))
        for axis, edges in enumerate(self.edges):
            padded[axis, : len(edges)] = edges
        nodes = reference_element(self.degree).nodes.copy()
        differences = nodes[:, None] - nodes[None, :]
        np.fill_diagonal(differences, 1.0)
        strides = np.append(np.cumprod((cells * self.degree + 1)[:0:-1])[::-1], 1)
        return kernels.Mesh(padded, cells, strides.astype(np.int64), nodes, 1.0 / differences.prod(axis=1))

    def _inside(self, points: Array) -> Array:
        """`points` as a contiguous (n, D) array; raises ValueError where one lies outside the box."""
        points = np.ascontiguousarray(points, dtype=float)
        if points.ndim != 2 or points.shape[1] != self.dimension:
            raise ValueError(f"points have shape {points.shape}; write them as an array of shape (n, {self.dimension})")
        first, (lower, upper) = self._first_outside(points), self.box
        if first >= 0:
            point, axis = divmod(first, self.dimension)
            raise ValueError(
                f"coordinate {axis} of point {point} is {points[point, axis]:.6g}, outside the feature "
                f"table's [{lower[axis]:.6g}, {upper[axis]:.6g}]; build the table with edges that contain it "
                "or keep the points inside"
            )
        return points

    def holds(self, points: Array) -> bool:
        """Whether all points (n, D) lie in the box."""
        return self._first_outside(np.ascontiguousarray(points, dtype=float)) < 0

    def _first_outside(self, points: Array) -> int:
        """Flat index of the first coordinate outside the box, -1 where there is none."""
        found = np.full(max(1, -(-len(points) // kernels.POINT_BLOCK)), -1)
        self._over_points(kernels.outside, points, *self.box, found)
        return int(found[np.argmax(found >= 0)])

    def values(self, points: Array) -> Array:
        """Phi at `points` (n, D), shape (n, M). Raises ValueError outside the box."""
        points = self._inside(points)
        out = np.empty((len(points), self.rank))
        self._over_points(kernels.evaluate, points, self._mesh, self._flat, out, np.empty((0, 0, 0)))
        return out

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        """Phi, shape (n, M), and its gradient, shape (n, M, D); on an inner edge the right cell's."""
        points = self._inside(points)
        out = np.empty((len(points), self.rank))
        slopes = np.empty((len(points), self.rank, self.dimension))
        self._over_points(kernels.evaluate, points, self._mesh, self._flat, out, slopes)
        return out, slopes

    @staticmethod
    def _over_points(kernel: Callable[..., None], points: Array, *arguments: Any) -> None:
        in_blocks(kernel, len(points), kernels.POINT_BLOCK, points, *arguments)

    def _few(self, points: Array) -> bool:
        """Whether the points touch fewer nodes than the table has: then work point by point."""
        touched: int = len(points) * (self.degree + 1) ** self.dimension
        return touched < self.nodes

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        """coefficients . Phi, shape (n,), and its gradient, shape (n, D), without all features at all points.

        For many points the nodal table is contracted first (nodes * M operations), then evaluated as a
        scalar.
        """
        points = self._inside(points)
        coefficients = _vector(coefficients, self.rank, "coefficients")
        table, multipliers = self._flat, coefficients
        if self.rank == 1 or not self._few(points):
            table, multipliers = np.empty((self.nodes, 1)), np.ones(1)
            in_blocks(kernels.contract_nodes, self.nodes, kernels.NODE_BLOCK, self._flat, coefficients, table)
        out = np.empty(len(points))
        slopes = np.empty((len(points), self.dimension))
        self._over_points(kernels.scalar_and_gradient, points, self._mesh, table, multipliers, out, slopes)
        return out, slopes

    def outputs(self, points: Array, masses: Array) -> Array:
        """Phi rho, shape (M,), of sum_i masses_i delta_{points_i}; the transpose of `contract`."""
        points = self._inside(points)
        masses = _vector(masses, len(points), "masses")
        if self._few(points):
            return np.asarray(np.einsum("n,nm->m", masses, self.values(points)))
        size = max(kernels.POINT_BLOCK, -(-len(points) // kernels.scatter_blocks(len(points))))
        shares = np.zeros((-(-len(points) // size), self.nodes))
        in_blocks(kernels.scatter, len(points), size, points, masses, self._mesh, size, shares)
        size = kernels.NODE_BLOCK
        partial = np.zeros((-(-self.nodes // size), self.rank))
        in_blocks(kernels.gather, self.nodes, size, shares, self._flat, size, partial)
        return np.asarray(np.add.reduce(partial, axis=0))


def _vector(values: Array, length: int, name: str) -> Array:
    values = np.ascontiguousarray(values, dtype=float)
    if values.shape != (length,):
        raise ValueError(f"{name} have shape {values.shape}; write them as an array of shape ({length},)")
    return values


def build_table(
    features: FeatureMap,
    edges: Sequence[ArrayLike],
    degree: int = 8,
    tolerance: float = 1e-9,
    *,
    max_nodes: int = 400_000,
    smallest_cell: float = 2.0**-12,
    least_scales: ArrayLike = 0.0,
    checks: int = 4096,
    rounds: int = 4,
    chunk: int = CHUNK,
) -> FeatureTable:
    """Tabulate `features` on the box spanned by `edges`, refining until the measured errors meet `tolerance`.

    The mesh starts from `edges` (two numbers per axis for a bare box) and is bisected per axis by
    `MeshBuilder`; the table is then checked at quasi-random points, and lines through the worst of them guide
    a further round. A table that misses the tolerance (node budget, a cone at the origin) is returned with
    its measured errors: see `FeatureTable.accurate`.

    Args:
        features: the source; evaluated in chunks.
        edges: increasing cell edges per axis.
        degree: q, from 1 to 20.
        tolerance: accepted errors of values and gradients, relative to each feature's largest value and
            gradient; np.inf keeps the mesh as given.
        max_nodes: largest number of nodes of the tensor grid; the table holds 8 * M bytes per node.
        smallest_cell: width, relative to its axis, below which no cell is bisected.
        least_scales: sizes below which features do not count, shape (M,) or a number: the errors of a feature
            that stays smaller are relative to this (a weak feature of a compressed map is mostly rounding).
        checks: least number of check points.
        rounds: how often the mesh may be corrected after a check.
        chunk: points per evaluation of the source.

    Raises:
        ValueError: edges that do not increase or do not fit the source, a degree or tolerance out of range, a
            source that is not finite somewhere in the box.
    """
    start = _checked_edges(features, edges, degree, tolerance)
    floor = np.broadcast_to(np.asarray(least_scales, dtype=float), (features.rank,))
    builder = MeshBuilder(features, start, degree, tolerance, max_nodes, smallest_cell, floor, chunk)
    if builder.nodes > max_nodes:
        raise ValueError(
            f"edges and degree ask for {builder.nodes} nodes; give fewer cells or max_nodes >= {builder.nodes}"
        )
    builder.refine()
    for attempt in range(rounds + 1):
        table, worst, errors = _checked_table(builder, tolerance, checks, attempt)
        if table.accurate or attempt == rounds:
            break
        builder.correct(worst, errors)
        if not builder.refine():
            break
    return table


def _checked_edges(
    features: FeatureMap, edges: Sequence[ArrayLike], degree: int, tolerance: float
) -> tuple[Array, ...]:
    axes = tuple(np.array(axis, dtype=float) for axis in edges)
    if len(axes) != features.dimension:
        raise ValueError(
            f"edges has {len(axes)} axes but the features have {features.dimension} coordinates; "
            "give one array of edges per coordinate"
        )
    for axis, values in enumerate(axes):
        if values.ndim != 1 or len(values) < 2 or not (np.all(np.diff(values) > 0.0) and np.all(np.isfinite(values))):
            raise ValueError(f"edges[{axis}] is {values}; write at least two finite, increasing numbers")
    if not 1 <= degree <= 20:
        raise ValueError(f"degree is {degree}; write an integer from 1 to 20")
    if not (tolerance > 0.0):
        raise ValueError(f"tolerance is {tolerance}; write a positive number")
    return axes


def _checked_table(
    builder: MeshBuilder, tolerance: float, checks: int, attempt: int
) -> tuple[FeatureTable, Array, Array]:
    """The table on the builder's mesh with its errors; its worst points, shape (<= 8, D), and theirs.

    Larger features than the builder had seen enlarge its scales.
    """
    points = check_points(builder.edges, checks, shift=attempt * 7919)
    begin = perf_counter()
    values, gradients = evaluate(builder.features, points, builder.chunk)
    seconds = (perf_counter() - begin) / len(points) * builder.nodes
    LOG.info("a table of the features at %d nodes", builder.nodes, extra={"seconds": seconds})
    scales = builder.scales = builder.scales.enlarged(values, gradients)
    table = FeatureTable(
        edges=tuple(builder.edges),
        degree=builder.degree,
        nodal=builder.fill(),
        tolerance=tolerance,
        value_error=np.inf,
        gradient_error=np.inf,
        gradient_error_at=points[0],
        value_scale=scales.values,
        gradient_scale=scales.gradients,
    )
    table_values, table_gradients = table.values_and_gradients(points)
    value_errors = (np.abs(table_values - values) / scales.values).max(axis=1)
    slope_errors = (np.abs(table_gradients - gradients).max(axis=2) / scales.gradients).max(axis=1)
    by_value, by_slope = np.argsort(value_errors)[::-1], np.argsort(slope_errors)[::-1]
    worst = np.unique(np.concatenate([by_value[:4], by_slope[:4]]))
    checked = replace(
        table,
        value_error=float(value_errors[by_value[0]]),
        gradient_error=float(slope_errors[by_slope[0]]),
        gradient_error_at=points[by_slope[0]],
    )
    return checked, points[worst], np.maximum(value_errors, slope_errors)[worst]
