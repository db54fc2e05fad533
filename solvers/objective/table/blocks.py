"""Compiled kernels over fixed blocks of their range, on several threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numba


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """One pool per process: the threads of a pool do not survive a fork."""
    return ThreadPoolExecutor(threads)


def in_blocks(kernel: Callable[..., None], count: int, size: int, *arguments: Any) -> None:
    """kernel(start, stop, *arguments) over 0 ... count, in blocks of `size`, on numba's number of threads.

    The kernel must release the interpreter (nogil), and no two blocks may write to the same place. Plain
    threads rather than numba's: they may be nested, a forked process gets its own, and a busy core stalls one
    block only.
    """
    threads = numba.get_num_threads()
    if threads == 1 or count <= size:
        kernel(0, count, *arguments)
        return
    tasks = [
        _pool(os.getpid(), threads).submit(kernel, start, min(start + size, count), *arguments)
        for start in range(0, count, size)
    ]
    for task in tasks:
        task.result()
