"""The laws of the runs beside that of the equation: they tell the error of what is computed from its law.

They share no quadrature with it: other labels, other cells, or other draws.
"""

from __future__ import annotations

import math

import numpy as np

from mfpde.experiment import Experiment
from mfpde.problem.problem import Problem
from mfpde.schemes.choice import on_scheme, scheme_of
from mfpde.schemes.pair import make_pair
from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.time_loop import State, integrate
from mfpde.solvers.particles.populations import Populations, within
from mfpde.solvers.space.measure import Measure
from mfpde.studies.run.arithmetic import strict_arithmetic


def laws_beside(configuration: Experiment, problem: Problem) -> list[list[Measure]]:
    """At every save time the law of the companion, or those of the populations that are one; none without it."""
    configuration = on_scheme(configuration, scheme_of(configuration))
    laws: list[list[Measure]] = [[] for _ in configuration.time.save_times]
    with strict_arithmetic():
        companion = make_pair(problem, configuration).companion
        if companion is None:
            return laws

        def save(index: int, state: State) -> None:
            seen = companion.observed(state) if isinstance(companion, Populations) else [companion.observe(state)]
            laws[index] = [one.law for one in seen]

        times = [problem.flow.schedule.flow_time(time) for time in configuration.time.save_times]
        integrate(companion, companion.initial_state(), times, save)
    return laws


def apart(value: float, others: Array, ratio: float) -> float:
    """How far a number of a law may be from the right one, from those of the laws beside it; NaN without any.

    Args:
        ratio: atoms of the law over those of one beside it, which counts where there are many, drawn independently.
    """
    if not others.size:
        return math.nan
    return within(value, others, ratio) if others.size > 1 else float(np.abs(value - others[0]))
