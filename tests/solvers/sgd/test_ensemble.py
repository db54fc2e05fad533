"""Replicas side by side: the states of each one alone, bit for bit, whoever stands beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import special

from mfpde.problem.activations.tanh import Tanh
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.flow.flow import Schedule
from mfpde.solvers.sgd.engine import GaussianClasses, Sgd
from mfpde.solvers.sgd.ensemble import Ensemble
from mfpde.solvers.sgd.samplers import Projections
from mfpde.solvers.sgd.sources.finite import FiniteSet

RANDOM = np.random.default_rng(3)
RAMP = PiecewiseLinear.through(np.array([0.5, 1.5]), np.array([-2.5, 7.5]))
MIXTURE = Sgd(GaussianClasses((2, 5), ((1.8, 0.2), (1.0, 1.0))), RAMP, 1e-2, seed=4)
INDEX = Projections.of(7, 1, lambda x: np.asarray(special.erf(x[:, 0])), noise=0.1)
SET = FiniteSet(RANDOM.standard_normal((9, 7)), np.sign(RANDOM.standard_normal(9)), np.full(9, 1 / 9), "epoch")
PROBLEMS = {
    "mixture": MIXTURE,
    "batches": replace(MIXTURE, batches=((0, 3), (11, 2)), trained_offsets=True, unit=Tanh()),
    "schedule and ridge": replace(MIXTURE, schedule=Schedule(1.0, -0.5), ridge=0.3, trained_coefficients=True),
    "single precision": replace(MIXTURE, precision="float32"),
    "inner products": replace(MIXTURE, data=GaussianClasses((60, 5), ((1.8, 0.2), (1.0, 1.0))), gram=True),
    "noise": replace(MIXTURE, ridge=0.3, inverse_temperature=50.0, trained_coefficients=True),
    "single index": replace(MIXTURE, data=INDEX),
    "data": replace(MIXTURE, data=SET, batch=2, unit=Tanh()),
    "drawn ahead": replace(MIXTURE, overlap=True),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_states_are_those_of_each_replica_alone(name: str) -> None:
    problem, replicas, stops = PROBLEMS[name], (3, 0, 7), (13, 40)
    w = np.random.default_rng(1).standard_normal((3, 11, problem.coordinates(11).dimension))
    together = Ensemble.of(problem, replicas)
    states = together.start(w, 1.2, np.linspace(-0.2, 0.2, 11))
    alone = [replace(problem, replica=replica).start(w[i], 1.2, states[i].b) for i, replica in enumerate(replicas)]
    for stop in stops:
        states = together.advance(states, stop)
        alone = [member.advance(state, stop) for member, state in zip(together.members, alone, strict=True)]
    for one, other in zip(states, alone, strict=True):
        assert one.step == other.step == stops[-1]
        assert all(np.array_equal(left, right) for left, right in zip(one.parts, other.parts, strict=True))
    assert len({state.w.tobytes() for state in states}) == 3, "replicas must differ"
