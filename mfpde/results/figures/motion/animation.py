"""The law in motion."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np

from mfpde.errors import OutputError
from mfpde.results.figures.laws.marginals import View, draw_marginal, spread_density, view_of
from mfpde.results.figures.laws.neurons import draw_neurons, rays_of
from mfpde.results.figures.laws.spikes import draw_spikes, spikes_of
from mfpde.results.figures.solve import draw_density, draw_risk
from mfpde.results.figures.style import BLUE, ORANGE, STYLE, new_figure, symbol
from mfpde.shell.files import write_atomically

if TYPE_CHECKING:
    from mfpde.results.answers.solve import SolveResult


FRAMES_PER_SECOND = 12
MAXIMUM_FRAMES = 120


def animate(result: SolveResult, path: Path) -> None:
    """Write the law in motion beside the risk, .gif or .mp4; raises OutputError where .mp4 lacks ffmpeg."""
    from matplotlib.animation import FFMpegWriter, PillowWriter

    if path.suffix == ".mp4" and shutil.which("ffmpeg") is None:
        remedy = "install ffmpeg, or write a name that ends in .gif"
        raise OutputError(f"{path}: .mp4 needs the program ffmpeg, which is not on this machine; {remedy}")
    view = view_of(result)
    last = len(result.time) - 1
    frames = sorted({round(k * last / (MAXIMUM_FRAMES - 1)) for k in range(MAXIMUM_FRAMES)})
    with matplotlib.rc_context({**STYLE, "savefig.dpi": 110}), np.errstate(all="ignore"):
        figure = new_figure(7.4, 3.3)
        risk_axes, law_axes = figure.subplots(1, 2)
        draw_risk(risk_axes, result)
        marker = risk_axes.plot([], [], "o", color=ORANGE, markersize=6, zorder=5)[0]
        laws = (result.law_at(index).marginal(0) for index in frames)
        tallest = max(float(spread_density(law, view.edges[0]).max(initial=0.0)) for law in laws) or 1.0
        writer = FFMpegWriter(fps=FRAMES_PER_SECOND) if path.suffix == ".mp4" else PillowWriter(fps=FRAMES_PER_SECOND)

        def film(temporary: Path) -> None:
            with writer.saving(figure, str(temporary), dpi=110):
                for index in frames:
                    _draw_frame(law_axes, result, view, index, tallest)
                    marker.set_data([max(result.time[index], risk_axes.get_xlim()[0])], [result.risk[index]])
                    if index == frames[0]:
                        # The layout solver costs more than the drawing, and would move the axes.
                        figure.draw_without_rendering()
                        figure.set_layout_engine("none")
                    writer.grab_frame()

        write_atomically(path, film)


def _draw_frame(axes: Any, result: SolveResult, view: View, index: int, tallest: float) -> None:
    axes.clear()
    if rays_of(result):
        draw_neurons(axes, result, index)
        axes.set_title(rf"$|a|\,w$ of the neurons at $t = {result.time[index]:.3g}$")
        return
    if spikes_of(result):
        draw_spikes(axes, result, index)
        axes.set_ylabel("signed mass")
        axes.set_title(f"signed neurons at $t = {result.time[index]:.3g}$")
        return
    if len(result.names) == 1:
        draw_marginal(axes, result.law_at(index).marginal(0), view.edges[0], fill=True, color=BLUE, alpha=0.75)
        axes.set_xlim(*view.limits[0])
        axes.set_ylim(0.0, 1.05 * tallest)
        axes.set_ylabel("density")
    else:
        draw_density(axes, result, view, index)
        axes.set_ylabel(symbol(result.names[1]))
    axes.set_xlabel(symbol(result.names[0]))
    axes.set_title(f"law of a neuron at $t = {result.time[index]:.3g}$")
