"""Samples of one or two classes of Gaussians by counter: one at a time, and in blocks.

Sample n of a trajectory is x = s_y g, g from the stream SAMPLES at step n, y = ±1 from the stream LABELS; with one
class x = s g and y = 1. Whatever draws a block calls the same loop on the same counters, so that its bits do not depend
on who draws it, when, or into which buffer.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..arrays import Array
from ..vectors import BORROWED, LANES, Lanes, aligned, apart
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


@intrinsic
def _scale(
    typing_context: Any, x: Any, place: Any, normals: Any, begin: Any, scales: Any, first: Any, count: Any
) -> Any:
    """x.flat[place + i] = normals[begin + i] scales.flat[first + i] for i < count, eight or more.

    The last eight end with the row, some of them over those before: one by one they took as long as all others.
    """
    signature = types.void(x, place, normals, begin, scales, first, count)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        lanes, kinds = Lanes(context, builder), signature.args
        data = [builder.gep(lanes.data(kinds[n], values[n]), [values[n + 1]]) for n in (0, 2, 4)]
        zero, eight = (ir.Constant(ir.IntType(64), value) for value in (0, LANES))

        def eight_from(index: Any) -> None:
            lanes.store(builder.fmul(*(lanes.load(each, index) for each in data[1:])), data[0], index)

        last = builder.sub(values[6], eight)
        with cgutils.for_range_slice(builder, zero, last, eight, ir.IntType(64)) as (index, _):
            eight_from(index)
        eight_from(last)
        return context.get_dummy_value()

    return signature, generate


@numba.njit(**BORROWED)
def _label(y: Array, classes: int, first: int, key: Any) -> None:
    """y of the samples from `first` on, in one long loop."""
    apart()
    y[:] = 1.0
    if classes > 1:
        for r in range(y.size):
            y[r] = 1.0 - 2.0 * coin(first + r, key[0], key[1])


@numba.njit(**BORROWED)
def _spread(x: Array, y: Array, scales: Array, done: int, used: int, pairs: Any) -> None:
    """Rows of samples from the pairs of their normals."""
    first, second = pairs
    stride, dimension = x.strides[0] // x.itemsize, scales.shape[1]
    half = (dimension + 1) // 2
    for r in range(used):
        row, label = done + r, 1 if y[done + r] < 0.0 else 0
        if dimension - half >= LANES:
            place, scale = row * stride, label * dimension
            _scale(x, place, first, r * half, scales, scale, half)
            _scale(x, place + half, second, r * half, scales, scale + half, dimension - half)
        else:
            for p in range(half):
                x[row, p] = first[r * half + p] * scales[label, p]
            for p in range(dimension - half):
                x[row, half + p] = second[r * half + p] * scales[label, half + p]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def draw_blocks(x: Array, y: Array, scales: Array, first: int, block: int, key: tuple[Any, Any]) -> None:
    """Fill x, shape (count, D), and y with the samples from `first` on, block by block, as `draw` does one by one.

    Blocks end at multiples of `block` samples: each is drawn by the same loop as where it is drawn alone.

    Args:
        x: D >= d, of rows without gaps; what lies beyond the d columns of scales is left alone.
        scales: shape (2, d), or (1, d) for one class.
    """
    count, half = x.shape[0], (scales.shape[1] + 1) // 2
    pair, row = counters(min(block, count), scales.shape[1])
    steps, normals, done = np.empty_like(row), aligned(2, -(-row.size // LANES) * LANES), 0
    cosines, sines = normals[0], normals[1]
    _label(y, scales.shape[0], first, key)
    while done < count:
        used = min(block - (first + done) % block, count - done)
        size = used * half
        for q in range(size):
            steps[q] = row[q] + np.uint64(first + done)
        fill_normal_pairs(cosines[:size], sines[:size], pair[:size], steps[:size], SAMPLES, key[0], key[1])
        _spread(x, y, scales, done, used, (cosines, sines))
        done += used
