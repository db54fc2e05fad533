"""Independent tasks over workers: the tasks of a worker that was lost are computed again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from multiprocessing import active_children
from typing import TypeVar

from mfpde.shell.workers import executor
from mfpde.solvers.flow.time_loop import StepFailure

LOST = (
    "its worker was lost again and again: write fewer --workers if memory ran out, and in a script of your own call "
    'this under `if __name__ == "__main__":`'
)
ATTEMPTS = 4
"""Pools of processes that are begun before the tasks that break them are given up."""
Task = TypeVar("Task")
Answer = TypeVar("Answer")
Keep = Callable[[Task, Answer], None]
Fail = Callable[[Task, str], None]


def distribute(
    tasks: Sequence[Task],
    function: Callable[[Task], Answer],
    workers: int,
    scheduler: str | None,
    keep: Keep[Task, Answer],
    fail: Fail[Task],
) -> None:
    """Compute `function` of every task on some worker, in this order.

    `keep` is called with each answer as it is there, `fail` with the reason why a task has none. On an interruption
    the processes of this machine are stopped at once.
    """
    left = dict(enumerate(tasks))

    def done(index: int, answer: Answer) -> None:
        keep(left[index], answer)
        del left[index]

    def failed(index: int, reason: str) -> None:
        fail(left[index], reason)
        del left[index]

    for attempt in range(1, ATTEMPTS + 1):
        before = set(active_children())
        try:
            with executor(max(1, min(workers, len(left))), scheduler) as pool:
                _run_all(dict(left), function, pool, done, failed)
            return
        except BrokenExecutor:
            if attempt == ATTEMPTS:
                for index in list(left):
                    failed(index, LOST)
        except BaseException:
            for child in set(active_children()) - before:
                child.terminate()
            raise


def _run_all(
    tasks: dict[int, Task],
    function: Callable[[Task], Answer],
    pool: Executor,
    keep: Keep[int, Answer],
    fail: Fail[int],
) -> None:
    waiting: dict[Future[Answer], int] = {}

    def collect(timeout: float) -> None:
        finished, _ = wait(waiting, timeout=timeout, return_when=FIRST_COMPLETED)
        for future in finished:
            index = waiting.pop(future)
            try:
                answer = future.result()
            except BrokenExecutor:
                raise
            except (ArithmeticError, ValueError, StepFailure, MemoryError) as error:
                fail(index, str(error) or type(error).__name__)
            except Exception as error:  # what a cluster raises for a run that killed its workers
                fail(index, f"{type(error).__name__}: {error}")
            else:
                keep(index, answer)

    for index, task in tasks.items():
        waiting[pool.submit(function, task)] = index
        collect(0.0)
    while waiting:
        collect(1.0)
