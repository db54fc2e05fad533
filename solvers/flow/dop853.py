"""Steps of order 8 along an autonomous flow: DOP853, in place and in blocks on the threads that there are.

E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, II.10; the lengths of steps are chosen
as `scipy.integrate.DOP853` does. Nothing here refers to itself, so that the stages go with the step: eleven vectors of
the size of the state, for a stage takes the place of one that no later sum has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..threads.blocks import in_blocks
from .dop853_coefficients import DENSE, ERRORS, STAGES

BLOCK = 4096
"""Numbers of a block."""
THREADED = 2**15
"""Numbers from which a sum of stages, 30 us on one thread, is shared."""
ROWS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 10, 11, 12, 13)
"""Where stages are kept."""
END = 12
SAFETY, LEAST_FACTOR, LARGEST_FACTOR, EXPONENT = 0.9, 0.2, 10.0, -1.0 / 8.0
TOO_SHORT = "the step needed is shorter than the spacing between numbers"

Velocity = Callable[[Array, Array], Any]
"""places, out -> None: writes the velocity at the places, arrays of shape (n,)."""


@dataclass(frozen=True)
class Path:
    """Places within a step.

    Attributes:
        t_old, length: of the step.
        start: shape (n,).
        parts: shape (7, n).
    """

    t_old: float
    length: float
    start: Array
    parts: Array

    def __call__(self, times: Any) -> Array:
        """Places at a time, shape (n,), or at k times, shape (n, k)."""
        share = (np.asarray(times, dtype=float)[..., None] - self.t_old) / self.length
        found = np.zeros((*share.shape[:-1], len(self.start)))
        for k, part in enumerate(self.parts[::-1]):
            found = (found + part) * (share if k % 2 == 0 else 1.0 - share)
        return np.asarray((found + self.start).T)


class Dop853:
    """Steps from a time to an end after it.

    Args:
        velocity: of the flow.
        start, places: where it begins, shape (n,); the array is kept, and not written to.
        end: no step goes beyond.
        first_step: length of the first step; None for a guess.
        relative, absolute: tolerances, numbers or vectors that are repeated along the places.

    Attributes:
        t_old, t, y, f: the times before and after the last step, places and velocity there.
        h_abs: length of the next step.
        error: estimate of that of the last step, over the tolerance.
        status: running, finished or failed.
    """

    def __init__(
        self,
        velocity: Velocity,
        start: float,
        places: Array,
        end: float,
        first_step: float | None = None,
        relative: Array | float = 1e-3,
        absolute: Array | float = 1e-6,
    ) -> None:
        self._velocity, self._end = velocity, end
        self._relative, self._absolute = np.broadcast_arrays(*map(np.atleast_1d, (relative, absolute)))
        self._relative, self._absolute = (np.array(part, dtype=float) for part in (self._relative, self._absolute))
        self.t_old, self.t, self.status, self.error = start, start, "running", 0.0
        self._before = self.y = np.ascontiguousarray(places, dtype=float)
        self._stages, self._place = np.empty((max(ROWS) + 1, len(places))), np.empty(len(places))
        self.f = self._stages[0]
        velocity(self.y, self.f)
        self.h_abs = self._guess() if first_step is None else first_step

    def step(self) -> str | None:
        """Make one step; what is wrong where it fails."""
        if self.t == self._end or not self.y.size:
            self.t_old, self.t, self.status = self.t, self._end, "finished"
            return None
        least = 10.0 * float(np.spacing(self.t))
        length, factors = max(self.h_abs, least), LARGEST_FACTOR
        self._stages[0] = self.f
        moved = np.empty_like(self.y)
        while True:
            if not (length >= least):
                self.status = "failed"
                return TOO_SHORT
            reached = min(self.t + length, self._end)
            length = reached - self.t
            self._try(length, moved)
            error = self._error(length, moved)
            factor = LARGEST_FACTOR if error == 0.0 else SAFETY * error**EXPONENT
            if error < 1.0:
                break
            # a NaN is no better than the least
            length, factors = length * max(LEAST_FACTOR, factor), 1.0
        self.t_old, self.t, self.h_abs = self.t, reached, length * min(factors, factor)
        self.error = error
        self._before, self.y, self.f = self.y, moved, self._stages[ROWS[END]]
        self.status = "finished" if reached >= self._end else "running"
        return None

    def path(self, chosen: NDArray[np.intp] | slice = slice(None)) -> Path:
        """The last step between its ends, for the places chosen; three more velocities are asked for."""
        length = self.t - self.t_old
        for stage in range(END + 1, len(STAGES)):
            self._add(STAGES[stage], length, self._before, self._place)
            self._velocity(self._place, self._stages[ROWS[stage]])
        start, change = self._before[chosen], self.y[chosen] - self._before[chosen]
        first, last = (length * self._stages[ROWS[stage]][chosen] for stage in (0, END))
        parts = [change, first - change, 2.0 * change - (first + last)]
        for coefficients in DENSE:
            parts.append(length * sum(c * self._stages[ROWS[stage]][chosen] for stage, c in coefficients.items()))
        return Path(self.t_old, length, start, np.stack(parts))

    def _try(self, length: float, moved: Array) -> None:
        """The stages of a step, and where it leads."""
        for stage in range(1, END):
            self._add(STAGES[stage], length, self.y, self._place)
            self._velocity(self._place, self._stages[ROWS[stage]])
        self._add(STAGES[END], length, self.y, moved)
        self._velocity(moved, self._stages[ROWS[END]])

    def _add(self, coefficients: Mapping[int, float], length: float, start: Array, out: Array) -> None:
        """out = start + length times a sum of stages."""
        rows = np.array([ROWS[stage] for stage in coefficients])
        self._in_blocks(added, start, self._stages, rows, np.array(list(coefficients.values())), length, out)

    def _error(self, length: float, moved: Array) -> float:
        """Root mean square over what is tolerated; the velocity at the end counts for nothing, but has to be finite."""
        stages = sorted({*ERRORS[0], *ERRORS[1], END})
        weights = np.array([[each.get(stage, 0.0) for stage in stages] for each in ERRORS])
        fifth, third = self._squares(self._stages, [ROWS[stage] for stage in stages], weights, moved)
        if fifth == third == 0.0:
            return 0.0
        return length * fifth / math.sqrt((fifth + 0.01 * third) * self.y.size)

    def _squares(self, vectors: Array, rows: list[int], weights: Array, moved: Array) -> tuple[float, float]:
        """Two sums of squares of sums of vectors over what is tolerated."""
        partial = np.empty((-(-self.y.size // BLOCK), 2))
        tolerances = self._relative, self._absolute
        self._in_blocks(squares, self.y, moved, *tolerances, vectors, np.array(rows), weights, partial)
        return float(partial[:, 0].sum()), float(partial[:, 1].sum())

    def _in_blocks(self, kernel: Callable[..., None], *arguments: Any) -> None:
        count = self.y.size
        in_blocks(kernel, count, BLOCK if count >= THREADED else count, *arguments)

    def _guess(self) -> float:
        """Length of a first step, after Hairer, Norsett, Wanner, II.4."""
        room = self._end - self.t
        if room == 0.0 or not self.y.size:
            return room
        one, both = np.array([[1.0], [0.0]]), np.array([[-1.0, 1.0], [0.0, 0.0]])
        count = self.y.size
        sizes = self._squares(self.y[None], [0], one, self.y)[0], self._squares(self._stages, [0], one, self.y)[0]
        place, speed = (math.sqrt(size / count) for size in sizes)
        short = min(1e-6 if place < 1e-5 or speed < 1e-5 else 0.01 * place / speed, room)
        self._add({0: 1.0}, short, self.y, self._place)
        self._velocity(self._place, self._stages[1])
        bend = math.sqrt(self._squares(self._stages, [0, 1], both, self.y)[0] / count) / short
        largest = max(speed, bend)
        long = max(1e-6, 1e-3 * short) if largest <= 1e-15 else (0.01 / largest) ** -EXPONENT
        return min(100.0 * short, long, room)


@numba.njit(cache=True, nogil=True)
def added(
    start: int,
    stop: int,
    base: Array,
    vectors: Array,
    rows: NDArray[np.int64],
    coefficients: Array,
    length: float,
    out: Array,
) -> None:
    """out = base + length * sum_k coefficients_k vectors[rows_k], block by block."""
    for first in range(start, stop, BLOCK):
        last = first + BLOCK if first + BLOCK < stop else stop
        for i in range(first, last):
            out[i] = coefficients[0] * vectors[rows[0], i]
        for k in range(1, rows.size):
            row, coefficient = rows[k], coefficients[k]
            for i in range(first, last):
                out[i] += coefficient * vectors[row, i]
        for i in range(first, last):
            out[i] = base[i] + length * out[i]


@numba.njit(cache=True, nogil=True)
def squares(
    start: int,
    stop: int,
    before: Array,
    after: Array,
    relative: Array,
    absolute: Array,
    vectors: Array,
    rows: NDArray[np.int64],
    weights: Array,
    partial: Array,
) -> None:
    """Sums of (weights_j . vectors[rows])^2 over the squared tolerances, j = 0, 1, into partial[block, j]."""
    sums = np.empty((2, BLOCK))
    for first in range(start, stop, BLOCK):
        last = first + BLOCK if first + BLOCK < stop else stop
        for j in range(2):
            for i in range(last - first):
                sums[j, i] = 0.0
            for k in range(rows.size):
                row, weight = rows[k], weights[j, k]
                for i in range(last - first):
                    sums[j, i] += weight * vectors[row, first + i]
        fifth = third = 0.0
        place = first % relative.size
        for i in range(first, last):
            larger = before[i] if abs(before[i]) > abs(after[i]) else after[i]
            size = absolute[place] + abs(larger) * relative[place]
            one, other = sums[0, i - first] / size, sums[1, i - first] / size
            fifth += one * one
            third += other * other
            place = place + 1 if place + 1 < relative.size else 0
        partial[first // BLOCK, 0], partial[first // BLOCK, 1] = fifth, third
