"""The figure of an optimum: its atoms, or with noise the mean and spread of the Gibbs law."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.results.figures.style import BLUE, ORANGE, new_figure, symbol
from mfpde.solvers.arrays import Array

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing
    from mfpde.results.answers.optimum import AtomicOptimum, GibbsOptimum

AREA = 220.0
"""Of the disc of an atom of mass 1, in square points."""


def figures(best: AtomicOptimum | GibbsOptimum) -> dict[str, Drawing]:
    """Its one figure."""
    return {"optimum": lambda: optimum_figure(best)}


def optimum_figure(best: AtomicOptimum | GibbsOptimum) -> Any:
    """Discs of the atoms, or bars of one standard deviation to each side of the mean."""
    figure = new_figure(4.6, 3.4)
    axes = figure.add_subplot()
    if best.atoms is None:
        _draw_moments(axes, best)
    else:
        draw_atoms(axes, best.names, *best.atoms, BLUE)
    axes.set_title(f"risk {best.risk:.6g}, free energy {best.free_energy:.6g}")
    return figure


def draw_atoms(axes: Any, names: Sequence[str], positions: Array, masses: Array, colour: str, **look: Any) -> None:
    """Atoms as discs whose areas are the masses: over two coordinates, or one coordinate and the mass."""
    plane = len(names) > 1
    heights = positions[:, 1] if plane else masses
    axes.scatter(positions[:, 0], heights, s=6.0 + AREA * masses, color=colour, linewidths=0, alpha=0.8, **look)
    if not plane:
        axes.vlines(positions[:, 0], 0.0, masses, color=colour, linewidth=0.9, alpha=0.7)
        axes.set_ylim(0.0, 1.1)
    axes.set_xlabel(symbol(names[0]))
    axes.set_ylabel(symbol(names[1]) if plane else "mass")
    axes.margins(0.12)


def _draw_moments(axes: Any, best: AtomicOptimum | GibbsOptimum) -> None:
    rows = np.arange(len(best.names))
    axes.errorbar(best.mean, rows, xerr=np.sqrt(np.maximum(best.variance, 0.0)), fmt="o", color=ORANGE)
    axes.set_yticks(rows, [symbol(name) for name in best.names])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("mean and standard deviation")
