"""Random numbers by counter: Philox 4x32-10 (Salmon et al., SC 2011) and normals by Box-Muller.

A number is a function of (key, counter) alone, so a stream has no state: it can be read from any step, in any order,
by any thread. The key is (seed, replica), the counter

    (pair index, stream, low and high word of the step),

and one block of 128 bits gives a pair of normals, sqrt(-2 log u) (cos, sin)(2 pi v) with u = (n + 1/2) / 2^52 from the
first two words and v from the last two. The elementary functions are polynomials without branches (coefficients of
fdlibm; relative error below 1e-15 for log, absolute for the others), so that loops over pairs run on vector registers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from ..arrays import Array
from ..vectors import BORROWED, apart

SAMPLES, LABELS, NOISE, HEAD_NOISE, DIRECTIONS, REST, REST_LENGTHS, FIRST_LENGTHS = (
    np.uint64(stream) for stream in range(8)
)
"""Streams: coordinates of x, its label, noise on w, noise on (a, b), directions of the first neurons; where samples
are drawn in the coordinates of the neurons, what they have outside, and lengths there and of the first neurons."""

_MASK = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)
_FIRST, _SECOND = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_KEY_FIRST, _KEY_SECOND = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)

_ONE = np.int64(0x3FF0000000000000)
_EXPONENT = np.int64(52)
_MANTISSA = np.int64(0xFFFFFFFFFFFFF)
_HALVING = np.int64(0x6A09E667F3BCD)
"""Mantissa bits of sqrt(2): larger mantissas are halved, so that log is taken on [sqrt(1/2), sqrt(2))."""

_UNIT = 2.0**-52
_LOG_TWO = math.log(2.0)


def _bitcast(source: Any, target: Any, word: Any) -> Callable[..., Any]:
    def convert(typing_context: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], word)

        return target(source), generate

    return convert


_as_integer = intrinsic(_bitcast(types.float64, types.int64, ir.IntType(64)))
_as_float = intrinsic(_bitcast(types.int64, types.float64, ir.DoubleType()))


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> tuple[Any, Any, Any, Any]:
    """The four words of Philox 4x32-10 at a counter under a key, all 32-bit numbers held as uint64."""
    # the masks let the compiler see 32-bit factors, for which vectors have a multiplication
    c0, c1, c2, c3, k0, k1 = c0 & _MASK, c1 & _MASK, c2 & _MASK, c3 & _MASK, k0 & _MASK, k1 & _MASK
    for _ in range(10):
        high = _FIRST * c0
        low = _SECOND * c2
        c0, c1, c2, c3 = (low >> _WORD) ^ c1 ^ k0, low & _MASK, (high >> _WORD) ^ c3 ^ k1, high & _MASK
        k0 = (k0 + _KEY_FIRST) & _MASK
        k1 = (k1 + _KEY_SECOND) & _MASK
    return c0, c1, c2, c3


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
def log_unit(u: float) -> Any:
    """log u for normal u > 0, by 2 atanh((m - 1) / (m + 1)) on the mantissa m in [sqrt(1/2), sqrt(2))."""
    bits = _as_integer(u)
    halve = np.int64((bits & _MANTISSA) >= _HALVING)
    exponent = (bits >> _EXPONENT) - np.int64(1023) + halve
    mantissa = _as_float(((bits & _MANTISSA) | _ONE) - (halve << _EXPONENT))
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    square = ratio * ratio
    tail = 1.479819860511658591e-01
    tail = tail * square + 1.531383769920937332e-01
    tail = tail * square + 1.818357216161805012e-01
    tail = tail * square + 2.222219843214978396e-01
    tail = tail * square + 2.857142874366239149e-01
    tail = tail * square + 3.999999999940941908e-01
    tail = tail * square + 6.666666666666735130e-01
    return exponent * _LOG_TWO + (2.0 * ratio + ratio * square * tail)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
def turn(v: float) -> tuple[float, float]:
    """(cos, sin)(2 pi v) for 0 <= v < 1 by polynomials on the nearest multiple of a quarter turn."""
    quarter = np.int64(4.0 * v + 0.5)
    angle = (v - 0.25 * quarter) * (2.0 * math.pi)
    square = angle * angle
    sine = 1.58969099521155010221e-10
    sine = sine * square - 2.50507602534068634195e-08
    sine = sine * square + 2.75573137070700676789e-06
    sine = sine * square - 1.98412698298579493134e-04
    sine = sine * square + 8.33333333332248946124e-03
    sine = sine * square - 1.66666666666666324348e-01
    sine = angle + angle * square * sine
    cosine = -1.13596475577881948265e-11
    cosine = cosine * square + 2.08757232129817482790e-09
    cosine = cosine * square - 2.75573143513906633035e-07
    cosine = cosine * square + 2.48015872894767294178e-05
    cosine = cosine * square - 1.38888888888741095749e-03
    cosine = cosine * square + 4.16666666666666019037e-02
    cosine = cosine * square - 0.5
    cosine = 1.0 + cosine * square
    # quarter turns exchange the two and change signs: odd ones exchange, 1 and 2 negate the cosine, 2 and 3 the sine
    odd = quarter & 1
    cosine_sign = 1.0 - 2.0 * (((quarter + 1) >> 1) & 1)
    sine_sign = 1.0 - 2.0 * ((quarter >> 1) & 1)
    return (sine if odd else cosine) * cosine_sign, (cosine if odd else sine) * sine_sign


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
def normal_pair(pair: Any, stream: Any, low: Any, high: Any, seed: Any, replica: Any) -> tuple[float, float]:
    """Two independent standard normals of one counter."""
    w0, w1, w2, w3 = philox(pair, stream, low, high, seed, replica)
    u = (np.int64(((w0 << _WORD) | w1) >> np.uint64(12)) + 0.5) * _UNIT
    v = np.int64(((w2 << _WORD) | w3) >> np.uint64(12)) * _UNIT
    radius = math.sqrt(-2.0 * log_unit(u))
    cosine, sine = turn(v)
    return radius * cosine, radius * sine


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _fill_pairs(
    first: Array, second: Array, pair: Any, stream: Any, low: Any, high: Any, seed: Any, replica: Any
) -> None:
    for p in range(second.size):
        first[p], second[p] = normal_pair(pair + np.uint64(p), stream, low, high, seed, replica)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def fill_normals(out: Array, pair: int, stream: Any, step: int, seed: Any, replica: Any) -> None:
    """Fill the vector `out`, of length n, with normals of one step, from counter `pair` on.

    Counter pair + p holds entries p and p + ceil(n / 2); ceil(n / 2) counters are used.
    """
    half = (out.size + 1) // 2
    low, high = np.uint64(step) & _MASK, np.uint64(step) >> _WORD
    _fill_pairs(out[:half], out[half:], np.uint64(pair), stream, low, high, seed, replica)
    if out.size % 2:
        out[half - 1] = normal_pair(np.uint64(pair + half - 1), stream, low, high, seed, replica)[0]


@intrinsic
def _eight_words(
    typing_context: Any, first: Any, second: Any, place: Any, pair: Any, step: Any, stream: Any, seed: Any, replica: Any
) -> Any:
    """The 52 bits of u and of v for the eight counters from `place` on, into the places of the normals.

    As `philox`, but the high words go to the low ones by a permutation, which runs beside the multiplications where a
    shift waits for them; what is left in the upper halves is not read. A third of the time of the words.
    """
    signature = types.void(first, second, place, pair, step, stream, seed, replica)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        word, half = ir.VectorType(ir.IntType(64), 8), ir.VectorType(ir.IntType(32), 16)
        many = ir.Constant(ir.VectorType(ir.IntType(32), 8), [0] * 8)
        odd = ir.Constant(half, [lane | 1 for lane in range(16)])

        def spread(value: Any) -> Any:
            one = builder.insert_element(ir.Constant(word, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
            return builder.shuffle_vector(one, one, many)

        def number(value: Any) -> Any:
            return spread(ir.Constant(ir.IntType(64), int(value)))

        def place_of(position: int) -> Any:
            data = context.make_array(signature.args[position])(context, builder, values[position]).data
            return builder.bitcast(builder.gep(data, [values[2]]), word.as_pointer())

        def high(value: Any) -> Any:
            halves = builder.bitcast(value, half)
            return builder.bitcast(builder.shuffle_vector(halves, halves, odd), word)

        mask, wide, keys = number(_MASK), number(_WORD), list(values[6:8])
        steps = builder.load(place_of(4), align=8)
        c0, c1, c2, c3 = builder.load(place_of(3), align=8), spread(values[5]), steps, builder.lshr(steps, wide)
        for _ in range(10):
            first_product = builder.mul(number(_FIRST), builder.and_(c0, mask))
            second_product = builder.mul(number(_SECOND), builder.and_(c2, mask))
            c0 = builder.xor(builder.xor(high(second_product), c1), spread(keys[0]))
            c2 = builder.xor(builder.xor(high(first_product), c3), spread(keys[1]))
            c1, c3 = second_product, first_product
            for i, weyl in enumerate((_KEY_FIRST, _KEY_SECOND)):
                keys[i] = builder.add(keys[i], ir.Constant(ir.IntType(64), int(weyl)))
        for position, upper, lower in ((0, c0, c1), (1, c2, c3)):
            both = builder.or_(builder.shl(upper, wide), builder.and_(lower, mask))
            builder.store(builder.lshr(both, number(12)), place_of(position), align=8)
        return context.get_dummy_value()

    return signature, generate


@numba.njit(**BORROWED, fastmath={"contract"})
def _turn_pairs(first: Array, second: Array) -> None:
    """Normals from the bits of u and v in their places."""
    apart()
    for q in range(first.size):
        u, v = (_as_integer(first[q]) + 0.5) * _UNIT, _as_integer(second[q]) * _UNIT
        radius = math.sqrt(-2.0 * log_unit(u))
        cosine, sine = turn(v)
        first[q], second[q] = radius * cosine, radius * sine


@numba.njit(**BORROWED, fastmath={"contract"})
def fill_normal_pairs(first: Array, second: Array, pair: Any, step: Any, stream: Any, seed: Any, replica: Any) -> None:
    """Fill two vectors with the pairs of the counters `pair` and steps `step`, uint64 vectors of their length.

    The same numbers as `fill_normals` gives step by step, in one long loop.
    """
    place = 0
    while place + 8 <= first.size:
        _eight_words(first, second, place, pair, step, stream, seed, replica)
        place += 8
    for q in range(place, first.size):
        w0, w1, w2, w3 = philox(pair[q], stream, step[q] & _MASK, step[q] >> _WORD, seed, replica)
        first[q] = _as_float(np.int64(((w0 << _WORD) | w1) >> np.uint64(12)))
        second[q] = _as_float(np.int64(((w2 << _WORD) | w3) >> np.uint64(12)))
    _turn_pairs(first, second)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def fill_uniforms(out: Array, pair: int, stream: Any, step: int, seed: Any, replica: Any) -> None:
    """Fill the vector `out` with uniforms of (0, 1): entry k from counter `pair` of step + k."""
    for k in range(out.size):
        low, high = np.uint64(step + k) & _MASK, np.uint64(step + k) >> _WORD
        w0, w1, _, _ = philox(np.uint64(pair), stream, low, high, seed, replica)
        out[k] = (np.int64(((w0 << _WORD) | w1) >> np.uint64(12)) + 0.5) * _UNIT


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
def coin(step: Any, seed: Any, replica: Any) -> Any:
    """The label's class at one step: 0 or 1 with probability 1/2 each."""
    zero = np.uint64(0)
    words = philox(zero, LABELS, np.uint64(step) & _MASK, np.uint64(step) >> _WORD, seed, replica)
    return np.int64(words[0] & np.uint64(1))
