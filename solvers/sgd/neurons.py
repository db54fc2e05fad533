"""One sample or step of all neurons, of one type of numbers: the loops over neurons inside those of `kernels`.

Only sums may be reordered, in loops that store nothing. A loop that stores may have a scalar twin for arrays that might
overlap, taken or not by where they happen to lie: the two must round alike, so nothing there, nor in `kernels`, may
be contracted or reordered. Arrays are handed over one by one and rows named by index: a view of one, or an array taken
out of a tuple, costs more than a pass over 100 neurons.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from ..activations.kernels import SUMS, evaluate
from ..arrays import Array
from ..vectors import BORROWED, apart


@numba.njit(**BORROWED, fastmath=SUMS)
def dot(first: Array, second: Array) -> Any:
    """The inner product of two vectors."""
    total = first.dtype.type(0.0)
    for i in range(first.size):
        total += first[i] * second[i]
    return total


@numba.njit(**BORROWED, fastmath=SUMS)
def _dot_row(first: Array, second: Array, row: int) -> Any:
    total = first.dtype.type(0.0)
    for i in range(first.size):
        total += first[i] * second[row, i]
    return total


@numba.njit(**BORROWED)
def add_row(out: Array, factor: float, row: Array) -> None:
    """out += factor row."""
    weight = out.dtype.type(factor)
    for i in range(out.size):
        out[i] += weight * row[i]


@numba.njit(**BORROWED)
def correct(s: Array, gram: Array, c: Array, row: int, first: int, stop: int) -> None:
    """s[row] += gram[row, first:stop] @ c[first:stop], four rows at a time."""
    apart()
    neurons = s.shape[1]
    j = first
    while j + 4 <= stop:
        g0, g1, g2, g3 = gram[row, j], gram[row, j + 1], gram[row, j + 2], gram[row, j + 3]
        for i in range(neurons):
            s[row, i] += (g0 * c[j, i] + g1 * c[j + 1, i]) + (g2 * c[j + 2, i] + g3 * c[j + 3, i])
        j += 4
    # what is left in one pass, rounded as in one pass for each
    if stop - j == 3:
        g0, g1, g2 = gram[row, j], gram[row, j + 1], gram[row, j + 2]
        for i in range(neurons):
            s[row, i] = ((s[row, i] + g0 * c[j, i]) + g1 * c[j + 1, i]) + g2 * c[j + 2, i]
    elif stop - j == 2:
        g0, g1 = gram[row, j], gram[row, j + 1]
        for i in range(neurons):
            s[row, i] = (s[row, i] + g0 * c[j, i]) + g1 * c[j + 1, i]
    elif stop - j == 1:
        g0 = gram[row, j]
        for i in range(neurons):
            s[row, i] += g0 * c[j, i]


@numba.njit(**BORROWED)
def weigh(out: Array, row: int, factor: float, a: Array, gate: Array, batch_row: int) -> None:
    """out[row] = factor a gate[batch_row]."""
    apart()
    weight = out.dtype.type(factor)
    for i in range(a.size):
        out[row, i] = weight * a[i] * gate[batch_row, i]


@numba.njit(**BORROWED)
def _two_knots(
    table: Array, scale: Any, s: Array, row: int, b: Array, value: Array, gate: Array, batch_row: int
) -> None:
    """What `evaluate` gives at scale s[row] + b, in one pass, which is half of the time of small networks."""
    apart()
    zero = s.dtype.type(0.0)
    first, first_level, below, inner = table[0, 0], table[0, 1], table[0, 3], table[0, 4]
    second, second_level, nearer, above = table[1, 0], table[1, 1], table[1, 2], table[1, 4]
    for i in range(b.size):
        point = scale * s[row, i] + b[i]
        past, beyond = point - first, point - second
        slope = below if past < zero else (inner if beyond < zero else above)
        farther = point < nearer
        value[batch_row, i] = (first_level if farther else second_level) + slope * (past if farther else beyond)
        gate[batch_row, i] = slope


@numba.njit(**BORROWED)
def forward(
    address: int, table: Array, factor: float, s: Array, row: int, a: Array, b: Array,
    u: Array, value: Array, gate: Array, batch_row: int,
) -> Any:  # fmt: skip
    """f_N at the pre-activations u = factor s[row] + b; fills the rows `batch_row` of value and gate."""
    scale = s.dtype.type(factor)
    if address == 0 and table.shape[0] == 2:
        _two_knots(table, scale, s, row, b, value, gate, batch_row)
    else:
        for i in range(a.size):
            u[i] = scale * s[row, i] + b[i]
        evaluate(address, table, u, value[batch_row], gate[batch_row])
    return _dot_row(a, value, batch_row) / a.size


@numba.njit(**BORROWED)
def _add_rows(change: Array, gain: float, errors: Array, rows: Array) -> None:
    """change <- gain errors @ rows."""
    apart()
    change[:] = 0.0
    for r in range(errors.size):
        weight = change.dtype.type(gain * errors[r])
        for i in range(change.size):
            change[i] += weight * rows[r, i]


@numba.njit(**BORROWED)
def move_head(
    a: Array, b: Array, gains: tuple[float, float, float], rate: float, decay: tuple[float, float, float],
    costs: tuple[float, float, float], lengths: Array, errors: Array, values: Array, gates: Array, change: Array,
) -> None:  # fmt: skip
    """One step of those of a and b that move, from the errors (times step size over batch) of its rows.

    rate: step size; decay: lambda; costs: power, strength and path of the penalty of a; lengths: |w_i| for the path.
    """
    apart()
    if gains[2] > 0.0:
        kept = a.dtype.type(1.0 - gains[2] * rate * decay[2])
        _add_rows(change, gains[2], errors, gates)
        for i in range(b.size):
            b[i] = kept * b[i] + a[i] * change[i]
    if gains[1] > 0.0:
        kept = a.dtype.type(1.0 - gains[1] * rate * decay[1])
        _add_rows(change, gains[1], errors, values)
        power, strength, path = costs
        if strength > 0.0 or path > 0.0:
            for i in range(a.size):
                pull = strength * abs(a[i]) ** (power - 1.0) + path * lengths[i]
                change[i] -= a.dtype.type(gains[1] * rate * pull) * np.sign(a[i])
        for i in range(a.size):
            a[i] = kept * a[i] + change[i]
