"""Data sets: trajectories against independent values, the symmetries of samples, files and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mfpde
from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import load_configuration
from mfpde.errors import ConfigurationError, ResultFileError
from mfpde.experiment import Experiment
from mfpde.problem.laws.dataset import DataSet
from mfpde.results.answers.solve import SolveResult

REFERENCE = {
    entry["id"]: entry
    for entry in json.loads((Path(__file__).parents[3] / "reference_datasets.json").read_text("utf-8"))["entries"]
}
X = [-2.0, -1.5, -1.0, -0.4, 0.3, 0.9, 1.4, 2.0]
Y = [0.5, -0.3, -0.8, -0.2, 0.6, 0.9, 0.1, -0.5]
NETWORK = {"activation": "tanh", "coefficients": "trained", "offsets": "trained"}
START = {
    "w1": {"values": [-2.0, -1.0, 0.5, 1.0, 2.0]},
    "a": {"values": [-1.0, 1.0]},
    "b": {"values": [-1.0, -0.5, 0.0, 0.5, 1.0]},
}


def tables(data: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"law": "dataset", **data}, "network": NETWORK, "initial": START, **others}


def line(loss: str = "square", **others: dict[str, Any]) -> dict[str, Any]:
    targets = np.sign(Y).tolist() if loss == "logistic" else Y
    return tables({"points": [[x] for x in X], "values": targets, "loss": loss}, **others)


def solved(declared: dict[str, Any], **options: Any) -> SolveResult:
    return mfpde.solve(parse(declared), **{"scheme": "characteristics", "tolerance": 1e-9, **options})


def data_set(made: Experiment) -> DataSet:
    assert isinstance(made.data, DataSet)
    return made.data


def messages(declared: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse(declared)
    return list(caught.value.messages)


@pytest.mark.parametrize("loss", ["square", "logistic"])
def test_trajectories_are_the_independent_ones(loss: str) -> None:
    """An error of 1e-9 in a single velocity of the 50 neurons shows."""
    expected = REFERENCE[f"A.tanh1d.{loss}"]["values"]
    count = 5
    found = solved(line(loss, time={"end": 10.0, "save": expected["t"][:count]}), tolerance=1e-10)
    assert np.abs(found.risk - expected["R"][:count]).max() < 1e-9
    seconds = (found.variance + found.mean**2).sum(axis=1)
    assert np.abs(seconds / expected["second_moment"][:count] - 1.0).max() < 1e-9


def test_a_file_is_what_it_says_in_either_format(tmp_path: Path) -> None:
    x, y = np.array(X), np.array(Y)
    omega = np.linspace(1.0, 2.0, len(x))
    np.savez(tmp_path / "x.npz", x=x[:, None], y=y, weight=omega)
    rows = "\n".join(f"{float(w)!r},{float(b)!r},{float(a)!r}" for a, b, w in zip(x, y, omega, strict=True))
    (tmp_path / "x.csv").write_text(f"weight,y,x1\n{rows}\n", "utf-8")
    inline = {"points": [[a] for a in X], "values": Y, "weights": omega.tolist()}
    law = data_set(parse(tables(inline)))
    for name in ("x.npz", "x.csv"):
        toml = f'[data]\nlaw = "dataset"\nfile = "{name}"\n[network]\nactivation = "tanh"\n'
        (tmp_path / "run.toml").write_text(toml, "utf-8")
        read = data_set(load_configuration(str(tmp_path / "run.toml")))
        for one, other in zip(read.samples, law.samples, strict=True):
            assert np.array_equal(one, other)


def test_another_file_of_the_same_name_is_another_configuration(tmp_path: Path) -> None:
    data, run = tmp_path / "x.csv", tmp_path / "run.nc"
    data.write_text("x1,y\n0.0,1.0\n1.0,-1.0\n", "utf-8")
    declared: dict[str, Any] = {"data": {"law": "dataset", "file": str(data)}, "network": {"activation": "tanh"}}
    declared["time"] = {"end": 0.1, "save": 2}
    mfpde.solve(parse(declared), output=run)
    assert mfpde.solve(parse(declared), output=run, resume=True).status == "success"
    data.write_text("x1,y\n0.0,1.0\n1.0,-2.0\n", "utf-8")
    with pytest.raises(ResultFileError, match=r"data\.file: .* has changed since"):
        mfpde.solve(parse(declared), output=run, resume=True)


def test_many_coordinates_are_for_particles(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    np.savez(tmp_path / "x.npz", x=random.standard_normal((30, 12)), y=random.standard_normal(30))
    declared = tables({"file": str(tmp_path / "x.npz")}, time={"end": 0.1, "save": 2})
    declared["initial"] = {"kappa": 1.0}
    made = parse(declared)
    assert made.solver.scheme == "particles"
    for scheme, words in (("finite-volume", "at most 3"), ("characteristics", "12 labels")):
        with pytest.raises(ConfigurationError, match=words):
            mfpde.solve(made, scheme=scheme)
    found = mfpde.solve(made, atoms=20)
    assert np.diff(found.risk)[0] < 0.0
