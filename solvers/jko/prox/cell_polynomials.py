"""Compiled Newton steps of proximal maps in one and two dimensions, on a table held as one polynomial per cell.

The general kernel of `prox.kernels` contracts Lagrange bases; here each cell keeps the monomial coefficients of its
polynomial on [-1, 1]^D, so that value, gradient and Hessian are Horner schemes, and the law's share of a cell is its
moments. The degree is the length of a tuple, which the compiler knows. Monomials of degree 10 on [-1, 1] lose about
four digits of sixteen: tables of higher degree stay with the general kernel.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ...arrays import Array
from ...objective.table.kernels import FASTMATH, Mesh
from .kernels import ENERGY, GAIN, LARGEST, SADDLES, interval

IntArray = NDArray[np.int64]
Nodes = tuple[int, ...]
HIGHEST_DEGREE = 10


class CellPolynomials(NamedTuple):
    """A table of M features as polynomials on cells.

    Attributes:
        coefficients: of s^k t^l (t^l for D = 1) in each cell, rows padded to `padded(q + 1)` by zeros; shape (cells *
            numbers per cell, M).
        edges: cell edges, one row per axis, padded on the right, shape (D, longest).
        counts: number of cells per axis, shape (D,).
        nodes: a tuple of q + 1 numbers.
    """

    coefficients: Array
    edges: Array
    counts: IntArray
    nodes: Nodes


@numba.njit(cache=True, nogil=True)
def padded(count: int) -> int:
    """The next multiple of four: whole vectors."""
    return (count + 3) // 4 * 4


def cell_polynomials(mesh: Mesh, flat: Array, polynomials: Array) -> CellPolynomials | None:
    """The cells of a table, None where the general kernel must do.

    Args:
        mesh: of the table.
        flat: its features at the nodes, shape (nodes, M).
        polynomials: monomial coefficients of the bases, shape (q + 1, 3 (q + 1)), as in `prox.kernels.Derivatives`.
    """
    dimension, count = mesh.cells.size, mesh.nodes.size
    if dimension > 2 or count > HIGHEST_DEGREE + 1:
        return None
    transform = polynomials[:, :count]
    width, rank = int(padded(count)), flat.shape[1]
    starts = [np.arange(cells) * (count - 1) for cells in mesh.cells]
    places = [start[:, None] + np.arange(count) for start in starts]
    if dimension == 1:
        found = np.zeros((len(starts[0]), width, rank))
        found[:, :count] = np.einsum("ki,cim->ckm", transform, flat[places[0]])
    else:
        found = np.zeros((len(starts[0]), len(starts[1]), count, width, rank))
        lines = flat.reshape(-1, mesh.strides[0], rank)
        for row, at in zip(found, places[0], strict=True):
            strip = np.einsum("ki,inm->knm", transform, lines[at])
            row[:, :, :count] = np.einsum("lj,kcjm->cklm", transform, strip[:, places[1]])
    nodes = tuple(range(count))
    return CellPolynomials(np.ascontiguousarray(found.reshape(-1, rank)), mesh.edges, mesh.cells, nodes)


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _jets(
    potential: Array, base: int, s: float, t: float, nodes: Nodes, room: Array
) -> tuple[float, float, float, float, float, float]:
    """Value and derivatives s, t, ss, st, tt of a cell's polynomial; room: shape (3, padded)."""
    count = len(nodes)
    width = padded(count)
    for j in range(width):
        a, b, c = 0.0, 0.0, 0.0
        for k in range(count):
            c = c * s + b
            b = b * s + a
            a = a * s + potential[base + (count - 1 - k) * width + j]
        room[0, j] = a
        room[1, j] = b
        room[2, j] = c
    v, vt, vtt, vs, vst, vss = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(count):
        j = count - 1 - k
        vtt = vtt * t + vt
        vt = vt * t + v
        v = v * t + room[0, j]
        vst = vst * t + vs
        vs = vs * t + room[1, j]
        vss = vss * t + room[2, j]
    return v, vs, vt, 2.0 * vss, vst, 2.0 * vtt


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _jet(potential: Array, base: int, t: float, nodes: Nodes) -> tuple[float, float, float]:
    """Value, first and second derivative of a cell's polynomial on a line."""
    count = len(nodes)
    v, vt, vtt = 0.0, 0.0, 0.0
    for k in range(count):
        vtt = vtt * t + vt
        vt = vt * t + v
        v = v * t + potential[base + count - 1 - k]
    return v, vt, 2.0 * vtt


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def newton_plane(
    start: int, stop: int, places: Array, centres: Array, masses: Array, edges: Array, counts: IntArray, nodes: Nodes,
    potential: Array, tau: float, held: Array, mobile: Array, lower: Array, upper: Array, size: int,
    moved: Array, shares: Array, touched: NDArray[np.bool_], sums: Array,
) -> None:  # fmt: skip
    """`newton_pass` for D = 2: one Newton step of every atom, and the moments of the law after it.

    Args:
        places, centres, masses, tau, held, mobile, lower, upper, size, moved, sums: as in `prox.kernels.newton_pass`.
        edges, counts, nodes: of the cells; potential: their coefficients.
        shares: moments, shape (blocks, coefficients), set in the cells that `touched`, shape (blocks, cells), marks.
    """
    count = len(nodes)
    width = padded(count)
    room, powers = np.empty((3, width)), np.zeros(width)
    stiffness0 = 1.0 / (tau * mobile[0]) if mobile[0] > 0.0 else 0.0
    stiffness1 = 1.0 / (tau * mobile[1]) if mobile[1] > 0.0 else 0.0
    row, column = 0, 0
    for i in range(start, stop):
        z0, z1 = places[i, 0], places[i, 1]
        x0, x1, mass, block = centres[i, 0], centres[i, 1], masses[i], i // size
        row, column = interval(edges[0], counts[0], z0, row), interval(edges[1], counts[1], z1, column)
        scale0 = 2.0 / (edges[0, row + 1] - edges[0, row])
        scale1 = 2.0 / (edges[1, column + 1] - edges[1, column])
        s, t = (z0 - edges[0, row]) * scale0 - 1.0, (z1 - edges[1, column]) * scale1 - 1.0
        base = (row * counts[1] + column) * count * width
        value, f0, f1, f00, f01, f11 = _jets(potential, base, s, t, nodes, room)
        f0 = f0 * scale0 + held[0] * z0 + stiffness0 * (z0 - x0)
        f1 = f1 * scale1 + held[1] * z1 + stiffness1 * (z1 - x1)
        value += 0.5 * (held[0] * z0 * z0 + stiffness0 * (z0 - x0) ** 2)
        value += 0.5 * (held[1] * z1 * z1 + stiffness1 * (z1 - x1) ** 2)
        f00 = f00 * scale0 * scale0 + held[0] + stiffness0
        f01 = f01 * scale0 * scale1
        f11 = f11 * scale1 * scale1 + held[1] + stiffness1
        free0 = mobile[0] > 0.0 and not (z0 <= lower[0] and f0 >= 0.0) and not (z0 >= upper[0] and f0 <= 0.0)
        free1 = mobile[1] > 0.0 and not (z1 <= lower[1] and f1 >= 0.0) and not (z1 >= upper[1] and f1 <= 0.0)
        move0, move1 = 0.0, 0.0
        determinant = f00 * f11 - f01 * f01
        if free0 and free1 and f00 > 0.0 and determinant > 0.0:
            move0 = (f01 * f1 - f11 * f0) / determinant
            move1 = (f01 * f0 - f00 * f1) / determinant
        elif (free0 and free1) or (free0 and not (f00 > 0.0)) or (free1 and not (f11 > 0.0)):
            sums[block, SADDLES] += 1.0
            move0 = -f0 / (abs(f00) + 1.0 / tau) if free0 else 0.0
            move1 = -f1 / (abs(f11) + 1.0 / tau) if free1 else 0.0
        elif free0:
            move0 = -f0 / f00
        elif free1:
            move1 = -f1 / f11
        gain = -0.5 * (f0 * move0 + f1 * move1)
        to0, to1 = min(max(z0 + move0, lower[0]), upper[0]), min(max(z1 + move1, lower[1]), upper[1])
        moved[i, 0] = to0
        moved[i, 1] = to1
        sums[block, ENERGY] += mass * (value - gain)
        sums[block, GAIN] += mass * gain
        sums[block, LARGEST] = max(sums[block, LARGEST], abs(to0 - z0), abs(to1 - z1))
        row, column = interval(edges[0], counts[0], to0, row), interval(edges[1], counts[1], to1, column)
        s = (to0 - edges[0, row]) * 2.0 / (edges[0, row + 1] - edges[0, row]) - 1.0
        t = (to1 - edges[1, column]) * 2.0 / (edges[1, column + 1] - edges[1, column]) - 1.0
        cell = row * counts[1] + column
        base = cell * count * width
        if not touched[block, cell]:
            touched[block, cell] = True
            shares[block, base : base + count * width] = 0.0
        power = mass
        for j in range(count):
            powers[j] = power
            power *= t
        power = 1.0
        for k in range(count):
            for j in range(width):
                shares[block, base + k * width + j] += power * powers[j]
            power *= s


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def newton_line(
    start: int, stop: int, places: Array, centres: Array, masses: Array, edges: Array, counts: IntArray, nodes: Nodes,
    potential: Array, tau: float, held: Array, mobile: Array, lower: Array, upper: Array, size: int,
    moved: Array, shares: Array, touched: NDArray[np.bool_], sums: Array,
) -> None:  # fmt: skip
    """`newton_plane` for D = 1."""
    count = len(nodes)
    width = padded(count)
    stiffness = 1.0 / (tau * mobile[0]) if mobile[0] > 0.0 else 0.0
    cell = 0
    for i in range(start, stop):
        z, x, mass, block = places[i, 0], centres[i, 0], masses[i], i // size
        cell = interval(edges[0], counts[0], z, cell)
        scale = 2.0 / (edges[0, cell + 1] - edges[0, cell])
        value, f, ff = _jet(potential, cell * width, (z - edges[0, cell]) * scale - 1.0, nodes)
        f = f * scale + held[0] * z + stiffness * (z - x)
        ff = ff * scale * scale + held[0] + stiffness
        value += 0.5 * (held[0] * z * z + stiffness * (z - x) ** 2)
        free = mobile[0] > 0.0 and not (z <= lower[0] and f >= 0.0) and not (z >= upper[0] and f <= 0.0)
        move = 0.0
        if free and ff > 0.0:
            move = -f / ff
        elif free:
            sums[block, SADDLES] += 1.0
            move = -f / (abs(ff) + 1.0 / tau)
        to = min(max(z + move, lower[0]), upper[0])
        moved[i, 0] = to
        sums[block, ENERGY] += mass * (value + 0.5 * f * move)
        sums[block, GAIN] -= mass * 0.5 * f * move
        sums[block, LARGEST] = max(sums[block, LARGEST], abs(to - z))
        cell = interval(edges[0], counts[0], to, cell)
        t = (to - edges[0, cell]) * 2.0 / (edges[0, cell + 1] - edges[0, cell]) - 1.0
        base = cell * width
        if not touched[block, cell]:
            touched[block, cell] = True
            shares[block, base : base + width] = 0.0
        power = mass
        for k in range(count):
            shares[block, base + k] += power
            power *= t


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def moments_to_outputs(shares: Array, touched: NDArray[np.bool_], coefficients: Array, outputs: Array) -> None:
    """Add the features of the moments in touched cells to `outputs`, shape (M,), in a fixed order."""
    blocks, cells = touched.shape
    per_cell = shares.shape[1] // cells
    for cell in range(cells):
        for block in range(blocks):
            if touched[block, cell]:
                for place in range(cell * per_cell, (cell + 1) * per_cell):
                    share = shares[block, place]
                    for m in range(outputs.size):
                        outputs[m] += share * coefficients[place, m]
