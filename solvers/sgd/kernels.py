"""Compiled loops of one-pass SGD: step by step, and in blocks of samples with the same trajectory.

In a block of steps started at W, with P_k = prod_{j<k} (1 - eps_j lambda) and rows x_j of X,

    w_i at step k = P_k (w_i + sum_{j<k} C_ji x_j),      C_ki = eps_k e_k a_i sigma'(u_ki) / P_{k+1},
    u_ki = P_k (S_ki + sum_{j<k} G_kj C_ji) + b_i,       S = X W^T,  G = X X^T,

so that the block needs two large products, S and W <- P (W + C^T X), and numbers in between. The sum over j runs as
a product for the sub-blocks before k's own, and row by row inside it. A step of a batch has several rows.

What is left to the limit: two products of 2 N d operations a step at the speed of a large product are the limit of
this form, and about nine tenths of it are reached at N = 800, d = 320 where sums over subsets replace the second, eight
tenths with both products. Of the time there a half is S, a quarter the update, and the rest G, the samples and the
corrections, each less than a tenth. At N = 100, d = 40 it is not quite a half of 440 ns; there `fast.picks` makes the
steps where it can, in 290. Loops over several replicas in turn, step by step, hide what a step waits for, 10 ns, and
lose it from N = 200 on, where the cache no longer holds two: replicas are walked one after the other (`ensemble`).

Everything but the step sizes, the errors and the random numbers is of the type of w, float64 or float32: head, table
and the routine for products must be of the same.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from ..activations.activation import Compiled
from ..activations.kernels import call_at, evaluate
from ..arrays import Array
from ..vectors import BORROWED
from .blas import multiply
from .neurons import add_row, correct, dot, forward, move_head, weigh
from .philox import HEAD_NOISE, NOISE, fill_normals
from .subsets import add_subsets, subset_space

Key = tuple[Any, Any]
"""Seed and replica of a stream, as numbers of 64 bits."""
Constants = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float], int, float, int]
"""Gains, decay, costs, pull, slope of `advance_samples`, steps of a sub-block."""
LARGEST = 1e150
"""Outputs above it end a run."""


class Steps(NamedTuple):
    """Steps to be made, and what they move besides w.

    Attributes:
        head: a and b, shape (N,), moved in place.
        gains: mobilities of w, a and b, 0 for what does not move.
        first: the first step.
        rates: step sizes, rates[k] = eps xi((first + k + 1) eps).
        decay: lambda of w, a and b.
        costs: power, strength and path of the penalty of a.
        noise: beta^(-1/2), which adds sqrt(rate m) noise g to what moves with mobility m.
        batch: samples of a step.
        pull: the address of the compiled -l'(f, y) of the loss, 0 for y - f.
        factors: what each sample counts, shape (samples,); empty where all count alike.
    """

    head: tuple[Array, Array]
    gains: tuple[float, float, float]
    first: int
    rates: Array
    decay: tuple[float, float, float]
    costs: tuple[float, float, float]
    noise: float
    batch: int
    pull: int
    factors: Array


@numba.njit(**BORROWED)
def fill_errors(errors: Array, outputs: Array, y: Array, factors: Array, row: int, size: float, address: int) -> None:
    """errors <- size times -l'(f, y) of a step's samples, from `row` on, times what each counts."""
    if address == 0:
        for r in range(errors.size):
            errors[r] = (y[row + r] - outputs[r]) * size
    else:
        call_at(address, outputs, y[row : row + errors.size], errors)
        for r in range(errors.size):
            errors[r] *= size
    if factors.size > 0:
        for r in range(errors.size):
            errors[r] *= factors[row + r]


@numba.njit(**BORROWED)
def _make_steps(
    gemm: int, s: Array, c: Array, g: Array, weights: Array, values: Array, gates: Array, errors: Array,
    outputs: Array, u: Array, change: Array, lengths: Array, a: Array, b: Array, y: Array, factors: Array,
    rates: Array, first: int, count: int, rest: Constants, address: int, table: Array,
) -> tuple[int, float]:  # fmt: skip
    """Fill C, and move the head, in the `count` steps of a block from rates[first] on, whose S and G are made.

    Returns:
        the first step that fails, else -1, and the product P at the end.
    """
    gains, decay, costs, pull, slope, sub_block = rest
    batch, product = errors.size, 1.0
    neurons, rows, used = a.size, g.shape[0], count * errors.size
    for k in range(count):
        row, rate = k * batch, rates[first + k]
        sub = (k - k % sub_block) * batch
        if k == sub // batch and k > 0:
            width = min(sub_block * batch, used - sub)
            multiply(gemm, False, False, neurons, width, sub, 1.0, c, neurons, g[sub], rows, 1.0, s[sub], neurons)
        for r in range(batch):
            correct(s, g, c, row + r, sub, row)
            outputs[r] = forward(address, table, product, s, row + r, a, b, u, values, gates, r)
            if not (abs(outputs[r]) <= LARGEST):
                return k, product
        fill_errors(errors, outputs, y, factors, first * batch + row, rate / batch, pull)
        product *= 1.0 - rate * gains[0] * decay[0]
        for r in range(batch):
            weights[row + r] = slope * gains[0] * errors[r] / product
            weigh(c, row + r, gains[0] * errors[r] / product, a, gates, r)
        if gains[1] > 0.0 or gains[2] > 0.0:
            move_head(a, b, gains, rate, decay, costs, lengths, errors, values, gates, change)
    return -1, product


@numba.njit(cache=True, nogil=True, error_model="numpy")
def advance_samples(
    gemm: int,
    w: Array,
    steps: Steps,
    x: Array,
    y: Array,
    held: int,
    unit: Compiled,
    slope: float,
    blocks: tuple[int, int],
) -> int:
    """Make steps on w and the head in place, on the samples x, shape (len(rates) * batch, d), and y.

    w is transposed to shape (d, N) for the products where slope = 0. Where a does not move and sigma' is 0 or one
    other value, `slope` may be that one: then w has the shape (N, d), and is moved by sums over subsets. At the first
    step w must be zero beyond its first `held` coordinates, and where there are several blocks d = held.

    Blocks of blocks[0] steps end at its multiples from step 0, sub-blocks have blocks[1].

    Returns:
        the first step whose output is not finite or above 1e150, else -1.
    """
    (block, sub_block), rates, batch, (a, b), (address, table) = blocks, steps.rates, steps.batch, steps.head, unit
    kind, neurons, dimension, rows = a.dtype, a.size, x.shape[1], block * batch
    s, c, g, weights = (
        np.empty((rows, neurons), kind),
        np.empty((rows, neurons), kind),
        np.empty((rows, rows), kind),
        np.empty(rows),
    )
    values, gates = np.empty((batch, neurons), kind), np.empty((batch, neurons), kind)
    u, change, lengths = np.empty(neurons, kind), np.empty(neurons, kind), np.zeros(neurons, kind)
    errors, outputs = np.empty(batch), np.empty(batch)
    upright, factors = slope != 0.0, steps.factors
    space = subset_space(neurons, rows if upright else 0, a)
    leading = dimension if upright else neurons
    rest = steps.gains, steps.decay, steps.costs, steps.pull, slope, sub_block
    done = 0
    while done < rates.size:
        count = min(block - (steps.first + done) % block, rates.size - done)
        used = count * batch
        own = x[done * batch : done * batch + used]
        multiply(gemm, upright, False, neurons, used, held, 1.0, w, leading, own, dimension, 0.0, s, neurons)
        multiply(gemm, True, False, used, used, dimension, 1.0, own, dimension, own, dimension, 0.0, g, rows)
        failed, product = _make_steps(
            gemm, s, c, g, weights, values, gates, errors, outputs, u, change, lengths, a, b, y, factors,
            rates, done, count, rest, address, table,
        )  # fmt: skip
        if failed >= 0:
            return int(steps.first + done + failed)
        if upright:
            weights *= product
            add_subsets(w, product, own, weights, c, a, space)
        else:
            multiply(
                gemm, False, True, neurons, dimension, used, product, c, neurons, own, dimension, product, w, neurons
            )
        done += count
    return -1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def advance_steps(w: Array, steps: Steps, x: Array, y: Array, unit: Compiled, key: Key) -> int:
    """The textbook loop on w, shape (N, d), else as `advance_samples`; key is that of the noise."""
    head, gains, rates, batch = steps.head, steps.gains, steps.rates, steps.batch
    neurons, (a, b) = len(w), head
    u, change, lengths = np.empty(neurons, w.dtype), np.empty(neurons, w.dtype), np.zeros(neurons, w.dtype)
    errors, outputs = np.empty(batch), np.empty(batch)
    values, gates = np.empty((batch, neurons), w.dtype), np.empty((batch, neurons), w.dtype)
    for k in range(rates.size):
        step, rate, row = steps.first + k, rates[k], k * batch
        shrink = 1.0 - rate * gains[0] * steps.decay[0]
        for r in range(batch):
            for i in range(neurons):
                u[i] = dot(w[i], x[row + r]) + b[i]
            evaluate(unit[0], unit[1], u, values[r], gates[r])
            outputs[r] = dot(a, values[r]) / neurons
            if not (abs(outputs[r]) <= LARGEST):
                return step
        fill_errors(errors, outputs, y, steps.factors, row, rate / batch, steps.pull)
        for i in range(neurons):
            lengths[i] = np.sqrt(dot(w[i], w[i])) if steps.costs[2] > 0.0 else w.dtype.type(0.0)
            own = shrink
            if lengths[i] > 0.0:
                own -= rate * gains[0] * steps.costs[2] * abs(a[i]) / lengths[i]
            if own != 1.0:
                w[i] *= w.dtype.type(own)
            for r in range(batch):
                add_row(w[i], gains[0] * errors[r] * a[i] * gates[r, i], x[row + r])
        move_head(a, b, gains, rate, steps.decay, steps.costs, lengths, errors, values, gates, change)
        if steps.noise > 0.0:
            diffuse(w, head, gains, steps.noise * np.sqrt(rate), step, key)
    return -1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def diffuse(
    w: Array, head: tuple[Array, Array], gains: tuple[float, float, float], size: float, step: int, key: Key
) -> None:
    """Add the noise of a step, normals times `size` m^(1/2), to w, shape (N, d), a and b."""
    neurons, dimension = w.shape
    normals, head_normals = np.empty(dimension), np.empty(2 * neurons)
    pairs = (dimension + 1) // 2
    for i in range(neurons if gains[0] > 0.0 else 0):
        fill_normals(normals, i * pairs, NOISE, step, key[0], key[1])
        add_row(w[i], size * np.sqrt(gains[0]), normals)
    if gains[1] > 0.0 or gains[2] > 0.0:
        fill_normals(head_normals, 0, HEAD_NOISE, step, key[0], key[1])
        if gains[1] > 0.0:
            add_row(head[0], size * np.sqrt(gains[1]), head_normals[:neurons])
        if gains[2] > 0.0:
            add_row(head[1], size * np.sqrt(gains[2]), head_normals[neurons:])
