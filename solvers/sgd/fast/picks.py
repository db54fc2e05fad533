"""Steps of small networks of one slope: eight neurons at a time pick sums of samples by the bits of their gates.

With fixed coefficients and an activation whose slope is 0 or one other value, sample j of a block is added to neuron i
with the weight a_i K_j or not at all. Of four samples there are 16 sums, two vectors of eight, and each neuron picks
one by four bits: one permutation serves eight neurons where four multiplications did ("four Russians", as in
`subsets`, whose sums are rows of weights in memory and pay where these are many). In this way the earlier samples of a
block change the pre-activations, and all of them the weights at its end. The arithmetic is that of `kernels`, in
another order.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ...activations.activation import Compiled
from ...arrays import Array
from ...vectors import BORROWED, LANES, Lanes, aligned
from ..blas import multiply
from ..kernels import LARGEST, Steps, fill_errors
from ..neurons import dot

GROUP = 4
"""Samples of which all sums are made."""
BLOCK = 16
"""Steps of a block at most: the sums of its groups are held in registers."""


def _constant(value: int) -> Any:
    return ir.Constant(ir.IntType(64), value)


def _rows(builder: Any, used: Any, dimension: Any) -> list[Any]:
    """Where the rows of a block begin, the last again for those beyond the `used` ones, whose weights are 0."""
    last = builder.sub(used, _constant(1))
    rows = (_constant(row) for row in range(BLOCK))
    return [builder.mul(builder.select(builder.icmp_signed("<", row, last), row, last), dimension) for row in rows]


def _sums(lanes: Lanes, numbers: list[Any], weights: Any) -> list[tuple[Any, Any]]:
    """The 16 weighted sums of each four numbers, in two vectors: without the fourth, and with it."""
    found = []
    for first in range(0, len(numbers), GROUP):
        low, parts = lanes.zero, []
        for row, number in enumerate(numbers[first : first + GROUP], first):
            low = lanes.fuse(lanes.spread(number), lanes.load(weights, _constant(LANES * row)), low)
            parts.append(low)
        found.append((parts[-2], parts[-1]))
    return found


def _picked(lanes: Lanes, sums: list[tuple[Any, Any]], picks: Any, place: Any, width: Any) -> Any:
    """What eight neurons, from `place` on, pick of the sums of each group, together."""
    builder, parts = lanes.builder, []
    for group, (low, high) in enumerate(sums):
        own = lanes.load(picks, builder.add(builder.mul(_constant(group), width), place))
        parts.append(lanes.pick(low, high, own))
    while len(parts) > 1:
        parts = [*parts[2:], builder.fadd(parts[0], parts[1])]
    return parts[0] if parts else lanes.zero


def _unit(lanes: Lanes, table: Any, u: Any) -> tuple[Any, Any]:
    """sigma and sigma' by the table of two knots, from the nearer one (`neurons`)."""
    builder = lanes.builder
    first, level, below, inner, second, upper, nearer, above = (
        lanes.spread(builder.load(builder.gep(table, [_constant(place)]))) for place in (0, 1, 3, 4, 5, 6, 7, 9)
    )
    past, beyond, farther = builder.fsub(u, first), builder.fsub(u, second), lanes.less(u, nearer)
    between = builder.select(lanes.less(beyond, lanes.zero), inner, above)
    slope = builder.select(lanes.less(past, lanes.zero), below, between)
    offset, start = builder.select(farther, past, beyond), builder.select(farther, level, upper)
    return lanes.fuse(slope, offset, start), slope


@intrinsic
def _tiles(typing_context: Any, g: Any, x: Any, used: Any) -> Any:
    """Inner products of the `used` rows of x, of eight coordinates or more, in tiles of g on and below the diagonal.

    Tile (n, m) holds those of the rows 4 n, ... and 4 m, ... from g.flat[16 (4 n + m)] on. Half of the time of a
    product of matrices as small.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        lanes, kinds, used = Lanes(context, builder), signature.args, values[2]
        g, x = (lanes.data(*each) for each in zip(kinds[:2], values[:2], strict=True))
        dimension = cgutils.unpack_tuple(builder, context.make_array(kinds[1])(context, builder, values[1]).shape)[1]
        rows, eight = _rows(builder, used, dimension), _constant(LANES)
        left, end = builder.urem(dimension, eight), builder.sub(dimension, eight)
        # the last eight coordinates, of which only those are new that no vector before has
        new = builder.icmp_signed(">=", lanes.indices(list(range(LANES))), lanes.spread(builder.sub(eight, left)))

        def tile(n: int, m: int) -> None:
            sums = [cgutils.alloca_once_value(builder, lanes.zero) for _ in range(GROUP**2)]

            def add(place: Any, last: bool) -> None:
                ours, theirs = (
                    [lanes.load(x, builder.add(row, place)) for row in rows[GROUP * part : GROUP * (part + 1)]]
                    for part in (n, m)
                )
                theirs = [builder.select(new, each, lanes.zero) for each in theirs] if last else theirs
                for held, pair in zip(sums, product(ours, theirs), strict=True):
                    builder.store(lanes.fuse(*pair, builder.load(held)), held)

            whole = builder.add(end, _constant(1))
            with cgutils.for_range_slice(builder, _constant(0), whole, eight, ir.IntType(64)) as (place, _):
                add(place, last=False)
            with builder.if_then(builder.icmp_signed("!=", left, _constant(0))):
                add(end, last=True)
            found = [builder.load(held) for held in sums]
            for first in (0, LANES):
                at = _constant(GROUP**2 * (BLOCK // GROUP * n + m) + first)
                lanes.store(lanes.totals(found[first : first + LANES]), g, at)

        for n in range(BLOCK // GROUP):
            for m in range(n + 1):
                tile(n, m)
        return context.get_dummy_value()

    return types.void(g, x, used), generate


@numba.njit(**BORROWED)
def _overlaps(g: Array, x: Array) -> None:
    """Inner products of the rows of x, at most BLOCK, in the tiles of `_tiles`."""
    if x.shape[1] >= LANES:
        _tiles(g, x, x.shape[0])
        return
    for k in range(x.shape[0]):
        for j in range(GROUP * (k // GROUP + 1)):
            tile = BLOCK // GROUP * (k // GROUP) + j // GROUP
            g[tile, GROUP * (k % GROUP) + j % GROUP] = dot(x[k], x[min(j, x.shape[0] - 1)])


@intrinsic
def _pass(
    typing_context: Any, s: Any, g: Any, weights: Any, picks: Any, a: Any, b: Any, table: Any, row: Any, scale: Any
) -> Any:
    """sum_i a_i sigma(scale (s[row, i] + a_i sum_{j < row} G[row, j] K_j gate_ji) + b_i) in one pass over neurons.

    G are the inner products in the tiles of g, K_j those of `weights`, 0 from `row` on, gate_ji the bits of `picks`,
    which those of the row join.
    """
    signature = types.float64(s, g, weights, picks, a, b, table, row, scale)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        lanes, kinds = Lanes(context, builder), signature.args
        *held, row, scale = values
        s, g, weights, picks, a, b, table = (lanes.data(*each) for each in zip(kinds[:7], held, strict=True))
        width = cgutils.unpack_tuple(builder, context.make_array(kinds[0])(context, builder, held[0]).shape)[1]
        total, scale = cgutils.alloca_once_value(builder, lanes.zero), lanes.spread(scale)
        group, within = (operation(row, _constant(GROUP)) for operation in (builder.udiv, builder.urem))
        bit = lanes.spread(builder.shl(_constant(1), within))
        own_s, tiles = builder.mul(row, width), builder.mul(group, _constant(BLOCK // GROUP * GROUP**2))
        own_g = builder.add(tiles, builder.mul(within, _constant(GROUP)))
        own_picks = builder.gep(picks, [builder.mul(group, width)])
        kept = lanes.spread(builder.sext(builder.icmp_signed("!=", within, _constant(0)), ir.IntType(64)))

        def over(groups: int) -> None:
            columns = (GROUP**2 * group + column for group in range(groups) for column in range(GROUP))
            places = (builder.add(own_g, _constant(column)) for column in columns)
            sums = _sums(lanes, [builder.load(builder.gep(g, [place])) for place in places], weights)
            with cgutils.for_range_slice(builder, _constant(0), width, _constant(LANES), ir.IntType(64)) as (place, _):
                u, coefficient = lanes.load(s, builder.add(own_s, place)), lanes.load(a, place)
                if groups:
                    u = lanes.fuse(coefficient, _picked(lanes, sums, picks, place, width), u)
                value, slope = _unit(lanes, table, lanes.fuse(scale, u, lanes.load(b, place)))
                builder.store(lanes.fuse(coefficient, value, builder.load(total)), total)
                gate = builder.select(builder.fcmp_unordered("!=", slope, lanes.zero), bit, lanes.none)
                before = builder.and_(lanes.load(own_picks, place), kept)
                lanes.store(builder.or_(before, gate), own_picks, place)

        done = builder.append_basic_block("done")
        needed = builder.udiv(builder.add(row, _constant(GROUP - 1)), _constant(GROUP))
        switch = builder.switch(needed, done)
        for groups in range(BLOCK // GROUP + 1):
            own = builder.append_basic_block(f"groups{groups}")
            switch.add_case(_constant(groups), own)
            builder.position_at_end(own)
            over(groups)
            builder.branch(done)
        builder.position_at_end(done)
        return lanes.total(builder.load(total))

    return signature, generate


@intrinsic
def _weigh(typing_context: Any, weights: Any, row: Any, weight: Any) -> Any:
    """weights[row]: the weight in the eight sums that a sample may be part of, 0 in the others."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        lanes, (held, row, weight) = Lanes(context, builder), values
        bit = lanes.spread(builder.shl(_constant(1), builder.urem(row, _constant(GROUP))))
        among = builder.and_(lanes.indices(list(range(LANES, 2 * LANES))), bit)
        part = builder.select(builder.icmp_signed("!=", among, lanes.none), lanes.spread(weight), lanes.zero)
        lanes.store(part, lanes.data(signature.args[0], held), builder.mul(row, _constant(LANES)))
        return context.get_dummy_value()

    return types.void(weights, row, weight), generate


@intrinsic
def _move(typing_context: Any, w: Any, x: Any, weights: Any, picks: Any, a: Any, used: Any, kept: Any) -> Any:
    """w[j, i] <- kept (w[j, i] + a_i sum_k x[k, j] K_k gate_ki) over the `used` rows of x."""
    signature = types.void(w, x, weights, picks, a, used, kept)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        lanes, kinds = Lanes(context, builder), signature.args
        *held, used, kept = values
        w, x, weights, picks, a = (lanes.data(*each) for each in zip(kinds[:5], held, strict=True))
        shape = context.make_array(kinds[0])(context, builder, held[0]).shape
        dimension, width = cgutils.unpack_tuple(builder, shape)
        keep = lanes.spread(kept)
        rows = _rows(builder, used, dimension)
        with cgutils.for_range(builder, dimension) as column:
            numbers = [builder.load(builder.gep(x, [builder.add(row, column.index)])) for row in rows]
            sums, own = _sums(lanes, numbers, weights), builder.gep(w, [builder.mul(column.index, width)])
            with cgutils.for_range_slice(builder, _constant(0), width, _constant(LANES), ir.IntType(64)) as (place, _):
                added = _picked(lanes, sums, picks, place, width)
                moved = lanes.fuse(lanes.load(a, place), added, lanes.load(own, place))
                lanes.store(builder.fmul(keep, moved), own, place)
        return context.get_dummy_value()

    return signature, generate


@numba.njit(**BORROWED)
def _make_steps(
    s: Array, g: Array, weights: Array, picks: Array, a: Array, b: Array, table: Array, share: float, y: Array,
    factors: Array, rates: Array, first: int, count: int, size: float, shrink: float, pull: int, errors: Array,
    outputs: Array,
) -> tuple[int, float]:  # fmt: skip
    """Bits and weights of the `count` steps of a block from rates[first] on; else as `kernels._make_steps`.

    share: 1/N; size: of sigma' times the mobility; shrink: the ridge times it.
    """
    product, weights[:] = 1.0, 0.0
    for k in range(count):
        rate = rates[first + k]
        after = product * (1.0 - rate * shrink)
        # known before the output is, as what follows waits for it
        size_after = size / after
        output = share * _pass(s, g, weights, picks, a, b, table, k, product)
        if not (abs(output) <= LARGEST):
            return k, product
        if pull == 0 and factors.size == 0:
            error = (y[first + k] - output) * rate
        else:
            outputs[0] = output
            fill_errors(errors, outputs, y, factors, first + k, rate, pull)
            error = errors[0]
        _weigh(weights, k, error * size_after)
        product = after
    return -1, product


@numba.njit(cache=True, nogil=True, error_model="numpy")
def advance_picks(
    gemm: int, w: Array, steps: Steps, x: Array, y: Array, unit: Compiled, slope: float, block: int
) -> int:
    """As `kernels.advance_samples` on w, shape (d, N), where a and b do not move, in steps of one sample.

    Args:
        unit: its table of two knots.
        slope: that of sigma which is not 0.
        block: BLOCK at most.
    """
    rates, (a, b), dimension, table = steps.rates, steps.head, x.shape[1], unit[1]
    neurons, width = a.size, -(-a.size // LANES) * LANES
    s, g, held, heads = aligned(BLOCK, width), aligned(BLOCK, BLOCK), aligned(dimension, width), aligned(2, width)
    weights, picks = aligned(BLOCK, LANES), aligned(BLOCK // GROUP, width).view(np.int64)
    held[:, :neurons], heads[0, :neurons], heads[1, :neurons] = w, a, b
    size, shrink = slope * steps.gains[0], steps.gains[0] * steps.decay[0]
    errors, outputs, done = np.empty(1), np.empty(1), 0
    while done < rates.size:
        count = min(block - (steps.first + done) % block, rates.size - done)
        own = x[done : done + count]
        multiply(gemm, False, False, neurons, count, dimension, 1.0, held, width, own, dimension, 0.0, s, width)
        _overlaps(g, own)
        failed, product = _make_steps(
            s, g, weights, picks, heads[0], heads[1], table, 1.0 / neurons, y, steps.factors, rates, done, count, size,
            shrink, steps.pull, errors, outputs,
        )  # fmt: skip
        if failed >= 0:
            return int(steps.first + done + failed)
        _move(held, own, weights, picks, heads[0], count, product)
        done += count
    w[:] = held[:, :neurons]
    return -1
