"""Data sets whose units bend: what is chosen, what is told, what is refused, and whether the errors hold."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import mfpde
from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.optimum import AtomicOptimum
from mfpde.schemes.choice import chosen_scheme
from mfpde.studies.optimum import cone

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
    with pytest.raises(ConfigurationError, match="30000 atoms meet the 5 planes"):
        mfpde.solve(declared(tmp_path, solver={"scheme": "particles", "atoms": 30_000}, initial={"kappa": 1.0}))


@pytest.mark.parametrize(("samples", "scheme"), [(16, "characteristics"), (17, "particles")])
def test_particles_are_chosen_where_few_nodes_tell_nothing(samples: int, scheme: str) -> None:
    """Panels of so many nodes as 17 planes allow ended at t = 0; the words say so."""
    rng = np.random.default_rng(0)
    data = {
        "law": "dataset",
        "points": rng.normal(size=(samples, 2)).tolist(),
        "values": rng.normal(size=samples).tolist(),
    }
    network, initial = {"activation": "relu", "coefficients": "trained"}, {"a": {"values": [-1.0, 1.0]}}
    chosen, why = chosen_scheme(parse({"data": data, "network": network, "initial": initial}))
    assert chosen == scheme
    assert ("the 588 atoms that may meet 17 planes" in why) == (samples == 17)


def test_a_smooth_unit_has_no_kinks(tmp_path: Path) -> None:
    bent, smooth = (build_problem(declared(tmp_path, activation=name)).kinks for name in ("relu", "tanh"))
    assert smooth is None
    assert bent is not None
    assert bent.normals.shape == (5, 3)


@pytest.mark.long
def test_the_flow_under_a_ridge_comes_to_the_certified_optimum(tmp_path: Path) -> None:
    """Twelve neurons on their way lie above the optimum and come within 1e-4 of it; its atoms have |a| = |w|."""
    made = declared(tmp_path, dynamics={"ridge": 0.05}, solver={"scheme": "characteristics"})
    best = mfpde.optimum(made)
    assert isinstance(best, AtomicOptimum)
    assert best.certified
    assert abs(best.free_energy - best.lower_bound) < 1e-14
    assert_allclose(np.linalg.norm(best.positions[:, :2], axis=1), np.abs(best.positions[:, 2]), rtol=1e-12)
    last = mfpde.solve(replace(made, time=replace(made.time, end=60.0))).free_energy[-1]
    assert best.free_energy < last < best.free_energy + 1e-4


@pytest.mark.parametrize("dynamics", [{"ridge": {"w": 0.2, "a": 0.0125}}, {"penalty": {"path": 0.05}}])
def test_confinements_that_cost_alike_have_the_same_optimum(tmp_path: Path, dynamics: dict[str, Any]) -> None:
    """2 lambda |a||w| with lambda = (lambda_w lambda_a)^(1/2) or of a path penalty; |w| shrinks as lambda_w grows."""
    even, other = (mfpde.optimum(declared(tmp_path, dynamics=table)) for table in ({"ridge": 0.05}, dynamics))
    assert isinstance(even, AtomicOptimum)
    assert isinstance(other, AtomicOptimum)
    assert other.certified
    assert_allclose(other.free_energy, even.free_energy, rtol=1e-12)
    ratio = 0.25 if "ridge" in dynamics else 1.0
    lengths = np.linalg.norm(other.positions[:, :2], axis=1)
    assert_allclose(lengths, ratio * np.abs(other.positions[:, 2]), rtol=1e-12)
    flow = build_problem(declared(tmp_path, dynamics=dynamics)).flow
    confined = flow.confinement(build_problem(declared(tmp_path)).geometry).energy(other.positions, other.weights)
    assert_allclose(other.risk + confined, other.free_energy, rtol=1e-12)


def test_the_library_of_cone_programmes_is_named_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "clarabel", None)
    with pytest.raises(ConfigurationError, match=r"library Clarabel is needed; install it with: .*mfpde\[cone\]"):
        mfpde.optimum(declared(tmp_path, dynamics={"ridge": 0.05}))


def test_stationary_laws_on_kinks_are_not_said_to_be_all_found(tmp_path: Path) -> None:
    found = mfpde.stationary(declared(tmp_path, dynamics={"ridge": 0.05}), branches=False)
    assert not found.complete
    assert any("held from both sides" in words for words in found.completeness)


@pytest.mark.parametrize("loss", ["square", "logistic"])
def test_priced_cells_have_the_optimum_of_all_cells(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where cells are too many to be listed they are priced along great circles: F to rounding, and certified."""
    rng = np.random.default_rng(4)
    y = rng.normal(size=8)
    data = {"law": "dataset", "points": rng.normal(size=(8, 3)).tolist(), "values": np.sign(y).tolist(), "loss": loss}
    network = {"activation": "relu", "coefficients": "trained"}
    made = parse({"data": data, "network": network, "dynamics": {"ridge": 0.01}})
    listed = mfpde.optimum(made)
    monkeypatch.setattr(cone, "MOST_CELLS", 0)
    priced = mfpde.optimum(made)
    assert isinstance(priced, AtomicOptimum)
    assert priced.certified
    assert_allclose(priced.free_energy, listed.free_energy, rtol=1e-13)
    assert_allclose(priced.lower_bound, listed.lower_bound, rtol=2e-10)


def test_an_arrangement_of_too_many_cells_is_refused_in_words() -> None:
    rng = np.random.default_rng(0)
    data = {"law": "dataset", "points": rng.normal(size=(80, 4)).tolist(), "values": rng.normal(size=80).tolist()}
    network = {"activation": "relu", "coefficients": "trained"}
    with pytest.raises(ConfigurationError, match="the kinks of 80 samples cut 4 dimensions into up to"):
        mfpde.optimum(parse({"data": data, "network": network, "dynamics": {"ridge": 0.1}}))
