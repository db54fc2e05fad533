"""Neurons a sigma(<w, x>) in the plane: |a| w with the sign of a as colour, and the teachers' rays.

Radii are tanh(|a| |w|), so that neurons that grow without bound stay on the page. Where neurons are masses c on the
circle of directions, |a| |w| is c times the number of neurons; of a density on cells it is 2 pi times that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from mfpde.results.figures.style import BLUE, GREY, ORANGE
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.measure import Atoms, Measure

if TYPE_CHECKING:
    from mfpde.results.answers.solve import SolveResult

RAYS = "rays"
"""The attribute of a run that holds the teachers, "angle:weight" each."""
TURN = 2.0 * np.pi


def rays_of(result: SolveResult) -> list[tuple[float, float]]:
    """Angles and weights of the teachers; nothing where a run has none."""
    words = str(result.attributes.get(RAYS, "")).split()
    return [(float(angle), float(weight)) for angle, weight in (word.split(":") for word in words)]


def draw_neurons(axes: Any, result: SolveResult, index: int) -> None:
    """The law at one save time."""
    circle = np.linspace(0.0, TURN, 361)
    axes.plot(np.cos(circle), np.sin(circle), color=GREY, linewidth=0.7, zorder=1)
    for angle, weight in rays_of(result):
        colour = BLUE if weight > 0.0 else ORANGE
        axes.plot([0.0, np.cos(angle)], [0.0, np.sin(angle)], color=colour, linewidth=0.8, dashes=(4, 3), zorder=1)
    law = result.law_at(index)
    if isinstance(law, Atoms):
        places, signs = _placed(law, result.names)
        for sign, colour in ((1.0, BLUE), (-1.0, ORANGE)):
            own = signs == sign
            axes.scatter(*places[own].T, s=13, color=colour, alpha=0.75, linewidths=0, zorder=3)
    else:
        _draw_cells(axes, law, result.names)
    axes.set_aspect("equal")
    axes.set_xlim(-1.06, 1.06)
    axes.set_ylim(-1.06, 1.06)
    axes.axis("off")


def draw_key(figure: Any) -> None:
    """What colours and lines are, below the panels."""
    handles = [Line2D([], [], color=colour, marker="o", markersize=4, linewidth=0) for colour in (BLUE, ORANGE)]
    handles.append(Line2D([], [], color=GREY, linewidth=0.8, dashes=(4, 3)))
    figure.legend(handles, ["$a > 0$", "$a < 0$", "teachers"], loc="outside lower center", ncols=3, handletextpad=0.4)


def _placed(law: Atoms, names: tuple[str, ...]) -> tuple[Array, Array]:
    """Places in the unit disc, shape (n, 2), and signs, shape (n,)."""
    columns = {name: law.points[:, axis] for axis, name in enumerate(names)}
    if "angle" in columns:
        size, angle = law.weights * np.count_nonzero(law.weights), columns["angle"]
        signs = columns["sign"]
    else:
        size = np.abs(columns["a"]) * np.hypot(columns["w1"], columns["w2"])
        angle, signs = np.arctan2(columns["w2"], columns["w1"]), np.sign(columns["a"])
    held = law.weights > 0.0
    radius = np.tanh(size)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])[held], signs[held]


def _draw_cells(axes: Any, law: Measure, names: tuple[str, ...]) -> None:
    """The densities of both signs as curves around the origin."""
    angle, sign = names.index("angle"), names.index("sign")
    for value, colour in ((1.0, BLUE), (-1.0, ORANGE)):
        own = law.points[:, sign] == value
        places, widths = law.points[own, angle], (law.corners[1] - law.corners[0])[own, angle]
        radius = np.tanh(TURN * law.weights[own] / widths)
        closed = np.append(np.arange(len(places)), 0)
        x, y = radius * np.cos(places), radius * np.sin(places)
        axes.plot(x[closed], y[closed], color=colour, linewidth=1.2, zorder=3)
