"""Kernels over blocks on several threads: every block once, errors, busy teams, forks."""

from __future__ import annotations

import os
from threading import Thread

import numpy as np
import pytest
from numba import njit

from mfpde.solvers.arrays import Array
from mfpde.solvers.threads import blocks
from mfpde.solvers.threads.blocks import in_blocks


@njit(cache=True, nogil=True)
def _count(start: int, stop: int, times: Array, shares: Array) -> None:
    """Counts each number of the range, and sums it into the share of its block of 7."""
    for i in range(start, stop):
        times[i] += 1.0
        shares[i // 7] += 1.0 / (1.0 + i)


@njit(cache=True, nogil=True)
def _divide(start: int, stop: int, divisor: int, out: Array) -> None:
    for i in range(start, stop):
        out[i] = 1 // (divisor - i)


def counted(count: int = 1000) -> tuple[Array, Array]:
    times, shares = np.zeros(count), np.zeros(-(-count // 7))
    in_blocks(_count, count, 7, times, shares)
    return times, shares


@pytest.fixture(params=[1, 2, 3, 5])
def on_threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "threads", lambda: request.param)


@pytest.mark.usefixtures("on_threads")
def test_every_block_is_done_once_however_many_stages_follow_one_another() -> None:
    """A helper that took a block of a later stage for one of its own would do it twice, or not at all."""
    alone = np.zeros(143)
    _count(0, 1000, np.zeros(1000), alone)
    for _ in range(500):
        times, shares = counted()
        assert (times == 1.0).all()
        assert np.array_equal(shares, alone)


@pytest.mark.usefixtures("on_threads")
def test_what_a_block_raises_is_raised() -> None:
    out = np.zeros(100)
    with pytest.raises(ZeroDivisionError):
        in_blocks(_divide, 100, 7, 50, out)
    in_blocks(_divide, 100, 7, -1, out)
    assert out[0] == -1.0


def test_threads_of_the_program_may_call_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "threads", lambda: 2)
    found: list[bool] = []
    callers = [
        Thread(target=lambda: found.extend(bool((counted()[0] == 1.0).all()) for _ in range(100))) for _ in "abc"
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == [True] * 300


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "threads", lambda: 2)
    counted()
    child = os.fork()
    if child == 0:
        os._exit(0 if (counted()[0] == 1.0).all() else 1)
    assert os.waitpid(child, 0)[1] == 0
