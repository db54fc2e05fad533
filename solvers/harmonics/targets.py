"""Targets on the sphere by what units see of them: E[y sigma(<w, x> + b)] = sum_k l_k(|w|, b) Y_k(w / |w|).

Y_k(e) = E[y p_k(<x, e> / sqrt d)] is the part of y of degree k at sqrt(d) e, over sqrt(N_k) (Funk and Hecke).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from ..arrays import Array
from ..normal import Teacher
from .polynomials import panel_rule, panels, weighted, zonal

PANEL = 0.8
"""Longest panel of what a teacher has of each degree, in standard deviations of v; shorter for high degrees."""
PER_PANEL = 8.0
"""Half-waves of p_k that a panel of 16 nodes resolves to rounding."""

ROUNDING = 1e-14
"""Share of E g^2 that is none."""


class Target(Protocol):
    """y without noise."""

    @property
    def dimension(self) -> int:
        """d."""
        ...

    @property
    def second_moment(self) -> float:
        """E y^2."""
        ...

    def parts(self, directions: Array, count: int) -> Array:
        """Y_0, ..., Y_{count-1} at unit vectors e of shape (n, d), shape (n, count)."""
        ...

    def unseen(self, count: int) -> float:
        """The root mean square of what y has of other degrees, at most, to rounding."""
        ...

    def slopes(self, directions: Array, coefficients: Array) -> Array:
        """sum_k c_k grad Y_k(e) along the sphere, c of shape (n, K), shape (n, d)."""
        ...


@dataclass(frozen=True)
class ZonalTarget:
    """y = sum_j g_j(x_j), of the first coordinates of x.

    Attributes:
        dimension: d.
        teachers: g_j.
    """

    dimension: int
    teachers: tuple[Teacher, ...]

    def parts(self, directions: Array, count: int) -> Array:
        found = np.zeros((len(directions), count))
        for j, teacher in enumerate(self.teachers):
            found += projections(teacher, self.dimension, count) * zonal(self.dimension, directions[:, j], count)[0]
        return found

    def unseen(self, count: int) -> float:
        found = 0.0
        for g in self.teachers:
            square = mean_on_sphere(self.dimension, lambda v, g=g: g(v) ** 2, g.breaks)  # type: ignore[misc]
            left = square - float((projections(g, self.dimension, count) ** 2).sum())
            found += math.sqrt(left) if left > ROUNDING * square else 0.0
        return found

    def slopes(self, directions: Array, coefficients: Array) -> Array:
        count = coefficients.shape[1]
        found = np.zeros_like(directions)
        for j, teacher in enumerate(self.teachers):
            own = zonal(self.dimension, directions[:, j], count)[1]
            found[:, j] += np.einsum("nk,nk,k->n", coefficients, own, projections(teacher, self.dimension, count))
        return np.asarray(found - np.einsum("nd,nd->n", found, directions)[:, None] * directions)

    @cached_property
    def second_moment(self) -> float:
        """E y^2, the products of two teachers by a rule for one coordinate given the other."""
        squares = sum(mean_on_sphere(self.dimension, lambda v, g=g: g(v) ** 2, g.breaks) for g in self.teachers)  # type: ignore[misc]
        pairs = [(g, h) for i, g in enumerate(self.teachers) for h in self.teachers[:i]]
        return float(squares + 2.0 * sum(_product(g, h, self.dimension) for g, h in pairs))


def mean_on_sphere(dimension: int, function: Callable[[Array], Array], breaks: Array) -> float:
    """E function(sqrt(d) tau), of a function that is smooth between the breaks."""
    places, weights = panel_rule(dimension, panels(dimension, breaks, PANEL))
    return float((weights * function(math.sqrt(dimension) * places)).sum())


def projections(teacher: Teacher, dimension: int, count: int) -> Array:
    """g_k = E[g(sqrt(d) tau) p_k(tau)], shape (count,)."""
    root = math.sqrt(dimension)
    edges = panels(dimension, teacher.breaks, min(PANEL, PER_PANEL * root / count))
    places, weights = (part.ravel() for part in panel_rule(dimension, edges))
    roots = np.sqrt(weights)
    found = (roots * teacher(root * places)) @ weighted(dimension, places, roots, count)
    if dimension == 1:
        found[2:] = 0.0
    return np.asarray(found)


def _product(first: Teacher, second: Teacher, dimension: int) -> float:
    """E g(x_1) h(x_2)."""
    root = math.sqrt(dimension)
    places, weights = (part.ravel() for part in panel_rule(dimension, panels(dimension, first.breaks, PANEL)))
    across = np.sqrt(np.maximum(dimension * (1.0 - places) * (1.0 + places), 0.0))
    edges = panels(dimension - 1, np.empty(0), PANEL)
    shape = (len(places), len(edges))
    scaled = second.breaks * math.sqrt(dimension - 1.0) / np.maximum(across, 1e-12)[:, None]
    own = np.sort(np.clip(np.hstack([np.broadcast_to(edges, shape), scaled]), edges[0], edges[-1]), axis=1)
    inner, shares = panel_rule(dimension - 1, own)
    held = (second(across[:, None, None] * inner) * shares).sum(axis=(1, 2))
    return float(weights @ (first(root * places) * held))
