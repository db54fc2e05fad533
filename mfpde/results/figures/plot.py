"""A result drawn into a file."""

from __future__ import annotations

from pathlib import Path

from mfpde.results.answers.solve import SolveResult
from mfpde.results.figures.solve import overview_figure
from mfpde.results.figures.style import save_figure

SUFFIXES = (".png", ".pdf", ".svg", ".gif", ".mp4")


def plot(result: SolveResult, path: Path) -> None:
    """Draw a result as the suffix says: risk and law in one figure, or an animation of the law.

    Raises OutputError where the file cannot be written, or where .mp4 finds no ffmpeg.
    """
    if path.suffix in (".gif", ".mp4"):
        from mfpde.results.figures.animation import animate

        animate(result, path)
    else:
        save_figure(lambda: overview_figure(result), path)
