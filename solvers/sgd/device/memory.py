"""Elements of arrays in shared memory at places of 32 bits, which are not negative.

An index of numba's may count from the end, and has 64 bits: in the innermost loops that is most of the work.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import config, types
from numba.extending import intrinsic

SIMULATED = bool(config.ENABLE_CUDASIM)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, place: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [builder.trunc(place, ir.IntType(32)) if place.type.width > 32 else place])


@intrinsic
def _read(typing_context: Any, array: Any, place: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(_pointer(context, builder, array, *values))

    return array.dtype(array, place), generate


@intrinsic
def _write(typing_context: Any, array: Any, place: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store(
            context.cast(builder, values[2], value, array.dtype), _pointer(context, builder, array, *values[:2])
        )

    return types.void(array, place, value), generate


def _read_simulated(array: Any, place: Any) -> Any:
    assert place >= 0
    return array[place]


def _write_simulated(array: Any, place: Any, value: Any) -> None:
    assert place >= 0
    array[place] = value


read: Any = _read_simulated if SIMULATED else _read
write: Any = _write_simulated if SIMULATED else _write
