"""Letters of figures, and the line above them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from mfpde.results.figures.style import drawing, new_figure, symbol
from mfpde.results.files.drawn import MARGIN, save_figure


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


def test_a_figure_is_drawn_once_for_each_file_as_matplotlib_lays_it_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails where a file is drawn twice, as for any layout that is left to it, or where the layout is another."""

    def draw() -> Any:
        figure = new_figure(4.0, 1.5)
        axes = figure.add_subplot()
        mesh = axes.pcolormesh(np.eye(3))
        figure.colorbar(mesh).set_label(r"$10^{-3}$")
        axes.twinx().set_ylabel("two\nlines")
        axes.set_title("a title")
        axes.plot([0.0, 1.0], label="one")
        axes.legend()
        return figure

    drawn: list[Figure] = []
    whole = Figure.draw

    def counted(figure: Figure, renderer: Any) -> None:
        drawn.append(figure)
        whole(figure, renderer)

    monkeypatch.setattr(Figure, "draw", counted)
    paths = [tmp_path / f"figure{suffix}" for suffix in (".png", ".pdf")]
    save_figure(draw, *paths)
    assert len(drawn) == len(paths)
    with drawing():
        figure = draw()
        figure.dpi = 200
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        figure.savefig(tmp_path / "usual.png", bbox_inches="tight", pad_inches=MARGIN)
    np.testing.assert_array_equal(imread(paths[0]), imread(tmp_path / "usual.png"))
