"""A scheme with a known answer: atoms that decay, z' = -z, risk = |mean|^2, whatever the problem.

It lets the studies be tested without tables and kernels: z(t) = z(0) exp(-t) in flow time. A test asks for the
fixture `decaying`, says what runs are made of by `decaying.use(...)`, and solves with `solver.scheme = "decaying"`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from mfpde.experiment import Experiment
from mfpde.problem.problem import Problem
from mfpde.schemes.interface import SCHEMES, SchemeKind
from mfpde.schemes.pair import Pair
from mfpde.solvers.flow.time_loop import Observation, Scheme, State, StepFailure
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.grid import recorded_grid
from mfpde.solvers.space.measure import Atoms, Cells
from mfpde.solvers.space.trails import Trails

START = np.array([[1.0, 0.5], [0.6, 0.2], [0.3, 0.9]])
MASSES = np.array([0.5, 0.3, 0.2])


@dataclass
class DecayingAtoms:
    """Heun steps of z' = -z on three atoms; one goes after `drop_after`, a step fails after `fail_after`.

    `on_step` is called in every step, to interrupt the run from within.
    """

    step: float
    fail_after: float = math.inf
    drop_after: float = math.inf
    on_step: Callable[[float], None] = lambda flow_time: None

    def initial_state(self) -> State:
        return State(0.0, self.step, {"position": START, "weight": MASSES, "steps": np.zeros(1, dtype=np.int64)})

    def advance(self, state: State, until: float) -> State:
        self.on_step(state.flow_time)
        if state.flow_time >= self.fail_after:
            raise StepFailure("the step collapsed", state.flow_time, "raise {cells}")
        tau = min(state.step, until - state.flow_time)
        end = until if tau < state.step else state.flow_time + tau
        position = state.arrays["position"] * (1.0 - tau + 0.5 * tau**2)
        weight = state.arrays["weight"]
        if end > self.drop_after and len(weight) == 3:
            position, weight = position[:2], np.array([0.5, 0.5])
        # A step that changes from step to step shows whether a checkpoint kept it.
        arrays = {"position": position, "weight": weight, "steps": state.arrays["steps"] + 1}
        return State(min(end, until), state.step * 1.001, arrays)

    def observe(self, state: State) -> Observation:
        position, weight = state.arrays["position"], state.arrays["weight"]
        mean = weight @ position
        variance = weight @ (position - mean) ** 2
        law = Atoms(position, weight)
        return Observation(float(mean @ mean), float(mean @ mean), float(weight.sum()), mean, variance, law)


@dataclass
class DecayingGrid:
    """The exact decay of the masses on a fixed 2-D grid towards its zero-width first cell."""

    step: float = 0.1
    on_step: Callable[[float], None] = lambda flow_time: None
    edges: tuple[np.ndarray, ...] = field(
        default_factory=lambda: (np.array([0.0, 0.0, 0.5, 1.5]), np.array([0.0, 0.25, 1.0]))
    )

    def initial_state(self) -> State:
        mass = np.array([[0.0, 0.0], [0.125, 0.25], [0.5, 0.125]])
        return State(0.0, self.step, {"mass": mass})

    def advance(self, state: State, until: float) -> State:
        self.on_step(state.flow_time)
        tau = min(state.step, until - state.flow_time)
        mass = state.arrays["mass"] * math.exp(-tau)
        mass[0, 0] += 1.0 - mass.sum()
        return State(until if tau < state.step else min(state.flow_time + tau, until), state.step, {"mass": mass})

    def observe(self, state: State) -> Observation:
        mass = state.arrays["mass"]
        centres = [0.5 * (edges[1:] + edges[:-1]) for edges in self.edges]
        mean = np.array([mass.sum(axis=1) @ centres[0], mass.sum(axis=0) @ centres[1]])
        squares = np.array([mass.sum(axis=1) @ centres[0] ** 2, mass.sum(axis=0) @ centres[1] ** 2])
        law = Cells(recorded_grid(self.edges), mass)
        return Observation(float(mean @ mean), float(mean @ mean), 1.0, mean, squares - mean**2, law)


class DecayingScheme(SchemeKind):
    """The scheme "decaying": the pair that the test chose."""

    needs_guide = False
    chosen: ClassVar[Pair]

    @classmethod
    def use(cls, main: Scheme, companion: Scheme | None = None, floor: float = 1e-12) -> None:
        """Let runs consist of these."""
        cls.chosen = Pair(main, companion, floor, ("a note",), {"rank": 2})
        cls.knows_dissipation = not math.isnan(main.observe(main.initial_state()).dissipation)

    def pair(self, problem: Problem, experiment: Experiment, guide: Trails, box: Box) -> Pair:
        return self.chosen


Chosen = type[DecayingScheme]


@contextmanager
def lent(name: str = "decaying") -> Iterator[Chosen]:
    """A scheme of this name, for a while; it may be chosen by default where it stands in for another."""

    class Lent(DecayingScheme):
        by_default, place = name in SCHEMES, 0 if name in SCHEMES else 100

    with SCHEMES.lending({name: Lent}):
        yield Lent
