"""Compiled loops over the Hermite orders of an activation, and over the places it is evaluated at."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from ..arrays import Array


@numba.njit(cache=True, error_model="numpy")
def piecewise_linear_hermite(scale: Array, x: Array, kinks: Array, moments: Array) -> None:
    """Fill moments[0], [1], [2] with c_{2j+2}, its t- and its b-derivative at index j."""
    orders = moments.shape[2]
    roots = np.sqrt(np.arange(2.0 * orders + 1.0))
    inverse = 1.0 / np.maximum(roots, 1e-300)
    for n in range(scale.size):
        for i in range(kinks.shape[1]):
            if kinks[n, i] == 0.0:
                continue
            previous, current = 0.0, kinks[n, i] * np.exp(-0.5 * x[n, i] ** 2) / np.sqrt(2 * np.pi)
            for j in range(orders):
                k = 2 * (j + 1)
                # current = m n(x) h_{k-2}; one Hermite step gives h_{k-1}, a second h_k
                following = (x[n, i] * current - roots[k - 2] * previous) * inverse[k - 1]
                norm = inverse[k] * inverse[k - 1]
                moments[0, n, j] += scale[n] * current * norm
                moments[1, n, j] += (current + roots[k - 1] * x[n, i] * following) * norm
                moments[2, n, j] += following * inverse[k]
                previous, current = following, (x[n, i] * following - roots[k - 1] * current) * inverse[k]


@numba.njit(cache=True, error_model="numpy")
def step_hermite(scale: Array, x: Array, weights: Array, moments: Array) -> None:
    """Add c_k = sum weights n(x) h_{k-1}(x) / sqrt(k) of steps, with its derivatives, to moments[., n, k / 2 - 1]."""
    for n in range(scale.size):
        for i in range(x.shape[1]):
            if weights[n, i] == 0.0:
                continue
            previous, current = 0.0, weights[n, i] * np.exp(-0.5 * x[n, i] ** 2) / np.sqrt(2 * np.pi)
            for k in range(1, 2 * moments.shape[2] + 1):
                # current = weight n(x) h_{k-1}, following h_k
                following = (x[n, i] * current - np.sqrt(k - 1.0) * previous) / np.sqrt(float(k))
                if k % 2 == 0:
                    j = k // 2 - 1
                    moments[0, n, j] += current / np.sqrt(float(k))
                    moments[1, n, j] += x[n, i] * following / scale[n]
                    moments[2, n, j] += following / scale[n]
                previous, current = current, following


@numba.njit(cache=True, nogil=True, error_model="numpy")
def kink_coefficients(factor: Array, x: Array, weights: Array, order: int, coefficients: Array) -> None:
    """Add factor sum_p weights_p h_{k - m}(x_p) / sqrt(k ... (k - m + 1)), m = 2 - order, to the columns k >= m.

    Order 3, for sigma'' of steps: factor sum_p weights_p h_{k + 1}(x_p) sqrt(k + 1).
    """
    shift = 2 - order
    for n in range(factor.size):
        for p in range(x.shape[1]):
            if weights[n, p] == 0.0:
                continue
            previous, current = 0.0, factor[n] * weights[n, p]
            if shift == -1:
                previous, current = current, x[n, p] * current
            for k in range(max(shift, 0), coefficients.shape[1]):
                norm = 1.0
                if order == 0:
                    norm = math.sqrt(k * (k - 1.0))
                elif order == 1:
                    norm = math.sqrt(float(k))
                elif order == 3:
                    norm = 1.0 / math.sqrt(k + 1.0)
                coefficients[n, k] += current / norm
                degree = float(k - shift)
                following = (x[n, p] * current - math.sqrt(degree) * previous) / math.sqrt(degree + 1.0)
                previous, current = current, following


@intrinsic
def _call(typing_context: Any, address: Any, u: Any, value: Any, gate: Any) -> Any:
    """The compiled function at `address` on the data of three vectors of one length."""
    signature = types.void(address, u, value, gate)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = [
            context.make_array(kind)(context, builder, argument)
            for kind, argument in zip(signature.args[1:], arguments[1:], strict=True)
        ]
        pointers = [array.data for array in arrays]
        function = ir.FunctionType(ir.VoidType(), [*(pointer.type for pointer in pointers), ir.IntType(64)])
        builder.call(builder.inttoptr(arguments[0], function.as_pointer()), [*pointers, arrays[0].nitems])
        return context.get_dummy_value()

    return signature, generate


@numba.njit(cache=True, nogil=True, error_model="numpy")
def evaluate(address: int, table: Array, u: Array, value: Array, gate: Array) -> None:
    """Fill value with sigma(u) and gate with sigma'(u), contiguous vectors of the type of the `Compiled` form."""
    if address == 0:
        _piecewise(table, u, value, gate)
    else:
        _call(address, u, value, gate)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _piecewise(table: Array, u: Array, value: Array, gate: Array) -> None:
    """From the nearest knot, whose row holds it, its value, where it is the nearest from, and the slopes about it."""
    zero = u.dtype.type(0.0)
    for row in range(table.shape[0]):
        knot, level, nearer = table[row, 0], table[row, 1], table[row, 2]
        before, after = table[row, 3], table[row, 4]
        for i in range(u.size):
            past = u[i] - knot
            slope = before if past < zero else after
            farther = row > 0 and u[i] < nearer
            value[i] = value[i] if farther else level + slope * past
            gate[i] = gate[i] if farther else slope


SUMS = {"reassoc", "contract", "nsz", "arcp"}
"""What the compiler may do to sums: order and contract them, but keep what is not finite."""


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=SUMS)
def _step(degree: int, nodes: Array, current: Array, previous: Array) -> None:
    """previous <- h_{degree + 1} of h_degree = current and h_{degree - 1} = previous, times a common factor."""
    first, second = 1.0 / math.sqrt(degree + 1.0), math.sqrt(degree / (degree + 1.0))
    for m in range(nodes.size):
        previous[m] = nodes[m] * current[m] * first - previous[m] * second


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=SUMS)
def even_sums(nodes: Array, half: Array, value: Array, slope: Array, moments: Array) -> None:
    """Add E[f h_k] for f = sigma, X sigma' and sigma' to moments[0], [1], [2] at index k / 2, k even.

    Rows of nodes, or one for all values, with the square roots of their weights in `half`.
    """
    count = nodes.shape[1]
    current, previous, level, rise = np.empty(count), np.empty(count), np.empty(count), np.empty(count)
    for n in range(value.shape[0]):
        row = n if nodes.shape[0] > 1 else 0
        for m in range(count):
            current[m], previous[m] = half[row, m], 0.0
            level[m], rise[m] = half[row, m] * value[n, m], half[row, m] * slope[n, m]
        for j in range(moments.shape[2]):
            total, tilted, raised = 0.0, 0.0, 0.0
            for m in range(count):
                total += level[m] * current[m]
                tilted += rise[m] * nodes[row, m] * current[m]
                raised += rise[m] * current[m]
            moments[0, n, j] += total
            moments[1, n, j] += tilted
            moments[2, n, j] += raised
            _step(2 * j, nodes[row], current, previous)
            _step(2 * j + 1, nodes[row], previous, current)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=SUMS)
def hermite_sums(nodes: Array, half: Array, value: Array, found: Array) -> None:
    """Add E[f h_k] to found[n, k], from values of f at rows of nodes; as for `even_sums`."""
    count = nodes.shape[1]
    current, previous, level = np.empty(count), np.empty(count), np.empty(count)
    for n in range(value.shape[0]):
        row = n if nodes.shape[0] > 1 else 0
        for m in range(count):
            current[m], previous[m] = half[row, m], 0.0
            level[m] = half[row, m] * value[n, m]
        for k in range(found.shape[1]):
            total = 0.0
            for m in range(count):
                total += level[m] * current[m]
            found[n, k] += total
            _step(k, nodes[row], current, previous)
            current, previous = previous, current
