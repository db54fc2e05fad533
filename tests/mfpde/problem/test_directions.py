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
from mfpde.experiment import Experiment
from mfpde.problem.initial.points import PointLaw
from mfpde.problem.problem import build_problem
from mfpde.results.answers.signed import SignedOptimum
from mfpde.solvers.space.measure import Atoms
from mfpde.studies.optimum.optimum import optimum
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


def on_data(tmp_path: Path, dimension: int, offsets: str, reduction: str, **parts: Any) -> Experiment:
    """Eight balanced neurons of both signs at six samples."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, dimension)), rng.normal(size=6)
    w = rng.normal(size=(8, dimension + (offsets != "none")))
    a = np.linalg.norm(w, axis=1) * np.tile([1.0, -1.0], 4)
    names = [*(f"w{i + 1}" for i in range(dimension)), "a", *["b"] * (offsets != "none")]
    rows, path = np.insert(w, dimension, a, axis=1), tmp_path / "whole.csv"
    np.savetxt(path, rows, delimiter=",", header=",".join(names), comments="", fmt="%.17g")
    network = {"activation": "relu", "coefficients": "trained", "offsets": offsets, "reduction": reduction}
    return parse(
        {
            "data": {"law": "dataset", "points": x.tolist(), "values": y.tolist(), **parts.get("data", {})},
            "network": network,
            "initial": parts.get("initial", {"points": str(path)}),
            "dynamics": {"ridge": 0.02},
            "time": {"end": 12.0, "save": [0.0, 3.0, 12.0]},
            "solver": {"scheme": parts.get("scheme", "characteristics")},
        }
    )


@pytest.mark.parametrize(
    ("dimension", "offsets", "names"),
    [
        (2, "none", ("angle", "sign")),
        (3, "none", ("u1", "u2", "u3", "sign")),
        pytest.param(2, "trained", ("u1", "u2", "u3", "sign"), marks=pytest.mark.long),
        (1, "trained", ("angle", "sign")),
        (1, "none", ("u1", "sign")),
    ],
)
def test_directions_on_data_stick_and_slide_as_the_neurons_do(
    tmp_path: Path, dimension: int, offsets: str, names: tuple[str, ...]
) -> None:
    """R, F, masses and directions of neurons and of their directions to 1e-10, with some of them held by kinks."""
    plane, sphere = (solve(on_data(tmp_path, dimension, offsets, name)) for name in ("none", "directions"))
    assert sphere.names == names
    assert_allclose(sphere.risk, plane.risk, atol=1e-10)
    assert_allclose(sphere.free_energy, plane.free_energy, atol=1e-10)
    points, law = plane.law_at(-1).points, sphere.law_at(-1)
    w, a = np.delete(points, dimension, axis=1), points[:, dimension]
    assert_allclose(law.weights, np.abs(a) * np.linalg.norm(w, axis=1) / 8, atol=1e-10)
    u, angle = law.points[:, :-1], law.points[:, 0]
    u = np.column_stack([np.cos(angle), np.sin(angle)]) if names[0] == "angle" else u
    assert_allclose(u, w / np.linalg.norm(w, axis=1, keepdims=True), atol=1e-9)
    assert_allclose(np.linalg.norm(u, axis=1), 1.0, atol=1e-15)
    assert np.abs(sphere.balance).max() < 1e-9
    if dimension > 1:
        kinks = build_problem(on_data(tmp_path, dimension, offsets, "none")).kinks
        assert kinks is not None
        assert np.any(np.abs(np.insert(u, dimension, 0.0, axis=1) @ kinks.normals.T) < 1e-10)


def test_directions_on_data_are_told_tested_and_given(tmp_path: Path) -> None:
    """Risks of a test set and predictions from neurons and from their directions; rows of unit vectors are a start."""
    (tmp_path / "test.csv").write_text("x1,x2,x3,y\n0.3,-1.0,0.5,1.0\n1.0,0.4,-0.2,-0.5\n")
    data = {"test": str(tmp_path / "test.csv")}
    experiments = [on_data(tmp_path, 3, "none", name, data=data) for name in ("none", "directions")]
    plane, sphere = (build_problem(experiment) for experiment in experiments)
    laws = [
        Atoms(law.rows, law.weights(8)) for law in (plane.initial_law, sphere.initial_law) if isinstance(law, PointLaw)
    ]
    x = np.array([[0.3, -1.0, 0.5], [1.0, 0.4, -0.2]])
    assert_allclose(sphere.predict(laws[1], x), plane.predict(laws[0], x), rtol=1e-13)
    assert_allclose(sphere.watches["test_risk"](laws[1]), plane.watches["test_risk"](laws[0]), rtol=1e-13)
    header = "u1,u2,u3,sign,weight"
    np.savetxt(
        tmp_path / "u.csv", np.column_stack([laws[1].points, laws[1].weights]), "%.17g", ",", header=header, comments=""
    )
    given = build_problem(on_data(tmp_path, 3, "none", "directions", initial={"points": str(tmp_path / "u.csv")}))
    assert given.risk(laws[1]) == sphere.risk(laws[1])
    assert given.initial_law.mass == pytest.approx(laws[1].mass, rel=1e-14)
    (tmp_path / "u.csv").write_text("u1,u2,u3,sign\n1.0,1.0,0.0,1\n")
    with pytest.raises(ConfigurationError, match=r"direction 1 of initial.points has length 1.41421; write unit vec"):
        on_data(tmp_path, 3, "none", "directions", initial={"points": str(tmp_path / "u.csv")})
    with pytest.raises(ConfigurationError, match=r"a\^2 != \|w\|\^2; write points"):
        on_data(tmp_path, 3, "none", "directions", initial={"kappa": 1.0})


@pytest.mark.parametrize("scheme", ["jko", "finite-volume"])
def test_cells_and_tables_on_a_sphere_are_refused(tmp_path: Path, scheme: str) -> None:
    with pytest.raises(ConfigurationError, match="u1 lies on a sphere, along which no cells or tables"):
        solve(on_data(tmp_path, 3, "none", "directions", scheme=scheme))


@pytest.mark.parametrize(("dimension", "offsets"), [(2, "none"), (2, "fixed")])
def test_the_optimum_by_directions_is_that_of_the_neurons(tmp_path: Path, dimension: int, offsets: str) -> None:
    """F of neurons under a ridge, offsets trained; eta passes 1 in magnitude nowhere on the circle."""
    trained = "trained" if offsets == "fixed" else offsets
    whole = optimum(on_data(tmp_path, dimension, trained, "none"))
    signed = optimum(on_data(tmp_path, dimension, offsets, "directions"))
    assert isinstance(signed, SignedOptimum)
    assert signed.certified
    assert_allclose(signed.free_energy, whole.free_energy, rtol=1e-13)
    assert_allclose(signed.free_energy, signed.risk + 2.0 * 0.02 * signed.weights.sum(), rtol=1e-13)
    if offsets == "none":
        assert 0.999 < np.abs(signed.dual).max() <= 1.0 + 1e-12
    else:
        discs = np.vstack([marks.get_offsets() for marks in signed.plot().axes[0].collections])
        assert sorted(discs.tolist()) == sorted(signed.positions[:, :2].tolist())
    with pytest.raises(ConfigurationError, match="--radius"):
        optimum(on_data(tmp_path, dimension, offsets, "directions"), 2.0)


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
        ({"network": {"offsets": "trained"}}, "with offsets it takes data sets and draws"),
        ({"network": {"coefficients": "fixed"}}, 'a must move; write coefficients = "trained"'),
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
    with pytest.raises(ConfigurationError, match="it takes whole neurons w1, w2"):
        parse(
            {
                "data": {"dims": [10]},
                "network": {"activation": "relu", "coefficients": "trained", "reduction": "directions"},
            }
        )


def test_sgd_and_studies_of_probability_laws_are_refused_in_words() -> None:
    from mfpde.studies.sgd.refusals import refuse

    with pytest.raises(ConfigurationError, match='write reduction = "none"') as refused:
        refuse(parse(tables("directions", [0.0, 1.0])))
    # neurons that there are none of are not counted
    assert "initial.points" not in str(refused.value)
