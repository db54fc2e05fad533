"""Compiled global proximal map: the best of several minimisers of |z - x|^2 / (2 tau) + V(z), and its rival."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from ...arrays import Array
from ...objective.table.kernels import Mesh
from .kernels import Derivatives, IntArray, contract, descent, interval, locate, model, penalty

POLISHING = 60
"""Damped Newton steps from a start."""
NEAR = 4
"""Nodes within which the best node and an atom are taken to lie in one basin."""


@numba.njit(cache=True, nogil=True)
def _value(
    z: Array, x: Array, mesh: Mesh, plan: Derivatives, nodal: Array, tau: float, held: Array, mobile: Array,
    bases: Array, first: Array, second: Array,
) -> float:  # fmt: skip
    """J(z)."""
    found = contract(locate(z, mesh, plan.polynomials, bases), nodal, bases, plan, first, second)
    value = found[plan.value]
    for a in range(z.size):
        value += 0.5 * held[a] * z[a] * z[a]
        if a == held[z.size]:
            value += penalty(z[a], held[z.size + 1], held[z.size + 2])[0]
        if mobile[a] > 0.0:
            value += 0.5 * (z[a] - x[a]) ** 2 / (tau * mobile[a])
    return float(value)


@numba.njit(cache=True, nogil=True)
def _polished(
    z: Array, x: Array, mesh: Mesh, plan: Derivatives, nodal: Array, tau: float, held: Array, mobile: Array,
    lower: Array, upper: Array, bases: Array, first: Array, second: Array,
) -> float:  # fmt: skip
    """Descend from z, in place, to a local minimiser of J by damped Newton steps; J there."""
    dimension = z.size
    slope, move, trial = np.empty(dimension), np.empty(dimension), np.empty(dimension)
    matrix, raised = np.empty((dimension, dimension)), np.empty((dimension, dimension))
    free = np.empty(dimension, np.bool_)
    value = np.inf
    for _ in range(POLISHING):
        found = contract(locate(z, mesh, plan.polynomials, bases), nodal, bases, plan, first, second)
        value = model(z, x, found, plan, tau, held, mobile, lower, upper, slope, matrix, free)
        shift = 0.0
        for _ in range(60):
            raised[:] = matrix
            for a in range(dimension):
                raised[a, a] += shift
            if descent(raised, slope, free, move):
                break
            shift = max(2.0 * shift, 0.1 / tau)
        length, better = 1.0, False
        lowered = value
        while length > 1e-10:
            for a in range(dimension):
                trial[a] = min(max(z[a] + length * move[a], lower[a]), upper[a])
            lowered = _value(trial, x, mesh, plan, nodal, tau, held, mobile, bases, first, second)
            if lowered < value:
                better = True
                break
            length *= 0.5
        if not better:
            break
        largest = 0.0
        for a in range(dimension):
            largest = max(largest, abs(trial[a] - z[a]) / (1.0 + abs(z[a])))
            z[a] = trial[a]
        value = lowered
        if largest < 1e-12:
            break
    return float(value)


@numba.njit(cache=True, nogil=True)
def global_prox(
    start: int, stop: int, places: Array, centres: Array, mesh: Mesh, plan: Derivatives, nodal: Array,
    nodes: Array, counts: IntArray, best: IntArray, tau: float, held: Array, mobile: Array,
    lower: Array, upper: Array, moved: Array, values: Array, rivals: Array, rival_values: Array,
) -> None:  # fmt: skip
    """The global minimisers of J for every atom, from its present place and the envelope's nodes around its centre.

    Args:
        places, centres: shape (n, D).
        nodes: nodes of each axis, padded on the right, shape (D, longest); their numbers `counts`, shape (D,).
        best: flat index of the best node for every node as centre, shape (nodes,).
        moved, values: filled with the minimisers and J there.
        rivals, rival_values: filled with the best other minimiser (that of J where there is none, value inf).
    """
    dimension = centres.shape[1]
    count = mesh.nodes.size
    bases = np.empty((dimension, 3 * count))
    first, second = np.empty((15, plan.rows.size * count)), np.empty((15, plan.rows.size * count))
    corner_low = np.empty(dimension, np.int64)
    z, node = np.empty(dimension), np.empty(dimension, np.int64)
    seen = np.empty((2**dimension, dimension), np.int64)
    for i in range(start, stop):
        for a in range(dimension):
            z[a] = min(max(places[i, a], lower[a]), upper[a])
            corner_low[a] = interval(nodes[a], counts[a] - 1, centres[i, a])
        moved[i] = z
        values[i] = _polished(
            moved[i], centres[i], mesh, plan, nodal, tau, held, mobile, lower, upper, bases, first, second
        )
        rivals[i] = moved[i]
        rival_values[i] = np.inf
        tried = 0
        for corner in range(2**dimension):
            flat = 0
            for a in range(dimension):
                flat = flat * counts[a] + corner_low[a] + ((corner >> a) & 1)
            rest = best[flat]
            for a in range(dimension - 1, -1, -1):
                node[a] = rest % counts[a]
                rest //= counts[a]
            known = False
            for t in range(tried):
                near = True
                for a in range(dimension):
                    near = near and (mobile[a] == 0.0 or abs(seen[t, a] - node[a]) <= 2)
                known = known or near
            if known:
                continue
            seen[tried] = node
            tried += 1
            for a in range(dimension):
                z[a] = nodes[a, node[a]] if mobile[a] > 0.0 else centres[i, a]
            value = _polished(z, centres[i], mesh, plan, nodal, tau, held, mobile, lower, upper, bases, first, second)
            far_best, far_rival = 0.0, 0.0
            for a in range(dimension):
                far_best = max(far_best, abs(z[a] - moved[i, a]) / (1.0 + abs(z[a])))
                far_rival = max(far_rival, abs(z[a] - rivals[i, a]) / (1.0 + abs(z[a])))
            if value < values[i]:
                if far_best > 1e-6:
                    rivals[i] = moved[i]
                    rival_values[i] = values[i]
                moved[i] = z
                values[i] = value
            elif far_best > 1e-6 and value < rival_values[i]:
                rivals[i] = z
                rival_values[i] = value


@numba.njit(cache=True, nogil=True)
def suspects(
    start: int, stop: int, places: Array, centres: Array, nodes: Array, counts: IntArray, best: IntArray, mobile: Array,
    found: NDArray[np.bool_],
) -> None:  # fmt: skip
    """Atoms for which the best node, seen from a node around their centre, lies NEAR or more nodes from their place.

    Args:
        places, centres: shape (n, D).
        nodes, counts, best: as in `global_prox`.
        found: filled, shape (n,).
    """
    dimension = centres.shape[1]
    corner_low, own = np.zeros(dimension, np.int64), np.zeros(dimension, np.int64)
    # an integer division costs ten times this product; half a node keeps its floor exact
    inverses = 1.0 / counts
    for i in range(start, stop):
        for a in range(dimension):
            corner_low[a] = interval(nodes[a], counts[a] - 1, centres[i, a], corner_low[a])
            own[a] = interval(nodes[a], counts[a] - 1, places[i, a], own[a])
        found[i] = False
        for corner in range(2**dimension):
            flat = 0
            for a in range(dimension):
                flat = flat * counts[a] + corner_low[a] + ((corner >> a) & 1)
            rest = best[flat]
            for a in range(dimension - 1, -1, -1):
                above = int((rest + 0.5) * inverses[a])
                distance = rest - above * counts[a] - own[a]
                rest = above
                if mobile[a] > 0.0 and (distance > NEAR or distance < 1 - NEAR):
                    found[i] = True


@numba.njit(cache=True)
def shared_fractions(residual: Array, jumps: Array, inverse: Array, costs: Array, fractions: Array) -> None:
    """Fractions in [0, 1] that minimise (r + J theta)^T C^-1 (r + J theta) / 2 + costs . theta, by coordinates.

    Args:
        residual: r, shape (M,).
        jumps: J^T, one row per tied atom, shape (k, M).
        inverse: C^-1, shape (M, M).
        costs: shape (k,), >= 0.
        fractions: theta, start and result, shape (k,).
    """
    count = fractions.size
    scaled = jumps @ inverse
    current = residual.copy()
    for k in range(count):
        current += fractions[k] * jumps[k]
    for _ in range(1000):
        largest = 0.0
        for k in range(count):
            curvature = np.dot(scaled[k], jumps[k])
            if not (curvature > 0.0):
                continue
            slope = np.dot(scaled[k], current) + costs[k]
            fraction = min(max(fractions[k] - slope / curvature, 0.0), 1.0)
            change = fraction - fractions[k]
            if change != 0.0:
                current += change * jumps[k]
                fractions[k] = fraction
                largest = max(largest, abs(change))
        if largest < 1e-14:
            break
