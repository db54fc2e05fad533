"""Data sets whose units bend: what is chosen, what is told, what is refused, and whether the errors hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mfpde
from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem

X = [[1.0, 0.2], [-0.5, 0.8], [0.3, -1.1], [-1.0, -0.4], [0.7, 0.9]]
Y = [0.5, -1.0, 0.8, 0.3, -0.6]
SCHEMES = ("characteristics", "particles")


def declared(tmp_path: Path, count: int = 12, activation: Any = "relu", **tables: Any) -> Experiment:
    rng = np.random.default_rng(3)
    rows = np.column_stack([rng.normal(size=(count, 2)), np.tile([1.0, -1.0], count // 2)])
    np.savetxt(tmp_path / "start.csv", rows, delimiter=",", header="w1,w2,a", comments="", fmt="%.17g")
    base = {
        "data": {"law": "dataset", "points": X, "values": Y},
        "network": {"activation": activation, "coefficients": "trained"},
        "initial": {"points": str(tmp_path / "start.csv")},
        "time": {"end": 4.0, "save": 3},
    }
    return parse(base | tables)


@pytest.mark.long
@pytest.mark.parametrize("activation", ["relu", {"knots": [-0.5, 0.4, 1.0], "values": [-1.0, 0.5, 0.2]}])
def test_errors_hold_and_are_small(tmp_path: Path, activation: Any) -> None:
    """At the usual tolerance the risk is right to 1e-8; a finer run lies within its error."""
    usual, finest = (
        mfpde.solve(declared(tmp_path, activation=activation, solver={"scheme": "characteristics", "tolerance": tol}))
        for tol in (1e-6, 1e-9)
    )
    assert np.all(usual.risk_error < 1e-8)
    assert np.all(np.abs(usual.risk - finest.risk) <= usual.risk_error)
    assert np.abs(usual.balance).max() < 1e-8
    assert "kinks" in str(usual.attributes["notes"])


@pytest.mark.long
def test_particles_stick_as_the_atoms_of_characteristics_do(tmp_path: Path) -> None:
    tables = {"time": {"end": 2.0, "save": 2}}
    risks = [mfpde.solve(declared(tmp_path, 8, solver={"scheme": name}, **tables)).risk for name in SCHEMES]
    assert abs(risks[0][1] - risks[1][1]) < 1e-7


def test_births_of_particles_on_kinks_and_meetings_without_end_are_refused(tmp_path: Path) -> None:
    births = {"flow": "wasserstein-fisher-rao", "fisher_rao_rate": 1.0}
    with pytest.raises(ConfigurationError, match="stick to kinks are not born"):
        mfpde.solve(declared(tmp_path, solver={"scheme": "particles"}, dynamics=births))
    with pytest.raises(ConfigurationError, match="300000 atoms meet the 5 planes"):
        mfpde.solve(declared(tmp_path, solver={"scheme": "particles", "atoms": 300_000}, initial={"kappa": 1.0}))


def test_a_smooth_unit_has_no_kinks(tmp_path: Path) -> None:
    bent, smooth = (build_problem(declared(tmp_path, activation=name)).kinks for name in ("relu", "tanh"))
    assert smooth is None
    assert bent is not None
    assert bent.normals.shape == (5, 3)
