"""What can be learned of an activation from samples of its values: slopes, kinks, bounds, mistakes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..arrays import Array
from .activation import Bounds

Function = Callable[[Array], Array]

STEP = 2e-4
"""Of differences of values of order four, relative to 1 + |u|: errors of 1e-12 for values and scales of order one."""
FAR = 1e4
"""|u| up to which bounds are sampled."""
GROWN = 1.001
"""Factor between the largest |sigma| up to a hundredth of the reach and all of it, above which it is unbounded."""
BESIDE = 1e-7
"""Distance from a knot, relative to 1 + |u|, at which slopes to its left and right are taken."""
MISMATCH = 1e-4
"""Largest difference of slopes and rises of values, relative to the largest slope."""


def evaluated(function: Function, u: Array) -> Array:
    """The values of a user's function, whatever it does beyond the range of floating point."""
    with np.errstate(all="ignore"):
        return np.asarray(function(u), dtype=float)


def slope_of(value: Function, knots: Array) -> Function:
    """sigma' by differences of order four: central, or one-sided where a knot is near."""

    def slope(u: Array) -> Array:
        u = np.asarray(u, dtype=float)
        step = STEP * (1.0 + np.abs(u))
        found = (8.0 * (value(u + step) - value(u - step)) - (value(u + 2 * step) - value(u - 2 * step))) / (12 * step)
        near = np.zeros(u.shape, dtype=bool)
        side = np.ones(u.shape)
        for knot in knots:
            close = np.abs(u - knot) <= 2.0 * step
            near |= close
            side = np.where(close, np.where(u >= knot, 1.0, -1.0), side)
        if near.any():
            at, h = u[near], (side * step)[near]
            parts = [value(at + i * h) for i in range(5)]
            found = np.array(found)
            found[near] = (-25 * parts[0] + 48 * parts[1] - 36 * parts[2] + 16 * parts[3] - 3 * parts[4]) / (12 * h)
        return np.asarray(found)

    return slope


def kinks_of(slope: Function, knots: Array) -> Array:
    """The jumps of sigma' at the knots."""
    if not knots.size:
        return np.empty(0)
    beside = BESIDE * (1.0 + np.abs(knots))
    return evaluated(slope, knots + beside) - evaluated(slope, knots - beside)


def largest_values(value: Function, slope: Function, knots: Array, kinks: Array) -> Bounds:
    """Bounds as the largest values among samples on [-FAR, FAR], dense about 0; not proven."""
    tail = np.geomspace(50.0, FAR, 2001)
    grid = np.unique(np.concatenate([-tail, np.linspace(-50.0, 50.0, 20_001), tail, knots]))
    values, slopes = evaluated(value, grid), evaluated(slope, grid)
    lost = np.abs(grid[~(np.isfinite(values) & np.isfinite(slopes))])
    reach = float(np.min(lost, initial=2.0 * FAR))
    held = np.abs(grid) < reach
    grid, values, slopes = grid[held], values[held], slopes[held]
    middle = 0.5 * (grid[1:] + grid[:-1])
    bends = (evaluated(slope, middle) - slopes[:-1]) / (middle - grid[:-1])
    near = np.abs(grid) <= grid[-1] / 100.0
    low, high = float(values.min()), float(values.max())
    size = max(float(np.max(np.abs(values[near]))), 1e-300)
    if max(-low, high) > GROWN * size:
        low, high = (-np.inf if low < -GROWN * size else low), (np.inf if high > GROWN * size else high)
    jumps = float(np.sum(np.abs(np.diff(slopes)))) - float(np.sum(np.abs(kinks)))
    return Bounds(
        low=low,
        high=high,
        at_zero=float(evaluated(value, np.zeros(1))[0]),
        slope=float(np.max(np.abs(slopes))),
        knots=knots,
        kinks=kinks,
        bend=float(np.inf) if np.any(kinks) else float(np.max(np.abs(bends))),
        variation=max(jumps, 0.0),
        reach=float(grid[-1]),
        proven=False,
    )


def check(name: str, value: Function, slope: Function, knots: Array, differences: bool) -> None:
    """Complain of functions that do not work on arrays, are not finite, or contradict one another.

    Raises:
        ValueError: with what is wrong and where.
    """
    u = np.linspace(-4.93, 5.07, 202).reshape(2, 101)
    for what, function in (("value", value), ("slope", slope)):
        with np.errstate(all="ignore"):
            found = np.asarray(function(u))
        if found.shape != u.shape or found.dtype.kind not in "fiub":
            raise ValueError(
                f"activation {name!r}: {what}(u) gives {_described(found)} for an array of shape {u.shape}; "
                "write it for arrays, elementwise, with numbers of the shape of u"
            )
        if not np.all(np.isfinite(found)):
            place = u[~np.isfinite(found)][0]
            raise ValueError(f"activation {name!r}: {what}({place:g}) is not finite")
    if not np.all(np.isfinite(knots)):
        raise ValueError(f"activation {name!r}: knots must be finite numbers")
    if knots.size:
        _check_continuity(name, value, slope, knots)
    if not differences:
        _check_slope(name, value, slope, u.ravel(), knots)


def _described(found: Array) -> str:
    return f"an array of shape {found.shape}" if found.dtype.kind in "fiub" else f"{found.dtype} numbers"


def _check_continuity(name: str, value: Function, slope: Function, knots: Array) -> None:
    beside = BESIDE * (1.0 + np.abs(knots))
    left, right = knots - beside, knots + beside
    jump = np.abs(evaluated(value, right) - evaluated(value, left))
    steepest = np.maximum(np.abs(evaluated(slope, left)), np.abs(evaluated(slope, right)))
    apart = jump > 1e-9 * (1.0 + np.abs(evaluated(value, knots))) + 3.0 * beside * steepest
    if np.any(apart):
        raise ValueError(
            f"activation {name!r}: value jumps by {jump[apart][0]:.3g} at the knot {knots[apart][0]:g}; "
            "an activation must be continuous"
        )


def _check_slope(name: str, value: Function, slope: Function, u: Array, knots: Array) -> None:
    """Slopes against differences of values; a kink that is not declared may spoil a few places, but no more."""
    expected, given = evaluated(slope_of(value, knots), u), evaluated(slope, u)
    wrong = np.abs(given - expected) > MISMATCH * max(1.0, float(np.max(np.abs(expected))))
    if np.count_nonzero(wrong) > u.size // 20:
        at = np.flatnonzero(wrong)[0]
        raise ValueError(
            f"activation {name!r}: slope({u[at]:g}) is {given[at]:g}, but its values rise by {expected[at]:g}; "
            "write the derivative of value, or leave slope out"
        )
