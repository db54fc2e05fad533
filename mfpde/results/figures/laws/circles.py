"""What is learned of a function on a sphere: its values along great circles beside those of the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.results.figures.style import BLUE, ORANGE
from mfpde.solvers.arrays import Array

if TYPE_CHECKING:
    from mfpde.results.answers.solve import SolveResult

CIRCLES = "great_circles"
"""The attribute of a run that holds the dimension d of inputs of length sqrt(d)."""
Function = Callable[[Array], Array]


def draw_run(axes: Any, result: SolveResult) -> None:
    """f and the law of neurons at the last save time."""
    law: Any = result.problem.data.declared
    draw_cuts(axes, int(str(result.attributes[CIRCLES])), law.target.values, result.predict)
    axes.set_title(f"$t = {result.time[-1]:.4g}$, $R = {result.risk[-1]:.4g}$")


def draw_cuts(axes: Any, dimension: int, target: Function, network: Function) -> None:
    """Both along the great circles through the axes 1 and 2, and 1 and the last."""
    angles = np.linspace(0.0, 2.0 * np.pi, 201)
    for place, colour in dict(zip((1, dimension - 1), (BLUE, ORANGE), strict=True)).items():
        x = np.zeros((len(angles), dimension))
        x[:, 0], x[:, place] = np.cos(angles), np.sin(angles)
        x *= np.sqrt(dimension)
        axes.plot(angles, target(x), color=colour, label=f"$f$, axes 1 and {place + 1}")
        axes.plot(angles, network(x), "--", color=colour, label="network")
    axes.set_xlabel("angle along a great circle")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=4, fontsize=8, handletextpad=0.3)
