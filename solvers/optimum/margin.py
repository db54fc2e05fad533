"""The largest margin that signed units reach, for losses that fall for ever along some direction of the outputs.

Where every sample can be moved that way at once, L has no minimiser: with a law of units of margin gamma > 0,

    gamma = max over |m|_TV <= 1 of min_p d_p ∫ phi_p dm,     d_p the direction in which l falls at sample p,

L(s m) falls to its infimum as s grows. gamma is found by generating columns: the linear programme over the units so
far, whose multipliers q price others, about those of the law, by |sum_p q_p d_p phi_p(z)|. What is returned is a law
and its own margin, which proves that there is no minimiser; that no other margin is larger rests on the search.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import optimize

from ..arrays import Array
from ..objective.compression import sample_box
from ..objective.objective import FeatureMap
from ..space.box import Box

SAMPLES = 4096
"""Units of the first programme."""
ABOUT = 40
"""Units that are tried about each one of the law, in a round."""
SMALLEST = 1e-10
"""Distance from it, over the box, at which the search ends."""
SHRINKING = 0.7
"""Factor of that distance from round to round: best units sit on kinks, where no gradient leads."""
CONVERGED = 1e-13
"""How much a unit must gain, over the largest feature, to be added, and the share of one that is dropped."""
POSITIVE = 1e-9
"""A margin over the largest feature that is more than rounding."""


class Margin(NamedTuple):
    """Signed units and their margin.

    Attributes:
        value: gamma of these units.
        units: points of the features, shape (K, D).
        signs: +1 or -1, shape (K,).
        weights: shares that sum to 1, shape (K,).
    """

    value: float
    units: Array
    signs: Array
    weights: Array


def largest_margin(features: FeatureMap, direction: Array, box: Box, on_sphere: bool) -> Margin | None:
    """The law of largest margin, None where none is positive.

    Args:
        direction: d, shape (M,).
        box: where units lie.
        on_sphere: whether features are 1-homogeneous, so that units of length 1 stand for all.
    """

    def placed(points: Array) -> Array:
        if not on_sphere:
            return np.clip(points, box.lower, box.upper)
        return np.asarray(points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-300))

    units = placed(sample_box(box.lower, box.upper, SAMPLES))
    table = features.values(units) * direction
    size = float(np.abs(table).max(initial=0.0))
    if not (size > 0.0):
        return None
    random, distance = np.random.default_rng(0), 1.0
    coefficients, q, level = _programme(table, size)
    while distance > SMALLEST:
        held = np.abs(coefficients) > CONVERGED
        units, table = units[held], table[held]
        spread = random.standard_normal((ABOUT, len(units), units.shape[1])) * distance * (box.upper - box.lower)
        added = placed((units + spread).reshape(-1, units.shape[1]))
        rows = features.values(added) * direction
        gains = np.abs(rows @ q) > level + CONVERGED * size
        units, table = np.vstack([units, added[gains]]), np.vstack([table, rows[gains]])
        coefficients, q, level = _programme(table, max(level, POSITIVE * size))
        distance *= SHRINKING
    held = np.abs(coefficients) > CONVERGED
    total = float(np.abs(coefficients[held]).sum())
    reached = float((coefficients[held] @ table[held]).min()) / max(total, 1e-300)
    if not (reached > POSITIVE * size):
        return None
    return Margin(reached, units[held], np.sign(coefficients[held]), np.abs(coefficients[held]) / total)


def _programme(table: Array, scale: float) -> tuple[Array, Array, float]:
    """The coefficients c of units of largest margin with sum |c| <= 1, the multipliers of samples, and the margin.

    Units are worth about 1 / `scale`: the tolerances of the programme are absolute.
    """
    count, samples = table.shape
    table = table / scale
    costs = np.append(np.zeros(2 * count), -1.0)
    upper = np.column_stack([-table.T, table.T, np.ones(samples)])
    bounded = np.vstack([upper, np.append(np.ones(2 * count), 0.0)])
    free = [(0.0, None)] * (2 * count) + [(None, None)]
    solved = optimize.linprog(costs, bounded, np.append(np.zeros(samples), 1.0), bounds=free)
    if solved.x is None:
        raise ArithmeticError(f"the linear programme of margins fails: {solved.message}")
    q = np.maximum(-solved.ineqlin.marginals[:samples], 0.0)
    return solved.x[:count] - solved.x[count : 2 * count], q / max(float(q.sum()), 1e-300), scale * float(solved.x[-1])
