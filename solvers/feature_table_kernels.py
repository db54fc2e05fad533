"""Compiled evaluation of a tensor-product Lagrange table; one code for every dimension.

The nodal table has shape (nodes, M): the node grid flattened in C order, features contiguous. A point touches
the (q+1)^D nodes of its cell, taken as (q+1)^(D-1) *rows* of q+1 consecutive nodes along the last axis.

Each kernel works on a range of points or nodes without holding the interpreter; `in_blocks` spreads fixed
blocks over threads, and every sum runs in a fixed order, so that the number of threads changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from .objective import Array

IntArray = NDArray[np.int64]

POINT_BLOCK = 1024
NODE_BLOCK = 16384
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


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """One pool per process: the threads of a pool do not survive a fork."""
    return ThreadPoolExecutor(threads)


def in_blocks(kernel: Callable[..., None], count: int, size: int, *arguments: Any) -> None:
    """kernel(start, stop, *arguments) over 0 ... count, in blocks of `size`, on numba's number of threads."""
    threads = numba.get_num_threads()
    if threads == 1 or count <= size:
        kernel(0, count, *arguments)
        return
    tasks = [
        _pool(os.getpid(), threads).submit(kernel, start, min(start + size, count), *arguments)
        for start in range(0, count, size)
    ]
    for task in tasks:
        task.result()


@numba.njit(cache=True)
def first_outside(points: Array, lower: Array, upper: Array) -> int:
    """Flat index of the first coordinate outside [lower, upper] (NaN is outside), -1 without one."""
    count, dimension = points.shape
    for i in range(count):
        for axis in range(dimension):
            if not (lower[axis] <= points[i, axis] <= upper[axis]):
                return int(i * dimension + axis)
    return -1


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
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


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
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
            middle = (low + high) >> 1
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
        stride = mesh.strides[axis]
        for row in range(rows - 1, -1, -1):
            offset, weight = offsets[row], weights[0, row]
            for j in range(count):
                offsets[row * count + j] = offset + j * stride
                weights[axis + 1, row * count + j] = weight * derivative[axis, j]
            for kind in range(axis + 1):
                weight = weights[kind, row]
                for j in range(count):
                    weights[kind, row * count + j] = weight * basis[axis, j]
        rows *= count


@numba.njit(cache=True)
def _scratch(mesh: Mesh) -> tuple[Array, Array, IntArray, Array]:
    """Room for what `_locate` writes."""
    dimension, count = mesh.cells.size, mesh.nodes.size
    rows = count ** (dimension - 1)
    return (
        np.empty((dimension, count)),
        np.empty((dimension, count)),
        np.empty(rows, np.int64),
        np.empty((dimension, rows)),
    )


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def values(start: int, stop: int, points: Array, mesh: Mesh, nodal: Array, out: Array) -> None:
    """Phi at points of shape (n, D), into out of shape (n, M)."""
    last = mesh.cells.size - 1
    basis, derivative, offsets, weights = _scratch(mesh)
    for i in range(start, stop):
        _locate(points, i, mesh, basis, derivative, offsets, weights)
        out[i] = 0.0
        for row in range(offsets.size):
            for j in range(mesh.nodes.size):
                weight = weights[0, row] * basis[last, j]
                node = offsets[row] + j
                for m in range(nodal.shape[1]):
                    out[i, m] += weight * nodal[node, m]


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def values_and_gradients(
    start: int, stop: int, points: Array, mesh: Mesh, nodal: Array, out: Array, slopes: Array
) -> None:
    """Phi into out of shape (n, M), its gradient into slopes of shape (n, M, D)."""
    dimension, rank = mesh.cells.size, nodal.shape[1]
    basis, derivative, offsets, weights = _scratch(mesh)
    row_value = np.empty(rank)
    total = np.empty((dimension + 1, rank))
    for i in range(start, stop):
        _locate(points, i, mesh, basis, derivative, offsets, weights)
        total[:] = 0.0
        for row in range(offsets.size):
            row_value[:] = 0.0
            for j in range(mesh.nodes.size):
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
    last = mesh.cells.size - 1
    basis, derivative, offsets, weights = _scratch(mesh)
    line = np.empty(mesh.nodes.size)
    for i in range(start, stop):
        _locate(points, i, mesh, basis, derivative, offsets, weights)
        value, last_slope = 0.0, 0.0
        slopes[i] = 0.0
        for row in range(offsets.size):
            if nodal.shape[1] == 1:
                for j in range(line.size):
                    line[j] = nodal[offsets[row] + j, 0]
            else:
                for j in range(line.size):
                    total = 0.0
                    for m in range(nodal.shape[1]):
                        total += coefficients[m] * nodal[offsets[row] + j, m]
                    line[j] = total
            row_value, row_slope = 0.0, 0.0
            for j in range(line.size):
                row_value += basis[last, j] * line[j]
                row_slope += derivative[last, j] * line[j]
            value += weights[0, row] * row_value
            last_slope += weights[0, row] * row_slope
            for axis in range(last):
                slopes[i, axis] += weights[axis + 1, row] * row_value
        out[i] = value
        slopes[i, last] = last_slope


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def scatter(
    start: int, stop: int, points: Array, masses: Array, mesh: Mesh, size: int, shares: Array
) -> None:
    """Nodal weights of sum_i masses_i delta_{points_i}; points k size <= i < (k+1) size go to shares[k]."""
    last = mesh.cells.size - 1
    basis, derivative, offsets, weights = _scratch(mesh)
    for i in range(start, stop):
        _locate(points, i, mesh, basis, derivative, offsets, weights)
        share = i // size
        for row in range(offsets.size):
            weight = masses[i] * weights[0, row]
            for j in range(mesh.nodes.size):
                shares[share, offsets[row] + j] += weight * basis[last, j]


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
