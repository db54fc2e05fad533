"""Activations in the kernels of a graphics processor: u -> sigma(u), sigma'(u)."""

from __future__ import annotations

from typing import Any

from numba import cuda

from .shape import Shape


def compiled_unit(shape: Shape, kind: Any) -> Any:
    """u -> sigma(u), sigma'(u), as in `activations.kernels`."""
    if shape.loop is None:
        unit = _line(kind, *shape.table[0])
        for row in shape.table[1:]:
            unit = _joined(kind, unit, *row)
        return unit
    body = cuda.jit(device=True)(shape.loop)

    def smooth(u: Any) -> Any:
        point = cuda.local.array(1, kind)
        value = cuda.local.array(1, kind)
        gate = cuda.local.array(1, kind)
        point[0] = u
        body(point, value, gate, 1)
        return value[0], gate[0]

    return cuda.jit(device=True)(smooth)


def _line(kind: Any, knot: float, level: float, _: float, before: float, after: float) -> Any:
    """About one knot."""

    def line(u: Any) -> Any:
        past = u - kind(knot)
        gate = kind(before) if past < kind(0.0) else kind(after)
        return kind(level) + gate * past, gate

    return cuda.jit(device=True)(line)


def _joined(kind: Any, inner: Any, knot: float, level: float, nearer: float, before: float, after: float) -> Any:
    """About one knot where it is the nearest, else what the ones before make."""
    line = _line(kind, knot, level, nearer, before, after)

    def joined(u: Any) -> Any:
        value, gate = inner(u)
        other, slope = line(u)
        farther = u < kind(nearer)
        return (value, gate) if farther else (other, slope)

    return cuda.jit(device=True)(joined)
