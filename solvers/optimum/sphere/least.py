"""Margins and least variation of signed measures on the sphere: one linear programme over measures, by cutting planes.

For samples X_p with targets r_p and sigma positively 1-homogeneous, with f_p = ∫ sigma(<u, X_p>) m(du):

    1 / Omega = max over |m|_TV <= 1 of the lam with f = lam r   (least variation that interpolates r: Omega)
    gamma     = max over |m|_TV <= 1 of min_p r_p f_p            (the margin of classes r = +-1)

Both are the least response of their dual, min over beta of sup_u |sum_p beta_p sigma(<u, X_p>)| with beta.r = 1 and,
for margins, beta_p r_p >= 0. A linear programme over the directions so far gives m, whose own margin is a lower end to
rounding, and beta, whose largest response is an upper end, as certain as the oracle is. New directions come of
responses at .3 beta + .7 of the best beta (in-out separation) and of sums of atoms that share a cell, which do the same
for less variation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import optimize

from ...arrays import Array
from .pricing import RELU, STARTS, Slopes, largest_response, responses

TIGHT = 1e-9
"""Width of the interval, over its upper end, that is aimed at."""
ROUNDS = 300
INWARD = 0.7
"""Share of the best beta where responses are separated."""
RANDOM = 200
"""Directions of the first programme."""
FEW = 200
"""Ascents of a round in many dimensions; as many as the oracle makes where those find nothing."""
IDLE = 0.9
"""Response, over the level, below which a direction is forgotten."""
NOTHING = 1e-10
"""A margin over the largest response of a sample that is rounding."""
DROPPED = 1e-12
"""Share of an atom that is rounding."""
ON_PLANE = 1e-12
"""Distance from a plane within which an atom is on it."""


class Least(NamedTuple):
    """A signed measure of variation 1 and the bounds of the value it reaches.

    Attributes:
        units, coefficients: atoms u and signed masses, sum |c| = 1, shapes (K, D) and (K,).
        lower: what the measure reaches: gamma or 1/Omega is no less, to rounding.
        upper: no measure reaches more, if `certified`; else the largest response that was found.
        weights: beta, shape (P,).
        certified: whether the oracle looked everywhere.
    """

    units: Array
    coefficients: Array
    lower: float
    upper: float
    weights: Array
    certified: bool


class Variation(NamedTuple):
    """The measure of least variation that interpolates, and bounds of that variation.

    Attributes:
        units, coefficients: atoms u and signed masses, shapes (K, D) and (K,).
        value: sum |c|; the measure interpolates to rounding.
        lower: no measure that interpolates has less, if `certified`.
        certified: whether the oracle looked everywhere.
    """

    units: Array
    coefficients: Array
    value: float
    lower: float
    certified: bool


def minimal_variation(points: Array, targets: Array, slopes: Slopes = RELU, tight: float = TIGHT) -> Variation:
    """Omega_data: min |m|_TV with ∫ sigma(<u, X_p>) dm = y_p for all p.

    Raises:
        ValueError: no measure interpolates these targets.
    """
    points, targets = np.asarray(points, dtype=float), np.asarray(targets, dtype=float)
    if not targets.any():
        return Variation(np.zeros((0, points.shape[1])), np.zeros(0), 0.0, 0.0, True)
    found = _Programme(points, targets, slopes, True).solved(tight)
    if not (found.lower > 0.0):
        raise ValueError("no measure on the sphere of directions interpolates these targets")
    return Variation(
        found.units, found.coefficients / found.lower, 1.0 / found.lower, 1.0 / found.upper, found.certified
    )


def variation_margin(points: Array, classes: Array, slopes: Slopes = RELU, tight: float = TIGHT) -> Least:
    """gamma_1 = max over |m|_TV <= 1 of min_p y_p ∫ sigma(<u, X_p>) dm for y_p = +-1.

    Where nothing more than rounding is reached, the measure is 0 and so is the lower end.
    """
    return _Programme(np.asarray(points, dtype=float), np.asarray(classes, dtype=float), slopes, False).solved(tight)


class _Programme:
    def __init__(self, points: Array, targets: Array, slopes: Slopes, equal: bool) -> None:
        self.points, self.targets, self.slopes, self.equal = points, targets, slopes, equal
        lengths = np.linalg.norm(points, axis=1)
        self.size = float(lengths.max()) * max(map(abs, slopes)) / float(np.abs(targets).max())
        random = np.random.default_rng(0).standard_normal((RANDOM, points.shape[1]))
        self.units = random / np.linalg.norm(random, axis=1, keepdims=True)

    def solved(self, tight: float) -> Least:
        """The measure and beta."""
        level, rounding, found = self.size, NOTHING * self.size, None
        for _ in range(ROUNDS):
            coefficients, beta, level = programme(
                self._table(self.units), self.targets, self.equal, max(level, rounding)
            )
            held = np.abs(coefficients) > DROPPED
            found = self._better(found, *self._merged(self.units[held], coefficients[held]))
            found, added = self._separated(found, beta, level * (1.0 + 0.1 * tight))
            if found.upper <= max(found.lower * (1.0 + tight), rounding) or not len(added):
                break
            self.units = self.units[np.abs(self._table(self.units) @ beta) >= IDLE * level]
            self.units = np.concatenate([self.units, found.units, added])
        assert found is not None
        if not (found.lower > rounding):
            found = found._replace(units=self.units[:0], coefficients=np.zeros(0), lower=0.0)
        return found._replace(upper=max(found.upper, found.lower))

    def _separated(self, found: Least, beta: Array, level: float) -> tuple[Least, Array]:
        """Directions whose response to beta exceeds the level, none where the oracle finds none; and the upper end."""
        centre = beta if np.isinf(found.upper) else (1.0 - INWARD) * beta + INWARD * found.weights
        for starts in (FEW, STARTS):
            for weights in (centre, beta):
                priced = largest_response(weights, self.points, self.slopes, 20, found.units, starts=starts)
                if priced.bound < found.upper and (priced.certified or starts == STARTS):
                    found = found._replace(upper=priced.bound, weights=weights, certified=priced.certified)
                gaining = priced.units[np.abs(self._table(priced.units) @ beta) > level]
                if len(gaining):
                    return found, gaining
        return found, self.units[:0]

    def _table(self, units: Array) -> Array:
        return responses(units, self.points, self.slopes)

    def _better(self, found: Least | None, units: Array, coefficients: Array) -> Least:
        """The measure that reaches more, scaled to variation 1."""
        table = self._table(units)
        if self.equal and len(units):
            # to rounding: the programme's own tolerance is larger
            outputs = coefficients @ table
            level = float(outputs @ self.targets / (self.targets @ self.targets))
            coefficients = coefficients + np.linalg.lstsq(table.T, level * self.targets - outputs, rcond=1e-13)[0]
            reached = level if np.abs(coefficients @ table - level * self.targets).max() <= DROPPED * self.size else 0.0
        else:
            reached = float(np.min(self.targets * (coefficients @ table), initial=np.inf)) if len(units) else 0.0
        total = max(float(np.abs(coefficients).sum()), 1e-300)
        if found is None:
            found = Least(units, coefficients, -np.inf, np.inf, np.zeros(len(self.points)), False)
        if not (reached / total > found.lower):
            return found
        return found._replace(units=units, coefficients=coefficients / total, lower=reached / total)

    def _merged(self, units: Array, coefficients: Array) -> tuple[Array, Array]:
        """One atom for each closed cell and sign: of two in one the sum does the same for less."""
        vectors, signs = np.abs(coefficients)[:, None] * units, np.sign(coefficients)
        heights = units @ self.points.T
        near = np.abs(heights) <= ON_PLANE * np.linalg.norm(self.points, axis=1)
        sides = np.where(near, 0.0, np.sign(heights))
        kept: list[int] = []
        for i in range(len(units)):
            for j in kept:
                if signs[i] == signs[j] and np.all(sides[i] * sides[j] >= 0.0):
                    vectors[j] += vectors[i]
                    sides[j] = np.where(sides[j] == 0.0, sides[i], sides[j])
                    break
            else:
                kept.append(i)
        lengths = np.linalg.norm(vectors[kept], axis=1)
        return vectors[kept] / np.maximum(lengths, 1e-300)[:, None], lengths * signs[kept]


def programme(table: Array, targets: Array, equal: bool, scale: float) -> tuple[Array, Array, float]:
    """max lam with sum |c| <= 1 and sum_k c_k table_kp = lam r_p, or where not `equal` at least that in direction r_p.

    Args:
        table: of K units at P samples, shape (K, P).
        targets: r, shape (P,).
        scale: what lam is about: the tolerances of the programme are absolute.

    Returns:
        c of shape (K,), the multipliers beta of samples with beta.r = 1, shape (P,), and lam.
    """
    count, samples = table.shape
    turned = table if equal else table * np.sign(targets)
    wanted = targets if equal else np.abs(targets)
    rows = np.column_stack([turned.T / scale, -turned.T / scale, -wanted])
    total = np.append(np.ones(2 * count), 0.0)[None]
    costs = np.append(np.zeros(2 * count), -1.0)
    limits = {"bounds": [(0.0, None)] * (2 * count) + [(None, None)], "method": "highs"}
    accuracy = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    none = np.zeros(samples)
    if equal:
        solved = optimize.linprog(costs, total, [1.0], rows, none, options=accuracy, **limits)
        beta = None if solved.x is None else -solved.eqlin.marginals
    else:
        solved = optimize.linprog(costs, np.vstack([-rows, total]), np.append(none, 1.0), options=accuracy, **limits)
        beta = None if solved.x is None else np.maximum(-solved.ineqlin.marginals[:samples], 0.0) * np.sign(targets)
    if beta is None:
        raise ArithmeticError(f"the linear programme over directions fails: {solved.message}")
    sum_of = float(beta @ targets)
    return solved.x[:count] - solved.x[count : 2 * count], beta / sum_of, scale * float(solved.x[-1])
