"""The figure of `generalisation`: risks over time, and the excess of the risk over the law along each factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.results.figures.style import BLUE, GREEN, GREY, ORANGE, new_figure

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing
    from mfpde.results.answers.bounds import Series
    from mfpde.results.answers.samples.generalisation import Curves, GeneralisationResult

PANELS = {
    "neurons": ("neurons $n$", r"$R(n, P) - R(2n, P)$", BLUE, "-1"),
    "samples": ("samples $P$", r"$R(n, P) - R(n, \infty)$", ORANGE, "-1/2"),
    "strength": (r"$\lambda$", r"$R(\lambda) - R(0)$", GREEN, "1"),
}
HEADROOM = 4.0
"""Factor of free room above the data, for the legend."""


def figures(result: GeneralisationResult) -> dict[str, Drawing]:
    """Nothing where no setting is complete."""
    return {"generalisation": lambda: generalisation_figure(result)} if result.series else {}


def generalisation_figure(result: GeneralisationResult) -> Any:
    """One panel of risks over time, one for every factor of which there are several values."""
    swept = [item for item in result.series if len(item.x) > 1]
    figure = new_figure(3.0 * (1 + len(swept)) + 1.0, 3.2)
    axes = np.ravel(figure.subplots(1, 1 + len(swept)))
    if result.curves is not None:
        _draw_curves(axes[0], result.curves)
    for panel, item in zip(axes[1:], swept, strict=True):
        _draw_series(panel, item)
    return figure


def _draw_curves(axes: Any, curves: Curves) -> None:
    lines = (
        (curves.test_risk, "over the law", BLUE, "-"),
        (curves.risk, "on the samples", ORANGE, "-"),
        (curves.law_risk, r"over the law, $P = \infty$", GREY, "--"),
    )
    for risk, label, colour, dashes in lines:
        axes.plot(curves.time, risk, dashes, color=colour, label=label)
    axes.set_yscale("log")
    axes.set_xlabel("$t$")
    axes.set_ylabel("risk")
    axes.set_title("largest $n$ and $P$")
    axes.legend(fontsize=7.5, handlelength=1.4)


def _draw_series(axes: Any, item: Series) -> None:
    """Points with intervals, the fitted power law, and that of the theory (dotted) through their middle."""
    name, label, colour, power = PANELS[item.factor]
    axes.set_xscale("log")
    positive = bool(np.all(item.value > 0.0))
    axes.set_yscale("log" if positive else "linear")
    low = np.maximum(item.low, 0.05 * item.value) if positive else item.low
    errors = [np.nan_to_num(np.maximum(item.value - low, 0.0)), np.nan_to_num(np.maximum(item.high - item.value, 0.0))]
    slope = f", slope {item.exponent.value:.2f}" if np.isfinite(item.exponent.value) else ""
    axes.errorbar(
        item.x, item.value, errors, fmt="o", color=colour, markersize=4.5, elinewidth=0.9, label=label + slope
    )
    if not positive:
        axes.axhline(0.0, color=GREY, linewidth=0.7)
    if positive and len(item.x) > 1:
        middle, height = float(np.exp(np.log(item.x).mean())), float(np.exp(np.log(item.value).mean()))
        ends = np.array([item.x[0], item.x[-1]])
        axes.set_ylim(top=HEADROOM * float(np.nanmax(np.append(item.high, item.value))))
        dotted = height * (ends / middle) ** item.reference
        axes.plot(ends, dotted, ":", color=GREY, linewidth=1.0, label=f"slope ${power}$")
    axes.set_xticks(item.x, [f"{x:g}" for x in item.x])
    axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    axes.set_xlabel(name)
    axes.legend(fontsize=7.5, handlelength=1.4)
