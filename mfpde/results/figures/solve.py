"""Figures of a run of the equation: its risk, its law at a few times."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np

from mfpde.results.figures.laws import circles
from mfpde.results.figures.laws.classes import draw_run, samples_of
from mfpde.results.figures.laws.marginals import View, draw_marginal, height_of_bulk, spread_density, view_of
from mfpde.results.figures.laws.neurons import draw_key, draw_neurons, rays_of
from mfpde.results.figures.laws.spikes import draw_spikes, spikes_of
from mfpde.results.figures.style import BLUE, MOST_MARKS, ORANGE, SMALL, WHITE_TO_BLUE, new_figure, panel, symbol
from mfpde.results.words import SQUARE
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.measure import Cells

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing
    from mfpde.results.answers.solve import SolveResult


LOW = 4.0
"""How many times as high as the lowest law the axes are at most."""


def figures(result: SolveResult) -> dict[str, Drawing]:
    """The risk, and the law at a few times; nothing before the first save time. Some laws have more."""
    if not len(result.time):
        return {}
    plane = {"classes": lambda: classes_figure(result)} if samples_of(result) is not None else {}
    sphere = {"cuts": lambda: panel(partial(circles.draw_run, result=result), 5.6, 3.6)}
    return {
        "risk": lambda: panel(partial(draw_risk, result=result)),
        "density": lambda: density_figure(result),
        **plane,
        **(sphere if circles.CIRCLES in result.attributes else {}),
    }


def density_figure(result: SolveResult) -> Any:
    """The law at four times: densities of (r1, r2) with their marginals, or curves in one dimension."""
    figure = new_figure(*_density_size(result))
    _draw_law(figure, result)
    return figure


def classes_figure(result: SolveResult) -> Any:
    """The line between classes and the kinks of the neurons, at the last save time."""
    return panel(partial(draw_run, result=result), 4.4, 4.6)


def overview(result: SolveResult) -> Any:
    """Risk above, law below."""
    width, height = _density_size(result)
    figure = new_figure(width, height + 2.9)
    above, below = figure.subfigures(2, 1, height_ratios=[2.9, height])
    draw_risk(above.add_subplot(), result)
    _draw_law(below, result)
    return figure


def draw_risk(axes: Any, result: SolveResult) -> None:
    """The risk against time, logarithmic, with the band of its estimated error."""
    shown = result.time > 0.0
    time, risk, error = result.time[shown], result.risk[shown], result.risk_error[shown]
    axes.fill_between(
        time,
        risk - error,
        risk + error,
        color=BLUE,
        alpha=0.25,
        linewidth=0,
        label=f"error estimate, at most {error.max(initial=0.0):.0e}",
    )
    axes.plot(time, risk, color=BLUE, label=result.scheme)
    if "test_risk" in result.watched:
        axes.plot(time, result.watched["test_risk"][shown], color=ORANGE, label="test set")
    if len(time) > 1:
        axes.set_xscale("log")
        axes.set_xlim(_first_of_interest(time, risk), time[-1])
    axes.set_xlabel("time $t$ (SGD steps × step size)")
    name = result.risk_name.replace("^2", "²")
    squared = r"risk $R(\rho_t) = \mathbb{E}\,(y - f)^2$"
    axes.set_ylabel(squared if result.risk_name == SQUARE else rf"risk $R(\rho_t)$, {name}")
    draw_accuracy(axes, time, {name: values[shown] for name, values in result.watched.items()})
    low, high = float(np.min(risk - error, initial=np.inf)), float(np.max(risk + error, initial=0.0))
    if 0.0 <= low < 0.5 * high:
        axes.set_ylim(bottom=0.0)
    axes.legend(loc="best")


def draw_accuracy(axes: Any, time: Array, watched: Mapping[str, Array]) -> None:
    """Shares of samples of the right class against time, dashed, on an axis of their own."""
    shares = {name: values for name, values in watched.items() if name.endswith("accuracy")}
    if not shares:
        return
    right = axes.twinx()
    for name, values in shares.items():
        right.plot(time, values, color=ORANGE if name.startswith("test") else BLUE, linestyle="--", linewidth=0.9)
    right.set_ylim(0.0, 1.05)
    right.set_ylabel("accuracy (dashed)")


def _first_of_interest(time: Array, risk: Array) -> float:
    """The last time before the risk has moved by 1/200 of its range, no later than a tenth of the end."""
    moved = np.abs(risk - risk[0]) > 0.005 * np.ptp(risk)
    first = max(int(np.argmax(moved)) - 1, 0) if moved.any() else 0
    return float(max(min(time[first], 0.1 * time[-1]), time[0]))


def _density_size(result: SolveResult) -> tuple[float, float]:
    return (6.4, 3.4) if len(result.names) == 1 else (9.6, 2.9)


def chosen_times(result: SolveResult, count: int = 4) -> list[int]:
    """Indices of up to `count` save times, first and last among them, between which the law moves equally.

    The movement is measured by the means and standard deviations, each against its own range.
    """
    track = np.concatenate((result.mean, np.sqrt(np.maximum(result.variance, 0.0))), axis=1)
    spread = np.ptp(track, axis=0)
    steps = np.abs(np.diff(track, axis=0)) / np.where(spread > 0.0, spread, 1.0)
    path = np.concatenate(([0.0], np.cumsum(steps.sum(axis=1))))
    wanted = np.linspace(0.0, path[-1], count)[1:-1]
    inner = (int(np.argmin(np.abs(path - place))) for place in wanted)
    return sorted({0, len(result.time) - 1, *inner})


def _draw_law(figure: Any, result: SolveResult) -> None:
    chosen = chosen_times(result)
    if rays_of(result):
        panels = np.atleast_1d(figure.subplots(1, len(chosen)))
        for axes, index in zip(panels, chosen, strict=True):
            draw_neurons(axes, result, index)
            axes.set_title(f"$t = {result.time[index]:.3g}$")
        draw_key(figure)
        return
    if spikes_of(result):
        panels = np.atleast_1d(figure.subplots(1, len(chosen)))
        for axes, index in zip(panels, chosen, strict=True):
            draw_spikes(axes, result, index)
            axes.set_title(f"$t = {result.time[index]:.3g}$")
        panels[0].set_ylabel("signed mass")
        return
    view = view_of(result)
    if len(result.names) == 1:
        _draw_curves(figure.add_subplot(), result, view, chosen)
        return
    on_grid = isinstance(result.law_at(chosen[0]), Cells)
    grid = figure.add_gridspec(1, len(chosen) + on_grid, width_ratios=[1.0] * len(chosen) + [0.05] * on_grid)
    for column, index in enumerate(chosen):
        _draw_panel(figure, grid[column], result, view, index, column == 0)
    if on_grid:
        scale = matplotlib.cm.ScalarMappable(cmap=WHITE_TO_BLUE)
        figure.colorbar(scale, cax=figure.add_subplot(grid[-1]), label="density over its largest")


def _draw_curves(axes: Any, result: SolveResult, view: View, chosen: list[int]) -> None:
    colours = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.85, len(chosen)))
    for colour, index in zip(colours, chosen, strict=True):
        law, edges = result.law_at(index).marginal(0), view.edges[0]
        draw_marginal(axes, law, edges, color=colour, linewidth=1.3, label=f"$t = {result.time[index]:.3g}$")
        axes.stairs(spread_density(law, edges), edges, color=colour, fill=True, alpha=0.12)
    axes.set_xlim(*view.limits[0])
    bulk = [height_of_bulk(result, index, view) for index in chosen]
    # A law that collapses would hide the others: it may leave through the top, where a mark says so.
    spread = [height for height in bulk if height > 0.0] or [1.0]
    top = 1.15 * min(max(spread), LOW * min(spread))
    axes.set_ylim(0.0, top)
    for colour, index, height in zip(colours, chosen, bulk, strict=True):
        if not 0.0 < height <= top:
            look = {"color": colour, "clip_on": False, "zorder": 5, "transform": axes.get_xaxis_transform()}
            axes.plot(result.mean[index, 0], 1.0, "^", **look)
    axes.set_xlabel(symbol(result.names[0]))
    axes.set_ylabel("density")
    axes.legend(loc="best")


def _draw_panel(figure: Any, place: Any, result: SolveResult, view: View, index: int, first: bool) -> None:
    """The density of the first two coordinates at one time, its marginals above and on the right."""
    inner = place.subgridspec(2, 2, width_ratios=[4, 1], height_ratios=[1, 4], wspace=0.02, hspace=0.02)
    axes = figure.add_subplot(inner[1, 0])
    above = figure.add_subplot(inner[0, 0], sharex=axes)
    right = figure.add_subplot(inner[1, 1], sharey=axes)
    draw_density(axes, result, view, index)
    style: dict[str, Any] = {"fill": True, "color": BLUE, "alpha": 0.75}
    laws = [result.law_at(index).marginal(axis) for axis in (0, 1)]
    tops = [1.05 * float(spread_density(law, edges).max()) or 1.0 for law, edges in zip(laws, view.edges, strict=False)]
    draw_marginal(above, laws[0], view.edges[0], **style)
    draw_marginal(right, laws[1], view.edges[1], upright=False, **style)
    above.set_ylim(0.0, tops[0])
    right.set_xlim(0.0, tops[1])
    for side in (above, right):
        side.axis("off")
    above.set_title(f"$t = {result.time[index]:.3g}$")
    axes.set_xlabel(symbol(result.names[0]))
    if first:
        axes.set_ylabel(symbol(result.names[1]))
    else:
        axes.tick_params(labelleft=False)


def draw_density(axes: Any, result: SolveResult, view: View, index: int) -> None:
    """The law of the first two coordinates at one time: colours on a grid, weighted dots for atoms."""
    law = result.law_at(index)
    if isinstance(law, Cells):
        joint = law.marginal(0, 1).density
        top = float(joint.max(initial=0.0)) or 1.0
        axes.pcolormesh(view.edges[0], view.edges[1], joint.T, cmap=WHITE_TO_BLUE, vmin=0.0, vmax=top, rasterized=True)
    else:
        area = 250.0 * law.weights / max(float(law.weights.max(initial=0.0)), 1e-300)
        share = np.clip(area / np.sqrt(len(area)), 0.02, 40.0)
        many = len(share) > MOST_MARKS
        places = law.points[:, 0], law.points[:, 1]
        axes.scatter(*places, s=share, color=BLUE, alpha=0.6, linewidths=0, rasterized=many)
    ranges = np.array([high - low for low, high in view.limits[:2]])
    if np.hypot(*(np.sqrt(np.maximum(result.variance[index, :2], 0.0)) / ranges)) < SMALL:
        axes.plot(*result.mean[index, :2], "o", color=ORANGE, markersize=9, fillstyle="none", clip_on=False)
    axes.set_xlim(*view.limits[0])
    axes.set_ylim(*view.limits[1])
    axes.locator_params(nbins=4)
