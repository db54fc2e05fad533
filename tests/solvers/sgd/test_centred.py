"""SGD at an output scale, and of a network whose first output is subtracted, against their definition."""

from __future__ import annotations

import numpy as np
import pytest

from mfpde.configuration.parsing import parse
from mfpde.problem.problem import build_problem
from mfpde.solvers.sgd.engine import SgdState
from mfpde.solvers.sgd.sources.centred import Centred
from mfpde.studies.sgd.networks import build_sgd, first_state, population_of

ALPHA, EPS = 3.0, 0.01


@pytest.mark.parametrize("centred", [False, True])
def test_steps_at_a_scale_are_those_of_the_definition(centred: bool) -> None:
    """theta += (eps/alpha) (y - f) grad sigma_*, f = (alpha/N) sum sigma_* less f_0 where it is centred."""
    experiment = parse(
        {
            "data": {"dims": [3, 2]},
            "network": {"activation": "tanh", "coefficients": "trained", "scale": ALPHA, "centred": centred},
            "sgd": {"neurons": 4, "step_size": EPS},
        }
    )
    problem, sgd = build_problem(experiment), build_sgd(experiment, 0)
    state = first_state(experiment, problem, sgd)
    w, a, first = state.w.copy(), state.a.copy(), state
    source = sgd.data.inner if isinstance(sgd.data, Centred) else sgd.data
    for x, y in zip(*source.samples(0, 3, sgd.seed, sgd.replica), strict=True):
        values, start = np.tanh(w @ x), np.tanh(first.w @ x)
        error = y - ALPHA * (a @ values - centred * (first.a @ start)) / len(a)
        w, a = (
            w + EPS / ALPHA * error * np.outer(a * (1.0 - values**2), x),
            a + EPS / ALPHA * error * values,
        )
    moved = sgd.advance(state, 3)
    np.testing.assert_allclose(moved.w, w, rtol=1e-12)
    np.testing.assert_allclose(moved.a, a, rtol=1e-12)


def test_risk_and_gradient_of_a_centred_network() -> None:
    """R = E y^2 at the start, and (N/2) dR/dtheta is the gradient, against differences of the exact risk."""
    tables = {"data": {"dims": [3, 2]}, "network": {"activation": "erf", "coefficients": "trained", "centred": True}}
    experiment = parse({**tables, "sgd": {"neurons": 4}})
    problem, sgd = build_problem(experiment), build_sgd(experiment, 0)
    state = first_state(experiment, problem, sgd)
    population = population_of(problem, sgd, 4)
    assert population.risk(state.w, state.a, state.b) == pytest.approx(1.0, abs=1e-12)
    moved = SgdState(0, state.w + 0.3, 1.5 * state.a, state.b)
    gw, ga, _ = population.gradient(moved.w, moved.a, moved.b, True, False)
    for index, gradient, name in (((1, 2), gw[1, 2], "w"), ((2,), ga[2], "a")):
        risks = []
        for step in (1e-5, -1e-5):
            parts = {"w": moved.w.copy(), "a": moved.a.copy()}
            parts[name][index] += step
            risks.append(population.risk(parts["w"], parts["a"], moved.b))
        assert gradient == pytest.approx(4 / 2 * (risks[0] - risks[1]) / 2e-5, rel=1e-7)


def test_samples_of_a_centred_network_hang_on_their_number_alone() -> None:
    experiment = parse({"data": {"dims": [3, 2]}, "network": {"activation": "erf", "centred": True}})
    data = build_sgd(experiment, 0).data
    x, y = data.samples(0, 300, 0, 0)
    for first, count in ((0, 1), (63, 2), (130, 170)):
        part = data.samples(first, count, 0, 0)
        np.testing.assert_array_equal(part[0], x[first : first + count])
        np.testing.assert_array_equal(part[1], y[first : first + count])
