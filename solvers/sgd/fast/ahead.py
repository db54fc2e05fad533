"""Samples in pieces that the cache holds, drawn on a second thread while the first one computes where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from typing import Any

import numpy as np

from ...arrays import Array
from ..samplers import DRAWN_BLOCK, Sampler

BUFFER = 2**17
"""Numbers in a piece: two milliseconds of drawing, beside which handing it over costs little, and a MB of cache."""

Piece = tuple[int, int, Array, Array]
"""Steps first <= k < stop and their samples x, y, which the next piece but one overwrites."""


@contextmanager
def drawn(
    data: Sampler,
    steps: range,
    batch: int,
    block: int,
    stream: tuple[int, int],
    kind: type[np.floating[Any]],
    ahead: bool,
    skipped: int = 0,
) -> Iterator[Iterator[Piece]]:
    """The samples of consecutive steps in pieces that end at ends of blocks.

    Args:
        batch, block: samples per step, steps per block.
        skipped: number of the sample that step 0 would begin with.
        stream: (seed, replica).
        kind: type of x.
        ahead: whether each piece is drawn on a second thread while the one before is in use.
    """
    first, stop = steps.start, steps.stop
    fitting = max(BUFFER // data.dimension, data.together) // (batch * block)
    length = max(1, min(fitting, -(-(stop - first) // block))) * block
    buffers = [(np.empty((length * batch, data.dimension), kind), np.empty(length * batch)) for _ in range(1 + ahead)]
    ends = [first, *range((first // block) * block + length, stop, length), stop]
    # single steps draw as many together as fit
    rows = batch * block if block > 1 else DRAWN_BLOCK

    def fill(index: int) -> Piece:
        begin, end = ends[index], ends[index + 1]
        x, y = (part[: (end - begin) * batch] for part in buffers[index % len(buffers)])
        data.fill(x, y, skipped + begin * batch, rows, stream)
        return begin, end, x, y

    def pieces(pool: Executor | None) -> Iterator[Piece]:
        if pool is None:
            yield from map(fill, range(len(ends) - 1))
            return
        # of what draws in Python, warnings are those of this thread
        context = copy_context()
        following: Future[Piece] = pool.submit(context.run, fill, 0)
        for index in range(1, len(ends)):
            piece = following.result()
            if index < len(ends) - 1:
                following = pool.submit(context.run, fill, index)
            yield piece

    with ThreadPoolExecutor(1, thread_name_prefix="draw") if ahead else nullcontext() as pool:
        yield pieces(pool)
