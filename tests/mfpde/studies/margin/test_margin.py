"""Margins of classes: reference values, what is told and written, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import mfpde
from mfpde.commands.main import main
from mfpde.results.answers.samples.margin import Margins, sphere_kernel

ENTRIES = {
    entry["id"]: entry
    for entry in json.loads((Path(__file__).parents[3] / "reference_datasets.json").read_text("utf-8"))["entries"]
}
POINTS = [[1.0, 0.5], [-0.5, 1.0], [-1.0, -0.7]]


def plane(folder: Path, points: object, values: object, offsets: str = "none") -> str:
    """A file with samples in the plane."""
    path = folder / "plane.toml"
    data = f'[data]\nlaw = "dataset"\nloss = "logistic"\npoints = {points}\nvalues = {values}\n'
    network = f'[network]\nactivation = "relu"\ncoefficients = "trained"\noffsets = "{offsets}"\n'
    path.write_text(data + network, encoding="utf-8")
    return str(path)


def test_both_margins_of_the_reference_and_the_functions_that_reach_them() -> None:
    found = mfpde.margin("margin-plane")
    wide, narrow = ENTRIES["D1.F1"]["values"], ENTRIES["D1.F2"]["values"]
    assert found.variation.certified
    assert found.variation.lower <= wide["gamma1_upper"]
    assert wide["gamma1_lower"] <= found.variation.upper
    assert_allclose([found.rkhs.margin, found.rkhs.upper], narrow["gamma2"], rtol=1e-9)
    outputs, kernel = found.outputs(np.array(narrow["predictor_points"]))
    assert_allclose(outputs, wide["predictor"], atol=1e-5)
    assert_allclose(kernel, narrow["predictor_of_unit_norm"], rtol=1e-6)
    assert_allclose(narrow["gamma2"] * np.sum(np.abs(narrow["alpha"])), np.abs(found.rkhs.weights).sum(), rtol=1e-6)
    at_samples = [found.classes * each for each in found.outputs(found.points[:, :2])]
    assert_allclose([each.min() for each in at_samples], [found.variation.lower, found.rkhs.margin], rtol=1e-9)


@pytest.mark.parametrize("slopes", [(1.0, 0.0), (1.0, -1.0), (1.0, 0.3), (1.0, 1.0)])
def test_the_kernel_is_the_mean_over_the_circle(slopes: tuple[float, float]) -> None:
    points = np.array([[1.0, 0.2], [-0.5, 1.5], [2.0, 0.4], [-1.0, -0.2]])
    angles = (np.arange(200_000) + 0.5) * (2.0 * np.pi / 200_000)
    heights = np.column_stack([np.cos(angles), np.sin(angles)]) @ points.T
    units = np.where(heights > 0.0, slopes[0], slopes[1]) * heights
    assert_allclose(sphere_kernel(slopes, points, points), units.T @ units / len(units), atol=1e-9)


@pytest.mark.parametrize("offsets", ["none", "fixed", "trained"])
def test_offsets_append_a_coordinate_and_classes_may_be_exchanged(offsets: str, tmp_path: Path) -> None:
    """gamma_2 <= gamma_1; y -> -y changes neither; offsets are the data set with the coordinate 1."""
    found = mfpde.margin(plane(tmp_path, POINTS, [1.0, -1.0, 1.0], offsets))
    turned = mfpde.margin(plane(tmp_path, POINTS, [-1.0, 1.0, -1.0], offsets))
    assert ("b" in found.names) == (offsets != "none")
    assert 0.0 < found.rkhs.margin <= found.variation.upper
    for one, other in ((found.variation.lower, turned.variation.lower), (found.rkhs.margin, turned.rkhs.margin)):
        assert_allclose(one, other, rtol=1e-8)
    assert found.points.shape[1] == 2 + (offsets != "none")


def test_what_is_told_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, path = plane(tmp_path, POINTS, [1.0, -1.0, 1.0], "trained"), tmp_path / "margin.json"
    assert main(["margin", source, "-o", str(path), "--json", "--quiet", "--plot", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[0])
    assert set(told["variation"]) == {"margin", "lower", "upper", "certified", "atoms"}
    assert set(told["variation"]["atoms"][0]["position"]) == {"w1", "w2", "b", "sign"}
    assert_allclose(sum(atom["weight"] for atom in told["variation"]["atoms"]), 1.0, rtol=1e-12)
    assert told["rkhs"]["margin"] <= told["variation"]["margin"]
    loaded = mfpde.load(path)
    assert isinstance(loaded, Margins)
    assert loaded.to_json() == told
    assert (tmp_path / "margin.png").stat().st_size > 10_000


def test_classes_that_no_unit_tells_apart_are_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = plane(tmp_path, [[1.0, 2.0], [2.0, 4.0], [0.0, 1.0]], [1.0, -1.0, 1.0])
    assert main(["margin", source, "--quiet", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["variation"]["margin"] == told["rkhs"]["margin"] == 0.0
    assert told["variation"]["atoms"] == []
    assert main(["margin", source]) == 0
    assert "no margin above 0: no function of such units has the classes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "overrides", "words"),
    [
        ("margin-plane", ["--set=data.loss=square"], "margins are those of samples in two classes"),
        ("bumps-good", [], "margins are those of samples in two classes"),
        ("margin-plane", ["--set=network.activation=tanh"], "margins need units with sigma(c u) = c sigma(u)"),
    ],
)
def test_what_has_no_margin_is_refused(
    source: str, overrides: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["margin", source, *overrides]) == 2
    assert words in capsys.readouterr().err
