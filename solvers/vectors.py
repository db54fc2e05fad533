"""What compiled loops may take for granted of their arrays, and how wide their vectors are."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
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
