"""Figures of a comparison: risk with the replicas' band, statistics, laws over densities, fluctuations."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.results.figures.sgd import draw_laws, draw_replicas, law_figure, law_size, logarithmic_time
from mfpde.results.figures.style import BLUE, GREEN, GREY, ORANGE, new_figure, panel, symbol

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing
    from mfpde.results.answers.compare import CompareResult


def figures(result: CompareResult) -> dict[str, Drawing]:
    """Risks, laws and fluctuations; nothing where a part is missing."""
    if not len(result.laws):
        return {}
    drawings: dict[str, Drawing] = {
        "compare_risk": lambda: panel(partial(_draw_risk, result=result)),
        "compare_statistics": lambda: _statistics_figure(result),
        "compare_law": lambda: law_figure(result.sgd, result.pde),
    }
    if result.has_fluctuations:
        drawings["fluctuations"] = lambda: panel(partial(_draw_fluctuations, result=result))
    return drawings


def overview(result: CompareResult) -> Any:
    """Risk and fluctuations above, laws below."""
    width, height = law_size(result.sgd)
    figure = new_figure(max(width, 8.0), height + 3.0)
    above, below = figure.subfigures(2, 1, height_ratios=[3.0, height])
    left, *right = above.subplots(1, 1 + result.has_fluctuations, squeeze=False)[0]
    _draw_risk(left, result)
    for axes in right:
        _draw_fluctuations(axes, result)
    draw_laws(below, result.sgd, result.pde)
    return figure


def _statistics_figure(result: CompareResult) -> Any:
    """The evolution of statistics: the risk, and mean and band of every coordinate, of SGD over the equation."""
    panels = 1 + len(result.sgd.names)
    columns = panels if panels <= 3 else -(-panels // 2)
    rows = -(-panels // columns)
    figure = new_figure(2.7 * columns, 2.1 * rows + 0.3)
    every = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    _draw_risk(every[0], result)
    every[0].get_legend().remove()
    handles: list[Any] = []
    for axis, name in enumerate(result.sgd.names):
        handles = _draw_statistics(every[1 + axis], result, axis)
        every[1 + axis].set_ylabel(symbol(name))
    for index, axes in enumerate(every[:panels]):
        lowest = index + columns >= panels
        axes.set_xlabel("time $t$" if lowest else "")
        axes.xaxis.set_tick_params(labelbottom=lowest)
    for axes in every[panels:]:
        axes.axis("off")
    labels = [f"SGD, $N = {result.sgd.position.shape[2]}$", result.pde.of_what]
    if result.risk_kernel is not None:
        handles, labels = [*handles, every[0].lines[-1]], [*labels, "kernel limit"]
    words = {"title": "mean and standard deviation", "handlelength": 2.6}
    if panels < len(every):
        every[-1].legend(handles, labels, loc="center", **words)
    else:
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), **words)
    figure.align_ylabels()
    return figure


def _draw_statistics(axes: Any, result: CompareResult, axis: int) -> list[Any]:
    """Mean and standard deviation of a coordinate over all neurons, and of the law of the equation; their handles."""
    time, neurons = result.sgd.time, result.sgd.position[..., axis]
    least = 0.0 if neurons.min() >= 0.0 else -np.inf
    mean, deviation = neurons.mean(axis=(0, 2)), neurons.std(axis=(0, 2))
    low, high = np.maximum(mean - deviation, least), mean + deviation
    band = axes.fill_between(time, low, high, color=ORANGE, alpha=0.25, linewidth=0)
    (line,) = axes.plot(time, mean, color=ORANGE)
    mean, deviation = result.pde.mean[:, axis], np.sqrt(np.maximum(result.pde.variance[:, axis], 0.0))
    if result.pde.mean_error is not None:
        error = np.nan_to_num(result.pde.mean_error[:, axis])
        axes.fill_between(time, mean - error, mean + error, color=BLUE, alpha=0.25, linewidth=0)
    for edge in (np.maximum(mean - deviation, least), mean + deviation):
        axes.plot(time, edge, color=BLUE, linewidth=0.8, linestyle=":")
    (dashed,) = axes.plot(time, mean, color=BLUE, linestyle="--")
    if least == 0.0:
        axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))
    logarithmic_time(axes, time)
    return [(band, line), dashed]


def _draw_risk(axes: Any, result: CompareResult) -> None:
    """R of the equation, and mean and spread of R_N over the replicas."""
    draw_replicas(axes, result.sgd)
    axes.plot(result.sgd.time, result.pde.risk, color=BLUE, linestyle="--", label=result.pde.of_what)
    if result.risk_kernel is not None:
        axes.plot(result.sgd.time, result.risk_kernel, color=GREEN, linestyle=":", label="kernel limit")
    if result.pde.risk.max() > 5.0 * result.pde.risk.min():
        axes.set_yscale("log")
    axes.legend()


def _draw_fluctuations(axes: Any, result: CompareResult) -> None:
    """N E|f_N - f|^2 along training against the value K(rho_t) of independent draws."""
    time, values = result.sgd.time, result.fluctuation
    axes.fill_between(time, values.min(axis=0), values.max(axis=0), color=ORANGE, alpha=0.25, linewidth=0)
    axes.plot(time, values.mean(axis=0), color=ORANGE, label=r"SGD, $N\,\mathrm{E}|f_N - f|^2$")
    value, error = result.monte_carlo, np.nan_to_num(result.monte_carlo_error)
    axes.fill_between(time, value - error, value + error, color=GREY, alpha=0.25, linewidth=0)
    axes.plot(time, value, color=GREY, linestyle="--", label=r"independent draws, $K(\rho_t)$")
    logarithmic_time(axes, time)
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("time $t$")
    axes.set_ylabel("scaled fluctuation of the output")
    axes.legend()
