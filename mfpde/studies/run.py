"""One run of a scheme and its coarser companion, side by side from save time to save time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfpde.results.errors import OutputError, ResultFileError, RunOutputError
from mfpde.results.netcdf import Checkpoint, save
from mfpde.results.solve_result import Attribute, SolveResult
from mfpde.schemes import Schemes
from mfpde.solvers.flow import Schedule
from mfpde.solvers.time_loop import Scheme, State, StepFailure, integrate
from mfpde.studies.trajectory import Trajectory, pack_state, restored, risk_error, unpack_state

Progress = Callable[[str, float], None]
CHECKPOINT_SECONDS = 60.0
# More often, at save times, where writing takes less than this share of the run.
CHECKPOINT_SHARE = 0.05


AUDITS = 24


def silent(text: str, fraction: float = 0.0) -> None:
    """Progress that nobody watches."""


class Run:
    """The states of the schemes and the trajectory so far; `complete` computes what is missing.

    Attributes:
        path: where checkpoints and the result go, None to write nothing.
        progress: called with a line of text and the fraction of the flow time done.
        started: the monotonic clock when the work began, before the problem was built.
    """

    def __init__(
        self,
        schemes: Schemes,
        names: tuple[str, ...],
        times: Sequence[float],
        schedule: Schedule,
        attributes: Mapping[str, Attribute],
        path: Path | None = None,
        progress: Progress = silent,
        started: float | None = None,
        longest_step: float = math.inf,
    ) -> None:
        self.path = path
        self.progress = progress
        self._times = tuple(times)
        self._schedule = schedule
        self._targets = [schedule.flow_time(time) for time in times]
        self._stops = _stops(self._targets, AUDITS if schemes.companion else 0)
        self._audit: list[tuple[float, float]] = []
        self._longest = longest_step
        self._error_floor = schemes.error_floor
        self._schemes: dict[str, Scheme] = {"main": schemes.main}
        if schemes.companion is not None:
            self._schemes["companion"] = schemes.companion
        self._states = {role: scheme.initial_state() for role, scheme in self._schemes.items()}
        self._trajectory = Trajectory(names)
        self._attributes = {**attributes, **schemes.attributes}
        if schemes.notes:
            self._attributes["notes"] = "\n".join(schemes.notes)
        self._started = monotonic() if started is None else started
        self._checkpointed = monotonic()
        self._earlier_seconds = self._write_seconds = 0.0

    def restore(self, result: SolveResult, checkpoint: Checkpoint) -> None:
        """Go on from where an earlier run stood; raises ResultFileError where it left no state."""
        states = {role: unpack_state(role, checkpoint) for role in self._schemes}
        missing = [role for role, state in states.items() if state is None]
        if missing or "audit" not in checkpoint:
            raise ResultFileError("the file to resume holds no state to go on from; run it again with --force")
        self._states = {role: state for role, state in states.items() if state is not None}
        self._trajectory = restored(result)
        self._audit = [(float(time), float(gap)) for time, gap in checkpoint["audit"]]
        self._earlier_seconds = result.wall_seconds

    def complete(self) -> SolveResult:
        """Compute and record the missing save times; an interruption or a failed step keeps what is there."""
        status = "success"
        try:
            while len(self._audit) < len(self._stops):
                self._reach(self._stops[len(self._audit)])
        except KeyboardInterrupt:
            status = "interrupted"
            done = f"{len(self._trajectory)} of {len(self._times)} save times"
            self._attributes["message"] = f"interrupted after {done}; continue with --resume"
        except StepFailure as failure:
            status = "failed"
            self._attributes["message"] = f"t = {self._schedule.time(failure.flow_time):.6g}: {failure}"
        result = self._result(status)
        if self.path is not None and len(self._trajectory):
            self._write(self.path, result)
        return result

    def _reach(self, stop: float) -> None:
        """Bring both schemes to a stop, compare their risks, and record a save time that is due there."""
        for role, scheme in self._schemes.items():

            def keep(state: State, role: str = role) -> None:
                self._states[role] = state
                self._report(role, state)
                if monotonic() - self._checkpointed >= CHECKPOINT_SECONDS:
                    self._checkpoint()

            integrate(scheme, self._states[role], [stop], lambda index, state: None, keep, self._longest)
        observation = self._schemes["main"].observe(self._states["main"])
        gap = 0.0
        if "companion" in self._schemes:
            gap = abs(observation.risk - self._schemes["companion"].observe(self._states["companion"]).risk)
        index = len(self._trajectory)
        due = index < len(self._targets) and self._targets[index] == stop
        if due:
            self._trajectory.append(self._times[index], observation)
        self._audit.append((stop, gap))
        since = monotonic() - self._checkpointed
        if due and index + 1 < len(self._times) and self._write_seconds <= CHECKPOINT_SHARE * since:
            self._checkpoint()

    def _report(self, role: str, state: State) -> None:
        if role == "main":
            fraction = state.flow_time / self._targets[-1]
            self.progress(f"t = {self._schedule.time(state.flow_time):.4g}", fraction)

    def _result(self, status: str) -> SolveResult:
        wall_seconds = self._earlier_seconds + monotonic() - self._started
        name = self._schemes["main"].name
        errors = risk_error(self._targets[: len(self._trajectory)], self._audit, self._error_floor)
        return self._trajectory.result(errors, name, status, wall_seconds, self._attributes)

    def _checkpoint(self) -> None:
        if self.path is None or not len(self._trajectory):
            return
        before = monotonic()
        self._write(self.path, self._result("running"))
        self._checkpointed = monotonic()
        self._write_seconds = self._checkpointed - before

    def _write(self, path: Path, result: SolveResult) -> None:
        arrays: dict[str, NDArray[Any]] = {"audit": np.array(self._audit)}
        for role, state in self._states.items():
            arrays |= pack_state(role, state)
        try:
            save(result, path, arrays)
        except OutputError as error:
            raise RunOutputError(str(error)) from None


def _stops(targets: Sequence[float], count: int) -> list[float]:
    """The save times in flow time, and `count` audits in geometric progression between them.

    At every stop the risks of the scheme and its companion are compared, so that the estimated error at a save time
    does not hang on a difference that crosses zero there.
    """
    end = max(targets)
    audits = [end * 10.0 ** (-4.0 * index / count) for index in range(1, count + 1)] if end > 0 else []
    return sorted({*targets, *audits})
