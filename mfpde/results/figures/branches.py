"""The bifurcation diagram: atoms and risk of stationary laws against the varied key, with what happens on the way."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mfpde.results.figures.style import AMBER, BLUE, GREEN, KEYS, ORANGE, PINK, SKY, new_figure, symbol
from mfpde.results.words import verdict_text

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing
    from mfpde.results.answers.branches import Branches, BranchEvent, BranchLaw, StationaryBranch


# black is for the marks
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, AMBER)
LINES: dict[bool | None, dict[str, Any]] = {
    True: {"linestyle": "-", "linewidth": 2.0},
    False: {"linestyle": "--", "linewidth": 1.0},
    None: {"linestyle": ":", "linewidth": 1.0},
}
MARKS = {"fold": "o", "splitting": "^", "drift": "s", "cone": "v"}
SHADE = "0.92"
FAINT = 0.45
"""Opacity of laws on several atoms."""
MARK: dict[str, Any] = {"markersize": 5.0, "markeredgecolor": "black", "linestyle": "none"}


def figures(result: Branches) -> dict[str, Drawing]:
    """The bifurcation diagram."""
    return {"branches": lambda: branches_figure(result)}


def branches_figure(result: Branches) -> Any:
    """A panel for each coordinate of the atoms, one for the risk."""
    count = len(result.names)
    figure = new_figure(3.4 * (count + 1) + 1.2, 3.4)
    panels = figure.subplots(1, count + 1, squeeze=False)[0]
    for axes in panels:
        for span in result.optimal:
            axes.axvspan(span.low, span.high, color=SHADE, linewidth=0)
        axes.set_xlim(result.low, result.high)
        axes.set_xlabel(KEYS.get(result.key, result.key))
    # laws on more atoms first, so that those on one lie above
    for branch in sorted(result.branches, key=lambda branch: -len(branch.laws[0].masses)):
        _draw(panels, branch, COLOURS[branch.label % len(COLOURS)])
    for axes, name in zip(panels, result.names, strict=False):
        axes.set_ylabel(f"atoms, {symbol(name)}")
    panels[-1].set_ylabel("risk $R$")
    if all(law.risk > 0.0 for branch in result.branches for law in branch.laws):
        panels[-1].set_yscale("log")
    figure.legend(handles=_legend(result), loc="outside right center", fontsize=8)
    return figure


def _draw(panels: Any, branch: StationaryBranch, colour: str) -> None:
    opacity = 1.0 if len(branch.laws[0].masses) == 1 else FAINT
    # the events are points of the curve, at which its class may change
    points: list[tuple[float, BranchLaw | BranchEvent]] = [(float(k), law) for k, law in enumerate(branch.laws)]
    points += [(event.place, event) for event in branch.events]
    points.sort(key=lambda found: found[0])
    place = np.array([found[0] for found in points])
    parameter = np.array([point.parameter for _, point in points])
    positions = np.stack([point.positions for _, point in points])
    risk = np.array([point.risk for _, point in points])
    for stable, start, stop in _stretches(branch):
        part = (place > start - 1) & (place < stop)
        if not any(start - 1 < event.place < start for event in branch.events):
            part |= place == start - 1
        look = {"color": colour, "alpha": opacity, **LINES[stable]}
        for coordinate, axes in enumerate(panels[:-1]):
            axes.plot(parameter[part], positions[part, :, coordinate], **look)
        panels[-1].plot(parameter[part], risk[part], **look)
    for event in branch.events:
        look = {"marker": _mark(event), "color": colour, "alpha": opacity, **MARK}
        for coordinate, axes in enumerate(panels[:-1]):
            axes.plot(np.full(len(event.masses), event.parameter), event.positions[:, coordinate], **look)
        panels[-1].plot([event.parameter], [event.risk], **look)


def _stretches(branch: StationaryBranch) -> list[tuple[bool | None, int, int]]:
    """(verdict, first, one past the last) of runs of laws of one class."""
    found = []
    for stable, run in groupby(range(len(branch.laws)), key=lambda index: branch.laws[index].stable):
        indices = list(run)
        found.append((stable, indices[0], indices[-1] + 1))
    return found


def _mark(event: BranchEvent) -> str:
    return MARKS[event.kind.split("+")[0]]


def _legend(result: Branches) -> list[Any]:
    """What lines, marks and shade mean, of those that occur."""
    verdicts = {law.stable for branch in result.branches for law in branch.laws}
    kinds = {event.kind.split("+")[0] for branch in result.branches for event in branch.events}
    counts = {len(branch.laws[0].masses) for branch in result.branches}
    handles: list[Any] = [
        Line2D([], [], color="black", label=verdict_text(verdict), **LINES[verdict])
        for verdict in LINES
        if verdict in verdicts
    ]
    if len(counts) > 1:
        handles.append(Line2D([], [], color="black", alpha=FAINT, label="several atoms"))
    look: dict[str, Any] = {"color": "white", **MARK}
    handles += [Line2D([], [], marker=mark, label=kind, **look) for kind, mark in MARKS.items() if kind in kinds]
    if result.optimal:
        handles.append(Patch(color=SHADE, label="one atom optimal"))
    return handles
