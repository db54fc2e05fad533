"""Tasks over workers: whatever order, what follows, what fails, whose executor."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from mfpde.shell.tasks import WorkerLost, distribute, reason
from mfpde.shell.workers import InlineExecutor


def root(task: int) -> int:
    if task < 0:
        raise ValueError("negative")
    return task * task


@pytest.mark.parametrize("workers", [1, ThreadPoolExecutor(2)])
def test_answers_come_in_whatever_order_and_failures_are_told(workers: int | Executor) -> None:
    kept: dict[int, int] = {}
    failed: dict[int, Exception] = {}
    distribute([3, -1, 2], root, workers, None, kept.__setitem__, failed.__setitem__)
    assert kept == {3: 9, 2: 4}
    assert {task: reason(error) for task, error in failed.items()} == {-1: "negative"}


def test_what_follows_from_a_task_is_computed_too() -> None:
    kept: list[tuple[int, int]] = []

    def keep(task: int, part: int) -> list[int]:
        kept.append((task, part))
        return [part] if part < 100 else []

    distribute([2, 3], root, 1, None, keep, lambda task, error: None)
    # one after the other, what follows at the end of the line
    assert kept == [(2, 4), (3, 9), (4, 16), (9, 81), (16, 256), (81, 6561)]


def test_an_error_of_the_keeper_ends_it_and_drops_what_has_not_begun() -> None:
    pool = ThreadPoolExecutor(1)
    begun: list[int] = []

    def begin(task: int) -> int:
        begun.append(task)
        return task

    def keep(task: int, part: int) -> None:
        raise ArithmeticError("enough")

    with pytest.raises(ArithmeticError, match="enough"):
        distribute(list(range(1000)), begin, pool, None, keep, lambda task, error: None)
    # the executor is the caller's: it stays open
    assert pool.submit(int).result() == 0
    assert len(begun) < 1000


class Lost(InlineExecutor):
    """Loses its workers at every task but the first."""

    def __init__(self) -> None:
        self.tasks = 0

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        self.tasks += 1
        if self.tasks > 1:
            raise BrokenExecutor("a process was killed")
        return super().submit(function, *arguments, **named)


def test_tasks_that_an_executor_of_the_callers_loses_are_failed_at_once() -> None:
    kept: dict[int, int] = {}
    failed: dict[int, Exception] = {}
    distribute([1, 2, 3], root, Lost(), None, kept.__setitem__, failed.__setitem__)
    assert kept == {1: 1}
    assert set(failed) == {2, 3}
    assert all(isinstance(error, WorkerLost) and "its worker was lost" in reason(error) for error in failed.values())
