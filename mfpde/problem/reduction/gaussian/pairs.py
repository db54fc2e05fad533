"""U of two units on Gaussian inputs, averaged over the turns about the span of K teachers.

With m_k = <u_k, w>, s = |w - sum_k m_k u_k|, n the first coordinate of a uniform point of S^(d - K - 1) and
kappa = E sigma(u) sigma(u'),

    U(z, z') = E_n kappa(t^2, t'^2, <m, m'> + s s' n),   t^2 = |m|^2 + s^2.

kappa is a closed form of the unit without offset where it has one (`Activation.arc`), and otherwise Mehler's series
sum_k c_k(t, b) c_k(t', b') rho^k.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mfpde.solvers.activations.activation import Activation, Arc
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.arcs import Ladder, averaged, expanded, ladder, power_recurrence
from mfpde.solvers.objective.representation import Effort

SERIES = {"rough": (16, 32, 64), "usual": (16, 32, 64, 128, 256, 512), "finest": (32, 64, 128, 256, 512, 800)}
"""Terms of Mehler's series."""
SMALLEST = 1e-8
"""Length of w below which it is taken to be this long, across."""
TOGETHER = 8
"""Neurons whose U(z, z) is formed at once."""


@dataclass(frozen=True)
class Neurons:
    """Neurons in reduced coordinates: m, s (0 where there is none) and b (0 likewise)."""

    places: Array
    offsets: Array

    @property
    def sizes(self) -> Array:
        """t."""
        return np.asarray(np.linalg.norm(self.places, axis=1))

    @property
    def off_zero(self) -> Array:
        """The places, at w = 0 those a little across, of the size that moments are taken at."""
        places = self.places.copy()
        places[self.sizes < SMALLEST, -1] = SMALLEST
        return places


@dataclass(frozen=True)
class Pairs:
    """U of two neurons.

    Attributes:
        unit: sigma.
        teachers: K.
        across: d - K, 0 where there is no s.
        has_offset: whether b is the last coordinate.
        count: nodes of the finest rule for n.
        terms: of Mehler's series.
    """

    unit: Activation
    teachers: int
    across: float
    has_offset: bool
    count: int
    terms: int

    @property
    def perpendicular(self) -> bool:
        return self.across > 0.0

    @property
    def dimension(self) -> int:
        return self.teachers + self.perpendicular + self.has_offset

    @property
    def arc(self) -> Arc | None:
        return None if self.has_offset else self.unit.arc

    @property
    def ruled(self) -> bool:
        """Whether means over n are by a rule."""
        return self.arc is not None

    def series(self, effort: Effort) -> tuple[int, ...]:
        """Terms to choose from."""
        return SERIES[effort]

    def neurons(self, points: Array) -> Neurons:
        places = np.zeros((len(points), self.teachers + 1))
        own = self.teachers + self.perpendicular
        places[:, :own] = points[:, :own]
        return Neurons(places, points[:, -1].copy() if self.has_offset else np.zeros(len(points)))

    def moments(self, points: Array) -> Array:
        """c_k, d_t c_k and d_b c_k, shape (n, 3, terms); nothing where kappa is a closed form."""
        return np.empty((len(points), 3, 0)) if self.arc is not None else self.series_moments(points, self.terms)

    def series_moments(self, points: Array, terms: int) -> Array:
        """So many c_k, d_t c_k and d_b c_k, shape (n, 3, terms)."""
        neurons = self.neurons(points)
        sizes, offsets = np.maximum(neurons.sizes, SMALLEST), neurons.offsets
        slopes = self.unit.coefficients(sizes, offsets, terms + 1, 1)
        orders = np.sqrt(np.arange(1.0, terms + 1.0))
        by_size = orders * slopes[:, 1:]
        by_size[:, 1:] += orders[:-1] * slopes[:, : terms - 1]
        return np.stack([self.unit.coefficients(sizes, offsets, terms), by_size, slopes[:, :-1]], axis=1)

    def sections(
        self,
        points: Array,
        others: Array,
        theirs: Array | None = None,
        slopes: bool = False,
        lead: int = 0,
        ours: Array | None = None,
    ) -> tuple[Array, Array]:
        """U(z, z'), shape (n, n'), and its gradient in z, shape (n, n', D).

        Args:
            theirs, ours: the moments of the others, and of the points.
            lead: columns left empty before those of the others.
        """
        own, other, arc = self.neurons(points), self.neurons(others), self.arc
        shape, width = (len(points), lead + len(others)), self.teachers + 1 + (arc is None)
        values, found = np.empty(shape), np.empty((*shape, width) if slopes else (0, 0, 0))
        if arc is not None:
            averaged(tuple(arc), own.places, other.places, self._rules, values[:, lead:], found[:, lead:])
        else:
            theirs = self.moments(others) if theirs is None else theirs
            ours = self.moments(points) if ours is None else ours
            held = own.off_zero, ours, other.places, np.ascontiguousarray(theirs[:, 0])
            expanded(*held, *self._powers, values[:, lead:], found[:, lead:])
        return values, self._own_slopes(found)

    def series_pull(self, points: Array, teacher: int, series: Array, ours: Array, slopes: bool) -> tuple[Array, Array]:
        """E g(v) sigma(u) of g = sum_l g_l h_l along u_k, shape (n,), and its gradient, (n, D): a section at w' = u_k.

        Args:
            ours: the moments of the points, as many as there are g_l or more.
        """
        count, along = len(series), np.eye(self.teachers + 1)[teacher : teacher + 1]
        values = np.empty((len(points), 1))
        found = np.empty((len(points), 1, self.teachers + 2) if slopes else (0, 0, 0))
        powers = (np.stack([np.ones(count), np.zeros(count)]),) * 2
        expanded(
            self.neurons(points).off_zero, ours[:, :, :count], along, series[None], *powers, math.inf, values, found
        )
        return values[:, 0], self._own_slopes(found)[:, 0] if slopes else np.empty((len(points), 0))

    def _own_slopes(self, found: Array) -> Array:
        """Of gradients in m, s and perhaps b those in the coordinates that there are."""
        kept = [*range(self.teachers + self.perpendicular), *[self.teachers + 1] * self.has_offset]
        return found if len(kept) == found.shape[2] or not found.size else found[:, :, kept]

    @cached_property
    def _rules(self) -> Ladder:
        return ladder(self.count, self.across)

    @cached_property
    def _powers(self) -> tuple[Array, Array, float]:
        rows = [power_recurrence(self.terms, self.across + more) for more in (0.0, 2.0)]
        return rows[0], rows[1], self.across if self.perpendicular else math.inf

    def diagonal(self, points: Array) -> Array:
        """U(z, z), shape (n,), as the sections have it."""
        if self.arc is not None:
            parts = (points[first : first + TOGETHER] for first in range(0, len(points), TOGETHER))
            return np.concatenate([np.diagonal(self.sections(part, part)[0]) for part in parts])
        neurons = self.neurons(points)
        sizes = np.maximum(neurons.sizes, SMALLEST)
        squares = self.unit.coefficients(sizes, neurons.offsets, self.terms) ** 2
        across = (neurons.places[:, -1] / sizes) ** 2
        total, mean, below = np.zeros(len(points)), np.ones(len(points)), np.zeros(len(points))
        # rho = 1 - across + across n
        for square, ahead, behind in zip(squares.T, *self._powers[0], strict=True):
            total += square * mean
            mean, below = ahead * (1.0 - across) * mean - behind * (1.0 - 2.0 * across) * below, mean
        return total

    def norms(self, points: Array) -> Array:
        """U(z, z), shape (n,), or with a series what that has of it and all that the terms behind hold at most."""
        if self.arc is not None:
            return self.diagonal(points)
        return np.asarray(self.diagonal(points) + self.tails(points, [self.terms])[0])

    def tails(self, points: Array, counts: Sequence[int]) -> Array:
        """sum_k c_k(t, b)^2 over the k behind so many terms, shape (counts, n): |rho| <= 1."""
        neurons = self.neurons(points)
        sizes = np.maximum(neurons.sizes, SMALLEST)
        held = np.cumsum(self.unit.coefficients(sizes, neurons.offsets, max(counts)) ** 2, axis=1)
        squares = self.unit.second_moments(sizes, neurons.offsets)
        return np.stack([np.abs(squares - held[:, count - 1]) for count in counts])
