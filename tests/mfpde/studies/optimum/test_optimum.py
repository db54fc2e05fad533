"""The Gibbs law against the reference values, an exact Gaussian, and its own certificate."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from mfpde.commands.main import main
from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.optimum.gibbs import Gibbs, gibbs_law
from mfpde.studies.optimum.gibbs import gibbs_optimum
from tests.reference import values

REFERENCE = values()["gibbs"]


def activation(letter: str) -> dict[str, Any]:
    """The activation of the reference, as a table."""
    return dict(values()["conventions"]["activations"][letter])


@pytest.mark.parametrize("entry", REFERENCE, ids=lambda entry: f"beta={entry['params']['beta']:g}")
def test_reference_gibbs_laws(entry: dict[str, Any]) -> None:
    given = entry["params"]
    found = gibbs_optimum(
        parse(
            {
                "data": {"dims": [given["d"]], "delta": given["Delta"]},
                "network": {"activation": activation(given["act"])},
                "dynamics": {"inverse_temperature": given["beta"], "ridge": given["lambda"]},
            }
        )
    )
    assert found.risk == pytest.approx(entry["R"][0], abs=1e-10)
    assert found.free_energy == pytest.approx(entry["F"][0], abs=1e-10)
    assert found.mean[0] == pytest.approx(entry["mean_r"][0], abs=1e-9)
    assert found.variance[0] == pytest.approx(entry["var_r"][0], abs=1e-9)
    assert 0.0 <= found.free_energy - found.lower_bound + 1e-13 < 1e-10
    assert not found.at_boundary


def test_ridge_alone_gives_the_gaussian_law() -> None:
    """A unit times a = 0 leaves w ~ N(0, Id / (2 beta lambda)): F = 1 - (d / 2 beta) log(pi / (beta lambda))."""
    beta, ridge, dims = 40.0, 0.3, [7, 3]
    found = gibbs_optimum(
        parse(
            {
                "data": {"dims": dims, "delta": 0.5},
                "network": {"activation": "truncated-relu"},
                "initial": {"a": 0.0},
                "dynamics": {"inverse_temperature": beta, "ridge": ridge},
            }
        )
    )
    deviation = 1.0 / math.sqrt(2.0 * beta * ridge)
    norm = [math.sqrt(2.0) * special.gamma((p + 1) / 2) / special.gamma(p / 2) for p in dims]
    np.testing.assert_allclose(found.mean, deviation * np.array(norm), rtol=1e-10)
    np.testing.assert_allclose(found.variance, deviation**2 * (np.array(dims) - np.array(norm) ** 2), rtol=1e-9)
    assert found.risk == pytest.approx(1.0, abs=1e-12)
    exact = 1.0 - sum(dims) / (2.0 * beta) * math.log(math.pi / (beta * ridge))
    assert found.free_energy == pytest.approx(exact, abs=1e-10)


def test_a_box_that_cuts_the_law_says_so() -> None:
    tables = {
        "data": {"dims": [10], "delta": 0.8},
        "network": {"activation": activation("M")},
        "dynamics": {"inverse_temperature": 10.0, "ridge": 0.1},
    }
    narrow, wide = gibbs_optimum(parse(tables), radius=2.0), gibbs_optimum(parse(tables), radius=10.0)
    assert narrow.at_boundary
    assert not wide.at_boundary
    assert narrow.free_energy > wide.free_energy + 0.1
    assert wide.free_energy == pytest.approx(REFERENCE[0]["F"][0], abs=1e-10)


def test_no_other_law_on_the_rule_has_less_free_energy() -> None:
    generator = np.random.default_rng(4)
    features = generator.normal(size=(60, 3))
    objective = Objective(features, SquareLoss(np.array([0.5, 1.0, 2.0]), np.array([1.0, 0.0, -0.5]), 0.1))  # type: ignore[arg-type]
    log_weights, squares, ridge, beta = generator.normal(size=60), generator.random(60), 0.2, 3.0
    law = gibbs_law(objective, features, log_weights, 0.5 * ridge * squares, beta)
    assert law.residual < 1e-10
    assert law.half_free_energy == pytest.approx(law.half_lower_bound, abs=1e-12)
    for _ in range(50):
        other = law.masses * np.exp(0.3 * generator.normal(size=60))
        other /= other.sum()
        entropy = float(other @ (np.log(other) - log_weights))
        half = objective.loss.value(other @ features) + 0.5 * ridge * float(other @ squares) + entropy / (2 * beta)
        assert half > law.half_free_energy


def test_the_lower_bound_is_the_dual_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the primal value beside it: a conjugate that is larger by 1 lowers the bound alone, by 1."""

    class Shifted(SquareLoss):
        def conjugate(self, gradient: Array) -> float:
            return super().conjugate(gradient) + 1.0

    generator = np.random.default_rng(6)
    features, log_weights, squares = generator.normal(size=(40, 2)), generator.normal(size=40), generator.random(40)
    weights, targets = np.array([0.5, 1.0]), np.array([1.0, -0.5])
    plain, shifted = (
        gibbs_law(Objective(features, loss(weights, targets)), features, log_weights, 0.1 * squares, 3.0)  # type: ignore[arg-type]
        for loss in (SquareLoss, Shifted)
    )
    assert shifted.half_free_energy == pytest.approx(plain.half_free_energy, abs=1e-12)
    assert shifted.half_lower_bound == pytest.approx(plain.half_lower_bound - 1.0, abs=1e-12)
    # and so is the bound of the answer
    experiment = parse({"data": {"dims": [10]}, "network": {}, "dynamics": {"inverse_temperature": 10.0, "ridge": 0.1}})
    found = gibbs_optimum(experiment)

    def lowered(*arguments: Any) -> Gibbs:
        law = gibbs_law(*arguments)
        return replace(law, half_lower_bound=law.half_lower_bound - 0.25)

    monkeypatch.setattr("mfpde.studies.optimum.gibbs.gibbs_law", lowered)
    assert gibbs_optimum(experiment).lower_bound == pytest.approx(found.lower_bound - 0.5, abs=1e-12)


def test_what_has_no_gibbs_law_is_refused_with_every_reason() -> None:
    with pytest.raises(ConfigurationError) as caught:
        gibbs_optimum(parse({"data": {}, "network": {}}))
    assert len(caught.value.messages) == 2
    assert "write a finite beta" in str(caught.value)
    assert "write ridge > 0 or give a box with --radius" in str(caught.value)


def test_the_command_prints_and_keeps_one_json_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["--set", "data.dims=10", "--set", "dynamics.ridge=0.1", "--set", "dynamics.inverse_temperature=10.0"]
    kept = tmp_path / "optimum.json"
    assert main(["optimum", "isotropic-gaussians", *settings, "--json", "-o", str(kept)]) == 0
    printed = json.loads(capsys.readouterr().out)
    written = json.loads(kept.read_text())
    assert {**printed, "format": "mfpde gibbs 1", "checksum": written["checksum"]} == written
    assert printed["free_energy"] == pytest.approx(REFERENCE[0]["F"][0], abs=1e-10)
    assert printed["lower_bound"] <= printed["free_energy"]
    assert printed["radius"] is None
    assert printed["atoms"] == []
    assert main(["optimum", "isotropic-gaussians", *settings]) == 0
    assert "free energy  0.162630196" in capsys.readouterr().out


def test_the_command_names_every_problem_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "optimum.json"
    kept.write_text("mine")
    assert main(["optimum", "no-such", "--radius", "-1", "-o", str(kept)]) == 2
    message = capsys.readouterr().err
    assert "--radius -1: is not a finite number above 0" in message
    assert "no-such" in message
    assert "exists" in message
    assert kept.read_text() == "mine"


@pytest.mark.long
def test_three_blocks_have_a_bound_that_counts_every_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quadrature is compared with a coarser rule, and its change and that of the features are off the bound."""
    # a third of the nodes: what is asked does not need more
    monkeypatch.setattr("mfpde.studies.optimum.gibbs.MOST_NODES", 130_000)
    tables = {
        "data": {"dims": [5, 5, 30], "scales": [[1.8, 0.2], [1.2, 0.8], [1.0, 1.0]]},
        "network": {},
        "dynamics": {"inverse_temperature": 5.0, "ridge": 1.0},
    }
    best = gibbs_optimum(parse(tables))
    assert best.quadrature_change < 1e-10
    assert best.feature_error is not None
    assert 0.0 < best.feature_error < 1e-4
    assert best.lower_bound <= best.free_energy - best.quadrature_change - best.feature_error
