"""sgd: replicas of one-pass stochastic gradient descent, with exact risk curves, checkpoints and resumption."""

from __future__ import annotations

import math
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfpde.errors import ConfigurationError, OutputError, ResultFileError, RunOutputError
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.sgd import SgdResult
from mfpde.results.files.provenance import provenance
from mfpde.shell.process import uninterrupted
from mfpde.shell.workers import default_workers, executor, processors
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.risk import network_risk
from mfpde.solvers.sgd.engine import LARGEST_GRAM_BATCH, SgdState
from mfpde.studies.run.outputs import earlier_run, output_file
from mfpde.studies.run.run import Progress, silent
from mfpde.studies.sgd.networks import build_sgd, first_state, reduced_positions

CHECKPOINT_SECONDS = 60.0
MAXIMUM_BYTES = 2**31 - 2**16
MOST_STEPS = 10**12
TASK_SECONDS = 20.0
"""About the longest a task may take, so that an interruption keeps what was computed."""
STEP_SECONDS = 5e-9
"""Seconds a step takes per parameter, to guess the length of a task."""


@dataclass(frozen=True)
class Snapshot:
    """What is recorded of a replica at a save time: R_N, and the neurons in reduced coordinates, shape (N, D)."""

    risk: float
    position: Array


def refuse(configuration: Experiment) -> None:
    """Raise ConfigurationError with everything that SGD cannot do."""
    problems = []
    if configuration.data.sampler() is None:
        problems.append(configuration.data.sampler_refusal)
    if configuration.dynamics.flow != "wasserstein":
        remedy = 'write flow = "wasserstein", or solve it with scheme = "particles"'
        problems.append(f"dynamics.flow: SGD moves neurons and has no birth and death; {remedy}")
    last = save_steps(configuration)[-1]
    if not (last >= 1):
        problems.append("sgd.step_size: larger than time.end; write a smaller step")
    if not (last <= MOST_STEPS):
        problems.append(f"sgd.step_size: more than {MOST_STEPS:.0e} steps to time.end; write a larger step")
    if configuration.sgd.state == "gram":
        problems += _gram_problems(configuration)
    size = configuration.sgd.replicas * configuration.sgd.neurons * len(configuration.time.save_times) * 4
    if not (8 * size <= MAXIMUM_BYTES):
        problems.append("time.save: the neurons at all times exceed the 2 GB of one variable; save fewer times")
    if problems:
        raise ConfigurationError(problems, configuration)


def _gram_problems(configuration: Experiment) -> list[str]:
    problems = []
    if math.isfinite(configuration.dynamics.inverse_temperature):
        remedy = 'write state = "weights", or inverse_temperature = inf'
        problems.append(f"sgd.state: noise moves the neurons out of the space they span; {remedy}")
    if not (configuration.sgd.batch <= LARGEST_GRAM_BATCH):
        remedy = f'write state = "weights", or batch = {LARGEST_GRAM_BATCH} or less'
        problems.append(f'sgd.batch: state = "gram" holds all inner products of a batch; {remedy}')
    return problems


def save_steps(configuration: Experiment) -> list[int]:
    """The steps k at which a replica is recorded: those nearest to the save times, each once."""
    return sorted({round(time / configuration.sgd.step_size) for time in configuration.time.save_times})


def advance_replica(
    configuration: Experiment, replica: int, state: SgdState | None, stop: int, overlap: bool = False
) -> SgdState:
    """The state of a replica at step `stop`; without a state, from theta^0 on."""
    sgd = build_sgd(configuration, replica, overlap)
    if state is None:
        state = first_state(configuration, build_problem(configuration), sgd)
    return sgd.advance(state, stop)


def record(configuration: Experiment, replica: int, state: SgdState, names: tuple[str, ...]) -> Snapshot:
    """Exact risk and reduced positions of a state."""
    sgd = build_sgd(configuration, replica)
    risk = network_risk(sgd.coordinates(state.neurons), sgd.unit, state.w, state.a, state.b)
    return Snapshot(risk, reduced_positions(sgd, state, names))


def _task(
    configuration: Experiment,
    replica: int,
    state: SgdState | None,
    stop: int,
    recorded: bool,
    names: tuple[str, ...],
    overlap: bool,
) -> tuple[SgdState, Snapshot | None]:
    """Advance a replica, and record it where a save time is reached."""
    with np.errstate(all="ignore"):
        following = advance_replica(configuration, replica, state, stop, overlap)
        return following, record(configuration, replica, following, names) if recorded else None


class Replicas:
    """All replicas of one configuration: their states, what is recorded, and the loop that brings them to the end.

    Args:
        overlap: whether each worker has a second processor to draw samples on.
    """

    def __init__(self, configuration: Experiment, path: Path | None, progress: Progress, overlap: bool = False) -> None:
        self.configuration = configuration
        self.overlap = overlap
        self.path = path
        self.progress = progress
        self.names = build_problem(configuration).geometry.names
        self.steps = save_steps(configuration)
        count, options = len(self.steps), configuration.sgd
        self.risk = np.full((options.replicas, count), np.nan)
        self.position = np.full((options.replicas, count, options.neurons, len(self.names)), np.nan)
        self.done = [0] * options.replicas
        self.states: list[SgdState | None] = [None] * options.replicas
        self.message = ""
        self._attributes = provenance(configuration)
        self._started = self._checkpointed = monotonic()
        self._earlier = 0.0

    def restore(self, result: SgdResult, checkpoint: dict[str, NDArray[Any]]) -> None:
        """Go on from where an earlier run stood; raises ResultFileError where it left no states."""
        self.risk[:], self.position[:] = result.risk, result.position
        self._earlier = result.wall_seconds
        for replica in range(len(self.states)):
            self.done[replica] = int(np.isfinite(self.risk[replica]).sum())
            if f"step_{replica}" in checkpoint:
                w, a, b = (checkpoint[f"{name}_{replica}"] for name in ("w", "a", "b"))
                self.states[replica] = SgdState(int(checkpoint[f"step_{replica}"][0]), w, a, b)
            elif self.done[replica]:
                raise ResultFileError("the file to resume holds no state to go on from; run it again with --force")

    def complete(self, pool: Executor) -> SgdResult:
        """Compute what is missing; an interruption or a failure keeps what is there."""
        status = "success"
        waiting: dict[Future[Any], int] = {}
        try:
            for replica in range(len(self.states)):
                self._submit(pool, replica, waiting)
            while waiting:
                finished, _ = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
                for future in finished:
                    state, snapshot = future.result()
                    self._take(waiting.pop(future), state, snapshot, pool, waiting)
        except KeyboardInterrupt:
            status, self.message = "interrupted", "interrupted; continue with --resume"
            if self.path is None:
                self.message = "interrupted; nothing was written: name a file with -o to be able to continue"
        except (ArithmeticError, ValueError) as error:
            status, self.message = "failed", f"{error}; write a smaller sgd.step_size"
        for future in waiting:
            future.cancel()
        with uninterrupted():
            result = self._result(status)
            if self.path is not None:
                self._write(result)
        return result

    def _submit(self, pool: Executor, replica: int, waiting: dict[Future[Any], int]) -> None:
        """Ask for the replica's next stretch: to its next save time, or a part of the way there."""
        if self.done[replica] == len(self.steps):
            return
        state = self.states[replica]
        now = -1 if state is None else state.step
        target = self.steps[self.done[replica]]
        sgd = build_sgd(self.configuration, replica)
        neurons = self.configuration.sgd.neurons
        per_step = STEP_SECONDS * neurons * sgd.coordinates(neurons).dimension * sgd.batch
        part = now + max(1, int(TASK_SECONDS / per_step))
        stop = target
        if state is not None and part < target:
            stop = min(target, sgd.next_boundary(state, part))
        recorded = stop == target
        future = pool.submit(_task, self.configuration, replica, state, stop, recorded, self.names, self.overlap)
        waiting[future] = replica

    def _take(
        self,
        replica: int,
        state: SgdState,
        snapshot: Snapshot | None,
        pool: Executor,
        waiting: dict[Future[Any], int],
    ) -> None:
        """Keep what a task returned, write a checkpoint where one is due, and go on."""
        self.states[replica] = state
        if snapshot is not None:
            index = self.done[replica]
            self.risk[replica, index], self.position[replica, index] = snapshot.risk, snapshot.position
            self.done[replica] += 1
        last = max(self.steps[-1], 1) * len(self.states)
        done = sum(known.step for known in self.states if known is not None)
        self.progress(f"step {state.step}", done / last)
        if self.path is not None and monotonic() - self._checkpointed >= CHECKPOINT_SECONDS:
            self._write(self._result("running"))
            self._checkpointed = monotonic()
        self._submit(pool, replica, waiting)

    def _result(self, status: str) -> SgdResult:
        attributes = {**self._attributes, **({"message": self.message} if self.message else {})}
        return SgdResult(
            time=np.array(self.steps) * self.configuration.sgd.step_size,
            risk=self.risk.copy(),
            position=self.position.copy(),
            names=self.names,
            steps=self.steps[-1],
            status=status,
            wall_seconds=self._earlier + monotonic() - self._started,
            attributes=attributes,
        )

    def _write(self, result: SgdResult) -> None:
        arrays: dict[str, NDArray[Any]] = {}
        for replica, state in enumerate(self.states):
            if state is not None:
                arrays[f"step_{replica}"] = np.array([state.step], dtype=np.int64)
                arrays |= {f"{name}_{replica}": getattr(state, name) for name in ("w", "a", "b")}
        assert self.path is not None
        try:
            result.save(self.path, arrays)
        except OutputError as error:
            raise RunOutputError(str(error)) from None


def sgd(
    configuration: Experiment,
    output: str | Path | None = None,
    *,
    resume: bool = False,
    force: bool = False,
    workers: int | None = None,
    progress: Progress = silent,
) -> SgdResult:
    """One-pass SGD of the network that `configuration` describes, `sgd.replicas` times.

    Args:
        configuration: what to run.
        output: result file, also the checkpoint; an existing one is kept unless `force` or `resume`.
        resume: go on from `output`, which must come from the same configuration; bit-identical to one run.
        workers: processes, one thread each; None for one per replica and processor. Where twice as many processors
            are there, each draws samples on a second one.
        progress: called with a line of text and the fraction of the work done.

    Raises:
        ConfigurationError: what SGD cannot do, or another configuration than that of the file to resume.
        ResultFileError: the file to resume is damaged or foreign.
        OutputError: `output` cannot be written (RunOutputError: during the run).
    """
    refuse(configuration)
    with output_file(output, resume=resume, force=force) as path, ExitStack() as held:
        earlier = earlier_run(path, configuration, SgdResult) if resume and path is not None else None
        if earlier is not None and earlier[0].status == "success":
            return earlier[0]
        count = default_workers(configuration.sgd.replicas) if workers is None else workers
        count = min(count, configuration.sgd.replicas)
        run = Replicas(configuration, path, progress, overlap=2 * count <= processors())
        if earlier is not None:
            run.restore(*earlier)
        return run.complete(held.enter_context(executor(count)))
