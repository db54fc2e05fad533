"""The figure of margins: samples in the plane, the lines between the classes, and the neurons that draw them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.results.figures.laws.classes import draw_classes, draw_kinks
from mfpde.results.figures.style import new_figure
from mfpde.solvers.arrays import Array

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing
    from mfpde.results.answers.samples.margin import Margins


def figures(result: Margins) -> dict[str, Drawing]:
    """Its one figure, of samples in the plane."""
    plane = len(result.names) - 1 - result.offset == 2 and result.variation.lower > 0.0
    return {"margin": partial(margin_figure, result)} if plane else {}


def margin_figure(result: Margins) -> Any:
    """The variation norm with its neurons on the left, the kernel on the right."""
    figure = new_figure(8.2, 4.7)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    draw_margins(panels, result)
    panels[0].set_ylabel("$x_2$")
    return figure


def draw_margins(panels: Any, result: Margins) -> None:
    """Each in a panel."""
    wide, narrow = result.variation, result.rkhs
    titles = (
        f"variation norm: margin {wide.lower:.5g}, {len(wide.weights)} neurons",
        f"kernel: margin {narrow.margin:.5g}",
    )
    for place, (axes, title) in enumerate(zip(panels, titles, strict=True)):

        def function(x: Array, place: int = place) -> Array:
            return result.outputs(x)[place]

        draw_classes(axes, result.points[:, :2], result.classes, function)
        axes.set_title(title)
    offsets = wide.positions[:, 2] if result.offset else np.zeros(len(wide.weights))
    draw_kinks(panels[0], wide.positions[:, :2], offsets, wide.positions[:, -1] * wide.weights)
