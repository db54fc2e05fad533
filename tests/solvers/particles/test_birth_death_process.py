"""The finite-N birth-death process: drift, noise, events, and the mean-field law it converges to."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp

from mfpde.problem.initial.law import product_law
from mfpde.problem.laws.gaussian_bumps import GaussianBumps
from mfpde.problem.marginals import Normal
from mfpde.problem.problem import Problem
from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.characteristics import Characteristics, LabelLaw
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import State, integrate
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.particles.birth_death_process import ParticleProcess
from mfpde.solvers.space.axis import Line, Radius
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.geometry import Geometry
from tests.solvers.problems import Coordinates, Nothing, line, rank_two


def last(process: ParticleProcess, times: list[float], longest: float = math.inf) -> State:
    """The state at the last of the times."""
    return integrate(process, process.initial_state(), times, lambda index, state: None, longest=longest)


def test_the_drift_is_of_order_three() -> None:
    objective, geometry = rank_two()
    start = np.random.default_rng(5).uniform(0.5, 1.5, (12, 2))
    weights = np.full(12, 1.0 / 12.0)

    def velocity(_: float, flat: Array) -> Array:
        places = flat.reshape(12, 2)
        return -(
            objective.features.contract(places, objective.loss_gradient(objective.outputs(places, weights)))[1]
            + 0.1 * places
        ).ravel()

    exact = solve_ivp(velocity, (0.0, 2.0), start.ravel(), "DOP853", rtol=1e-12, atol=1e-12).y[:, -1].reshape(12, 2)
    process = ParticleProcess(objective, geometry, Flow(ridge=0.1), start, seed=0, tolerance=0.1)
    errors = [
        np.abs(last(replace_step(process, step), [2.0], step).arrays["positions"] - exact).max()
        for step in (0.05, 0.025)
    ]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(3.0, abs=0.1)
    assert errors[1] < 4e-8
    tight = ParticleProcess(objective, geometry, Flow(ridge=0.1), start, seed=0, tolerance=1e-7)
    assert np.abs(last(tight, [2.0]).arrays["positions"] - exact).max() < 1e-6


def test_a_particle_of_weight_two_is_two_particles() -> None:
    objective, geometry = rank_two()
    places, weights = np.random.default_rng(7).uniform(0.5, 1.5, (3, 2)), np.array([2.0, 1.0, 1.0])
    weighted = ParticleProcess(objective, geometry, Flow(ridge=0.1), places, 0, tolerance=1e-7, weights=weights)
    twice = ParticleProcess(objective, geometry, Flow(ridge=0.1), places[[0, 1, 2, 0]], 0, tolerance=1e-7)
    one, other = (process.observe(last(process, [1.0])) for process in (weighted, twice))
    assert_allclose(one.law.points, other.law.points[:3], rtol=1e-12)
    assert_allclose([one.risk, *one.mean, *one.variance], [other.risk, *other.mean, *other.variance], rtol=1e-12)
    assert_allclose(one.dissipation, other.dissipation, rtol=1e-11)
    with pytest.raises(ValueError, match="weigh alike"):
        ParticleProcess(objective, geometry, Flow(fisher_rao_rate=1.0), places, 0, weights=weights)


def replace_step(process: ParticleProcess, step: float) -> ParticleProcess:
    """The process with this first step."""

    class Stepping(ParticleProcess):
        def initial_state(self) -> State:
            return replace(super().initial_state(), step=step)

    made = Stepping(
        process.objective, process.geometry, process.flow, process.particles, 0, tolerance=process.tolerance
    )
    return made


def test_a_radius_stops_at_zero() -> None:
    """Phi = z with target -1: the mean heads for -1 and every radius ends at 0 exactly."""
    objective = Objective(Coordinates(1), SquareLoss(np.ones(1), np.array([-1.0])))
    process = ParticleProcess(objective, line(1, radii=True), Flow(), np.array([[0.2], [0.5], [0.9]]), seed=0)
    assert last(process, [3.0]).arrays["positions"].tolist() == [[0.0]] * 3


@pytest.mark.parametrize("dimension", [0, 1, 6])
def test_noise_against_the_ornstein_uhlenbeck_law(dimension: int) -> None:
    """V = ridge |w|^2 / 2 alone, |w_0| = 1: E |w|^2 = e^(-2 ridge t) + p (1 - e^(-2 ridge t)) / (2 beta ridge).

    40,000 particles against five of their own standard errors; half the noise would be off by more than 20.
    """
    beta, ridge, time, count = 2.0, 0.7, 0.8, 40_000
    geometry = Geometry.of({"z1": Radius(float(dimension)) if dimension else Line()})
    flow = Flow(ridge=ridge, inverse_temperature=beta)
    objective = Objective(Nothing(1), SquareLoss(np.ones(1), np.zeros(1)))
    process = ParticleProcess(objective, geometry, flow, np.ones((count, 1)), seed=3, tolerance=1e-4)
    squares = last(process, [time], 0.1).arrays["positions"][:, 0] ** 2
    decayed = math.exp(-2.0 * ridge * time)
    gained = max(dimension, 1) * (1.0 - decayed) / (2.0 * beta * ridge)
    error = squares.std() / math.sqrt(count)
    assert abs(squares.mean() - decayed - gained) < 5.0 * error
    assert 0.5 * gained > 20.0 * error


def test_events_follow_the_replicator() -> None:
    """Two sites -1 and 1 without transport: the share on 1 obeys dp/ds = -alpha (G(1) - G(-1)) p (1 - p).

    The mean of 60 replicas of 2000 particles against four of its standard errors; a rate 10 % off would be seen.
    """
    objective = Objective(Coordinates(1), SquareLoss(np.ones(1), np.array([0.8])))
    rate, count, replicas = 1.5, 2000, 60

    def growth(_: float, share: Array) -> Array:
        # Psi(z) = (m - 0.8) z, m = 2 p - 1
        return -rate * 2.0 * (2.0 * share - 1.8) * share * (1.0 - share)

    exact = float(solve_ivp(growth, (0.0, 0.5), [0.25], rtol=1e-10).y[0, -1])
    slower = float(solve_ivp(lambda s, p: 0.9 * growth(s, p), (0.0, 0.5), [0.25], rtol=1e-10).y[0, -1])
    start = np.where(np.arange(count) < 0.25 * count, 1.0, -1.0)[:, None]
    flow = Flow(fisher_rao_rate=rate, transport=False)
    shares = []
    for replica in range(replicas):
        process = ParticleProcess(objective, line(1), flow, start, seed=2, stream=replica, tolerance=1e-4)
        places = last(process, [0.5]).arrays["positions"]
        assert places.shape == (count, 1)
        assert set(np.unique(places)) <= {-1.0, 1.0}
        shares.append(np.mean(places > 0.0))
    error = np.std(shares) / math.sqrt(replicas)
    assert abs(np.mean(shares) - exact) < 4.0 * error
    assert abs(slower - exact) > 8.0 * error


@pytest.mark.parametrize("size", [0.2, 0.4])
def test_a_particle_leaves_as_many_of_its_kind_as_its_weight_says(size: float) -> None:
    """Half of the particles with weights 1 + size, half with 1 - size: so are their shares after the events.

    Duplicates land on one another, and where a particle has just died: chances that do not make up for it would leave
    the share off by 3 size^2 / 16, and by a third of that if deaths alone did. Five deviations of a share of four
    million particles are allowed: less than 1 in a million new seeds fails.
    """
    count = 4_000_000
    signs = np.where(np.arange(count) < count // 2, 1.0, -1.0)
    objective = Objective(Coordinates(1), SquareLoss(np.ones(1), np.zeros(1)))
    process = ParticleProcess(objective, line(1), Flow(fisher_rao_rate=1.0), np.zeros((2, 1)), seed=0)
    places = process._replaced(signs[:, None], -np.log1p(size * signs), np.random.default_rng(8))
    deviation = 0.5 * math.sqrt(2.0 * size / count)
    assert abs(float(np.mean(places > 0.0)) - 0.5 * (1.0 + size)) < 5.0 * deviation
    assert size**2 / 16.0 > 10.0 * deviation


BUMPS = GaussianBumps((-2.5, 0.0, 2.5), (1 / 3, 1 / 3, 1 / 3), 0.5)
START = product_law([Normal(-1.0, 1.5)])
UNBALANCED = Flow(fisher_rao_rate=5.0)


def bumps(count: int, stream: int) -> ParticleProcess:
    """`count` particles of the three-bump problem."""
    objective = Problem(BUMPS).represent("tabulated", Box(np.array([-16.0]), np.array([16.0])), 1e-6).objective
    start = START.sample(count, 7, stream)
    return ParticleProcess(objective, line(1), UNBALANCED, start, 7, stream, tolerance=1e-4)


def test_an_interrupted_run_goes_on_bit_for_bit() -> None:
    process = bumps(64, 0)
    whole = last(process, [0.4, 1.0])
    half = integrate(process, process.initial_state(), [0.4], lambda index, state: None)
    again = integrate(bumps(64, 0), half, [0.4, 1.0], lambda index, state: None)
    assert again.step == whole.step
    for name, array in whole.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
    assert not np.array_equal(last(bumps(64, 1), [0.4, 1.0]).arrays["positions"], whole.arrays["positions"])


@pytest.mark.long
def test_the_process_converges_to_the_mean_field_law() -> None:
    """Risk and mean at s = 1.5 of 50 and 800 particles against characteristics with Wasserstein-Fisher-Rao.

    The root mean square error of the mean falls like N^(-1/2) (200 replicas: the order is known to 0.025), the mean
    error of the risk like 1/N. At N = 800 the averages lie within four standard errors of the mean field, of which
    no birth and death, or twice its rate, would be more than 30 away. False failures of a new seed: about 1 in 1000.
    """
    law = LabelLaw((START.labels[0].breaks,), START.density, START.embed)
    objective = bumps(2, 0).objective
    limits = []
    for rate in (5.0, 0.0, 10.0):
        flow = Flow(fisher_rao_rate=rate)
        exact = Characteristics(objective, line(1), flow, law, tolerance=1e-7)
        seen = exact.observe(integrate(exact, exact.initial_state(), [1.5], lambda index, state: None))
        limits.append((seen.risk, float(seen.mean[0])))
    replicas, errors = 200, {}
    for count in (50, 800):
        found = []
        for stream in range(replicas):
            process = ParticleProcess(
                objective, line(1), UNBALANCED, START.sample(count, 7, stream), 7, stream, tolerance=1e-4
            )
            seen = process.observe(last(process, [1.5]))
            found.append((seen.risk, float(seen.mean[0])))
        errors[count] = np.array(found) - limits[0]
    fluctuation = {count: math.sqrt(float(np.mean(error[:, 1] ** 2))) for count, error in errors.items()}
    assert math.log(fluctuation[50] / fluctuation[800]) / math.log(16.0) == pytest.approx(0.5, abs=0.1)
    assert fluctuation[800] < 0.08
    standard = errors[800].std(axis=0) / math.sqrt(replicas)
    assert np.all(np.abs(errors[800].mean(axis=0)) < 4.0 * standard)
    for other in limits[1:]:
        assert abs(other[1] - limits[0][1]) > 30.0 * standard[1]
    bias = errors[50][:, 0].mean()
    assert 0.2 / 50 < bias < 0.7 / 50
    assert errors[800][:, 0].mean() < bias / 4.0


def test_noise_with_birth_and_death_is_refused() -> None:
    objective = Objective(Nothing(1), SquareLoss(np.ones(1), np.zeros(1)))
    with pytest.raises(ValueError, match=r"log rho, which N atoms do not have; write inverse_temperature = inf"):
        ParticleProcess(objective, line(1), Flow(inverse_temperature=1.0, fisher_rao_rate=1.0), np.ones((2, 1)), seed=0)
