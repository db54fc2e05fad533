"""Functions of one standard normal variable: what a teacher makes of it, and Gauss rules on panels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .arrays import Array

REACH = 13.0
"""|v| up to which rules go: beyond, the normal density is below 1e-37, and its share of He_19^2 1e-12."""
PANELS, FINE_NODES = 76, 24
"""Panels of the rule of a function of which only the breaks are known, and their nodes."""
SERIES_PANELS = 96
"""Panels on which Hermite polynomials of hundreds of degrees are smooth."""


@dataclass(frozen=True)
class Teacher:
    """y = g(v) + noise.

    Attributes:
        values: g, elementwise.
        breaks: where it is not smooth.
        noise: standard deviation.
        hermite: coefficients of g in He_k / sqrt(k!) where there are finitely many, else none.
    """

    values: Callable[[Array], Array]
    breaks: Array
    noise: float = 0.0
    hermite: tuple[float, ...] = ()

    def __call__(self, v: Array) -> Array:
        return np.asarray(self.values(v))


def gauss(edges: Array, count: int) -> tuple[Array, Array]:
    """Nodes and weights, the density in them, of shape (..., E - 1, count), on panels between edges (..., E)."""
    x, w = np.polynomial.legendre.leggauss(count)
    half = 0.5 * np.diff(edges)[..., None]
    places = edges[..., :-1, None] + half * (x + 1.0)
    return places, half * w * np.exp(-0.5 * places**2) / np.sqrt(2.0 * np.pi)


def projected(function: Callable[[Array], Array], breaks: Array) -> float:
    """E function(v), v standard normal, of a function that is smooth between the breaks."""
    inner = breaks[np.abs(breaks) < REACH]
    edges = np.unique(np.concatenate([np.linspace(-REACH, REACH, PANELS + 1), inner]))
    places, weights = gauss(edges, FINE_NODES)
    return float((weights * function(places)).sum())


def hermite_coefficients(teacher: Teacher, terms: int) -> tuple[Array, float]:
    """E g h_l of a teacher for l < terms, h_l = He_l / sqrt(l!), and the norm of what is left of g."""
    inner = teacher.breaks[np.abs(teacher.breaks) < REACH]
    edges = np.unique(np.concatenate([np.linspace(-REACH, REACH, SERIES_PANELS + 1), inner]))
    places, weights = (part.ravel() for part in gauss(edges, FINE_NODES))
    values = teacher(places)
    found, before, here = np.empty(terms), np.zeros(places.size), np.ones(places.size)
    for order in range(terms):
        found[order] = (weights * values) @ here
        following = (places * here - np.sqrt(order) * before) / np.sqrt(order + 1.0)
        before, here = here, following
    left = float(weights @ values**2 - found @ found)
    return found, float(np.sqrt(max(left, 0.0)))
