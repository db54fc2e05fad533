"""Mobilities: a common factor is another clock, 0 freezes, unequal ones keep the balance of energy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError
from mfpde.problem.problem import build_problem
from mfpde.solvers.flow.flow import Mobility
from mfpde.studies.sgd.networks import build_sgd, first_state, population_of
from mfpde.studies.solve import solve

START = {"radius": {"uniform": [0.4, 0.8]}, "a": {"uniform": [0.5, 1.0]}}
NOISY = {"inverse_temperature": 20.0, "ridge": 0.1}
SCHEMES = [
    ("characteristics", {}, {}),
    ("finite-volume", {}, {"cells": [32, 32]}),
    pytest.param("finite-volume", NOISY, {"cells": [16, 16]}, marks=pytest.mark.long),
    pytest.param("jko", NOISY, {"cells": [12, 12]}, marks=pytest.mark.long),
    ("particles", NOISY, {"atoms": [400]}),
]


def tables(end: float, mobility: dict[str, float] | None = None, **dynamics: Any) -> dict[str, Any]:
    return {
        "data": {"dims": [40]},
        "network": {"activation": "truncated-relu", "coefficients": "trained"},
        "initial": START,
        "dynamics": {**dynamics, **({} if mobility is None else {"mobility": mobility})},
        "time": {"end": end, "save": [0.0, end]},
        "solver": {"tolerance": 1e-5},
    }


@pytest.mark.parametrize(("scheme", "dynamics", "options"), SCHEMES)
def test_a_common_factor_is_another_clock(scheme: str, dynamics: dict[str, Any], options: dict[str, Any]) -> None:
    """m = 2 up to t is m = 1 up to 2 t: the errors of the time steps differ, those of cells and draws are the same."""
    slow = solve(parse({**tables(0.2, **dynamics), "solver": {"scheme": scheme, "tolerance": 1e-5, **options}}))
    fast = solve(
        parse(
            {
                **tables(0.1, {"w": 2.0, "a": 2.0}, **dynamics),
                "solver": {"scheme": scheme, "tolerance": 1e-5, **options},
            }
        )
    )
    change = abs(slow.risk[-1] - slow.risk[0])
    # noise of particles: two steps of half the length draw other numbers
    allowed = 0.2 * change if scheme == "particles" else 1e-3 * change
    assert abs(slow.risk[-1] - fast.risk[-1]) < allowed
    assert_allclose(fast.dissipation[0], 2.0 * slow.dissipation[0], rtol=1e-3, equal_nan=True)


def test_unequal_mobilities_keep_the_balance_and_schemes_agree() -> None:
    mobility = {"w": 0.25, "a": 3.0}
    lagrange = solve(parse(tables(0.5, mobility)), scheme="characteristics")
    euler = solve(parse({**tables(0.5, mobility), "solver": {"scheme": "finite-volume", "cells": [48, 48]}}))
    drops = lagrange.free_energy[-1] - lagrange.free_energy[0] + lagrange.dissipated[-1]
    assert abs(drops) < 1e-6
    assert abs(euler.free_energy[-1] - euler.free_energy[0] + euler.dissipated[-1]) < 1e-5
    assert abs(lagrange.risk[-1] - euler.risk[-1]) < 3.0 * euler.risk_error[-1] < 1e-3
    moved = solve(parse({**tables(0.5, mobility), "solver": {"scheme": "jko", "tolerance": 1e-4}}))
    assert abs(lagrange.risk[-1] - moved.risk[-1]) < 3.0 * moved.risk_error[-1] < 1e-3
    # a moves far and r hardly: other factors would show
    plain = solve(parse(tables(0.5)), scheme="characteristics")
    assert abs(lagrange.mean[-1, 1] - plain.mean[-1, 1]) > 0.05


@pytest.mark.parametrize("scheme", ["characteristics", "finite-volume", "particles"])
def test_nothing_frozen_moves(scheme: str) -> None:
    solver = {"scheme": scheme, **({"cells": [16, 16]} if scheme == "finite-volume" else {})}
    found = solve(parse({**tables(0.3, {"w": 0.0}), "solver": solver}))
    assert_allclose(found.mean[-1, 0], found.mean[0, 0], rtol=1e-12)
    assert_allclose(found.variance[-1, 0], found.variance[0, 0], rtol=1e-10)
    assert abs(found.mean[-1, 1] - found.mean[0, 1]) > 1e-2
    assert found.free_energy[-1] < found.free_energy[0]


@pytest.mark.parametrize("block", [0, 1])
def test_steps_of_sgd_and_their_noise_are_multiplied(block: int) -> None:
    """Mobility 2 of all and steps eps are steps 2 eps; with unequal ones the first step is read off the gradient."""
    experiment = parse({**tables(1.0), "sgd": {"neurons": 30, "step_size": 0.01}})
    problem, plain = build_problem(experiment), replace(build_sgd(experiment, 0), block=block)
    state = first_state(experiment, problem, plain)
    for noise in (np.inf, 10.0):
        own = replace(plain, inverse_temperature=noise, ridge=0.1)
        doubled = replace(own, mobility=Mobility(2.0, 2.0, 2.0)).advance(state, 40)
        longer = replace(own, step_size=0.02).advance(state, 40)
        assert_allclose(doubled.w, longer.w, rtol=1e-12, atol=1e-14)
        assert_allclose(doubled.a, longer.a, rtol=1e-12, atol=1e-14)
    once, other = plain.advance(state, 1), replace(plain, mobility=Mobility(0.5, 3.0)).advance(state, 1)
    assert_allclose(other.w - state.w, 0.5 * (once.w - state.w), rtol=1e-9, atol=1e-17)
    assert_allclose(other.a - state.a, 3.0 * (once.a - state.a), rtol=1e-9, atol=1e-17)
    frozen = replace(plain, mobility=Mobility(0.0, 1.0), inverse_temperature=10.0).advance(state, 10)
    assert_array_equal(frozen.w, state.w)


def test_the_coupled_drift_has_the_mobilities() -> None:
    from mfpde.solvers.networks.coupled import Drift

    experiment = parse({**tables(1.0, {"w": 0.5, "a": 3.0}), "sgd": {"neurons": 5, "step_size": 0.01}})
    problem, sgd = build_problem(experiment), build_sgd(experiment, 0)
    state = first_state(experiment, problem, sgd)
    population = population_of(problem, sgd, 5)
    own, even = Drift(sgd, population)(state), Drift(replace(sgd, mobility=Mobility()), population)(state)
    assert_allclose(own, even * np.repeat([0.5, 3.0], [200, 5]), rtol=1e-14)


def test_mobilities_of_what_does_not_move_are_refused_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse({**tables(-1.0, {"b": 1.0, "w": -1.0}), "network": {"coefficients": "fixed"}})
    told = str(refused.value)
    for words in ("dynamics.mobility.b: b is not trained", "dynamics.mobility.w = -1.0", "time.end"):
        assert words in told
    for given, words in [
        ({"w": 0.0, "a": 0.0}, "nothing moves"),
        ({"c": 1.0}, "did you mean"),
        (2.0, "must be a table"),
    ]:
        with pytest.raises(ConfigurationError, match=words):
            parse(tables(1.0, given))  # type: ignore[arg-type]
