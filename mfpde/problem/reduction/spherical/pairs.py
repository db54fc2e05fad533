"""Sections of U on the sphere, of which the target sees K projections: y = sum_k c_k g_k(<u_k, x>) + noise.

With m_k = <u_k, w>, s the rest and t^2 = |m|^2 + s^2, neurons turned about the span of the u_k have

    U(z, z') = E_n sum_k l_k l_k' P_k(c),    c = (<m, m'> + s s' n) / (t t'),    n the first coordinate on S^(d-K-1),
    V(z) = -sum_j c_j sum_k l_k g_jk P_k(m_j / t),                              g_jk = E[g_j(sqrt(d) tau) p_k(tau)],

l_k the coefficients of the unit (`solvers.harmonics.units`): zonal in each teacher, and sections at pivots are those of
Gaussian inputs (`reduction.gaussian.sections`) in all else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mfpde.problem.reduction.gaussian.pairs import Neurons, Pairs
from mfpde.problem.reduction.gaussian.pulls import Pull, Target
from mfpde.problem.reduction.gaussian.sections import at_pivots
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.arrays import Array
from mfpde.solvers.harmonics.pairs import sums
from mfpde.solvers.harmonics.polynomials import recurrence, zonal
from mfpde.solvers.harmonics.targets import ZonalTarget, mean_on_sphere, projections
from mfpde.solvers.harmonics.units import Coefficients, ZonalUnit, over_size
from mfpde.solvers.networks.arcs import angular_rule
from mfpde.solvers.normal import Teacher
from mfpde.solvers.objective.representation import Effort, Expansion
from mfpde.solvers.space.box import Box

SMALLEST = 1e-300
DEGREES = {"rough": (16, 24), "usual": (16, 32, 64, 96), "finest": (16, 32, 64, 96, 160)}
"""Numbers of degrees to choose from."""


@dataclass(frozen=True)
class SphericalTarget(Target):
    """y on S^(d-1)(sqrt d).

    Attributes:
        sphere: d.
    """

    sphere: int

    @cached_property
    def zonal(self) -> ZonalTarget:
        """The weighted teachers."""
        pairs = zip(self.weights, self.teachers, strict=True)
        return ZonalTarget(self.sphere, tuple(_times(c, g) for c, g in pairs))

    @cached_property
    def second_moment(self) -> float:
        return self.zonal.second_moment

    @property
    def largest(self) -> float:
        """sum_k c_k^2 E g_k^2, which what cancels in E y^2 is relative to."""
        return sum(mean_on_sphere(self.sphere, _squared(g), g.breaks) for g in self.zonal.teachers)

    @property
    def mean(self) -> float:
        """E y."""
        return sum(mean_on_sphere(self.sphere, g, g.breaks) for g in self.zonal.teachers)


def _squared(teacher: Teacher) -> Callable[[Array], Array]:
    return lambda v: teacher(v) ** 2


def _times(weight: float, teacher: Teacher) -> Teacher:
    return Teacher(lambda v: weight * teacher(v), teacher.breaks)


@dataclass(frozen=True)
class SphericalPairs(Pairs):
    """U of two neurons, by `terms` degrees.

    Attributes:
        sphere: d.
    """

    sphere: int

    @property
    def arc(self) -> None:
        return None

    @property
    def ruled(self) -> bool:
        return True

    def series(self, effort: Effort) -> tuple[int, ...]:
        return DEGREES[effort]

    @cached_property
    def rule(self) -> tuple[Array, Array]:
        """Nodes and weights for n."""
        return angular_rule(self.count, self.across)

    @cached_property
    def zonal(self) -> ZonalUnit:
        """l_k."""
        return ZonalUnit.of(self.unit, self.sphere, max(self.terms, 2))

    def moments(self, points: Array) -> Array:
        neurons = self.neurons(points)
        return np.stack(self.zonal.coefficients(neurons.sizes, neurons.offsets), axis=1)

    def tails(self, points: Array, counts: Sequence[int]) -> Array:
        neurons = self.neurons(points)
        units = (ZonalUnit.of(self.unit, self.sphere, count) for count in counts)
        return np.stack([unit.left(neurons.sizes, neurons.offsets) for unit in units])

    def sections(
        self,
        points: Array,
        others: Array,
        theirs: Array | None = None,
        slopes: bool = False,
        lead: int = 0,
        ours: Array | None = None,
    ) -> tuple[Array, Array]:
        own, other = self.neurons(points), self.neurons(others)
        theirs = self.moments(others) if theirs is None else theirs
        ours = self.moments(points) if ours is None else ours
        found, held = Coefficients(*np.moveaxis(ours, 1, 0)), np.ascontiguousarray(theirs[:, 0].T)
        e, f = _directions(own), _directions(other)
        values = np.zeros((len(points), lead + len(others)))
        gradients = np.zeros((*values.shape, points.shape[1] if slopes else 0))
        for node, weight in zip(*self.rule, strict=True):
            turned = f * np.append(np.ones(self.teachers), node)
            cosines = np.clip(e @ turned.T, -1.0, 1.0)
            values[:, lead:] += weight * self._summed(cosines, found.value, held)
            if slopes:
                self._add_slopes(gradients[:, lead:], weight, (cosines, e, turned), found, held, own)
        return values, gradients

    def _add_slopes(
        self,
        gradients: Array,
        weight: float,
        places: tuple[Array, Array, Array],
        found: Coefficients,
        held: Array,
        own: Neurons,
    ) -> None:
        """Those of one node."""
        cosines, e, turned = places
        d, k = self.sphere, np.arange(1.0, len(held))
        across = np.ascontiguousarray(over_size(found, own.sizes)[:, 1:] * (k * (k + d - 2.0) / max(d - 1.0, 1.0)))
        tangent = sums(cosines, across, held[1:], *recurrence(d + 2, len(held) - 1))
        stretched = self._summed(cosines, found.by_size, held) - tangent * cosines
        count = self.teachers + self.perpendicular
        gradients[:, :, :count] += weight * (
            stretched[:, :, None] * e[:, None, :count] + tangent[:, :, None] * turned[None, :, :count]
        )
        if self.has_offset:
            gradients[:, :, -1] += weight * self._summed(cosines, found.by_offset, held)

    def _summed(self, cosines: Array, own: Array, held: Array) -> Array:
        return np.asarray(sums(cosines, np.ascontiguousarray(own), held, *recurrence(self.sphere, len(held))))

    def diagonal(self, points: Array) -> Array:
        e, squares = _directions(self.neurons(points)), self.moments(points)[:, 0] ** 2
        found = np.zeros(len(points))
        for node, weight in zip(*self.rule, strict=True):
            cosines = (e**2) @ np.append(np.ones(self.teachers), node)
            found += weight * (squares * zonal(self.sphere, cosines, squares.shape[1])[0]).sum(axis=1)
        return found

    def norms(self, points: Array) -> Array:
        """With what the degrees leave at most."""
        neurons = self.neurons(points)
        return self.diagonal(points) + self.zonal.left(neurons.sizes, neurons.offsets)


def _directions(neurons: Neurons) -> Array:
    return np.asarray(neurons.places / np.maximum(neurons.sizes, SMALLEST)[:, None])


@dataclass(frozen=True)
class SphericalPull(Pull):
    """E y sigma = -V of a neuron, of all teachers by their degrees."""

    @property
    def dear(self) -> list[int]:
        return []

    def _held(self, points: Array, ours: Array | None) -> Array:
        return self.pairs.moments(points) if ours is None else ours

    def _add(self, k: int, points: Array, ours: Array, values: Array, found: Array) -> None:
        assert isinstance(self.pairs, SphericalPairs)
        pairs, neurons = self.pairs, self.pairs.neurons(points)
        held, e = Coefficients(*np.moveaxis(ours, 1, 0)), _directions(neurons)
        degrees = held.value.shape[1]
        target = self.target.weights[k] * projections(self.target.teachers[k], pairs.sphere, degrees)
        parts, turned = (target * part for part in zonal(pairs.sphere, e[:, k], degrees))
        values += (held.value * parts).sum(axis=1)
        if not found.size:
            return
        stretched = (held.by_size * parts).sum(axis=1)
        tangent = (over_size(held, neurons.sizes) * turned).sum(axis=1)
        count = pairs.teachers + pairs.perpendicular
        found[:, :count] += ((stretched - tangent * e[:, k])[:, None] * e)[:, :count]
        found[:, k] += tangent
        if pairs.has_offset:
            found[:, -1] += (held.by_offset * parts).sum(axis=1)


def expand(
    unit: Activation, has_offset: bool, sphere: int, target: Target, box: Box, accuracy: float, effort: Effort
) -> Expansion:
    """Features of the unit on the box of m, s and b; s where d > K."""
    count, own = len(target.weights), SphericalTarget(target.teachers, target.weights, target.noise, sphere)
    probe = SphericalPairs(unit, count, float(sphere - count), has_offset, 1, 2, sphere)
    pull = SphericalPull(probe, own, np.full(count, np.nan))
    return at_pivots(probe, pull, own, box, accuracy, effort)
