"""Compiled kernels over fixed blocks of their range, on several threads that wait in compiled code."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from functools import cache
from threading import Lock, Thread
from time import perf_counter, thread_time
from typing import Any

import numba
import numpy as np

from .kernels import ASLEEP, BOARD, MOST, PATIENCE, SHARES, help_out, lead
from .processors import processors

LONG_WAIT = 1e-4
"""Seconds that a block may well take longer than others."""
MOST_ALONE = 1024
"""Stages without helpers, after which it is tried again."""


def threads() -> int:
    """How many threads compiled kernels may use: numba's number, no more than the processors of this process."""
    return min(processors(), int(numba.get_num_threads()))


def in_blocks(kernel: Callable[..., None], count: int, size: int, *arguments: Any) -> None:
    """kernel(start, stop, *arguments) over 0 ... count, in blocks of `size`, on the threads that there are.

    The kernel must release the interpreter (nogil), and no two blocks may write to the same place. Which thread does a
    block is left to chance, so that a busy processor stalls one block only; kernels that reduce do so into a place of
    each block. Where another thread of the program has the team, or there is one block, the caller does all.
    """
    if count > size and (allowed := threads()) > 1:
        helpers = min(allowed, MOST, -(-count // size)) - 1
        if _team(os.getpid()).stage(kernel, count, size, helpers, arguments):
            return
    kernel(0, count, *arguments)


class Team:
    """Threads that help with stages: between two of them they look for the next, and then sleep.

    Where the leader waits for them as long as it works, or a third as long for a processor, others are busy: it then
    does a stage alone, two after the next such wait, and so on.
    """

    def __init__(self) -> None:
        self._board = np.zeros(BOARD, np.int64)
        self._gates: list[Lock] = []
        self._busy = Lock()
        self._entries: dict[Any, int] = {}
        self._alone, self._pause = 0, 1
        self._look = min(_seconds(help_out, self._board, MOST - 1) for _ in range(3)) / PATIENCE

    def stage(self, kernel: Callable[..., None], count: int, size: int, helpers: int, arguments: Any) -> bool:
        """Whether the kernel was called for all blocks; not where the team is busy, or a block raised."""
        if self._alone > 0:
            self._alone -= 1
            return False
        if not self._busy.acquire(blocking=False):
            return False
        try:
            entry = self._entry(kernel, arguments)
            self._wake(helpers)
            begin, worked = perf_counter(), thread_time()
            looks = lead(self._board, entry, count, size, helpers, arguments)
            seconds = perf_counter() - begin
            self._judge(seconds, 2.0 * (seconds - (thread_time() - worked)) + looks * self._look)
            return bool(looks >= 0)
        finally:
            self._busy.release()

    def _judge(self, seconds: float, waited: float) -> None:
        """How many stages to do alone after one of which the leader spent some in waiting."""
        if waited > max(0.5 * seconds, LONG_WAIT):
            self._alone, self._pause = self._pause, min(2 * self._pause, MOST_ALONE)
        else:
            self._pause = max(1, self._pause // 2)

    def rest(self) -> None:
        """No helper finds more to do."""
        self._board[SHARES] = 0

    def _entry(self, kernel: Any, arguments: Any) -> int:
        """Address of the compiled kernel."""
        key = kernel, _layout(arguments)
        if key not in self._entries:
            types = (numba.intp, numba.intp, *numba.typeof(arguments).types)
            kernel.compile(types)
            found = kernel.overloads[types]
            self._entries[key] = found.library.get_pointer_to_function(found.fndesc.llvm_func_name)
        return self._entries[key]

    def _wake(self, helpers: int) -> None:
        """Let so many helpers look at the board, those that are not there yet begun."""
        while len(self._gates) < helpers:
            gate, helper = Lock(), len(self._gates)
            gate.acquire()
            self._board[ASLEEP + helper] = 1
            Thread(target=self._attend, args=(helper, gate), name=f"helper {helper}", daemon=True).start()
            self._gates.append(gate)
        for helper, asleep in enumerate(self._board[ASLEEP : ASLEEP + helpers].tolist()):
            if asleep:
                self._board[ASLEEP + helper] = 0
                self._gates[helper].release()

    def _attend(self, helper: int, gate: Lock) -> None:
        while True:
            gate.acquire()
            help_out(self._board, helper)


@cache
def _team(process: int) -> Team:
    """One team per process: threads do not survive a fork."""
    team = Team()
    atexit.register(team.rest)
    return team


def _seconds(action: Callable[..., object], *arguments: Any) -> float:
    begin = perf_counter()
    action(*arguments)
    return perf_counter() - begin


def _layout(arguments: Any) -> Any:
    """What the compiled form of a kernel depends on: two tuples of one layout have the same types."""
    return tuple(
        [
            (kind, argument.dtype.char, argument.ndim, argument.flags.num)
            if (kind := argument.__class__) is np.ndarray
            else (kind, _layout(argument) if isinstance(argument, tuple) else None)
            for argument in arguments
        ]
    )
