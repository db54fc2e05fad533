"""The runs of a sweep: the flow of n neurons on P samples, or over the law, and their exact risk over the law."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import ClassVar

import numpy as np

from mfpde.problem.laws.finite_data import Drawn
from mfpde.problem.problem import Problem, build_problem
from mfpde.schemes.kinds.particles import flow_of
from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.time_loop import State, integrate
from mfpde.solvers.networks.coupled import Drift, particle_dynamics
from mfpde.solvers.space.box import Box
from mfpde.studies.bounds.runs import Curve, RunSpec
from mfpde.studies.sgd.networks import build_sgd

ROOM = 1.0
"""Of the box about the neurons at the start, which features of samples do not need."""


@dataclass(frozen=True)
class FlowSpec(RunSpec):
    """One flow; `kind` is "samples" where it is that of the samples, "law" over the law.

    The configuration's `solver.atoms` neurons are the group number `replica` of its `sgd.neurons`.
    """

    FORMAT: ClassVar[str] = "mfpde generalisation run 1"

    @property
    def neurons(self) -> int:
        """n."""
        return int(self.configuration.solver.atoms[0])

    @property
    def cost(self) -> float:
        """A guess of the work."""
        return float(self.neurons * (self.neurons + self.configuration.data.samples))  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Trained(Curve):
    """Risks over time.

    Attributes:
        risk: on what was trained on.
        test_risk: over the law, shape (T,).
    """

    test_risk: Array = field(default_factory=lambda: np.empty(0))

    @property
    def whole(self) -> bool:
        return super().whole and self.test_risk.shape == self.risk.shape and bool(np.all(np.isfinite(self.test_risk)))


def compute(spec: FlowSpec) -> Trained:
    """The risks of a run; raises ArithmeticError, ValueError or StepFailure where it breaks down."""
    started, configuration = monotonic(), spec.configuration
    problem, seed = build_problem(configuration), configuration.sgd.seed
    rows = problem.initial_law.neurons(configuration.sgd.neurons, seed, 0)
    rows = rows[spec.replica * spec.neurons :][: spec.neurons]
    times = configuration.time.save_times
    with np.errstate(all="ignore"):
        flow_times = [problem.flow.schedule.flow_time(time) for time in times]
        risks = (_on_law if spec.kind == "law" else _on_samples)(spec, problem, rows, flow_times)
    risk, test_risk = np.array(risks).T
    if not (np.all(np.isfinite(risk)) and np.all(np.isfinite(test_risk))):
        raise ArithmeticError("the risk is not finite: write values of moderate size")
    return Trained(np.array(times), risk, 0.0, monotonic() - started, test_risk)


def _on_samples(spec: FlowSpec, problem: Problem, rows: Array, flow_times: list[float]) -> list[tuple[float, float]]:
    objective = problem.represent("atoms", Box(rows.min(axis=0) - ROOM, rows.max(axis=0) + ROOM), 1e-12).objective
    tolerance, weights = spec.configuration.solver.tolerance, np.full(len(rows), 1.0 / len(rows))
    scheme = flow_of(problem, objective, rows, weights, tolerance, spec.configuration.sgd.seed, 0)
    over_law = problem.watches["test_risk"]
    risks: list[tuple[float, float]] = []

    def keep(_: int, state: State) -> None:
        seen = scheme.observe(state)
        risks.append((seen.risk, over_law(seen.law)))

    integrate(scheme, scheme.initial_state(), flow_times, keep)
    return risks


def _on_law(spec: FlowSpec, problem: Problem, rows: Array, flow_times: list[float]) -> list[tuple[float, float]]:
    sgd, law = build_sgd(spec.configuration, 0), problem.data
    assert isinstance(law, Drawn), "refused where nothing is drawn"
    population = law.over_law(sgd.unit)
    assert population is not None, "refused where there is no exact risk"
    state = sgd.start(*problem.unit.parted(rows))
    found = particle_dynamics(Drift(sgd, population), state, flow_times, 0.1 * spec.configuration.solver.tolerance)
    return [(risk, risk) for each in found for risk in (population.risk(each.w, each.a, each.b),)]
