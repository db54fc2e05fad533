"""What compiled loops may take for granted of their arrays, and how wide their vectors are."""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

BORROWED = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
"""Options of compiled functions that make no arrays: they do not count who holds those that they are given, which costs
an atomic operation or two for each array and call, as much as a step of a small network."""


@intrinsic
def apart(typing_context: Any) -> Any:
    """The arrays of the compiled function that calls this do not overlap, and its loops take the widest vectors.

    The compiler then neither asks where arrays lie, which costs more than a pass over 100 neurons, nor stops at half of
    the vectors of 64 bytes. Loops that store are not reordered by it.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = builder.function
        set.add(function.attributes, '"prefer-vector-width"="512"')  # llvmlite knows no attributes with values
        for argument in function.args:
            if isinstance(argument.type, ir.PointerType):
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.void(), generate


LANES = 8
"""Numbers of 64 bits in the widest vectors."""


@cache
def picking() -> bool:
    """Whether a processor picks eight of 16 numbers by their indices at once: where it has AVX-512."""
    from numba.core.registry import cpu_target

    return _picks(cpu_target.target_context)


def _picks(context: Any) -> bool:
    return "+avx512f" in context.codegen().magic_tuple()[2]


class Lanes:
    """Eight float64 or int64 at a time, written out, for loops that no compiler makes vectors of.

    Args:
        context, builder: as numba hands them to what generates an intrinsic.
    """

    def __init__(self, context: Any, builder: Any) -> None:
        self.context, self.builder = context, builder
        self.real, self.whole = (ir.VectorType(kind, LANES) for kind in (ir.DoubleType(), ir.IntType(64)))
        self.zero, self.none = self.number(0.0), self.indices([0] * LANES)

    def number(self, value: float) -> Any:
        """A constant in every lane."""
        return ir.Constant(self.real, [ir.Constant(ir.DoubleType(), value)] * LANES)

    def indices(self, values: list[int]) -> Any:
        """Whole constants."""
        return ir.Constant(self.whole, [ir.Constant(ir.IntType(64), value) for value in values])

    def data(self, kind: Any, array: Any) -> Any:
        """Where the numbers of an array begin."""
        return self.context.make_array(kind)(self.context, self.builder, array).data

    def spread(self, value: Any) -> Any:
        """A number in every lane."""
        first, many = ir.Constant(ir.IntType(32), 0), ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        one = self.builder.insert_element(ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined), value, first)
        return self.builder.shuffle_vector(one, one, many)

    def load(self, data: Any, place: Any) -> Any:
        """The numbers from a place on."""
        return self.builder.load(self._at(data, place), align=8)

    def store(self, value: Any, data: Any, place: Any) -> None:
        """Write numbers from a place on, rounded where those there are narrower."""
        if data.type.pointee == ir.FloatType():
            value = self.builder.fptrunc(value, ir.VectorType(ir.FloatType(), LANES))
        self.builder.store(value, self._at(data, place), align=4)

    def _at(self, data: Any, place: Any) -> Any:
        kind = ir.VectorType(data.type.pointee, LANES)
        return self.builder.bitcast(self.builder.gep(data, [place]), kind.as_pointer())

    def fuse(self, first: Any, second: Any, third: Any) -> Any:
        """first second + third, rounded once where the processor can."""
        return self.builder.fadd(self.builder.fmul(first, second, flags=["contract"]), third, flags=["contract"])

    def less(self, first: Any, second: Any) -> Any:
        """In which lanes."""
        return self.builder.fcmp_ordered("<", first, second)

    def total(self, value: Any) -> Any:
        """The sum of the lanes, halves upon halves."""
        width = LANES
        while width > 1:
            width //= 2
            kind = ir.VectorType(ir.IntType(32), width)
            places = (ir.Constant(kind, list(range(begin, begin + width))) for begin in (0, width))
            value = self.builder.fadd(*(self.builder.shuffle_vector(value, value, place) for place in places))
        return self.builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    def totals(self, parts: list[Any]) -> Any:
        """The sums of eight vectors, one in each lane, in a third of the operations of eight `total`."""
        kind, width = ir.VectorType(ir.IntType(32), LANES), LANES
        while width > 1:
            width //= 2
            low = [lane - width + LANES if lane & width else lane for lane in range(LANES)]
            places = [ir.Constant(kind, [lane + more for lane in low]) for more in (0, width)]
            halves = zip(parts[: len(parts) // 2], parts[len(parts) // 2 :], strict=True)
            parts = [
                self.builder.fadd(*(self.builder.shuffle_vector(*pair, each) for each in places)) for pair in halves
            ]
        return parts[0]

    def pick(self, low: Any, high: Any, places: Any) -> Any:
        """Of the 16 numbers of two vectors those at `places`, 0 to 15."""
        builder = self.builder
        if _picks(self.context):
            kind = ir.FunctionType(self.real, [self.real, self.whole, self.real])
            permute = builder.module.declare_intrinsic("llvm.x86.avx512.vpermi2var.pd.512", fnty=kind)
            return builder.call(permute, [low, places, high])
        room = cgutils.alloca_once(builder, ir.DoubleType(), 2 * LANES)
        for number, part in enumerate((low, high)):
            self.store(part, room, ir.Constant(ir.IntType(64), number * LANES))
        found = ir.Constant(self.real, ir.Undefined)
        for lane in (ir.Constant(ir.IntType(32), lane) for lane in range(LANES)):
            number = builder.load(builder.gep(room, [builder.extract_element(places, lane)]))
            found = builder.insert_element(found, number, lane)
        return found


@numba.njit(cache=True)
def aligned(rows: int, columns: int) -> Any:
    """Zeros, from a multiple of 64 bytes on: vectors that lie across two take twice as long."""
    room = np.zeros(rows * columns + LANES)
    begin = (-(room.ctypes.data // 8)) % LANES
    return room[begin : begin + rows * columns].reshape(rows, columns)
