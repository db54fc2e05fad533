"""The steps of a block, by the threads that have its S and G."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from numba import cuda, types

from ..kernels import LARGEST
from .memory import read, write
from .shape import WARP, Shape
from .sums import block_sum_of
from .units import compiled_unit

PLAN = 4
"""Numbers of a step: P_k, P_{k+1}, gain eps_k / (batch P_{k+1}), eps_k / batch."""


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


def _forward(shape: Shape, kind: Any) -> Any:
    neurons, batch, rows, moving = shape.neurons, shape.batch, shape.rows, shape.moving
    each, threads, last = shape.each, shape.threads, shape.neurons - 1
    unit = compiled_unit(shape, kind)

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
def compiled_steps(shape: Shape) -> Any:
    batch, moving, share = shape.batch, shape.moving, 1.0 / shape.neurons
    kind, whole = getattr(types, shape.precision), float(shape.batch)
    forward, weigh, move_head = _forward(shape, kind), _weigh(shape), _move_head(shape, kind)
    block_sum = block_sum_of(shape.threads // WARP)

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
