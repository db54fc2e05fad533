"""Functions written for NumPy arrays, compiled as they are: the values and slopes of a user's activation."""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from types import FunctionType, MethodType
from typing import Any

import numba
import numpy as np

from ..arrays import Array
from .compiled import Loop, loop_address

Function = Callable[[Array], Array]

AGREED = {"float64": 1e-12, "float32": 1e-5}
"""Largest difference of compiled and interpreted values, relative to 1 + |value|."""


def translated_address(value: Function, slope: Function, precision: str) -> int | None:
    """The address of a loop over `value` and `slope`, None where numba does not compile them to the same numbers."""
    address = _address(*_parts(value), *_parts(slope), precision)
    return address if address is not None and _agrees(address, value, slope, precision) else None


def _parts(function: Function) -> tuple[Function, Any]:
    """A function and, if it is a method, what it may read of its object: numbers by name; both can be compared."""
    if not isinstance(function, MethodType):
        return function, None
    owner = function.__self__
    numbers = {
        name: getattr(owner, name)
        for name in dir(owner)
        if name.isidentifier() and not name.startswith("_") and isinstance(getattr(owner, name), int | float)
    }
    return function.__func__, tuple(sorted(numbers.items())) if numbers else ()


@cache
def _address(value: Function, of_value: Any, slope: Function, of_slope: Any, precision: str) -> int | None:
    by_array = any(_selects(function) for function in (value, slope))
    for build in (_loop_over_arrays,) if by_array else (_loop_over_numbers, _loop_over_arrays):
        # whatever numba says of code that is not for it
        with suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loop = build(_bound(value, of_value), _bound(slope, of_slope))
            return loop_address(loop, precision, cached=False)
    return None


def _selects(function: Any) -> bool:
    """Whether a function takes np.where, which numba makes an array of even for a number: a microsecond each."""
    code = getattr(getattr(function, "py_func", function), "__code__", None)
    return code is not None and "where" in code.co_names


def _loop_over_numbers(first: Any, second: Any) -> Loop:
    """Number by number: compiled in a tenth of a second, without arrays in between."""

    def loop(u: Any, value: Any, slope: Any, count: int) -> None:
        for i in range(count):
            value[i] = first(u[i])
            slope[i] = second(u[i])

    return loop


def _loop_over_arrays(first: Any, second: Any) -> Loop:
    """Array by array, as functions with masks want it; the first one takes seconds to compile."""

    def loop(u: Any, values: Any, slopes: Any, count: int) -> None:
        places, value, slope = numba.carray(u, count), numba.carray(values, count), numba.carray(slopes, count)
        value[:] = first(places)
        slope[:] = second(places)

    return loop


def _bound(function: Any, owner: Any) -> Any:
    """The compiled function of an array; `owner` stands for the object of a method."""
    compiled: Any = function
    if isinstance(function, FunctionType):
        compiled = numba.njit(error_model="numpy", nogil=True)(function)
    elif not hasattr(function, "py_func"):
        compiled = numba.njit(error_model="numpy", nogil=True)(lambda u: function(u))
    if owner is None:
        return compiled
    names = tuple(name for name, _ in owner)
    itself = namedtuple("Owner", names)(*(number for _, number in owner)) if names else 0

    def method(u: Any) -> Any:
        return compiled(itself, u)

    return numba.njit(error_model="numpy", nogil=True)(method)


def _agrees(address: int, value: Function, slope: Function, precision: str) -> bool:
    from .kernels import evaluate

    u = np.linspace(-6.01, 5.99, 301).astype(precision)
    found = np.empty_like(u), np.empty_like(u)
    evaluate(address, np.zeros((3, 2), precision), u, *found)
    wide = u.astype(float)
    return all(
        bool(np.all(np.abs(got - expected) <= AGREED[precision] * (1.0 + np.abs(expected))))
        for got, expected in zip(found, (np.asarray(value(wide)), np.asarray(slope(wide))), strict=True)
    )
