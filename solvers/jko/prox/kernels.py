"""Compiled proximal maps of a tabulated potential: prox(x) = argmin_z |z - x|^2 / (2 tau) + V(z).

V is a table of M = 1 (`feature_table_kernels.Mesh`, nodal values) plus a confinement, `Confinement.packed`. Near a
minimiser Newton's method needs V, its gradient and its Hessian; globally, the separable lower envelope of parabolas
(Felzenszwalb, Huttenlocher, Theory Comput. 8 (2012) 415) finds the best node for every node in time linear in their
number.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ...arrays import Array
from ...objective.table.kernels import FASTMATH, Mesh

IntArray = NDArray[np.int64]
SUMS = 4
ENERGY, GAIN, LARGEST, SADDLES = range(SUMS)
"""Columns of the sums of `newton_pass`: m J, m (suboptimality), the largest move, atoms without a convex model."""


class Derivatives(NamedTuple):
    """How the axes of a table are contracted, first axis first, keeping derivatives of total order 2 or less.

    Attributes:
        targets: place of the k-th kept derivative, differentiated j times along the axis, shape (D, 15, 3); -1: none.
        sizes: number of kept derivatives before each axis is contracted, shape (D + 1,).
        value: place of the value at the end.
        slopes: places of the first derivatives, shape (D,).
        curvatures: places of the second derivatives, shape (D, D).
        rows: first nodes of the rows of a cell relative to its first node, shape ((q + 1)^(D - 1),).
        polynomials: coefficients of t^k, t in [-1, 1], in the q + 1 bases, their first and their second derivatives,
            shape (q + 1, 3 (q + 1)).
    """

    targets: IntArray
    sizes: IntArray
    value: int
    slopes: IntArray
    curvatures: IntArray
    rows: IntArray
    polynomials: Array


def derivatives(mesh: Mesh) -> Derivatives:
    """The plan of contraction for a mesh."""
    dimension, count = mesh.cells.size, mesh.nodes.size
    kept: list[tuple[int, ...]] = [()]
    targets = np.full((dimension, 15, 3), -1, dtype=np.int64)
    sizes = np.ones(dimension + 1, dtype=np.int64)
    for axis in range(dimension):
        following: list[tuple[int, ...]] = []
        for place, orders in enumerate(kept):
            for j in range(3 - sum(orders)):
                targets[axis, place, j] = len(following)
                following.append((*orders, j))
        kept = following
        sizes[axis + 1] = len(kept)
    unit = np.eye(dimension, dtype=int)
    slopes = np.array([kept.index(tuple(row.tolist())) for row in unit], dtype=np.int64)
    pairs = [[kept.index(tuple((a + b).tolist())) for b in unit] for a in unit]
    rows = np.zeros(1, dtype=np.int64)
    for axis in range(dimension - 1):
        rows = (rows[:, None] + np.arange(count) * mesh.strides[axis]).ravel()
    value = kept.index((0,) * dimension)
    return Derivatives(targets, sizes, value, slopes, np.array(pairs, dtype=np.int64), rows, _polynomials(mesh.nodes))


def _polynomials(nodes: Array) -> Array:
    """Monomial coefficients on [-1, 1] of the Lagrange basis and its derivatives; stable up to degrees of about 20."""
    places = 2.0 * nodes - 1.0
    found = np.zeros((len(nodes), 3, len(nodes)))
    for i, place in enumerate(places):
        others = np.delete(places, i)
        basis = np.polynomial.Polynomial.fromroots(others) / np.prod(place - others)
        for order in range(3):
            coefficients = basis.deriv(order).coef if order else basis.coef
            found[: len(coefficients), order, i] = coefficients
    return found.reshape(len(nodes), 3 * len(nodes))


@numba.njit(cache=True, nogil=True)
def interval(ends: Array, count: int, x: float, hint: int = 0) -> int:
    """k < count with ends_k <= x < ends_{k+1}, the outermost ones for what lies outside; quick where it is `hint`."""
    if (hint == 0 or x >= ends[hint]) and (hint == count - 1 or x < ends[hint + 1]):
        return hint
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) >> 1
        if x >= ends[middle]:
            low = middle
        else:
            high = middle
    return low


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def locate(point: Array, mesh: Mesh, polynomials: Array, bases: Array) -> int:
    """First node of the point's cell; writes the bases and their two derivatives in a row, shape (D, 3 (q + 1))."""
    count, width = polynomials.shape
    base = 0
    for axis in range(mesh.cells.size):
        x = point[axis]
        low, high = 0, mesh.cells[axis]
        while high - low > 1:
            middle = (low + high) >> 1
            if x >= mesh.edges[axis, middle]:
                low = middle
            else:
                high = middle
        left = mesh.edges[axis, low]
        scale = 2.0 / (mesh.edges[axis, low + 1] - left)
        t = (x - left) * scale - 1.0
        for i in range(width):
            bases[axis, i] = polynomials[count - 1, i]
        for k in range(count - 2, -1, -1):
            for i in range(width):
                bases[axis, i] = bases[axis, i] * t + polynomials[k, i]
        for i in range(count):
            bases[axis, count + i] *= scale
            bases[axis, 2 * count + i] *= scale * scale
        base += low * (count - 1) * mesh.strides[axis]
    return base


@numba.njit(cache=True, nogil=True, fastmath=FASTMATH)
def contract(base: int, nodal: Array, bases: Array, plan: Derivatives, first: Array, second: Array) -> Array:
    """The kept derivatives where `locate` located the point; `first`, `second`: room of shape (15, rows (q + 1))."""
    dimension = bases.shape[0]
    count = bases.shape[1] // 3
    if dimension == 1:
        v0, v1, v2 = 0.0, 0.0, 0.0
        for i in range(count):
            v = nodal[base + i]
            v0 += bases[0, i] * v
            v1 += bases[0, count + i] * v
            v2 += bases[0, 2 * count + i] * v
        first[0, 0] = v0
        first[1, 0] = v1
        first[2, 0] = v2
        return first[:, 0]
    source, target = first, second
    lines = plan.rows.size // count
    for i in range(count):
        b0, b1, b2 = bases[0, i], bases[0, count + i], bases[0, 2 * count + i]
        for line in range(lines):
            node = base + plan.rows[i * lines + line]
            to = line * count
            if i == 0:
                for j in range(count):
                    v = nodal[node + j]
                    source[0, to + j] = b0 * v
                    source[1, to + j] = b1 * v
                    source[2, to + j] = b2 * v
            else:
                for j in range(count):
                    v = nodal[node + j]
                    source[0, to + j] += b0 * v
                    source[1, to + j] += b1 * v
                    source[2, to + j] += b2 * v
    left = lines * count
    for axis in range(1, dimension):
        left //= count
        for place in range(plan.sizes[axis]):
            for order in range(3):
                to = plan.targets[axis, place, order]
                if to < 0:
                    break
                for rest in range(left):
                    total = 0.0
                    for i in range(count):
                        total += bases[axis, order * count + i] * source[place, i * left + rest]
                    target[to, rest] = total
        source, target = target, source
    return source[:, 0]


@numba.njit(cache=True, nogil=True)
def descent(matrix: Array, slope: Array, free: NDArray[np.bool_], move: Array) -> bool:
    """move = -matrix^-1 slope on the free axes by Cholesky; False where the matrix is not positive definite."""
    n = slope.size
    factor = np.zeros((n, n))
    for a in range(n):
        move[a] = 0.0
    for a in range(n):
        if not free[a]:
            continue
        for b in range(a + 1):
            if not free[b]:
                continue
            total = matrix[a, b]
            for c in range(b):
                total -= factor[a, c] * factor[b, c]
            if a == b:
                if not (total > 0.0):
                    return False
                factor[a, a] = np.sqrt(total)
            else:
                factor[a, b] = total / factor[b, b]
    for a in range(n):
        if free[a]:
            total = -slope[a]
            for c in range(a):
                total -= factor[a, c] * move[c]
            move[a] = total / factor[a, a]
    for a in range(n - 1, -1, -1):
        if free[a]:
            total = move[a]
            for c in range(a + 1, n):
                total -= factor[c, a] * move[c]
            move[a] = total / factor[a, a]
    return True


@numba.njit(cache=True, nogil=True)
def penalty(a: float, power: float, strength: float) -> tuple[float, float, float]:
    """(strength / p) |a|^p with its first two derivatives, p >= 2."""
    size = abs(a)
    bend = strength * size ** (power - 2.0)
    return bend * size * size / power, bend * a, bend * (power - 1.0)


@numba.njit(cache=True, nogil=True)
def model(
    z: Array, x: Array, found: Array, plan: Derivatives, tau: float, held: Array, mobile: Array,
    lower: Array, upper: Array, slope: Array, matrix: Array, free: NDArray[np.bool_],
) -> float:  # fmt: skip
    """J, its slope, Hessian and free axes (mobile, at no bound).

    J(z) = sum_a (z_a - x_a)^2 / (2 tau m_a) + V + what is held with the mobilities m, over the a with m_a > 0.
    """
    value = found[plan.value]
    for a in range(z.size):
        value += 0.5 * held[a] * z[a] * z[a]
        slope[a] = found[plan.slopes[a]] + held[a] * z[a]
        stiffness = 1.0 / (tau * mobile[a]) if mobile[a] > 0.0 else 1.0 / tau
        bend = 0.0
        if a == held[z.size]:
            more, steeper, bend = penalty(z[a], held[z.size + 1], held[z.size + 2])
            value += more
            slope[a] += steeper
        if mobile[a] > 0.0:
            value += 0.5 * (z[a] - x[a]) ** 2 * stiffness
            slope[a] += (z[a] - x[a]) * stiffness
        at_lower = z[a] <= lower[a] and slope[a] >= 0.0
        at_upper = z[a] >= upper[a] and slope[a] <= 0.0
        free[a] = mobile[a] > 0.0 and not at_lower and not at_upper
        for b in range(z.size):
            matrix[a, b] = found[plan.curvatures[a, b]]
        matrix[a, a] += held[a] + bend + stiffness
    return float(value)


@numba.njit(cache=True, nogil=True)
def newton_pass(
    start: int, stop: int, places: Array, centres: Array, masses: Array, mesh: Mesh, plan: Derivatives, nodal: Array,
    tau: float, held: Array, mobile: Array, lower: Array, upper: Array, size: int,
    moved: Array, inverses: Array, shares: Array, sums: Array,
) -> None:  # fmt: skip
    """One Newton step of every atom towards prox(centre), and the nodal weights of the law after it.

    The nodal weights take the basis at the new place to second order in the step, so that a pass locates each atom
    once; atoms k size <= i < (k + 1) size go to shares[k] and sums[k].

    Args:
        places, centres: shape (n, D).
        masses: shape (n,).
        moved: filled with the new places, shape (n, D).
        inverses: filled with the inverse of J's Hessian on the free axes, shape (n, D, D); of length 0 if not wanted.
        shares: added to, shape (blocks, nodes).
        sums: added to, shape (blocks, SUMS).
    """
    dimension, count = centres.shape[1], mesh.nodes.size
    bases = np.empty((dimension, 3 * count))
    first, second = np.empty((15, plan.rows.size * count)), np.empty((15, plan.rows.size * count))
    slope, move, unit = np.empty(dimension), np.empty(dimension), np.empty(dimension)
    matrix = np.empty((dimension, dimension))
    free = np.empty(dimension, np.bool_)
    shifted = np.empty((dimension, count))
    for i in range(start, stop):
        z, x, mass = places[i], centres[i], masses[i]
        block = i // size
        base = locate(z, mesh, plan.polynomials, bases)
        found = contract(base, nodal, bases, plan, first, second)
        value = model(z, x, found, plan, tau, held, mobile, lower, upper, slope, matrix, free)
        convex = descent(matrix, slope, free, move)
        if not convex:
            sums[block, SADDLES] += 1.0
            for a in range(dimension):
                move[a] = -slope[a] / (abs(matrix[a, a]) + 1.0 / tau) if free[a] else 0.0
        gain, largest = 0.0, 0.0
        for a in range(dimension):
            gain -= 0.5 * slope[a] * move[a]
            to = min(max(z[a] + move[a], lower[a]), upper[a])
            delta = to - z[a]
            largest = max(largest, abs(delta))
            moved[i, a] = to
            for j in range(count):
                shifted[a, j] = bases[a, j] + delta * (bases[a, count + j] + 0.5 * delta * bases[a, 2 * count + j])
        if inverses.shape[0] > 0:
            for b in range(dimension):
                for a in range(dimension):
                    unit[a] = -1.0 if a == b else 0.0
                ok = free[b] and convex and descent(matrix, unit, free, move)
                for a in range(dimension):
                    inverses[i, a, b] = move[a] if ok else 0.0
        sums[block, ENERGY] += mass * (value - gain)
        sums[block, GAIN] += mass * gain
        sums[block, LARGEST] = max(sums[block, LARGEST], largest)
        last = dimension - 1
        for row in range(plan.rows.size):
            weight, rest = mass, row
            for axis in range(last - 1, -1, -1):
                weight *= shifted[axis, rest % count]
                rest //= count
            node = base + plan.rows[row]
            for j in range(count):
                shares[block, node + j] += weight * shifted[last, j]


@numba.njit(cache=True, nogil=True)
def envelope_along(values: Array, best: IntArray, places: Array, tau: float) -> tuple[Array, IntArray]:
    """Moreau envelope along the middle axis, with the places of its minimisers.

    Args:
        values: shape (before, n, after).
        best: index carried along with each value, same shape.
        places: coordinates of the n nodes, increasing.
        tau: step.

    Returns:
        min_k values_k + (x_q - x_k)^2 / (2 tau) at every node q, and best at that k.
    """
    before, n, after = values.shape
    envelope, found = np.empty_like(values), np.empty_like(best)
    hull = np.empty(n, np.int64)
    ends = np.empty(n + 1)
    half = 0.5 / tau
    for i in range(before):
        for j in range(after):
            size = 0
            for k in range(n):
                end = -np.inf
                while size > 0:
                    other = hull[size - 1]
                    rise = values[i, k, j] - values[i, other, j]
                    width = places[k] - places[other]
                    end = 0.5 * (places[k] + places[other]) + rise / (2.0 * half * width)
                    if end > ends[size - 1]:
                        break
                    size -= 1
                    end = -np.inf
                hull[size] = k
                ends[size] = end
                size += 1
            ends[size] = np.inf
            at = 0
            for q in range(n):
                while ends[at + 1] < places[q]:
                    at += 1
                k = hull[at]
                envelope[i, q, j] = values[i, k, j] + half * (places[q] - places[k]) ** 2
                found[i, q, j] = best[i, k, j]
    return envelope, found
