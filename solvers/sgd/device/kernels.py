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
from typing import Any, NamedTuple

import numpy as np
from numba import cuda, types

from ...activations.compiled import Loop
from ..kernels import LARGEST
from .memory import SIMULATED, read, write

WARP = 4 if SIMULATED else 32
"""Threads that exchange numbers without a barrier."""
MOST_WARPS, FEW_WARPS = 32, 1 if SIMULATED else 4
"""Of a thread block; those whose sums each thread adds up by itself."""
SUMS = 2 * MOST_WARPS
ALL_LANES = 0xFFFFFFFF
WIDEST = WARP if SIMULATED else 4 * WARP
"""Threads beyond which each has several neurons, where it holds no weights."""
PLAN = 4
"""Numbers of a step: P_k, P_{k+1}, gain eps_k / (batch P_{k+1}), eps_k / batch."""


class Shape(NamedTuple):
    """What a kernel is compiled for.

    Attributes:
        loop: the activation (`activations.compiled.Loop`); None for a table of kinks.
        table: that, of `PiecewiseLinear.compiled`, a row for each knot.
        precision: "float64" or "float32".
        neurons, dimension: N, d.
        block, batch: steps of a block, samples of a step.
        moving: whether a or b move.
        fused: whether a thread holds the weights of its neuron, and makes the products of matrices itself.
    """

    loop: Loop | None
    table: tuple[tuple[float, ...], ...]
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
    def each(self) -> int:
        """Neurons of a thread."""
        return 1 if self.fused else -(-self.neurons // WIDEST)

    @property
    def threads(self) -> int:
        """Of a thread block."""
        return -(-self.neurons // (self.each * WARP)) * WARP

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
    """a and b from a place on, and values and slopes of a step's samples where they move; mobilities and ridges."""

    a: Any
    b: Any
    values: Any
    gates: Any
    place: Any
    sample_place: Any
    a_gain: Any
    b_gain: Any
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
def _warp_sum(value: Any, scratch: Any) -> Any:
    offset = WARP // 2
    while offset > 0:
        value += _exchanged(value, offset, scratch)
        offset //= 2
    return value


def _block_sum(warps: int) -> Any:
    def block_sum(value: Any, sums: Any, turn: Any, scratch: Any) -> Any:
        """The sum over all threads, the same bits in every one of them; `turn` alternates between 0 and 1."""
        value, place, zero = _warp_sum(value, scratch), turn * MOST_WARPS, value - value
        if cuda.threadIdx.x % WARP == 0:
            write(sums, place + cuda.threadIdx.x // WARP, value)
        cuda.syncthreads()
        if warps > FEW_WARPS and warps <= WARP:
            lane = cuda.threadIdx.x % WARP
            return _warp_sum(read(sums, place + lane) if lane < warps else zero, scratch)
        total = read(sums, place)
        for warp in range(1, warps):
            total += read(sums, place + warp)
        return total

    return cuda.jit(device=True)(block_sum)


def _unit(shape: Shape, kind: Any) -> Any:
    """u -> sigma(u), sigma'(u), as in `activations.kernels`."""
    if shape.loop is None:
        unit = _line(kind, *shape.table[0])
        for row in shape.table[1:]:
            unit = _joined(kind, unit, *row)
        return unit
    body = cuda.jit(device=True)(shape.loop)

    def smooth(u: Any) -> Any:
        point = cuda.local.array(1, kind)
        value = cuda.local.array(1, kind)
        gate = cuda.local.array(1, kind)
        point[0] = u
        body(point, value, gate, 1)
        return value[0], gate[0]

    return cuda.jit(device=True)(smooth)


def _line(kind: Any, knot: float, level: float, _: float, before: float, after: float) -> Any:
    """About one knot."""

    def line(u: Any) -> Any:
        past = u - kind(knot)
        gate = kind(before) if past < kind(0.0) else kind(after)
        return kind(level) + gate * past, gate

    return cuda.jit(device=True)(line)


def _joined(kind: Any, inner: Any, knot: float, level: float, nearer: float, before: float, after: float) -> Any:
    """About one knot where it is the nearest, else what the ones before make."""
    line = _line(kind, knot, level, nearer, before, after)

    def joined(u: Any) -> Any:
        value, gate = inner(u)
        other, slope = line(u)
        farther = u < kind(nearer)
        return (value, gate) if farther else (other, slope)

    return cuda.jit(device=True)(joined)


def _forward(shape: Shape, kind: Any) -> Any:
    neurons, batch, rows, moving = shape.neurons, shape.batch, shape.rows, shape.moving
    each, threads, last = shape.each, shape.threads, shape.neurons - 1
    unit = _unit(shape, kind)

    def forward(held: Any, head: Any, product: Any, first: Any, q: Any) -> Any:
        """a sigma(u) of a thread's neurons at row first + q, summed; a sigma'(u) takes the place of the row of S."""
        row, total, thread = first + q, kind(0.0), cuda.threadIdx.x
        points, places = cuda.local.array(each, kind), cuda.local.array(each, types.int32)
        for m in range(each):
            # what has no neuron looks at the last one
            places[m] = min(thread + m * threads, last)
            points[m] = read(held.panel, row * neurons + places[m])
        j, at, at_gram = 0, 0, row * rows
        while j < first - batch:
            overlap = read(held.gram, at_gram + j)
            for m in range(each):
                points[m] += overlap * read(held.panel, at + places[m])
            j, at = j + 1, at + neurons
        if first > 0:
            for _ in range(batch):
                overlap = read(held.gram, at_gram + j) * read(held.weights, j)
                for m in range(each):
                    points[m] += overlap * read(held.panel, at + places[m])
                j, at = j + 1, at + neurons
        for m in range(each):
            i = thread + m * threads
            if i <= last:
                a = head.a[head.place + i]
                value, gate = unit(kind(product) * points[m] + head.b[head.place + i])
                total += a * value
                write(held.panel, row * neurons + i, a * gate)
                if moving:
                    head.values[head.sample_place + q * neurons + i] = value
                    head.gates[head.sample_place + q * neurons + i] = gate
        return total

    return cuda.jit(device=True)(forward)


def _weigh(shape: Shape) -> Any:
    batch, rows, threads = shape.batch, shape.rows, shape.threads
    turns = -(-rows // threads)

    def weigh(held: Any, first: Any) -> None:
        """Give the columns of G that the step before has made their weights, in the rows of later steps."""
        for turn in range(turns):
            row = cuda.threadIdx.x + turn * threads
            if first > 0 and row >= first + batch and row < rows:
                for j in range(batch):
                    place = row * rows + first - batch + j
                    write(held.gram, place, read(held.gram, place) * read(held.weights, first - batch + j))

    return cuda.jit(device=True)(weigh)


def _move_head(shape: Shape, kind: Any) -> Any:
    neurons, batch, each, threads = shape.neurons, shape.batch, shape.each, shape.threads

    def move_head(held: Any, head: Any, rate: Any) -> None:
        """One step of a and b of a thread's neurons, as `neurons.move_head`; `rate` is the step size."""
        for m in range(each):
            i = cuda.threadIdx.x + m * threads
            if i < neurons:
                risen, bent = kind(0.0), kind(0.0)
                for q in range(batch):
                    place = head.sample_place + q * neurons + i
                    risen += kind(head.a_gain * held.errors[q]) * head.values[place]
                    bent += kind(head.b_gain * held.errors[q]) * head.gates[place]
                a, b = head.a[head.place + i], head.b[head.place + i]
                if head.b_gain > 0.0:
                    head.b[head.place + i] = kind(1.0 - head.b_gain * rate * head.b_decay) * b + a * bent
                if head.a_gain > 0.0:
                    head.a[head.place + i] = kind(1.0 - head.a_gain * rate * head.a_decay) * a + risen

    return cuda.jit(device=True)(move_head)


@cache
def _sequence(shape: Shape) -> Any:
    batch, moving, share = shape.batch, shape.moving, 1.0 / shape.neurons
    kind, whole = getattr(types, shape.precision), float(shape.batch)
    forward, weigh, move_head = _forward(shape, kind), _weigh(shape), _move_head(shape, kind)
    block_sum = _block_sum(shape.threads // WARP)

    def sequence(held: Any, head: Any, y: Any, at_y: Any, plan: Any, at_step: Any, count: Any) -> Any:
        """The steps of a block: the first that fails, else -1."""
        for k in range(count):
            first, place = k * batch, PLAN * (at_step + k)
            product, factor, rate = plan[place], plan[place + 2], plan[place + 3]
            for q in range(batch):
                target = y[at_y + first + q]
                total = forward(held, head, product, first, q)
                if q == 0:
                    weigh(held, first)
                error = target - float(block_sum(total, held.sums, (first + q) & 1, held.scratch)) * share
                if not (abs(error) <= LARGEST):
                    return k
                write(held.weights, first + q, factor * error)
                if moving:
                    held.errors[q] = rate * error
            if moving:
                move_head(held, head, rate * whole)
        return -1

    return cuda.jit(device=True)(sequence)


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
    neurons, rows, batch, sequence = shape.neurons, shape.rows, shape.batch, _sequence(shape)
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
    neurons, rows, batch, block, sequence = shape.neurons, shape.rows, shape.batch, shape.block, _sequence(shape)
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
