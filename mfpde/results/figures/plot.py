"""A result drawn into a file or a folder of figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mfpde.results.answers.solve import SolveResult
from mfpde.results.figures.solve import density_figure, overview_figure, risk_figure
from mfpde.results.figures.style import save_figure

SUFFIXES = (".png", ".pdf", ".svg", ".gif", ".mp4")


def save_figures(result: SolveResult, folder: Path) -> tuple[Path, ...]:
    """Write risk.png and density.png into a folder, and return their paths; raises OutputError."""
    drawings: dict[str, Callable[[SolveResult], Any]] = {
        "risk.png": risk_figure,
        "density.png": density_figure,
    }
    for name, draw in drawings.items():
        save_figure(draw, result, folder / name)
    return tuple(folder / name for name in drawings)


def plot(result: SolveResult, path: Path) -> None:
    """Draw a result as the suffix says: risk and law in one figure, or an animation of the law.

    Raises OutputError where the file cannot be written, or where .mp4 finds no ffmpeg.
    """
    if path.suffix in (".gif", ".mp4"):
        from mfpde.results.figures.animation import animate

        animate(result, path)
    else:
        save_figure(overview_figure, result, path)
