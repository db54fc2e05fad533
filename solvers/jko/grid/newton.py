"""The outer problem of a minimising movement: M outputs that agree with the potential they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from ...arrays import Array

EPSILON = float(np.finfo(float).eps)
CHEAP = 12  # evaluations by secants before the Jacobian is measured
NEWTON = 40  # Newton steps with a measured Jacobian
DIFFERENCE = 1e-6  # relative increment of the differences
SHORTEST = 1e-5  # fraction of a Newton step that the line search still takes

Trial = TypeVar("Trial")


@dataclass(frozen=True)
class Solution(Generic[Trial]):
    """A fixed point q = T(q).

    Attributes:
        trial: what the last evaluation gave.
        outputs: T(q), shape (M,).
        miss: T(q) - q, shape (M,).
        response: estimate of -dT/dq, shape (M, M), for the next solve.
        evaluations: of T.
    """

    trial: Trial
    outputs: Array
    miss: Array
    response: Array
    evaluations: int


def solve_outputs(
    evaluate: Callable[[Array], tuple[Trial, Array]],
    guess: Array,
    response: Array,
    weights: Array,
    tolerance: Callable[[Array], float],
) -> Solution[Trial] | None:
    """Solve q = T(q) in R^M: Broyden's secants from `response`, and where they fail damped Newton steps.

    Args:
        evaluate: q -> (trial, T(q)).
        guess: first q.
        response: estimate of -dT/dq.
        weights: of the norm |v|^2 = sum weights v^2.
        tolerance: T(q) -> bound of |T(q) - q|.

    Returns:
        The fixed point; None if it was not found or a value is not finite.
    """

    def norm(vector: Array) -> float:
        return float(np.sqrt(np.dot(weights, vector * vector)))

    point = guess
    trial, outputs = evaluate(point)
    miss = outputs - point
    count, first, best = 1, norm(miss), (norm(miss), point, trial, outputs, miss)
    slope = response
    while np.isfinite(best[0]):
        if norm(miss) <= tolerance(outputs):
            return Solution(trial, outputs, miss, slope, count)
        if count >= CHEAP or not (norm(miss) <= 2.0 * first):
            break
        move = _direction(slope, miss)
        point = point + move
        trial, outputs = evaluate(point)
        count += 1
        previous, miss = miss, outputs - point
        if not np.isfinite(miss).all():
            break
        if norm(miss) < best[0]:
            best = norm(miss), point, trial, outputs, miss
        length = float(np.dot(weights * move, move))
        if length > 0.0:
            slope = slope + np.outer(previous - miss - move - slope @ move, weights * move) / length
    if not np.isfinite(best[0]):
        return None
    return _newton(evaluate, best[1:], weights, tolerance, count)


def _newton(
    evaluate: Callable[[Array], tuple[Trial, Array]],
    start: tuple[Array, Trial, Array, Array],
    weights: Array,
    tolerance: Callable[[Array], float],
    count: int,
) -> Solution[Trial] | None:
    """Newton's method with a Jacobian by differences and a line search on |T(q) - q|."""
    scaling = np.sqrt(weights)
    point, trial, outputs, miss = start
    slope = np.zeros((len(point), len(point)))
    for _ in range(NEWTON):
        size = float(np.linalg.norm(scaling * miss))
        if size <= tolerance(outputs):
            return Solution(trial, outputs, miss, slope, count)
        increment = DIFFERENCE * max(1.0, float(np.abs(point).max()))
        for k in range(len(point)):
            moved = point.copy()
            moved[k] += increment
            slope[:, k] = (outputs - evaluate(moved)[1]) / increment
        count += len(point)
        move = _direction(slope, miss)
        length = 1.0
        while True:
            there = point + length * move
            new, new_outputs = evaluate(there)
            count += 1
            if float(np.linalg.norm(scaling * (new_outputs - there))) <= (1.0 - 0.1 * length) * size:
                break
            length *= 0.5
            if not (length > SHORTEST):
                return None
        point, trial, outputs, miss = there, new, new_outputs, new_outputs - there
    return None


def _direction(slope: Array, miss: Array) -> Array:
    """(1 + slope)^-1 miss, or miss itself where that matrix is singular."""
    try:
        return np.asarray(np.linalg.solve(np.eye(len(miss)) + slope, miss))
    except np.linalg.LinAlgError:
        return miss
