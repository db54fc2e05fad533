"""Colours, sizes and letters of every figure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

SUFFIXES = (".png", ".pdf", ".svg")
MOVING = (".gif", ".mp4")
"""The kinds of file of a figure, and of one in motion."""
# Okabe-Ito.
BLUE, ORANGE, GREEN, PINK, SKY, AMBER = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
GREY = "#555555"
KEYS = {
    "initial.kappa": r"initial width $\kappa$",
    "initial.a": "initial coefficient $a$",
    "data.delta": r"difference of scales $\Delta$",
    "dynamics.ridge": r"ridge $\lambda$",
    "dynamics.fisher_rao_rate": r"birth and death rate $\alpha$",
    "time.end": "end time $t$",
}
"""What keys mean, on axes."""
# A law narrower than this share of the axes gets a ring around it, so that it can be seen.
SMALL = 0.03
MOST_MARKS = 400
"""More dots than these are a picture within a figure of vectors: each would be a drawing of its own."""
STYLE: dict[str, Any] = {
    "font.family": "serif",
    "font.serif": ["STIX Two Text", "STIXGeneral", "DejaVu Serif"],
    "mathtext.fontset": "stix",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "savefig.dpi": 200,
    "figure.constrained_layout.use": True,
}
WHITE_TO_BLUE = LinearSegmentedColormap.from_list(
    "white to blue", [(1.0, 1.0, 1.0, 1.0), *matplotlib.colormaps["Blues"](np.linspace(0.15, 1.0, 6))]
)


class NotebookFigure(Figure):
    """A figure that a notebook shows where it is the value of a cell."""

    def _repr_png_(self) -> bytes:
        stream = BytesIO()
        with drawing():
            self.savefig(stream, format="png", dpi=110)
        return stream.getvalue()


@contextmanager
def drawing() -> Iterator[None]:
    """Our style, whatever a matplotlibrc says; a number that leaves the range of floating point is not drawn."""
    with matplotlib.rc_context(), np.errstate(all="ignore"):
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def new_figure(width: float, height: float) -> Any:
    """An empty figure of this size in inches, which needs no display."""
    figure = NotebookFigure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def panel(draw: Callable[[Any], None], width: float = 5.0, height: float = 3.2) -> Any:
    """A figure of one panel, drawn on its axes."""
    figure = new_figure(width, height)
    draw(figure.add_subplot())
    return figure


def rehearse() -> None:
    """Draw for nobody, in the usual kinds of file: what a first figure imports, parses and looks up is there then."""
    with drawing():
        figure = panel(_toy)
        for suffix in SUFFIXES[:2]:
            figure.savefig(BytesIO(), format=suffix[1:])


def _toy(axes: Any) -> None:
    """Letters, mathematics and an axis of each kind."""
    axes.fill_between([0.001, 1.0], [0.0, 1.0], alpha=0.25, label="letters")
    axes.set_xscale("log")
    axes.set_xlabel(r"time $t$")
    axes.set_ylabel(r"$R(\rho_t) = \mathbb{E}\,(y - f)^2$, $r_{1}$")
    axes.legend()


def symbol(name: str) -> str:
    """A coordinate's name in mathematics: r1 with the index 1, w_perp with the sign of perpendicular."""
    head, _, word = name.partition("_")
    letters = head.rstrip("0123456789")
    index = head[len(letters) :] or {"perp": r"\perp", "par": r"\parallel"}.get(word, word and rf"\mathrm{{{word}}}")
    upright = letters if len(letters) == 1 else rf"\mathrm{{{letters}}}"
    return f"${upright}_{{{index}}}$" if index else f"${upright}$"
