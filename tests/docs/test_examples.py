"""The files of docs/examples, each alone in a folder, as somebody's own, run by the commands of docs/extending.md."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mfpde.commands.main import main

DOCS = Path(__file__).resolve().parents[2] / "docs"
SHORT = ["--set", "time.end=0.5", "--set", "time.save=3"]


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The JSON object of a command that ends well."""
    assert main([*arguments, "--json", "--quiet"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def taken(folder: Path, name: str) -> str:
    """An example, copied."""
    return str(shutil.copy(DOCS / "examples" / name, folder))


def test_own_activation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """R(0) of softplus on N(0, s^2 Id_40): E over the classes, and SGD starts from about the same risk."""
    common = [
        "isotropic-gaussians",
        "--use",
        taken(tmp_path, "own_activation.py"),
        "--set",
        "network.activation=softplus",
    ]
    common += ["--set", "data.dims=[40]", *SHORT]
    found = told(capsys, "solve", *common, "--scheme", "characteristics")
    assert found["risk"][0] == pytest.approx(_risk_of_softplus(40, 0.8, 0.8), rel=1e-3)
    assert max(found["risk_error"]) < 1e-5
    runs = told(capsys, "sgd", *common, "--set", "sgd.neurons=400", "--set", "sgd.step_size=1e-3", "--workers", "1")
    # the fluctuation of 400 neurons about the mean field
    assert np.abs(np.array(runs["risk"][0]) - found["risk"]).max() < 0.02


def _risk_of_softplus(dimension: int, delta: float, kappa: float) -> float:
    """R(0) by sampling neurons and data: to 2e-4, a tenth of what the test allows."""
    generator = np.random.default_rng(5)
    w = kappa / np.sqrt(dimension) * generator.standard_normal((dimension, 4000))
    risk = 0.0
    for label in (1.0, -1.0):
        x = (1.0 + label * delta) * generator.standard_normal((4000, dimension))
        outputs = np.logaddexp(0.0, x @ w)
        risk += 0.5 * float(np.mean((label - outputs[:, ::2].mean(axis=1)) * (label - outputs[:, 1::2].mean(axis=1))))
    return risk


def test_own_loss(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """R(0) = ∫ l(f_0 - f) dx, f_0 the bump of the start's variance and the units' together."""
    found = told(
        *(capsys, "solve", "bumps-bad", "--use", taken(tmp_path, "own_loss.py"), "--set", "data.loss=huber"),
        *("--scheme", "characteristics", "--set", "solver.tolerance=1e-4", *SHORT),
    )
    x = np.linspace(-25.0, 25.0, 200_001)
    target = sum(_normal(x, centre, 0.5**2) for centre in (-2.5, 0.0, 2.5)) / 3.0
    far = np.abs(_normal(x, -2.5, 0.5**2 + 1.5**2) - target)
    loss = np.where(far <= 0.05, 0.5 * far**2, 0.05 * (far - 0.025))
    exact = float(loss.sum() * (x[1] - x[0]))
    # the kink of the slope makes the rule in x one of low order, which the estimate must see
    assert abs(found["risk"][0] - exact) <= found["risk_error"][0] < 1e-4
    assert found["risk"] == sorted(found["risk"], reverse=True)


def _normal(x: np.ndarray[Any, Any], mean: float, variance: float) -> np.ndarray[Any, Any]:
    return np.asarray(np.exp(-0.5 * (x - mean) ** 2 / variance) / np.sqrt(2.0 * np.pi * variance))


def test_own_law(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """R(0) of a symmetric start is E y^2; its optimum is found; SGD follows the equation to O(1 / N)."""
    source, use = taken(tmp_path, "own_law.toml"), ["--use", taken(tmp_path, "own_law.py")]
    found = told(capsys, "solve", source, *use, "--scheme", "characteristics")
    assert found["risk"][0] == pytest.approx(0.5 - np.sin(4.0) / 8.0, abs=1e-9)
    cells = told(capsys, "solve", source, *use, "--scheme", "finite-volume")
    assert cells["risk"] == pytest.approx(found["risk"], abs=1e-5)
    best = told(capsys, "optimum", source, *use)
    assert best["risk"] == pytest.approx(0.0014445389, abs=1e-9)
    assert best["lower_bound"] <= best["risk"] < found["risk"][-1]


def test_own_law_beside_sgd(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, use = taken(tmp_path, "own_law.toml"), ["--use", taken(tmp_path, "own_law.py")]
    found = told(capsys, "compare", source, *use, "--no-coupled", "--workers", "1", "--scheme", "characteristics")
    gaps = np.abs(np.array(found["risk_sgd"][0]) - found["risk_pde"])
    # at the start R_N fluctuates by 2 std(E y tanh(w x)) / sqrt(N) = .05; learning forgets it
    assert gaps[0] < 0.2
    assert gaps[-1] < 0.02


def test_a_fault_of_a_users_file_is_told_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(taken(tmp_path, "own_law.py"))
    text = path.read_text()
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "np.sin(self.frequency * x))" in row)
    path.write_text(text.replace("np.sin(self.frequency * x))", "np.sine(self.frequency * x))"))
    source = taken(tmp_path, "own_law.toml")
    assert main(["solve", source, "--use", str(path)]) == 3
    assert f"{path}, line {line}: AttributeError: module 'numpy' has no attribute 'sine'" in capsys.readouterr().err
    path.write_text(text.replace("def axes", "def axis"))
    assert main(["solve", source, "--use", str(path)]) == 2
    assert "the data law 'sine' lacks axes()" in capsys.readouterr().err


def test_problems_made_in_python_as_documented(capsys: pytest.CaptureFixture[str]) -> None:
    text = (DOCS / "extending.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, "extending.md", "exec"), names)
    assert capsys.readouterr().out
    result = names["result"]
    assert result.risk[0] > result.risk[1] > result.risk[2] > 0.0
    assert max(result.risk_error) < 1e-5
    assert names["law"].mass == pytest.approx(1.0, abs=1e-12)
    problem, law = names["problem"], names["law"]
    places, step = np.array([[0.4], [0.9], [1.5]]), 1e-4
    differences = (problem.psi(places + step, law) - problem.psi(places - step, law)) / (2.0 * step)
    assert problem.psi_gradient(places, law)[:, 0] == pytest.approx(differences, abs=1e-7)
    assert problem.risk(law) == pytest.approx(result.risk[-1], abs=1e-6)
