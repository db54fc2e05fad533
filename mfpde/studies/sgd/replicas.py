"""sgd: replicas of one-pass stochastic gradient descent, with exact risk curves, checkpoints and resumption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfpde.configuration.sources import Source, experiment_of
from mfpde.errors import ResultFileError
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.sgd import SgdResult
from mfpde.results.files.netcdf_file import Impossible, held_to
from mfpde.results.files.provenance import provenance
from mfpde.shell.memory import out_of_memory
from mfpde.shell.progress import Progress, silent
from mfpde.shell.tasks import WorkerLost
from mfpde.shell.workers import Workers, number_of, sendable
from mfpde.solvers.arrays import Array
from mfpde.solvers.sgd.devices import ensembles_on
from mfpde.solvers.sgd.state import SgdState
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.threads.processors import processors
from mfpde.studies.run.campaign import Pooled
from mfpde.studies.run.continuation import Earlier, earlier_run
from mfpde.studies.run.output import output_file
from mfpde.studies.sgd.networks import build_ensemble, build_sgd, each, first_state, population_of, reduced_positions
from mfpde.studies.sgd.refusals import refuse, save_notes, save_steps, start_notes, step_notes

TASK_SECONDS, OWN_SECONDS = 20.0, 2.0
"""About the longest a task may take, for a worker and in this process, which an interruption waits for."""
INTERPRETED_SECONDS = 5e-5
"""Seconds that a step takes besides where NumPy makes it, and where it also takes about ten times as long."""


@dataclass(frozen=True)
class Snapshot:
    """What is recorded of a replica at a save time.

    Attributes:
        risk, error: R_N and its standard error, 0 where it is exact.
        position: the neurons in reduced coordinates, shape (N, D).
        watched: what the data law tells beside the risk, by its name.
    """

    risk: float
    error: float
    position: Array
    watched: Mapping[str, float]


def advance_replicas(
    configuration: Experiment,
    replicas: Sequence[int],
    states: Sequence[SgdState] | None,
    stop: int,
    overlap: bool = False,
) -> list[SgdState]:
    """The states of replicas at step `stop`; without states, from theta^0 on."""
    ensemble = build_ensemble(configuration, replicas, overlap)
    if states is None:
        problem = build_problem(configuration)
        states = [first_state(configuration, problem, member) for member in ensemble.members]
    return ensemble.advance(states, stop)


def record(configuration: Experiment, replica: int, state: SgdState) -> Snapshot:
    """Risk and reduced positions of a state."""
    problem, sgd = build_problem(configuration), build_sgd(configuration, replica)
    measured = population_of(problem, sgd, state.neurons).measure(state.w, state.a, state.b)
    position = reduced_positions(sgd, state, problem.unit)
    law = Atoms(position, np.full(len(position), 1.0 / len(position)))
    return Snapshot(*measured, position, {name: watch(law) for name, watch in problem.watches.items()})


@dataclass(frozen=True)
class Stretch:
    """A task: to bring replicas side by side to step `stop`, and to record them where that is a save time.

    Attributes:
        states: where they stand, at one step; None at theta^0.
        overlap: whether the worker has a second processor to draw samples on.
    """

    configuration: Experiment
    replicas: tuple[int, ...]
    states: tuple[SgdState, ...] | None
    stop: int
    recorded: bool
    overlap: bool


Ended = list[tuple[SgdState, Snapshot | None]]
"""The states at the end of a stretch, and what is recorded there."""


def run_stretch(task: Stretch) -> Ended:
    """Make the steps of a stretch."""
    with np.errstate(all="ignore"):
        states = advance_replicas(task.configuration, task.replicas, task.states, task.stop, task.overlap)
        if not task.recorded:
            return [(state, None) for state in states]
        found = each(task.configuration, partial(record, task.configuration), task.replicas, states)
        return list(zip(states, found, strict=True))


class Replicas(Pooled[SgdResult, Stretch, Ended]):
    """All replicas of one configuration: their states, and what is recorded.

    Args:
        workers, scheduler: as `Pooled` takes them.
        overlap: whether each worker has a second processor to draw samples on.
    """

    PIECES = "save times of the replicas"
    FAILURES = (ArithmeticError, ValueError, MemoryError, WorkerLost)
    function = staticmethod(run_stretch)

    def __init__(
        self,
        configuration: Experiment,
        path: Path | None,
        progress: Progress,
        workers: Workers | None = None,
        scheduler: str | None = None,
        overlap: bool = False,
    ) -> None:
        super().__init__(path, progress, workers, scheduler)
        self.configuration = configuration
        self.overlap = overlap
        problem = build_problem(configuration)
        self.names = problem.geometry.names
        self.steps = save_steps(configuration)
        count, options = len(self.steps), configuration.sgd
        self.risk = np.full((options.replicas, count), np.nan)
        self.risk_error = np.full((options.replicas, count), np.nan)
        self.watched = {name: np.full((options.replicas, count), np.nan) for name in problem.watches}
        self.position = np.full((options.replicas, count, options.neurons, len(self.names)), np.nan)
        self.recorded = [0] * options.replicas
        self.states: list[SgdState | None] = [None] * options.replicas
        engine = build_ensemble(configuration, [0]).engine
        notes = "\n".join([*save_notes(configuration), *step_notes(configuration), *start_notes(configuration)])
        self._attributes = {**provenance(configuration), "engine": engine, **({"notes": notes} if notes else {})}

    def restore(self, earlier: Earlier[SgdResult]) -> None:
        """Go on from where an earlier run stood; raises ResultFileError where it left no states."""
        result, checkpoint = earlier.result, earlier.arrays
        try:
            self._hold(result, checkpoint)
        except Impossible as error:
            raise ResultFileError(f"the file to resume {error}; run it again with --force") from None
        for name in ("risk", "position", "risk_error"):
            getattr(self, name)[:, : len(result.time)] = getattr(result, name)
        for name, values in result.watched.items():
            self.watched[name][:, : len(result.time)] = values
        self._attributes |= earlier.marks
        self.earlier_seconds = result.wall_seconds
        for replica in range(len(self.states)):
            self.recorded[replica] = int(np.isfinite(self.risk[replica]).sum())
            if f"step_{replica}" in checkpoint:
                w, a, b = (checkpoint[f"{name}_{replica}"] for name in ("w", "a", "b"))
                self.states[replica] = SgdState(int(checkpoint[f"step_{replica}"][0]), w, a, b)
            elif self.recorded[replica]:
                raise ResultFileError("the file to resume holds no state to go on from; run it again with --force")

    def _hold(self, result: SgdResult, checkpoint: Mapping[str, NDArray[Any]]) -> None:
        """Refuse what these replicas cannot have left; raises Impossible."""
        step_size, count = self.configuration.sgd.step_size, len(result.time)
        held_to(len(result.risk) == len(self.risk) and count <= len(self.steps), "other replicas or times")
        held_to(np.round(result.time / step_size) == self.steps[:count], "other times than were asked for")
        held_to(result.position.shape[2:] == self.position.shape[2:], "other neurons")
        neurons = self.configuration.sgd.neurons
        dimension = build_sgd(self.configuration, 0).coordinates(neurons).dimension
        forms = {"step": (1,), "w": (neurons, dimension), "a": (neurons,), "b": (neurons,)}
        for replica, risk in enumerate(result.risk):
            arrays = {name: checkpoint.get(f"{name}_{replica}") for name in forms}
            if all(array is None for array in arrays.values()):
                continue
            for name, array in arrays.items():
                held_to(array is not None and array.shape == forms[name], f"an array {name} of another form")
                held_to(np.isfinite(np.asarray(array)), f"numbers in {name} that are none")
            index = int(np.isfinite(risk).sum())
            begin, end = [0, *self.steps][index], [*self.steps, self.steps[-1]][index]
            held_to(begin <= int(checkpoint[f"step_{replica}"][0]) <= end, "a state at another step")

    def tasks(self) -> list[Stretch]:
        """The next stretch of every group of replicas that stand at one place."""
        count = self.workers if isinstance(self.workers, int) and self.scheduler is None else len(self.states)
        kind = ensembles_on(self.configuration.sgd.device)
        together = int(min(len(self.states), kind.largest, max(1, len(self.states) // count)))
        places: dict[tuple[int, int], list[int]] = {}
        for replica, state in enumerate(self.states):
            place = self.recorded[replica], -1 if state is None else state.step
            places.setdefault(place, []).append(replica)
        groups = [
            alike[first : first + together] for alike in places.values() for first in range(0, len(alike), together)
        ]
        return [stretch for group in groups for stretch in self._next(tuple(group))]

    def done(self) -> tuple[int, int]:
        """Save times of the replicas."""
        return sum(self.recorded), self.risk.size

    def _next(self, group: tuple[int, ...]) -> list[Stretch]:
        """To the next save time of replicas at one place, or a part of the way there; nothing at the end."""
        recorded = self.recorded[group[0]]
        if recorded == len(self.steps):
            return []
        states = tuple(state for replica in group if (state := self.states[replica]) is not None)
        target = self.steps[recorded]
        if not states:
            return [Stretch(self.configuration, group, None, target, True, self.overlap)]
        ensemble = build_ensemble(self.configuration, group[:1])
        sgd, neurons = ensemble.problem, self.configuration.sgd.neurons
        per_step = ensemble.step_seconds * neurons * sgd.coordinates(neurons).dimension * sgd.per_step
        if ensemble.engine == "numpy":
            per_step = 10.0 * per_step + INTERPRETED_SECONDS
        longest = OWN_SECONDS if self.workers == 1 and self.scheduler is None else TASK_SECONDS
        part = states[0].step + max(1, int(longest / (per_step * len(group))))
        stop = min(target, ensemble.next_boundary(states[0], part)) if part < target else target
        return [Stretch(self.configuration, group, states, stop, stop == target, self.overlap)]

    def keep(self, task: Stretch, part: Ended) -> list[Stretch]:
        """Keep the states and what was recorded; the next stretch of the group."""
        for replica, (state, snapshot) in zip(task.replicas, part, strict=True):
            self.states[replica] = state
            if snapshot is not None:
                self._keep_snapshot(replica, snapshot)
        last = max(self.steps[-1], 1) * len(self.states)
        self.progress(f"step {task.stop}", sum(known.step for known in self.states if known is not None) / last)
        self.checkpoint(piece=task.recorded)
        return self._next(task.replicas)

    def _keep_snapshot(self, replica: int, snapshot: Snapshot) -> None:
        index = self.recorded[replica]
        self.risk[replica, index] = snapshot.risk
        self.risk_error[replica, index] = snapshot.error
        self.position[replica, index] = snapshot.position
        for name, value in snapshot.watched.items():
            self.watched[name][replica, index] = value
        self.recorded[replica] += 1

    def fail(self, task: Stretch, error: Exception) -> None:
        """A replica that fails ends the run."""
        raise error

    def failure(self, error: Exception) -> str:
        """Why, and what to do."""
        if isinstance(error, MemoryError):
            return out_of_memory(error, "fewer sgd.neurons, sgd.replicas, time.save or --workers")
        return str(error) if isinstance(error, WorkerLost) else f"{error}; write a smaller sgd.step_size"

    def answer(self, status: str, message: str) -> SgdResult:
        """What is recorded so far."""
        return SgdResult(
            time=np.array(self.steps) * self.configuration.sgd.step_size,
            risk=self.risk.copy(),
            risk_error=self.risk_error.copy(),
            position=self.position.copy(),
            names=self.names,
            steps=self.steps[-1],
            status=status,
            wall_seconds=self.seconds,
            attributes={**self._attributes, **({"message": message} if message else {})},
            watched={name: values.copy() for name, values in self.watched.items()},
        )

    def write(self, path: Path, answer: SgdResult) -> None:
        """Write it with the states."""
        arrays: dict[str, NDArray[Any]] = {}
        for replica, state in enumerate(self.states):
            if state is not None:
                arrays[f"step_{replica}"] = np.array([state.step], dtype=np.int64)
                arrays |= {f"{name}_{replica}": getattr(state, name) for name in ("w", "a", "b")}
        answer.save(path, arrays)


def sgd(
    source: Source,
    output: str | Path | None = None,
    *,
    resume: bool = False,
    force: bool = False,
    workers: Workers | None = None,
    scheduler: str | None = None,
    progress: Progress = silent,
    **given: Any,
) -> SgdResult:
    """One-pass SGD of the network that a source describes, `sgd.replicas` times.

    Args:
        source: a preset's name, the path of a TOML file, an experiment, or a problem made in Python.
        output: result file, also the checkpoint; an existing one is kept unless `force` or `resume`.
        resume: go on from `output`, which must come from the same configuration; bit-identical to one run. `time.end`
            may be later: save times of before stay.
        workers: processes, one thread each, None for one per replica and processor; or an executor. Where twice as
            many processors as processes are there, each draws samples on a second one. What was made in Python of
            functions without a name stays in this process.
        scheduler: address of a dask scheduler whose workers take the replicas instead.
        progress: called with a line of text and the fraction of the work done.
        given: overrides=, use=, and keys of [time], [solver] and [sgd], as `experiment_of` takes them.

    Raises:
        ConfigurationError: what SGD cannot do, or another configuration than that of the file to resume.
        ResultFileError: the file to resume is damaged or foreign.
        OutputError: `output` cannot be written (RunOutputError: during the run).
    """
    configuration = experiment_of(source, **given)
    refuse(configuration, workers=1 if scheduler else workers, saved=output is not None)
    with output_file(output, resume=resume, force=force) as path:
        earlier = earlier_run(path, configuration, SgdResult) if resume and path is not None else None
        if earlier is not None and earlier.finished:
            return earlier.result
        count = number_of(workers, configuration.sgd.replicas)
        count = count if isinstance(count, Executor) or sendable(configuration) else 1
        count = 1 if ensembles_on(configuration.sgd.device).alone else count
        overlap = isinstance(count, int) and scheduler is None and 2 * count <= processors()
        if earlier is None:
            return Replicas(configuration, path, progress, count, scheduler, overlap).complete()
        run = Replicas(earlier.configuration, path, progress, count, scheduler, overlap)
        run.restore(earlier)
        return run.complete()
