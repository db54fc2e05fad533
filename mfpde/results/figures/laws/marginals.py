"""The law as histograms on the part of the reduced space that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.solvers.arrays import Array
from mfpde.solvers.space.distribution import parted
from mfpde.solvers.space.measure import Atoms, Cells

if TYPE_CHECKING:
    from mfpde.results.answers.solve import SolveResult


BINS = 80
ATOM_WIDTH = 2.0
"""Points that the line of an atom is wide, a third of those beside filled areas, over which others are drawn."""
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


def spread_density(law: Atoms | Cells, edges: Array) -> Array:
    """The density in bins of what of a law of one coordinate does not sit on atoms."""
    spread, _ = parted(law)
    return spread.binned(edges).density if isinstance(spread, Atoms) else spread.density


def draw_marginal(axes: Any, law: Atoms | Cells, edges: Array, upright: bool = True, **style: Any) -> None:
    """A law of one coordinate as stairs, and its atoms as lines whose share of the axis is that of their mass."""
    (_, atoms), heights = parted(law), spread_density(law, edges)
    axes.stairs(heights, edges, orientation="vertical" if upright else "horizontal", **style)
    lines, other = (axes.vlines, axes.get_xaxis_transform()) if upright else (axes.hlines, axes.get_yaxis_transform())
    colour = {"color": style.get("color"), "alpha": style.get("alpha")}
    width = ATOM_WIDTH * (3.0 if style.get("fill") else 1.0)
    lines(atoms.points[:, 0], 0.0, atoms.weights / law.mass, transform=other, linewidth=width, **colour)


def height_of_bulk(result: SolveResult, index: int, view: View) -> float:
    """The density of the first coordinate that nine tenths of what is spread out stay below; 0 where nothing is."""
    heights = spread_density(result.law_at(index).marginal(0), view.edges[0])
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
