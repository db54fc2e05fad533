"""Letters of figures, and the line above them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from mfpde.results.figures.style import new_figure, symbol
from mfpde.results.files.drawn import save_figure


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("r1", r"$r_{1}$"),
        ("r12", r"$r_{12}$"),
        ("z", "$z$"),
        ("w_perp", r"$w_{\perp}$"),
        ("w_x", r"$w_{\mathrm{x}}$"),
        ("angle", r"$\mathrm{angle}$"),
    ],
)
def test_names_of_coordinates_in_mathematics(name: str, shown: str) -> None:
    assert symbol(name) == shown


def test_the_line_of_what_a_figure_is_of_lies_above_its_legend(tmp_path: Path) -> None:
    """.11 in high, then nothing; where a tight box took the legend along, both began at the edge: .19 in."""

    def draw() -> Any:
        figure = new_figure(3.0, 1.5)
        handles = figure.add_subplot().plot([0.0, 1.0])
        figure.legend(handles, ["one"], loc="outside upper center", title="mean and standard deviation")
        return figure

    path = tmp_path / "figure.png"
    save_figure(draw, path, title="what the figure is of, in a line that is rather long")
    rows = np.flatnonzero((imread(path)[:, :, :3].min(axis=2) < 0.8).any(axis=1))
    assert np.argmax(np.diff(rows) > 1) < 0.15 * 200
