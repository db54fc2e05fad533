"""Clouds of points as inputs: what does not change them, the same problem on their means, and files that name none."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import mfpde
from mfpde.commands.main import main
from mfpde.configuration.parsing import parse
from mfpde.configuration.toml import to_toml
from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.problem.clouds import Clouds
from mfpde.problem.laws.dataset import DataSet
from mfpde.solvers.arrays import Array

RANDOM = np.random.default_rng(6)
SIZES = (3, 5, 2, 4)
CLOUD = np.repeat([7, 2, 9, 4], SIZES)
POINTS, TARGETS = RANDOM.standard_normal((sum(SIZES), 2)), np.array([0.4, -0.3, 0.8, -0.6])
KEYS = {"kind": "cosine", "count": 3, "seed": 5}


def table(folder: Path, order: NDArray[np.int64], name: str = "clouds.csv", column: str = "cloud") -> str:
    rows = np.column_stack([CLOUD, POINTS, np.repeat(TARGETS, SIZES)])[order]
    np.savetxt(folder / name, rows, delimiter=",", header=f"{column},x1,x2,y", comments="", fmt="%.17g")
    return str(folder / name)


def configured(data: dict[str, Any], **tables: dict[str, Any]) -> Experiment:
    given: dict[str, dict[str, Any]] = {
        "network": {"activation": "tanh", "coefficients": "trained"},
        "initial": {"a": {"values": [-1.0, 1.0]}},
        "dynamics": {},
        "time": {"end": 0.3, "save": 2},
        "solver": {"scheme": "particles", "atoms": [12]},
    }
    return parse(
        {"data": {"law": "dataset", **data}, **{name: {**given[name], **tables.get(name, {})} for name in given}}
    )


def inputs(experiment: Experiment) -> Array:
    assert isinstance(experiment.data, DataSet)
    return experiment.data.training[0]


def means(keys: dict[str, Any] = KEYS) -> Array:
    """M by the formula, cloud after cloud."""
    psi = Clouds(**keys).features(POINTS)
    return np.array([psi[number == CLOUD].mean(axis=0) for number in (7, 2, 9, 4)])


@pytest.mark.parametrize("kind", ["relu", "cosine"])
def test_order_and_repetitions_of_points_change_nothing(kind: str, tmp_path: Path) -> None:
    keys, straight = {**KEYS, "kind": kind}, np.arange(sum(SIZES))
    # each cloud keeps its first point first: the clouds stay in order
    mixed = np.concatenate([straight[[0, 3, 8, 10]], RANDOM.permutation(np.delete(straight, [0, 3, 8, 10]))])
    orders = [straight, mixed, np.repeat(straight, 3)]
    found = [
        inputs(configured({"file": table(tmp_path, order, f"{place}.csv"), "clouds": keys}))
        for place, order in enumerate(orders)
    ]
    for each in found:
        assert each == pytest.approx(means(keys), abs=1e-15)


def test_the_kernel_of_cosines_is_the_gaussian_one() -> None:
    """Of 10^4 features, to 3 of their hundredths."""
    x = np.array([[0.3, -0.2], [1.1, 0.4]])
    psi = Clouds("cosine", 10_000, 1, 2.0).features(x)
    assert psi[0] @ psi[1] / 10_000 == pytest.approx(np.exp(-np.sum((x[0] - x[1]) ** 2) / 8.0), abs=0.03)


@pytest.mark.long
def test_a_run_on_clouds_is_that_on_their_means(tmp_path: Path) -> None:
    """Neurons trained, and outputs alone; from a table and from arrays with a target for each cloud."""
    np.savez(tmp_path / "clouds.npz", x=POINTS, y=TARGETS, cloud=CLOUD)
    files = [table(tmp_path, np.arange(sum(SIZES)), column="sample"), str(tmp_path / "clouds.npz")]
    plain = {"points": means().tolist(), "values": TARGETS.tolist()}
    for dynamics in ({}, {"mobility": {"w": 0.0}}):
        alone = mfpde.solve(configured(plain, dynamics=dynamics))
        for file in files:
            run = mfpde.solve(configured({"file": file, "clouds": KEYS}, dynamics=dynamics))
            assert run.risk == pytest.approx(alone.risk, abs=1e-12)


def test_predictions_and_test_risks_take_clouds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = table(tmp_path, np.arange(sum(SIZES)))
    experiment = configured({"file": file, "test": file, "clouds": KEYS})
    assert parse(tomllib.loads(to_toml(experiment))) == experiment
    run = mfpde.solve(experiment, output=tmp_path / "run.nc")
    assert run.watched["test_risk"] == pytest.approx(run.risk, abs=1e-14)
    assert main(["predict", str(tmp_path / "run.nc"), file, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["risk"] == pytest.approx(run.risk[-1], abs=1e-12)
    assert len(told["predictions"]) == len(SIZES)


def test_what_names_no_clouds_is_refused(tmp_path: Path) -> None:
    file = table(tmp_path, np.arange(sum(SIZES)))
    with pytest.raises(ConfigurationError, match=r"data\.file.*: its column cloud is of clouds of points"):
        configured({"file": file})
    np.savetxt(tmp_path / "rows.csv", POINTS, delimiter=",", header="x1,y", comments="")
    with pytest.raises(ConfigurationError, match=r"data\.file.*: no column says to which cloud a point belongs"):
        configured({"file": str(tmp_path / "rows.csv"), "clouds": KEYS})
    with pytest.raises(ConfigurationError, match=r"data\.clouds.*: points of samples stand in a file"):
        configured({"points": [[1.0], [2.0]], "values": [1.0, 2.0], "clouds": KEYS})
    text = Path(file).read_text().splitlines()
    text[2] = text[2].rpartition(",")[0] + ",9.0"
    (tmp_path / "other.csv").write_text("\n".join(text))
    with pytest.raises(ConfigurationError, match="y differs within cloud 7; write one for all its points"):
        configured({"file": str(tmp_path / "other.csv"), "clouds": KEYS})
    with pytest.raises(ConfigurationError, match=r"data\.clouds\.kind.*cosine"):
        configured({"file": file, "clouds": {"kind": "cosin"}})
