"""The laws of the runs beside that of the equation: they tell the error of what is computed from its law.

They share no quadrature with it: other labels, other cells, or other draws.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from mfpde.experiment import Experiment
from mfpde.problem.problem import Problem
from mfpde.schemes.choice import on_scheme, scheme_of
from mfpde.schemes.pair import make_pair
from mfpde.shell.progress import Progress
from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.characteristics import Characteristics
from mfpde.solvers.flow.time_loop import Scheme, State, StepFailure, integrate
from mfpde.solvers.networks.coupled import FollowedCharacteristics
from mfpde.solvers.particles.populations import Populations, within
from mfpde.solvers.space.measure import Atoms, Measure
from mfpde.studies.run.arithmetic import strict_arithmetic

EVEN = 1024
"""Points of each of two sets that lie evenly in rho_0: they show distributions of single coordinates to about .002."""

Points = tuple[Array, Array]
"""Reduced coordinates (n, D) and weights (n,)."""


@dataclass(frozen=True)
class Beside:
    """What runs beside the equation.

    Attributes:
        laws: at every save time the law of the companion, or those of the populations that are one; none without it.
        even: at some save times two sets of points that were even in rho_0, carried by its flow; none elsewhere.
    """

    laws: list[list[Measure]]
    even: dict[int, tuple[Points, Points]] = field(default_factory=dict)

    def joined(self, row: int, axis: int) -> Measure | None:
        """The law of one coordinate of all laws at a save time; None where there is none."""
        each = [law.marginal(axis) for law in self.laws[row]]
        if len(each) < 2:
            return each[0] if each else None
        points, weights = (np.concatenate([getattr(law, name) for law in each]) for name in ("points", "weights"))
        return Atoms(points, weights / len(each), names=each[0].names)


def laws_beside(configuration: Experiment, problem: Problem, rows: Collection[int], progress: Progress) -> Beside:
    """The laws beside that of the equation, with even points at these save times where characteristics carry them.

    None at any time where the run beside fails.
    """
    configuration = on_scheme(configuration, scheme_of(configuration))
    found = Beside([[] for _ in configuration.time.save_times])
    with strict_arithmetic():
        companion = make_pair(problem, configuration).companion
        if companion is None:
            return found
        weights = [np.empty(0)] * 2
        if type(companion) is Characteristics and problem.initial_law.spread:
            sets = [problem.initial_law.even(EVEN, seed) for seed in (1, 2)]
            weights = [masses for _, masses in sets]
            companion = FollowedCharacteristics.of(companion, np.concatenate([points for points, _ in sets]))

        def save(index: int, state: State) -> None:
            found.laws[index] += _laws(companion, state)
            if isinstance(companion, FollowedCharacteristics) and index in rows:
                one, other = np.split(companion.neurons(state), 2)
                found.even[index] = (one, weights[0]), (other, weights[1])
            progress("laws beside the equation", (index + 1) / len(found.laws))

        times = [problem.flow.schedule.flow_time(time) for time in configuration.time.save_times]
        try:
            integrate(companion, companion.initial_state(), times, save)
        except (StepFailure, ArithmeticError):
            return Beside([[] for _ in times])
    return found


def _laws(companion: Scheme, state: State) -> list[Measure]:
    seen = companion.observed(state) if isinstance(companion, Populations) else [companion.observe(state)]
    return [one.law for one in seen]


def apart(value: float, others: Array, ratio: float) -> float:
    """How far a number of a law may be from the right one, from those of the laws beside it; NaN without any.

    Args:
        ratio: atoms of the law over those of one beside it, which counts where there are many, drawn independently.
    """
    if not others.size:
        return math.nan
    return float(within(np.array(value), others, ratio) if others.size > 1 else np.abs(value - others[0]))
