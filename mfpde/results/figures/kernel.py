"""The figure of a kernel limit: the curves beside those of finite output scales, and the eigenvalues."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.results.figures.sgd import logarithmic_time
from mfpde.results.figures.style import BLUE, GREEN, GREY, ORANGE, new_figure

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing
    from mfpde.results.answers.kernel import KernelLimit

COLOURS = {"w": BLUE, "a": ORANGE, "all": GREEN}
LABELS = {"w": "$w$ trained", "a": "$a$ trained", "all": "all trained"}
LINES, MARKS = {"w": "-", "a": "-", "all": "--"}, {"w": "o", "a": "o", "all": "+"}
"""The curve of all lies on that of w where a learns little."""
LEAST = 1e-16
"""Eigenvalues below this share of the largest are not drawn."""


def figures(result: KernelLimit) -> dict[str, Drawing]:
    """Its one figure."""
    return {"kernel": partial(kernel_figure, result)}


def kernel_figure(result: KernelLimit) -> Any:
    """Risks on the left, spectra on the right."""
    figure = new_figure(8.2, 3.3)
    left, right = figure.subplots(1, 2)
    _draw_curves(left, result)
    _draw_spectra(right, result)
    return figure


def _draw_curves(axes: Any, result: KernelLimit) -> None:
    for name, mode in result.modes.items():
        axes.plot(result.time, mode.risk, color=COLOURS[name], linestyle=LINES[name], label=f"kernel, {LABELS[name]}")
    scales, risks = result.scales or (), [] if result.scale_risk is None else list(result.scale_risk)
    greys = np.linspace(0.75, 0.25, len(scales))
    for shade, scale, risk in zip(greys, scales, risks, strict=True):
        axes.plot(result.time, risk, color=str(shade), linestyle=":", label=rf"$\alpha = {scale:g}$")
    lowest = min(float(mode.risk.min()) for mode in result.modes.values())
    if result.trained.risk[0] > 5.0 * lowest > 0.0:
        axes.set_yscale("log")
    logarithmic_time(axes, result.time)
    axes.set_xlabel("time $t$")
    axes.set_ylabel("risk $R$")
    axes.legend(fontsize=8)


def _draw_spectra(axes: Any, result: KernelLimit) -> None:
    for name, mode in result.modes.items():
        values = mode.eigenvalues[mode.eigenvalues > LEAST * mode.eigenvalues.max()]
        places, known = np.arange(1, len(values) + 1), min(mode.resolved, len(values))
        look = {"markersize": 3.5 if MARKS[name] == "o" else 7.0, "color": COLOURS[name], "label": LABELS[name]}
        axes.plot(places[:known], values[:known], MARKS[name], **look)
        axes.plot(places[known:], values[known:], "x", markersize=3.5, color=GREY)
    axes.set_yscale("log")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("number of the eigenvalue")
    axes.set_ylabel(r"eigenvalue $\lambda_k$ (crosses: noise)")
    axes.legend(fontsize=8)
