"""Replicas of one problem of stochastic gradient descent, all at once on a graphics processor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ...arrays import Array
from ..engine import Sgd
from ..ensemble import Ensemble
from ..samplers import GaussianBlocks
from ..state import SgdState
from .drawing import PAIRS, draw_kernel
from .kernels import block_kernel, fused_kernel
from .processor import Processor, missing, processor
from .shape import WARP, Shape

REGISTERS, REGISTERS_BESIDE = 65536, 48
"""Of 4 bytes: those of a multiprocessor, and those that a thread needs beside its weights."""
MOST_THREADS, MOST_RESIDENT = 1024, 16
HELD_WEIGHTS = 96
"""Registers that a neuron's weights may take, for a thread to hold them."""
FUSED_ROWS, MOST_ROWS = 16, 64
"""Samples of a block where a thread makes the products, and where cuBLAS does, at most."""
PIECE_BYTES = 2**25
"""Samples that are drawn at once: they stay in the processor's cache."""
PIECES_AT_ONCE = 32
"""Pieces between two looks at whether a replica has failed."""
DRAWING_THREADS = 128 if WARP == 32 else 8


@dataclass(frozen=True)
class DeviceEnsemble(Ensemble):
    """The trajectories of an ensemble, up to rounding, on a graphics processor.

    Raises:
        ValueError: what a processor does not know (`unknown`).
        RuntimeError: when it is asked for anything, if there is none (`processor.missing`).
    """

    largest: ClassVar[float] = math.inf
    alone: ClassVar[bool] = True
    step_seconds: ClassVar[float] = 1e-12

    @classmethod
    def refusals(cls, problem: Sgd, neurons: int) -> list[str]:
        words = missing()
        if words:
            return [f"{words}, or"]
        found = [f"on a graphics processor {words};" for words in unknown(problem)]
        if not found:
            try:
                shape_of(replace(problem, batch=problem.per_step), neurons, processor())
            except ValueError as error:
                found = [f"{error}, or"]
        return found

    def __post_init__(self) -> None:
        problems = unknown(self.problem)
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def engine(self) -> str:
        return processor().name

    def advance(self, states: Sequence[SgdState], until: int) -> list[SgdState]:
        """The states at step `until`, all given at one step.

        Raises:
            ValueError: if they are at several, or beyond it, or the samples of a step do not fit.
            ArithmeticError: if an output stops being finite.
        """
        steps, sgd = {state.step for state in states}, self.problem
        if len(steps) != 1 or len(states) != len(self.members):
            raise ValueError(f"{len(self.members)} replicas need as many states, all of one step")
        first = steps.pop()
        if until < first:
            raise ValueError(f"cannot advance from step {first} back to {until}")
        run = Trajectories(sgd, self.replicas, states)
        for begin, end, part in sgd._parts() if sgd.batches else ((0, math.inf, sgd),):
            if first < end and until > begin:
                run.advance(part, max(first, int(begin)), int(min(until, end)))
        return run.states(until)

    def next_boundary(self, state: SgdState, step: int) -> int:
        block = shape_of(self.problem, state.neurons, processor()).block
        return -(-step // block) * block


def unknown(sgd: Sgd) -> list[str]:
    """What of a problem the kernels do not know, in words; empty where they make its steps."""
    problems = []
    if not isinstance(sgd.data, GaussianBlocks) or type(sgd.data).fill is not GaussianBlocks.fill:
        problems.append("samples are drawn for mixtures of Gaussians alone")
    if _form(sgd) is None:
        problems.append(f'the activation "{sgd.unit.name}" has no loop for it: use a built-in one')
    if sgd.loss is not None:
        problems.append("the loss is the square one")
    if math.isfinite(sgd.inverse_temperature):
        problems.append("there is no noise")
    if sgd.penalty.strength > 0.0 or sgd.penalty.path > 0.0:
        problems.append("there is no penalty but the ridge")
    if sgd.gram:
        problems.append("the state is that of weights")
    return problems


def _form(sgd: Sgd) -> tuple[Any, tuple[tuple[float, ...], ...]] | None:
    """The activation's loop, or None and its table of kinks; None where it has neither."""
    loop = getattr(type(sgd.unit), "loop", None)
    if loop is not None:
        return loop, ()
    compiled = sgd.unit.compiled(sgd.precision)
    if compiled is None or compiled[0] != 0:
        return None
    return None, tuple(tuple(map(float, row)) for row in compiled[1])


def shape_of(sgd: Sgd, neurons: int, device: Processor) -> Shape:
    """What the kernels of a problem are compiled for.

    Raises:
        ValueError: if the samples of one step do not fit into shared memory.
    """
    form = _form(sgd)
    assert form is not None, "refused by unknown"
    size = np.dtype(sgd.precision).itemsize
    words = size // 4 * sgd.data.dimension
    threads = -(-neurons // WARP) * WARP
    moving = sgd.gains[1] > 0.0 or sgd.gains[2] > 0.0
    fused = words <= HELD_WEIGHTS and threads <= MOST_THREADS and threads * (words + REGISTERS_BESIDE) <= REGISTERS

    def of(rows: int, whole: bool) -> Shape:
        block = sgd.block or max(1, rows // sgd.batch)
        head = (*form, sgd.precision, neurons, sgd.data.dimension)
        return Shape(*head, block, sgd.batch, moving, whole)

    choices = [of(FUSED_ROWS, True)] if fused else []
    choices += [of(rows, False) for rows in (MOST_ROWS, MOST_ROWS // 2, MOST_ROWS // 4, MOST_ROWS // 8, 1)]
    for shape in choices:
        if shape.shared_bytes <= device.shared_bytes:
            return shape
    raise ValueError(
        f"{shape.rows} samples of {neurons} neurons take {shape.shared_bytes} of the {device.shared_bytes} bytes "
        "that a multiprocessor shares: write a smaller batch or fewer neurons"
    )


class Trajectories:
    """The states of an ensemble on the processor.

    Args:
        sgd: problem and steps.
        replicas: their streams.
        states: where they stand, all at one step.
    """

    def __init__(self, sgd: Sgd, replicas: tuple[int, ...], states: Sequence[SgdState]) -> None:
        self.device, self.sgd, self.count = processor(), sgd, len(replicas)
        self.replicas = self.device.put(np.array(replicas), np.int64)
        self.w, self.a, self.b = (
            self.device.put(np.stack([getattr(state, name) for state in states]), sgd.kind) for name in "wab"
        )
        self.failed = self.device.put(np.full(self.count, -1), np.int64)
        assert isinstance(sgd.data, GaussianBlocks), "refused by unknown"
        self.scales = self.device.put(sgd.data.coordinate_scales, np.float64)

    def states(self, step: int) -> list[SgdState]:
        """Copies of all of them."""
        parts = [self.device.get(part) for part in (self.w, self.a, self.b)]
        return [SgdState(step, *(np.ascontiguousarray(part) for part in state)) for state in zip(*parts, strict=True)]

    def advance(self, sgd: Sgd, first: int, until: int) -> None:
        """Make the steps of batches of one size."""
        shape = shape_of(sgd, self.w.shape[1], self.device)
        samples = sgd.data.dimension * sgd.batch * np.dtype(sgd.precision).itemsize * self.count
        length = max(1, PIECE_BYTES // (samples * shape.block)) * shape.block
        stretch = Stretch(self, sgd, shape, min(length, -(-(until - first) // shape.block) * shape.block))
        done, pieces = first, 0
        while done < until:
            # what begins within a block ends with it: the others lie one after the other
            own = length if done % shape.block == 0 else shape.block
            end = min(until, (done // own + 1) * own)
            stretch.advance(done, end)
            done, pieces = end, pieces + 1
            if pieces % PIECES_AT_ONCE == 0 or done == until:
                self._check()

    def _check(self) -> None:
        failed = self.device.get(self.failed)
        if np.any(failed >= 0):
            step = int(np.min(failed[failed >= 0]))
            raise ArithmeticError(
                f"the output of the network is not finite at step {step}, t = {step * self.sgd.step_size:.6g}: "
                f"lower step_size = {self.sgd.step_size:g}"
            )


class Stretch:
    """Steps of batches of one size, in pieces of at most `length` steps: samples, and what is made of a block."""

    def __init__(self, run: Trajectories, sgd: Sgd, shape: Shape, length: int) -> None:
        self.run, self.sgd, self.shape = run, sgd, shape
        self.device = device = run.device
        kind, count, neurons = sgd.kind, run.count, shape.neurons
        self.samples = length * shape.batch
        self.x = device.empty((count, self.samples, shape.dimension), kind)
        self.y = device.empty((count, self.samples), np.float64)
        self.values, self.gates = (device.empty((count, shape.batch * shape.moving, neurons), kind) for _ in range(2))
        self.draw = device.prepared(draw_kernel(sgd.precision), DRAWING_THREADS, 1, 0)
        words = np.dtype(sgd.precision).itemsize // 4 * shape.dimension * shape.fused + REGISTERS_BESIDE
        resident = max(1, min(REGISTERS // (shape.threads * words), MOST_RESIDENT)) if shape.fused else 1
        made = fused_kernel(shape) if shape.fused else block_kernel(shape)
        self.steps = device.prepared(made, shape.threads, resident, shape.shared_bytes)
        if not shape.fused:
            self.s = device.empty((count, shape.rows, neurons), kind)
            self.g = device.empty((count, length // shape.block, shape.rows, shape.rows), kind)

    def advance(self, first: int, until: int) -> None:
        """Make the steps first <= k < until, the first of a block or some of one block."""
        block, batch, device = self.shape.block, self.shape.batch, self.device
        plan = planned(self.sgd, first, until, block)
        held = device.put(plan, np.float64)
        self.draw_samples(first, until)
        if self.shape.fused:
            self.launch(held, first, 0, until - first, (self.x, self.run.w))
            return
        device.grams(self.g, self.x)
        for begin in range(0, until - first, block):
            count = min(block, until - first - begin)
            device.overlaps(self.s, self.run.w, self.x, begin * batch, count * batch)
            self.launch(held, first + begin, begin, count, (self.s, self.g))
            product = float(plan[begin + count - 1, 1])
            device.update(self.run.w, self.s, self.x, begin * batch, count * batch, product)

    def draw_samples(self, first: int, until: int) -> None:
        """Those of the steps first <= k < until."""
        shape, batch = self.shape, self.shape.batch
        count = (until - first) * batch
        lanes = -(-((shape.dimension + 1) // 2) // PAIRS)
        blocks = -(-self.run.count * count * lanes // DRAWING_THREADS)
        numbers = (self.run.count, self.sgd.seed, self.sgd.skipped + first * batch, count, shape.dimension)
        arrays = (self.y, self.run.scales, self.x, self.run.replicas)
        self.draw(blocks, *arrays, *map(np.int64, (*numbers, len(self.run.scales), self.samples)))

    def launch(self, plan: Any, step: int, begin: int, count: int, matrices: tuple[Any, Any]) -> None:
        """Steps from `step` on, of the samples of the step `begin` of the piece and on, on X and W or S and G."""
        run, shape, gains, decay = self.run, self.shape, self.sgd.gains, self.sgd.decay
        arrays = (self.y, plan, *matrices, run.a, run.b, self.values, self.gates, run.failed)
        grams = self.samples // shape.rows
        numbers = (step, begin, begin * shape.batch, count, self.samples, begin // shape.block, grams)
        self.steps(run.count, *arrays, *map(np.int64, numbers), *map(np.float64, (*gains[1:], *decay[1:])))


def planned(sgd: Sgd, first: int, until: int, block: int) -> Array:
    """What the kernels are told of the steps first <= k < until (`kernels.PLAN`), in blocks from `first` on."""
    rates = sgd.rates(first, until)
    shrinks = np.ones(-(-len(rates) // block) * block)
    shrinks[: len(rates)] -= sgd.gains[0] * sgd.decay[0] * rates
    after = np.cumprod(shrinks.reshape(-1, block), axis=1)
    before = np.column_stack([np.ones(len(after)), after[:, :-1]])
    after, before = after.ravel()[: len(rates)], before.ravel()[: len(rates)]
    each = rates / sgd.batch
    return np.column_stack([before, after, sgd.gains[0] * each / after, each])
