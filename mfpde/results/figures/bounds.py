"""The figure of a sweep: gaps against N, step size and d on logarithmic axes, with fitted and reference slopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.results.figures.style import AMBER, BLUE, GREEN, ORANGE, PINK, SKY, new_figure

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing
    from mfpde.results.answers.bounds import BoundsResult, Series


FACTORS = {"neurons": "neurons $N$", "step_size": r"step size $\varepsilon$", "dim": "dimension $d$"}
LETTERS = {"neurons": "N", "step_size": r"\varepsilon", "dim": "d"}
TITLES = {
    "neurons": r"smallest $\varepsilon$, $d$ fixed",
    "step_size": "largest $N$, $d$ fixed",
    "dim": r"$N$ and $\varepsilon d$ fixed",
}
REFERENCES = {-1.0: "-1", -0.5: "-1/2", 0.0: "0", 0.5: "1/2"}
# One colour and mark for one quantity in all panels.
LOOKS = {
    "sup gap, SGD": (BLUE, "o"),
    "step part": (ORANGE, "s"),
    "std of step part": (SKY, "P"),
    "sup gap, gradient flow": (GREEN, "^"),
    "std of $R_N$, gradient flow": (PINK, "D"),
    "bias of $R_N$, gradient flow": (AMBER, "v"),
}
HEADROOM = 4.5
"""Factor of free room above the data, for the legend."""


def figures(result: BoundsResult) -> dict[str, Drawing]:
    """The gaps along every factor; nothing where no series is complete."""
    return {"bounds": lambda: bounds_figure(result)} if result.series else {}


def bounds_figure(result: BoundsResult) -> Any:
    """One panel for every factor that was swept."""
    swept = [key for key in FACTORS if any(item.factor == key and len(item.x) > 1 for item in result.series)]
    shown = swept or list(FACTORS)[:1]
    figure = new_figure(max(3.6 * len(shown), 4.6), 4.0)
    above: Any = None
    for index, factor in enumerate(shown):
        above = figure.add_subplot(1, len(shown), index + 1, sharey=above)
        _draw_panel(above, [item for item in result.series if item.factor == factor], factor)
        if index == 0:
            above.set_ylabel("difference in risk")
        else:
            above.tick_params(labelleft=False)
    values = [item.value[item.value > 0.0] for item in result.series if item.factor in shown]
    everything = np.concatenate(values) if values else np.ones(1)
    if len(everything):
        above.set_ylim(float(everything.min()) / 2.0, float(everything.max()) * HEADROOM)
    return figure


def _draw_panel(axes: Any, series: list[Series], factor: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    for item in series:
        _draw_series(axes, item)
    axes.set_xlabel(FACTORS[factor])
    points = sorted({float(x) for item in series for x in item.x})
    if len(points) <= 8:
        axes.set_xticks(points, [f"{x:g}" for x in points])
        axes.minorticks_off()
    axes.set_title(TITLES[factor])
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=7.5, handlelength=1.4)


def _draw_series(axes: Any, item: Series) -> None:
    """Points with intervals, the fitted power law, and that of the bound (dotted) through their middle."""
    colour, marker = LOOKS[item.words]
    good = item.value > 0.0
    x, value = item.x[good], item.value[good]
    low = np.maximum(np.where(np.isfinite(item.low[good]), item.low[good], value), 1e-3 * value)
    high = np.where(np.isfinite(item.high[good]), item.high[good], value)
    fitted = len(x) > 1 and np.isfinite(item.exponent.value) and np.isfinite(item.reference)
    label = item.words
    if fitted:
        reference = REFERENCES.get(item.reference, f"{item.reference:g}")
        label += f" ${LETTERS[item.factor]}^{{{item.exponent.value:.2f}}}$ (bound ${reference}$)"
    errors = [np.maximum(value - low, 0.0), np.maximum(high - value, 0.0)]
    axes.errorbar(
        x, value, errors, fmt=marker, color=colour, markersize=4.5, linewidth=0.0, elinewidth=0.9, label=label
    )
    if not fitted:
        return
    centre, height = float(np.exp(np.log(x).mean())), float(np.exp(np.log(value).mean()))
    ends = np.array([x[0], x[-1]])
    axes.plot(ends, height * (ends / centre) ** item.exponent.value, color=colour, linewidth=1.2)
    axes.plot(ends, height * (ends / centre) ** item.reference, color=colour, linewidth=0.9, linestyle=":")
