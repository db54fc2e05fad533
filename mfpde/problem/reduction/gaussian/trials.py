"""Neurons of a box on which series and rules of U are tried."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import qmc

from mfpde.problem.reduction.gaussian.pairs import Pairs
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.representation import Effort
from mfpde.solvers.space.box import Box

RULES = {"rough": (2, 4), "usual": (2, 4, 8, 16, 32), "finest": (4, 8, 16, 32, 64)}
"""Numbers of nodes for n."""


@dataclass(frozen=True)
class Trials:
    """Neurons of a box, and how much what is left there counts."""

    points: Array
    weights: Array

    @classmethod
    def of(cls, box: Box, count: int, seed: int, thin: float) -> Trials:
        """Corners and quasi-random neurons, half of them nearer to the middle."""
        lower, upper = box.lower, np.maximum(box.upper, box.lower + 1e-12)
        unit = qmc.Sobol(len(lower), seed=seed).random_base2(max(1, math.ceil(math.log2(count))))[:count]
        corners = np.array(np.meshgrid(*zip(lower, upper, strict=True), indexing="ij")).reshape(len(lower), -1).T
        points = lower + (upper - lower) * unit
        middle = 0.5 * (lower + upper)
        half = len(points) // 2
        points[:half] = middle + (points[:half] - middle) * unit[:half, ::-1] ** 2
        points = np.vstack([corners, points])
        away = np.abs(points - middle) / (upper - middle)
        return cls(points, np.exp(-thin * away.max(axis=1) ** 2))


def refined(pairs: Pairs, trials: Trials, accuracy: float, effort: Effort) -> tuple[Pairs, float]:
    """U with a series, or a rule for n, that is long enough, and what the rule leaves of it."""
    series = pairs.series(effort)
    if pairs.arc is None:
        tails = (pairs.tails(trials.points, series) * trials.weights).max(axis=1)
        enough = np.append(tails[:-1] <= accuracy, True)
        pairs = replace(pairs, terms=series[int(np.argmax(enough))])
    if not pairs.ruled:
        return pairs, 0.0
    rules = RULES[effort][: None if 1.0 < pairs.across < math.inf else 1]
    found, error = pairs, 0.0
    for count in rules:
        before, found = found, replace(pairs, count=count)
        error = _apart(before, found, trials) if count > rules[0] else 0.0
        if count > rules[0] and error <= accuracy:
            return before, error
    return found, error


def _apart(pairs: Pairs, finer: Pairs, trials: Trials) -> float:
    """The largest difference in U of the neurons, as it counts."""
    points, roots = trials.points, np.sqrt(trials.weights)
    half = len(points) // 2
    mixed = np.abs(pairs.sections(points, points[:half])[0] - finer.sections(points, points[:half])[0])
    own = np.abs(pairs.diagonal(points) - finer.diagonal(points))
    return float(max((roots[:, None] * mixed * roots[:half]).max(), (trials.weights * own).max()))
