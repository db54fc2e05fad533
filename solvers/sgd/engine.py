"""One-pass stochastic gradient descent of a two-layer network.

    (x, y) drawn by a sampler, in pieces that stay in the cache
    f_N(x) = (1/N) sum_i a_i sigma(<w_i, x> + b_i)
    theta_i += eps_k [(y - f_N(x)) grad sigma_*(x; theta_i) - grad V(theta_i)] + sqrt(eps_k / beta) g,
    eps_k = eps xi((k + 1) eps),      t = k eps

(averaged over a batch of samples where there is one). theta is w, and those of a and b that are trained. Samples and
noise are functions of (seed, replica, step): a trajectory can be left and taken up anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..activations.activation import Activation
from ..activations.compiled import loop_address
from ..arrays import Array
from ..flow.confinement import NO_PENALTY, Penalty, Ridge
from ..flow.flow import Flow, Mobility, Schedule
from ..objective.losses.interface import Pointwise
from ..vectors import picking
from .blas import DGEMM, SGEMM, one_thread
from .fast.ahead import drawn
from .fast.gram import GramBlocks, GramCoordinates
from .fast.picks import BLOCK, advance_picks
from .interpreted import Slope, advance_interpreted, advance_whole, square_slope
from .kernels import Steps, advance_samples, advance_steps
from .samplers import GaussianBlocks, GaussianClasses, Sampler, key_of
from .state import LARGEST_GRAM_BATCH, SgdState

__all__ = ["PRECISIONS", "GaussianClasses", "Sgd", "SgdState"]

PRECISIONS: dict[str, type[np.floating[Any]]] = {"float64": np.float64, "float32": np.float32}
"""The types that steps are made in, by name."""
SUBSET_WORK = 50_000
"""Weights from which on sums over subsets of samples are faster than products of matrices."""

CHUNK_WORK = 2e9
"""Operations between two returns to the interpreter, where an interruption is seen: about a tenth of a second."""


@dataclass(frozen=True)
class Sgd:
    """One trajectory: problem, steps and stream.

    Blocks of samples end at multiples of `block` steps and where `advance` stops. The place of a block's end changes
    rounding only, but for a bitwise repetition stop at the same steps, or at multiples of `block`
    (`next_boundary`). The number of threads changes nothing. With noise the loop is step by step.

    Attributes:
        data, unit: law of (x, y), activation.
        step_size: eps.
        schedule: xi.
        ridge, inverse_temperature: lambda (or those of w, a and b) and beta (inf without noise).
        batch: samples averaged in a step.
        trained_coefficients, trained_offsets: whether a and b move.
        seed, replica: the stream, each in [0, 2^32).
        block, sub_block: steps per block and sub-block; 0 chooses them from the sizes, 1 is the plain loop.
        gram: whether the state holds blocks of coordinates in those that the neurons span (`fast.gram`), at a cost that
            does not grow with d; needs beta = inf. A stop inside a block is another draw of what follows.
        overlap: draw the next samples on a second thread meanwhile, for where a processor is free. Every bit stays.
        precision: "float64", or "float32" for the weights, the samples (rounded from the same numbers) and everything
            that is made of them.
        mobility: of w, and of a and b where they move.
        penalty: of coefficients, beside the ridge: V = lambda |theta|^2 / 2 + ...; a path needs plain steps.
        loss: l of one output, whose slope a step follows; None for (f - y)^2 / 2.
        batches: pairs (step, size): from this step on batches of this size, in place of `batch`; the first at step 0.
        skipped: number of the sample that step 0 would begin with, were all batches alike.
    """

    data: Sampler
    unit: Activation
    step_size: float
    schedule: Schedule = field(default_factory=Schedule)
    ridge: float | Ridge = 0.0
    inverse_temperature: float = math.inf
    batch: int = 1
    trained_coefficients: bool = False
    trained_offsets: bool = False
    seed: int = 0
    replica: int = 0
    block: int = 0
    sub_block: int = 0
    gram: bool = False
    overlap: bool = False
    precision: str = "float64"
    mobility: Mobility = field(default_factory=Mobility)
    penalty: Penalty = NO_PENALTY
    loss: Pointwise | None = None
    batches: tuple[tuple[int, int], ...] = ()
    skipped: int = 0

    def __post_init__(self) -> None:
        if not (0.0 < self.step_size < math.inf):
            raise ValueError(f"step_size must be positive and finite, not {self.step_size}")
        if not all(0.0 <= part < math.inf for part in self.decay) or not (self.inverse_temperature > 0.0):
            raise ValueError(f"ridge must be >= 0 and beta > 0, not {self.ridge} and {self.inverse_temperature}")
        if not (self.batch >= 1 and self.block >= 0 and self.sub_block >= 0):
            raise ValueError("batch must be at least 1; block and sub_block at least 0 (0 chooses them)")
        if self.precision not in PRECISIONS:
            raise ValueError(f"no precision {self.precision!r}; write one of {', '.join(PRECISIONS)}")
        if self.gram and math.isfinite(self.inverse_temperature):
            raise ValueError("noise moves the neurons out of what they span: write gram = False, or beta = inf")
        if self.gram and not (isinstance(self.data, GaussianBlocks) and self.engine == "compiled"):
            raise ValueError("gram needs Gaussian blocks and an activation that numba compiles: write gram = False")
        if self.gram and not (self.batch <= LARGEST_GRAM_BATCH):
            raise ValueError(f"a batch above {LARGEST_GRAM_BATCH} needs gram = False")
        if self.gram and self.penalty.path > 0.0:
            raise ValueError("a path penalty needs the weights themselves: write gram = False")
        if not (0 <= self.seed < 2**32 and 0 <= self.replica < 2**32):
            raise ValueError(f"seed and replica must lie in [0, 2^32), not {self.seed} and {self.replica}")

    @property
    def kind(self) -> type[np.floating[Any]]:
        """The type that steps are made in. States are float64, which holds the other exactly."""
        return PRECISIONS[self.precision]

    def start(self, w: Array, a: Array | float = 1.0, b: Array | float = 0.0) -> SgdState:
        """The state of step 0 with these parameters, copied.

        Raises:
            ValueError: if w has not d columns, or anything is not finite.
        """
        w = np.array(w, dtype=np.float64, order="C", ndmin=2)
        dimension = self.coordinates(len(w)).dimension
        if w.shape[1] != dimension:
            raise ValueError(f"w has {w.shape[1]} columns, the state d = {dimension}: give one row per neuron")
        head = [np.array(np.broadcast_to(value, len(w)), dtype=np.float64) for value in (a, b)]
        if not all(np.all(np.isfinite(part)) for part in (w, *head)):
            raise ValueError("the first parameters must be finite")
        return SgdState(0, w, head[0], head[1])

    @property
    def engine(self) -> str:
        """ "compiled", or "numpy" where activation or loss are not of the kind that numba compiles."""
        return "numpy" if self.unit.compiled(self.precision) is None or self._pull is None else "compiled"

    @property
    def _pull(self) -> int | None:
        """The address of the compiled -l', 0 for that of the square loss; None where it is not compiled."""
        if self.loss is None:
            return 0
        loop = getattr(self.loss, "pull", None)
        return None if loop is None else loop_address(loop, "float64", cached=False)

    @property
    def _slope(self) -> Slope:
        return square_slope if self.loss is None else self.loss.slope

    @property
    def per_step(self) -> int:
        """Samples of a step at most."""
        whole = self.data.whole
        return max([self.batch, *(size for _, size in self.batches)]) if whole is None else len(whole[1])

    def _parts(self) -> list[tuple[int, float, Sgd]]:
        """Stretches of steps of one size of batch: where each begins and ends, and what makes its steps."""
        found, number = [], 0
        ends = [*(step for step, _ in self.batches[1:]), math.inf]
        for (begin, size), end in zip(self.batches, ends, strict=True):
            found.append((begin, end, replace(self, batch=size, batches=(), skipped=number - begin * size)))
            number += 0 if end == math.inf else int(end - begin) * size
        return found

    def coordinates(self, neurons: int) -> Sampler:
        """The data law in the coordinates of the state: what its reduction, risk and gradient are taken with."""
        return self._gram_coordinates(neurons).held if self.gram else self.data

    def embed(self, points: Array) -> Array:
        """First weights, in the coordinates of the state, with these reduced coordinates, shape (N, D)."""
        law = self._gram_coordinates(len(points)) if self.gram else self.data
        return law.embed(points, self.seed, self.replica)

    def in_coordinates(self, neurons: int) -> Sgd:
        """The same problem as one on the coordinates of the state, of which the population gradient is that of w."""
        return replace(self, data=self.coordinates(neurons), gram=False)

    def _gram_coordinates(self, neurons: int) -> GramCoordinates:
        assert isinstance(self.data, GaussianBlocks), "refused in __post_init__"
        return GramCoordinates(self.data, neurons, self._blocks(neurons)[0] * self.batch)

    def next_boundary(self, state: SgdState, step: int) -> int:
        """The first end of a block at or after `step`."""
        for begin, end, part in self._parts() if self.batches else ():
            if begin <= step < end:
                return int(min(part.next_boundary(state, step), end))
        block = self._blocks(state.neurons)[0]
        return -(-step // block) * block

    def run(self, state: SgdState, stops: Iterable[int]) -> Iterator[SgdState]:
        """The states at increasing steps `stops`, computed as they are asked for."""
        for stop in stops:
            state = self.advance(state, stop)
            yield state

    def advance(self, state: SgdState, until: int) -> SgdState:
        """The state at step `until`; `state` is left as it is.

        Raises:
            ValueError: if `until` lies in the past, or a step would turn the ridge's shrinkage negative.
            ArithmeticError: if the network's output stops being finite.
        """
        if until < state.step:
            raise ValueError(f"cannot advance from step {state.step} back to {until}")
        if self.batches:
            for begin, end, part in self._parts():
                if state.step < end and until > begin:
                    state = part.advance(state, int(min(until, end)))
            return state
        block = self._blocks(state.neurons)[0]
        chunk = max(1, int(CHUNK_WORK / (4.0 * state.w.size * self.per_step * block))) * block
        # the products are faster on the transpose
        alone = (block == 1 or self.data.whole is not None) and not self.gram
        upright = alone or self._subset_slope(state.neurons) != 0.0
        w = (state.w if upright else state.w.T).astype(self.kind, order="C")
        head, step = (state.a.astype(self.kind), state.b.astype(self.kind)), state.step
        with one_thread():
            while step < until:
                stop = min(until, (step // chunk + 1) * chunk)
                self._advance_in_place(w, self._steps(head, step, stop))
                step = stop
        parts = (w if upright else w.T, *head)
        return SgdState(until, *(np.ascontiguousarray(part, dtype=np.float64) for part in parts))

    def _advance_in_place(self, w: Array, steps: Steps) -> None:
        """Make steps on weights, shape (N, d) or its transpose, as the loop that makes them takes it."""
        neurons, whole = len(steps.head[0]), self.data.whole
        if whole is not None:
            failed = advance_whole(w, steps, whole, self.unit, key_of(self._stream), self._slope)
        elif self.gram:
            unit = self.unit.compiled(self.precision)
            assert unit is not None, "refused in __post_init__"
            gram = GramBlocks(self._gram_coordinates(neurons), w, key_of(self._stream))
            failed = gram.advance(steps, unit, self._blocks(neurons))
            w[:] = gram.w[: len(w)]
        else:
            failed = self._on_pieces(w, steps)
        if failed >= 0:
            raise ArithmeticError(
                f"the output of the network is not finite at step {failed}, t = {failed * self.step_size:.6g}: "
                f"lower step_size = {self.step_size:g}"
            )

    def _on_pieces(self, w: Array, steps: Steps) -> int:
        """The first step that fails, else -1."""
        first, block = steps.first, self._blocks(len(steps.head[0]))[0]
        advance = self._loop(len(steps.head[0]))
        whole = range(first, first + steps.rates.size)
        options = self.batch, block, self._stream, self.kind, self.overlap, self.skipped
        with drawn(self.data, whole, *options) as pieces:
            for begin, end, x, y in pieces:
                factors = self.data.factors(self.skipped + begin * self.batch, len(y), self._stream)
                piece = steps._replace(first=begin, rates=steps.rates[begin - first : end - first], factors=factors)
                failed = advance(w, piece, x, y)
                if failed >= 0:
                    return failed
        return -1

    def _loop(self, neurons: int) -> Callable[[Array, Steps, Array, Array], int]:
        """What makes steps on weights, of drawn samples x and y; it returns the one that fails, else -1."""
        unit, blocks, key = self.unit.compiled(self.precision), self._blocks(neurons), key_of(self._stream)
        if unit is None or self._pull is None:
            return lambda w, steps, x, y: advance_interpreted(
                w if blocks[0] == 1 else w.T, steps, x, y, self.unit, key, blocks[0], self._slope
            )
        if blocks[0] == 1:
            return lambda w, steps, x, y: int(advance_steps(w, steps, x, y, unit, key))
        gemm, slope, picked = self._gemm, self._subset_slope(neurons), self._picked_slope(neurons)
        if picked != 0.0:
            return lambda w, steps, x, y: int(advance_picks(gemm, w, steps, x, y, unit, picked, blocks[0]))
        return lambda w, steps, x, y: int(advance_samples(gemm, w, steps, x, y, x.shape[1], unit, slope, blocks))

    def _steps(self, head: tuple[Array, Array], first: int, stop: int) -> Steps:
        noise = float(self.inverse_temperature**-0.5)
        costs = (self.penalty.power, self.penalty.strength, self.penalty.path)
        rest = self.batch, self._pull or 0, np.empty(0)
        return Steps(head, self.gains, first, self.rates(first, stop), self.decay, costs, noise, *rest)

    @property
    def decay(self) -> tuple[float, float, float]:
        """lambda of w, a and b."""
        held = Flow(self.ridge).decay
        return held.w, held.a, held.b

    @property
    def gains(self) -> tuple[float, float, float]:
        """Mobilities of w, a and b, 0 for what does not move."""
        moving = self.mobility
        return float(moving.w), float(self.trained_coefficients * moving.a), float(self.trained_offsets * moving.b)

    @property
    def _stream(self) -> tuple[int, int]:
        return self.seed, self.replica

    @property
    def _gemm(self) -> int:
        return DGEMM if self.kind is np.float64 else SGEMM

    def rates(self, first: int, stop: int) -> Array:
        """eps_k = eps xi((k + 1) eps) for first <= k < stop."""
        rates = np.full(stop - first, self.step_size * self.schedule.scale)
        if self.schedule.power != 0.0:
            rates *= np.power(np.arange(first + 1, stop + 1) * self.step_size, self.schedule.power)
        worst = float(np.max(rates, initial=0.0))
        largest = max(gain * part for gain, part in zip(self.gains, self.decay, strict=True))
        if not (worst * largest < 1.0):
            raise ValueError(f"ridge {max(self.decay):g} times the step {worst:g} is not below 1: lower step_size")
        return np.asarray(rates)

    @property
    def _only_slope(self) -> float:
        """The one slope of sigma besides 0 where the weights of a sample in a neuron are 0 or a_i times one, else 0."""
        single = self.precision == "float64" and not self.gram and not self.trained_coefficients
        return self.unit.linear.single_slope if self.unit.linear is not None and single else 0.0

    def _subset_slope(self, neurons: int) -> float:
        """It where weights are to be moved by sums over subsets, else 0."""
        large = neurons * self.data.dimension >= SUBSET_WORK and self._blocks(neurons)[0] * self.batch >= 32
        return self._only_slope if large else 0.0

    def _picked_slope(self, neurons: int) -> float:
        """It where neurons are to pick sums of samples, else 0."""
        linear, block = self.unit.linear, self._blocks(neurons)[0]
        few = linear is not None and linear.knots.size <= 2 and 1 < block <= BLOCK
        return self._only_slope if few and self.batch == 1 and not self.trained_offsets and picking() else 0.0

    def _blocks(self, neurons: int) -> tuple[int, int]:
        if math.isfinite(self.inverse_temperature) or self.penalty.path > 0.0:
            return 1, 1
        if self.gram:
            # turning back costs N^3 a block, and blocks larger than N more than it
            rows, sub_rows = min(max(16, 2 ** (neurons.bit_length() - 1)), 256), 8
        elif min(neurons, self.data.dimension) < 160:
            rows, sub_rows = 16, 4
        else:
            # measured: small blocks stay in the cache, large ones read weights beyond it less often
            weights = neurons * self.data.dimension
            sizes = ((200_000, (64, 8)), (1_000_000, (64, 4)), (5_000_000, (128, 8)), (math.inf, (256, 16)))
            rows, sub_rows = next(size for limit, size in sizes if weights < limit)
        block = self.block or max(1, rows // self.batch)
        return block, min(self.sub_block or max(1, sub_rows // self.batch), block)
