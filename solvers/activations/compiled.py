"""Compiled functions of vectors, called by address: loops over neurons know no activation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
from numba import types

Loop = Callable[[Any, Any, Any, int], None]
"""A function (u, value, gate, count) that fills value[i] with sigma(u[i]) and gate[i] with sigma'(u[i])."""


@cache
def loop_address(loop: Loop, precision: str, cached: bool = True) -> int:
    """The address of a loop compiled for numbers of a precision ("float64", "float32"), kept while the process lives.

    Args:
        cached: whether the compiled code is kept on disk, as it can be for a function of a module.
    """
    return int(_compiled(loop, precision, cached).address)


@cache
def _compiled(loop: Loop, precision: str, cached: bool) -> Any:
    pointer = types.CPointer(getattr(types, precision))
    signature = types.void(pointer, pointer, pointer, types.int64)
    return numba.cfunc(signature, error_model="numpy", cache=cached)(loop)
