"""The figure of an ending: the clusters of the last law over the nearest stationary law."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.results.figures.optimum import draw_atoms
from mfpde.results.figures.style import BLUE, ORANGE, new_figure

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing
    from mfpde.results.answers.ending import Ending


def figures(answer: Ending) -> dict[str, Drawing]:
    """Its one figure; nothing where the law has no cluster."""
    return {"ending": lambda: ending_figure(answer)} if answer.clusters else {}


def ending_figure(answer: Ending) -> Any:
    """Discs of the clusters with bars of one standard deviation, and of the atoms of the nearest law."""
    figure = new_figure(4.8, 3.6)
    axes = figure.add_subplot()
    positions = np.array([cluster.position for cluster in answer.clusters])
    spread = np.array([cluster.spread for cluster in answer.clusters])
    masses = np.array([cluster.weight for cluster in answer.clusters])
    draw_atoms(axes, answer.names, positions, masses, BLUE, label=f"clusters at $t = {answer.time:.4g}$")
    plane = len(answer.names) > 1
    heights = positions[:, 1] if plane else masses
    bars = {"xerr": spread[:, 0], **({"yerr": spread[:, 1]} if plane else {})}
    axes.errorbar(positions[:, 0], heights, fmt="none", ecolor=BLUE, elinewidth=0.9, **bars)
    law = answer.nearest
    if law is not None and law.atoms is not None:
        draw_atoms(axes, answer.names, *law.atoms, ORANGE, label="nearest stationary law", zorder=0)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure
