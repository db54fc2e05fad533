"""The activation of a neuron as compiled loops see it: a table of kinks, or the code of a smooth function."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np

from ..arrays import Array

SMOOTH = {"sigmoid": 1, "tanh": 2, "erf": 3}
_TABLE = 0


@dataclass(frozen=True)
class Unit:
    """sigma(u) = left + slope u + sum_i kinks_i (u - knots_i)_+, or a smooth function.

    Attributes:
        knots: increasing, shape (K,).
        kinks: jumps of the slope there, shape (K,).
        left, slope: the leftmost line.
        smooth: "sigmoid", "tanh" or "erf" in place of the table.
    """

    knots: tuple[float, ...] = ()
    kinks: tuple[float, ...] = ()
    left: float = 0.0
    slope: float = 0.0
    smooth: str | None = None

    def __post_init__(self) -> None:
        if self.smooth is not None and self.smooth not in SMOOTH:
            raise ValueError(f"no smooth activation {self.smooth!r}; write one of {', '.join(SMOOTH)}")
        if len(self.knots) != len(self.kinks):
            raise ValueError(f"{len(self.knots)} knots but {len(self.kinks)} kinks: give one kink to each knot")
        if not all(math.isfinite(x) for x in (*self.knots, *self.kinks, self.left, self.slope)):
            raise ValueError("knots, kinks, left and slope of an activation must be finite")

    @classmethod
    def through(cls, knots: Array, values: Array) -> Unit:
        """The piecewise linear interpolant of (knots, values), constant outside the first and last knot."""
        slopes = np.concatenate(([0.0], np.diff(values) / np.diff(knots), [0.0]))
        return cls(tuple(map(float, knots)), tuple(map(float, np.diff(slopes))), float(values[0]))

    @property
    def code(self) -> int:
        """The number by which kernels know the function; 0 for the table."""
        return SMOOTH[self.smooth] if self.smooth else _TABLE

    @property
    def table(self) -> Array:
        """Row 0 (left, slope), then a row (knot, kink) for each knot; at least two, padded by kinks of 0."""
        rows = [(self.left, self.slope), *zip(self.knots, self.kinks, strict=True)]
        return np.array(rows + [(0.0, 0.0)] * (3 - len(rows)))

    @property
    def single_slope(self) -> float:
        """The slope of sigma where it is not flat, if it is the same everywhere; 0 if there are several, or none."""
        slopes = {slope for slope in np.cumsum((self.slope, *self.kinks)).tolist() if slope != 0.0}
        return slopes.pop() if self.smooth is None and len(slopes) == 1 else 0.0

    def __call__(self, u: Array) -> Array:
        """sigma(u), elementwise."""
        return self.values(u)[0]

    def values(self, u: Array) -> tuple[Array, Array]:
        """sigma(u) and sigma'(u), of the shape of u; at a knot the slope to its right."""
        flat = np.ascontiguousarray(u, dtype=float).ravel()
        value, gate = np.empty_like(flat), np.empty_like(flat)
        evaluate(self.code, self.table, flat, value, gate)
        return value.reshape(np.shape(u)), gate.reshape(np.shape(u))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def evaluate(code: int, table: Array, u: Array, value: Array, gate: Array) -> None:
    """Fill value with sigma(u) and gate with sigma'(u); all of one type, with the table."""
    if code == _TABLE:
        _piecewise(table, u, value, gate)
    else:
        _smooth(code, u, value, gate)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _piecewise(table: Array, u: Array, value: Array, gate: Array) -> None:
    zero = u.dtype.type(0.0)
    left, slope = table[0, 0], table[0, 1]
    first, first_kink = table[1, 0], table[1, 1]
    second, second_kink = table[2, 0], table[2, 1]
    for i in range(u.size):
        above, beyond = u[i] - first, u[i] - second
        value[i] = left + slope * u[i] + first_kink * max(above, zero) + second_kink * max(beyond, zero)
        gate[i] = slope + (first_kink if above >= zero else zero) + (second_kink if beyond >= zero else zero)
    for row in range(3, table.shape[0]):
        knot, kink = table[row, 0], table[row, 1]
        for i in range(u.size):
            above = u[i] - knot
            value[i] += kink * max(above, zero)
            gate[i] += kink if above >= zero else zero


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _smooth(code: int, u: Array, value: Array, gate: Array) -> None:
    if code == 1:
        for i in range(u.size):
            tail = math.exp(-abs(u[i]))
            value[i] = (1.0 if u[i] >= 0.0 else tail) / (1.0 + tail)
            gate[i] = tail / (1.0 + tail) ** 2
    elif code == 2:
        for i in range(u.size):
            value[i] = math.tanh(u[i])
            gate[i] = 1.0 - value[i] * value[i]
    else:
        for i in range(u.size):
            value[i] = math.erf(u[i])
            gate[i] = 2.0 / math.sqrt(math.pi) * math.exp(-u[i] * u[i])
