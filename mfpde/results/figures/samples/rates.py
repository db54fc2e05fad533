"""The figure of `rates`: random features and drawn networks against their number, with the slopes of the theory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.results.figures.style import BLUE, GREY, ORANGE, new_figure

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing
    from mfpde.results.answers.samples.rates import Rates


def figures(result: Rates) -> dict[str, Drawing]:
    """Nothing where nothing was drawn at several N."""
    drawn = result.random_features or result.monte_carlo
    return {"rates": lambda: rates_figure(result)} if drawn is not None and len(drawn.neurons) > 1 else {}


def rates_figure(result: Rates) -> Any:
    """The least risks of random features and E|f_N - f|^2 of independent neurons."""
    figure = new_figure(4.6, 3.6)
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_yscale("log")
    features, monte_carlo = result.random_features, result.monte_carlo
    if features is not None:
        x, label = features.neurons, f"random features, slope {features.exponent.value:.2f}"
        axes.errorbar(x, features.median, _bars(features.median, features.low, features.high), fmt="o", color=BLUE,
                      markersize=4.5, elinewidth=0.9, label=label)  # fmt: skip
        if np.isfinite(features.reference):
            middle, height = float(np.exp(np.log(x).mean())), float(np.exp(np.log(features.median).mean()))
            line = height * (x / middle) ** features.reference
            axes.plot(x, line, ":", color=GREY, linewidth=1.0, label=f"slope $-3/(d-1)$ = {features.reference:.3g}")
    if monte_carlo is not None:
        n = monte_carlo.neurons
        shares = [each / n for each in (monte_carlo.value, monte_carlo.low, monte_carlo.high)]
        axes.errorbar(n, shares[0], _bars(*shares), fmt="s", color=ORANGE, markersize=4.5, elinewidth=0.9,
                      label=r"$E|f_N - f|^2$ of independent neurons")  # fmt: skip
        axes.plot(n, monte_carlo.constant / n, color=ORANGE, linewidth=1.0, label="the constant over $N$")
    ticks = sorted({float(n) for each in (features, monte_carlo) if each is not None for n in each.neurons})
    axes.set_xticks(ticks, [f"{n:g}" for n in ticks])
    axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    axes.set_xlabel("neurons")
    axes.set_ylabel("risk")
    axes.legend(fontsize=7.5)
    return figure


def _bars(value: Any, low: Any, high: Any) -> list[Any]:
    return [np.nan_to_num(np.maximum(value - low, 0.0)), np.nan_to_num(np.maximum(high - value, 0.0))]
