"""Samples of two classes in the plane, the line that a network draws between them, and the kinks of its neurons."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.errors import ConfigurationError
from mfpde.results.figures.style import BLUE, GREY, ORANGE
from mfpde.solvers.arrays import Array

if TYPE_CHECKING:
    from mfpde.results.answers.solve import SolveResult

GRID = 301
AROUND = 0.25
"""Room beside the samples, over their extent."""
UNSEEN = 1e-3
"""Share of the largest mass below which a neuron is not drawn."""


def samples_of(result: SolveResult) -> tuple[Array, Array] | None:
    """Inputs in the plane and their classes, of a run that has a normalised margin of these."""
    if "margin" not in result.watched:
        return None
    try:
        data = result.problem.data
    except ConfigurationError:
        return None
    x, towards = data.raw_inputs, data.objective_loss.recession  # type: ignore[attr-defined]
    return (x, np.sign(towards)) if x.shape[1] == 2 else None


def draw_run(axes: Any, result: SolveResult) -> None:
    """f, its samples and the kinks of its neurons at the last save time."""
    samples = samples_of(result)
    assert samples is not None
    draw_classes(axes, *samples, result.predict)
    draw_kinks(axes, *_neurons(result))
    axes.set_ylabel("$x_2$")
    margin = "margin" if result.problem.flow.mobility.w > 0.0 else "kernel_margin"
    axes.set_title(f"$t$ = {result.time[-1]:g}: {margin.replace('_', ' ')} {result.watched[margin][-1]:.5f}")


def _neurons(result: SolveResult) -> tuple[Array, Array, Array]:
    """w, b and signed masses at the last save time."""
    law = result.law()
    at = dict(zip(result.names, law.points.T, strict=True))
    if "angle" in at:
        return np.column_stack([np.cos(at["angle"]), np.sin(at["angle"])]), 0.0 * at["sign"], at["sign"] * law.weights
    if "sign" in at:
        return np.column_stack([at["u1"], at["u2"]]), at.get("u3", 0.0 * at["sign"]), at["sign"] * law.weights
    w, b = np.column_stack([at["w1"], at["w2"]]), at.get("b", 0.0 * at["a"])
    return w, b, at["a"] * law.weights * np.sqrt((w**2).sum(axis=1) + b**2)


def draw_classes(axes: Any, x: Array, classes: Array, function: Callable[[Array], Array]) -> None:
    """Where a function is of either sign, the line between, and the samples by their class."""
    low, high = _frame(x)
    first, second = (np.linspace(a, b, GRID) for a, b in zip(low, high, strict=True))
    grid = np.stack(np.meshgrid(first, second), axis=-1)
    values = function(grid.reshape(-1, 2)).reshape(GRID, GRID)
    size = float(np.abs(values).max())
    if size > 0.0:
        axes.contourf(first, second, np.sign(values), levels=[-2.0, 0.0, 2.0], colors=[ORANGE, BLUE], alpha=0.16)
        axes.contour(first, second, values / size, levels=[0.0], colors="black", linewidths=1.2)
    for sign, colour, mark in ((1.0, BLUE, "o"), (-1.0, ORANGE, "s")):
        own = classes == sign
        look = {"s": 22, "color": colour, "marker": mark, "edgecolors": "white", "linewidths": 0.5, "zorder": 4}
        axes.scatter(*x[own].T, label=f"$y = {int(sign):+d}$", **look)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_aspect("equal")
    axes.set_xlabel("$x_1$")
    _legend(axes)


def draw_kinks(axes: Any, w: Array, b: Array, masses: Array) -> None:
    """The line <w, x> + b = 0 of each neuron, as wide as its share of the largest mass, and to which side it acts."""
    lengths = np.linalg.norm(w, axis=1)
    shares = np.abs(masses) / max(float(np.abs(masses).max(initial=0.0)), 1e-300)
    for i in np.flatnonzero((lengths > 1e-12) & (shares > UNSEEN)):
        foot, normal = -b[i] * w[i] / lengths[i] ** 2, w[i] / lengths[i]
        colour, along = BLUE if masses[i] > 0.0 else ORANGE, np.array([-normal[1], normal[0]])
        strength = 0.15 + 0.45 * np.sqrt(shares[i])
        axes.axline(foot, foot + along, color=colour, linewidth=0.5 + 2.0 * shares[i], alpha=strength, zorder=2)
        arrow = {"arrowstyle": "->", "color": colour, "lw": 0.5 + 1.5 * shares[i], "alpha": min(1.0, 2.0 * strength)}
        axes.annotate("", foot + 0.22 * normal, foot, arrowprops=arrow, zorder=3, annotation_clip=True)
    axes.plot([], [], color=GREY, linewidth=1.2, alpha=0.55, label="kinks of neurons")
    _legend(axes)


def _frame(x: Array) -> tuple[Array, Array]:
    """The corners of a square about samples."""
    centre, half = 0.5 * (x.min(axis=0) + x.max(axis=0)), 0.5 * float(np.ptp(x, axis=0).max())
    return centre - (1.0 + AROUND) * half, centre + (1.0 + AROUND) * half


def _legend(axes: Any) -> None:
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, fontsize=8, handletextpad=0.3)
