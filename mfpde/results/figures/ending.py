"""The figure of an ending: the clusters of the last law over the nearest stationary law."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.results.figures.optimum import draw_atoms
from mfpde.results.figures.style import BLUE, ORANGE, new_figure

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing
    from mfpde.results.answers.ending import Ending


def figures(found: Ending) -> dict[str, Drawing]:
    """Its one figure; nothing where the law has no cluster."""
    return {"ending": lambda: ending_figure(found)} if found.clusters else {}


def ending_figure(found: Ending) -> Any:
    """Discs of the clusters with bars of one standard deviation, and of the atoms of the nearest law."""
    figure = new_figure(4.8, 3.6)
    axes = figure.add_subplot()
    positions = np.array([cluster.position for cluster in found.clusters])
    spread = np.array([cluster.spread for cluster in found.clusters])
    masses = np.array([cluster.weight for cluster in found.clusters])
    draw_atoms(axes, found.names, positions, masses, BLUE, label=f"clusters at $t = {found.time:.4g}$")
    plane = len(found.names) > 1
    heights = positions[:, 1] if plane else masses
    bars = {"xerr": spread[:, 0], **({"yerr": spread[:, 1]} if plane else {})}
    axes.errorbar(positions[:, 0], heights, fmt="none", ecolor=BLUE, elinewidth=0.9, **bars)
    law = found.nearest
    if law is not None and law.atoms is not None:
        draw_atoms(axes, found.names, *law.atoms, ORANGE, label="nearest stationary law", zorder=0)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure
