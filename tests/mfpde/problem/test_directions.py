"""Homogeneous units by their directions: the flow of free masses on the circle is that of the neurons themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import experiment_of
from mfpde.configuration.toml import to_tables
from mfpde.errors import ConfigurationError
from mfpde.problem.initial import PointLaw
from mfpde.problem.problem import build_problem
from mfpde.studies.solve import solve

ENTRIES = json.loads((Path(__file__).parents[2] / "reference_circle.json").read_text())
REFERENCE: dict[str, dict[str, Any]] = {entry["id"]: entry["values"] for entry in ENTRIES}


def tables(reduction: str, times: list[float], **parts: Any) -> dict[str, Any]:
    network = {"activation": "relu", "coefficients": "trained", "reduction": reduction}
    return {
        "data": {"law": "teacher-network"},
        "network": {**network, **parts.get("network", {})},
        "initial": parts.get("initial", {"equispaced": 50}),
        "dynamics": parts.get("dynamics", {}),
        "time": {"end": times[-1], "save": times},
        "solver": {"scheme": "characteristics", "tolerance": 1e-11, **parts.get("solver", {})},
    }


@pytest.mark.parametrize("ridge", [pytest.param(0.0, marks=pytest.mark.long), 0.05])
def test_masses_on_directions_follow_the_neurons(ridge: float) -> None:
    """R, F and the path norm of 12 neurons in w1, w2, a and of their masses: equal to 1e-10, places too.

    A growth of 1 for 2, or a ridge that is not 2 lambda TV, would be off by tenths.
    """
    parts = {"initial": {"equispaced": 6}, "dynamics": {"ridge": ridge}}
    plane, circle = (solve(parse(tables(name, [0.0, 0.4, 0.8], **parts))) for name in ("none", "directions"))
    assert circle.names == ("angle", "sign")
    assert_allclose(circle.risk, plane.risk, atol=1e-10)
    assert_allclose(circle.free_energy, plane.free_energy, atol=1e-10)
    points, law = plane.law_at(-1).points, circle.law_at(-1)
    lengths = np.hypot(*points[:, :2].T)
    assert_allclose(points[:, 2] ** 2, lengths**2, rtol=1e-9)
    assert_allclose(law.weights, np.abs(points[:, 2]) * lengths / 12, rtol=1e-9)
    turned = np.column_stack([np.cos(law.points[:, 0]), np.sin(law.points[:, 0]), law.points[:, 1]])
    assert_allclose(turned[:, :2], points[:, :2] / lengths[:, None], atol=1e-9)
    assert_allclose(turned[:, 2], np.sign(points[:, 2]))
    assert circle.balance.max() < 1e-9


@pytest.mark.long
def test_presets_against_independent_integrations() -> None:
    """R and the path norm to t = 2 (spread) and t = 100 (arc, which stalls): within 1e-8, and three stated errors."""
    for name, end, key in (("spread", 4, "A.relu2d.spread100"), ("arc", 9, "A.relu2d.arc100")):
        times, values = REFERENCE[key]["t"][:end], REFERENCE[key]
        found = solve(f"relu-teacher-{name}", overrides=[f"time.end={times[-1]}", f"time.save={times}"])
        assert_allclose(found.risk, values["R"][:end], atol=1e-8)
        assert (np.abs(found.risk - values["R"][:end]) <= 3.0 * found.risk_error).all()
        if "path_norm" in values:
            assert_allclose(found.mass, values["path_norm"][:end], atol=1e-7)


@pytest.mark.long
def test_finite_volumes_on_both_circles_agree_within_their_errors() -> None:
    circle = solve(parse(tables("directions", [0.0, 0.5], dynamics={"ridge": 0.02})))
    grid = {"scheme": "finite-volume", "cells": [256, 2], "tolerance": 1e-6}
    found = solve(parse(tables("directions", [0.0, 0.5], dynamics={"ridge": 0.02}, solver=grid)))
    assert abs(found.risk[-1] - circle.risk[-1]) < 3.0 * found.risk_error[-1] < 1e-3
    assert found.mass[-1] == pytest.approx(circle.mass[-1], abs=1e-4)


def test_given_atoms_are_projected_or_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "whole.csv").write_text("w1,w2,a,weight\n0.0,2.0,-2.0,1.0\n-0.6,0.8,1.0,3.0\n")
    (tmp_path / "reduced.csv").write_text(
        f"angle,sign,weight\n{np.pi / 2!r},-1,1.0\n{float(np.arctan2(0.8, -0.6))!r},1,0.75\n"
    )
    laws = []
    for name in ("whole", "reduced"):
        given = tables("directions", [0.0, 1.0], initial={"points": str(tmp_path / f"{name}.csv")})
        law = build_problem(parse(given)).initial_law
        assert isinstance(law, PointLaw)
        laws.append(law)
    for law in laws:
        assert_allclose(law.rows, [[np.pi / 2, -1.0], [np.arctan2(0.8, -0.6), 1.0]], atol=1e-15)
    assert laws[1].mass == pytest.approx(1.75, rel=1e-15)
    assert laws[0].mass == pytest.approx(4.0 * laws[1].mass, rel=1e-15)


def test_it_survives_a_file_and_a_problem_made_in_python() -> None:
    experiment = parse(tables("directions", [0.0, 1.0], dynamics={"ridge": 0.1}))
    again = build_problem(experiment_of(build_problem(experiment)))
    assert again.flow == build_problem(experiment).flow
    assert again.flow.growth == 2.0
    assert again.flow.penalty.path == 0.1
    assert parse(to_tables(experiment)) == experiment


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"network": {"activation": "tanh"}}, 'write activation = "relu"'),
        ({"network": {"activation": {"knots": [0.5, 1.5], "values": [0.0, 1.0]}}}, 'write activation = "relu"'),
        ({"dynamics": {"inverse_temperature": 10.0}}, "noise moves |w| and a apart"),
        ({"dynamics": {"ridge": {"w": 0.1}}}, "one ridge for w and a"),
        ({"dynamics": {"penalty": {"power": 3.0, "strength": 0.1}}}, "no power"),
        ({"dynamics": {"mass": "free", "growth": 1.0}}, "its growth is 2"),
        ({"dynamics": {"mobility": {"w": 0.5}}}, "its growth is 2"),
        ({"network": {"offsets": "trained"}}, "there be no b"),
        ({"network": {"scale": 10.0}}, "not defined beside scale"),
        ({"initial": {"kappa": 1.0}}, "write initial.equispaced = 50, or points"),
    ],
)
def test_what_does_not_project_is_refused(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse(tables("directions", [0.0, 1.0], **parts))
    assert words in str(refused.value)


def test_neurons_that_are_not_balanced_are_named(tmp_path: Path) -> None:
    (tmp_path / "start.csv").write_text("w1,w2,a\n1.0,0.0,1.0\n0.0,0.5,-1.0\n")
    with pytest.raises(ConfigurationError, match=r"neuron 2 has .a. = 1 and .w. = 0.5"):
        parse(tables("directions", [0.0, 1.0], initial={"points": str(tmp_path / "start.csv")}))
    with pytest.raises(ConfigurationError, match="inputs in the plane"):
        parse(
            {
                "data": {"dims": [10]},
                "network": {"activation": "relu", "coefficients": "trained", "reduction": "directions"},
            }
        )


def test_sgd_and_studies_of_probability_laws_are_refused_in_words() -> None:
    from mfpde.studies.sgd.refusals import refuse

    with pytest.raises(ConfigurationError, match='write reduction = "none"'):
        refuse(parse(tables("directions", [0.0, 1.0])))
