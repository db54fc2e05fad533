"""The time loop shared by every scheme: it steps, stops exactly at the save times, and knows no scheme."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..arrays import Array
from ..space.measure import Measure
from .leftover import Leftover


class StepFailure(RuntimeError):
    """A step could not be taken; the state before it is still good.

    Attributes:
        message: what went wrong.
        flow_time: s at which the step failed.
        remedy: what the user can change, options of the scheme in braces: "use a smaller {step}".
    """

    def __init__(self, message: str, flow_time: float, remedy: str) -> None:
        super().__init__(message, flow_time, remedy)
        self.message = message
        self.flow_time = flow_time
        self.remedy = remedy

    def __str__(self) -> str:
        return self.said()

    def said(self, prefix: str = "") -> str:
        """The same in words, the options called by their names behind `prefix`."""
        remedy = re.sub(r"\{(\w+)\}", rf"{prefix}\1", self.remedy)
        return f"{self.message} at flow time {self.flow_time:.6g}; {remedy}"


@dataclass(frozen=True)
class State:
    """Everything a scheme needs to go on, bit for bit, from where it stands.

    Attributes:
        flow_time: s = ∫xi dt.
        step: the flow-time step the scheme will try next.
        arrays: named arrays, stored verbatim in checkpoints (float64 or int64).
    """

    flow_time: float
    step: float
    arrays: Mapping[str, Array]


@dataclass(frozen=True)
class Observation:
    """What a scheme reports of a state.

    Attributes:
        risk: R.
        free_energy: F.
        mass: of the whole law.
        mean, variance: of each coordinate, shape (D,).
        law: the law itself.
        dissipation: D = -dF/ds = 2 (∫|grad G|^2 drho + alpha Var_rho G) per unit of flow time; NaN where unknown.
        dissipated: ∫_0^s D, by the scheme's own quadrature over its steps; NaN where unknown.
        residual: largest optimality residual (duality gap) of the steps so far, for schemes that minimise.
        leftover: what the law lacks, None where that is nothing.
        place_error: how far places are off, about, by what a run of the same steps does not see.
    """

    risk: float
    free_energy: float
    mass: float
    mean: Array
    variance: Array
    law: Measure
    dissipation: float = math.nan
    dissipated: float = math.nan
    residual: float | None = None
    leftover: Leftover | None = None
    place_error: float = 0.0


class Scheme(Protocol):
    """A numerical method: an initial state, one accepted step, and a reading of a state."""

    def initial_state(self) -> State:
        """The state at flow time 0."""

    def advance(self, state: State, until: float) -> State:
        """One accepted step, ending at or before flow time `until`; raises StepFailure."""

    def observe(self, state: State) -> Observation:
        """Risk, energy, moments and law of a state."""


def integrate(
    scheme: Scheme,
    state: State,
    save_at: Sequence[float],
    on_save: Callable[[int, State], None],
    on_step: Callable[[State], None] = lambda state: None,
    longest: float = math.inf,
) -> State:
    """Advance `state` through the flow times `save_at`, calling `on_save(index, state)` exactly at each.

    Save times before the state's own are skipped, so that a checkpoint resumes where it stood; `on_step` is called
    after every accepted step; no step is longer than `longest` in flow time.
    """
    for index, target in enumerate(save_at):
        if target < state.flow_time:
            continue
        while state.flow_time < target:
            state = scheme.advance(state, min(target, state.flow_time + longest))
            on_step(state)
        on_save(index, state)
    return state
