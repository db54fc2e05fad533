"""The figure of a sweep: along one key the final risk and the places of the mass, over two keys maps of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.lines import Line2D

from mfpde.results.figures.style import AMBER, BLUE, GREEN, KEYS, ORANGE, PINK, SKY, new_figure, symbol
from mfpde.solvers.arrays import Array

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing
    from mfpde.results.answers.basins import BasinLaw, BasinPoint, BasinsResult


# Okabe-Ito, then what Tol's muted scheme adds, each with a mark of its own.
COLOURS = (BLUE, ORANGE, GREEN, AMBER, PINK, SKY, "#000000", "#882255", "#999933", "#AAAAAA")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
WIDE = 20.0
"""Ratio of the risks from which on their axis is logarithmic."""
BAND = "0.9"
NARROW = 0.05
"""Least height of a panel of clusters, over the largest coordinate of any."""


def figures(result: BasinsResult) -> dict[str, Drawing]:
    """Where the runs end; nothing where none has."""
    return {"basins": lambda: basins_figure(result)} if result.laws else {}


def basins_figure(result: BasinsResult) -> Any:
    """Curves for one key, maps for two."""
    return _curves(result) if len(result.keys) == 1 else _maps(result)


def _curves(result: BasinsResult) -> Any:
    """The risk above, each coordinate of the clusters below; grey where the law changes."""
    shown = [point for point in result.points if point.label is not None]
    count = len(result.names)
    figure = new_figure(5.6, 3.4 + 1.5 * count + 0.17 * len(result.laws))
    panels = figure.subplots(1 + count, 1, sharex=True, height_ratios=[1.5, *[1.0] * count])
    for axes in panels:
        for boundary in result.boundaries:
            axes.axvspan(boundary.low, boundary.high, color=BAND, linewidth=0, zorder=0)
    _draw_risk(panels[0], shown)
    for axis, (axes, name) in enumerate(zip(panels[1:], result.names, strict=True)):
        _draw_clusters(axes, shown, name)
        axes.set_ylabel(f"clusters in {symbol(name)}")
        if axis == count - 1:
            axes.set_xlabel(KEYS.get(result.keys[0], result.keys[0]))
    figure.legend(handles=_legend(result), loc="outside upper left", fontsize=8.5)
    return figure


def _draw_risk(axes: Any, points: list[BasinPoint]) -> None:
    risks = np.array([point.ending["risk"] for point in points])
    for point, risk in zip(points, risks, strict=True):
        colour, mark = _look(point.label)
        face = colour if point.ending["at_rest"] else "none"
        axes.plot(point.values[0], risk, mark, color=colour, markerfacecolor=face, markersize=5.0, markeredgewidth=1.1)
    if len(risks) and risks.min() > 0.0 and risks.max() > WIDE * risks.min():
        axes.set_yscale("log")
    axes.set_ylabel(r"risk $R$ at the end")
    axes.margins(y=0.1)


def _draw_clusters(axes: Any, points: list[BasinPoint], name: str) -> None:
    """Discs whose areas are the masses, with a bar of one standard deviation to each side."""
    # what is nowhere negative is a length
    places = [cluster["position"][name] for point in points for cluster in point.ending["clusters"]]
    floor = 0.0 if min(places, default=0.0) >= 0.0 else -np.inf
    for point in points:
        colour, _ = _look(point.label)
        for cluster in point.ending["clusters"]:
            place, spread = cluster["position"][name], cluster["spread"][name]
            low = max(place - spread, floor)
            axes.plot([point.values[0]] * 2, [low, place + spread], color=colour, linewidth=0.9, alpha=0.7)
            area = 4.0 + 36.0 * cluster["weight"]
            axes.scatter(point.values[0], place, s=area, color=colour, linewidths=0, alpha=0.85, clip_on=False)
    # a coordinate that stays put is not blown up to fill its panel
    found = [cluster["position"] for point in points for cluster in point.ending["clusters"]]
    everything = [abs(value) for position in found for value in position.values()]
    low, high = axes.get_ylim()
    least = NARROW * max(everything, default=1.0)
    if high - low < least:
        axes.set_ylim(0.5 * (low + high - least), 0.5 * (low + high + least))


def _maps(result: BasinsResult) -> Any:
    """Labels on the left, risk on the right."""
    figure = new_figure(8.4, 3.6 + 0.1 * len(result.laws))
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    labels, risks = _grids(result)
    edges = [_edges(np.array(values)) for values in result.values]
    count = max(len(result.laws), 1)
    colours = ListedColormap([_look(label)[0] for label in range(count)])
    style: dict[str, Any] = {"edgecolors": "white", "linewidth": 0.4, "rasterized": labels.size > 2500}
    left.pcolormesh(*edges, np.ma.masked_invalid(labels).T, cmap=colours, vmin=-0.5, vmax=count - 0.5, **style)
    finite = risks[np.isfinite(risks)]
    wide = finite.size > 0 and finite.min() > 0.0 and finite.max() > WIDE * finite.min()
    norm = LogNorm(finite.min(), finite.max()) if wide else None
    drawn = right.pcolormesh(*edges, np.ma.masked_invalid(risks).T, cmap="viridis", norm=norm, **style)
    figure.colorbar(drawn, ax=right, label=r"risk $R$ at the end")
    for axes, title in ((left, "law at the end"), (right, "risk at the end")):
        axes.set_xlabel(KEYS.get(result.keys[0], result.keys[0]))
        axes.set_title(title)
        for spine in axes.spines.values():
            spine.set_visible(False)
    right.tick_params(left=False)
    left.set_ylabel(KEYS.get(result.keys[1], result.keys[1]))
    resting = [point.values for point in result.points if point.label is not None and point.ending["at_rest"]]
    if resting:
        left.plot(*np.array(resting).T, ".", color="white", markersize=3.0)
    figure.legend(handles=_legend(result), loc="outside upper left", fontsize=8.5, ncols=2)
    return figure


def _grids(result: BasinsResult) -> tuple[Array, Array]:
    """Labels and risks on the grid of values, NaN where there is none."""
    shape = tuple(len(values) for values in result.values)
    labels, risks = np.full(shape, np.nan), np.full(shape, np.nan)
    for point in result.points:
        if point.label is not None:
            index = tuple(values.index(value) for values, value in zip(result.values, point.values, strict=True))
            labels[index], risks[index] = point.label, point.ending["risk"]
    return labels, risks


def _edges(values: Array) -> Array:
    """Borders half-way between values."""
    middles = 0.5 * (values[1:] + values[:-1])
    return np.concatenate([[2.0 * values[0] - middles[0]], middles, [2.0 * values[-1] - middles[-1]]])


def _look(label: int | None) -> tuple[str, str]:
    """Colour and mark of a label."""
    index = 0 if label is None else label
    return COLOURS[index % len(COLOURS)], MARKS[index % len(MARKS)]


def _legend(result: BasinsResult) -> list[Any]:
    """One entry per law, and what the marks mean."""
    plane = len(result.keys) == 2
    entries = [_entry(law, result.names, plane) for law in result.laws]
    if plane:
        rest = Line2D([], [], linestyle="", marker=".", color="0.45", markersize=4.0, label="white dot: at rest")
        return [*entries, rest]
    text = "open: still moving; disc areas are masses, bars standard deviations"
    look: dict[str, Any] = {"color": "0.3", "linestyle": "", "marker": "o", "markerfacecolor": "none"}
    return [*entries, Line2D([], [], markersize=5.0, label=text, **look)]


def _entry(law: BasinLaw, names: tuple[str, ...], plane: bool) -> Any:
    colour, mark = _look(law.label)
    name = law.name[0].upper() + law.name[1:]
    for coordinate in names:
        name = name.replace(f" {coordinate} =", f" {symbol(coordinate)} =")
    return Line2D([], [], linestyle="", marker="s" if plane else mark, color=colour, markersize=6.0, label=name)
