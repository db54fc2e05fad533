"""Flows on intervals and circles against exact solutions: characteristics, particles, finite volumes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.characteristics import Characteristics, LabelLaw
from mfpde.solvers.finite_volume.finite_volume import FiniteVolume
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import Observation, Scheme, integrate
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import DenseFeatures, Objective
from mfpde.solvers.particles.birth_death_process import ParticleProcess
from mfpde.solvers.space.axis import Circle, Interval, Line
from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.space.grid import graded_grid
from mfpde.solvers.space.trails import Trails
from tests.solvers.grids import uniform_grid
from tests.solvers.problems import Coordinates, Nothing


def observed(scheme: Scheme, times: list[float]) -> list[Observation]:
    seen: list[Observation] = []
    integrate(scheme, scheme.initial_state(), times, lambda index, state: seen.append(scheme.observe(state)))
    return seen


def at(place: list[float]) -> LabelLaw:
    """One atom."""
    return LabelLaw((), lambda x: np.ones(len(x)), lambda x: np.tile(place, (len(x), 1)))


Maker = Callable[[Objective, Geometry, LabelLaw], Scheme]


def by_characteristics(objective: Objective, geometry: Geometry, law: LabelLaw) -> Scheme:
    return Characteristics(objective, geometry, Flow(), law, 1e-9)


def by_particles(objective: Objective, geometry: Geometry, law: LabelLaw) -> Scheme:
    return ParticleProcess(objective, geometry, Flow(), law.embed(np.zeros((3, 0))), seed=0, tolerance=1e-7)


SCHEMES = pytest.mark.parametrize(("make", "tolerance"), [(by_characteristics, 1e-7), (by_particles, 2e-5)])


def test_a_uniform_law_stops_at_the_upper_wall() -> None:
    """Psi = (m - 2) z on [0, 1]: z rises at the rate 2 - m, the distance left obeys the law of atoms at a cone.

    With s = ∫(2 - m) dt the mean is 1 - (1 - s)^2 / 2 and ds/dt = 1 + (1 - s)^2 / 2. What is dissipated is the risk
    lost, R = (m - 2)^2: an atom that crossed the wall counts up to there.
    """
    objective = Objective(Coordinates(1), SquareLoss(np.ones(1), np.array([2.0])))
    law = LabelLaw((np.array([0.0, 1.0]),), lambda x: np.ones(len(x)), lambda x: x)
    scheme = Characteristics(objective, Geometry.of({"z": Interval(0.0, 1.0)}), Flow(), law, 1e-7, atoms=[800])
    root = math.sqrt(2.0)
    seen = observed(scheme, [0.0, 0.3, 0.7, root * math.atan(1.0 / root) + 0.1])
    for time, now in zip((0.3, 0.7), seen[1:], strict=False):
        left = root * math.tan(math.atan(1.0 / root) - time / root)
        assert now.mean[0] == pytest.approx(1.0 - 0.5 * left**2, abs=2e-6)
        assert now.dissipated == pytest.approx(seen[0].risk - now.risk, abs=1e-6)
    assert seen[-1].mean[0] == 1.0
    assert seen[-1].dissipation == 0.0
    assert np.all(seen[-1].law.points == 1.0)


@dataclass(frozen=True)
class Pulled(DenseFeatures):
    """Phi = (x + y, y)."""

    dimension: int = 2
    rank: int = 2

    def values(self, points: Array) -> Array:
        return np.column_stack([points.sum(axis=1), points[:, 1]])

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        return self.values(points), np.tile(np.array([[1.0, 1.0], [0.0, 1.0]]), (len(points), 1, 1))


@SCHEMES
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_an_atom_waits_at_a_wall_until_the_slope_turns(make: Maker, tolerance: float, side: float) -> None:
    """x' = 3 - x - y, y' = (3 - x - y) - (y - 5) from (1/2, -2): x meets its wall at 1, and leaves it when y = 2.

    The same mirrored, at the lower wall. The exact solution is put together from the three stretches.
    """
    objective = Objective(Pulled(), SquareLoss(np.ones(2), side * np.array([3.0, 5.0])))
    geometry = Geometry.of({"x": Interval(-1.0, 1.0), "y": Line()})

    def free(_: float, z: Array) -> list[float]:
        rest = 3.0 - z[0] - z[1]
        return [rest, rest - (z[1] - 5.0)]

    def meets(_: float, z: Array) -> float:
        return float(z[0] - 1.0)

    meets.terminal = True  # type: ignore[attr-defined]
    first = solve_ivp(free, (0.0, 9.0), [0.5, -2.0], events=meets, rtol=1e-12, atol=1e-13)
    # y' = 7 - 2 y until y = 2
    held = 0.5 * math.log((3.5 - first.y[1, -1]) / 1.5)
    times = [first.t[-1] + 0.5 * held, first.t[-1] + held + 0.7]
    last = solve_ivp(free, (0.0, 0.7), [1.0, 2.0], rtol=1e-12, atol=1e-13).y[:, -1]
    waiting, released = observed(make(objective, geometry, at([side * 0.5, side * -2.0])), times)
    y = 3.5 - (3.5 - first.y[1, -1]) * math.exp(-held)
    assert side * waiting.mean[0] == 1.0
    assert side * waiting.mean[1] == pytest.approx(y, abs=tolerance)
    assert last[0] < 0.9
    np.testing.assert_allclose(side * released.mean, last, atol=tolerance)


@dataclass(frozen=True)
class Turns(DenseFeatures):
    """Phi = (cos z, sin z), defined on one turn."""

    dimension: int = 1
    rank: int = 2

    def values(self, points: Array) -> Array:
        if not (points.min() >= 0.0 and points.max() < 2.0 * math.pi):
            raise ValueError("beyond one turn")
        return np.column_stack([np.cos(points[:, 0]), np.sin(points[:, 0])])

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        values = self.values(points)
        return values, np.column_stack([-values[:, 1], values[:, 0]])[:, :, None]


@SCHEMES
@pytest.mark.parametrize(("start", "end"), [(5.5, 1.0), (1.0, 5.5)])
def test_an_atom_runs_around_a_circle(make: Maker, tolerance: float, start: float, end: float) -> None:
    """z' = sin(end - z): tan((end - z)/2) decays like exp(-s), the short way through 0."""
    target = np.array([math.cos(end), math.sin(end)])
    scheme = make(Objective(Turns(), SquareLoss(np.ones(2), target)), Geometry.of({"angle": Circle()}), at([start]))
    for time, seen in zip((0.5, 1.5, 4.0), observed(scheme, [0.5, 1.5, 4.0]), strict=True):
        exact = end - 2.0 * math.atan(math.tan(0.5 * (end - start)) * math.exp(-time))
        assert seen.law.points[0, 0] == pytest.approx(exact % (2.0 * math.pi), abs=tolerance)


def test_a_law_across_the_cut_of_a_circle_is_that_of_a_turned_one() -> None:
    """Turning law and target by an angle turns the trajectory, wherever the circle is cut."""
    seen = []
    for turn in (0.0, 2.4, 4.0):
        target = 0.7 * np.array([math.cos(3.0 + turn), math.sin(3.0 + turn)])

        def embed(labels: Array, turn: float = turn) -> Array:
            return labels + turn

        law = LabelLaw((np.array([1.0, 4.0]),), lambda x: np.full(len(x), 1.0 / 3.0), embed)
        objective = Objective(Turns(), SquareLoss(np.ones(2), target))
        scheme = Characteristics(objective, Geometry.of({"angle": Circle()}), Flow(), law, 1e-9)
        (last,) = observed(scheme, [2.0])
        turned = (last.law.points[:, 0] - turn) % (2.0 * math.pi)
        seen.append((last.risk, float(last.law.weights @ np.cos(turned)), float(last.law.weights @ np.sin(turned))))
    np.testing.assert_allclose(seen[1:], [seen[0]] * 2, atol=1e-8)


def test_noise_between_walls_decays_mode_by_mode() -> None:
    """d_s p = p'' / (2 beta), no flux at 0 and 2: cell masses of 1/2 + c cos(pi z / 2) exp(-pi^2 s / (8 beta))."""
    beta, time = 2.0, 1.3
    geometry = Geometry.of({"z": Interval(0.0, 2.0)})
    flow = Flow(inverse_temperature=beta)
    errors = []
    for cells in (16, 32):
        grid = uniform_grid([0.0], [2.0], [cells], geometry)

        def exact(time: float, edges: Array = grid.edges[0]) -> Array:
            wave = 0.8 / math.pi * np.sin(0.5 * math.pi * edges) * math.exp(-(math.pi**2) * time / (8.0 * beta))
            return np.asarray(np.diff(0.5 * edges + wave))

        scheme = FiniteVolume(
            Objective(Nothing(1), SquareLoss(np.ones(1), np.zeros(1))), geometry, flow, grid, exact(0.0)
        )
        (last,) = observed(scheme, [time])
        errors.append(float(np.abs(last.law.weights - exact(time)).sum()))
    assert errors[1] < 1e-3
    assert errors[0] > 3.4 * errors[1]


def test_graded_grids_end_at_walls_without_an_origin_cell() -> None:
    geometry = Geometry.of({"z": Interval(0.0, 1.0)})
    path = np.linspace(0.02, 0.98, 50)[None, :, None] * np.ones((3, 1, 1))
    grid = graded_grid(Trails(path, np.full(50, 0.02), np.arange(3.0)), geometry, 20)
    assert (grid.edges[0][0], grid.edges[0][-1]) == (0.0, 1.0)
    assert grid.centres[0][0] > 0.0
    inner = graded_grid(Trails(0.3 + 0.2 * path, np.full(50, 0.02), np.arange(3.0)), geometry, 20)
    assert 0.2 < inner.edges[0][0] < 0.31
    assert 0.49 < inner.edges[0][-1] < 0.6


def test_cells_around_a_circle_are_all_of_it_and_without_noise() -> None:
    geometry = Geometry.of({"angle": Circle()})
    guide = Trails(np.ones((2, 3, 1)), np.ones(3) / 3.0, np.arange(2.0))
    grid = graded_grid(guide, geometry, 8)
    np.testing.assert_allclose(grid.edges[0], np.linspace(0.0, 2.0 * math.pi, 9), rtol=1e-15)
    objective = Objective(Nothing(1), SquareLoss(np.ones(1), np.zeros(1)))
    with pytest.raises(ValueError, match="angle lies on a circle, along which no cells"):
        FiniteVolume(objective, geometry, Flow(inverse_temperature=1.0), grid, np.ones(8))
