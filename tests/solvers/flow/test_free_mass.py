"""Free mass on weighted points: exact laws, the order, the duality gap, decay at any step."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.reaction import Reaction, kl_step
from mfpde.solvers.objective.losses.pointwise import nodal_loss
from mfpde.solvers.objective.objective import Objective
from tests.solvers.flow.test_reaction import PLACES, bell, free_energy, one_step, reaction, waves
from tests.solvers.problems import Nothing


def free(targets: Array, rate: float = 1.3, ridge: float = 0.2, scale: float = 1.0) -> Reaction:
    return replace(reaction(scale * waves(len(targets)), targets, ridge=ridge, rate=rate), free=True)


def start() -> Array:
    """Of mass 1.7, over 30 decades."""
    return np.asarray(1.7 * bell() * 10.0 ** (-10.0 * np.abs(PLACES - 0.3)))


def logistic() -> Reaction:
    features, signs = waves(6), np.array([1.0, -1.0, 1.0, 1.0, -1.0, -1.0])
    objective = Objective(Nothing(1), nodal_loss("logistic", np.full(6, 1.0 / 6.0), signs))
    return Reaction(objective, lambda g: features @ g, lambda m: m @ features, 1.3, free=True)


@pytest.mark.parametrize("order", [1, 2])
def test_a_linear_energy_gives_the_exponential_law_in_one_step(order: int) -> None:
    """Without features only V = lambda z^2 / 2 acts: m(s) = m(0) exp(-kappa V s), for both steps exactly."""
    points = free(np.zeros(1), rate=1.7, ridge=0.8)
    points = replace(points, potential=lambda g: 0.0 * PLACES, outputs=lambda m: np.zeros(1))
    found = one_step(points, start(), 3.0, order)
    np.testing.assert_allclose(found.masses, start() * np.exp(-1.7 * 3.0 * 0.4 * PLACES**2), rtol=1e-13)


def test_one_point_of_one_feature_grows_logistically() -> None:
    """Phi = 1, y = 2: m' = kappa m (2 - m), so that m = 2 / (1 + (2/m_0 - 1) exp(-2 kappa s))."""
    points = Reaction(reaction(np.ones((1, 1)), np.array([2.0])).objective, lambda g: g, lambda m: m, 0.7, free=True)
    exact = 2.0 / (1.0 + (2.0 / 0.1 - 1.0) * np.exp(-2.0 * 0.7 * 1.5))
    errors = []
    for steps in (40, 80):
        masses = np.array([0.1])
        for _ in range(steps):
            masses = one_step(points, masses, 1.5 / steps, 2).masses
        errors.append(abs(float(masses[0]) - exact))
    assert errors[1] < 2e-5
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.05)


@pytest.mark.parametrize(("order", "ceiling"), [(1, 4e-2), (2, 2e-4)])
@pytest.mark.parametrize("points", [free(np.linspace(-3.0, 3.0, 6)), logistic()], ids=["square", "logistic"])
def test_order_with_a_ceiling(points: Reaction, order: int, ceiling: float) -> None:
    def end(steps: int, order: int) -> Array:
        masses = start()
        for _ in range(steps):
            masses = one_step(points, masses, 0.5 / steps, order).masses
        return masses

    exact = end(512, 2)
    errors = [float(np.abs(end(steps, order) - exact).sum()) for steps in (16, 32, 64)]
    assert errors[-1] < ceiling
    for coarse, fine in pairwise(errors):
        assert abs(np.log2(coarse / fine) - order) < 0.1


@pytest.mark.parametrize("step", [1e-3, 0.3, 30.0])
@pytest.mark.parametrize("points", [free(np.linspace(-9.0, 9.0, 6)), logistic()], ids=["square", "logistic"])
def test_duality_gap_is_the_difference_of_the_two_values(points: Reaction, step: float) -> None:
    """P(mu) = F(mu)/2 + KL(mu | m)/(kappa tau) and D(g) = -L*(g) - ∫(exp(-kappa tau G) - 1) dm/(kappa tau)."""
    masses, found = start(), kl_step(points, start(), step)
    reach = points.rate * step
    entropy = float(found.masses @ np.log(found.masses / masses)) - float(found.masses.sum() - masses.sum())
    energy = points.objective.loss.value(points.outputs(found.masses))
    energy += 0.0 if points.confinement is None else float(found.masses @ points.confinement)
    gained = float(masses @ np.expm1(-reach * points.psi(found.gradient)))
    dual = -points.objective.loss.conjugate(found.gradient) - gained / reach
    assert abs(energy + entropy / reach - dual) < 1e-13 * (1.0 + 1.0 / reach)
    assert 0.0 <= found.gap < 1e-20


def test_energy_balance_of_the_midpoint_step() -> None:
    """F falls by 2 kappa ∫G^2 dm, not its variance: by Simpson's rule to order 4 in the step."""
    points, balances = free(np.linspace(-3.0, 3.0, 6)), []
    for steps in (8, 16):
        masses, dissipated = start(), 0.0
        for _ in range(steps):
            found = one_step(points, masses, 0.5 / steps, 2)
            masses, dissipated = found.masses, dissipated + found.dissipated
        balances.append(abs(free_energy(points, masses) - free_energy(points, start()) + dissipated))
    assert balances[1] < 1e-4
    assert balances[0] / balances[1] > 2.0**3.8


@pytest.mark.long
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    number=st.integers(1, 7),
    step=st.floats(1e-6, 1e3),
    rate=st.floats(1e-3, 1e2),
    scale=st.sampled_from([1e-3, 1.0, 10.0]),
    mass=st.sampled_from([1e-3, 1.0, 20.0]),
)
def test_any_problem_keeps_sign_and_decay(
    seed: int, number: int, step: float, rate: float, scale: float, mass: float
) -> None:
    generator = np.random.default_rng(seed)
    points = free(generator.normal(size=number), rate, 0.1, scale)
    masses = generator.random(60) ** 6 * (generator.random(60) < 0.8)
    masses[30] += 0.1
    masses *= mass / masses.sum()
    energy = free_energy(points, masses)
    size = energy + float(points.objective.loss.scale)
    for order in (1, 2):
        found = one_step(points, masses, step, order)
        assert np.all(found.masses >= 0.0)
        assert np.all((found.masses > 0.0) <= (masses > 0.0))
        assert free_energy(points, found.masses) <= energy + 1e-12 * size


def test_free_mass_has_no_birth_and_death_beside_its_growth() -> None:
    with pytest.raises(ValueError, match="in place of fisher_rao_rate"):
        Flow(growth=1.0, fisher_rao_rate=1.0)
    with pytest.raises(ValueError, match="write inverse_temperature = inf"):
        Flow(growth=1.0, inverse_temperature=2.0)
    with pytest.raises(ValueError, match="growth >= 0"):
        Flow(growth=-1.0)
