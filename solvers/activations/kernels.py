"""Compiled loops over the Hermite orders of an activation, and over the places it is evaluated at."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from ..arrays import INNER, Array
from .activation import TINY_SCALE
from .hinges import FAR

_TINY_SCALE, _FAR, _ROOT = TINY_SCALE, FAR, math.sqrt(2.0 * math.pi)


@numba.njit(**INNER, error_model="numpy")
def tail(z: float) -> float:
    """P(G > z)."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


@numba.njit(**INNER, error_model="numpy")
def dense(z: float) -> float:
    """The normal density, 0 from FAR on."""
    return math.exp(-0.5 * z * z) / _ROOT if abs(z) < _FAR else 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def piecewise_linear_moments(
    scale: Array,
    distance: Array,
    values: Array,
    widths: Array,
    rises: Array,
    slopes: Array,
    steps: Array,
    narrow: float,
    mean: Array,
    hermite: Array,
) -> None:
    """Moments of a unit at n scales: E sigma, E X sigma', E sigma' and c_2, c_4, ... with their derivatives.

    Ramps narrower than `narrow` deviations are means of steps, a Gauss rule on [0, 1]; see solvers.activations.ramps.

    Args:
        distance: of the knots from b, shape (n, K).
        values, widths, rises, slopes: of the unit at and between its knots.
        steps: shares and weights of the rule, shape (2, G).
        mean, hermite: receive the moments, shape (3, n) and (3, n, orders); hermite holds zeros.
    """
    count = values.size
    x, bent = np.empty(count), np.empty(count + 1)
    for n in range(scale.size):
        t, below = max(scale[n], _TINY_SCALE), 0
        bent[0], bent[count] = slopes[0], slopes[count]
        for i in range(count):
            x[i] = min(max(distance[n, i] / t, -_FAR), _FAR)
            below += distance[n, i] < 0.0
            if i < count - 1:
                bent[i + 1] = 0.0 if widths[i] / t < narrow else slopes[i + 1]
        near, far = max(below - 1, 0), min(below, count - 1)
        if abs(distance[n, far]) < abs(distance[n, near]):
            near = far
        level, tilted, risen = 0.0, 0.0, bent[below]
        for i in range(count):
            kink, size = bent[i + 1] - bent[i], abs(x[i])
            if kink == 0.0:
                continue
            height, beyond = dense(size), tail(size)
            level += kink * (height - size * beyond)
            tilted += kink * height
            risen += kink * beyond if distance[n, i] >= 0.0 else -kink * beyond
            _bend_hermite(scale[n], x[i], kink * height, n, hermite)
        value = values[near] - bent[below] * distance[n, near] + scale[n] * level
        for i in range(count - 1):
            if widths[i] / t < narrow and rises[i] != 0.0:
                side = -1.0 if distance[n, i] + distance[n, i + 1] < 0.0 else 1.0
                for g in range(steps.shape[1]):
                    place = min(max(x[i] + widths[i] / t * steps[0, g], -_FAR), _FAR)
                    size = steps[1, g] * rises[i]
                    bump = size * dense(place)
                    value += size * side * tail(side * place)
                    tilted += bump * place / t
                    risen += bump / t
                    _step_hermite(t, place, bump, n, hermite)
        mean[0, n], mean[1, n], mean[2, n] = value, tilted, risen


@numba.njit(**INNER, error_model="numpy")
def _bend_hermite(scale: float, x: float, weight: float, n: int, moments: Array) -> None:
    """Add what a kink of `weight` n(x) gives to c_2, c_4, ..., their t- and their b-derivatives."""
    previous, current = 0.0, weight
    for j in range(moments.shape[2]):
        k = 2.0 * (j + 1)
        # current = m n(x) h_{k-2}; one Hermite step gives h_{k-1}, a second h_k
        following = (x * current - math.sqrt(k - 2.0) * previous) / math.sqrt(k - 1.0)
        norm = 1.0 / math.sqrt(k * (k - 1.0))
        moments[0, n, j] += scale * current * norm
        moments[1, n, j] += (current + math.sqrt(k - 1.0) * x * following) * norm
        moments[2, n, j] += following / math.sqrt(k)
        previous, current = following, (x * following - math.sqrt(k - 1.0) * current) / math.sqrt(k)


@numba.njit(**INNER, error_model="numpy")
def _step_hermite(scale: float, x: float, weight: float, n: int, moments: Array) -> None:
    """Add what a step of `weight` n(x) gives: c_k = weight h_{k-1}(x) / sqrt(k)."""
    previous, current = 0.0, weight
    for k in range(1, 2 * moments.shape[2] + 1):
        # current = weight n(x) h_{k-1}, following h_k
        following = (x * current - math.sqrt(k - 1.0) * previous) / math.sqrt(float(k))
        if k % 2 == 0:
            j = k // 2 - 1
            moments[0, n, j] += current / math.sqrt(float(k))
            moments[1, n, j] += x * following / scale
            moments[2, n, j] += following / scale
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
def call_at(typing_context: Any, address: Any, u: Any, value: Any, gate: Any) -> Any:
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
        call_at(address, u, value, gate)


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


@numba.njit(**INNER, error_model="numpy", fastmath=SUMS)
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


_LOG2, _LEAST, _SHIFT, _BIAS, _FLAT = 2.0 / math.log(2.0), -1000.0, 1.5 * 2.0**52, 1023, 20.0
_TAYLOR = tuple(math.log(2.0) ** k / math.factorial(k) for k in range(14))
(_T0, _T1, _T2, _T3, _T4, _T5, _T6, _T7, _T8, _T9, _T10, _T11, _T12, _T13) = _TAYLOR


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=SUMS)
def tanh_and_slope(u: Array, value: Array, gate: Array, power: Array, exponent: Array) -> None:
    """Fill value with tanh(u), gate with its derivative, each to a few roundings, in loops that take several at once.

    exp(-2 |u|) = 2^k 2^r, k whole and |r| <= 1/2: the series in r, and k put into the exponent of a number.

    Args:
        power, exponent: the same memory of the size of u, as float64 and as int64.
    """
    for m in range(u.size):
        y = -_LOG2 * abs(u[m])
        # what is not a number stays so
        y = _LEAST if y < _LEAST else y
        k = np.rint(y)
        r = y - k
        # the last bits of a number of this size are k
        power[m] = k + _SHIFT
        high = _T7 + r * (_T8 + r * (_T9 + r * (_T10 + r * (_T11 + r * (_T12 + r * _T13)))))
        value[m] = _T0 + r * (_T1 + r * (_T2 + r * (_T3 + r * (_T4 + r * (_T5 + r * (_T6 + r * high))))))
    for m in range(u.size):
        exponent[m] = (exponent[m] + _BIAS) << 52
    for m in range(u.size):
        tail = value[m] * power[m]
        share = 1.0 / (1.0 + tail)
        value[m] = math.copysign((1.0 - tail) * share, u[m])
        gate[m] = 4.0 * tail * share * share


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=SUMS)
def _at_nodes(
    scale: float, offset: float, half: Array, u: Array, value: Array, gate: Array, power: Array, exponent: Array
) -> int:
    """How many of `half` count for tanh(t x + b) and its slope, which are found there and then at as many of -half."""
    # beyond, values at x and -x are 1 and -1
    count = int(np.searchsorted(half, (_FLAT + abs(offset)) / max(scale, _TINY_SCALE)))
    for m in range(count):
        u[m] = offset + scale * half[m]
        u[count + m] = offset - scale * half[m]
    tanh_and_slope(u[: 2 * count], value, gate, power, exponent)
    return count


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=SUMS)
def tanh_sums(scale: Array, offset: Array, half: Array, table: Array, tilted: Array, moments: Array) -> None:
    """sum_m f(x_m) table[k, m] over x = half and -half, f = tanh(t x + b), x tanh' and tanh', into the rows of moments.

    Args:
        table, tilted: weights times an even polynomial of x, and x times that, shape (orders, nodes).
        moments: shape (3, n, orders).
    """
    nodes = half.size
    u, value, gate, power = np.empty(2 * nodes), np.empty(2 * nodes), np.empty(2 * nodes), np.empty(2 * nodes)
    exponent = power.view(np.int64)
    for n in range(scale.size):
        count = _at_nodes(scale[n], offset[n], half, u, value, gate, power, exponent)
        for m in range(count):
            after, before = gate[m], gate[count + m]
            value[m] += value[count + m]
            gate[m] = after + before
            gate[count + m] = after - before
        for k in range(table.shape[0]):
            level, lifted, risen = 0.0, 0.0, 0.0
            for m in range(count):
                level += value[m] * table[k, m]
                lifted += gate[count + m] * tilted[k, m]
                risen += gate[m] * table[k, m]
            moments[0, n, k], moments[1, n, k], moments[2, n, k] = level, lifted, risen


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=SUMS)
def tanh_levels(scale: Array, offset: Array, half: Array, table: Array, levels: Array) -> None:
    """As `tanh_sums`, of tanh alone, into levels of shape (n, orders)."""
    nodes = half.size
    u, value, gate, power = np.empty(2 * nodes), np.empty(2 * nodes), np.empty(2 * nodes), np.empty(2 * nodes)
    exponent = power.view(np.int64)
    for n in range(scale.size):
        count = _at_nodes(scale[n], offset[n], half, u, value, gate, power, exponent)
        for m in range(count):
            value[m] += value[count + m]
        for k in range(table.shape[0]):
            level = 0.0
            for m in range(count):
                level += value[m] * table[k, m]
            levels[n, k] = level
