"""The optimum without noise against the reference values, closed forms, and its own certificate."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import integrate

from mfpde.commands.main import main
from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError
from mfpde.problem.problem import Problem
from mfpde.solvers.objective.representation import ReducedObjective
from mfpde.studies.optimum.atoms import extrapolated, optimum_atoms
from tests.reference import values

ISOTROPIC, ANISOTROPIC = values()["optimum_isotropic"], values()["optimum_anisotropic"]
INCREASING = values()["conventions"]["activations"]["M"]


def tables(letter: str, delta: float, dims: list[int] | None) -> dict[str, Any]:
    """A problem of the reference; two blocks at d = infinity without dims."""
    data = {"dims": dims} if dims else {"dims": "infinite", "fractions": [0.1875, 0.8125]}
    activation = values()["conventions"]["activations"][letter]
    return {"data": {**data, "delta": delta}, "network": {"activation": activation}}


@pytest.mark.parametrize("entry", ISOTROPIC, ids=lambda entry: f"{entry['act']}-{entry['d']}")
def test_reference_optima_with_one_block(entry: dict[str, Any]) -> None:
    problem = parse(tables(entry["act"], entry["Delta"], [entry["d"]]))
    found = optimum_atoms(problem, entry["rmax"], growth=())
    assert found.risk == pytest.approx(entry["R_opt"], abs=1e-15)
    assert 0.0 <= found.free_energy - found.lower_bound <= 1e-10 * found.risk
    assert found.certified
    np.testing.assert_allclose(found.positions[:, 0], entry["atoms"], atol=1e-8)
    np.testing.assert_allclose(found.weights, entry["weights"], atol=1e-8)
    assert found.boundary_mass == pytest.approx(entry["weights"][-1], abs=1e-8)


def test_the_error_of_the_features_is_taken_off_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = parse(tables("T", 0.8, None))
    found = optimum_atoms(problem, 5.0, growth=())

    def rougher(*arguments: Any) -> ReducedObjective:
        reduced = represent(*arguments)
        return replace(reduced, error=reduced.error + 0.01)

    represent = Problem.represent
    monkeypatch.setattr(Problem, "represent", rougher)
    again = optimum_atoms(problem, 5.0, growth=())
    assert again.lower_bound <= found.lower_bound - 0.0099
    assert again.feature_error == pytest.approx(found.feature_error + 0.01, rel=1e-12)
    assert not again.certified


@pytest.mark.parametrize("entry", ANISOTROPIC[:3], ids=["0.8-320", "0.5-320", "0.5-inf"])
def test_reference_optima_with_two_blocks(entry: dict[str, Any]) -> None:
    given = entry["params"]
    dims = None if given["d"] == "inf" else [given["s0"], given["d"] - given["s0"]]
    found = optimum_atoms(parse(tables("T", given["Delta"], dims)), given["rmax"], growth=())
    assert found.risk == pytest.approx(entry["R_opt"], abs=2 * entry["R_error_bound"])
    assert 0.0 <= found.free_energy - found.lower_bound <= 1e-10 * found.risk
    # the reference minimised values only: its position is good to the root of its error
    np.testing.assert_allclose(found.positions, [entry["atoms_r1_r2_w"][0][:2]], atol=2e-5)
    assert not found.at_boundary


def exact_risk(r1: float) -> float:
    """R of the atom (r1, 0) of the truncated ReLU with a first block of dimension 4, scales 1.8 and 0.2, by quad.

    n on S^3 has the density (2 / pi) (1 - n^2)^(1/2), which gives E clip(s n, 0, 1) in closed form.
    """

    def unit(s: float) -> float:
        knot = min(1.0 / s, 1.0) if s > 0 else 1.0
        below = (knot * math.sqrt(1 - knot**2) + math.asin(knot)) / math.pi
        return float(s * 2 / (3 * math.pi) * (1 - (1 - knot**2) ** 1.5) + 0.5 - below)

    total = 0.0
    for scale, label in ((1.8, 1.0), (0.2, -1.0)):
        knot = 1.0 / (r1 * scale)

        def integrand(rho: float, c: float = r1 * scale, y: float = label) -> float:
            return rho**3 / 2 * math.exp(-(rho**2) / 2) * (y - unit(c * rho)) ** 2

        for low, high in ((0.0, knot), (knot, knot + 3), (knot + 3, knot + 9)):
            total += 0.5 * integrate.quad(integrand, low, high, epsabs=1e-13, epsrel=1e-13)[0]
    return total


@pytest.mark.long
def test_small_blocks_against_an_independent_quadrature() -> None:
    """The reference value for (10, 4) is 6.4e-8 low: truncated expansions converge slowly there."""
    entry = ANISOTROPIC[3]
    found = optimum_atoms(parse(tables("T", 0.8, [4, 6])), 3.0, growth=())
    assert found.risk == pytest.approx(exact_risk(float(found.positions[0, 0])), abs=2e-11)
    assert found.risk == pytest.approx(entry["R_opt"], abs=1e-7)
    assert 0.0 <= found.free_energy - found.lower_bound <= 1e-10 * found.risk
    assert found.positions[0, 1] == 0.0
    slope = (exact_risk(found.positions[0, 0] + 1e-4) - exact_risk(found.positions[0, 0] - 1e-4)) / 2e-4
    assert abs(slope) < 5e-9


def test_above_the_threshold_the_limit_is_fitted_exactly() -> None:
    """At d = infinity one atom has zero risk at Delta = 0.474219; beyond it two atoms do."""
    below = optimum_atoms(parse({**tables("M", 0.45, None)}), 10.0, growth=())
    above = optimum_atoms(parse({**tables("M", 0.6, None)}), 10.0, growth=())
    assert above.risk < 1e-25
    assert above.lower_bound == 0.0
    assert above.certified
    assert below.risk > 1e-4
    assert below.certified


def test_the_three_bumps_are_found() -> None:
    bumps = {
        "data": {"law": "gaussian-bumps", "centres": [-2.5, 0.0, 2.5], "width": 0.5},
        "network": {},
        "initial": {"position": {"normal": [-2.5, 1.5]}},
    }
    found = optimum_atoms(parse(bumps), 10.0, growth=())
    assert found.risk < 1e-25
    np.testing.assert_allclose(found.positions[:, 0], [-2.5, 0.0, 2.5], atol=1e-7)
    np.testing.assert_allclose(found.weights, 1 / 3, atol=1e-8)
    assert found.note == "no mass at the end of the box"
    assert found.table().count("atom  ") == 3


def test_relu_with_a_ridge_has_its_closed_form() -> None:
    """q(t) = t / sqrt(2 pi) at d = infinity: F = (1 - 1.6 k)^2 / 2 + (1 + 0.4 k)^2 / 2 + lambda r^2, k = q(r)."""
    ridge = 0.01
    data = {"dims": "infinite", "fractions": [1.0], "delta": 0.6}
    problem = {"data": data, "network": {"activation": "relu"}, "dynamics": {"ridge": ridge}}
    found = optimum_atoms(parse(problem), 10.0, growth=())
    root = math.sqrt(2 * math.pi)
    r = 0.6 / root / ((1.6**2 + 0.4**2) / (2 * math.pi) + ridge * 2.0) * 2.0
    k = r / root
    assert found.positions[0, 0] == pytest.approx(r, abs=1e-9)
    exact = 0.5 * (1 - 1.6 * k) ** 2 + 0.5 * (1 + 0.4 * k) ** 2 + ridge * r**2
    assert found.free_energy == pytest.approx(exact, abs=1e-13)
    assert found.free_energy - found.risk == pytest.approx(ridge * r**2, abs=1e-12)
    assert found.certified


def test_trained_coefficients_stay_in_their_box() -> None:
    data = {"dims": [20], "delta": 0.6}
    network = {"activation": "truncated-relu", "coefficients": "trained", "offsets": "trained"}
    found = optimum_atoms(parse({"data": data, "network": network, "dynamics": {"ridge": 0.01}}), 3.0, growth=())
    assert found.names == ("r1", "a", "b")
    np.testing.assert_allclose(np.abs(found.positions[:, 1]), 3.0, atol=1e-12)
    assert found.at_boundary
    assert found.certified
    assert found.free_energy == pytest.approx(0.469892295589, abs=1e-11)


def test_growing_radii_are_reported_with_their_limit() -> None:
    found = optimum_atoms(parse(tables("M", 0.8, [40])), 10.0)
    assert [radius for radius, _ in found.larger] == [20.0, 40.0, 80.0]
    assert [value for _, value in found.larger] == pytest.approx(
        [0.00440575403, 0.00359548186, 0.00331537072], rel=1e-8
    )
    assert found.limit is not None
    direct = optimum_atoms(parse(tables("M", 0.8, [40])), 2000.0, growth=())
    assert abs(direct.risk - found.limit[0]) < 2.0 * found.limit[1]
    assert "0.47562 of the mass sits at the end of the box: the optimum depends on the radius" in found.note
    assert "the limit as the radius grows is about" in found.note


def test_extrapolation_knows_where_there_is_no_limit() -> None:
    assert extrapolated([2.0, 1.5, 1.25, 1.125]) == pytest.approx((1.0, 0.0), abs=1e-12)
    assert extrapolated([2.0, 1.0, 0.0, -1.0]) is None
    assert extrapolated([1.0, 0.5, 0.5, 0.5]) == (0.5, 0.0)
    assert extrapolated([1.0, 0.9, 0.95, 0.7]) is None


def test_noise_and_frozen_laws_are_refused_with_every_reason() -> None:
    wrong = {
        "data": {"dims": [10], "delta": 0.5},
        "network": {"activation": "truncated-relu"},
        "initial": {"a": {"normal": [0.0, 1.0]}},
        "dynamics": {"inverse_temperature": 5.0, "ridge": 0.1},
    }
    with pytest.raises(ConfigurationError) as caught:
        optimum_atoms(parse(wrong), 3.0)
    assert len(caught.value.messages) == 2
    assert "with noise the optimum is a Gibbs law, write inf" in str(caught.value)
    assert "initial.a: a fixed random law" in str(caught.value)


def test_the_command_prints_the_atoms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["optimum", "isotropic-gaussians", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["radius"] == 10.0
    assert printed["risk"] == pytest.approx(ISOTROPIC[0]["R_opt"], abs=1e-14)
    assert [atom["position"]["r1"] for atom in printed["atoms"]] == pytest.approx(ISOTROPIC[0]["atoms"], abs=1e-8)
    assert sum(atom["weight"] for atom in printed["atoms"]) == pytest.approx(1.0, abs=1e-14)
    assert printed["at_boundary"] is True
    assert printed["lower_bound"] <= printed["free_energy"]
    assert main(["optimum", "isotropic-gaussians", "--radius", "3"]) == 0
    shown = capsys.readouterr().out
    assert "radius       3" in shown
    assert "depends on the radius" in shown
