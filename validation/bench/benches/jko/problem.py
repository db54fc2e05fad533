"""What the benches of minimising movements share: the two-class problem of rank 2, in a box and without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numba import get_num_threads, set_num_threads

from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import Observation, Scheme, State, integrate
from mfpde.solvers.space.grid import grid_from_edges
from tests.solvers.problems import bump, line, rank_two
from validation.bench.clocks import best

END = 3.0
CENTRE, DEVIATION, SIDE = (0.35, 0.72), 0.08, 1.6
BETA = 200.0


@contextmanager
def threads(count: int) -> Iterator[None]:
    """numba's number of threads inside."""
    before = get_num_threads()
    set_num_threads(count)
    try:
        yield
    finally:
        set_num_threads(before)


def timed_to(scheme: Scheme, end: float, repeats: int) -> tuple[Observation, int, float]:
    """What is seen at `end`, the number of steps, and the shortest wall time of the steps in seconds."""
    start, steps = scheme.initial_state(), 0

    def count(_: State) -> None:
        nonlocal steps
        steps += 1

    last = integrate(scheme, start, [end], lambda index, state: None, count)
    seconds = best(lambda: integrate(scheme, start, [end], lambda index, state: None), repeats)
    return scheme.observe(last), steps, seconds


def box_problem(kind: type, cells: int, options: Any) -> Any:
    """The noisy problem in the box by `GridJko` or `FiniteVolume`."""
    edge = np.linspace(0.0, SIDE, cells + 1)
    grid = grid_from_edges((edge, edge), (False, False))
    masses = bump(grid.edges, CENTRE, DEVIATION)
    return kind(rank_two()[0], line(2), Flow(inverse_temperature=BETA), grid, masses, options)


def mean_step(scheme: Scheme, tau: float, repeats: int) -> float:
    """Seconds of a step of length tau, averaged over a run to `END` (first steps, without secants, included)."""
    start, steps = scheme.initial_state(), 0

    def count(_: State) -> None:
        nonlocal steps
        steps += 1

    def run() -> object:
        return integrate(scheme, start, [END], lambda index, state: None, count, tau)

    run()
    taken = steps
    return best(run, repeats) / taken
