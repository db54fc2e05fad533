"""Trained coefficients and offsets on the mixture: independent values, what ReLU conserves, mass held by the cone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import load_configuration
from mfpde.solvers.space.measure import Measure
from mfpde.studies.solve import solve

FILE = Path(__file__).parents[2] / "reference_teachers.json"
ROWS = {entry["id"]: entry["rows"] for entry in json.loads(FILE.read_text("utf-8"))["entries"] if "rows" in entry}


def rows(name: str, last: float) -> list[dict[str, Any]]:
    """The rows of a reference up to a time."""
    return [row for row in ROWS[name] if row["t"] <= last]


def test_the_relu_experiment_begins_as_known() -> None:
    """R, means and variances of r1, r2, a and b up to t = 1; the check `trained` goes on to t = 100."""
    expected = rows("A1", 1.0)
    times = [row["t"] for row in expected]
    found = solve(load_configuration("anisotropic-relu-trained", [f"time.save={times}", "time.end=1"]))
    for k, row in enumerate(expected):
        assert abs(found.risk[k] - row["R"][0]) < min(3.0 * found.risk_error[k], 1e-6)
        for axis, name in enumerate(("r1", "r2", "a", "b")):
            assert found.mean[k, axis] == pytest.approx(row[f"mean {name}"][0], abs=1e-6)
            assert found.variance[k, axis] == pytest.approx(row[f"var {name}"][0], abs=1e-6)


def test_mass_that_reaches_the_cone_stays_with_the_coefficient_it_has() -> None:
    """Truncated ReLU with a(0) = +-1: neurons of negative a are pushed to w = 0, where Phi = 0 and so a rests too."""
    expected = rows("A2", 3.0)
    times = [row["t"] for row in expected]
    tables = {
        "data": {"dims": [40]},
        "network": {"activation": "truncated-relu", "coefficients": "trained"},
        "initial": {"a": {"values": [-1.0, 1.0]}},
        "time": {"end": 3.2, "save": [*times, 3.2]},
    }
    found = solve(parse(tables), scheme="characteristics")
    for k, row in enumerate(expected):
        assert abs(found.risk[k] - row["R"][0]) < max(1e-6, 3.0 * row["R"][1])
        assert abs(found.risk[k] - row["R"][0]) < 3.0 * found.risk_error[k]
    start, late = found.law(3.0), found.law(3.2)
    held = start.points[:, 0] == 0.0
    dead, error = expected[-1]["dead"]
    # of the atoms the next one to arrive holds more than the mass that is missing
    negative = ~held & (start.points[:, 1] < 0.0)
    following = start.weights[negative][start.points[negative, 0].argmin()]
    assert abs(start.weights[held].sum() - dead) < following + 3.0 * error < 1e-3
    assert np.all(start.points[held, 1] < 0.0)
    # what is held stays where it is, its coefficient too
    for place in start.points[held]:
        assert np.abs(late.points - place).max(axis=1).min() < 1e-12


@pytest.mark.parametrize("offsets", ["trained", "none"])
def test_what_relu_conserves(offsets: str) -> None:
    """a^2 - |w|^2 - b^2 of every neuron, by homogeneity; e^(-2 lambda t) of it with a ridge."""
    for ridge in (0.0, 0.2):
        tables = {
            "data": {"dims": [30]},
            "network": {"activation": "relu", "coefficients": "trained", "offsets": offsets},
            "initial": {"kappa": 0.8, "a": {"values": [-1.0, 1.0]}, **({"b": 0.5} if offsets == "trained" else {})},
            "dynamics": {"ridge": ridge},
            "time": {"end": 1.0, "save": [0.0, 1.0]},
        }
        found = solve(parse(tables), scheme="characteristics")
        start, end = (_conserved(found.law(time)) for time in (0.0, 1.0))
        np.testing.assert_allclose(end, start * np.exp(-2.0 * ridge * np.array([1.0, 2.0])), rtol=1e-6)


def _conserved(law: Measure) -> np.ndarray:
    """Mean and mean square of a^2 - |w|^2 - b^2: the panels, and so the atoms, differ from time to time."""
    squares = law.points**2
    kept = 2.0 * squares[:, 1] - squares.sum(axis=1)
    return np.array([law.weights @ kept, law.weights @ kept**2])
