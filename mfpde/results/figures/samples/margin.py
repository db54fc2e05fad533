"""The figure of margins: samples in the plane, the lines between the classes, and the neurons that draw them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.results.figures.style import BLUE, GREY, ORANGE, new_figure
from mfpde.solvers.arrays import Array

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing
    from mfpde.results.answers.samples.margin import Margins

GRID = 301
AROUND = 0.25
"""Room beside the samples, over their extent."""


def figures(result: Margins) -> dict[str, Drawing]:
    """Its one figure, of samples in the plane."""
    plane = len(result.names) - 1 - result.offset == 2 and result.variation.lower > 0.0
    return {"margin": partial(margin_figure, result)} if plane else {}


def margin_figure(result: Margins) -> Any:
    """The variation norm with its neurons on the left, the kernel on the right."""
    figure = new_figure(8.2, 4.5)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    wide, narrow = result.variation, result.rkhs
    titles = (
        f"variation norm: margin {wide.lower:.5g}, {len(wide.weights)} neurons",
        f"kernel: margin {narrow.margin:.5g}",
    )
    low, high = frame(result.points[:, :2])
    for place, (axes, title) in enumerate(zip((left, right), titles, strict=True)):
        draw_classes(axes, low, high, lambda x, place=place: result.outputs(x)[place])
        draw_samples(axes, result.points[:, :2], result.classes)
        axes.set_title(title)
    offsets = wide.positions[:, 2] if result.offset else np.zeros(len(wide.weights))
    draw_kinks(left, wide.positions[:, :2], offsets, wide.positions[:, -1] * wide.weights)
    left.set_ylabel("$x_2$")
    return figure


def frame(x: Array) -> tuple[Array, Array]:
    """The corners of a square about samples."""
    centre, half = 0.5 * (x.min(axis=0) + x.max(axis=0)), 0.5 * float(np.ptp(x, axis=0).max())
    return centre - (1.0 + AROUND) * half, centre + (1.0 + AROUND) * half


def draw_classes(axes: Any, low: Array, high: Array, function: Any) -> None:
    """Where a function is of either sign, and the line between."""
    first, second = (np.linspace(a, b, GRID) for a, b in zip(low, high, strict=True))
    grid = np.stack(np.meshgrid(first, second), axis=-1)
    values = function(grid.reshape(-1, 2)).reshape(GRID, GRID)
    size = float(np.abs(values).max())
    if size > 0.0:
        axes.contourf(first, second, np.sign(values), levels=[-2.0, 0.0, 2.0], colors=[ORANGE, BLUE], alpha=0.16)
        axes.contour(first, second, values / size, levels=[0.0], colors="black", linewidths=1.2)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_aspect("equal")
    axes.set_xlabel("$x_1$")


def draw_samples(axes: Any, x: Array, classes: Array) -> None:
    """Samples by their class."""
    for sign, colour, mark in ((1.0, BLUE, "o"), (-1.0, ORANGE, "s")):
        own = classes == sign
        look = {"s": 22, "color": colour, "marker": mark, "edgecolors": "white", "linewidths": 0.5, "zorder": 4}
        axes.scatter(*x[own].T, label=f"$y = {int(sign):+d}$", **look)
    axes.legend(loc="upper right", fontsize=8, frameon=True, framealpha=0.85)


def draw_kinks(axes: Any, w: Array, b: Array, masses: Array) -> None:
    """The line <w, x> + b = 0 of each neuron, as wide as its share of the mass, and to which side it acts."""
    lengths = np.linalg.norm(w, axis=1)
    shares = np.abs(masses) / np.abs(masses).max()
    for direction, offset, length, share, mass in zip(w, b, lengths, shares, masses, strict=True):
        if length < 1e-12:
            continue
        foot, normal = -offset * direction / length**2, direction / length
        colour, along = BLUE if mass > 0.0 else ORANGE, np.array([-normal[1], normal[0]])
        axes.axline(foot, foot + along, color=colour, linewidth=0.6 + 2.0 * share, alpha=0.55, zorder=2)
        arrow = {"arrowstyle": "->", "color": colour, "lw": 1.0 + share}
        axes.annotate("", foot + 0.22 * normal, foot, arrowprops=arrow, zorder=3, annotation_clip=True)
    axes.plot([], [], color=GREY, linewidth=1.2, alpha=0.55, label="kinks of neurons")
    axes.legend(loc="upper right", fontsize=8, frameon=True, framealpha=0.85)
