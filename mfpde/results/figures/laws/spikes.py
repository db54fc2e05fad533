"""Signed masses on a circle as stems, beside the true spikes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.results.figures.style import BLUE, GREY, ORANGE, symbol

if TYPE_CHECKING:
    from mfpde.results.answers.solve import SolveResult

TURN = 2.0 * np.pi
BINS = 200
"""Bins of a turn in which masses are added up."""
SPIKES = "spikes"
"""The attribute of a run that holds the true spikes, "angle:weight" each."""


def spikes_of(result: SolveResult) -> list[tuple[float, float]]:
    """Angles, within one turn, and weights of the true spikes; nothing where a run has none."""
    pairs = (word.split(":") for word in str(result.attributes.get(SPIKES, "")).split())
    return [(float(np.mod(float(angle), TURN)), float(weight)) for angle, weight in pairs]


def draw_spikes(axes: Any, result: SolveResult, index: int) -> None:
    """The law at one save time as signed masses in bins, and the true spikes as circles."""
    law, (angle, sign) = result.law_at(index), (result.names.index("angle"), result.names.index("sign"))
    axes.axhline(0.0, color=GREY, linewidth=0.7)
    for side, colour in ((1.0, BLUE), (-1.0, ORANGE)):
        own = law.points[:, sign] == side
        gathered, _ = np.histogram(law.points[own, angle], BINS, (0.0, TURN), weights=side * law.weights[own])
        held = np.flatnonzero(gathered)
        axes.vlines((held + 0.5) * TURN / BINS, 0.0, gathered[held], color=colour, linewidth=1.4)
    true = np.array(spikes_of(result)).reshape(-1, 2)
    axes.plot(true[:, 0], true[:, 1], "o", color=GREY, markersize=5, fillstyle="none")
    most = 1.15 * float(np.abs(true[:, 1]).max(initial=0.0))
    axes.set_ylim(-most, most)
    axes.set_xlim(0.0, TURN)
    axes.set_xlabel(symbol("angle"))
