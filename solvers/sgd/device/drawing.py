"""Samples of many replicas, by the counters that one processor reads them from: the same words, the same normals."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import cuda, types

from ..philox import SAMPLES, coin, normal_pair

PAIRS = 4
"""Pairs of coordinates that a thread draws, all of one sample."""
LOW, WORD = np.uint64(0xFFFFFFFF), np.uint64(32)


@cache
def draw_kernel(precision: str) -> tuple[Any, tuple[Any, ...]]:
    """The first `count` rows of x, shape (replicas, per_replica, d), and of y, shape (replicas, per_replica).

    Arguments: y, scales, shape (classes, d), x, the replicas' numbers; how many, seed, the first sample, count, d,
    classes, per_replica.
    """

    def draw(
        y: Any, scales: Any, x: Any, replicas: Any, ensemble: Any, seed: Any, first: Any, count: Any, dimension: Any,
        classes: Any, per_replica: Any,
    ) -> None:  # fmt: skip
        half = (dimension + 1) // 2
        lanes = (half + PAIRS - 1) // PAIRS
        place = np.int64(cuda.blockIdx.x) * cuda.blockDim.x + cuda.threadIdx.x
        row, lane = place // lanes, place % lanes
        if row >= ensemble * count:
            return
        replica, row = row // count, row % count
        key, other, sample = np.uint64(seed), np.uint64(replicas[replica]), np.uint64(first + row)
        row += replica * per_replica
        label = np.int64(0)
        if classes > 1:
            label = np.int64(coin(sample, key, other))
        if lane == 0:
            y[row] = 1.0 - 2.0 * label
        for pair in range(lane, half, lanes):
            u, v = normal_pair(np.uint64(pair), SAMPLES, sample & LOW, sample >> WORD, key, other)
            x[row * dimension + pair] = u * scales[label * dimension + pair]
            if half + pair < dimension:
                x[row * dimension + half + pair] = v * scales[label * dimension + half + pair]

    real, number = types.float64, types.int64
    pointers = [types.CPointer(kind) for kind in (real, real, getattr(types, precision), number)]
    return draw, (*pointers, *[number] * 7)
