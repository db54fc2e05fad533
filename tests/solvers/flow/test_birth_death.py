"""Birth and death along characteristics: mass, the energy identity, the exact replicator, the end of Fisher-Rao."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mfpde.configuration.parsing import parse
from mfpde.problem.problem import build_problem
from mfpde.schemes.pair import make_pair
from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.characteristics import Characteristics
from mfpde.solvers.flow.time_loop import Observation, integrate


def run(times: list[float], flow: str, rate: float, ridge: float = 0.0) -> tuple[Characteristics, list[Observation]]:
    """The isotropic problem d = 40 with birth and death, at tolerance 1e-9."""
    tables: dict[str, dict[str, Any]] = {
        "data": {"dims": [40], "delta": 0.8},
        "network": {"activation": {"knots": [0.5, 1.5], "values": [-2.5, 7.5]}},
        "initial": {"kappa": 0.8},
        "dynamics": {"flow": flow, "fisher_rao_rate": rate, "ridge": ridge},
        "time": {"end": max(times), "save": 2},
        "solver": {"scheme": "characteristics", "tolerance": 1e-9},
    }
    configuration = parse(tables)
    scheme = make_pair(build_problem(configuration), configuration).main
    assert isinstance(scheme, Characteristics)
    seen: list[Observation] = []
    integrate(scheme, scheme.initial_state(), times, lambda _, state: seen.append(scheme.observe(state)))
    return scheme, seen


def potential(scheme: Characteristics, law: Observation, ridge: float) -> tuple[Array, Array, Array]:
    """G and its gradient at the atoms, and their weights."""
    positions, weights = law.law.points, law.law.weights
    outputs = scheme.objective.outputs(positions, weights)
    value, gradient = scheme.objective.features.contract(positions, scheme.objective.loss_gradient(outputs))
    return value + 0.5 * ridge * (positions**2).sum(axis=1), gradient + ridge * positions, weights


@pytest.mark.parametrize(
    ("flow", "rate", "ridge", "transport"),
    [
        ("wasserstein-fisher-rao", 2.0, 0.0, 1.0),
        ("wasserstein-fisher-rao", 0.5, 0.1, 1.0),
        ("fisher-rao", 1.0, 0.05, 0.0),
    ],
)
def test_energy_falls_at_the_rate_of_the_theory(flow: str, rate: float, ridge: float, transport: float) -> None:
    """dF/dt = -2 (∫|grad G|^2 drho + alpha Var_rho G), by a fourth-order difference in time."""
    step = 0.005
    scheme, laws = run([0.3 + k * step for k in (-2, -1, 0, 1, 2)], flow, rate, ridge)
    energy = [law.free_energy for law in laws]
    measured = (energy[0] - 8 * energy[1] + 8 * energy[3] - energy[4]) / (12 * step)
    value, gradient, weights = potential(scheme, laws[2], ridge)
    spread = weights @ (value - weights @ value) ** 2
    moved = weights @ (gradient**2).sum(axis=1)
    assert rate * spread > 1e-4
    assert measured == pytest.approx(-2.0 * (transport * moved + rate * spread), rel=2e-5)
    for law in laws:
        assert law.mass == pytest.approx(1.0, abs=1e-14)
        assert np.all(law.law.weights >= 0.0)


def test_fisher_rao_leaves_the_atoms_and_follows_the_replicator() -> None:
    """Without transport, log(w_i / w_j) changes by -alpha ∫(G_i - G_j) ds: checked by Simpson's rule in time.

    From the start on the panels of the end, so that births halve none on the way.
    """
    rate, times = 1.5, list(np.linspace(0.0, 0.4, 9))
    scheme, _ = run(times, "fisher-rao", rate)
    ended = integrate(scheme, scheme.initial_state(), times[-1:], lambda _, state: None)
    laws: list[Observation] = []
    integrate(scheme, scheme.state_on(ended), times, lambda _, state: laws.append(scheme.observe(state)))
    first, last = laws[0].law, laws[-1].law
    np.testing.assert_array_equal(first.points, last.points)
    values = np.array([potential(scheme, law, 0.0)[0] for law in laws])
    simpson = np.array([1, 4, 2, 4, 2, 4, 2, 4, 1]) * 0.05 / 3.0
    exponent = -rate * simpson @ values
    expected = first.weights * np.exp(exponent - exponent.max())
    np.testing.assert_allclose(last.weights, expected / expected.sum(), rtol=1e-6, atol=1e-16)


def test_birth_and_death_alone_reach_less_risk_than_transport_alone_where_it_stalls() -> None:
    """From kappa = 0.8 transport needs t of tens to split the law; with births the risk is lower all along."""
    _, plain = run([1.0, 3.0], "wasserstein", 0.0)
    _, unbalanced = run([1.0, 3.0], "wasserstein-fisher-rao", 5.0)
    for without, with_births in zip(plain, unbalanced, strict=True):
        assert with_births.risk < without.risk - 1e-3
