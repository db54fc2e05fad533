"""coupled: the four dynamics of the dimension-free bounds from one theta^0, and the gaps between them.

    |R(rho_t) - R_N(SGD)| <= |R(rho_t) - R_N(ND)| + |R_N(ND) - R_N(PD)| + |R_N(PD) - R_N(GD)| + |R_N(GD) - R_N(SGD)|

S. Mei, T. Misiakiewicz, A. Montanari, COLT 2019 (arXiv:1902.06015), Theorem 1: up to factors e^{KT} that are not
numeric, the four terms are bounded by the rates of `predicted_rates`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from time import monotonic

import numpy as np

from mfpde.errors import in_keys, raise_mistakes
from mfpde.experiment import Experiment
from mfpde.problem.labels import label_law
from mfpde.problem.network import scaled_activation
from mfpde.problem.problem import build_problem
from mfpde.results.answers.compare import CoupledResult, predicted_rates
from mfpde.schemes.guide import TABLE_SHARE, run_guide, visited_box
from mfpde.shell.memory import out_of_memory
from mfpde.shell.progress import Progress, silent
from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.time_loop import State, StepFailure
from mfpde.solvers.networks.coupled import (
    Drift,
    FollowedCharacteristics,
    extrapolated,
    gradient_descent,
    particle_dynamics,
)
from mfpde.solvers.sgd.engine import SgdState
from mfpde.solvers.sgd.samplers import sampler_of
from mfpde.solvers.threads.processors import processors
from mfpde.studies.run.arithmetic import strict_arithmetic
from mfpde.studies.run.campaign import Campaign
from mfpde.studies.sgd.networks import build_sgd, first_state, population_of, reduced_positions
from mfpde.studies.sgd.refusals import refuse, save_steps

LAW_TOLERANCE = 1e-6
"""Largest tolerance of the equation, its features and ND."""
PARTICLE_TOLERANCE = 1e-9
"""Of the particle dynamics, finer than the distance of gradient descent from it."""
BUDGET = 2e8
"""Pairs of neurons in all steps of gradient descent, above which they are made longer: about half a minute."""
NEURON_WORK, NEAR_WORK, NEAR = 150, 100, 0.7
"""Pairs that count for the expansion of a neuron, and for a pair with |cos| > NEAR, which it does not serve."""
FEWEST_STEPS = 50
"""Steps that gradient descent makes at least, however short the budget."""


def coupled(
    configuration: Experiment,
    replica: int = 0,
    progress: Progress = silent,
    *,
    stride: int | None = None,
    budget: float = BUDGET,
) -> CoupledResult:
    """The law of the equation, ND, PD, GD and SGD from the theta^0 of one replica, at the save times of SGD.

    The equation and ND are solved together by characteristics, whatever `solver.scheme`, to `solver.tolerance` or
    1e-6; PD by DOP853 to 1e-9 a step. All R_N are exact. Where the steps of GD would count more pairs than `budget`
    they are made n times as long, their distance from PD is divided by n (`extrapolated`); the same with 2 n tells the
    error.

    Args:
        replica: the stream of theta^0 and of the samples, as in `sgd`.
        progress: called with a line of text and the fraction of the work done.
        stride: n; None for the smallest that keeps to the budget, the same on every machine.
        budget: pairs of neurons in all steps of gradient descent together.

    Raises:
        ConfigurationError: what SGD cannot do, or noise or birth and death.
        StepFailure, ArithmeticError: a dynamics fails before the first save time after 0. Later, and where the run is
            interrupted, the result holds what was computed, its `status` and a note say so.
    """
    started = monotonic()
    refuse_coupled(configuration)
    with strict_arithmetic():
        return _Walk(configuration, replica, progress, started, stride, budget).complete()


def refuse_coupled(configuration: Experiment) -> None:
    """Raise ConfigurationError with everything that stands against the coupled dynamics."""
    refuse(configuration, workers=1, coupled=True)
    raise_mistakes([f"{key}: {reason}; {remedy}" for key, reason, remedy in against_coupled(configuration)])


def against_coupled(configuration: Experiment) -> list[tuple[str, str, str]]:
    """What stands against the coupled dynamics of what SGD can do: the key, the reason, what to write instead."""
    problem = build_problem(configuration)
    found = []
    if math.isfinite(problem.flow.inverse_temperature):
        reason = "the coupled dynamics are those without noise"
        found.append(("dynamics.inverse_temperature", reason, "write inverse_temperature = inf"))
    if problem.data.neurons_only:
        reason = f'the law that they follow is not known of "{problem.data.name}", but by finitely many neurons'
        found.append(("data.law", reason, "write a law that is reduced"))
    if problem.kinks is not None:
        reason = "the steps of the coupled dynamics do not stick to kinks, as neurons on data do"
        found.append(("network.activation", reason, "write a smooth activation"))
    given = problem.data.sampler()
    sampler = sampler_of(given)
    if sampler is not None and not sampler.moves:
        reason = f'how weights of "{problem.data.name}" follow their reduced coordinates is not known'
        found.append(("data.law", reason, "write a sampler that has it in moved, or without embed and reduce"))
    if problem.data.population(given, scaled_activation(problem.network)) is None:
        reason = f'the coupled dynamics need exact gradients, which "{problem.data.name}" does not offer'
        found.append(("data.law", reason, 'write a law with exact gradients, such as "gaussian-mixture"'))
    return found


class _Walk(Campaign[CoupledResult]):
    """All dynamics of one replica, side by side from one save time to the next."""

    PIECES = "save times"
    FAILURES = (StepFailure, ArithmeticError, MemoryError)

    def __init__(
        self,
        configuration: Experiment,
        replica: int,
        progress: Progress,
        started: float,
        stride: int | None,
        budget: float,
    ) -> None:
        super().__init__(None, progress, started)
        progress("reducing the problem", 0.0)
        self.configuration = configuration
        self.problem, self.sgd = build_problem(configuration), build_sgd(configuration, replica, processors() > 1)
        self.first = first_state(configuration, self.problem, self.sgd)
        self.steps = save_steps(configuration)
        self.time = np.array(self.steps) * self.sgd.step_size
        self.stride = self._affordable_stride(budget) if stride is None else stride
        self.rows = _Rows()
        self.left = 0.0

    @property
    def drift(self) -> Drift:
        return Drift(self.sgd, population_of(self.problem, self.sgd, self.first.neurons))

    def _affordable_stride(self, budget: float) -> int:
        """The smallest n for which gradient descent keeps to `budget`, in at least `FEWEST_STEPS` steps.

        Work is counted, not timed: the numbers of a run must not hang on what else the machine does.
        """
        w, count = self.first.w, self.first.neurons
        lengths = np.maximum(np.linalg.norm(w, axis=1), 1e-150)
        near = int((np.abs((w / lengths[:, None]) @ (w / lengths[:, None]).T) > NEAR).sum())
        load = self.steps[-1] * (count * (count + NEURON_WORK) + NEAR_WORK * near) / budget
        return 1 if load <= 1.0 else max(1, min(math.ceil(1.5 * load), self.steps[-1] // FEWEST_STEPS))

    def work(self) -> None:
        """Walk on."""
        flow_times = [self.sgd.schedule.flow_time(t) for t in self.time]
        drift = self.drift
        walks = zip(
            self._nonlinear(flow_times),
            particle_dynamics(drift, self.first, flow_times, PARTICLE_TOLERANCE, self._say("particles")),
            self._descent(self.stride),
            self.sgd.run(self.first, self.steps),
            strict=True,
        )
        for index, ((law_risk, nonlinear), particles, (descent, rough), stochastic) in enumerate(walks):
            self.rows.append(drift, law_risk, (nonlinear, particles, descent, stochastic), rough)
            self.progress(f"coupled dynamics, t = {self.time[index]:.4g}", (index + 1) / len(self.time))

    def done(self) -> tuple[int, int]:
        """Save times."""
        return len(self.rows), len(self.time)

    def failure(self, error: Exception) -> str:
        """After which t, and why; raised on before the first save time after 0."""
        if len(self.rows) < 2:
            raise error
        reason = out_of_memory(error, "fewer sgd.neurons") if isinstance(error, MemoryError) else in_keys(error)
        return f"failed after t = {self.time[len(self.rows) - 1]:.6g}: {reason}"

    def interruption(self) -> str:
        """After which t; raised on before the first save time after 0."""
        if len(self.rows) < 2:
            raise KeyboardInterrupt
        return f"interrupted after t = {self.time[len(self.rows) - 1]:.6g}"

    def answer(self, status: str, message: str) -> CoupledResult:
        """The save times that are reached."""
        table = np.array(self.rows.values)
        doubts = float(table[:, 8].max()), float(table[:, 9].max())
        parameters = self.first.w.shape[1] + self.sgd.trained_coefficients + self.sgd.trained_offsets
        return CoupledResult(
            time=self.time[: len(self.rows)],
            risk=dict(zip(("pde", "nd", "pd", "gd", "sgd"), table.T[:5], strict=True)),
            parameter_curves=dict(zip(("nd_pd", "pd_gd", "gd_sgd"), table.T[5:8], strict=True)),
            rates=predicted_rates(self.first.neurons, self.sgd.step_size, parameters),
            stride=self.stride,
            descent_error=doubts,
            notes=(*_notes(self.stride, doubts), *self._lacking(), *([message] if message else [])),
            replica=self.sgd.replica,
            status=status,
            wall_seconds=self.seconds,
        )

    def _lacking(self) -> Iterator[str]:
        """What the law of the equation lacks."""
        if self.left > LAW_TOLERANCE:
            yield f"the law of the equation is on as many atoms as may be, which leave {self.left:.1e} of its risk"

    def _nonlinear(self, flow_times: list[float]) -> Iterator[tuple[float, SgdState]]:
        """R(rho_t), and the state of ND."""
        problem, tolerance = self.problem, min(LAW_TOLERANCE, self.configuration.solver.tolerance)
        guide = run_guide(problem, self.configuration)
        reduced = problem.represent("tabulated", visited_box(problem, guide), 0.1 * tolerance)
        followers = reduced_positions(self.sgd, self.first, problem.unit)
        law = label_law(problem.initial_law, accuracy=TABLE_SHARE * tolerance)
        scheme = FollowedCharacteristics(reduced.objective, problem.geometry, problem.flow, law, followers, tolerance)
        say = self._say("equation")
        state: State = scheme.initial_state()
        for flow_time in flow_times:
            while state.flow_time < flow_time:
                state = scheme.advance(state, flow_time)
                say(state.flow_time)
            seen = scheme.observe(state)
            if seen.leftover is not None:
                if not math.isfinite(seen.leftover.errors[0]):
                    raise StepFailure(seen.leftover.problem, flow_time, seen.leftover.remedy)
                self.left = max(self.left, seen.leftover.errors[0])
            yield seen.risk, self._network(scheme.neurons(state))

    def _network(self, now: Array) -> SgdState:
        """theta^0 with its reduced coordinates moved to `now`, shape (N, D)."""
        heads = self.problem.unit.coordinates
        own = now.shape[1] - len(heads)
        columns = {head.name: now[:, own + i] for i, head in enumerate(heads)}
        a, b = columns.get("a", self.first.a), columns.get("b", self.first.b)
        return SgdState(0, self.sgd.data.moved(self.first.w, now[:, :own]), a, b)

    def _descent(self, stride: int) -> Iterator[tuple[SgdState, SgdState | None]]:
        """The states of GD, and with a stride the same found from twice the stride.

        Both are extrapolated from PD at the flow times that the steps sum up to. Their difference, about n eps^2,
        is the error of the second one less that of the first.
        """
        drift, first, stops = self.drift, self.first, self.steps
        say = self._say("gradient descent", stops[-1])
        descent = gradient_descent(drift, first, stops, stride, say)
        if stride == 1:
            yield from ((state, None) for state in descent)
            return
        summed = np.concatenate([[0.0], np.cumsum(self.sgd.rates(0, stops[-1]))])[stops]
        limits = particle_dynamics(drift, first, summed.tolist(), PARTICLE_TOLERANCE)
        rough = gradient_descent(drift, first, stops, 2 * stride)
        for limit, one, other in zip(limits, descent, rough, strict=True):
            yield extrapolated(drift, limit, one, stride), extrapolated(drift, limit, other, 2 * stride)

    def _say(self, what: str, end: float | None = None) -> Callable[[float], None]:
        last = self.sgd.schedule.flow_time(self.steps[-1] * self.sgd.step_size) if end is None else end

        def say(reached: float) -> None:
            self.progress(f"coupled dynamics: {what}", min(reached / last, 1.0))

        return say


@dataclass(frozen=True)
class _Rows:
    """Per save time: R of the five, the three distances, and the two doubts of gradient descent."""

    values: list[tuple[float, ...]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.values)

    def append(self, drift: Drift, law_risk: float, states: Sequence[SgdState], rough: SgdState | None) -> None:
        """Record ND, PD, GD and SGD, and GD found from longer steps."""
        population = drift.population
        risks = [population.risk(state.w, state.a, state.b) for state in states]
        moved = [farthest(one, other) for one, other in pairwise(states)]
        doubts = [0.0, 0.0]
        if rough is not None:
            doubts = [abs(population.risk(rough.w, rough.a, rough.b) - risks[2]), farthest(rough, states[2])]
        self.values.append((law_risk, *risks, *moved, *doubts))


def farthest(one: SgdState, other: SgdState) -> float:
    """max_i |theta_i - theta'_i|, theta = (w, a, b)."""
    squares = ((one.w - other.w) ** 2).sum(axis=1) + (one.a - other.a) ** 2 + (one.b - other.b) ** 2
    return float(np.sqrt(squares.max()))


def _notes(stride: int, doubts: tuple[float, float]) -> tuple[str, ...]:
    if stride == 1:
        return ()
    text = f"gradient descent was found from steps {stride} times as long, whose distance from the particle dynamics"
    error = f"left is an error of about {doubts[0]:.1e} in its risk and {doubts[1]:.1e} in its parameters"
    return (f"{text} was divided by {stride}: Euler's error is of order one; {error}",)
