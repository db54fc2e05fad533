"""One run of a scheme and its coarser companion, side by side from save time to save time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfpde.errors import ConfigurationError, ResultFileError, in_keys
from mfpde.experiment import Experiment
from mfpde.problem.problem import Problem
from mfpde.results.answers.solve import Array, SolveResult
from mfpde.results.files.netcdf_file import Attribute, Checkpoint, Impossible, held_to
from mfpde.results.files.provenance import provenance
from mfpde.schemes.choice import scheme_of
from mfpde.schemes.pair import Pair
from mfpde.shell.memory import out_of_memory
from mfpde.shell.process import uninterrupted
from mfpde.shell.progress import Progress, heard, say
from mfpde.solvers.flow.time_loop import Observation, State, StepFailure, integrate
from mfpde.solvers.space.measure import Measure
from mfpde.studies.run.arithmetic import ARITHMETIC
from mfpde.studies.run.campaign import Campaign
from mfpde.studies.run.checkpoint import hold_audit, hold_state, pack_state, unpack_state
from mfpde.studies.run.cost import Costs, schemes_of, told
from mfpde.studies.run.energy import balance_warning, margin_stands, margin_verdict, rest_level, stationary_verdict
from mfpde.studies.run.estimated import ENERGIES, Estimated
from mfpde.studies.run.trajectory import Trajectory, estimated_error, restored

AUDITS = 24
# The time at which a run until stationary stops is then known to 4 %.
STATIONARY_AUDITS = 240
# Steps of the runs beside, where a length limits those of the main one.
LONGER = 2.0
# Stops nearer to a save time than this share of it are left out.
APART = 1e-6
MAXIMUM_BYTES = 2**31 - 2**16


class Run(Campaign[SolveResult]):
    """The states of the schemes and the trajectory so far; `complete` computes what is missing.

    No step is longer than `solver.step`, in flow time. With `time.stationary_tolerance` the run stops at the first stop
    where D, per unit of flow time, is not above it.

    Args:
        pair: the scheme and its companion; `scheme` is its name.
        problem, experiment: what is solved, and recorded of where it comes from.
        path, progress, started: as `Campaign` takes them.
        marks: attributes of a run that goes on beyond the end it once had.

    Raises:
        ConfigurationError: too much to save.
    """

    PIECES = "save times"
    FAILURES = (StepFailure, MemoryError, *ARITHMETIC)

    def __init__(
        self, pair: Pair, scheme: str, problem: Problem, experiment: Experiment, path: Path | None, progress: Progress,
        started: float, marks: Mapping[str, Attribute] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(path, progress, started)
        self._less = scheme_of(experiment).less
        self._scheme, self._schedule, self._free = scheme, problem.flow.schedule, problem.flow.free
        self._times = experiment.time.save_times
        self._targets = [self._schedule.flow_time(time) for time in self._times]
        self._stationary_tolerance = experiment.time.stationary_tolerance
        until_margin, by_all = experiment.time.until == "margin", problem.flow.mobility.w > 0.0
        self._margin = ("margin" if by_all else "kernel_margin") if until_margin else None
        # D per unit of ∫xi, which the flow of scaled outputs takes alpha^2 times as long for
        self._slower = problem.flow.scale**2
        self._recedes, self._level = problem.data.recedes, 0.0
        audits = AUDITS if pair.companion else 0
        count = audits if self._stationary_tolerance is None else STATIONARY_AUDITS
        self._stops = _stops(self._targets, count, pair.fixed_step)
        # flow time, differences of the numbers that are told, and D
        self._audit: list[tuple[float, ...]] = []
        self._costs, self._foretold = Costs(problem.geometry.dimension), False
        self._longest = (experiment.solver.step or math.inf) if pair.fixed_step is None else math.inf
        self._estimated = Estimated(problem.geometry, problem.watches)
        self._floors = np.zeros(self._estimated.count)
        self._floors[: len(ENERGIES)] = pair.error_floor, pair.error_floor, pair.dissipation_floor
        self._floors[self._estimated.count - len(problem.watches) :] = pair.error_floor
        self._apart, self._stride = pair.apart, pair.stride
        self._energy_from = pair.energy_from
        self._schemes = schemes_of(pair)
        shares = () if pair.companion is None else (pair.share, *(share for _, share in pair.further))
        self._shares = dict(zip(list(self._schemes)[1:], shares, strict=True))
        self._states = {role: scheme.initial_state() for role, scheme in self._schemes.items()}
        start = pair.main.observe(self._states["main"])
        law, self._initial_energy = start.law, start.free_energy
        _refuse_too_much(len(self._times), law)
        self._trajectory = Trajectory(
            problem.geometry.names, edges=law.edges, statistics=problem.geometry.statistics, watches=problem.watches
        )
        self._marks = dict(marks or {})
        self._attributes = {**provenance(experiment), **pair.attributes, **_kinds(problem), **self._marks}
        if pair.notes:
            self._attributes["notes"] = "\n".join(pair.notes)

    def restore(self, result: SolveResult, checkpoint: Checkpoint) -> None:
        """Go on from where an earlier run stood; raises ResultFileError where it left no state."""
        states = {role: unpack_state(role, checkpoint) for role in self._schemes}
        audit = checkpoint.get("audit")
        if audit is None or None in states.values():
            raise ResultFileError("the file to resume holds no state to go on from; run it again with --force")
        if self._marks:
            # stops follow from the end: those of before stay
            before = [float(stop) for stop in audit[:, 0]] if audit.ndim == 2 else []
            self._stops = [*before, *(stop for stop in self._stops if not before or stop > before[-1])]
        try:
            self._hold(result, audit, {role: state for role, state in states.items() if state is not None})
        except Impossible as error:
            raise ResultFileError(f"the file to resume {error}; run it again with --force") from None
        self._states = {role: state for role, state in states.items() if state is not None}
        self._trajectory = restored(result, self._trajectory.watches)
        self._audit = [tuple(row) for row in audit.tolist()]
        self._level = self._level_at(self._schemes["main"].observe(self._states["main"]))
        self.earlier_seconds = result.wall_seconds

    def _hold(self, result: SolveResult, audit: NDArray[Any], states: Mapping[str, State]) -> None:
        """Refuse what this run cannot have left; raises Impossible."""
        hold_audit(audit, self._estimated.count + 2, self._stops)
        reached = self._stops[: len(audit)]
        begin, end = ([0.0, *reached][-1], [*self._stops[len(audit) :], self._stops[-1]][0])
        for role, scheme in self._schemes.items():
            hold_state(scheme, self._states[role], states[role], begin, end, self._free)
        recorded = sum(target in reached for target in self._targets)
        held_to(recorded <= len(result.time) <= recorded + 1, "other times than were reached")
        held_to(np.asarray(self._times[:recorded]) == result.time[:recorded], "other times than were asked for")

    def work(self) -> None:
        """Reach the stops that are left."""
        while len(self._audit) < len(self._stops) and not self._at_rest:
            self._reach(self._stops[len(self._audit)])
            if not self._foretold and heard(self.progress) and self._costs.known(self._schemes):
                self._foretell()

    def _foretell(self) -> None:
        """Say what the run takes where that is long, once enough steps were seen."""
        self._foretold = True
        left = self._costs.left(self._schemes, self._states, self._targets[-1], self._longest)
        say(self.progress, told(left, self._less))

    def done(self) -> tuple[int, int]:
        """Save times."""
        return len(self._trajectory), len(self._times)

    def failure(self, error: Exception) -> str:
        """At which t, and what to do."""
        if isinstance(error, StepFailure):
            return f"t = {self._schedule.time(error.flow_time):.6g}: {in_keys(error)}"
        time = self._schedule.time(min(state.flow_time for state in self._states.values()))
        if isinstance(error, MemoryError):
            return f"t = {time:.6g}: {out_of_memory(error, self._less)}"
        problem = f"a number left the range of floating point ({error})"
        return f"t = {time:.6g}: {problem}; write a smaller solver.step, or values of moderate size"

    def _reach(self, stop: float) -> None:
        """Bring both schemes to a stop, compare their risks, and record a save time that is due there."""
        begin = self._audit[-1][0] if self._audit else 0.0
        for role, scheme in self._schemes.items():

            def keep(state: State, role: str = role) -> None:
                self._costs.step(role)
                self._states[role] = state
                self._report(role, state)
                self.checkpoint()
                self._costs.begin()

            self._costs.begin()
            # a coarser run under the same limit would share the error of its steps
            longest = self._longest if role == "main" else min(LONGER * self._longest, self._stride * (stop - begin))
            integrate(scheme, self._states[role], [stop], lambda index, state: None, keep, longest)
        observation = self._schemes["main"].observe(self._states["main"])
        leftover = observation.leftover
        if leftover is not None and not np.isfinite(leftover.errors).all():
            raise StepFailure(leftover.problem, stop, leftover.remedy)
        gaps = self._gaps(observation)
        index = len(self._trajectory)
        due = index < len(self._targets) and self._targets[index] == stop
        with uninterrupted():
            self._audit.append((stop, *gaps, observation.dissipation))
            self._level = self._level_at(observation)
            if due or self._at_rest:
                time = self._times[index] if due else self._schedule.time(stop)
                self._trajectory.append(time, observation, self._schedule.rate(time), self._initial_energy)
        if due and index + 1 < len(self._times):
            self.checkpoint(piece=True)

    def _gaps(self, observation: Observation) -> tuple[float, ...]:
        """What is said of the errors of all that is told.

        Of what the runs beside say the largest, and what the law lacks; without any, moments have none.
        """
        lacking = self._estimated.lacking(observation)
        if self._apart is not None and self._shares:
            apart = self._apart(observation, self._states["companion"], self._estimated)
            return tuple(np.maximum(lacking, apart).tolist())
        told, gaps = self._estimated(observation), lacking
        gaps[len(ENERGIES) :] += 0.0 if self._shares else math.nan
        for role, share in self._shares.items():
            other = self._schemes[role].observe(self._states[role])
            gaps = np.maximum(gaps, share * np.abs(told - self._estimated(other)))
        if observation.leftover is not None:
            gaps[: len(ENERGIES)] += observation.leftover.errors
        return tuple(gaps.tolist())

    @property
    def _at_rest(self) -> bool:
        """Whether the run stopped where D is small, or the margin stands."""
        if self._margin is not None:
            return len(self._trajectory) > 0 and margin_stands(*self._margins)
        return (
            self._stationary_tolerance is not None
            and len(self._audit) > 0
            and self._audit[-1][-1] / self._slower <= self._level
        )

    @property
    def _margins(self) -> tuple[list[float], list[float]]:
        """The save times so far, and the normalised margins there."""
        rows = self._trajectory.rows
        return rows["time"], rows[self._margin or ""]

    def _level_at(self, observation: Observation) -> float:
        """The D at which the law rests."""
        return rest_level(self._stationary_tolerance or 0.0, observation.risk, self._recedes)

    def _report(self, role: str, state: State) -> None:
        if role == "main":
            fraction = state.flow_time / self._targets[-1]
            self.progress(f"t = {self._schedule.time(state.flow_time):.4g}", fraction)

    @property
    def _audited(self) -> Array:
        """The audit so far, a row per stop."""
        return np.array(self._audit, dtype=float).reshape(-1, self._estimated.count + 2)

    def answer(self, status: str, message: str) -> SolveResult:
        """The trajectory so far; in the end with what its energy says of it."""
        flow_times = self._targets[: len(self._trajectory)]
        if self._at_rest:
            flow_times[-1] = self._audit[-1][0]
        audit = self._audited
        errors = self._estimated.by_name(estimated_error(flow_times, audit[:, 0], audit[:, 1:-1], self._floors))
        rates = np.array([self._schedule.rate(time) for time in self._trajectory.rows["time"][: len(flow_times)]])
        errors["dissipation_error"] = errors["dissipation_error"] * np.where(np.isfinite(rates), rates, np.nan)
        errors["free_energy_error"][np.array(flow_times) <= self._energy_from] = math.inf
        attributes = {**self._attributes, **({"message": message} if message else {})}
        found = self._trajectory.result(errors, self._scheme, status, self.seconds, attributes)
        return found if status == "running" else self._judged(found)

    def _judged(self, result: SolveResult) -> SolveResult:
        """The result with what its energy says of it."""
        said = [result.message] if result.message else []
        notes = [str(result.attributes["notes"])] if "notes" in result.attributes else []
        if self._stationary_tolerance is not None and result.status == "success":
            time, *_, dissipation = self._audit[-1]
            verdict = stationary_verdict(
                self._schedule.time(time), dissipation / self._slower, self._stationary_tolerance, self._level
            )
            said.append(verdict)
        if self._margin is not None and result.status == "success":
            said.append(margin_verdict(*self._margins))
        warning = balance_warning(result)
        if warning is not None:
            said.append(warning)
            notes.append(warning)
        texts = {"message": "\n".join(said), "notes": "\n".join(notes)}
        return replace(result, attributes={**result.attributes, **{key: text for key, text in texts.items() if text}})

    def write(self, path: Path, answer: SolveResult) -> None:
        """Write the trajectory, the states of the schemes and the audit."""
        arrays: dict[str, NDArray[Any]] = {
            "audit": np.array(self._audit, dtype=float).reshape(-1, self._estimated.count + 2)
        }
        for role, state in self._states.items():
            arrays |= pack_state(role, state)
        answer.save(path, arrays)


def _kinds(problem: Problem) -> dict[str, Attribute]:
    """What files say of the mass and the coordinates where these are not the usual ones."""
    free: dict[str, Attribute] = {"mass": "free"} if problem.flow.free else {}
    axes = zip(problem.geometry.names, problem.geometry.axes, strict=True)
    return free | {f"period_{name}": axis.period for name, axis in axes if axis.period is not None}


def _stops(targets: Sequence[float], count: int, step: float | None = None) -> list[float]:
    """The save times in flow time, and up to `count` audits in geometric progression between them.

    At every stop the risks of the scheme and its companion are compared, so that the estimated error at a save time
    does not hang on a difference that crosses zero there. Audits do not cut the steps of a fixed length `step`.
    """
    end = max(targets)
    audits = [end * 10.0 ** (-4.0 * index / count) for index in range(1, count + 1)] if end > 0 else []
    if step is not None:
        before = [max((target for target in targets if target < audit), default=0.0) for audit in audits]
        audits = [start + step * round((audit - start) / step) for start, audit in zip(before, audits, strict=True)]
    apart = [audit for audit in audits if all(abs(audit - target) > APART * target for target in targets)]
    return sorted({*targets, *(audit for audit in apart if 0.0 < audit < end)})


def _refuse_too_much(count: int, law: Measure) -> None:
    """Raise ConfigurationError where the laws at `count` save times exceed what one NetCDF-3 variable holds."""
    numbers = law.points.size if law.edges is None else law.weights.size
    if not (8 * numbers * count <= MAXIMUM_BYTES):
        most = max(MAXIMUM_BYTES // (8 * numbers), 1)
        problem = f"time.save: {count} times of {numbers} numbers each exceed the 2 GB of one variable of a result file"
        raise ConfigurationError([f"{problem}; write at most {most} times, or fewer cells or atoms"])
