"""Colours, sizes and letters of every figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from mfpde.results.answer import Answer, Drawing
from mfpde.shell.files import write_atomically

BLUE, ORANGE = "#0072B2", "#D55E00"
# A law narrower than this share of the axes gets a ring around it, so that it can be seen.
SMALL = 0.03
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
_WHITE_TO_BLUE = LinearSegmentedColormap.from_list(
    "white to blue", [(1.0, 1.0, 1.0, 1.0), *matplotlib.colormaps["Blues"](np.linspace(0.15, 1.0, 6))]
)


def new_figure(width: float, height: float) -> Any:
    """An empty figure of this size in inches, which needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figures(answer: Answer, folder: Path) -> tuple[Path, ...]:
    """Write what an answer has to draw into a folder, and return the paths; raises OutputError."""
    written: list[Path] = []
    for name, drawing in answer.figures().items():
        paths = [folder / f"{name}{suffix}" for suffix in answer.FORMATS]
        save_figure(drawing, *paths)
        written += paths
    return tuple(written)


def save_figure(drawing: Drawing, *paths: Path) -> None:
    """Draw a figure, and write it to every path; raises OutputError."""
    with matplotlib.rc_context(STYLE), np.errstate(all="ignore"):
        figure = drawing()
        for path in paths:
            write_atomically(path, lambda temporary: figure.savefig(temporary))


def symbol(name: str) -> str:
    """A coordinate's name in mathematics: r1 becomes $r_1$."""
    letter, number = name.rstrip("0123456789"), name[len(name.rstrip("0123456789")) :]
    return f"${letter}_{{{number}}}$" if number else f"${letter}$"
