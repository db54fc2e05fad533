"""Ridges by parameter and penalties of coefficients in every scheme: they agree, balance, and reach SGD."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp

from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import experiment_of, load_configuration
from mfpde.configuration.toml import to_toml
from mfpde.errors import ConfigurationError
from mfpde.problem.problem import build_problem
from mfpde.solvers.flow.confinement import Penalty, Ridge
from mfpde.solvers.networks.coupled import Drift
from mfpde.studies.sgd.networks import build_sgd, first_state, population_of
from mfpde.studies.sgd.refusals import refuse
from mfpde.studies.solve import solve

PENALTIES = [{"power": 3.0, "strength": 0.8}, {"path": 0.5}]


def tables(**dynamics: Any) -> dict[str, Any]:
    return {
        "data": {"dims": [40]},
        "network": {"activation": "truncated-relu", "coefficients": "trained"},
        "initial": {"radius": {"uniform": [0.4, 0.8]}, "a": {"uniform": [0.5, 1.0]}},
        "dynamics": dynamics,
        "time": {"end": 0.5, "save": [0.0, 0.5]},
        "solver": {"tolerance": 1e-5},
    }


@pytest.mark.parametrize("penalty", PENALTIES)
def test_schemes_agree_and_balance(penalty: dict[str, float]) -> None:
    """Within three stated errors; what any of them left out would move R by a tenth."""
    given = tables(ridge={"w": 0.3, "a": 0.05}, penalty=penalty)
    lagrange = solve(parse(given), scheme="characteristics")
    euler = solve(parse({**given, "solver": {"scheme": "finite-volume", "cells": [48, 48]}}))
    particles = solve(parse({**given, "solver": {"scheme": "particles", "atoms": [400], "tolerance": 1e-5}}))
    for found in (lagrange, euler):
        assert abs(found.free_energy[-1] - found.free_energy[0] + found.dissipated[-1]) < 1e-5
    for other in (euler, particles):
        assert abs(lagrange.risk[-1] - other.risk[-1]) < 3.0 * other.risk_error[-1]
    assert abs(lagrange.risk[-1] - solve(parse(tables()), scheme="characteristics").risk[-1]) > 0.02


@pytest.mark.long
def test_minimising_movements_agree_on_atoms_and_with_noise_on_cells() -> None:
    given = tables(ridge={"w": 0.3, "a": 0.05}, penalty=PENALTIES[0])
    lagrange = solve(parse(given), scheme="characteristics")
    atoms = solve(parse(given), scheme="jko")
    assert abs(lagrange.risk[-1] - atoms.risk[-1]) < 3.0 * atoms.risk_error[-1] < 1e-3
    noisy = tables(ridge={"w": 0.3}, penalty=PENALTIES[0], inverse_temperature=20.0)
    cells = {"cells": [20, 20]}
    found = [solve(parse({**noisy, "solver": {"scheme": name, **cells}})) for name in ("finite-volume", "jko")]
    assert abs(found[0].risk[-1] - found[1].risk[-1]) < 3.0 * (found[0].risk_error[-1] + found[1].risk_error[-1])


@pytest.mark.parametrize("penalty", PENALTIES)
def test_sgd_steps_along_the_coupled_drift(penalty: dict[str, float]) -> None:
    """What penalties add to a step, eps times, is what they add to the drift of the population."""
    given = {**tables(ridge={"w": 0.3, "a": 0.1}, penalty=penalty), "sgd": {"neurons": 5, "step_size": 0.01}}
    experiment = parse(given)
    problem, sgd = build_problem(experiment), build_sgd(experiment, 0)
    assert sgd.ridge == Ridge(0.3, 0.1)
    state, population = first_state(experiment, problem, sgd), population_of(problem, sgd, 5)
    free = replace(sgd, ridge=0.0, penalty=Penalty())
    added = Drift(sgd, population)(state) - Drift(free, population)(state)
    steps = [Drift(each, population).pack(each.advance(state, 1)) for each in (sgd, free)]
    assert_allclose(steps[0] - steps[1], sgd.step_size * added, atol=1e-15)
    assert np.abs(added).max() > 0.1


def test_a_path_is_refused_beside_inner_products_in_words() -> None:
    given = {**tables(penalty=PENALTIES[1]), "sgd": {"neurons": 5, "step_size": 0.01, "state": "gram"}}
    with pytest.raises(ConfigurationError, match="a path penalty needs the weights themselves"):
        refuse(parse(given))


def test_keys_survive_a_file(tmp_path: Path) -> None:
    for penalty in PENALTIES:
        experiment = parse(tables(ridge={"w": 0.3, "a": 0.05}, penalty=penalty))
        assert experiment_of(build_problem(experiment)).dynamics == experiment.dynamics
        (tmp_path / "run.toml").write_text(to_toml(experiment))
        assert load_configuration(tmp_path / "run.toml").dynamics == experiment.dynamics


@pytest.mark.parametrize("penalty", [PENALTIES[0], {"path": 0.05}, {"power": 1.5, "strength": 0.3}])
def test_on_a_data_set_the_flow_is_that_of_an_independent_integration(
    penalty: dict[str, float], tmp_path: Path
) -> None:
    """Two samples, four neurons a tanh(w x + b): gradients written down here, DOP853 at 1e-12, agreement to 1e-9."""
    x, y = np.array([-1.0, 0.7]), np.array([0.6, -0.4])
    start = np.array([[0.8, 1.0, 0.2], [-0.5, 0.6, -0.1], [1.2, -0.9, 0.0], [0.3, -1.4, 0.5]])
    ridge = {"w": 0.05, "a": 0.1, "b": 0.2}
    lambdas = np.array([ridge[name] for name in "wab"])

    def slopes(_: float, flat: Any) -> Any:
        w, a, b = flat.reshape(4, 3).T
        value = np.tanh(np.multiply.outer(w, x) + b[:, None])
        excess = (a @ value / 4 - y) / 2
        bend = (1.0 - value**2) * excess
        found = np.column_stack([a * (bend @ x), value @ excess, a * bend.sum(axis=1)]) + lambdas * flat.reshape(4, 3)
        power, path = penalty.get("power", 2.0), penalty.get("path", 0.0)
        found[:, 1] += penalty.get("strength", 0.0) * np.sign(a) * np.abs(a) ** (power - 1.0)
        found[:, 1] += path * np.abs(w) * np.sign(a)
        found[:, 0] += path * np.abs(a) * np.sign(w)
        return -found.ravel()

    exact = solve_ivp(slopes, (0.0, 2.0), start.ravel(), "DOP853", rtol=1e-12, atol=1e-13).y[:, -1].reshape(4, 3)
    rows = "\n".join(",".join(map(repr, row)) for row in start.tolist())
    (tmp_path / "start.csv").write_text(f"w1,a,b\n{rows}\n")
    given = {
        "data": {"law": "dataset", "points": [[-1.0], [0.7]], "values": y.tolist()},
        "network": {"activation": "tanh", "coefficients": "trained", "offsets": "trained"},
        "initial": {"points": str(tmp_path / "start.csv")},
        "dynamics": {"ridge": ridge, "penalty": penalty},
        "time": {"end": 2.0, "save": [0.0, 2.0]},
        "solver": {"scheme": "characteristics", "tolerance": 1e-11},
    }
    found = solve(parse(given))
    assert_allclose(found.law_at(-1).points, exact, atol=1e-9)
