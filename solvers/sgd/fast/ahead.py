"""Samples drawn on a second thread while the first one computes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...arrays import Array
from ..draw import draw_steps

BUFFER = 2**16
"""Numbers in a buffer: a millisecond of drawing, beside which handing it over costs little, and half a MB of cache."""

Piece = tuple[int, int, Array, Array]
"""Steps first <= k < stop and their samples x, y, which the next piece but one overwrites."""


@contextmanager
def drawn_ahead(
    scales: Array, first: int, stop: int, batch: int, block: int, key: tuple[Any, Any], kind: type[np.floating[Any]]
) -> Iterator[Iterator[Piece]]:
    """The samples of the steps first <= k < stop in pieces that end at ends of blocks, each drawn while the one
    before is in use.

    Args:
        scales: as for `draw`, shape (2, d).
        batch, block: samples per step, steps per block.
        key: (seed, replica).
        kind: type of x.
    """
    blocks = min(BUFFER // (batch * block * scales.shape[1]), -(-(stop - first) // block))
    length = max(1, blocks) * block
    buffers = [(np.empty((length * batch, scales.shape[1]), kind), np.empty(length * batch)) for _ in range(2)]
    ends = [first, *range((first // block) * block + length, stop, length), stop]

    def fill(index: int) -> Piece:
        begin, end = ends[index], ends[index + 1]
        x, y = (part[: (end - begin) * batch] for part in buffers[index % 2])
        draw_steps(x, y, scales, begin, batch, block, key)
        return begin, end, x, y

    def pieces(pool: ThreadPoolExecutor) -> Iterator[Piece]:
        following: Future[Piece] = pool.submit(fill, 0)
        for index in range(1, len(ends)):
            piece = following.result()
            if index < len(ends) - 1:
                following = pool.submit(fill, index)
            yield piece

    with ThreadPoolExecutor(1, thread_name_prefix="draw") as pool:
        yield pieces(pool)
