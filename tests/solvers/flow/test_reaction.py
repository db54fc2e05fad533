"""Birth and death on weighted points: exact laws, orders with ceilings, the duality gap, decay at any step."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.reaction import Reaction, ReactionStep, kl_step, midpoint_step
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import Objective
from tests.solvers.problems import Nothing

PLACES = np.linspace(-2.0, 2.0, 60)


@pytest.fixture(autouse=True)
def _strict_arithmetic() -> object:
    with np.errstate(all="raise", under="ignore"):
        yield


def reaction(
    features: Array,
    targets: Array,
    weights: Array | None = None,
    rate: float = 1.0,
    ridge: float = 0.0,
    inverse_temperature: float = np.inf,
    log_measure: Array | None = None,
) -> Reaction:
    """Points at `PLACES` with features of shape (n, M)."""
    loss = Objective(Nothing(1), SquareLoss(np.ones(len(targets)) if weights is None else weights, targets, 0.3))
    confinement = 0.5 * ridge * PLACES**2 if ridge > 0.0 else None
    if np.isfinite(inverse_temperature) and log_measure is None:
        log_measure = np.sin(3.0 * PLACES)
    return Reaction(
        loss, lambda g: features @ g, lambda m: m @ features, rate, confinement, inverse_temperature, log_measure
    )


def waves(number: int, seed: int = 0) -> Array:
    generator = np.random.default_rng(seed)
    return np.tanh(np.outer(PLACES, generator.normal(size=number)) + generator.normal(size=number))


def bell() -> Array:
    masses = np.exp(-2.0 * (PLACES - 0.3) ** 2)
    return np.asarray(masses / masses.sum())


def free_energy(points: Reaction, masses: Array) -> float:
    energy = points.objective.risk(points.outputs(masses))
    if points.confinement is not None:
        energy += 2.0 * float(masses @ points.confinement)
    if points.log_measure is not None:
        held = masses > 0.0
        entropy = masses[held] @ (np.log(masses[held]) - points.log_measure[held])
        energy += float(entropy) / points.inverse_temperature
    return energy


def relative_entropy(masses: Array, other: Array) -> float:
    held = masses > 0.0
    return float(masses[held] @ np.log(masses[held] / other[held]))


def noisy() -> Reaction:
    return reaction(waves(6), np.linspace(-1.0, 1.0, 6), ridge=0.2, inverse_temperature=5.0, rate=1.3)


def quiet() -> Reaction:
    return reaction(waves(6), np.linspace(-9.0, 9.0, 6), ridge=0.2, rate=1.3)


def repeated(points: Reaction, end: float, steps: int, order: int) -> tuple[Array, float]:
    """Masses at `end`, and the sum of what was dissipated, after equal steps."""
    masses, dissipated = bell(), 0.0
    for _ in range(steps):
        found = one_step(points, masses, end / steps, order)
        masses, dissipated = found.masses, dissipated + found.dissipated
    return masses, dissipated


def one_step(points: Reaction, masses: Array, step: float, order: int) -> ReactionStep:
    return kl_step(points, masses, step) if order == 1 else midpoint_step(points, masses, points.outputs(masses), step)


@pytest.mark.parametrize("order", [1, 2])
def test_a_linear_loss_gives_the_exponential_law_in_one_step(order: int) -> None:
    """Without features only V = lambda z^2 / 2 acts: m(s) ∝ m(0) exp(-alpha V s), for both steps exactly."""
    points = reaction(np.zeros((60, 1)), np.zeros(1), rate=1.7, ridge=0.8)
    exact = bell() * np.exp(-1.7 * 3.0 * 0.4 * PLACES**2)
    found = one_step(points, bell(), 3.0, order)
    np.testing.assert_allclose(found.masses, exact / exact.sum(), rtol=1e-13)


def test_a_nearly_linear_loss_follows_its_potential() -> None:
    """One feature far from its target: Psi = -(y - Phi m) Phi turns by 1e-6 of itself."""
    points = reaction(waves(1), np.full(1, 1e6), np.full(1, 1e-6))
    exact = bell() * np.exp(2.0 * waves(1)[:, 0])
    found = midpoint_step(points, bell(), points.outputs(bell()), 2.0)
    np.testing.assert_allclose(found.masses, exact / exact.sum(), rtol=1e-5)


def test_noise_alone_relaxes_exactly() -> None:
    """Without features u = log(m/w) decays like exp(-alpha s / (2 beta)), up to its constant, in any step."""
    points = reaction(np.zeros((60, 1)), np.zeros(1), rate=2.0, inverse_temperature=0.7)
    assert points.log_measure is not None
    exponent = points.log_measure + np.exp(-2.0 * 1.5 / 1.4) * (np.log(bell()) - points.log_measure)
    found = midpoint_step(points, bell(), np.zeros(1), 1.5)
    np.testing.assert_allclose(np.log(found.masses), exponent - logsumexp(exponent), atol=1e-13)


@pytest.mark.parametrize(("order", "ceiling"), [(1, 6e-4), (2, 1.3e-7)])
@pytest.mark.parametrize("points", [quiet(), noisy()], ids=["quiet", "noisy"])
def test_order_with_a_ceiling(points: Reaction, order: int, ceiling: float) -> None:
    exact, _ = repeated(points, 1.0, 1024, 2)
    errors = [float(np.abs(repeated(points, 1.0, steps, order)[0] - exact).sum()) for steps in (16, 32, 64)]
    assert errors[-1] < ceiling
    for coarse, fine in pairwise(errors):
        assert abs(np.log2(coarse / fine) - order) < 0.1


@pytest.mark.parametrize("points", [quiet(), noisy()], ids=["quiet", "noisy"])
@pytest.mark.parametrize("step", [1e-3, 0.3, 30.0])
def test_duality_gap_is_the_difference_of_the_two_values(points: Reaction, step: float) -> None:
    """P(mu) - D(g) with both values added up from their definitions; the reported gap has no cancellation."""
    start = bell()
    found = kl_step(points, start, step)
    primal = 0.5 * free_energy(points, found.masses)
    primal += relative_entropy(found.masses, start) / (points.rate * step)
    share = points.rate * step / (2.0 * points.inverse_temperature)
    kappa = (1.0 + share) / (points.rate * step)
    reference = np.log(start) / (1.0 + share)
    if points.log_measure is not None:
        reference = reference + share / (1.0 + share) * points.log_measure
    g, loss = found.gradient, points.objective.loss
    assert isinstance(loss, SquareLoss)
    conjugate = float(g @ loss.targets + 0.5 * np.sum(g * g / loss.weights)) - 0.5 * loss.constant
    dual = -conjugate - kappa * float(logsumexp(reference - points.psi(g) / kappa))
    assert abs(primal - dual) < 1e-13 * (1.0 + kappa)
    assert 0.0 <= found.gap < 1e-24


def test_the_minimising_movement_is_below_its_neighbours() -> None:
    points, start = noisy(), bell()
    found = kl_step(points, start, 0.7).masses

    def value(masses: Array) -> float:
        return 0.5 * free_energy(points, masses) + relative_entropy(masses, start) / (0.7 * points.rate)

    generator = np.random.default_rng(4)
    for size in (1e-1, 1e-2, 1e-3):
        other = found * np.exp(size * generator.normal(size=60))
        assert value(other / other.sum()) > value(found) + 1e-2 * size**2 / 60.0


@pytest.mark.parametrize("points", [quiet(), noisy()], ids=["quiet", "noisy"])
@pytest.mark.parametrize("order", [1, 2])
def test_energy_falls_at_every_step_size(points: Reaction, order: int) -> None:
    for step in (1e-2, 1.0, 1e2, 1e4, 1e6):
        masses, energy = bell(), free_energy(points, bell())
        for _ in range(4):
            found = one_step(points, masses, step, order)
            following = free_energy(points, found.masses)
            assert following <= energy + 1e-13
            assert abs(found.masses.sum() - 1.0) < 1e-14
            masses, energy = found.masses, following
        assert energy < free_energy(points, bell()) - 1e-3 * min(step, 1.0)


def test_energy_balance_of_the_midpoint_step() -> None:
    """F falls by ∫D: by Simpson's rule to order 4 in the step, though the step itself has order 2."""
    for points in (quiet(), noisy()):
        balances = []
        for steps in (4, 8):
            masses, dissipated = repeated(points, 2.0, steps, 2)
            balances.append(abs(free_energy(points, masses) - free_energy(points, bell()) + dissipated))
        assert balances[1] < 1e-6
        assert balances[0] / max(balances[1], 1e-15) > 2.0**3.9


def test_dissipation_is_the_slope_of_the_energy() -> None:
    points = noisy()
    before, after = (free_energy(points, one_step(points, bell(), step, 2).masses) for step in (1e-4, 2e-4))
    slope = (-3.0 * free_energy(points, bell()) + 4.0 * before - after) / 2e-4
    psi = points.psi(points.objective.loss_gradient(points.outputs(bell())))
    assert slope == pytest.approx(-2.0 * points.rate * points.variance(bell(), psi), rel=1e-5)


@pytest.mark.parametrize("order", [1, 2])
def test_the_stationary_law_with_noise_is_gibbs(order: int) -> None:
    """m ∝ w exp(-2 beta Psi_lambda) rests, and attracts."""
    points = noisy()
    assert points.log_measure is not None
    masses = bell()
    for _ in range(200):
        masses = one_step(points, masses, 2.0, order).masses
    psi = points.psi(points.objective.loss_gradient(points.outputs(masses)))
    exponent = points.log_measure - 2.0 * points.inverse_temperature * psi
    np.testing.assert_allclose(np.log(masses), exponent - logsumexp(exponent), atol=1e-11)
    again = one_step(points, masses, 50.0, order)
    np.testing.assert_allclose(again.masses, masses, rtol=1e-10)
    if order == 2:
        assert 0.0 <= again.dissipated < 1e-20


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("inverse_temperature", [np.inf, 1e-3])
def test_empty_points_stay_empty_and_tiny_ones_count(order: int, inverse_temperature: float) -> None:
    """A mass of 1e-300 grows as the others do; one of 0 stays, even where its logarithm is weighed with 0."""
    start = bell()
    start[:10], start[10:20] = 0.0, 1e-300
    points = reaction(waves(3), np.array([1.0, -1.0, 0.5]), inverse_temperature=inverse_temperature)
    for step in (1.0, 1e3):
        masses = one_step(points, start / start.sum(), step, order).masses
        assert np.all(masses[:10] == 0.0)
        assert np.isfinite(masses).all()
        assert np.all(masses[10:] >= 0.0)
        if np.isfinite(inverse_temperature):
            assert np.all(masses[10:20] > 1e-100)


def test_a_value_that_is_not_finite_is_an_error() -> None:
    points = reaction(np.full((60, 1), np.nan), np.zeros(1))
    with pytest.raises(ArithmeticError, match=r"take a smaller step"):
        midpoint_step(points, bell(), np.zeros(1), 1.0)


# kappa is 6.5e-6 here: rounding of Psi / kappa leaves a residual of 2.6e-9
@example(seed=6, number=6, step=4540.0, rate=34.0, ridge=0.0, beta=np.inf, scale=30.0)
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    number=st.integers(1, 7),
    step=st.floats(1e-6, 1e4),
    rate=st.floats(1e-3, 1e2),
    ridge=st.sampled_from([0.0, 0.1, 10.0]),
    beta=st.sampled_from([np.inf, 0.1, 10.0, 1e4]),
    scale=st.sampled_from([1e-3, 1.0, 30.0]),
)
def test_any_problem_keeps_mass_sign_and_decay(
    seed: int, number: int, step: float, rate: float, ridge: float, beta: float, scale: float
) -> None:
    generator = np.random.default_rng(seed)
    weights = generator.uniform(0.05, 1.0, number)
    targets = scale * generator.normal(size=number)
    points = reaction(scale * waves(number, seed), targets, weights, rate, ridge, beta)
    masses = generator.random(60) ** 6 * (generator.random(60) < 0.8)
    masses[30] += 0.1
    masses /= masses.sum()
    energy = free_energy(points, masses)
    size = energy + ridge + float(weights @ targets**2) + (50.0 / beta if np.isfinite(beta) else 0.0)
    for order in (1, 2):
        found = one_step(points, masses, step, order)
        assert np.all(found.masses >= 0.0)
        assert np.all(found.masses[masses == 0.0] == 0.0)
        assert abs(found.masses.sum() - 1.0) < 1e-13
        assert free_energy(points, found.masses) <= energy + 1e-12 * size
        np.testing.assert_allclose(found.outputs, points.outputs(found.masses), atol=1e-12 * scale)
