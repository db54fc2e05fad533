"""Functions written for NumPy arrays, compiled as they are: the values and slopes of a user's activation."""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Callable
from functools import cache
from types import MethodType
from typing import Any

import numba
import numpy as np

from ..arrays import Array
from .compiled import loop_address

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
    first, second = _bound(value, of_value), _bound(slope, of_slope)

    def loop(u: Any, values: Any, slopes: Any, count: int) -> None:
        places, value, slope = numba.carray(u, count), numba.carray(values, count), numba.carray(slopes, count)
        value[:] = first(places)
        slope[:] = second(places)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return loop_address(loop, precision, cached=False)
    except Exception:  # whatever numba says of code that is not for it
        return None


def _bound(function: Any, owner: Any) -> Any:
    """The compiled function of an array; `owner` stands for the object of a method."""
    compiled: Any = function if hasattr(function, "py_func") else numba.njit(error_model="numpy", nogil=True)(function)
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
