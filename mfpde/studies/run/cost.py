"""What a run takes: the seconds that steps of its schemes took, times the steps that the coarsest of them takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING

from mfpde.shell.progress import duration
from mfpde.solvers.flow.time_loop import Scheme, State, StepFailure
from mfpde.studies.run.arithmetic import ARITHMETIC

if TYPE_CHECKING:
    from mfpde.experiment import Experiment
    from mfpde.problem.problem import Problem
    from mfpde.schemes.pair import Pair

LONG = 30.0
"""Seconds from which on a run is told to be long before it is made."""
REHEARSAL = 1.0
"""Seconds at most that the coarsest scheme may take to show how many steps there are."""
SEEN = 3
"""Steps of each scheme that say what one takes: the first loads what is compiled."""


class Costs:
    """Seconds of the steps of each scheme, by role.

    Args:
        coordinates: D: a scheme of n times as many cells or atoms takes about n^(1/D) times as many steps.
    """

    def __init__(self, coordinates: int) -> None:
        self._coordinates = coordinates
        self._shortest: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._mark = monotonic()

    def begin(self) -> None:
        """A step begins."""
        self._mark = monotonic()

    def step(self, role: str) -> None:
        """It ends."""
        seconds = monotonic() - self._mark
        self._shortest[role] = min(seconds, self._shortest.get(role, math.inf))
        self._counts[role] = self._counts.get(role, 0) + 1

    def known(self, schemes: Mapping[str, Scheme]) -> bool:
        """Whether enough steps of all were seen."""
        return all(self._counts.get(role, 0) >= SEEN for role in schemes)

    def left(
        self, schemes: Mapping[str, Scheme], states: Mapping[str, State], end: float, longest: float = math.inf
    ) -> float:
        """Seconds from these states to the flow time `end`, at steps of at most `longest`."""
        planned = [self._shortest.get(role, 0.0) * _steps(states[role], end, longest) for role in schemes]
        if sum(planned) < LONG:
            # steps grow from where they start: there are no more of them
            return sum(planned)
        sizes = {role: scheme.observe(states[role]).law.weights.size for role, scheme in schemes.items()}
        coarsest = min(sizes, key=lambda role: sizes[role])
        steps = _rehearsed(schemes[coarsest], states[coarsest], end, longest)
        more = {role: (size / sizes[coarsest]) ** (1.0 / self._coordinates) for role, size in sizes.items()}
        return float(sum(self._shortest.get(role, 0.0) * steps * more[role] for role in schemes))


def foretold(pair: Pair, problem: Problem, experiment: Experiment) -> float:
    """Seconds of a run that is ready to begin, from a few steps of its schemes, which are forgotten.

    The first step of each loads what is compiled; a third is taken where two are short.
    """
    schemes, costs = schemes_of(pair), Costs(problem.geometry.dimension)
    states = {role: scheme.initial_state() for role, scheme in schemes.items()}
    end = problem.flow.schedule.flow_time(experiment.time.end)
    longest = math.inf if pair.fixed_step is not None else experiment.solver.step or math.inf
    for role, scheme in schemes.items():
        begun = monotonic()
        for index in range(SEEN):
            if states[role].flow_time < end and (index < 2 or monotonic() - begun < REHEARSAL):
                costs.begin()
                states[role] = scheme.advance(states[role], min(end, states[role].flow_time + longest))
                costs.step(role)
    return costs.left(schemes, states, end, longest)


def schemes_of(pair: Pair) -> dict[str, Scheme]:
    """The schemes that run side by side, by role."""
    beside = [] if pair.companion is None else [pair.companion, *(scheme for scheme, _ in pair.further)]
    roles = ("main", "companion", *(f"further{index}" for index in range(1, len(beside))))
    return dict(zip(roles, (pair.main, *beside), strict=False))


def told(seconds: float, less: str) -> str:
    """A sentence for a long run, with what makes it shorter; none for a short one."""
    return f"this run takes about {duration(seconds)}; less with {less}" if seconds >= LONG else ""


def _steps(state: State, end: float, longest: float) -> float:
    return max(end - state.flow_time, 0.0) / max(min(state.step, longest), 1e-300)


def _rehearsed(scheme: Scheme, state: State, end: float, longest: float) -> float:
    """Steps to the end; those that there was no time for, or that fail, at the last length."""
    begun, steps = monotonic(), 0
    while state.flow_time < end and monotonic() - begun < REHEARSAL:
        try:
            state = scheme.advance(state, min(end, state.flow_time + longest))
        except (StepFailure, MemoryError, *ARITHMETIC):
            break
        steps += 1
    return steps + _steps(state, end, longest)
