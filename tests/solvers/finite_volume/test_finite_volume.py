"""Finite volumes against exact flows: order with error ceilings, and the laws that hold at every step."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from mfpde.solvers.arrays import Array
from mfpde.solvers.finite_volume import cell_features
from mfpde.solvers.finite_volume import faces as finite_volume_faces
from mfpde.solvers.finite_volume.finite_volume import FiniteVolume, FiniteVolumeOptions
from mfpde.solvers.finite_volume.kernels import _face
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import State, StepFailure, integrate
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.space.axis import Line
from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.space.grid import grid_from_edges
from mfpde.solvers.threads import blocks
from tests.solvers.grids import uniform_grid
from tests.solvers.problems import RANK_TWO_MEAN_R1, RANK_TWO_RISK, Coordinates, Nothing, bump, line, rank_two


@pytest.fixture(autouse=True)
def _strict_arithmetic() -> object:
    with np.errstate(all="raise", under="ignore"):
        yield


def run(scheme: FiniteVolume, end: float) -> list[State]:
    """All accepted states from 0 to `end`."""
    states = [scheme.initial_state()]
    integrate(scheme, states[0], [end], lambda index, state: None, states.append)
    return states


def two_class(cells: int, options: FiniteVolumeOptions | None = None) -> FiniteVolume:
    objective, geometry = rank_two()
    grid = uniform_grid((0.0, 0.0), (1.6, 1.6), (cells, cells), geometry)
    return FiniteVolume(
        objective,
        geometry,
        Flow(),
        grid,
        bump(grid.edges, (0.35, 0.72), 0.08),
        options or FiniteVolumeOptions(),
    )


def contraction(dimension: int, cells: int) -> FiniteVolume:
    """Only a ridge of 1: dz/ds = -z, so that N(m, s^2) becomes N(m e^-s, s^2 e^-2s). Graded."""
    objective = Objective(Nothing(dimension), SquareLoss(np.ones(1), np.zeros(1)))
    x = np.linspace(-0.4, 1.6, cells + 1)
    edges = (x + x**2 / 8,) * dimension
    grid = grid_from_edges(edges, (False,) * dimension)
    masses = bump(edges, (0.6,) * dimension, 0.2)
    return FiniteVolume(objective, line(dimension), Flow(ridge=1.0), grid, masses)


def test_three_axes_contract_like_one() -> None:
    single = contraction(1, 40)
    triple = contraction(3, 40)
    alone, together = (scheme.observe(run(scheme, 0.5)[-1]) for scheme in (single, triple))
    np.testing.assert_allclose(together.mean, alone.mean[0], rtol=2e-4)
    np.testing.assert_allclose(together.variance, alone.variance[0], rtol=2e-2)
    assert np.ptp(together.mean) < 1e-13
    assert abs(alone.mean[0] / (0.6 * np.exp(-0.5)) - 1.0) < 2e-3


def orders(errors: list[float]) -> list[float]:
    return [float(np.log2(abs(a / b))) for a, b in pairwise(errors)]


@pytest.mark.long
def test_two_class_problem_converges_at_order_two_below_the_ceilings() -> None:
    risk, mean = [], []
    for cells, ceiling in ((64, 1.2e-4), (192, 1e-5), (384, 2.2e-6)):
        scheme = two_class(cells)
        last = scheme.observe(run(scheme, 3.0)[-1])
        risk.append(last.risk - RANK_TWO_RISK[3.0])
        mean.append(last.mean[0] - RANK_TWO_MEAN_R1[3.0])
        assert abs(risk[-1]) < ceiling
    assert abs(orders(risk)[-1] - 2.0) < 0.1
    assert abs(orders(mean)[-1] - 2.0) < 0.1
    assert abs(mean[-1]) < 1e-6


@pytest.mark.parametrize(("dimension", "cells", "ceiling"), [(1, 800, 2e-6), (2, 320, 3e-5)])
def test_ridge_alone_contracts_a_gaussian_at_order_two(dimension: int, cells: int, ceiling: float) -> None:
    errors = []
    for n in (cells // 2, cells):
        scheme = contraction(dimension, n)
        last = scheme.observe(run(scheme, 0.7)[-1])
        exact = dimension * (0.6**2 + 0.2**2) * np.exp(-1.4)
        errors.append(last.free_energy - exact)
        np.testing.assert_allclose(last.variance, 0.2**2 * np.exp(-1.4), rtol=0.002)
    assert abs(errors[-1]) < ceiling
    assert abs(orders(errors)[0] - 2.0) < 0.1


def test_rigid_motion_keeps_the_variance() -> None:
    """R = (2 - mean)^2 moves every point alike, over 100 cells; numerical diffusion would widen the law."""
    grid = uniform_grid((0.0,), (3.0,), (300,), line(1))
    objective = Objective(Coordinates(1), SquareLoss(np.ones(1), np.array([2.0])))
    scheme = FiniteVolume(objective, line(1), Flow(), grid, bump(grid.edges, (0.6,), 0.06))
    last = scheme.observe(run(scheme, 1.25)[-1])
    assert abs(last.mean[0] - (2.0 - 1.4 * np.exp(-1.25))) < 2e-5
    assert abs(last.variance[0] / 0.06**2 - 1.0) < 2e-3


def test_the_error_of_a_step_is_its_distance_from_eulers() -> None:
    """R = (2 - mean)^2: Heun's mean is behind that of Euler by step^2 (2 - mean) / 2, which the tolerance bounds."""
    grid = uniform_grid((0.0,), (3.0,), (60,), line(1))
    objective = Objective(Coordinates(1), SquareLoss(np.ones(1), np.array([2.0])))
    start = bump(grid.edges, (0.9,), 0.15)
    scheme = FiniteVolume(objective, line(1), Flow(), grid, start, FiniteVolumeOptions(tolerance=1e-5))
    state = scheme.initial_state()
    mass, outputs = state.arrays["mass"], state.arrays["outputs"]
    ((error, bound),) = scheme._transport.step(mass, outputs, 0.01).errors
    assert error == pytest.approx(0.5 * 0.01**2 * (2.0 - outputs[0]), rel=1e-3)
    assert bound == 1e-5
    steps = np.diff([each.flow_time for each in run(scheme, 0.1)])
    assert 0.5 * steps.max() ** 2 * (2.0 - outputs[0]) < 1.2e-5


def test_mass_positivity_and_energy_hold_at_every_step_for_a_discontinuous_law() -> None:
    objective, geometry = rank_two()
    grid = uniform_grid((0.0, 0.0), (1.6, 1.6), (48, 48), geometry)
    masses = np.zeros((48, 48))
    masses[5:20, 15:30] = 1.0
    masses[30:33, 2:4] = 20.0
    scheme = FiniteVolume(objective, geometry, Flow(ridge=0.1), grid, masses)
    seen = [scheme.observe(state) for state in run(scheme, 30.0)]
    for before, after in pairwise(seen):
        assert after.law.weights.min() >= 0.0
        assert abs(after.mass - 1.0) < 1e-13
        assert after.free_energy <= before.free_energy + 1e-13
    assert seen[-1].free_energy < seen[0].free_energy - 0.1


@pytest.mark.parametrize("courant", [0.5, 1.0])
def test_density_stays_nonnegative_from_a_single_full_cell(courant: float) -> None:
    objective = Objective(Coordinates(3), SquareLoss(np.ones(3), np.array([1.0, -1.0, 0.5])))
    grid = uniform_grid((-1.0,) * 3, (1.0,) * 3, (9, 9, 9), line(3))
    masses = np.zeros((9, 9, 9))
    masses[4, 4, 4] = 1.0
    scheme = FiniteVolume(objective, line(3), Flow(), grid, masses, FiniteVolumeOptions(courant=courant))
    states = run(scheme, 0.5)
    assert all(state.arrays["mass"].min() >= 0.0 for state in states)
    assert abs(states[-1].arrays["mass"].sum() - 1.0) < 1e-14
    exact = np.array([1.0, -1.0, 0.5]) * (1.0 - np.exp(-0.5))
    np.testing.assert_allclose(scheme.observe(states[-1]).mean, exact, atol=0.25 * 2.0 / 9)


def absorbing(target: float, masses: Array) -> FiniteVolume:
    """Psi = -(target - mean) r: a cone at r = 0."""
    grid = uniform_grid((0.0,), (2.0,), (200,), line(1, radii=True))
    return FiniteVolume(
        Objective(Coordinates(1), SquareLoss(np.ones(1), np.array([target]))), line(1, radii=True), Flow(), grid, masses
    )


def test_a_cone_absorbs_the_whole_law_at_the_origin_without_stalling() -> None:
    grid = uniform_grid((0.0,), (2.0,), (200,), line(1, radii=True))
    scheme = absorbing(-1.0, bump(grid.edges, (0.5,), 0.1))
    states = run(scheme, 5.0)
    last = scheme.observe(states[-1])
    assert abs(last.risk - 1.0) < 1e-12
    assert abs(last.mean[0]) < 1e-12
    assert abs(last.variance[0]) < 1e-12
    assert len(states) < 400


def test_a_cone_pointing_up_releases_the_atom_at_the_origin() -> None:
    masses = np.zeros(200)
    masses[0] = 1.0
    scheme = absorbing(1.0, masses)
    assert scheme.observe(scheme.initial_state()).risk == 1.0
    last = scheme.observe(run(scheme, 1.0)[-1])
    assert abs(last.mean[0] - (1.0 - np.exp(-1.0))) < 5e-3
    assert last.variance[0] < 2e-3


def test_an_origin_cell_is_half_a_cell_and_twice_as_dense() -> None:
    """At velocity 1 an Euler step carries step / (h / 2) of the atom at 0 out of [0, h / 2], not step / h."""
    masses = np.zeros(200)
    masses[0] = 1.0
    scheme, new = absorbing(1.0, masses), np.empty(200)
    scheme._cells.sweep(masses, masses, 0.0, 1e-4, scheme._cells.gradient(np.zeros(1)), new)
    assert new[1] == pytest.approx(1e-4 / scheme.grid.edges[0][1], rel=1e-12)


def test_collapse_to_a_point_takes_long_steps_and_holds_few_cells() -> None:
    """R = (1/2)(z - 1)^2-like confinement: the ridge gathers the law at 0, between two cell centres."""
    objective = Objective(Nothing(1), SquareLoss(np.ones(1), np.zeros(1)))
    grid = uniform_grid((-1.0,), (1.0,), (100,), line(1))
    scheme = FiniteVolume(objective, line(1), Flow(ridge=1.0), grid, bump(grid.edges, (0.3,), 0.1))
    states = run(scheme, 100.0)
    mass = states[-1].arrays["mass"]
    assert len(states) < 2000
    assert mass[49:51].sum() > 1.0 - 1e-12
    assert states[-1].flow_time - states[-2].flow_time > 0.05


def test_restart_is_bitwise_the_uninterrupted_run() -> None:
    scheme = two_class(48)
    whole = run(scheme, 2.0)
    middle = whole[len(whole) // 2]
    stored = State(middle.flow_time, middle.step, {name: array.copy() for name, array in middle.arrays.items()})
    again = integrate(two_class(48), stored, [2.0], lambda index, state: None)
    for name, array in whole[-1].arrays.items():
        assert np.array_equal(array, again.arrays[name])
    assert (whole[-1].flow_time, whole[-1].step) == (again.flow_time, again.step)


@pytest.mark.parametrize("dimension", [2, 3])
def test_any_number_of_threads_gives_the_same_bits(dimension: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_features, "THREADED_FEATURES", 0)
    ends = []
    for threads in (1, 2, 3, 5):
        monkeypatch.setattr(blocks, "threads", lambda threads=threads: threads)
        scheme = two_class(200) if dimension == 2 else contraction(3, 32)
        assert len(scheme._cells.bounds) > 2
        ends.append(run(scheme, 0.1)[-1])
    assert ends[0].step == ends[1].step
    assert all(np.array_equal(ends[0].arrays[name], ends[1].arrays[name]) for name in ends[0].arrays)


def test_blocks_do_not_change_the_masses_beyond_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Block edges recompute the fluxes of their halo: a wrong halo row would show here."""
    whole = run(contraction(3, 20), 0.1)[-1].arrays["mass"]
    monkeypatch.setattr(finite_volume_faces, "BLOCK_FEATURES", 1)
    monkeypatch.setattr(finite_volume_faces, "SMALLEST_BLOCK", 1)
    scheme = contraction(3, 20)
    assert len(scheme._cells.bounds) > 10
    np.testing.assert_allclose(run(scheme, 0.1)[-1].arrays["mass"], whole, atol=1e-15)


@pytest.mark.parametrize("slopes", [finite_volume_faces.THIRD_ORDER, finite_volume_faces.FROMM])
@pytest.mark.parametrize(("behind", "ahead", "value"), [(0.0, 20.0, 2.0), (20.0, 0.0, 0.0), (0.9, 1.2, None)])
def test_a_face_carries_at_most_twice_what_is_upwind_and_never_less_than_nothing(
    slopes: tuple[float, float], behind: float, ahead: float, value: float | None
) -> None:
    """Cells of masses behind, 1, ahead, downhill and (mirrored) uphill: rate times the limited parabola."""
    fore, aft = slopes
    expected = 1.0 + fore * (ahead - 1.0) + aft * (1.0 - behind) if value is None else value
    down = _face(0.5, behind, 1.0, ahead, 7.0, 3.0, 4.0, fore, aft, 1e9)
    up = _face(-0.5, 7.0, ahead, 1.0, behind, 3.0, 4.0, fore, aft, 1e9)
    assert down == pytest.approx(0.5 * 3.0 * expected, rel=1e-14)
    assert up == pytest.approx(-0.5 * 4.0 * expected, rel=1e-14)
    assert abs(_face(0.5, behind, 1.0, ahead, 7.0, 3.0, 4.0, fore, aft, 0.01)) <= 0.01


def test_a_rising_energy_fails_with_a_remedy() -> None:
    class Uphill(Objective):
        def loss_gradient(self, outputs: Array) -> Array:
            return -super().loss_gradient(outputs)

    grid = uniform_grid((0.0,), (2.0,), (50,), line(1))
    scheme = FiniteVolume(
        Uphill(Coordinates(1), SquareLoss(np.ones(1), np.array([2.0]))),
        line(1),
        Flow(),
        grid,
        bump(grid.edges, (1.0,), 0.1),
    )
    with pytest.raises(StepFailure, match=r"free energy rises .* z1 = .* flow time 0; use a finer grid"):
        scheme.advance(scheme.initial_state(), 1.0)


@pytest.mark.parametrize(
    ("flow", "options", "masses", "message"),
    [
        (Flow(inverse_temperature=np.nan), FiniteVolumeOptions(), np.ones(10), "inverse_temperature must be > 0"),
        (Flow(fisher_rao_rate=np.nan), FiniteVolumeOptions(), np.ones(10), "fisher_rao_rate must be >= 0 and finite"),
        (Flow(transport=False), FiniteVolumeOptions(), np.ones(10), "set fisher_rao_rate > 0 or transport = True"),
        (
            Flow(),
            FiniteVolumeOptions(courant=float("nan")),
            np.ones(10),
            r"courant must lie in \(0, 1\], got nan",
        ),
        (Flow(), FiniteVolumeOptions(order=3), np.ones(10), "order must be 1 or 2, got 3"),
        (Flow(), FiniteVolumeOptions(), np.full(10, np.nan), "masses must be >= 0"),
        (Flow(), FiniteVolumeOptions(), np.ones(9), r"shape \(10,\), got shape \(9,\)"),
    ],
)
def test_bad_input_is_named(flow: Flow, options: FiniteVolumeOptions, masses: Array, message: str) -> None:
    objective = Objective(Coordinates(1), SquareLoss(np.ones(1), np.zeros(1)))
    grid = uniform_grid((0.0,), (1.0,), (10,), line(1))
    with pytest.raises(ValueError, match=message):
        FiniteVolume(objective, line(1), flow, grid, masses, options)


def test_an_atom_follows_its_characteristic() -> None:
    """A Dirac law stays a few cells wide; with third-order slopes, limited all over it, it lags."""
    objective, geometry = rank_two()
    start = np.array([[0.8 * np.sqrt(60 / 320), 0.8 * np.sqrt(260 / 320)]])
    alone = np.ones(1)

    def velocity(_: float, place: Array) -> Array:
        gradient = objective.loss_gradient(objective.outputs(place[None, :], alone))
        return np.asarray(-objective.features.contract(place[None, :], gradient)[1][0])

    end = solve_ivp(velocity, (0.0, 3.0), start[0], rtol=1e-10, atol=1e-12).y[:, -1:].T
    grid = uniform_grid((0.3, 0.0), (0.7, 0.8), (128, 128), geometry)
    scheme = FiniteVolume(objective, geometry, Flow(), grid, grid.deposit(start, alone))
    last = scheme.observe(run(scheme, 3.0)[-1])
    exact = objective.risk(objective.outputs(end, alone))
    assert abs(last.risk / exact - 1.0) < 1e-3


def test_a_frozen_coordinate_on_one_cell_changes_nothing() -> None:
    geometry = Geometry.of({"z1": Line(), "b": Line()}, frozen=["b"])
    alone = contraction(1, 60)
    edges = (alone.grid.edges[0], np.array([0.4, 0.6]))
    objective = Objective(Nothing(2), SquareLoss(np.ones(1), np.zeros(1)))
    masses = alone.initial_state().arrays["mass"][:, None]
    grid = grid_from_edges(edges, (False, False))
    scheme = FiniteVolume(objective, geometry, Flow(ridge=1.0), grid, masses)
    last, single = run(scheme, 0.5)[-1], run(alone, 0.5)[-1]
    np.testing.assert_allclose(last.arrays["mass"][:, 0], single.arrays["mass"], atol=1e-14)
