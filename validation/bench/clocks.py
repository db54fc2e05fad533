"""Seconds of a call: the shortest of several, by the wall's clock or by the processor's."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial


def best(action: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Shortest time of `action` in seconds."""
    shortest = float("inf")
    for _ in range(repeats):
        begin = clock()
        action()
        shortest = min(shortest, clock() - begin)
    return shortest


processor_best = partial(best, clock=time.process_time)
"""The same by the clock of this process's processors, which neighbours on the machine disturb less."""


@contextmanager
def one_processor() -> Iterator[None]:
    """Keep this process and its children on one processor, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
