"""Letters of figures."""

from __future__ import annotations

import pytest

from mfpde.results.figures.style import symbol


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
