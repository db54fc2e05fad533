"""Loops over the ramps of units."""

from __future__ import annotations

import math

import numba
import numpy as np

from ...arrays import INNER, Array
from ..hinges import FAR
from ..kernels import dense, tail

NARROW = 0.25
"""Width of a ramp in deviations below which it is a mean of steps."""
FEW, MANY = 6, 20
"""Gauss nodes of a panel short against what is smooth there, and of one as long as five deviations."""
STEPS = np.polynomial.legendre.leggauss(10)
"""Gauss rule over the steps of a ramp: exact to rounding up to h_160."""
LAYERS = np.array([-8.0, -3.0, 0.0, 3.0, 8.0])
"""Ends of panels about a bend that is smoothed by a normal law, in its deviations."""
REMAINDER, BOX, TILTED = 0, 1, 2
"""What a narrow ramp is taken for: what a step at its middle leaves of it, t times its slope, X times that."""
WHOLE, STEPPED, WIDE = 0, 1, 2
"""What the other unit is taken for: itself, with steps for its narrow ramps, or without them."""

_FEW, _MANY = (np.stack(np.polynomial.legendre.leggauss(count)) for count in (FEW, MANY))
_STEPS = np.stack(STEPS)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def squares(
    x: Array, free: Array, deltas: Array, slopes: Array, values: Array, points: Array, weights: Array, found: Array
) -> None:
    """Fill found with the sums over the pieces of ∫ sigma^2 n; free are the places without bounds."""
    count = x.shape[1]
    for n in range(found.size):
        total = 0.0
        for p in range(count + 1):
            low, high = -FAR if p == 0 else x[n, p - 1], FAR if p == count else x[n, p]
            if not high > low:
                continue
            if 0 < p < count and deltas[n, p - 1] < NARROW:
                part = 0.0
                for g in range(points.size):
                    share = 0.5 * (points[g] + 1.0)
                    level = values[p - 1] * (1.0 - share) + values[p] * share
                    part += 0.5 * weights[g] * level * level * dense(low + deltas[n, p - 1] * share)
                total += deltas[n, p - 1] * part
                continue
            knot = max(p - 1, 0)
            if 0 < p < count and abs(free[n, p]) < abs(free[n, knot]):
                knot = p
            rise = slopes[n, p]
            line = values[knot] - rise * free[n, knot]
            mass = tail(low) - tail(high) if low > 0.0 else tail(-high) - tail(-low)
            first = dense(low) - dense(high)
            second = mass + low * dense(low) - high * dense(high)
            total += max(line * line * mass + 2.0 * line * rise * first + rise * rise * second, 0.0)
        found[n] = total


@numba.njit(**INNER, error_model="numpy")
def _given(
    order: int,
    other: int,
    d: Array,
    deltas: Array,
    narrow: Array,
    rises: Array,
    values: Array,
    outer: Array,
    spread: float,
) -> float:
    """E of a unit (order 0) or of its derivative (1) under the normal law of this spread, d the knots from its mean."""
    count = d.size
    below = 0
    for m in range(count):
        if d[m] < 0.0:
            below += 1
    near, upper = max(below - 1, 0), min(below, count - 1)
    if abs(d[upper]) < abs(d[near]):
        near = upper
    total, slope, before = 0.0, 0.0, outer[0]
    if below == 0:
        slope = outer[0]
    for m in range(count):
        after = outer[1] if m == count - 1 else 0.0
        if m < count - 1:
            stepped = narrow[m] and other != WHOLE
            side = -1.0 if d[m] + d[m + 1] < 0.0 else 1.0
            if stepped:
                if other == STEPPED:
                    total += side * rises[m] * tail(side * (d[m] + 0.5 * deltas[m]) / spread)
            elif deltas[m] < NARROW * spread:
                part = 0.0
                for g in range(_STEPS.shape[1]):
                    z = (d[m] + 0.5 * (_STEPS[0, g] + 1.0) * deltas[m]) / spread
                    part += 0.5 * _STEPS[1, g] * (side * tail(side * z) if order == 0 else dense(z) / spread)
                total += rises[m] * part
            else:
                after = rises[m] / deltas[m]
        kink, z = after - before, abs(d[m]) / spread
        if kink != 0.0:
            if order == 0:
                total += kink * (spread * dense(z) - abs(d[m]) * tail(z))
            else:
                total += kink * (-1.0 if d[m] < 0.0 else 1.0) * tail(z)
        before = after
        if m == below - 1:
            slope = after
    return total + (values[near] - slope * d[near] if order == 0 else slope)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def compact(
    kind: tuple[int, int, int],
    ramps: tuple[Array, Array, Array, Array],
    others: tuple[Array, Array, Array, Array, Array, Array],
    relation: tuple[Array, Array],
    found: Array,
) -> None:
    """Add to found the integrals of narrow ramps against the conditional expectations of the other unit."""
    weighting, order, other = kind
    x, deltas, narrow, rises = ramps
    y, y_deltas, y_narrow, y_rises, values, outer = others
    sign, gap = relation
    count = y.shape[1]
    base, d = np.empty(count), np.empty(count)
    edges = np.empty(3 + LAYERS.size * (2 * count - 1))
    for n in range(found.size):
        rho = sign[n] * (1.0 - gap[n])
        spread = max(math.sqrt(max(gap[n] * (2.0 - gap[n]), 0.0)), 1e-290)
        for p in range(rises.size):
            delta, low = deltas[n, p], x[n, p]
            if not narrow[n, p] or rises[p] == 0.0 or abs(low) >= FAR - 1.0:
                continue
            edges[0], edges[1], size = 0.0, delta, 2
            if weighting == REMAINDER:
                edges[2], size = 0.5 * delta, 3
            for m in range(count):
                base[m] = (y[n, m] - sign[n] * low) + sign[n] * gap[n] * low
                for half in range(2 if m < count - 1 and y_narrow[n, m] else 1):
                    for layer in LAYERS:
                        place = base[m] + half * 0.5 * y_deltas[n, m] if half else base[m]
                        edge = (place + layer * spread) / rho if abs(rho) > 1e-3 else -1.0
                        if 0.0 < edge < delta:
                            edges[size] = edge
                            size += 1
            edges[:size].sort()
            total = 0.0
            for e in range(size - 1):
                length = edges[e + 1] - edges[e]
                if not length > 0.0:
                    continue
                rule = _FEW if length < 0.5 * spread else _MANY
                for g in range(rule.shape[1]):
                    r = edges[e] + 0.5 * length * (rule[0, g] + 1.0)
                    for m in range(count):
                        d[m] = base[m] - rho * r
                    given = _given(order, other, d, y_deltas[n], y_narrow[n], y_rises, values, outer[n], spread)
                    weight = 0.5 * length * rule[1, g] * dense(low + r) * given
                    if weighting == REMAINDER:
                        weight *= r / delta - (1.0 if 2.0 * r > delta else 0.0)
                    else:
                        weight /= delta
                        if weighting == TILTED:
                            weight *= low + r
                    total += weight
            found[n] += rises[p] * total
