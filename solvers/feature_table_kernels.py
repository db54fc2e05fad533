"""Compiled evaluation of a tensor-product Lagrange table; one code for every dimension.

The nodal table has shape (nodes, M): the node grid flattened in C order, features contiguous. A point touches
the (q+1)^D nodes of its cell, taken as (q+1)^(D-1) *rows* of q+1 consecutive nodes along the last axis.

Points are worked on in fixed blocks and every sum runs in a fixed order: the number of threads changes
nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from .objective import Array

IntArray = NDArray[np.int64]

POINT_BLOCK = 128
NODE_BLOCK = 4096
SCATTER_BLOCKS = 4
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


@numba.njit(cache=True)
def first_outside(points: Array, lower: Array, upper: Array) -> int:
    """Flat index of the first coordinate outside [lower, upper] (NaN is outside), -1 without one."""
    count, dimension = points.shape
    for i in range(count):
        for axis in range(dimension):
            if not (lower[axis] <= points[i, axis] <= upper[axis]):
                return int(i * dimension + axis)
    return -1


@numba.njit(cache=True, fastmath=FASTMATH)
def _lagrange(axis: int, x: float, scale: float, mesh: Mesh, basis: Array, derivative: Array) -> None:
    """Lagrange basis at the reference coordinate x and its derivative times `scale`, by running products.

    Writes row `axis` of both (a slice would cost two atomic reference counts per point).
    """
    count = mesh.nodes.size
    right, right_slope = 1.0, 0.0
    for i in range(count - 1, -1, -1):
        basis[axis, i] = right
        derivative[axis, i] = right_slope
        factor = x - mesh.nodes[i]
        right_slope = right_slope * factor + right
        right *= factor
    left, left_slope = 1.0, 0.0
    for i in range(count):
        inverse = mesh.inverse[i]
        derivative[axis, i] = scale * inverse * (left_slope * basis[axis, i] + left * derivative[axis, i])
        basis[axis, i] *= inverse * left
        factor = x - mesh.nodes[i]
        left_slope = left_slope * factor + left
        left *= factor


@numba.njit(cache=True, fastmath=FASTMATH)
def _locate(
    points: Array, i: int, mesh: Mesh, basis: Array, derivative: Array, offsets: IntArray, weights: Array
) -> None:
    """Rows of the cell of point i.

    Writes basis and derivative per axis, shape (D, q+1), the first node of each row, shape (rows,), and the
    row weights, shape (D, rows): weights[0] = prod of the leading bases, weights[1 + a] its derivative along
    axis a.
    """
    dimension = mesh.cells.size
    count = mesh.nodes.size
    base = 0
    for axis in range(dimension):
        x = points[i, axis]
        low, high = 0, mesh.cells[axis]
        while high - low > 1:
            middle = (low + high) // 2
            if x >= mesh.edges[axis, middle]:
                low = middle
            else:
                high = middle
        left = mesh.edges[axis, low]
        scale = 1.0 / (mesh.edges[axis, low + 1] - left)
        _lagrange(axis, (x - left) * scale, scale, mesh, basis, derivative)
        base += low * (count - 1) * mesh.strides[axis]
    offsets[0] = base
    weights[0, 0] = 1.0
    rows = 1
    for axis in range(dimension - 1):
        for row in range(rows - 1, -1, -1):
            offset = offsets[row]
            for j in range(count - 1, -1, -1):
                offsets[row * count + j] = offset + j * mesh.strides[axis]
            for kind in range(axis, -1, -1):
                weight = weights[kind, row]
                for j in range(count):
                    weights[kind, row * count + j] = weight * basis[axis, j]
                    if kind == 0:
                        weights[axis + 1, row * count + j] = weight * derivative[axis, j]
        rows *= count


@numba.njit(cache=True, parallel=True, fastmath=FASTMATH)
def values(points: Array, mesh: Mesh, nodal: Array, out: Array) -> None:
    """Phi at points of shape (n, D), into out of shape (n, M)."""
    dimension, count = mesh.cells.size, mesh.nodes.size
    rows = count ** (dimension - 1)
    for block in numba.prange((points.shape[0] + POINT_BLOCK - 1) // POINT_BLOCK):
        basis = np.empty((dimension, count))
        derivative = np.empty((dimension, count))
        offsets = np.empty(rows, np.int64)
        weights = np.empty((dimension, rows))
        for i in range(block * POINT_BLOCK, min((block + 1) * POINT_BLOCK, points.shape[0])):
            _locate(points, i, mesh, basis, derivative, offsets, weights)
            out[i] = 0.0
            for row in range(rows):
                for j in range(count):
                    weight = weights[0, row] * basis[dimension - 1, j]
                    node = offsets[row] + j
                    for m in range(nodal.shape[1]):
                        out[i, m] += weight * nodal[node, m]


@numba.njit(cache=True, parallel=True, fastmath=FASTMATH)
def values_and_gradients(points: Array, mesh: Mesh, nodal: Array, out: Array, slopes: Array) -> None:
    """Phi into out of shape (n, M), its gradient into slopes of shape (n, M, D)."""
    dimension, count = mesh.cells.size, mesh.nodes.size
    rank = nodal.shape[1]
    rows = count ** (dimension - 1)
    for block in numba.prange((points.shape[0] + POINT_BLOCK - 1) // POINT_BLOCK):
        basis = np.empty((dimension, count))
        derivative = np.empty((dimension, count))
        offsets = np.empty(rows, np.int64)
        weights = np.empty((dimension, rows))
        row_value = np.empty(rank)
        total = np.empty((dimension + 1, rank))
        for i in range(block * POINT_BLOCK, min((block + 1) * POINT_BLOCK, points.shape[0])):
            _locate(points, i, mesh, basis, derivative, offsets, weights)
            total[:] = 0.0
            for row in range(rows):
                row_value[:] = 0.0
                for j in range(count):
                    weight = basis[dimension - 1, j]
                    slope = weights[0, row] * derivative[dimension - 1, j]
                    node = offsets[row] + j
                    for m in range(rank):
                        row_value[m] += weight * nodal[node, m]
                        total[dimension, m] += slope * nodal[node, m]
                for kind in range(dimension):
                    weight = weights[kind, row]
                    for m in range(rank):
                        total[kind, m] += weight * row_value[m]
            for m in range(rank):
                out[i, m] = total[0, m]
                for axis in range(dimension):
                    slopes[i, m, axis] = total[axis + 1, m]


@numba.njit(cache=True, parallel=True, fastmath=FASTMATH)
def contract_nodes(nodal: Array, coefficients: Array, out: Array) -> None:
    """coefficients . Phi at every node, into out of shape (nodes,)."""
    for block in numba.prange((nodal.shape[0] + NODE_BLOCK - 1) // NODE_BLOCK):
        for node in range(block * NODE_BLOCK, min((block + 1) * NODE_BLOCK, nodal.shape[0])):
            total = 0.0
            for m in range(nodal.shape[1]):
                total += coefficients[m] * nodal[node, m]
            out[node] = total


@numba.njit(cache=True, parallel=True, fastmath=FASTMATH)
def scalar_and_gradient(
    points: Array, mesh: Mesh, nodal: Array, coefficients: Array, out: Array, slopes: Array
) -> None:
    """coefficients . Phi into out of shape (n,) and its gradient into slopes of shape (n, D).

    With M = 1 the coefficient is taken as 1: the table then holds the contraction itself.
    """
    dimension, count = mesh.cells.size, mesh.nodes.size
    rank = nodal.shape[1]
    rows = count ** (dimension - 1)
    for block in numba.prange((points.shape[0] + POINT_BLOCK - 1) // POINT_BLOCK):
        basis = np.empty((dimension, count))
        derivative = np.empty((dimension, count))
        offsets = np.empty(rows, np.int64)
        weights = np.empty((dimension, rows))
        line = np.empty(count)
        for i in range(block * POINT_BLOCK, min((block + 1) * POINT_BLOCK, points.shape[0])):
            _locate(points, i, mesh, basis, derivative, offsets, weights)
            value = 0.0
            slopes[i] = 0.0
            last_slope = 0.0
            for row in range(rows):
                node = offsets[row]
                if rank == 1:
                    for j in range(count):
                        line[j] = nodal[node + j, 0]
                else:
                    for j in range(count):
                        total = 0.0
                        for m in range(rank):
                            total += coefficients[m] * nodal[node + j, m]
                        line[j] = total
                row_value = 0.0
                row_slope = 0.0
                for j in range(count):
                    row_value += basis[dimension - 1, j] * line[j]
                    row_slope += derivative[dimension - 1, j] * line[j]
                value += weights[0, row] * row_value
                last_slope += weights[0, row] * row_slope
                for axis in range(dimension - 1):
                    slopes[i, axis] += weights[axis + 1, row] * row_value
            out[i] = value
            slopes[i, dimension - 1] = last_slope


@numba.njit(cache=True, parallel=True, fastmath=FASTMATH)
def scatter(points: Array, masses: Array, mesh: Mesh, shares: Array) -> None:
    """Nodal weights of sum_i masses_i delta_{points_i}, added to shares of shape (SCATTER_BLOCKS, nodes)."""
    dimension, count = mesh.cells.size, mesh.nodes.size
    rows = count ** (dimension - 1)
    size = (points.shape[0] + SCATTER_BLOCKS - 1) // SCATTER_BLOCKS
    for block in numba.prange(SCATTER_BLOCKS):
        basis = np.empty((dimension, count))
        derivative = np.empty((dimension, count))
        offsets = np.empty(rows, np.int64)
        weights = np.empty((dimension, rows))
        for i in range(block * size, min((block + 1) * size, points.shape[0])):
            _locate(points, i, mesh, basis, derivative, offsets, weights)
            for row in range(rows):
                weight = masses[i] * weights[0, row]
                for j in range(count):
                    shares[block, offsets[row] + j] += weight * basis[dimension - 1, j]


@numba.njit(cache=True, parallel=True, fastmath=FASTMATH)
def gather(shares: Array, nodal: Array, partial: Array) -> None:
    """Sums over blocks of nodes of (nodal weight) Phi, into partial of shape (node blocks, M)."""
    for block in numba.prange(partial.shape[0]):
        partial[block] = 0.0
        for node in range(block * NODE_BLOCK, min((block + 1) * NODE_BLOCK, nodal.shape[0])):
            weight = 0.0
            for share in range(shares.shape[0]):
                weight += shares[share, node]
            if weight != 0.0:
                for m in range(nodal.shape[1]):
                    partial[block, m] += weight * nodal[node, m]
