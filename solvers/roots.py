"""Roots of functions of one variable."""

from __future__ import annotations

import math
from collections.abc import Callable

ROUNDING = 2.0**-50
"""Of a root, what no search resolves: four units in its last place."""
MOST_STEPS = 100


def root(function: Callable[[float], float], low: float, high: float, within: float, share: float = ROUNDING) -> float:
    """Where a function changes its sign between two places, to `within` + `share` of itself: Brent's method.

    Secants and inverse parabolas, unless halves are better (Brent, Algorithms for minimization without derivatives,
    1973, chapter 4), step by step as `scipy.optimize.brentq`, whose import takes longer than the searches of a run.

    Raises:
        ValueError: the signs at the two places are the same, or no root was found.
    """
    last, here = low, high
    value_last, value = function(last), function(here)
    if value_last == 0.0:
        return last
    if value != 0.0 and not min(value_last, value) < 0.0 < max(value_last, value):
        raise ValueError("the values at the two places have one sign: no root is between them")
    other, value_other, step_before, step = last, value_last, 0.0, 0.0
    for _ in range(MOST_STEPS):
        if min(value_last, value) < 0.0 < max(value_last, value):
            other, value_other = last, value_last
            step_before = step = here - last
        if abs(value_other) < abs(value):
            last, here, other = here, other, here
            value_last, value, value_other = value, value_other, value
        least, half = 0.5 * (within + share * abs(here)), 0.5 * (other - here)
        if value == 0.0 or abs(half) < least:
            return here
        tried = math.inf
        if abs(step_before) > least and abs(value) < abs(value_last):
            tried = _interpolated((last, here, other), (value_last, value, value_other))
        short = 2.0 * abs(tried) < min(abs(step_before), 3.0 * abs(half) - least)
        step_before, step = (step, tried) if short else (half, half)
        last, value_last = here, value
        here += step if abs(step) > least else math.copysign(least, half)
        if math.isnan(value := function(here)):
            raise ValueError(f"no value at {here:.6g}, where a root is looked for")
    raise ValueError(f"no root after {MOST_STEPS} steps")


def _interpolated(places: tuple[float, float, float], values: tuple[float, float, float]) -> float:
    """The step to the root of the line through two points, or of the inverse parabola through three; inf for none."""
    (last, here, other), (value_last, value, value_other) = places, values
    if last == other:
        return -value * (here - last) / (value - value_last)
    rise, rise_other = (value_last - value) / (last - here), (value_other - value) / (other - here)
    below = rise_other * rise * (value_other - value_last)
    return -value * (value_other * rise_other - value_last * rise) / below if below else math.inf
