"""The update W <- P W + diag(a) M^T K X of a block, where M holds only zeros and ones: by sums over subsets.

With fixed coefficients a and an activation whose slope is 0 or one other value, row k of X is added to a neuron with
the weight a_i K_k or not at all. Of four rows there are 16 sums; made once, they serve all neurons, and four samples
cost one addition a weight in place of four multiplications: less than a product of matrices ("four Russians":
Arlazarov, Dinic, Kronrod, Faradzev, 1970). Eight groups of four are added in one pass over the weights.
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

GROUPS = 8
"""Groups of four samples in one pass: what 16 registers hold."""
TILE = 40
"""Columns in a pass of double precision: the sums of eight groups then lie in 40 KB, and vectors of 64 bytes fit."""
STRIP = 128
"""Neurons that all groups are added to before the next ones: their columns stay in the cache."""

_VECTOR_BYTES = 64


@intrinsic
def _add_sums(
    typing_context: Any, w: Any, place: Any, kept: Any, sums: Any, places: Any, weight: Any, vectors: Any
) -> Any:
    """w.flat[place + i] <- kept w.flat[place + i] + weight sum_g sums.flat[places[g] + i] for i below vectors * lanes.

    Written out, because the compiler does not see that the arrays do not overlap and makes a scalar loop of it.
    """
    signature = types.void(w, place, kept, sums, places, weight, vectors)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = signature.args[0].dtype
        lanes = _VECTOR_BYTES * 8 // kind.bitwidth
        vector = ir.VectorType(context.get_value_type(kind), lanes)

        def start(position: int, offset: Any) -> Any:
            data = context.make_array(signature.args[position])(context, builder, values[position]).data
            return builder.gep(data, [offset])

        def spread(position: int) -> Any:
            number = context.cast(builder, values[position], signature.args[position], kind)
            one = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
            return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes))

        out = start(0, values[1])
        rows = [start(3, offset) for offset in cgutils.unpack_tuple(builder, values[4])]
        keep, weigh = spread(2), spread(5)
        with cgutils.for_range(builder, values[6]) as loop:
            index = builder.mul(loop.index, ir.Constant(loop.index.type, lanes))

            def at(pointer: Any) -> Any:
                return builder.bitcast(builder.gep(pointer, [index]), vector.as_pointer())

            parts = [builder.load(at(row), align=kind.bitwidth // 8) for row in rows]
            while len(parts) > 1:
                parts = [builder.fadd(first, second) for first, second in zip(parts[::2], parts[1::2], strict=True)]
            target = at(out)
            old = builder.fmul(builder.load(target, align=kind.bitwidth // 8), keep, flags=["contract"])
            new = builder.fadd(old, builder.fmul(parts[0], weigh, flags=["contract"]), flags=["contract"])
            builder.store(new, target, align=kind.bitwidth // 8)
        return context.get_dummy_value()

    return signature, generate


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fill_masks(masks: Array, c: Array, used: int) -> None:
    """masks[g, i]: which of the rows 4 g .. 4 g + 3 of c are not 0 at i, as four bits."""
    for g in range(masks.shape[0]):
        for i in range(masks.shape[1]):
            masks[g, i] = 0
        for r in range(4):
            if 4 * g + r < used:
                for i in range(masks.shape[1]):
                    masks[g, i] |= np.int64(c[4 * g + r, i] != 0.0) << r


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fill_sums(sums: Array, x: Array, weights: Array, first: int, width: int) -> None:
    """sums[g, m]: the rows of the subset m of group g, weighted, at the columns first <= j < first + width."""
    used = x.shape[0]
    for g in range(sums.shape[0]):
        for j in range(width):
            sums[g, 0, j] = 0.0
        for r in range(4):
            row, bit = min(4 * g + r, used - 1), 1 << r
            weight = sums.dtype.type(weights[row] if 4 * g + r < used else 0.0)
            for m in range(bit):
                for j in range(width):
                    sums[g, bit + m, j] = sums[g, m, j] + weight * x[row, first + j]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_pass(
    w: Array, kept: float, sums: Array, masks: Array, a: Array, group: int, neuron: int, first: int, width: int
) -> None:
    """Add eight groups from `group` on to a strip of neurons, at the columns from `first` on."""
    dimension, length = w.shape[1], sums.shape[2]
    lanes = _VECTOR_BYTES // w.itemsize
    vectors, step = width // lanes, 16 * length
    base = group * step
    for i in range(neuron, min(neuron + STRIP, w.shape[0])):
        places = (
            base + masks[group, i] * length,
            base + step + masks[group + 1, i] * length,
            base + 2 * step + masks[group + 2, i] * length,
            base + 3 * step + masks[group + 3, i] * length,
            base + 4 * step + masks[group + 4, i] * length,
            base + 5 * step + masks[group + 5, i] * length,
            base + 6 * step + masks[group + 6, i] * length,
            base + 7 * step + masks[group + 7, i] * length,
        )
        _add_sums(w, i * dimension + first, kept, sums, places, a[i], vectors)
        for j in range(vectors * lanes, width):
            total = sums.dtype.type(0.0)
            for g in range(GROUPS):
                total += sums[group + g, masks[group + g, i], j]
            w[i, first + j] = w.dtype.type(kept) * w[i, first + j] + a[i] * total


@numba.njit(cache=True, nogil=True, error_model="numpy")
def subset_space(neurons: int, rows: int, kind: Array) -> tuple[Array, Array]:
    """Room for the sums and masks of blocks of `rows` samples, in the type of the array `kind`."""
    groups = GROUPS * ((rows + 4 * GROUPS - 1) // (4 * GROUPS))
    return np.empty((groups, 16, TILE * 8 // kind.itemsize), kind.dtype), np.empty((groups, neurons), np.int64)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def add_subsets(w: Array, kept: float, x: Array, weights: Array, c: Array, a: Array, space: tuple[Any, Any]) -> None:
    """w <- kept w + diag(a) M^T diag(weights) x, M the places where c is not 0.

    Args:
        w: shape (N, d).
        x: samples, shape (rows, d).
        weights: K, shape (rows,).
        c: shape (rows or more, N).
        space: `subset_space` of as many rows or more.
    """
    used, dimension = x.shape
    groups = GROUPS * ((used + 4 * GROUPS - 1) // (4 * GROUPS))
    sums, masks = space[0][:groups], space[1][:groups]
    _fill_masks(masks, c, used)
    for first in range(0, dimension, sums.shape[2]):
        width = min(sums.shape[2], dimension - first)
        _fill_sums(sums, x, weights, first, width)
        for neuron in range(0, w.shape[0], STRIP):
            for group in range(0, groups, GROUPS):
                _add_pass(w, kept if group == 0 else 1.0, sums, masks, a, group, neuron, first, width)
