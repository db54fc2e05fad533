"""Rules in log rho for the chi law of the length of the data."""

from __future__ import annotations

import numpy as np
from scipy import special

from mfpde.solvers.arrays import Array

WIDEST_PANEL, NARROW_PANEL = 0.1, 0.02
"""In log rho: the widest panel of a split rule, and that below which a few nodes do."""


def chi_range(dimension: float) -> tuple[float, float]:
    """Where the chi law has its mass, to 1e-17."""
    lower = max(1e-17 ** (1.0 / (dimension + 2)), float(np.sqrt(2 * special.gammaincinv(dimension / 2, 1e-17))))
    return lower, float(np.sqrt(2 * special.gammainccinv(dimension / 2, 1e-17)))


def _log_chi_density(dimension: float, rho: Array) -> Array:
    """Density of log rho for the chi law."""
    log_density = special.xlogy(dimension, rho) - rho**2 / 2 - special.gammaln(dimension / 2)
    return np.asarray(np.exp(log_density - (dimension / 2 - 1) * np.log(2.0)))


def chi_rule(dimension: float, count: int) -> tuple[Array, Array]:
    """Trapezoidal rule in log rho for the chi law: nodes and weights, shape (count,)."""
    nodes = np.geomspace(*chi_range(dimension), count)
    return nodes, _log_chi_density(dimension, nodes) * np.log(nodes[1] / nodes[0])


def split_chi_rule(dimension: float, breaks: Array) -> tuple[Array, Array]:
    """Gauss rule in log rho for the chi law, split at `breaks`, where half-integer powers of log rho may start.

    With t = a + (b - a) v^2 on a panel [a, b] these are polynomials in v.
    """
    lower, upper = np.log(chi_range(dimension))
    inner = np.log(breaks[(breaks > np.exp(lower)) & (breaks < np.exp(upper))])
    panels = int(np.ceil((upper - lower) / WIDEST_PANEL))
    edges = np.unique(np.concatenate([np.linspace(lower, upper, panels + 1), inner]))
    edges = edges[np.append(True, np.diff(edges) > 1e-13)]
    width = np.diff(edges)
    nodes, weights = [], []
    for chosen, order in ((width <= NARROW_PANEL, 5), (width > NARROW_PANEL, 12)):
        v, w = np.polynomial.legendre.leggauss(order)
        v, w = 0.5 * (v + 1.0), 0.5 * w
        span = width[chosen, None]
        rho = np.exp(edges[:-1][chosen, None] + span * v**2)
        nodes.append(rho.ravel())
        weights.append((_log_chi_density(dimension, rho) * span * 2.0 * v * w).ravel())
    return np.concatenate(nodes), np.concatenate(weights)
