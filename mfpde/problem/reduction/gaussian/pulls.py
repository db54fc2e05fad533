"""What the target sees of a unit: E y sigma = -V, y = sum_k c_k g_k(<u_k, x>) + noise.

V(z) = -sum_k c_k E g_k(v) sigma(m_k v + S_k G + b),   S_k^2 = t^2 - m_k^2,   v and G standard normal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from mfpde.problem.reduction.gaussian.pairs import Pairs
from mfpde.problem.reduction.gaussian.trials import Trials
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.pulls import PullFeatures, ratio, tabulated
from mfpde.solvers.normal import Teacher, hermite_coefficients, projected
from mfpde.solvers.objective.table.patched import PatchedFeatures
from mfpde.solvers.space.box import Box

EMPTY = np.empty(0)


@dataclass(frozen=True)
class Target:
    """y = sum_k weights_k g_k(<u_k, x>) + noise.

    Attributes:
        teachers: g_k, each with the noise of its own 0.
        weights: c_k.
        noise: standard deviation.
    """

    teachers: tuple[Teacher, ...]
    weights: tuple[float, ...]
    noise: float

    @cached_property
    def second_moment(self) -> float:
        """E y^2 without the noise."""
        means = np.array([projected(g, g.breaks) for g in self.teachers])
        squares = np.array([projected(lambda v, g=g: g(v) ** 2, g.breaks) for g in self.teachers])  # type: ignore[misc]
        c = np.array(self.weights)
        return float((c @ means) ** 2 + c**2 @ (squares - means**2))


@dataclass(frozen=True)
class Pull:
    """E y sigma = -V of a neuron.

    Attributes:
        pairs: the unit and its coordinates.
        target: y.
        alike: c_k / a for the g_k with sigma = a g_k, of which the pull is a pair's; nan for others.
        tables: by k, of pulls of one g_k (`tabulated`).
    """

    pairs: Pairs
    target: Target
    alike: Array
    tables: Mapping[int, PatchedFeatures] = field(default_factory=dict)

    def __call__(self, points: Array, slopes: bool = False, ours: Array | None = None) -> tuple[Array, Array]:
        """Shape (n,) and (n, D); `ours`: the moments of the points."""
        values, found = np.zeros(len(points)), np.zeros((len(points), self.pairs.dimension if slopes else 0))
        same = ~np.isnan(self.alike)
        if same.any():
            units = np.eye(self.pairs.teachers, self.pairs.dimension)[same]
            pulls, turned = self.pairs.sections(points, units, slopes=slopes)
            values += pulls @ self.alike[same]
            found += np.einsum("nkd,k->nd", turned, self.alike[same]) if slopes else 0.0
        others = np.flatnonzero(~same).tolist()
        held = self._held(points, ours) if others else np.empty(0)
        for k in others:
            self._add(k, points, held, values, found)
        return values, found

    def _held(self, points: Array, ours: Array | None) -> Array:
        """The moments that the series of teachers take."""
        series = (teacher.hermite for k, teacher in enumerate(self.target.teachers) if np.isnan(self.alike[k]))
        most = max(map(len, series))
        return self.pairs.series_moments(points, max(most, 2)) if ours is None or ours.shape[2] < most else ours

    def _add(self, k: int, points: Array, ours: Array, values: Array, found: Array) -> None:
        """The pull of one teacher: by its series, its table or panels of each neuron."""
        series, weight = self.target.teachers[k].hermite, self.target.weights[k]
        if not series:
            self._add_panels(k, points, values, found)
            return
        pull, slopes = self.pairs.series_pull(points, k, np.array(series), ours, found.size > 0)
        values += weight * pull
        found += weight * slopes

    @property
    def dear(self) -> list[int]:
        """Teachers whose pulls need panels of each neuron."""
        shares = zip(range(len(self.alike)), np.isnan(self.alike), self.target.teachers, strict=True)
        slow = [k for k, other, teacher in shares if other and not teacher.hermite and k not in self.tables]
        return [k for k in slow if not self._exact(k).closed]

    def _exact(self, k: int) -> PullFeatures:
        """The pull of g_k, by panels of each neuron or in closed form."""
        return PullFeatures(self.pairs.unit, self.target.teachers[k], self.pairs.has_offset)

    def quicker(self, box: Box, trials: Trials, accuracy: float) -> tuple[Pull, float]:
        """These by Hermite terms of g, or tables on the box, where that is accurate, and what is left out of V.

        Terms behind the first ones hold at most the norms of what both functions have there, by Cauchy and Schwarz.
        """
        if not self.dear:
            return self, 0.0
        teachers, tables, lost = list(self.target.teachers), {}, 0.0
        held = 0.0
        if self.pairs.terms:
            held = float(np.sqrt(self.pairs.tails(trials.points, [self.pairs.terms])[0] * trials.weights).max())
        for k in self.dear:
            terms, rest = hermite_coefficients(teachers[k], self.pairs.terms) if self.pairs.terms else (EMPTY, math.inf)
            if rest * held <= accuracy:
                teachers[k] = replace(teachers[k], hermite=tuple(terms.tolist()))
                lost += abs(self.target.weights[k]) * rest * held
                continue
            made = self._table(k, box, accuracy)
            if made is not None:
                tables[k], lost = made[0], lost + abs(self.target.weights[k]) * made[1]
        return replace(self, target=replace(self.target, teachers=tuple(teachers)), tables=tables), lost

    def _table(self, k: int, box: Box, accuracy: float) -> tuple[PatchedFeatures, float] | None:
        """A table of the pull of g_k on a box, and its error."""
        own = self.pairs.teachers + self.pairs.perpendicular
        farthest = np.maximum(np.abs(box.lower), np.abs(box.upper))[:own]
        lower = np.array([box.lower[k], 0.0, *box.lower[own:]])
        upper = np.array([box.upper[k], np.linalg.norm(np.delete(farthest, k)), *box.upper[own:]])
        return tabulated(self._exact(k), lower, upper, accuracy)

    def _add_panels(self, k: int, points: Array, values: Array, found: Array) -> None:
        """That of any g, by its table or panels of each neuron."""
        neurons = self.pairs.neurons(points)
        along, rest = neurons.places[:, k], np.delete(neurons.places, k, axis=1)
        spread = np.linalg.norm(rest, axis=1)
        exact = self._exact(k)
        places = np.column_stack([along, spread, neurons.offsets])[:, : exact.dimension]
        pull, slopes = self.tables.get(k, exact).contract(places, np.array([self.target.weights[k]]))
        parts = [pull, *slopes.T]
        values += parts[0]
        if not found.size:
            return
        shares = np.divide(
            neurons.places, spread[:, None], out=np.zeros_like(neurons.places), where=spread[:, None] > 0.0
        )
        # at w = u_k m the unit is spread along the last coordinate alone
        shares[spread == 0.0, -1] = 1.0
        columns = parts[2][:, None] * shares
        columns[:, k] = parts[1]
        own = self.pairs.teachers + self.pairs.perpendicular
        found[:, :own] += columns[:, :own]
        if self.pairs.has_offset:
            found[:, -1] += parts[3]


def multiple(teacher: Teacher, activation: Activation, has_offset: bool) -> float:
    """c where g = c sigma and U is a closed form, nan otherwise."""
    if has_offset or activation.arc is None:
        return math.nan
    return ratio(teacher, activation, np.linspace(-3.0, 3.0, 62))
