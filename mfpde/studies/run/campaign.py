"""What is computed for long: one loop of work, checkpoints, interruption, failure and the last word."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic
from typing import ClassVar, Generic, TypeVar

from mfpde.errors import OutputError, RunOutputError
from mfpde.results.answer import Answer
from mfpde.shell.process import interruptions, uninterrupted
from mfpde.shell.progress import Progress
from mfpde.shell.tasks import distribute
from mfpde.shell.workers import Workers

CHECKPOINT_SECONDS = 60.0
# More often, where a piece is done, if writing takes less than this share of the time.
CHECKPOINT_SHARE = 0.05
Found = TypeVar("Found", bound=Answer)
Task = TypeVar("Task")
Part = TypeVar("Part")


class Campaign(ABC, Generic[Found]):
    """Work in pieces, of which what is done is kept, in a file too, and can be gone on from.

    A subclass says how the work is done (`work`), what is known so far (`answer`), and how it is written (`write`).

    Attributes:
        path: where checkpoints and the answer go; None to write nothing.
        progress: called with a line of text and the fraction done.
        started: the monotonic clock when the work began.
        earlier_seconds: time that an earlier part took.
        PIECES: what the pieces are called.
        PLACE: what `path` is, or is in.
        FAILURES: what may end the work, whose answer then holds what was done before.
    """

    PIECES: ClassVar[str] = "pieces"
    PLACE: ClassVar[str] = "file"
    FAILURES: ClassVar[tuple[type[Exception], ...]] = ()

    def __init__(self, path: Path | None, progress: Progress, started: float | None = None) -> None:
        self.path = path
        self.progress = progress
        self.started = monotonic() if started is None else started
        self.earlier_seconds = 0.0
        self._checkpointed = monotonic()
        self._write_seconds = 0.0

    @abstractmethod
    def work(self) -> None:
        """Do what is left."""

    @abstractmethod
    def answer(self, status: str, message: str) -> Found:
        """What is known so far; `message` is empty where all went well."""

    @abstractmethod
    def done(self) -> tuple[int, int]:
        """How many pieces are done, of how many."""

    def write(self, path: Path, answer: Found) -> None:
        """Write an answer, with what it takes to go on from it; raises OutputError."""
        answer.save(path)

    def failure(self, error: Exception) -> str:
        """What is said of a failure; it is raised on where nothing is worth keeping."""
        return str(error)

    def interruption(self) -> str:
        """What is said of an interruption; it is raised on where nothing is worth keeping."""
        done, count = self.done()
        text = f"interrupted after {done} of {count} {self.PIECES}"
        remedy = f"name a {self.PLACE} with -o to be able to continue"
        return f"{text}; nothing was written: {remedy}" if self.path is None else f"{text}; continue with --resume"

    @property
    def seconds(self) -> float:
        """Time spent, over all resumed parts."""
        return self.earlier_seconds + monotonic() - self.started

    def complete(self) -> Found:
        """Do what is left; an interruption or a failure keeps what is there.

        Raises:
            RunOutputError: the answer could not be written; it goes with the error.
        """
        status, message = "success", ""
        try:
            with interruptions():
                self.work()
        except KeyboardInterrupt:
            status, message = "interrupted", self.interruption()
        except self.FAILURES as error:
            status, message = "failed", self.failure(error)
        with uninterrupted():
            answer = self.answer(status, message)
            self._keep(answer)
        return answer

    def checkpoint(self, piece: bool = False) -> None:
        """Write what is there where a minute has passed, or where a `piece` is done and writing costs little."""
        since = monotonic() - self._checkpointed
        due = since >= CHECKPOINT_SECONDS or (piece and self._write_seconds <= CHECKPOINT_SHARE * since)
        if self.path is None or not due:
            return
        before = monotonic()
        self._keep(self.answer("running", ""))
        self._checkpointed = monotonic()
        self._write_seconds = self._checkpointed - before

    def _keep(self, answer: Found) -> None:
        if self.path is None:
            return
        try:
            self.write(self.path, answer)
        except OutputError as error:
            raise RunOutputError(str(error), self.answer("failed", str(error))) from None


class Pooled(Campaign[Found], Generic[Found, Task, Part]):
    """A campaign of tasks for workers: each gives a part, which may call for more tasks.

    Args:
        workers: processes of this machine, one thread each; None for one per processor; or any executor.
        scheduler: address of a dask scheduler whose workers take the tasks instead.
    """

    def __init__(
        self, path: Path | None, progress: Progress, workers: Workers | None = None, scheduler: str | None = None
    ) -> None:
        super().__init__(path, progress)
        self.workers, self.scheduler = workers, scheduler

    @abstractmethod
    def tasks(self) -> list[Task]:
        """What is left to do, in the order in which it is begun."""

    @property
    @abstractmethod
    def function(self) -> Callable[[Task], Part]:
        """What a worker does with a task."""

    @abstractmethod
    def keep(self, task: Task, part: Part) -> Iterable[Task] | None:
        """Keep what a task gave; the tasks that follow from it."""

    @abstractmethod
    def fail(self, task: Task, error: Exception) -> None:
        """Keep that a task failed; what it raises ends the campaign."""

    def work(self) -> None:
        """Give the tasks to the workers."""
        distribute(self.tasks(), self.function, self.workers, self.scheduler, self.keep, self.fail)
