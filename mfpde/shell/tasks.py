"""Independent tasks over workers: the tasks of a worker that was lost are computed again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from threading import RLock
from typing import Generic, TypeVar

from mfpde.errors import in_keys
from mfpde.shell.memory import out_of_memory
from mfpde.shell.workers import Workers, executor, number_of
from mfpde.solvers.flow.time_loop import StepFailure

ATTEMPTS = 4
"""Pools of processes that are begun before the tasks that break them are given up."""
_ALONE = RLock()
"""One task at a time in a process: workers of a cluster may have several threads, the compiled kernels are not for."""
Task = TypeVar("Task")
Part = TypeVar("Part")
Keep = Callable[[Task, Part], Iterable[Task] | None]
Fail = Callable[[Task, Exception], None]


class WorkerLost(Exception):
    """A task's workers died."""

    def __init__(self) -> None:
        super().__init__(
            "its worker was lost again and again: write fewer --workers if memory ran out, and in a script of your own "
            'call this under `if __name__ == "__main__":`'
        )


def distribute(
    tasks: Sequence[Task],
    function: Callable[[Task], Part],
    workers: Workers | None,
    scheduler: str | None,
    keep: Keep[Task, Part],
    fail: Fail[Task],
) -> None:
    """Compute `function` of every task on some worker, begun in this order.

    `keep` is called with each task and what it gave, as it is there, and returns the tasks that follow from it; `fail`
    with the reason why a task has none. On an interruption the processes of this machine are stopped at once.

    Args:
        workers: as `executor` takes them; None for one per task and processor. An executor of the caller's stays open,
            and is asked once only.
        scheduler: as there.
    """
    if not tasks:
        return
    left = _Left(tasks, keep, fail)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with executor(number_of(workers, len(left)), scheduler) as pool:
                left.compute(pool, function)
            return
        except BrokenExecutor:
            if attempt == ATTEMPTS or isinstance(workers, Executor):
                left.give_up()
                return


class _Left(Generic[Task, Part]):
    """The tasks that are not done."""

    def __init__(self, tasks: Iterable[Task], keep: Keep[Task, Part], fail: Fail[Task]) -> None:
        self._tasks: dict[int, Task] = {}
        self._count = 0
        self._fresh: deque[int] = deque()
        self._waiting: dict[Future[Part], int] = {}
        self._keep, self._fail = keep, fail
        self._add(tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def compute(self, pool: Executor, function: Callable[[Task], Part]) -> None:
        """Compute them all, also those that follow."""
        self._fresh, self._waiting = deque(self._tasks), {}
        try:
            while self._fresh or self._waiting:
                if self._fresh:
                    index = self._fresh.popleft()
                    self._waiting[pool.submit(_alone, function, self._tasks[index])] = index
                self._collect(0.0 if self._fresh else 1.0)
        except BaseException:
            for future in self._waiting:
                future.cancel()
            raise

    def give_up(self) -> None:
        """Fail those that are left."""
        for index in list(self._tasks):
            self._fail(self._tasks.pop(index), WorkerLost())

    def _collect(self, timeout: float) -> None:
        finished, _ = wait(self._waiting, timeout=timeout, return_when=FIRST_COMPLETED)
        for future in finished:
            index = self._waiting.pop(future)
            try:
                part = future.result()
            except BrokenExecutor:
                raise
            except Exception as error:  # of the task, or what a cluster raises for one that killed its workers
                self._fail(self._tasks.pop(index), error)
            else:
                self._add(self._keep(self._tasks.pop(index), part) or ())

    def _add(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            self._tasks[self._count] = task
            self._fresh.append(self._count)
            self._count += 1


def _alone(function: Callable[[Task], Part], task: Task) -> Part:
    with _ALONE:
        return function(task)


def reason(error: Exception, less: str = "fewer --workers") -> str:
    """Why a task failed, in words; `less` is what to write where memory ran out."""
    if isinstance(error, MemoryError):
        return out_of_memory(error, less)
    if isinstance(error, ArithmeticError | ValueError | StepFailure | WorkerLost):
        return in_keys(error) or type(error).__name__
    return f"{type(error).__name__}: {error}"
