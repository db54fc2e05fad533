"""The figure of a list of stationary laws: the atoms of each, and its risk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D

from mfpde.results.figures.optimum import AREA
from mfpde.results.figures.style import BLUE, GREY, ORANGE, new_figure, symbol
from mfpde.results.words import verdict_text

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing
    from mfpde.results.answers.stationary import Stationary

SAME = 1e-6
"""Risks closer than this share of them are one height: rounding is not drawn."""
COLOURS = {True: BLUE, False: ORANGE, None: GREY}


def figures(answer: Stationary) -> dict[str, Drawing]:
    """Its one figure; nothing where no law was found."""
    return {"stationary": lambda: stationary_figure(answer)} if answer.points else {}


def stationary_figure(answer: Stationary) -> Any:
    """Against each coordinate the risks of the laws, with their atoms as discs whose areas are the masses."""
    figure = new_figure(3.6 * len(answer.names) + 1.0, 3.4)
    panels = figure.subplots(1, len(answer.names), squeeze=False, sharey=True)[0]
    for axis, (axes, name) in enumerate(zip(panels, answer.names, strict=True)):
        for point in answer.points:
            look = {"color": COLOURS[point.stable], "alpha": 0.8}
            places = point.positions[:, axis]
            axes.plot(places, [point.risk] * len(places), linewidth=0.9, **look)
            axes.scatter(places, [point.risk] * len(places), s=6.0 + AREA * point.masses, linewidths=0, **look)
        axes.axhline(answer.optimum.risk, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        axes.set_xlabel(symbol(name))
        axes.margins(0.12)
    panels[0].set_ylabel("risk $R$")
    risks = [answer.optimum.risk, *(point.risk for point in answer.points)]
    if max(risks) - min(risks) <= SAME * max(risks):
        panels[0].set_ylim(*(0.9 * max(risks), 1.1 * max(risks)) if max(risks) > 0.0 else (-0.1, 1.0))
    marks: dict[str, Any] = {"linestyle": "", "marker": "o", "markersize": 6.0}
    seen = {point.stable for point in answer.points}
    handles: list[Any] = [
        Line2D([], [], color=COLOURS[k], label=verdict_text(k), **marks) for k in COLOURS if k in seen
    ]
    handles.append(Line2D([], [], color="0.6", linewidth=0.8, linestyle=":", label="optimum of the box"))
    figure.legend(handles=handles, loc="outside right center", fontsize=8)
    return figure
