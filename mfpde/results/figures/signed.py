"""The figure of a signed optimum: on a circle the dual polynomial, which touches its bounds at the atoms; or these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.results.figures.optimum import AREA
from mfpde.results.figures.style import BLUE, GREY, ORANGE, new_figure, symbol

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing
    from mfpde.results.answers.signed import SignedOptimum


def figures(best: SignedOptimum) -> dict[str, Drawing]:
    """Its one figure."""
    return {"optimum": lambda: signed_figure(best) if len(best.angles) else sphere_figure(best)}


def signed_figure(best: SignedOptimum) -> Any:
    """The dual polynomial between its bounds of -1 and 1, which it touches at the atoms; these as signed stems."""
    figure = new_figure(6.4, 3.6)
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(best.angles, best.dual, color=BLUE, label=r"$\eta = -\langle\varphi, \nabla L\rangle / \lambda$")
    for level in (-1.0, 1.0):
        above.axhline(level, color=GREY, linewidth=0.8)
    places, signs = best.positions[:, 0], best.positions[:, 1]
    above.plot(places, signs, "o", color=ORANGE, markersize=5, label="atoms")
    above.legend(loc="best")
    above.set_ylabel(r"$\eta$")
    above.set_title(f"free energy {best.free_energy:.8g}, sup $|\\eta|$ at most 1 {best.certificate - 1.0:+.0e}")
    below.axhline(0.0, color=GREY, linewidth=0.8)
    below.vlines(places, 0.0, signs * best.weights, color=ORANGE, linewidth=1.6)
    below.plot(places, signs * best.weights, "o", color=ORANGE, markersize=5)
    below.set_xlim(best.angles[0], best.angles[-1])
    below.set_xlabel(symbol(best.names[0]))
    below.set_ylabel("signed weight")
    return figure


def sphere_figure(best: SignedOptimum) -> Any:
    """The atoms seen along all but the first two axes of a sphere: discs by sign whose areas are the masses."""
    figure = new_figure(4.6, 4.2)
    axes = figure.add_subplot(aspect="equal")
    turn = np.linspace(0.0, 2.0 * np.pi, 200)
    axes.plot(np.cos(turn), np.sin(turn), color=GREY, linewidth=0.8)
    share = best.weights / max(float(best.weights.sum()), 1e-300)
    for sign, colour in ((1.0, BLUE), (-1.0, ORANGE)):
        own = best.positions[:, -1] == sign
        look = {"color": colour, "linewidths": 0, "alpha": 0.8, "label": f"sign ${sign:+.0f}$"}
        axes.scatter(*best.positions[own, :2].T, s=6.0 + AREA * share[own], **look)
    axes.set_xlabel(symbol(best.names[0]))
    axes.set_ylabel(symbol(best.names[1]))
    axes.set_title(f"free energy {best.free_energy:.8g}, sup $|\\eta|$ at most 1 {best.certificate - 1.0:+.0e}")
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure
