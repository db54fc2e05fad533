"""Kernels of a graphics processor: the steps of a block, a thread block per replica.

The algorithm is that of `solvers.sgd.kernels`. Of a block of steps a thread block holds S = X W^T of its replica, whose
rows become those of C one by one, and G = X X^T in shared memory: a step needs one sum over neurons, and thus one
barrier. C is kept without its weights eps_k e_k / P_{k+1}, which the columns of G take a step later, when the row that
needs them at once is past. What no barrier orders is of a thread's own neurons, or the same number in every thread.

Arguments are pointers, so that a launch costs little; closures hold what the compiler must know, and nothing is divided
where it is not by a power of two: a division of whole numbers takes longer than the sum of a step. numba's simulator
runs all of it, with warps of few threads that exchange numbers through shared memory.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import cuda, types

from .memory import SIMULATED, read, write
from .shape import Shape
from .steps import PLAN, Head, Held, compiled_steps
from .sums import SUMS


def _signature(precision: str) -> tuple[Any, ...]:
    """y, plan; two matrices, a, b, values, gates; failed; whole numbers; factors."""
    real, half, number = (types.CPointer(kind) for kind in (types.float64, getattr(types, precision), types.int64))
    return (*[real] * 2, *[half] * 6, number, *[types.int64] * 7, *[types.float64] * 4)


def _scratch_size(shape: Shape) -> int:
    return shape.threads if SIMULATED else 1


@cache
def block_kernel(shape: Shape) -> tuple[Any, tuple[Any, ...]]:
    """A block of steps on S and G that others have made; C, weighed, takes the place of S.

    Arguments: targets, shape (replicas, per_replica), and the plan of steps; S, shape (replicas, rows, N), G, shape
    (replicas, grams, rows, rows), a, b, values and gates; the step at which each replica failed, else -1; the first
    step, its places in the plan and among targets, steps, per_replica; which G of how many of a replica; mobilities and
    ridges of a and b.
    """
    neurons, rows, batch, sequence = shape.neurons, shape.rows, shape.batch, compiled_steps(shape)
    kind, panel_size, scratch_size = getattr(types, shape.precision), shape.rows * shape.neurons, _scratch_size(shape)
    threads = shape.threads

    def advance(
        y: Any, plan: Any, s: Any, g: Any, a: Any, b: Any, values: Any, gates: Any, failed: Any,
        first: Any, at_step: Any, at_y: Any, count: Any, per_replica: Any, which: Any, grams: Any,
        a_gain: Any, b_gain: Any, a_decay: Any, b_decay: Any,
    ) -> None:  # fmt: skip
        room = cuda.shared.array(0, kind)
        weights = cuda.shared.array(rows, kind)
        errors = cuda.shared.array(batch, types.float64)
        sums = cuda.shared.array(SUMS, kind)
        scratch = cuda.shared.array(scratch_size, kind)
        replica, thread = np.int64(cuda.blockIdx.x), np.int64(cuda.threadIdx.x)
        if failed[replica] >= 0:
            return
        held = Held(room[:panel_size], room[panel_size:], weights, errors, sums, scratch)
        head = Head(a, b, values, gates, replica * neurons, replica * batch * neurons, a_gain, b_gain, a_decay, b_decay)
        start, size = replica * panel_size, count * batch * neurons
        n = thread
        while n < size:
            write(held.panel, n, s[start + n])
            n += threads
        at_gram, n = (replica * grams + which) * rows * rows, thread
        while n < count * batch * rows:
            write(held.gram, n, g[at_gram + n])
            n += threads
        cuda.syncthreads()
        wrong = sequence(held, head, y, replica * per_replica + at_y, plan, at_step, count)
        if wrong >= 0:
            failed[replica] = first + wrong
            return
        for row in range(count * batch):
            n = thread
            while n < neurons:
                s[start + row * neurons + n] = read(weights, row) * read(held.panel, row * neurons + n)
                n += threads

    return advance, _signature(shape.precision)


@cache
def fused_kernel(shape: Shape) -> tuple[Any, tuple[Any, ...]]:
    """Blocks of steps on samples, where a row of weights fits in a thread's registers.

    Arguments: those of `block_kernel`, with x, shape (replicas, per_replica, d), and w, shape (replicas, N, d), for S
    and G.
    """
    neurons, rows, batch, block, sequence = shape.neurons, shape.rows, shape.batch, shape.block, compiled_steps(shape)
    kind, panel_size, scratch_size = getattr(types, shape.precision), shape.rows * shape.neurons, _scratch_size(shape)
    dimension, width, gram_end = shape.dimension, shape.dimension + 1, shape.rows * (shape.neurons + shape.rows)
    threads = shape.threads

    def advance(
        y: Any, plan: Any, x: Any, w: Any, a: Any, b: Any, values: Any, gates: Any, failed: Any,
        first: Any, at_step: Any, at_y: Any, count: Any, per_replica: Any, which: Any, grams: Any,
        a_gain: Any, b_gain: Any, a_decay: Any, b_decay: Any,
    ) -> None:  # fmt: skip
        room = cuda.shared.array(0, kind)
        weights = cuda.shared.array(rows, kind)
        errors = cuda.shared.array(batch, types.float64)
        sums = cuda.shared.array(SUMS, kind)
        scratch = cuda.shared.array(scratch_size, kind)
        row_of_w = cuda.local.array(dimension, kind)
        replica, thread = np.int64(cuda.blockIdx.x), np.int64(cuda.threadIdx.x)
        if failed[replica] >= 0:
            return
        held = Held(room[:panel_size], room[panel_size:gram_end], weights, errors, sums, scratch)
        samples = room[gram_end:]
        head = Head(a, b, values, gates, replica * neurons, replica * batch * neurons, a_gain, b_gain, a_decay, b_decay)
        own: Any = min(thread, neurons - 1)
        for j in range(dimension):
            row_of_w[j] = w[(replica * neurons + own) * dimension + j]
        done: Any = np.int64(0)
        while done < count:
            steps = min(block - (first + done) % block, count - done)
            start = replica * per_replica + at_y + done * batch
            n = thread
            while n < steps * batch * dimension:
                write(samples, n // dimension * width + n % dimension, x[start * dimension + n])
                n += threads
            cuda.syncthreads()
            row, used = 0, steps * batch
            while row < used:
                total = kind(0.0)
                for j in range(dimension):
                    total += row_of_w[j] * read(samples, row * width + j)
                if thread < neurons:
                    write(held.panel, row * neurons + thread, total)
                row += 1
            n = thread
            while n < steps * batch * rows:
                later, earlier, total = n // rows, n % rows, kind(0.0)
                if earlier < later:
                    for j in range(dimension):
                        total += read(samples, later * width + j) * read(samples, earlier * width + j)
                write(held.gram, n, total)
                n += threads
            cuda.syncthreads()
            wrong = sequence(held, head, y, start, plan, at_step + done, steps)
            if wrong >= 0:
                failed[replica] = first + done + wrong
                return
            product = kind(plan[PLAN * (at_step + done + steps - 1) + 1])
            for j in range(dimension):
                row_of_w[j] *= product
            row = 0
            while row < used:
                change = product * read(weights, row) * read(held.panel, row * neurons + own)
                for j in range(dimension):
                    row_of_w[j] += change * read(samples, row * width + j)
                row += 1
            cuda.syncthreads()
            done += steps
        if thread < neurons:
            for j in range(dimension):
                w[(replica * neurons + thread) * dimension + j] = row_of_w[j]

    return advance, _signature(shape.precision)
