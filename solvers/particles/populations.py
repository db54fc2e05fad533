"""Independent small populations beside a large one: how far its risk may be from that of the mean-field law."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

from ..arrays import Array
from ..flow.time_loop import Observation, Scheme, State, integrate

POPULATIONS = 8
LEVEL = 0.95
"""Probability with which the risk of the large population lies within the estimate of that of the mean-field law."""


class Populations:
    """M independent populations of n particles each, as one scheme: companion of a population of N.

    A population of N has the risk R + b/N + s N^(-1/2) g with g of mean 0 and variance 1 (s^2 falls to the order of 1/N
    where R is stationary). The scatter of the M risks tells s, with M - 1 degrees of freedom, and the distance of their
    mean from R_N the bias b/N, which is (N/n - 1)^(-1) of it: then

        |R_N - R| <= |b| / N + t s N^(-1/2),   t the quantile of Student's law,

    with probability `LEVEL`. Nothing here is shared with the large population but the law that all are drawn from.
    """

    def __init__(self, processes: Sequence[Scheme]) -> None:
        self.processes = tuple(processes)

    def initial_state(self) -> State:
        return self._joined(0.0, [process.initial_state() for process in self.processes])

    def advance(self, state: State, until: float) -> State:
        """All populations at `until`."""
        pairs = zip(self.processes, self._parted(state), strict=True)
        return self._joined(until, [integrate(one, own, [until], lambda index, reached: None) for one, own in pairs])

    def observe(self, state: State) -> Observation:
        """The first population."""
        return self.processes[0].observe(self._parted(state)[0])

    def observed(self, state: State) -> list[Observation]:
        """Each of the populations."""
        return [process.observe(own) for process, own in zip(self.processes, self._parted(state), strict=True)]

    def apart(self, observation: Observation, state: State, told: Callable[[Observation], Array]) -> Array:
        """What numbers that are told of a population of N lie within of the mean-field law's, of their shape (K,)."""
        each = self.observed(state)
        ratio = len(observation.law.weights) / len(each[0].law.weights)
        return within(told(observation), np.stack([told(one) for one in each]), ratio)

    def _joined(self, flow_time: float, states: Sequence[State]) -> State:
        arrays = {f"{index}_{name}": array for index, own in enumerate(states) for name, array in own.arrays.items()}
        return State(flow_time, 0.0, {**arrays, "steps": np.array([own.step for own in states])})

    def _parted(self, state: State) -> list[State]:
        own = [
            {name.partition("_")[2]: array for name, array in state.arrays.items() if name.startswith(f"{index}_")}
            for index in range(len(self.processes))
        ]
        return [
            State(state.flow_time, float(step), held) for step, held in zip(state.arrays["steps"], own, strict=True)
        ]


def size_beside(count: int) -> int:
    """The particles of each population beside one of `count`: an eighth, as many in all."""
    return max(1, count // POPULATIONS) if count > 1 else 2


def within(value: Array, values: Array, ratio: float) -> Array:
    """|b| / N + t s N^(-1/2) of numbers of a population of N, shape (K,), from those of M populations of N / `ratio`.

    Args:
        values: shape (M, K).
    """
    bias = np.abs(values.mean(axis=0) - value) / abs(ratio - 1.0)
    student = -float(special.stdtrit(len(values) - 1, 0.5 * (1.0 - LEVEL)))
    return np.asarray(bias + student * values.std(axis=0, ddof=1) / math.sqrt(ratio))
