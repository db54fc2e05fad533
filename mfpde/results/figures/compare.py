"""Figures of a comparison: risk with the replicas' band, laws over densities, fluctuations against Monte Carlo."""

from __future__ import annotations

from typing import Any

import numpy as np

from mfpde.results.answer import Drawing
from mfpde.results.answers.compare import CompareResult
from mfpde.results.figures.marginals import marginal, view_of
from mfpde.results.figures.style import BLUE, ORANGE, new_figure, symbol

GREY = "#555555"


def figures(result: CompareResult) -> dict[str, Drawing]:
    """Risks, laws and fluctuations; nothing where a part is missing."""
    if result.status != "success":
        return {}
    return {
        "compare_risk": lambda: risk_figure(result),
        "compare_law": lambda: law_figure(result),
        "fluctuations": lambda: fluctuation_figure(result),
    }


def risk_figure(result: CompareResult) -> Any:
    """R of the equation, and mean and spread of R_N over the replicas."""
    figure = new_figure(5.0, 3.2)
    axes = figure.add_subplot()
    time, risk = result.sgd.time, result.sgd.risk
    neurons, replicas = result.sgd.position.shape[2], len(risk)
    axes.fill_between(time, risk.min(axis=0), risk.max(axis=0), color=ORANGE, alpha=0.25, linewidth=0)
    label = f"SGD, $N = {neurons}$: mean and range of {replicas}" if replicas > 1 else f"SGD, $N = {neurons}$"
    axes.plot(time, risk.mean(axis=0), color=ORANGE, label=label)
    axes.plot(time, result.pde.risk, color=BLUE, linestyle="--", label="PDE")
    _logarithmic_time(axes, time)
    if result.pde.risk.max() > 5.0 * result.pde.risk.min():
        axes.set_yscale("log")
    axes.set_xlabel("time $t$")
    axes.set_ylabel("risk")
    axes.legend()
    return figure


def law_figure(result: CompareResult) -> Any:
    """The neurons of all replicas as histograms over the marginals of rho_t, at four times."""
    names = result.sgd.names
    chosen = np.unique(np.linspace(0, len(result.sgd.time) - 1, 4).astype(int))
    figure = new_figure(2.1 * len(chosen), 1.9 * len(names) + 0.3)
    panels = figure.subplots(len(names), len(chosen), squeeze=False)
    view = view_of(result.pde)
    for row, name in enumerate(names):
        edges = view.edges[row]
        for column, index in enumerate(chosen):
            axes = panels[row, column]
            points = result.sgd.position[:, index, :, row].ravel()
            heights = marginal(result.pde, int(index), row, view)
            low, high = _shown(points, heights, edges)
            axes.hist(points, np.linspace(low, high, 41), density=True, color=ORANGE, alpha=0.5, label="SGD")
            axes.stairs(heights, edges, color=BLUE, linewidth=1.2, label="PDE")
            axes.set_xlim(low, high)
            axes.set_yticks([])
            if row == 0:
                axes.set_title(f"$t = {result.sgd.time[index]:.3g}$")
            if row == len(names) - 1 or len(names) > 1:
                axes.set_xlabel(symbol(name))
    panels[0, 0].legend(handlelength=1.2)
    return figure


def fluctuation_figure(result: CompareResult) -> Any:
    """N E|f_N - f|^2 along training against the value K(rho_t) of independent draws."""
    figure = new_figure(5.0, 3.2)
    axes = figure.add_subplot()
    time, values = result.sgd.time, result.fluctuation
    axes.fill_between(time, values.min(axis=0), values.max(axis=0), color=ORANGE, alpha=0.25, linewidth=0)
    axes.plot(time, values.mean(axis=0), color=ORANGE, label=r"SGD, $N\,\mathrm{E}|f_N - f|^2$")
    axes.plot(time, result.monte_carlo, color=GREY, linestyle="--", label=r"independent draws, $K(\rho_t)$")
    _logarithmic_time(axes, time)
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("time $t$")
    axes.set_ylabel("scaled fluctuation of the output")
    axes.legend()
    return figure


def _shown(points: Any, heights: Any, edges: Any) -> tuple[float, float]:
    """The interval that holds all but a thousandth of either law, with a margin."""
    levels = np.append(0.0, np.cumsum(heights * np.diff(edges)))
    bulk = np.interp([1e-3, 1.0 - 1e-3], levels / levels[-1], edges)
    low, high = np.quantile(points, [1e-3, 1.0 - 1e-3])
    low, high = min(low, bulk[0]), max(high, bulk[1])
    margin = 0.1 * max(high - low, 1e-6)
    return float(max(low - margin, 0.0 if low >= 0.0 else low - margin)), float(high + margin)


def _logarithmic_time(axes: Any, time: Any) -> None:
    """Logarithmic where the save times are."""
    steps = np.diff(time)
    if len(steps) > 2 and steps[-1] > 5.0 * steps[1]:
        axes.set_xscale("log")
        axes.set_xlim(time[time > 0.0].min(), time.max())
    else:
        axes.set_xlim(time.min(), time.max())
