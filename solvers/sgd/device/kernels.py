"""Kernels of a graphics processor: the steps of a block, a thread block per replica.

The algorithm is that of `solvers.sgd.kernels`. Of a block of steps a thread block holds S = X W^T of its replica, whose
rows become those of C one by one, and G = X X^T in shared memory: a step needs one sum over neurons, and thus one
barrier. C is kept without its weights eps_k e_k / P_{k+1}, which the columns of G take a step later, when the row that
needs them at once is past. What no barrier orders is of a thread's own neurons, or the same number in every thread.

Arguments are pointers, so that a launch costs little, and closures hold what the compiler must know. numba's simulator
runs all of it, with warps of few threads that exchange numbers through shared memory.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import config, cuda, types

from ...activations.compiled import Loop
from ..kernels import LARGEST

SIMULATED = bool(config.ENABLE_CUDASIM)
WARP = 4 if SIMULATED else 32
"""Threads that exchange numbers without a barrier."""
MOST_WARPS = 32
SUMS = 2 * MOST_WARPS
ALL_LANES = 0xFFFFFFFF


class Shape(NamedTuple):
    """What a kernel is compiled for.

    Attributes:
        loop: the activation (`activations.compiled.Loop`); None for a table of kinks.
        knots: rows of that table.
        precision: "float64" or "float32".
        neurons, dimension: N, d.
        block, batch: steps of a block, samples of a step.
        moving: whether a or b move.
        fused: whether a thread holds the weights of its neuron, and makes the products of matrices itself.
    """

    loop: Loop | None
    knots: int
    precision: str
    neurons: int
    dimension: int
    block: int
    batch: int
    moving: bool
    fused: bool

    @property
    def rows(self) -> int:
        """Samples of a block."""
        return self.block * self.batch

    @property
    def threads(self) -> int:
        """Of a thread block: one per neuron, or per few."""
        each = -(-self.neurons // (WARP * MOST_WARPS))
        return -(-self.neurons // (each * WARP)) * WARP

    @property
    def shared_bytes(self) -> int:
        """S, G, and the samples where they are held: a row of these is one longer, for their banks."""
        size = self.rows * (self.neurons + self.rows + self.fused * (self.dimension + 1))
        return size * np.dtype(self.precision).itemsize


class Held(NamedTuple):
    """What a thread block holds of a block of steps: S that becomes C, G, weights, errors of a step, sums of warps."""

    panel: Any
    gram: Any
    weights: Any
    errors: Any
    sums: Any
    scratch: Any


class Head(NamedTuple):
    """a and b from a place on, and values and slopes of a step's samples where they move."""

    a: Any
    b: Any
    values: Any
    gates: Any
    place: Any
    sample_place: Any


class Motion(NamedTuple):
    """Mobilities and ridges of w, a and b."""

    w: Any
    a: Any
    b: Any
    w_decay: Any
    a_decay: Any
    b_decay: Any


@cuda.jit(device=True)
def _exchanged(value: Any, offset: Any, scratch: Any) -> Any:
    """The value of the thread whose number differs in one bit."""
    if SIMULATED:
        place = cuda.threadIdx.x
        scratch[place] = value
        cuda.syncthreads()
        other = scratch[place ^ offset]
        cuda.syncthreads()
        return other
    return cuda.shfl_xor_sync(ALL_LANES, value, offset)


@cuda.jit(device=True)
def _block_sum(value: Any, sums: Any, turn: Any, scratch: Any) -> Any:
    """The sum over all threads, in every one of them in the same order; `turn` alternates between 0 and 1."""
    offset = WARP // 2
    while offset > 0:
        value += _exchanged(value, offset, scratch)
        offset //= 2
    place = turn * MOST_WARPS
    if cuda.threadIdx.x % WARP == 0:
        sums[place + cuda.threadIdx.x // WARP] = value
    cuda.syncthreads()
    total = sums[place]
    for warp in range(1, cuda.blockDim.x // WARP):
        total += sums[place + warp]
    return total


def _unit(shape: Shape, kind: Any) -> Any:
    """(table, u) -> sigma(u), sigma'(u), as in `activations.kernels`."""
    loop, knots = shape.loop, shape.knots
    if loop is None:

        def pieces(table: Any, u: Any) -> Any:
            value, gate = kind(0.0), kind(0.0)
            for place in range(0, 5 * knots, 5):
                if place == 0 or not (u < table[place + 2]):
                    past = u - table[place]
                    gate = table[place + 3] if past < 0.0 else table[place + 4]
                    value = table[place + 1] + gate * past
            return value, gate

        return cuda.jit(device=True)(pieces)
    body = cuda.jit(device=True)(loop)

    def smooth(table: Any, u: Any) -> Any:
        point = cuda.local.array(1, kind)
        value = cuda.local.array(1, kind)
        gate = cuda.local.array(1, kind)
        point[0] = u
        body(point, value, gate, 1)
        return value[0], gate[0]

    return cuda.jit(device=True)(smooth)


def _forward(shape: Shape, kind: Any) -> Any:
    neurons, batch, rows, moving = shape.neurons, shape.batch, shape.rows, shape.moving
    unit = _unit(shape, kind)

    def forward(held: Any, head: Any, table: Any, product: Any, first: Any, q: Any) -> Any:
        """a sigma(u) of a thread's neurons at row first + q, summed; a sigma'(u) takes the place of the row of S."""
        row, before, total = first + q, max(first - batch, 0), kind(0.0)
        for i in range(cuda.threadIdx.x, neurons, cuda.blockDim.x):
            point = held.panel[row * neurons + i]
            for j in range(before):
                point += held.gram[row * rows + j] * held.panel[j * neurons + i]
            for j in range(before, first):
                point += held.gram[row * rows + j] * held.weights[j] * held.panel[j * neurons + i]
            a = head.a[head.place + i]
            value, gate = unit(table, kind(product) * point + head.b[head.place + i])
            total += a * value
            held.panel[row * neurons + i] = a * gate
            if moving:
                head.values[head.sample_place + q * neurons + i] = value
                head.gates[head.sample_place + q * neurons + i] = gate
        return total

    return cuda.jit(device=True)(forward)


def _weigh(shape: Shape) -> Any:
    batch, rows = shape.batch, shape.rows

    def weigh(held: Any, first: Any) -> None:
        """Give the columns of G that the step before has made their weights, in the rows of later steps."""
        for row in range(first + batch + cuda.threadIdx.x, rows, cuda.blockDim.x):
            for j in range(max(first - batch, 0), first):
                held.gram[row * rows + j] *= held.weights[j]

    return cuda.jit(device=True)(weigh)


def _move_head(shape: Shape, kind: Any) -> Any:
    neurons, batch = shape.neurons, shape.batch

    def move_head(held: Any, head: Any, motion: Any, rate: Any) -> None:
        """One step of a and b of a thread's neurons, as `neurons.move_head`."""
        for i in range(cuda.threadIdx.x, neurons, cuda.blockDim.x):
            risen, bent = kind(0.0), kind(0.0)
            for q in range(batch):
                place = head.sample_place + q * neurons + i
                risen += kind(motion.a * held.errors[q]) * head.values[place]
                bent += kind(motion.b * held.errors[q]) * head.gates[place]
            a, b = head.a[head.place + i], head.b[head.place + i]
            if motion.b > 0.0:
                head.b[head.place + i] = kind(1.0 - motion.b * rate * motion.b_decay) * b + a * bent
            if motion.a > 0.0:
                head.a[head.place + i] = kind(1.0 - motion.a * rate * motion.a_decay) * a + risen

    return cuda.jit(device=True)(move_head)


@cache
def _sequence(shape: Shape) -> Any:
    neurons, batch, moving = shape.neurons, shape.batch, shape.moving
    kind = getattr(types, shape.precision)
    forward, weigh, move_head = _forward(shape, kind), _weigh(shape), _move_head(shape, kind)

    def sequence(
        held: Any, head: Any, motion: Any, table: Any, y: Any, at_y: Any, rates: Any, at_rate: Any, count: Any
    ) -> Any:
        """The steps of a block: the product of their shrinkages, and the first that fails, else -1."""
        product = 1.0
        for k in range(count):
            rate, first = rates[at_rate + k], k * batch
            for q in range(batch):
                target = y[at_y + first + q]
                total = forward(held, head, table, product, first, q)
                if q == 0:
                    weigh(held, first)
                output = float(_block_sum(total, held.sums, (first + q) % 2, held.scratch)) / neurons
                if not (abs(output) <= LARGEST):
                    return product, k
                held.errors[q] = (target - output) * (rate / batch)
            product *= 1.0 - motion.w * rate * motion.w_decay
            for q in range(batch):
                held.weights[first + q] = motion.w * held.errors[q] / product
            if moving:
                move_head(held, head, motion, rate)
        return product, -1

    return cuda.jit(device=True)(sequence)


def _signature(precision: str, reals: int, halves: int, numbers: int, factors: int) -> tuple[Any, ...]:
    """Pointers to float64, to the type of the steps, to int64; then whole numbers and float64."""
    pointers = [types.CPointer(kind) for kind in (types.float64, getattr(types, precision), types.int64)]
    first, second, third = pointers
    return (*[first] * reals, *[second] * halves, third, *[types.int64] * numbers, *[types.float64] * factors)


def _scratch_size(shape: Shape) -> int:
    return shape.threads if SIMULATED else 1


@cache
def block_kernel(shape: Shape) -> tuple[Any, tuple[Any, ...]]:
    """A block of steps on S and G that others have made; C, weighed, takes the place of S.

    Arguments: targets, shape (replicas, per_replica), rates; S, shape (replicas, rows, N), G, shape (replicas, rows,
    rows), a, b, values and gates, the table; the step at which each replica failed, else -1; the first step, of
    rates and of targets, steps, per_replica; mobilities and ridges.
    """
    neurons, rows, batch, sequence = shape.neurons, shape.rows, shape.batch, _sequence(shape)
    kind, panel_size, scratch_size = getattr(types, shape.precision), shape.rows * shape.neurons, _scratch_size(shape)

    def advance(
        y: Any, rates: Any, s: Any, g: Any, a: Any, b: Any, values: Any, gates: Any, table: Any, failed: Any,
        first: Any, at_rate: Any, at_y: Any, count: Any, per_replica: Any,
        w_gain: Any, a_gain: Any, b_gain: Any, w_decay: Any, a_decay: Any, b_decay: Any,
    ) -> None:  # fmt: skip
        room = cuda.shared.array(0, kind)
        weights = cuda.shared.array(rows, kind)
        errors = cuda.shared.array(batch, types.float64)
        sums = cuda.shared.array(SUMS, kind)
        scratch = cuda.shared.array(scratch_size, kind)
        replica, thread = np.int64(cuda.blockIdx.x), cuda.threadIdx.x
        if failed[replica] >= 0:
            return
        held = Held(room[:panel_size], room[panel_size:], weights, errors, sums, scratch)
        head = Head(a, b, values, gates, replica * neurons, replica * batch * neurons)
        for n in range(thread, count * batch * neurons, cuda.blockDim.x):
            held.panel[n] = s[replica * panel_size + n]
        for n in range(thread, count * batch * rows, cuda.blockDim.x):
            held.gram[n] = g[replica * rows * rows + n]
        cuda.syncthreads()
        motion = Motion(w_gain, a_gain, b_gain, w_decay, a_decay, b_decay)
        _, wrong = sequence(held, head, motion, table, y, replica * per_replica + at_y, rates, at_rate, count)
        if wrong >= 0:
            failed[replica] = first + wrong
            return
        for row in range(count * batch):
            for i in range(thread, neurons, cuda.blockDim.x):
                s[replica * panel_size + row * neurons + i] = weights[row] * held.panel[row * neurons + i]

    return advance, _signature(shape.precision, 2, 7, 5, 6)


@cache
def fused_kernel(shape: Shape) -> tuple[Any, tuple[Any, ...]]:
    """Blocks of steps on samples, where a row of weights fits in a thread's registers.

    Arguments: those of `block_kernel`, with x, shape (replicas, per_replica, d), and w, shape (replicas, N, d), for S
    and G.
    """
    neurons, rows, batch, block, sequence = shape.neurons, shape.rows, shape.batch, shape.block, _sequence(shape)
    kind, panel_size, scratch_size = getattr(types, shape.precision), shape.rows * shape.neurons, _scratch_size(shape)
    dimension, width, gram_end = shape.dimension, shape.dimension + 1, shape.rows * (shape.neurons + shape.rows)

    def advance(
        y: Any, rates: Any, x: Any, w: Any, a: Any, b: Any, values: Any, gates: Any, table: Any, failed: Any,
        first: Any, at_rate: Any, at_y: Any, count: Any, per_replica: Any,
        w_gain: Any, a_gain: Any, b_gain: Any, w_decay: Any, a_decay: Any, b_decay: Any,
    ) -> None:  # fmt: skip
        room = cuda.shared.array(0, kind)
        weights = cuda.shared.array(rows, kind)
        errors = cuda.shared.array(batch, types.float64)
        sums = cuda.shared.array(SUMS, kind)
        scratch = cuda.shared.array(scratch_size, kind)
        row_of_w = cuda.local.array(dimension, kind)
        replica, thread = np.int64(cuda.blockIdx.x), cuda.threadIdx.x
        if failed[replica] >= 0:
            return
        held = Held(room[:panel_size], room[panel_size:gram_end], weights, errors, sums, scratch)
        samples = room[gram_end:]
        head = Head(a, b, values, gates, replica * neurons, replica * batch * neurons)
        motion = Motion(w_gain, a_gain, b_gain, w_decay, a_decay, b_decay)
        own = min(thread, neurons - 1)
        for j in range(dimension):
            row_of_w[j] = w[(replica * neurons + own) * dimension + j]
        done = np.int64(0)
        while done < count:
            steps = min(block - (first + done) % block, count - done)
            start = replica * per_replica + at_y + done * batch
            for n in range(thread, steps * batch * dimension, cuda.blockDim.x):
                samples[n // dimension * width + n % dimension] = x[start * dimension + n]
            cuda.syncthreads()
            for row in range(steps * batch):
                total = kind(0.0)
                for j in range(dimension):
                    total += row_of_w[j] * samples[row * width + j]
                if thread < neurons:
                    held.panel[row * neurons + thread] = total
            for n in range(thread, steps * batch * rows, cuda.blockDim.x):
                row, other, total = n // rows, n % rows, kind(0.0)
                if other < row:
                    for j in range(dimension):
                        total += samples[row * width + j] * samples[other * width + j]
                held.gram[n] = total
            cuda.syncthreads()
            product, wrong = sequence(held, head, motion, table, y, start, rates, at_rate + done, steps)
            if wrong >= 0:
                failed[replica] = first + done + wrong
                return
            for j in range(dimension):
                row_of_w[j] *= kind(product)
            for row in range(steps * batch):
                change = kind(product) * weights[row] * held.panel[row * neurons + own]
                for j in range(dimension):
                    row_of_w[j] += change * samples[row * width + j]
            cuda.syncthreads()
            done += steps
        if thread < neurons:
            for j in range(dimension):
                w[(replica * neurons + thread) * dimension + j] = row_of_w[j]

    return advance, _signature(shape.precision, 2, 7, 5, 6)
