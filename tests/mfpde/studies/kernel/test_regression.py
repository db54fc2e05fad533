"""Kernels of data sets in closed form, and regression with them, against the formulas and the rules of rho_0."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mfpde
from mfpde.commands.main import main
from mfpde.configuration.parsing import parse
from mfpde.configuration.toml import to_toml
from mfpde.experiment import Experiment
from mfpde.problem.labels import label_law
from mfpde.problem.laws.finite_data import FiniteData
from mfpde.problem.problem import build_problem
from mfpde.results.answers.kernel import KernelLimit
from mfpde.solvers.arrays import Array
from mfpde.studies.kernel.closed import closed_kernels
from mfpde.studies.kernel.kernel import kernel
from mfpde.studies.kernel.limit import NODES, TOLERANCE
from mfpde.studies.kernel.regression import _by_rule

RANDOM = np.random.default_rng(8)
X, TEST, Y = RANDOM.standard_normal((9, 3)), RANDOM.standard_normal((5, 3)), RANDOM.standard_normal(14)
WEIGHTS = np.arange(1.0, 10.0)


def experiment(folder: Path, x: Array = X, test: Array = TEST, **tables: dict[str, Any]) -> Experiment:
    np.savez(folder / "train.npz", x=x, y=Y[: len(x)], weight=WEIGHTS[: len(x)])
    np.savez(folder / "test.npz", x=test, y=Y[9 : 9 + len(test)])
    given: dict[str, dict[str, Any]] = {
        "data": {"law": "dataset", "file": str(folder / "train.npz"), "test": str(folder / "test.npz")},
        "network": {"activation": "relu", "coefficients": "trained"},
        "initial": {"kappa": 1.2, "a": {"values": [-1.0, 1.0]}},
        "dynamics": {},
        "time": {"end": 3.0, "save": 4},
    }
    return parse({name: {**given[name], **tables.get(name, {})} for name in given})


def rectifiers(x: Array, z: Array, part: str) -> Array:
    """M of units a (<w, x>)_+ with a = +-1 and w ~ N(0, 1.44 Id / 3)."""
    sizes = np.outer(np.linalg.norm(x, axis=1), np.linalg.norm(z, axis=1))
    angle = np.arccos(np.clip(x @ z.T / sizes, -1.0, 1.0))
    # of equal inputs the cosine is known to rounding, the angle to its root
    angle[angle < 1e-7] = 0.0
    of_a = 1.44 / 3.0 * sizes * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2.0 * np.pi)
    of_w = x @ z.T * (np.pi - angle) / (2.0 * np.pi)
    return np.asarray({"a": of_a, "w": of_w, "all": of_a + of_w}[part])


def test_regression_of_rectifiers_is_that_of_their_closed_kernel(tmp_path: Path) -> None:
    """f = M(., X) (M + lambda / omega)^{-1} y, and of the flow M(., X) M^{-1} (1 - e^{-M omega t}) y."""
    found = kernel(experiment(tmp_path), ridges=[0.02])
    weights, y, test = WEIGHTS / WEIGHTS.sum(), Y[:9], Y[9:]
    for name, mode in found.modes.items():
        own, across = rectifiers(X, X, name), rectifiers(TEST, X, name)
        assert mode.regression is not None
        assert mode.test_risk is not None
        for each, ridge in zip(mode.regression, (0.0, 0.02), strict=True):
            matrix = own + np.diag(ridge / weights)
            alpha, known = np.linalg.solve(matrix, y), 1e-14 * np.linalg.cond(matrix)
            assert each.ridge == ridge
            assert each.predictions == pytest.approx(across @ alpha, rel=known)
            assert each.risk == pytest.approx(weights @ (y - own @ alpha) ** 2, rel=1e-10, abs=1e-18)
            assert each.test_risk == pytest.approx(np.mean((test - across @ alpha) ** 2), rel=known)
            assert each.norm == pytest.approx(np.sqrt(alpha @ own @ alpha), rel=known)
            assert max(each.risk_error, each.test_risk_error) < 1e-9
        root = np.sqrt(weights)
        values, vectors = np.linalg.eigh(np.outer(root, root) * own)
        for time, risk, tested in zip(found.time, mode.risk, mode.test_risk, strict=True):
            learned = vectors @ ((1.0 - np.exp(-values * time)) * (vectors.T @ (root * y))) / root
            assert risk == pytest.approx(weights @ (y - learned) ** 2, abs=1e-12)
            flown = across @ np.linalg.solve(own, learned)
            assert tested == pytest.approx(np.mean((test - flown) ** 2), rel=1e-14 * np.linalg.cond(own))


@pytest.mark.parametrize(
    "tables",
    [
        {
            "network": {"activation": "erf", "offsets": "trained", "centred": True},
            "initial": {"a": 0.7, "b": {"normal": [0.3, 0.5]}},
        },
        {"network": {"activation": "tanh", "offsets": "fixed"}, "initial": {"b": 0.4, "w1": {"normal": [0.2, 0.7]}}},
        {"initial": {"a": {"normal": [0.0, 0.6]}}, "dynamics": {"mobility": {"w": 2.0, "a": 0.5}}},
    ],
    ids=["offsets", "constant", "mobility"],
)
def test_closed_kernels_are_those_of_the_rules(tables: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    """Of inputs on a line, where rules of rho_0 reach their tolerance."""
    problem = build_problem(experiment(tmp_path, X[:4, :1], TEST[:2, :1], **tables))
    assert isinstance(problem.data, FiniteData)
    closed = closed_kernels(problem, problem.data)
    assert closed is not None
    ruled = _by_rule(problem, problem.data, label_law(problem.initial_law), NODES, TOLERANCE)
    assert closed.keys() == ruled.keys()
    for name, found in closed.items():
        assert found == pytest.approx(ruled[name], abs=1e-6)


def test_kernels_of_given_atoms_are_means_over_them(tmp_path: Path) -> None:
    rows = np.array([[0.4, -0.3, 0.2, 1.0], [0.4, -0.3, 0.2, -1.0], [-0.9, 0.1, 0.5, 1.0], [-0.9, 0.1, 0.5, -1.0]])
    np.savetxt(tmp_path / "start.csv", rows, delimiter=",", header="w1,w2,w3,a", comments="")
    given = tomllib.loads(to_toml(experiment(tmp_path, network={"activation": "erf"})))
    given["initial"] = {"points": str(tmp_path / "start.csv")}
    found = kernel(parse(given), ridges=[0.1])
    features = build_problem(parse(given)).unit.activation.value(np.vstack([X, TEST]) @ rows[::2, :3].T)
    matrix, weights = features @ features[:9].T / 2.0, WEIGHTS / WEIGHTS.sum()
    alpha = np.linalg.solve(matrix[:9] + np.diag(0.1 / weights), Y[:9])
    regression = found.modes["a"].regression
    assert regression is not None
    assert regression[1].predictions == pytest.approx(matrix[9:] @ alpha, rel=1e-9)


def test_the_command_tells_regressions_and_refuses_them_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.toml").write_text(to_toml(experiment(tmp_path)))
    arguments = ["kernel", str(tmp_path / "run.toml"), "--ridge", "0.1", "--quiet"]
    assert main([*arguments, "--json", "-o", str(tmp_path / "out.json")]) == 0
    told = json.loads(capsys.readouterr().out)["modes"]["all"]
    assert [each["ridge"] for each in told["regression"]] == [0.0, 0.1]
    assert len(told["test_risk"]) == 4
    loaded = mfpde.load(tmp_path / "out.json")
    assert isinstance(loaded, KernelLimit)
    assert "regression, ridge 0.1: risk" in loaded.table()
    assert json.loads(json.dumps(loaded.to_json()))["modes"]["all"] == told
    assert main(["kernel", "single-index-erf", "--ridge", "0.1", "--set", "network.centred=true"]) == 2
    assert '--ridge: "single-index" is no finite set of samples' in capsys.readouterr().err
