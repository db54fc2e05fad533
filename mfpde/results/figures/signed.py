"""The figure of a signed optimum on a circle: its dual polynomial, which touches its bounds at the atoms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mfpde.results.figures.style import BLUE, GREY, ORANGE, new_figure, symbol

if TYPE_CHECKING:
    from mfpde.results.answer import Drawing
    from mfpde.results.answers.signed import SignedOptimum


def figures(best: SignedOptimum) -> dict[str, Drawing]:
    """Its one figure; none on a sphere."""
    return {"optimum": lambda: signed_figure(best)} if len(best.angles) else {}


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
