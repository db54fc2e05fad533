"""Samples of one or two classes of Gaussians by counter: one at a time, and in blocks.

Sample n of a trajectory is x = s_y g, g from the stream SAMPLES at step n, y = ±1 from the stream LABELS; with one
class x = s g and y = 1. Whatever draws a block calls the same loop on the same counters, so that its bits do not depend
on who draws it, when, or into which buffer.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from ..arrays import Array
from ..vectors import BORROWED, apart
from .philox import SAMPLES, coin, fill_normal_pairs, fill_normals


@numba.njit(cache=True, nogil=True, error_model="numpy")
def draw(x: Array, scales: Array, sample: int, seed: Any, replica: Any) -> Any:
    """Fill x with one sample and return its label y = ±1; row 0 of scales belongs to y = 1."""
    label = coin(sample, seed, replica)
    fill_normals(x, 0, SAMPLES, sample, seed, replica)
    for j in range(x.size):
        x[j] *= scales[label, j]
    return 1.0 - 2.0 * label


@numba.njit(cache=True, nogil=True, error_model="numpy")
def counters(rows: int, dimension: int) -> tuple[Any, Any]:
    """Pair index and row of each pair of coordinates of a block, row after row."""
    half = (dimension + 1) // 2
    pair, row = np.empty(rows * half, np.uint64), np.empty(rows * half, np.uint64)
    for r in range(rows):
        for p in range(half):
            pair[r * half + p], row[r * half + p] = np.uint64(p), np.uint64(r)
    return pair, row


@numba.njit(**BORROWED)
def _spread(x: Array, y: Array, scales: Array, done: int, used: int, sample: int, key: Any, pairs: Any) -> None:
    """Rows of samples from the pairs of their normals."""
    apart()
    first, second = pairs
    dimension = scales.shape[1]
    half = (dimension + 1) // 2
    for r in range(used):
        row = done + r
        label = coin(sample + r, key[0], key[1]) if scales.shape[0] > 1 else 0
        y[row] = 1.0 - 2.0 * label
        for p in range(half):
            x[row, p] = first[r * half + p] * scales[label, p]
        for p in range(dimension - half):
            x[row, half + p] = second[r * half + p] * scales[label, half + p]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def draw_blocks(x: Array, y: Array, scales: Array, first: int, block: int, key: tuple[Any, Any]) -> None:
    """Fill x, shape (count, D), and y with the samples from `first` on, block by block, as `draw` does one by one.

    Blocks end at multiples of `block` samples: each is drawn by the same loop as where it is drawn alone.

    Args:
        x: D >= d; what lies beyond the d columns of scales is left alone.
        scales: shape (2, d), or (1, d) for one class.
    """
    count, half = x.shape[0], (scales.shape[1] + 1) // 2
    pair, row = counters(min(block, count), scales.shape[1])
    steps, cosines, sines = np.empty_like(row), np.empty(row.size), np.empty(row.size)
    done = 0
    while done < count:
        used = min(block - (first + done) % block, count - done)
        size = used * half
        for q in range(size):
            steps[q] = row[q] + np.uint64(first + done)
        fill_normal_pairs(cosines[:size], sines[:size], pair[:size], steps[:size], SAMPLES, key[0], key[1])
        _spread(x, y, scales, done, used, first + done, key, (cosines, sines))
        done += used
