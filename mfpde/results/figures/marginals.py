"""The law as histograms on the part of the reduced space that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mfpde.solvers.arrays import Array
from mfpde.solvers.space.measure import Atoms

if TYPE_CHECKING:
    from mfpde.results.answers.solve import SolveResult


BINS = 80
NEGLIGIBLE = 1e-4


@dataclass(frozen=True)
class View:
    """What the figures show of the reduced space.

    Attributes:
        edges: bin edges per coordinate: the cells of a grid, equal bins for atoms.
        limits: per coordinate the interval that holds all but a negligible part of the mass, at every time.
    """

    edges: tuple[Array, ...]
    limits: tuple[tuple[float, float], ...]


def view_of(result: SolveResult) -> View:
    """The view that shows the law at every save time."""
    limits = tuple(_limits(result, axis) for axis in range(len(result.names)))
    edges = result.edges or tuple(np.linspace(low, high, BINS + 1) for low, high in limits)
    return View(tuple(edges), limits)


def marginal(result: SolveResult, index: int, axis: int, view: View) -> Array:
    """Density of one coordinate at one save time in the bins of the view, shape (bins,)."""
    law = result.law_at(index).marginal(axis)
    cells = law.binned(view.edges[axis]) if isinstance(law, Atoms) else law
    return cells.density


def height_of_bulk(result: SolveResult, index: int, view: View) -> float:
    """The density of the first coordinate that nine tenths of the mass stay below: a spike hardly counts."""
    heights = marginal(result, index, 0, view)
    order = np.argsort(heights)
    below = np.cumsum((heights * _widths(view.edges[0]))[order])
    return float(heights[order][np.searchsorted(below, 0.9 * below[-1])])


def _limits(result: SolveResult, axis: int) -> tuple[float, float]:
    """The interval of a coordinate with all but NEGLIGIBLE of the mass on either side, at every time."""
    lows, highs = [], []
    for index in range(len(result.time)):
        law = result.law_at(index).marginal(axis)
        left, right = (corner[:, 0] for corner in law.corners)
        order = np.argsort(left)
        weight, left, right = law.weights[order], left[order], right[order]
        below = np.cumsum(weight) / weight.sum()
        lows.append(left[np.searchsorted(below, NEGLIGIBLE)])
        highs.append(right[min(int(np.searchsorted(below, 1.0 - NEGLIGIBLE)), len(right) - 1)])
    low, high = float(min(lows)), float(max(highs))
    margin = 0.06 * (high - low) or 0.05 * max(abs(high), 1.0)
    return (max(low - margin, 0.0) if low >= 0.0 else low - margin), high + margin


def _widths(edges: Array) -> Array:
    """Bin widths, 1 for a bin of no width so that it shows its mass."""
    widths = np.diff(edges)
    return np.where(widths > 0.0, widths, 1.0)
