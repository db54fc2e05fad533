"""Compiled evaluation of a tensor-product Lagrange table; one code for every dimension.

The nodal table has shape (nodes, M): the node grid flattened in C order, features contiguous. A point touches
the (q+1)^D nodes of its cell, taken as (q+1)^(D-1) *rows* of q+1 consecutive nodes along the last axis.

Each kernel works on a range of points or nodes, for `in_blocks`; every sum runs in a fixed order, so
that the number of threads changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ...arrays import INNER, Array

IntArray = NDArray[np.int64]

GROUP = 16
"""Points located per call: a call for each would cost as much again."""
POINT_BLOCK = 1024
NODE_BLOCK = 16384
SCATTER_BLOCKS = 4, 16
SCATTER_POINTS = 2**14
"""Nodal weights are summed in the first number of shares, or in one for so many points where these are more, up to the
second number: each share has the table's nodes."""
FASTMATH = {"contract", "reassoc", "nsz"}


class Mesh(NamedTuple):
    """The tensor mesh as the kernels read it.

    Attributes:
        edges: cell edges, one row per axis, padded on the right, shape (D, longest).
        cells: number of cells per axis, shape (D,).
        strides: step of the flat node index per axis, shape (D,).
        nodes: reference nodes in [0, 1], increasing, shape (q+1,).
        inverse: 1 / prod_{j != i} (nodes_i - nodes_j), shape (q+1,).
    """

    edges: Array
    cells: IntArray
    strides: IntArray
    nodes: Array
    inverse: Array


def scatter_blocks(points: int) -> int:
    """How many shares the nodal weights of so many points are summed in."""
    least, most = SCATTER_BLOCKS
    return min(most, max(least, points // SCATTER_POINTS))


@numba.njit(cache=True, nogil=True)
def outside(start: int, stop: int, points: Array, lower: Array, upper: Array, found: IntArray) -> None:
    """Flat index of the first coordinate outside [lower, upper] (NaN is outside), into found[start // POINT_BLOCK]."""
    dimension = points.shape[1]
    for i in range(start, stop):
        for axis in range(dimension):
            if not (lower[axis] <= points[i, axis] <= upper[axis]):
                found[start // POINT_BLOCK] = i * dimension + axis
                return


@numba.njit(**INNER, fastmath=FASTMATH)
def _lagrange(
    k: int, axis: int, x: float, scale: float, nodes: Array, inverse: Array, basis: Array, derivative: Array
) -> None:
    """Lagrange basis at the reference coordinate x and its derivative times `scale`, by running products.

    Writes basis[k, axis] and derivative[k, axis].
    """
    count = nodes.size
    right, right_slope = 1.0, 0.0
    for i in range(count - 1, -1, -1):
        basis[k, axis, i] = right
        derivative[k, axis, i] = right_slope
        factor = x - nodes[i]
        right_slope = right_slope * factor + right
        right *= factor
    left, left_slope = 1.0, 0.0
    for i in range(count):
        slope = left_slope * basis[k, axis, i] + left * derivative[k, axis, i]
        derivative[k, axis, i] = scale * inverse[i] * slope
        basis[k, axis, i] *= inverse[i] * left
        factor = x - nodes[i]
        left_slope = left_slope * factor + left
        left *= factor


@numba.njit(**INNER, fastmath=FASTMATH)
def _locate(
    start: int,
    stop: int,
    points: Array,
    mesh: Mesh,
    basis: Array,
    derivative: Array,
    offsets: IntArray,
    weights: Array,
) -> None:
    """Rows of the cells of points start ... stop, at most GROUP of them.

    Writes for the k-th point basis and derivative per axis, shape (GROUP, D, q+1), the first node of each
    row, shape (GROUP, rows), and the row weights, shape (GROUP, D, rows): weights[k, 0] is the product of the
    leading bases, weights[k, 1 + a] its derivative along axis a.
    """
    edges, cells, strides, nodes, inverse = mesh
    dimension, count = cells.size, nodes.size
    for k in range(stop - start):
        base = 0
        for axis in range(dimension):
            x = points[start + k, axis]
            low, high = 0, cells[axis]
            while high - low > 1:
                middle = (low + high) >> 1
                if x >= edges[axis, middle]:
                    low = middle
                else:
                    high = middle
            left = edges[axis, low]
            scale = 1.0 / (edges[axis, low + 1] - left)
            _lagrange(k, axis, (x - left) * scale, scale, nodes, inverse, basis, derivative)
            base += low * (count - 1) * strides[axis]
        offsets[k, 0] = base
        weights[k, 0, 0] = 1.0
        rows = 1
        for axis in range(dimension - 1):
            stride = strides[axis]
            for row in range(rows - 1, -1, -1):
                offset, weight = offsets[k, row], weights[k, 0, row]
                for j in range(count):
                    offsets[k, row * count + j] = offset + j * stride
                    weights[k, axis + 1, row * count + j] = weight * derivative[k, axis, j]
                for kind in range(axis + 1):
                    weight = weights[k, kind, row]
                    for j in range(count):
                        weights[k, kind, row * count + j] = weight * basis[k, axis, j]
            rows *= count


@numba.njit(**INNER)
def _scratch(dimension: int, count: int) -> tuple[Array, Array, IntArray, Array]:
    """Room for what `_locate` writes with so many nodes of a cell along each axis."""
    rows = 1
    for _ in range(dimension - 1):
        rows *= count
    return (
        np.empty((GROUP, dimension, count)),
        np.empty((GROUP, dimension, count)),
        np.empty((GROUP, rows), np.int64),
        np.empty((GROUP, dimension, rows)),
    )


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def evaluate(start: int, stop: int, points: Array, mesh: Mesh, nodal: Array, out: Array, slopes: Array) -> None:
    """Phi into out of shape (n, M), its gradient into slopes of shape (n, M, D) unless these are empty."""
    dimension, count, rank = mesh.cells.size, mesh.nodes.size, nodal.shape[1]
    basis, derivative, offsets, weights = _scratch(dimension, count)
    line, total = np.empty(rank), np.empty((dimension + 1, rank))
    for i in range(start, stop):
        k = (i - start) % GROUP
        if k == 0:
            _locate(i, i + GROUP if i + GROUP < stop else stop, points, mesh, basis, derivative, offsets, weights)
        if slopes.shape[0] == 0:
            for m in range(rank):
                out[i, m] = 0.0
            for row in range(offsets.shape[1]):
                for j in range(count):
                    weight, node = weights[k, 0, row] * basis[k, dimension - 1, j], offsets[k, row] + j
                    for m in range(rank):
                        out[i, m] += weight * nodal[node, m]
            continue
        for kind in range(dimension + 1):
            for m in range(rank):
                total[kind, m] = 0.0
        for row in range(offsets.shape[1]):
            for m in range(rank):
                line[m] = 0.0
            for j in range(count):
                weight, node = basis[k, dimension - 1, j], offsets[k, row] + j
                slope = weights[k, 0, row] * derivative[k, dimension - 1, j]
                for m in range(rank):
                    line[m] += weight * nodal[node, m]
                    total[dimension, m] += slope * nodal[node, m]
            for kind in range(dimension):
                weight = weights[k, kind, row]
                for m in range(rank):
                    total[kind, m] += weight * line[m]
        for m in range(rank):
            out[i, m] = total[0, m]
            for axis in range(dimension):
                slopes[i, m, axis] = total[axis + 1, m]


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def contract_nodes(start: int, stop: int, nodal: Array, coefficients: Array, out: Array) -> None:
    """coefficients . Phi at every node, into out of shape (nodes, 1)."""
    for node in range(start, stop):
        total = 0.0
        for m in range(nodal.shape[1]):
            total += coefficients[m] * nodal[node, m]
        out[node, 0] = total


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def scalar_and_gradient(
    start: int,
    stop: int,
    points: Array,
    mesh: Mesh,
    nodal: Array,
    coefficients: Array,
    out: Array,
    slopes: Array,
) -> None:
    """coefficients . Phi into out of shape (n,) and its gradient into slopes of shape (n, D).

    With M = 1 the coefficient is taken as 1: the table then holds the contraction itself.
    """
    last, count, rank = mesh.cells.size - 1, mesh.nodes.size, nodal.shape[1]
    basis, derivative, offsets, weights = _scratch(last + 1, count)
    line = np.empty(count)
    for i in range(start, stop):
        k = (i - start) % GROUP
        if k == 0:
            _locate(i, i + GROUP if i + GROUP < stop else stop, points, mesh, basis, derivative, offsets, weights)
        value, last_slope = 0.0, 0.0
        for axis in range(last):
            slopes[i, axis] = 0.0
        for row in range(offsets.shape[1]):
            node = offsets[k, row]
            if rank == 1:
                for j in range(count):
                    line[j] = nodal[node + j, 0]
            else:
                for j in range(count):
                    total = 0.0
                    for m in range(rank):
                        total += coefficients[m] * nodal[node + j, m]
                    line[j] = total
            row_value, row_slope = 0.0, 0.0
            for j in range(count):
                row_value += basis[k, last, j] * line[j]
                row_slope += derivative[k, last, j] * line[j]
            value += weights[k, 0, row] * row_value
            last_slope += weights[k, 0, row] * row_slope
            for axis in range(last):
                slopes[i, axis] += weights[k, axis + 1, row] * row_value
        out[i] = value
        slopes[i, last] = last_slope


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def scatter(start: int, stop: int, points: Array, masses: Array, mesh: Mesh, size: int, shares: Array) -> None:
    """Nodal weights of sum_i masses_i delta_{points_i}; points k size <= i < (k+1) size go to shares[k]."""
    last, count = mesh.cells.size - 1, mesh.nodes.size
    basis, derivative, offsets, weights = _scratch(last + 1, count)
    for i in range(start, stop):
        k = (i - start) % GROUP
        if k == 0:
            _locate(i, i + GROUP if i + GROUP < stop else stop, points, mesh, basis, derivative, offsets, weights)
        share = i // size
        for row in range(offsets.shape[1]):
            weight, node = masses[i] * weights[k, 0, row], offsets[k, row]
            for j in range(count):
                shares[share, node + j] += weight * basis[k, last, j]


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def gather(start: int, stop: int, shares: Array, nodal: Array, size: int, partial: Array) -> None:
    """Sums of (nodal weight) Phi over nodes k size <= node < (k+1) size, added to partial[k], shape (M,)."""
    for node in range(start, stop):
        weight = 0.0
        for share in range(shares.shape[0]):
            weight += shares[share, node]
        if weight != 0.0:
            for m in range(nodal.shape[1]):
                partial[node // size, m] += weight * nodal[node, m]
