"""Birth and death and the dissipation in finite volumes: exact laws with order and ceiling, Gibbs laws, the energy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp, trapezoid
from scipy.special import logsumexp

from mfpde.configuration.parsing import parse
from mfpde.problem.problem import build_problem
from mfpde.schemes.pair import make_pair
from mfpde.solvers.arrays import Array
from mfpde.solvers.finite_volume import cell_features
from mfpde.solvers.finite_volume.finite_volume import FiniteVolume, FiniteVolumeOptions
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import Observation, State, integrate
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.space.axis import Line
from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.space.grid import grid_from_edges
from mfpde.solvers.threads import blocks
from tests.solvers.grids import uniform_grid
from tests.solvers.problems import Coordinates, Nothing, bump, line, rank_two

END = 0.8


@pytest.fixture(autouse=True)
def _strict_arithmetic() -> object:
    with np.errstate(all="raise", under="ignore"):
        yield


def states(scheme: FiniteVolume, end: float, longest: float = np.inf) -> list[State]:
    """All accepted states from 0 to `end`."""
    found = [scheme.initial_state()]
    integrate(scheme, found[0], [end], lambda index, state: None, found.append, longest)
    return found


def gaussian(cells: int, flow: Flow) -> FiniteVolume:
    """N(0.6, 0.25^2) on the line, with a ridge only: it stays Gaussian under every term of the flow."""
    edge = np.linspace(-1.6, 2.2, cells + 1)
    options = FiniteVolumeOptions(noisy_tolerance=10.0 / cells**2)
    objective = Objective(Nothing(1), SquareLoss(np.ones(1), np.zeros(1)))
    return FiniteVolume(
        objective, line(1), flow, grid_from_edges((edge,), (False,)), bump((edge,), (0.6,), 0.25), options
    )


def exact_gaussian(flow: Flow, end: float) -> tuple[float, float]:
    """Mean and variance: with P = 1 / variance,

    transport: m' = -lambda m, P' = 2 lambda P - P^2 / beta;
    reaction: m' = -alpha lambda m / P, P' = alpha (lambda - P / (2 beta)).
    """
    rate, beta, ridge = flow.fisher_rao_rate, flow.inverse_temperature, flow.decay.w

    def slope(_: float, y: Array) -> list[float]:
        mean, precision = y
        moved = (-ridge * mean, 2.0 * ridge * precision - precision**2 / beta) if flow.transport else (0.0, 0.0)
        return [
            moved[0] - rate * ridge * mean / precision,
            moved[1] + rate * (ridge - precision / (2.0 * beta)),
        ]

    mean, precision = solve_ivp(slope, (0.0, end), [0.6, 16.0], rtol=1e-11, atol=1e-13).y[:, -1]
    return float(mean), float(1.0 / precision)


FLOWS = {
    "unbalanced": Flow(ridge=1.0, fisher_rao_rate=8.0),
    "pure": Flow(ridge=1.0, fisher_rao_rate=8.0, transport=False),
    "noisy": Flow(ridge=1.0, fisher_rao_rate=8.0, inverse_temperature=5.0),
    "noisy-pure": Flow(ridge=1.0, fisher_rao_rate=8.0, inverse_temperature=5.0, transport=False),
}


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "ceiling"), [("unbalanced", 2e-6), ("pure", 6e-6), ("noisy", 2.5e-6), ("noisy-pure", 6e-6)]
)
def test_gaussians_at_order_two(name: str, ceiling: float) -> None:
    """Second moment and mean; births that missed alpha, the ridge or the noise would be off by tens of percent."""
    flow = FLOWS[name]
    mean, variance = exact_gaussian(flow, END)
    errors = []
    for cells in (400, 800):
        scheme = gaussian(cells, flow)
        seen = scheme.observe(states(scheme, END)[-1])
        errors.append(seen.variance[0] + seen.mean[0] ** 2 - variance - mean**2)
        assert abs(seen.mean[0] / mean - 1.0) < 1e-4 * (400 / cells) ** 2
        assert abs(seen.variance[0] / variance - 1.0) < 1.7e-4 * (400 / cells) ** 2
    assert abs(errors[1]) < ceiling
    assert abs(np.log2(errors[0] / errors[1]) - 2.0) < 0.1


def isotropic(flow: str, scheme: str, cells: int, ridge: float = 0.0, end: float = 3.0) -> Observation:
    """The isotropic problem d = 40 with births and deaths at rate 1, at the end."""
    solver = {"scheme": scheme, "cells": [cells]} if scheme == "finite-volume" else {"scheme": scheme}
    configuration = parse(
        {
            "data": {"dims": [40], "delta": 0.8},
            "network": {"activation": {"knots": [0.5, 1.5], "values": [-2.5, 7.5]}},
            "initial": {"kappa": 0.8},
            "dynamics": {"flow": flow, "fisher_rao_rate": 1.0, "ridge": ridge},
            "time": {"end": end, "save": 2},
            "solver": solver,
        }
    )
    built = make_pair(build_problem(configuration), configuration).main
    seen: list[Observation] = []
    integrate(built, built.initial_state(), [end], lambda _, state: seen.append(built.observe(state)))
    return seen[-1]


@pytest.mark.parametrize(
    ("flow", "ridge", "ceiling"),
    [
        ("wasserstein-fisher-rao", 0.0, 1.2e-6),
        ("fisher-rao", 0.0, 3e-6),
        ("wasserstein-fisher-rao", 0.1, 5e-7),
    ],
)
def test_agrees_with_characteristics(flow: str, ridge: float, ceiling: float) -> None:
    exact = isotropic(flow, "characteristics", 0, ridge)
    seen = isotropic(flow, "finite-volume", 512, ridge)
    assert abs(seen.risk - exact.risk) < ceiling
    assert abs(seen.mean[0] - exact.mean[0]) < 1e-5
    assert seen.dissipation == pytest.approx(exact.dissipation, rel=2e-3)
    assert seen.dissipated == pytest.approx(exact.dissipated, rel=5e-5)


def box(cells: int, flow: Flow, masses: Array | None = None) -> FiniteVolume:
    """The two-class problem at d = infinity in a box of the plane."""
    edge = np.linspace(0.0, 1.6, cells + 1)
    grid = grid_from_edges((edge, edge), (False, False))
    options = FiniteVolumeOptions(noisy_tolerance=16.0 / cells**2)
    law = bump(grid.edges, (0.35, 0.72), 0.08) if masses is None else masses
    return FiniteVolume(rank_two()[0], line(2), flow, grid, law, options)


@pytest.mark.parametrize("transport", [True, False])
def test_the_stationary_law_with_noise_is_the_discrete_gibbs_law(transport: bool) -> None:
    flow = Flow(ridge=0.1, inverse_temperature=20.0, fisher_rao_rate=2.0, transport=transport)
    edge = np.linspace(0.0, 1.6, 17)
    scheme = box(16, flow, bump((edge, edge), (0.35, 0.72), 0.08) + 1e-4)  # no cell is empty: it would stay so
    arrived = states(scheme, 400.0)[-1]
    mass = arrived.arrays["mass"].ravel()
    points = scheme.grid.points
    gradient = scheme.objective.loss_gradient(arrived.arrays["outputs"][:2])
    potential = scheme.objective.features.values(points) @ gradient + 0.05 * (points**2).sum(axis=1)
    exponent = np.log(scheme.grid.volumes.ravel()) - 40.0 * potential
    np.testing.assert_allclose(mass, np.exp(exponent - logsumexp(exponent)), rtol=1e-6)
    assert 0.0 <= scheme.observe(arrived).dissipation < 1e-10


def block_law(cells: int) -> Array:
    masses = np.zeros((cells, cells))
    masses[cells // 8 : cells // 3, cells // 4 : cells // 2] = 1.0
    masses[-6:-4, 2:4] = 5.0
    return masses


@pytest.mark.parametrize("beta", [np.inf, 50.0])
@pytest.mark.parametrize("transport", [True, False])
def test_mass_sign_and_energy_hold_at_every_step_for_a_discontinuous_law(beta: float, transport: bool) -> None:
    """Empty cells beside full ones: D stays finite, and with noise the first step fills them."""
    flow = Flow(ridge=0.1, inverse_temperature=beta, fisher_rao_rate=3.0, transport=transport)
    scheme = box(32, flow, block_law(32))
    seen = [scheme.observe(state) for state in states(scheme, 3.0)]
    for before, after in pairwise(seen):
        assert after.law.weights.min() >= 0.0
        assert abs(after.mass - 1.0) < 1e-13
        assert after.free_energy <= before.free_energy + 1e-12
        assert 0.0 <= after.dissipation < np.inf
        assert before.dissipated < after.dissipated < np.inf
    assert seen[-1].free_energy < seen[0].free_energy - 5e-3
    assert transport or np.array_equal(seen[-1].law.weights > 0.0, seen[0].law.weights > 0.0)


@pytest.mark.parametrize(
    "flow",
    [Flow(fisher_rao_rate=1.0), Flow(inverse_temperature=200.0, fisher_rao_rate=1.0), Flow(ridge=0.3)],
)
def test_restart_is_bitwise_the_uninterrupted_run(flow: Flow) -> None:
    whole = states(box(24, flow), 1.0)
    middle = whole[len(whole) // 2]
    stored = State(middle.flow_time, middle.step, {name: array.copy() for name, array in middle.arrays.items()})
    again = integrate(box(24, flow), stored, [1.0], lambda index, state: None)
    assert set(again.arrays) == {"mass", "outputs", "dissipated"}
    for name, array in whole[-1].arrays.items():
        assert np.array_equal(array, again.arrays[name])
    assert (whole[-1].flow_time, whole[-1].step) == (again.flow_time, again.step)


@pytest.mark.parametrize("beta", [np.inf, 200.0])
def test_any_number_of_threads_gives_the_same_bits(beta: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_features, "THREADED_FEATURES", 0)
    ends = []
    for threads in (1, 2, 3, 5):
        monkeypatch.setattr(blocks, "threads", lambda threads=threads: threads)
        scheme = box(200, Flow(fisher_rao_rate=2.0, ridge=0.1, inverse_temperature=beta))
        assert len(scheme._cells.bounds) > 2
        state = scheme.initial_state()
        for _ in range(3):
            state = scheme.advance(state, 1.0)
        ends.append(state)
    assert all(np.array_equal(ends[0].arrays[name], ends[1].arrays[name]) for name in ends[0].arrays)


ENERGY_FLOWS = {
    "transport": Flow(ridge=0.1),
    "unbalanced": Flow(ridge=0.1, fisher_rao_rate=2.0),
    "noise": Flow(ridge=0.1, inverse_temperature=100.0),
    "noisy-unbalanced": Flow(ridge=0.1, inverse_temperature=100.0, fisher_rao_rate=2.0),
}


@pytest.mark.parametrize(
    ("name", "ceiling"), [("transport", 5e-12), ("unbalanced", 5e-12), ("noise", 2e-7), ("noisy-unbalanced", 2e-7)]
)
def test_energy_balance_closes_with_the_steps(name: str, ceiling: float) -> None:
    """|F(s) - F(0) + ∫D| on one grid for halved steps: order 2 at least."""
    balances = []
    for longest in (8e-3, 4e-3):
        scheme = box(24, ENERGY_FLOWS[name])
        seen = [scheme.observe(state) for state in (scheme.initial_state(), states(scheme, 0.8, longest)[-1])]
        balances.append(abs(seen[1].free_energy - seen[0].free_energy + seen[1].dissipated))
    assert seen[1].dissipated > 1e-2
    assert balances[1] < ceiling
    assert np.log2(balances[0] / balances[1]) > 1.9


@pytest.mark.parametrize("name", list(ENERGY_FLOWS))
def test_dissipation_is_the_slope_of_the_energy(name: str) -> None:
    """-dF/ds by a one-sided difference of order 2, from a smooth state on, far below any term of D."""
    scheme = box(24, ENERGY_FLOWS[name])
    start = states(scheme, 0.2)[-1]
    state = State(0.0, 1.0, start.arrays)
    step = 1e-4
    energy = [scheme.observe(state).free_energy]
    for index in (1, 2):
        state = scheme.advance(State(state.flow_time, 1.0, state.arrays), index * step)
        energy.append(scheme.observe(state).free_energy)
    slope = (-3.0 * energy[0] + 4.0 * energy[1] - energy[2]) / (2.0 * step)
    assert scheme.observe(start).dissipation == pytest.approx(-slope, rel=1e-4)


def test_the_integral_is_that_of_the_observed_dissipation() -> None:
    """With noise ∫D is summed from the masses that crossed faces, D from the rates at a law: trapezoids agree."""
    for name in ("noise", "noisy-unbalanced"):
        scheme = box(24, ENERGY_FLOWS[name])
        seen = [(state.flow_time, scheme.observe(state)) for state in states(scheme, 0.8, 2e-3)]
        times = np.array([time for time, _ in seen])
        rates = np.array([observation.dissipation for _, observation in seen])
        assert seen[-1][1].dissipated == pytest.approx(float(trapezoid(rates, times)), rel=1e-4)


def test_nothing_moves_and_nothing_dissipates() -> None:
    """All mass at the origin under a cone, with births and deaths or not: no neighbours to grow."""
    geometry = line(1, radii=True)
    grid = uniform_grid((0.0,), (2.0,), (50,), geometry)
    masses = np.zeros(50)
    masses[0] = 1.0
    for rate in (0.0, 1.0):
        objective = Objective(Coordinates(1), SquareLoss(np.ones(1), np.array([-1.0])))
        scheme = FiniteVolume(objective, geometry, Flow(fisher_rao_rate=rate), grid, masses)
        last = scheme.observe(states(scheme, 3.0)[-1])
        assert last.dissipation == 0.0
        assert last.dissipated == 0.0


def test_the_splitting_error_limits_the_step() -> None:
    """Fast births beside slow transport: a tolerance 16 times smaller quarters the steps and the error."""
    flow = Flow(ridge=0.05, fisher_rao_rate=400.0)
    edge = np.linspace(-1.6, 2.2, 101)
    grid = grid_from_edges((edge,), (False,))
    objective = Objective(Nothing(1), SquareLoss(np.ones(1), np.zeros(1)))
    ends, counts = [], []
    for tolerance in (1.6e-2, 1e-3, 1e-6):
        options = FiniteVolumeOptions(noisy_tolerance=tolerance)
        scheme = FiniteVolume(objective, line(1), flow, grid, bump((edge,), (0.6,), 0.25), options)
        found = states(scheme, 1.0)
        counts.append(len(found))
        ends.append(scheme.observe(found[-1]).mean[0])
    assert counts[1] > 2 * counts[0]
    assert abs(ends[1] - ends[2]) < 1e-4


def test_frozen_coordinates_react_and_do_not_move() -> None:
    """Two cells of a frozen coordinate with potentials 0 and 1: m_1 / m_0 = exp(-alpha s), nothing transported."""
    geometry = Geometry.of({"z1": Line(), "b": Line()}, frozen=["b"])
    edges = (np.array([-0.5, 0.5]), np.array([-1.0, 1.0, 1.0 + 2.0 * (np.sqrt(2.0) - 1.0)]))
    objective = Objective(Nothing(2), SquareLoss(np.ones(1), np.zeros(1)))
    scheme = FiniteVolume(
        objective,
        geometry,
        Flow(ridge=1.0, fisher_rao_rate=2.0),
        grid_from_edges(edges, (False, False)),
        np.ones((1, 2)),
    )
    mass = states(scheme, 1.5)[-1].arrays["mass"][0]
    assert mass[1] / mass[0] == pytest.approx(np.exp(-2.0 * 1.5), rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    rate=st.floats(0.0, 300.0),
    beta=st.sampled_from([np.inf, 0.5, 30.0, 1e4]),
    ridge=st.sampled_from([0.0, 0.2, 5.0]),
    transport=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_any_flow_keeps_mass_sign_and_decay(rate: float, beta: float, ridge: float, transport: bool, seed: int) -> None:
    """Rough laws with empty cells, every combination of the terms."""
    generator = np.random.default_rng(seed)
    masses = generator.random((12, 12)) ** 8 * (generator.random((12, 12)) < 0.7)
    masses[5, 5] += 0.1
    flow = Flow(ridge, beta, rate, transport or rate == 0.0)
    scheme = box(12, flow, masses)
    seen = [scheme.observe(state) for state in states(scheme, 0.2)]
    for before, after in pairwise(seen):
        assert after.law.weights.min() >= 0.0
        assert abs(after.mass - 1.0) < 1e-13
        assert after.free_energy <= before.free_energy + 1e-12 * (1.0 + abs(before.free_energy))
        assert -1e-15 <= after.dissipation < np.inf
        assert np.isfinite(after.dissipated)
