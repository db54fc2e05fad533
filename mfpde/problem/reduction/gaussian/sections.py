"""Features of a unit on Gaussian inputs of which the target sees K projections: y = sum_k c_k g_k(<u_k, x>) + noise.

A neuron w has the coordinates m_k = <u_k, w> and s = |w - sum_k m_k u_k|; `pairs` has U(z, z') of two of them and
`pulls` V(z). A rule in K dimensions for the projections themselves takes thousands of nodes; the numerical rank of U on
a box is in the hundreds. The features are therefore those of pivoted Cholesky's algorithm: with the target as the first
of all functions and neurons z_1, z_2, ... where most is left of U(z, z), L L^T their matrix of inner products,

    Phi(z) = L^(-1) (-V(z), U(z, z_1), U(z, z_2), ...),

whose first one has all of the target. What is left of U(z, z) bounds, by Cauchy and Schwarz, the error of U, and the
mean of its square root under a law that of the law's risk. Schemes ask for boxes that end where their laws have hardly
any mass: more may be left there, it counts times exp(-6 |z|^2), z relative to the middle of the box and its ends. At
d = infinity laws are atoms, and all of it counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import linalg

from mfpde.problem.reduction.gaussian.pairs import Pairs
from mfpde.problem.reduction.gaussian.pulls import Pull, Target, multiple
from mfpde.problem.reduction.gaussian.trials import Trials, refined
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.objective.representation import Effort, Expansion
from mfpde.solvers.space.box import Box

MOST_PIVOTS = {"rough": 60, "usual": 400, "finest": 900}
CANDIDATES, FRESH = 5, 256
"""Neurons of the box per pivot that may become one, and those on which the error is measured."""
TRIALS = 64
"""Neurons on which rules and series are tried."""
ROUNDING = 1e-15
"""What is left of U, relative to the largest, that is rounding."""
THIN = {"rough": 6.0, "usual": 6.0, "finest": 0.0}
"""Rate at which less counts towards the ends of a box."""
TABLED = 0.1
"""Share of the accuracy that tables and terms of pulls may miss."""
CHUNK = 2**20
"""Numbers of sections that are formed at once."""
KEPT = 2**23
"""Most of them that are kept from outputs to slopes."""


@dataclass(frozen=True)
class SectionFeatures:
    """The features of the module's docstring, without their coefficient.

    Attributes:
        pairs, pull: U and -V.
        pivots: z_1, z_2, ..., shape (M - 1, D).
        factor: L, shape (M, M).
    """

    pairs: Pairs
    pull: Pull
    pivots: Array
    factor: Array

    @property
    def dimension(self) -> int:
        return self.pairs.dimension

    @property
    def rank(self) -> int:
        return len(self.factor)

    @cached_property
    def _moments(self) -> Array:
        return self.pairs.moments(self.pivots)

    def values(self, points: Array) -> Array:
        return np.vstack([self._solved(self._raw(part)[0].T).T for part in self._parts(points)])

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        parts = [self._raw(part, slopes=True) for part in self._parts(points)]
        values = np.vstack([self._solved(raw.T).T for raw, _ in parts])
        slopes = np.concatenate([slopes for _, slopes in parts])
        flat = self._solved(np.moveaxis(slopes, 1, 0).reshape(self.rank, -1))
        return values, np.moveaxis(flat.reshape(self.rank, len(points), self.dimension), 0, 1)

    @cached_property
    def _last(self) -> list[tuple[Array, Array, Array]]:
        """Points whose outputs were asked for last, where they are few, their sections and the slopes of these."""
        return []

    def outputs(self, points: Array, masses: Array) -> Array:
        """Phi rho, shape (M,), without forming the features; `contract` often follows at the same points."""
        if len(points) * self.rank * (1 + self.dimension) <= KEPT:
            self._last[:] = [(points.copy(), *self._raw(points, slopes=True))]
            return self._solved(masses @ self._last[0][1])
        total, done = np.zeros(self.rank), 0
        for part in self._parts(points):
            total += masses[done : done + len(part)] @ self._raw(part)[0]
            done += len(part)
        return self._solved(total)

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        """coefficients . Phi, shape (n,), and its gradient, shape (n, D)."""
        turned = linalg.solve_triangular(self.factor, coefficients, lower=True, trans=1, check_finite=False)
        last = [(raw, slopes) for known, raw, slopes in self._last if np.array_equal(known, points)]
        parts = last or [self._raw(part, slopes=True) for part in self._parts(points)]
        value = np.concatenate([raw @ turned for raw, _ in parts])
        return value, np.concatenate([np.einsum("nmd,m->nd", slopes, turned) for _, slopes in parts])

    def _raw(self, points: Array, slopes: bool = False) -> tuple[Array, Array]:
        """-V and the sections, shape (n, M), with their gradients."""
        ours = self.pairs.moments(points)
        pulls, pulled = self.pull(points, slopes, ours)
        values, found = self.pairs.sections(points, self.pivots, self._moments, slopes, 1, ours)
        values[:, 0] = pulls
        if slopes:
            found[:, 0] = pulled
        return values, found

    def _solved(self, raw: Array) -> Array:
        return np.asarray(linalg.solve_triangular(self.factor, raw, lower=True, check_finite=False))

    def _parts(self, points: Array) -> Iterator[Array]:
        size = max(1, CHUNK // (self.rank * (1 + self.dimension)))
        for first in range(0, max(len(points), 1), size):
            yield points[first : first + size]


def expand(
    unit: Activation, has_offset: bool, perpendicular: float, target: Target, box: Box, accuracy: float, effort: Effort
) -> Expansion:
    """Features of the unit on the box of m, s and b; s where `perpendicular` = d - K is above 0.

    The rule for n and the series are refined until U of neurons of the box no longer changes.
    """
    probe = Pairs(unit, len(target.weights), perpendicular, has_offset, 1, 0)
    shares = zip(target.weights, target.teachers, strict=True)
    alike = np.array([c * multiple(g, unit, has_offset) for c, g in shares])
    return at_pivots(probe, Pull(probe, target, alike), target, box, accuracy, effort)


def at_pivots(probe: Pairs, pull: Pull, target: Target, box: Box, accuracy: float, effort: Effort) -> Expansion:
    """Sections of U, whose rule for n and series are still to be found, at pivots of the box."""
    thin = THIN[effort] if probe.across < math.inf else 0.0
    trials = Trials.of(box, TRIALS, 1, thin)
    pairs, error = refined(probe, trials, 0.1 * accuracy, effort)
    pull, most = replace(pull, pairs=pairs), MOST_PIVOTS[effort]
    quick, lost = (pull, 0.0) if effort == "finest" else pull.quicker(box, trials, TABLED * accuracy)
    features = _factored(pairs, quick, target, Trials.of(box, CANDIDATES * most, 0, thin), accuracy, most)
    fresh = Trials.of(box, FRESH, 2, thin)
    objective = Objective(features, _loss(features, target))
    finer = replace(pairs, count=2 * pairs.count, terms=2 * pairs.terms)

    def left(points: Array) -> Array:
        return np.asarray(np.abs(finer.norms(points) - (features.values(points) ** 2).sum(axis=1)) + error)

    def gap(points: Array, masses: Array) -> float:
        mass = np.abs(masses)
        return float(mass @ np.sqrt(left(points))) ** 2 + 2.0 * float(mass.sum()) * lost

    def potential(points: Array, masses: Array) -> tuple[Array, Array]:
        """With sections at all of its points nothing is left of a law's Psi but the series."""
        pulls, pulled = pull(points, slopes=True)
        values, slopes = finer.sections(points, points, slopes=True)
        return values @ masses - pulls, np.einsum("nmd,m->nd", slopes, masses) - pulled

    total = float((fresh.weights * left(fresh.points)).max()) + 2.0 * lost

    # pulls by panels of each neuron cost more than a table, where it has no more than two coordinates
    explicit = pairs.dimension > 2 or not quick.dear
    return Expansion(objective, total, "sections of U at pivots", explicit=explicit, gap=gap, potential=potential)


def _loss(features: SectionFeatures, target: Target) -> SquareLoss:
    targets = np.zeros(features.rank)
    targets[0] = features.factor[0, 0]
    return SquareLoss(np.ones(features.rank), targets, target.noise**2)


def _factored(pairs: Pairs, pull: Pull, target: Target, trials: Trials, accuracy: float, most: int) -> SectionFeatures:
    """Pivots where most is left of U(z, z), until that is below half of the accuracy everywhere, as it counts."""
    places = trials.points
    left, length = pairs.diagonal(places), math.sqrt(target.second_moment)
    moments = pairs.moments(places)
    floor = max(0.5 * accuracy, ROUNDING * float((left * trials.weights).max()))
    rows = np.empty((most + 1, len(places)))
    rows[0] = pull(places)[0] / length
    left = left - rows[0] ** 2
    chosen: list[int] = []
    while len(chosen) < most:
        pivot = int(np.argmax(left * trials.weights))
        if not (left[pivot] * trials.weights[pivot] > floor):
            break
        done = len(chosen) + 1
        section = pairs.sections(places[pivot : pivot + 1], places, moments)[0][0]
        rows[done] = (section - rows[:done].T @ rows[:done, pivot]) / math.sqrt(left[pivot])
        left = left - rows[done] ** 2
        left[pivot] = 0.0
        chosen.append(pivot)
    factor = np.zeros((len(chosen) + 1, len(chosen) + 1))
    factor[0, 0] = length
    # what a pivot has in common with the functions before it, and with itself
    factor[1:] = np.tril(rows[: len(chosen) + 1, chosen].T, k=1)
    return SectionFeatures(pairs, pull, places[chosen], factor)
