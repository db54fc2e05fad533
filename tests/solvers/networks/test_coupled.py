"""The coupled dynamics: neurons beside the law, the particle dynamics, its Euler steps, and the mean step of SGD."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mfpde.problem.activations.tanh import Tanh
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.characteristics import LabelLaw
from mfpde.solvers.flow.flow import Flow, Schedule
from mfpde.solvers.flow.time_loop import State, StepFailure, integrate
from mfpde.solvers.networks.coupled import (
    Drift,
    FollowedCharacteristics,
    extrapolated,
    gradient_descent,
    particle_dynamics,
)
from mfpde.solvers.networks.gradient import GaussianPopulation
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.sgd.engine import GaussianClasses, Sgd, SgdState
from tests.solvers.problems import Coordinates, line

DATA = GaussianClasses((5, 9), ((1.8, 0.2), (1.0, 1.0)))
KINKED = PiecewiseLinear.through(np.array([0.0, 1.0]), np.array([-0.5, 1.0]))
UNIFORM = LabelLaw((np.array([1.0, 2.0]),), lambda labels: np.ones(len(labels)), lambda labels: labels.copy())


def network(trained: bool = False, step_size: float = 0.01, schedule: Schedule | None = None) -> tuple[Drift, SgdState]:
    random = np.random.default_rng(5)
    unit = Tanh() if trained else KINKED
    sgd = Sgd(
        DATA,
        unit,
        step_size,
        schedule or Schedule(),
        ridge=0.2,
        trained_coefficients=trained,
        trained_offsets=trained,
    )
    a, b = (random.standard_normal(8), 0.3 * random.standard_normal(8)) if trained else (1.0, 0.0)
    start = sgd.start(0.3 * random.standard_normal((8, DATA.dimension)), a, b)
    return Drift(sgd, GaussianPopulation(DATA, sgd.unit)), start


@pytest.mark.parametrize("trained", [False, True])
def test_a_ridge_pulls_every_parameter_that_moves(trained: bool) -> None:
    drift, start = network(trained)
    without = replace(drift, sgd=replace(drift.sgd, ridge=0.0))
    np.testing.assert_allclose(drift(start) - without(start), -0.2 * drift.pack(start), atol=1e-14)


def followed(radii: bool, target: float, followers: Array, ridge: float) -> FollowedCharacteristics:
    objective = Objective(Coordinates(1), SquareLoss(np.array([0.8]), np.array([target])))
    return FollowedCharacteristics(objective, line(1, radii), Flow(ridge=ridge), UNIFORM, followers, 1e-10)


def test_neurons_follow_the_law_and_do_not_act_on_it() -> None:
    """Phi(z) = z: m' = -omega (m - y) - lambda m, and z' - m' = -lambda (z - m) for every follower, near or far."""
    followers, ridge = np.array([[1.2], [-3.0], [50.0]]), 0.3
    scheme = followed(False, 4.0, followers, ridge)
    seen: list[State] = []
    integrate(scheme, scheme.initial_state(), [0.0, 0.5, 2.0], lambda index, state: seen.append(state))
    for state in seen:
        decay = math.exp(-(0.8 + ridge) * state.flow_time)
        mean = 3.2 / 1.1 + decay * (1.5 - 3.2 / 1.1)
        expected = mean + math.exp(-ridge * state.flow_time) * (followers - 1.5)
        np.testing.assert_allclose(scheme.neurons(state), expected, atol=1e-8)
        observed = scheme.observe(state)
        assert observed.risk == pytest.approx(0.8 * (4.0 - mean) ** 2, abs=1e-8)
        assert observed.mass == pytest.approx(1.0, abs=1e-14)


def test_a_neuron_that_reaches_radius_zero_stays() -> None:
    """Psi = -0.8 (y - m) z with y < m pulls all radii inwards at one speed: 0.1 arrives first and waits at 0."""
    scheme = followed(True, 0.0, np.array([[0.1], [1.5]]), 0.0)
    state = integrate(scheme, scheme.initial_state(), [0.5], lambda index, state: None)
    shift = 1.5 * (1.0 - math.exp(-0.4))
    assert 0.1 < shift < 1.0
    np.testing.assert_allclose(scheme.neurons(state), [[0.0], [1.5 - shift]], atol=1e-8)


def test_birth_and_death_is_refused() -> None:
    objective = Objective(Coordinates(1), SquareLoss(np.ones(1), np.ones(1)))
    with pytest.raises(ValueError, match=r"no birth and death: write fisher_rao_rate = 0\.0"):
        FollowedCharacteristics(objective, line(1), Flow(fisher_rao_rate=1.0), UNIFORM, np.ones((1, 1)))


@pytest.mark.long
@pytest.mark.parametrize("trained", [False, True])
def test_particles_dissipate_what_their_risk_loses(trained: bool) -> None:
    """F = R_N + lambda mean |theta|^2 falls at the rate (2/N) sum_i |drift_i|^2: a wrong sign, scale or ridge shows."""
    drift, state = network(trained)
    nodes, weights = np.polynomial.legendre.leggauss(12)
    states = list(particle_dynamics(drift, state, [0.0, *(0.5 * (nodes + 1.0)), 1.0]))

    def energy(at: SgdState) -> float:
        packed = drift.pack(at)
        return drift.population.risk(at.w, at.a, at.b) + 0.2 * float(packed @ packed) / 8.0

    rates = [2.0 * float(drift(at) @ drift(at)) / 8.0 for at in states[1:-1]]
    lost = energy(states[0]) - energy(states[-1])
    assert lost > 0.05
    assert 0.5 * float(weights @ rates) == pytest.approx(lost, abs=1e-8)


def test_the_particle_dynamics_do_not_depend_on_where_they_are_read() -> None:
    drift, state = network()
    (once,) = particle_dynamics(drift, state, [1.0])
    often = list(particle_dynamics(drift, state, [0.0, 0.0, 0.013, 0.5, 0.51, 1.0]))
    np.testing.assert_array_equal(often[-1].w, once.w)
    (middle,) = particle_dynamics(drift, state, [0.5])
    np.testing.assert_allclose(often[3].w, middle.w, atol=1e-7)
    np.testing.assert_array_equal(often[1].w, state.w)


@pytest.mark.long
def test_particles_held_at_the_origin_are_noticed() -> None:
    """A kink of sigma at 0 makes Psi a cone at w = 0, where all neurons arrive by t = .03 and stay: R = 7.25."""
    unit = PiecewiseLinear.through(np.array([0.0, 0.5, 1.5]), np.array([-2.5, -4.0, 7.5]))
    data = GaussianClasses((20,), ((1.5, 0.5),))
    sgd = Sgd(data, unit, 0.001)
    state = sgd.start(0.1 / math.sqrt(20) * np.random.default_rng(1).standard_normal((4, 20)))
    with pytest.raises(StepFailure, match=r"held at w = 0 at flow time 0\.0\d+; end earlier, or use an activation"):
        list(particle_dynamics(Drift(sgd, GaussianPopulation(data, unit)), state, [0.1]))


def distance(drift: Drift, one: SgdState, other: SgdState) -> float:
    return float(np.abs(drift.pack(one) - drift.pack(other)).max())


@pytest.mark.parametrize("trained", [False, True])
def test_gradient_descent_is_of_order_one(trained: bool) -> None:
    errors = []
    for step_size in (0.05, 0.025, 0.0125):
        drift, state = network(trained, step_size)
        (limit,) = particle_dynamics(drift, state, [0.5])
        (descent,) = gradient_descent(drift, state, [round(0.5 / step_size)])
        errors.append(distance(drift, limit, descent))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders == pytest.approx([1.0, 1.0], abs=0.1)
    assert 1e-5 < errors[-1] < 1e-3


@pytest.mark.parametrize("power", [0.0, -0.25])
def test_longer_steps_tell_the_error_of_short_ones(power: float) -> None:
    """theta_PD + (theta_GD(n eps) - theta_PD) / n: its error is of order n eps^2, small beside that of GD itself."""
    errors = []
    stride, schedule = 6, Schedule(1.0, power)
    for refined in (1, 2):
        drift, state = network(step_size=0.008 / refined, schedule=schedule)
        stops = [refined * k for k in (3, 10, 31, 62)]
        own = list(gradient_descent(drift, state, stops))
        coarse = list(gradient_descent(drift, state, stops, stride))
        flow_times = [float(drift.sgd.rates(0, stop).sum()) for stop in stops]
        limits = list(particle_dynamics(drift, state, flow_times))
        found = [extrapolated(drift, limit, long, stride) for limit, long in zip(limits, coarse, strict=True)]
        errors.append(max(distance(drift, one, other) for one, other in zip(found, own, strict=True)))
        gap = max(distance(drift, one, other) for one, other in zip(limits, own, strict=True))
        assert errors[-1] < 0.15 * gap / refined
        assert [state.step for state in coarse] == stops
    assert errors[1] < 0.35 * errors[0]


@pytest.mark.long
def test_gradient_descent_takes_the_mean_step_of_sgd() -> None:
    """One step from the same state: with 3000 samples every parameter within 5 standard errors, ridge and xi included.

    By chance alone one of the 128 parameters fails once in 13 000 seeds.
    """
    drift, state = network(True, 0.01, Schedule(0.7, -0.5))
    (mean,) = gradient_descent(drift, state, [1])
    start = drift.pack(state)
    steps = np.array([drift.pack(replace(drift.sgd, replica=k).advance(state, 1)) - start for k in range(3000)])
    error = steps.std(axis=0) / math.sqrt(len(steps))
    assert np.all(np.abs(steps.mean(axis=0) - (drift.pack(mean) - start)) < 5.0 * error)
    assert np.abs(drift.pack(mean) - start).max() > 10.0 * error.max()


def test_a_stride_below_one_is_refused() -> None:
    drift, state = network()
    with pytest.raises(ValueError, match="at least one step, not 0: write stride = 1"):
        list(gradient_descent(drift, state, [1], 0))
