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


@dataclass(frozen=True)
class Teacher:
    """y = g(v) + noise.

    Attributes:
        values: g, elementwise.
        breaks: where it is not smooth.
        noise: standard deviation.
    """

    values: Callable[[Array], Array]
    breaks: Array
    noise: float = 0.0

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
