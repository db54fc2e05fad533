"""JKO with noise: exact laws with order and ceiling, Gibbs states, the duality gap, and what holds at every step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import gammainc, logsumexp, ndtr

from mfpde.configuration.parsing import parse
from mfpde.problem.problem import build_problem
from mfpde.schemes.pair import make_pair
from mfpde.solvers.arrays import Array
from mfpde.solvers.finite_volume.diffusion import Diffusion
from mfpde.solvers.finite_volume.diffusion_kernels import axis_drained, axis_moved
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import Observation, State, StepFailure, integrate
from mfpde.solvers.jko.grid import jko as jko_grid
from mfpde.solvers.jko.grid.jko import GridJko
from mfpde.solvers.jko.grid.kernels import axis_account
from mfpde.solvers.jko.grid.movement import Movement, Movements
from mfpde.solvers.jko.grid.newton import solve_outputs
from mfpde.solvers.jko.grid.options import GridJkoOptions
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.optimum.gibbs import gibbs_law
from mfpde.solvers.space.axis import Line, Radius
from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.space.grid import Grid, grid_from_edges
from tests.reference import values
from tests.solvers.grids import uniform_grid
from tests.solvers.jko.quantiles import QuantileJko, QuantileJkoOptions
from tests.solvers.problems import Coordinates, Nothing, bump, line, rank_two

BOX_RISK, BOX_MEAN = 0.85802451, 0.56340329
MEAN, SPREAD, BETA = 0.6, 0.3, 4.0


@pytest.fixture(autouse=True)
def _strict_arithmetic() -> object:
    with np.errstate(all="raise", under="ignore"):
        yield


def nothing(dimension: int) -> Objective:
    return Objective(Nothing(dimension), SquareLoss(np.ones(1), np.zeros(1)))


def ornstein_uhlenbeck(cells: int, **options: object) -> GridJko:
    """N(0.6, 0.3^2) under a ridge of 1 and beta = 4 on the line."""
    edge = np.linspace(-2.2, 2.6, cells + 1)
    grid = grid_from_edges((edge,), (False,))
    masses = bump((edge,), (MEAN,), SPREAD)
    flow = Flow(ridge=1.0, inverse_temperature=BETA)
    return GridJko(nothing(1), line(1), flow, grid, masses, GridJkoOptions(**options))  # type: ignore[arg-type]


def gaussian_quantiles(cells: int, step: float, order: int) -> QuantileJko:
    """The same problem between knots of the Gaussian."""
    scores = np.linspace(-7.0, 7.0, cells + 1)
    options = QuantileJkoOptions(step, order)
    flow = Flow(ridge=1.0, inverse_temperature=BETA)
    return QuantileJko(nothing(1), line(1), flow, MEAN + SPREAD * scores, np.diff(ndtr(scores)), options)


def two_class(cells: int, inverse_temperature: float = 200.0, rate: float = 0.0, **options: object) -> GridJko:
    """The two-class problem at d = infinity in a box of the plane, (1/(2 beta)) Lap = .0025 Lap."""
    edge = np.linspace(0.0, 1.6, cells + 1)
    grid = grid_from_edges((edge, edge), (False, False))
    flow = Flow(inverse_temperature=inverse_temperature, fisher_rao_rate=rate)
    masses = bump(grid.edges, (0.35, 0.72), 0.08)
    return GridJko(rank_two()[0], line(2), flow, grid, masses, GridJkoOptions(**options))  # type: ignore[arg-type]


def final(scheme: GridJko | QuantileJko, end: float) -> Observation:
    return scheme.observe(integrate(scheme, scheme.initial_state(), [end], lambda index, state: None))


def observations(scheme: GridJko | QuantileJko, end: float) -> list[Observation]:
    states = [scheme.initial_state()]
    integrate(scheme, states[0], [end], lambda index, state: None, states.append)
    return [scheme.observe(state) for state in states]


def movement(movements: Movements, mass: Array, step: float) -> Movement:
    """One minimising movement from `mass`."""
    outputs = movements.outputs(mass)
    factors = movements.factors(mass, outputs)
    rank = len(outputs)
    found = movements.minimise(mass, outputs, factors, step, outputs, np.zeros((rank, rank)))
    assert found is not None
    return found


def prox_of_a_gaussian(step: float, count: int) -> tuple[float, float]:
    """Mean and variance of `count` exact minimising movements: s' = s - tau (s' - 1 / (2 beta s'))."""
    deviation = SPREAD
    for _ in range(count):
        root = np.sqrt(deviation**2 + 4.0 * (1.0 + step) * step / (2.0 * BETA))
        deviation = (deviation + root) / (2.0 * (1.0 + step))
    return MEAN / (1.0 + step) ** count, deviation**2


@pytest.mark.parametrize(("order", "steps", "ceilings"), [(1, 32, (2e-2, 2e-2)), (2, 32, (1e-4, 3e-4))])
def test_ornstein_uhlenbeck_moments_to_the_order_in_time(order: int, steps: int, ceilings: tuple[float, float]) -> None:
    """Mean .6 e^-t, variance .3^2 e^-2t + (1 - e^-2t) / 8: a factor 2 in the noise would show at once."""
    end = 0.8
    exact = np.array([MEAN * np.exp(-end), SPREAD**2 * np.exp(-2.0 * end) - np.expm1(-2.0 * end) / 8.0])
    errors = []
    for count in (steps, 2 * steps):
        seen = final(ornstein_uhlenbeck(2048, order=order, step=end / count), end)
        errors.append(np.array([seen.mean[0], seen.variance[0]]) / exact - 1.0)
    assert np.all(np.abs(errors[0]) < ceilings)
    orders = np.log2(errors[0] / errors[1])
    assert np.all(np.abs(orders - order) < 0.1), (errors, orders)


def test_a_movement_of_a_gaussian_is_the_implicit_euler_step_of_its_mean() -> None:
    for step in (0.2, 0.05):
        seen = final(ornstein_uhlenbeck(1024, order=1, step=step), 0.8)
        assert abs(seen.mean[0] - prox_of_a_gaussian(step, round(0.8 / step))[0]) < 2e-6


def test_quantiles_give_the_exact_movements_of_a_gaussian() -> None:
    """The mean to rounding, the variance to order 2 in the cells: here the Wasserstein distance is exact."""
    mean, variance = prox_of_a_gaussian(0.2, 4)
    errors = []
    for cells in (100, 200):
        seen = final(gaussian_quantiles(cells, 0.2, 1), 0.8)
        assert abs(seen.mean[0] - mean) < 1e-14
        assert seen.residual is not None
        assert seen.residual < 1e-25
        errors.append(seen.variance[0] / variance - 1.0)
    assert abs(errors[1]) < 2e-4
    assert abs(np.log2(errors[0] / errors[1]) - 2.0) < 0.1


def test_quantiles_of_a_radius_at_order_two() -> None:
    """w ~ N(0, .15^2 Id) in three dimensions: E r^2 and the free energy of the Ornstein-Uhlenbeck law."""
    end, errors = 0.6, []
    decay = np.exp(-2.0 * end)
    scale = 0.15**2 * decay + (1.0 - decay) / 8.0
    energy = 3.0 * scale - 1.5 * np.log(2.0 * np.pi * np.e * scale) / BETA
    geometry = Geometry.of({"r": Radius(3.0)})
    for cells, step in ((200, 0.01), (400, 0.005)):
        knots = np.linspace(0.0, 1.2, cells + 1)
        masses = np.diff(gammainc(1.5, knots**2 / (2.0 * 0.15**2)))
        flow = Flow(ridge=1.0, inverse_temperature=BETA)
        seen = final(QuantileJko(nothing(1), geometry, flow, knots, masses, QuantileJkoOptions(step)), end)
        errors.append([(seen.mean[0] ** 2 + seen.variance[0]) / (3.0 * scale) - 1.0, seen.free_energy - energy])
    coarse, fine = np.array(errors)
    assert np.all(np.abs(fine) < [3e-5, 1.5e-5])
    assert np.all(np.abs(np.log2(np.abs(coarse / fine)) - 2.0) < 0.1), (coarse, fine)


def nonlocal_pair(step: float, order: int) -> tuple[GridJko, QuantileJko]:
    """R = (∫cos 2z - .9)^2 + 2 (∫sin 2z + .4)^2 on the line, on a grid and between knots."""
    objective = Objective(Waves(), SquareLoss(np.array([1.0, 2.0]), np.array([0.9, -0.4])))
    flow = Flow(ridge=0.2, inverse_temperature=BETA)
    edge = np.linspace(-4.0, 4.6, 801)
    grid = grid_from_edges((edge,), (False,))
    options = GridJkoOptions(order=order, step=step)
    scores = np.linspace(-7.0, 7.0, 401)
    return (
        GridJko(objective, line(1), flow, grid, bump((edge,), (MEAN,), SPREAD), options),
        QuantileJko(
            objective, line(1), flow, MEAN + SPREAD * scores, np.diff(ndtr(scores)), QuantileJkoOptions(step, order)
        ),
    )


class Waves(Nothing):
    """Phi = (cos 2 z, sin 2 z)."""

    def __init__(self) -> None:
        super().__init__(1, 2)

    def values(self, points: Array) -> Array:
        return np.stack([np.cos(2.0 * points[:, 0]), np.sin(2.0 * points[:, 0])], axis=1)

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        values = self.values(points)
        return values, 2.0 * np.stack([-values[:, 1], values[:, 0]], axis=1)[:, :, None]


def test_grid_and_quantiles_agree() -> None:
    """A grid by its own steps, quantiles by fixed ones: no part of the two computations is shared."""
    grid, quantiles = nonlocal_pair(0.0125, 2)
    grid.options = GridJkoOptions(tolerance=1e-4)
    one, other = final(grid, 1.0), final(quantiles, 1.0)
    assert abs(one.risk - other.risk) < 5e-5
    assert abs(one.free_energy - other.free_energy) < 1e-4
    assert abs(one.mean[0] - other.mean[0]) < 1e-4
    assert abs(one.variance[0] - other.variance[0]) < 1e-4


def test_one_movement_differs_from_the_exact_one_by_the_square_of_the_step() -> None:
    gaps = []
    for step in (0.005, 0.0025):
        changes = []
        for scheme in nonlocal_pair(step, 1):
            before, after = observations(scheme, step)
            changes.append(np.array([after.variance[0] - before.variance[0], after.risk - before.risk]))
        gaps.append(changes[0] - changes[1])
    assert np.all(np.abs(gaps[1]) < 3e-4)
    assert np.all(np.abs(gaps[1]) < 0.29 * np.abs(gaps[0])), gaps


def test_two_class_problem_in_a_box_of_the_plane() -> None:
    """Reference values of the problem with diffusion .0025, at fixed steps and at those of the tolerance."""
    for cells, options, ceiling in (
        (32, {"step": 0.2}, 3.5e-4),
        (64, {"tolerance": 1e-3}, 3.5e-5),
        (128, {"tolerance": 1e-3}, 1e-5),
    ):
        seen = final(two_class(cells, **options), 3.0)
        assert abs(seen.risk - BOX_RISK) < ceiling
        assert abs(seen.mean[0] - BOX_MEAN) < ceiling


@pytest.mark.parametrize(("order", "rate", "ceiling"), [(1, 0.0, 4e-4), (2, 0.0, 2e-6), (1, 2.0, 1e-3), (2, 2.0, 3e-6)])
def test_order_in_time_of_the_two_class_problem_and_of_its_account(order: int, rate: float, ceiling: float) -> None:
    """Successive differences of risk, free energy and of the balance F + ∫D at halved steps."""
    rows = []
    for count in (80, 160, 320):
        seen = final(two_class(24, rate=rate, order=order, step=1.0 / count), 1.0)
        rows.append([seen.risk, seen.free_energy, seen.free_energy + seen.dissipated])
    first, second = np.diff(np.array(rows), axis=0)
    assert np.all(np.abs(second) < ceiling), second
    assert np.all(np.abs(np.log2(first / second) - order) < 0.1), np.log2(first / second)


def test_both_orders_of_birth_and_death_have_one_limit() -> None:
    """The extrapolated order 1 against order 2: a reaction over a wrong time would part them."""
    ends = [final(two_class(24, rate=2.0, order=1, step=step), 1.0) for step in (1 / 80, 1 / 160)]
    fine = final(two_class(24, rate=2.0, order=2, step=1 / 160), 1.0)
    assert abs(2.0 * ends[1].risk - ends[0].risk - fine.risk) < 8e-7
    assert abs(2.0 * ends[1].free_energy - ends[0].free_energy - fine.free_energy) < 1.2e-6


def test_where_the_energy_would_rise_the_two_plain_steps_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = final(two_class(16, order=1, step=0.1), 1.0)
    better = final(two_class(16, order=2, step=0.2), 1.0)
    monkeypatch.setattr(jko_grid, "ENERGY_ROUNDING", -1e20)
    fallen = final(two_class(16, order=2, step=0.2), 1.0)
    assert abs(better.risk - plain.risk) > 1e-3
    np.testing.assert_allclose(fallen.law.weights, plain.law.weights, atol=1e-7)
    assert abs(fallen.dissipated - plain.dissipated) < 1e-6


def test_energy_is_accounted_for() -> None:
    seen = observations(two_class(32, rate=1.0), 2.0)
    start, end = seen[0], seen[-1]
    assert abs(end.free_energy - start.free_energy + end.dissipated) < 1e-4 * end.dissipated
    assert min(observation.dissipation for observation in seen) > 0.0
    slope = (seen[-1].free_energy - seen[-2].free_energy) / (seen[-1].dissipated - seen[-2].dissipated)
    assert abs(slope + 1.0) < 1e-2


def discrete_gibbs(scheme: GridJko) -> Array:
    """The discrete Gibbs law on the cells."""
    diffusion = Diffusion(scheme.geometry, scheme.grid, scheme.flow.inverse_temperature)
    points = scheme.grid.points
    return gibbs_law(
        scheme.objective,
        scheme.objective.features.values(points),
        diffusion.log_measure.ravel(),
        scheme.flow.confinement(scheme.geometry).value(points),
        scheme.flow.inverse_temperature,
    ).masses.reshape(scheme.grid.shape)


@pytest.mark.parametrize("order", [1, 2])
def test_steps_of_a_thousand_lower_the_energy_and_reach_the_gibbs_law(order: int) -> None:
    scheme = two_class(24, 50.0, order=order, step=1000.0)
    law = discrete_gibbs(scheme)
    state = scheme.initial_state()
    energies = [scheme.observe(state).free_energy]
    for _ in range(8):
        state = scheme.advance(state, state.flow_time + 1000.0)
        energies.append(scheme.observe(state).free_energy)
    assert max(np.diff(energies)) < 1e-13
    np.testing.assert_allclose(state.arrays["mass"], law, rtol=1e-8)
    resting = scheme.initial_state()
    resting = replace(resting, arrays={**resting.arrays, "mass": law, "outputs": scheme._movements.outputs(law)})
    np.testing.assert_allclose(scheme.advance(resting, 1000.0).arrays["mass"], law, rtol=1e-9)


@pytest.mark.parametrize("options", [{}, {"order": 1}, {"step": 0.7}, {"order": 1, "step": 0.7}])
@pytest.mark.parametrize("dimensions", [(60.0, 260.0), (1.0, 2.0)])
def test_invariants_hold_at_every_step_for_a_discontinuous_law(
    dimensions: tuple[float, ...], options: dict[str, float]
) -> None:
    geometry = Geometry.of({"r1": Radius(dimensions[0]), "r2": Radius(dimensions[1])})
    grid = uniform_grid((0.0, 0.0), (2.4, 3.2), (40, 40), geometry)
    masses = np.zeros((40, 40))
    masses[5:20, 8:20] = 1.0
    masses[30:33, 2:4] = 20.0
    flow = Flow(ridge=0.5, inverse_temperature=50.0, fisher_rao_rate=0.5 if "step" in options else 0.0)
    tolerance = {} if "step" in options else {"tolerance": 1e-2}
    settings = GridJkoOptions(**{**tolerance, **options})  # type: ignore[arg-type]
    seen = observations(GridJko(rank_two()[0], geometry, flow, grid, masses, settings), 3.0)
    for before, after in pairwise(seen):
        assert after.law.weights.min() >= 0.0
        assert abs(after.mass - 1.0) < 1e-13
        assert after.free_energy <= before.free_energy + 1e-11
    assert seen[-1].free_energy < seen[0].free_energy - 0.1
    if not options:
        balance = seen[-1].free_energy - seen[0].free_energy + seen[-1].dissipated
        assert abs(balance) < 1.5e-3 * seen[-1].dissipated
    assert seen[-1].residual is not None
    assert 0.0 <= seen[-1].residual < 1e-12 * (seen[0].free_energy - seen[-1].free_energy)


@dataclass(frozen=True)
class Duality:
    """P of any fluxes and D of a movement on the line, by their definitions."""

    scheme: GridJko
    movements: Movements
    old: Array
    found: Movement
    step: float

    def primal(self, flux: Array) -> float:
        """P(m, J) at m = m_0 - div J, the mobility being that of the movement."""
        mass = self.old - np.diff(flux, prepend=0.0, append=0.0)
        energy = self.scheme.objective.loss.value(self.movements.outputs(mass)) + float(
            mass @ self.movements.confinement
        )
        entropy = float(mass @ (np.log(mass) - self.movements.diffusion.log_measure))
        return float(np.sum(flux**2 / self.mobility)) / (2.0 * self.step) + energy + entropy / self.twice_beta

    def dual(self) -> float:
        """D(phi, g), sums and signs as in the scheme's docstring; the partition function is 1 at this phi."""
        objective = self.scheme.objective
        g = objective.loss_gradient(self.assumed)
        log_measure = self.movements.diffusion.log_measure
        phi = -(self.psi + (np.log(self.found.mass) - log_measure) / self.twice_beta)
        loss = objective.loss
        assert isinstance(loss, SquareLoss)
        conjugate = float(g @ loss.targets + 0.5 * np.sum(g * g / loss.weights)) - 0.5 * loss.constant
        partition = float(logsumexp(log_measure - self.twice_beta * (self.psi + phi)))
        moved = 0.5 * self.step * float(np.sum(self.mobility * np.diff(phi) ** 2))
        return -moved - float(phi @ self.old) - conjugate - partition / self.twice_beta

    @property
    def twice_beta(self) -> float:
        return 2.0 * self.scheme.flow.inverse_temperature

    @property
    def assumed(self) -> Array:
        return self.found.outputs - self.found.miss

    @property
    def psi(self) -> Array:
        return self.movements.potential(self.assumed)

    @property
    def mobility(self) -> Array:
        factors = self.movements.factors(self.old, self.movements.outputs(self.old))
        up, down = self.movements.diffusion.rates(self.psi, factors)[0]
        x, y = up.ravel() * self.found.mass[:-1], down.ravel() * self.found.mass[1:]
        mobility: Array = self.twice_beta * (x - y) / np.log(x / y)
        return mobility


def test_the_residual_is_the_duality_gap() -> None:
    """P - D, for a movement whose outputs are off by up to a tenth of their change and for a solved one.

    D is then a lower bound: no other fluxes have a smaller P."""
    scheme, _ = nonlocal_pair(0.1, 1)
    rough = Movements(scheme.objective, scheme.geometry, scheme.flow, scheme.grid, 2, 1e-1)
    old = scheme.initial_state().arrays["mass"]
    generator = np.random.default_rng(2)
    for movements, low, high in ((rough, 1e-8, 1e-3), (scheme._movements, 0.0, 1e-13)):
        found = movement(movements, old, 0.1)
        pair = Duality(scheme, movements, old, found, 0.1)
        flux, dual = found.crossed[0].ravel(), pair.dual()
        assert low <= found.gap < high
        assert abs(pair.primal(flux) - dual - found.gap) < 1e-12 + 1e-4 * found.gap
        for size in (1e-3, 1e-1):
            other = flux * (1.0 + size * generator.normal(size=1) * np.sin(scheme.grid.edges[0][1:-1]))
            assert pair.primal(other) > dual + 1e-12


def test_the_account_of_an_axis_against_its_definition() -> None:
    generator = np.random.default_rng(7)
    mass, up, down = generator.random((2, 5, 3)), generator.random((2, 4, 3)), generator.random((2, 4, 3))
    crossed = generator.normal(size=(2, 4, 3))
    x, y = up * mass[:, :-1], down * mass[:, 1:]
    force, step, twice_beta = np.log(x / y) / 6.0, 0.3, 6.0
    mobility = (x - y) / force
    work, gap = axis_account(mass, up, down, crossed, step, twice_beta)
    assert abs(work - np.sum(crossed * force)) < 1e-12
    assert abs(gap - np.sum((crossed - step * mobility * force) ** 2 / (2.0 * step * mobility))) < 1e-11


def test_fluxes_move_mass_and_drain() -> None:
    generator = np.random.default_rng(8)
    mass, flux, share = generator.random((2, 5, 3)), generator.normal(size=(2, 4, 3)), generator.random((2, 5, 3))
    drained, moved = np.zeros_like(mass), mass.copy()
    axis_drained(0, mass.shape[0] * mass.shape[2], flux, drained)
    axis_moved(0, mass.shape[0] * mass.shape[2], flux, share, moved)
    up, down = np.maximum(flux, 0.0), np.maximum(-flux, 0.0)
    expected = np.zeros_like(mass)
    expected[:, :-1] += up
    expected[:, 1:] += down
    np.testing.assert_allclose(drained, expected, rtol=1e-14)
    limited = up * share[:, :-1] - down * share[:, 1:]
    padded = np.concatenate([np.zeros((2, 1, 3)), limited, np.zeros((2, 1, 3))], axis=1)
    np.testing.assert_allclose(moved, mass - np.diff(padded, axis=1), rtol=1e-12)


def test_the_split_movement_differs_from_the_unsplit_one_by_the_square_of_the_step() -> None:
    """The unsplit implicit step of the same rates by a dense solve, with the outputs by plain iteration."""
    scheme = two_class(12, 50.0)
    movements, old = scheme._movements, scheme.initial_state().arrays["mass"]
    gaps = []
    for step in (0.01, 0.005):
        found = movement(movements, old, step)
        factors = movements.factors(old, movements.outputs(old))
        outputs = found.outputs
        for _ in range(30):
            rates = movements.diffusion.rates(movements.potential(outputs), factors)
            whole = np.linalg.solve(np.eye(144) - step * generator_matrix(rates), old.ravel())
            outputs = movements.outputs(np.asarray(whole, dtype=np.float64))
        gaps.append(float(np.abs(whole.reshape(12, 12) - found.mass).sum()))
    assert gaps[1] < 6e-5
    assert abs(np.log2(gaps[0] / gaps[1]) - 2.0) < 0.1, gaps


def generator_matrix(rates: list[tuple[Array, Array]]) -> Array:
    """Q of dm/dt = Q m on 12 x 12 cells."""
    matrix = np.zeros((144, 144))
    cell = np.arange(144).reshape(12, 12)
    for axis, (up, down) in enumerate(rates):
        low, high = (cell[:-1], cell[1:]) if axis == 0 else (cell[:, :-1], cell[:, 1:])
        for a, b, rise, fall in zip(low.ravel(), high.ravel(), up.ravel(), down.ravel(), strict=True):
            matrix[[a, b], a] += [-rise, rise]
            matrix[[a, b], b] += [fall, -fall]
    return matrix


@pytest.mark.parametrize("options", [{}, {"order": 1, "step": 0.05}])
def test_restart_is_the_uninterrupted_run_bit_for_bit(options: dict[str, float]) -> None:
    scheme = two_class(16, rate=0.5, **options)
    whole: list[State] = []
    last = integrate(scheme, scheme.initial_state(), [0.3, 1.0], lambda index, state: whole.append(state))
    stored = {name: array.copy() for name, array in whole[0].arrays.items()}
    again = two_class(16, rate=0.5, **options)
    resumed = integrate(again, State(whole[0].flow_time, whole[0].step, stored), [1.0], lambda index, state: None)
    assert resumed.step == last.step
    for name, array in last.arrays.items():
        np.testing.assert_array_equal(resumed.arrays[name], array)


def test_a_frozen_coordinate_keeps_its_law() -> None:
    geometry = Geometry.of({"z": Line(), "a": Line()}, frozen=["a"])
    grid = uniform_grid((-2.0, -2.0), (2.0, 2.0), (32, 8), geometry)
    objective = Objective(Coordinates(2), SquareLoss(np.ones(2), np.array([0.5, 0.5])))
    masses = bump(grid.edges, (-0.5, 0.3), 0.3)
    scheme = GridJko(objective, geometry, Flow(inverse_temperature=10.0), grid, masses)
    seen = final(scheme, 1.0)
    np.testing.assert_allclose(seen.law.weights.reshape(masses.shape).sum(axis=0), masses.sum(axis=0), rtol=1e-12)
    assert abs(seen.mean[0] - (0.5 - np.exp(-1.0))) < 1e-3


def test_pure_birth_and_death_reaches_the_gibbs_law() -> None:
    scheme = two_class(16, 50.0)
    law = discrete_gibbs(scheme)
    flow = Flow(inverse_temperature=50.0, fisher_rao_rate=50.0, transport=False)
    for order in (1, 2):
        options = GridJkoOptions(order=order, step=1.0)
        start = scheme.initial_state().arrays["mass"] + 1e-9
        end = final(GridJko(scheme.objective, line(2), flow, scheme.grid, start, options), 60.0)
        np.testing.assert_allclose(end.law.weights, law.ravel(), rtol=1e-6)


def test_fixed_points_by_secants_and_by_newton_steps() -> None:
    """A gentle map takes a few evaluations; one whose iteration runs away needs the measured Jacobian."""
    for slope, most in ((0.3, 12), (80.0, 200)):

        def evaluate(point: Array, slope: float = slope) -> tuple[int, Array]:
            return 0, np.tanh(np.array([1.0, -2.0]) - slope * point)

        found = solve_outputs(evaluate, np.zeros(2), np.zeros((2, 2)), np.ones(2), lambda outputs: 1e-12)
        assert found is not None
        point = found.outputs - found.miss
        np.testing.assert_allclose(np.tanh(np.array([1.0, -2.0]) - slope * point), point, atol=1e-11)
        assert found.evaluations <= most
    nowhere = solve_outputs(
        lambda point: (0, np.full(2, np.nan)), np.zeros(2), np.zeros((2, 2)), np.ones(2), lambda o: 0.1
    )
    assert nowhere is None


def test_long_steps_of_a_rugged_problem_are_found_on_a_detour() -> None:
    """Outputs that answer the potential by jumps: neither secants nor Newton's method gets there at once."""
    generator = np.random.default_rng(0)
    rugged = 0
    for _ in range(12):
        weights, targets = 10.0 ** generator.uniform(-1.0, 1.5, 16), generator.normal(size=16)
        objective = Objective(Rugged(generator), SquareLoss(weights, targets))
        grid = uniform_grid((0.0, 0.0), (2.0, 2.0), (40, 30), line(2))
        masses = generator.random(grid.shape) ** 8 + 1e-12
        flow = Flow(inverse_temperature=300.0)
        scheme = GridJko(objective, line(2), flow, grid, masses, GridJkoOptions(order=1, step=10.0))
        movements = scheme._movements
        detour = movements._detour
        calls: list[float] = []

        def counted(mass: Array, *rest: Any, detour: Any = detour, calls: list[float] = calls) -> Any:
            calls.append(1.0)
            return detour(mass, *rest)

        movements._detour = counted  # type: ignore[method-assign, assignment]
        seen = observations(scheme, 40.0)
        rugged += len(calls)
        assert max(np.diff([observation.free_energy for observation in seen])) < 1e-11
    assert rugged > 0


class Rugged(Nothing):
    """Sixteen random waves in the plane."""

    def __init__(self, generator: np.random.Generator) -> None:
        super().__init__(2, 16)
        object.__setattr__(self, "waves", 4.0 * generator.normal(size=(2, 16)))

    def values(self, points: Array) -> Array:
        waves: Array = np.cos(points @ self.waves + np.arange(16.0))  # type: ignore[attr-defined]
        return waves


def test_a_step_without_minimiser_is_a_failure_that_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    scheme = two_class(8, step=0.5)
    monkeypatch.setattr(scheme._movements, "minimise", lambda *arguments: None)
    with pytest.raises(StepFailure, match=r"step of 0\.5 .*z1 = .*smaller step \(step\)"):
        scheme.advance(scheme.initial_state(), 1.0)


@pytest.mark.parametrize(
    ("flow", "options", "message"),
    [
        (Flow(), {}, r"needs noise.*JKO on atoms"),
        (Flow(inverse_temperature=5.0, transport=False), {}, "nothing would move"),
        (Flow(inverse_temperature=5.0), {"order": 3}, "order and flux_order must be 1 or 2"),
        (Flow(inverse_temperature=5.0), {"step": -1.0}, "write None to adapt it"),
        (Flow(inverse_temperature=5.0), {"optimality": np.nan}, "optimality in"),
    ],
)
def test_what_the_scheme_cannot_use_is_refused(flow: Flow, options: dict[str, float], message: str) -> None:
    grid = uniform_grid((0.0,), (1.0,), (8,), line(1))
    with pytest.raises(ValueError, match=message):
        GridJko(nothing(1), line(1), flow, grid, np.ones(8), GridJkoOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("geometry", "knots", "message"),
    [
        (line(2), np.arange(5.0), "one coordinate that moves"),
        (line(1), np.array([0.0, 2.0, 1.0, 3.0, 4.0]), "increasing knots"),
        (line(1, radii=True), np.arange(1.0, 6.0), "first knot at 0"),
    ],
)
def test_what_quantiles_cannot_use_is_refused(geometry: Geometry, knots: Array, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QuantileJko(nothing(1), geometry, Flow(inverse_temperature=5.0), knots, np.ones(4))


def test_noisy_trajectory_of_the_reference() -> None:
    """Risk, free energy and mean of the transient on half the default cells, at ten times its noisy tolerance."""
    case = values()["noisy_transient"][0]
    times = [float(row["t"]) for row in case["rows"]]
    configuration = parse(
        {
            "data": {"law": "gaussian-mixture", "delta": 0.8, "dims": [10]},
            "network": {"activation": {"knots": [0.5, 1.5], "values": [-2.5, 7.5]}},
            "initial": {"kappa": 0.8},
            "dynamics": {"inverse_temperature": 10.0, "ridge": 0.1},
            "time": {"end": times[-1], "save": times},
            "solver": {"cells": [1024]},
        }
    )
    main = make_pair(build_problem(configuration), configuration).main
    grid, masses = main.grid, main.initial_state().arrays["mass"]  # type: ignore[attr-defined]
    assert isinstance(grid, Grid)
    scheme = GridJko(main.objective, main.geometry, main.flow, grid, masses, GridJkoOptions(tolerance=4e-4))  # type: ignore[attr-defined]
    seen: list[Observation] = []
    integrate(scheme, scheme.initial_state(), times, lambda index, state: seen.append(scheme.observe(state)))
    for row, found in zip(case["rows"], seen, strict=True):
        assert abs(found.risk / row["R"][0] - 1.0) < 1e-4
        assert abs(found.free_energy / row["F"][0] - 1.0) < 1.2e-4
        assert abs(found.mean[0] / row["mean_r"][0] - 1.0) < 5e-5
    assert seen[-1].residual is not None
    assert seen[-1].residual < 1e-15


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    dimensions=st.lists(st.sampled_from([0.0, 1.0, 2.0, 5.0, 100.0]), min_size=1, max_size=2),
    beta=st.floats(0.5, 500.0),
    ridge=st.floats(0.0, 3.0),
    rate=st.sampled_from([0.0, 1.0]),
    order=st.sampled_from([1, 2]),
    step=st.sampled_from([None, 0.3, 30.0]),
    targets=st.lists(st.floats(-2.0, 2.0), min_size=2, max_size=2),
    seed=st.integers(0, 1000),
)
def test_random_problems_keep_mass_positivity_and_falling_energy(
    dimensions: list[float],
    beta: float,
    ridge: float,
    rate: float,
    order: int,
    step: float | None,
    targets: list[float],
    seed: int,
) -> None:
    count = len(dimensions)
    axes = [Radius(p) if p > 0.0 else Line() for p in dimensions]
    geometry = Geometry.of(dict(zip("xy", axes, strict=False)))
    grid = uniform_grid((0.0,) * count, (2.0,) * count, (24, 20)[:count], geometry)
    objective = Objective(Coordinates(count), SquareLoss(np.full(count, 2.0), np.array(targets[:count])))
    masses = np.random.default_rng(seed).random(grid.shape) ** 6
    flow = Flow(ridge=ridge, inverse_temperature=beta, fisher_rao_rate=rate)
    options = GridJkoOptions(order=order, step=step, tolerance=3e-2)
    seen = observations(GridJko(objective, geometry, flow, grid, masses, options), 1.0)
    for before, after in pairwise(seen):
        assert after.law.weights.min() >= 0.0
        assert abs(after.mass - 1.0) < 1e-13
        assert after.free_energy <= before.free_energy + 1e-11 * (1.0 + abs(before.free_energy))
    assert np.isfinite(seen[-1].dissipated)
    assert seen[-1].residual is not None
    assert seen[-1].residual < 1e-9
