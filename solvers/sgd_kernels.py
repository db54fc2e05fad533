"""Compiled loops of one-pass SGD: step by step, and in blocks of samples with the same trajectory.

In a block of steps started at W, with P_k = prod_{j<k} (1 - eps_j lambda) and rows x_j of X,

    w_i at step k = P_k (w_i + sum_{j<k} C_ji x_j),      C_ki = eps_k e_k a_i sigma'(u_ki) / P_{k+1},
    u_ki = P_k (S_ki + sum_{j<k} G_kj C_ji) + b_i,       S = X W^T,  G = X X^T,

so that the block needs two large products, S and W <- P (W + C^T X), and numbers in between. The sum over j runs as
a product for the sub-blocks before k's own, and row by row inside it. A step of a batch has several rows.

What is left to the limit: two products of 2 N d operations a step at the speed of a large product are the limit of
this form, and about nine tenths of it are reached at N = 800, d = 320 where sums over subsets replace the second, eight
tenths with both products. Of the time there a half is S, a quarter the update, and the rest G, the samples and the
corrections, each less than a tenth. At N = 100, d = 40 it is a little less than a half of the limit: the products are
too small to run at full speed, and a fifth of the time draws samples, which a second processor can (`sgd_ahead`).

Everything but the step sizes, the errors and the random numbers is of the type of w, float64 or float32: head, table
and the routine for products must be of the same.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from .objective import Array
from .philox import HEAD_NOISE, NOISE, fill_normals
from .sgd_blas import multiply
from .sgd_draw import counters, draw, draw_rows
from .sgd_subsets import add_subsets, subset_space
from .sgd_unit import evaluate

_SUMS = {"reassoc", "contract", "nsz", "arcp"}
_LARGEST = 1e150


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def _dot(first: Array, second: Array) -> Any:
    total = first.dtype.type(0.0)
    for i in range(first.size):
        total += first[i] * second[i]
    return total


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def _add(out: Array, factor: float, row: Array) -> None:
    weight = out.dtype.type(factor)
    for i in range(out.size):
        out[i] += weight * row[i]


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def _correct(s: Array, gram: Array, c: Array, row: int, first: int, stop: int) -> None:
    """s[row] += gram[row, first:stop] @ c[first:stop], four rows at a time."""
    neurons = s.shape[1]
    j = first
    while j + 4 <= stop:
        g0, g1, g2, g3 = gram[row, j], gram[row, j + 1], gram[row, j + 2], gram[row, j + 3]
        for i in range(neurons):
            s[row, i] += (g0 * c[j, i] + g1 * c[j + 1, i]) + (g2 * c[j + 2, i] + g3 * c[j + 3, i])
        j += 4
    while j < stop:
        g0 = gram[row, j]
        for i in range(neurons):
            s[row, i] += g0 * c[j, i]
        j += 1


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def _weigh(out: Array, row: int, factor: float, a: Array, gate: Array, batch_row: int) -> None:
    weight = out.dtype.type(factor)
    for i in range(a.size):
        out[row, i] = weight * a[i] * gate[batch_row, i]


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def _forward(
    unit: tuple[int, Array],
    factor: float,
    s: Array,
    row: int,
    head: tuple[Array, Array],
    u: Array,
    value: Array,
    gate: Array,
    batch_row: int,
) -> Any:
    """f_N at the pre-activations u = factor s[row] + b; fills the rows `batch_row` of value and gate.

    Rows are named by index here and below: a view of one costs more than a pass over 100 neurons.
    """
    (code, table), (a, b) = unit, head
    total = zero = s.dtype.type(0.0)
    scale = s.dtype.type(factor)
    if code == 0 and table.shape[0] == 3:
        # the same as below in one pass, which is half of the time of small networks
        left, slope = table[0, 0], table[0, 1]
        first, first_kink = table[1, 0], table[1, 1]
        second, second_kink = table[2, 0], table[2, 1]
        for i in range(a.size):
            point = scale * s[row, i] + b[i]
            above, beyond = point - first, point - second
            result = left + slope * point + first_kink * max(above, zero) + second_kink * max(beyond, zero)
            value[batch_row, i] = result
            gate[batch_row, i] = (
                slope + (first_kink if above >= zero else zero) + (second_kink if beyond >= zero else zero)
            )
            total += a[i] * result
        return total / a.size
    for i in range(a.size):
        u[i] = scale * s[row, i] + b[i]
    evaluate(code, table, u, value[batch_row], gate[batch_row])
    return _dot(a, value[batch_row]) / a.size


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def _move_head(
    head: tuple[Array, Array],
    trained: tuple[bool, bool],
    shrink: float,
    errors: Array,
    values: Array,
    gates: Array,
    change: Array,
) -> None:
    """One step of the trained ones of a and b, from the errors (times step size over batch) of its rows."""
    a, b = head
    kept = a.dtype.type(shrink)
    if trained[1]:
        change[:] = 0.0
        for r in range(errors.size):
            _add(change, errors[r], gates[r])
    if trained[1]:
        for i in range(b.size):
            b[i] = kept * b[i] + a[i] * change[i]
    if trained[0]:
        change[:] = 0.0
        for r in range(errors.size):
            _add(change, errors[r], values[r])
        for i in range(a.size):
            a[i] = kept * a[i] + change[i]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _workspace(a: Array, rows: int, batch: int, slope: float) -> tuple[Any, ...]:
    """(S, C, G, weights, room for subsets) of a block and (u, change, values, gates, errors) of a step, in a's type."""
    kind, neurons = a.dtype, a.size
    s, c, g = np.empty((rows, neurons), kind), np.empty((rows, neurons), kind), np.empty((rows, rows), kind)
    values, gates = np.empty((batch, neurons), kind), np.empty((batch, neurons), kind)
    u, change, errors = np.empty(neurons, kind), np.empty(neurons, kind), np.empty(batch)
    space = subset_space(neurons, rows if slope != 0.0 else 0, a)
    return s, c, g, np.empty(rows), space, u, change, values, gates, errors


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def _advance_block(
    gemm: int,
    w: Array,
    head: tuple[Array, Array],
    trained: tuple[bool, bool],
    rates: Array,
    ridge: float,
    batch: int,
    x: Array,
    y: Array,
    held: int,
    unit: tuple[int, Array],
    slope: float,
    sub_block: int,
    work: tuple[Any, ...],
) -> int:
    """Make len(rates) steps in one block on the samples x, y; the first that fails, else -1.

    w is zero beyond its first `held` coordinates.
    """
    (used, dimension), neurons = x.shape, head[0].size
    s, c, g, weights, space, u, change, values, gates, errors = work
    rows, a = g.shape[0], head[0]
    upright = slope != 0.0
    leading = dimension if upright else neurons
    multiply(gemm, upright, False, neurons, used, held, 1.0, w, leading, x, dimension, 0.0, s, neurons)
    multiply(gemm, True, False, used, used, dimension, 1.0, x, dimension, x, dimension, 0.0, g, rows)
    product = 1.0
    for k in range(rates.size):
        row = k * batch
        sub = (k - k % sub_block) * batch
        if k == sub // batch and k > 0:
            width = min(sub_block * batch, used - sub)
            multiply(gemm, False, False, neurons, width, sub, 1.0, c, neurons, g[sub], rows, 1.0, s[sub], neurons)
        shrink = 1.0 - rates[k] * ridge
        for r in range(batch):
            _correct(s, g, c, row + r, sub, row)
            output = _forward(unit, product, s, row + r, head, u, values, gates, r)
            if not (abs(output) <= _LARGEST):
                return k
            errors[r] = (y[row + r] - output) * rates[k] / batch
        product *= shrink
        for r in range(batch):
            weights[row + r] = slope * errors[r] / product
            _weigh(c, row + r, errors[r] / product, a, gates, r)
        if trained[0] or trained[1]:
            _move_head(head, trained, shrink, errors, values, gates, change)
    if upright:
        weights *= product
        add_subsets(w, product, x, weights, c, a, space)
    else:
        multiply(gemm, False, True, neurons, dimension, used, product, c, neurons, x, dimension, product, w, neurons)
    return -1


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def advance_samples(
    gemm: int,
    w: Array,
    head: tuple[Array, Array],
    trained: tuple[bool, bool],
    first: int,
    rates: Array,
    ridge: float,
    batch: int,
    x: Array,
    y: Array,
    held: int,
    unit: tuple[int, Array],
    slope: float,
    blocks: tuple[int, int],
) -> int:
    """`advance_blocks` on samples that are given: x, shape (len(rates) * batch, d), and y.

    At the first step w must be zero beyond its first `held` coordinates, and where there are several blocks d = held.
    """
    block = blocks[0]
    work = _workspace(head[0], block * batch, batch, slope)
    done = 0
    while done < rates.size:
        stop = min(done + block - (first + done) % block, rates.size)
        begin, end = done * batch, stop * batch
        failed = _advance_block(
            gemm,
            w,
            head,
            trained,
            rates[done:stop],
            ridge,
            batch,
            x[begin:end],
            y[begin:end],
            held,
            unit,
            slope,
            blocks[1],
            work,
        )
        if failed >= 0:
            return int(first + done + failed)
        done = stop
    return -1


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def advance_blocks(
    gemm: int,
    w: Array,
    head: tuple[Array, Array],
    trained: tuple[bool, bool],
    first: int,
    rates: Array,
    ridge: float,
    batch: int,
    scales: Array,
    unit: tuple[int, Array],
    slope: float,
    key: tuple[Any, Any],
    blocks: tuple[int, int],
) -> int:
    """Make len(rates) steps from step `first` on w and head = (a, b) in place.

    w is transposed to shape (d, N) for the products where slope = 0. Where a does not move and sigma' is 0 or one
    other value, `slope` may be that one: then w has the shape (N, d), and is moved by sums over subsets.

    rates[k] = eps xi((first + k + 1) eps). Blocks of blocks[0] steps end at its multiples from step 0, sub-blocks have
    blocks[1]. Samples are drawn block by block, into the cache.

    Returns:
        the first step whose output is not finite or above 1e150, else -1.
    """
    block, rows = blocks[0], blocks[0] * batch
    work = _workspace(head[0], rows, batch, slope)
    x, y = np.empty((rows, scales.shape[1]), w.dtype), np.empty(rows)
    places = counters(rows, scales.shape[1])
    done = 0
    while done < rates.size:
        stop = min(done + block - (first + done) % block, rates.size)
        used = (stop - done) * batch
        draw_rows(x[:used], y, scales, (first + done) * batch, key, places)
        failed = _advance_block(
            gemm,
            w,
            head,
            trained,
            rates[done:stop],
            ridge,
            batch,
            x[:used],
            y,
            x.shape[1],
            unit,
            slope,
            blocks[1],
            work,
        )
        if failed >= 0:
            return int(first + done + failed)
        done = stop
    return -1


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def advance_steps(
    w: Array,
    head: tuple[Array, Array],
    trained: tuple[bool, bool],
    first: int,
    rates: Array,
    ridge: float,
    noise: float,
    batch: int,
    scales: Array,
    unit: tuple[int, Array],
    key: tuple[Any, Any],
) -> int:
    """The textbook loop on w, shape (N, d), else as `advance_blocks`.

    `noise` = beta^(-1/2) adds sqrt(rate) noise g to what is trained.
    """
    neurons, dimension = w.shape
    a, b = head
    x, u, change = np.empty((batch, dimension), w.dtype), np.empty(neurons, w.dtype), np.empty(neurons, w.dtype)
    values, gates = np.empty((batch, neurons), w.dtype), np.empty((batch, neurons), w.dtype)
    errors = np.empty(batch)
    normals, head_normals = np.empty(dimension), np.empty(2 * neurons)
    pairs = (dimension + 1) // 2
    for k in range(rates.size):
        step, rate = first + k, rates[k]
        shrink = 1.0 - rate * ridge
        for r in range(batch):
            y = draw(x[r], scales, step * batch + r, key[0], key[1])
            for i in range(neurons):
                u[i] = _dot(w[i], x[r]) + b[i]
            evaluate(unit[0], unit[1], u, values[r], gates[r])
            output = _dot(a, values[r]) / neurons
            if not (abs(output) <= _LARGEST):
                return step
            errors[r] = (y - output) * rate / batch
        for i in range(neurons):
            if ridge > 0.0:
                w[i] *= shrink
            for r in range(batch):
                _add(w[i], errors[r] * a[i] * gates[r, i], x[r])
            if noise > 0.0:
                fill_normals(normals, i * pairs, NOISE, step, key[0], key[1])
                _add(w[i], noise * np.sqrt(rate), normals)
        _move_head(head, trained, shrink, errors, values, gates, change)
        if noise > 0.0 and (trained[0] or trained[1]):
            fill_normals(head_normals, 0, HEAD_NOISE, step, key[0], key[1])
            if trained[0]:
                _add(a, noise * np.sqrt(rate), head_normals[:neurons])
            if trained[1]:
                _add(b, noise * np.sqrt(rate), head_normals[neurons:])
    return -1
