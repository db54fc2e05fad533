"""Free mass and signs on a circle, by every scheme: energy with G^2, one law whatever the scheme and the cut."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.characteristics import Characteristics, LabelLaw
from mfpde.solvers.finite_volume.finite_volume import FiniteVolume
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import Observation, Scheme, integrate
from mfpde.solvers.objective.coefficient import WithCoefficient
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import DenseFeatures, Objective
from mfpde.solvers.particles.birth_death_process import ParticleProcess
from mfpde.solvers.space.axis import Circle, Sign
from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.space.grid import Grid, brought_back, grid_from_edges

TURN = 2.0 * math.pi


@dataclass(frozen=True)
class Turns(DenseFeatures):
    """Phi = (1, cos z, sin z, cos 2z, sin 2z), defined on one turn."""

    dimension: int = 1
    rank: int = 5

    def values(self, points: Array) -> Array:
        z = points[:, 0]
        if not (z.min() >= 0.0 and z.max() < TURN):
            raise ValueError("beyond one turn")
        return np.column_stack([np.ones(len(z)), np.cos(z), np.sin(z), np.cos(2.0 * z), np.sin(2.0 * z)])

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        values = self.values(points)
        slopes = [np.zeros(len(points)), -values[:, 2], values[:, 1], -2.0 * values[:, 4], 2.0 * values[:, 3]]
        return values, np.column_stack(slopes)[:, :, None]


SIGNED = Geometry.of({"angle": Circle(), "sign": Sign()}, ["sign"])


def target(turn: float = 0.0) -> Objective:
    features = WithCoefficient(Turns(), 1)
    spikes = np.array([[1.0, 1.0], [3.0, -1.0], [5.5, 1.0]])
    spikes[:, 0] = np.mod(spikes[:, 0] + turn, TURN)
    return Objective(features, SquareLoss(np.ones(5), features.outputs(spikes, np.array([0.8, 0.5, 0.7]))))


def even(count: int) -> tuple[Array, Array]:
    """Equispaced atoms of both signs, of mass 0.6."""
    places = np.column_stack([np.repeat(TURN / count * np.arange(count), 2), np.tile([1.0, -1.0], count)])
    return places, np.full(2 * count, 0.3 / count)


def atoms(places: Array, masses: Array) -> LabelLaw:
    share = masses / masses.sum()
    numbers = np.arange(float(len(places)))
    return LabelLaw(
        (),
        lambda x: share[x[:, 0].astype(int)],
        lambda x: places[x[:, 0].astype(int)],
        (),
        (numbers,),
        float(masses.sum()),
    )


def cells(count: int) -> Grid:
    return grid_from_edges([np.linspace(0.0, TURN, count + 1), np.array([-2.0, 0.0, 2.0])], [False, False])


def ends(scheme: Scheme, times: list[float]) -> list[Observation]:
    seen: list[Observation] = []
    integrate(scheme, scheme.initial_state(), times, lambda index, state: seen.append(scheme.observe(state)))
    return seen


def by_cells(flow: Flow, count: int, turn: float = 0.0) -> FiniteVolume:
    masses = np.full((count, 2), 0.3 / count)
    return FiniteVolume(target(turn), SIGNED, flow, cells(count), masses)


@pytest.mark.parametrize("growth", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("transport", [True, False])
def test_the_energy_lost_is_what_g_squared_dissipates(growth: float, transport: bool) -> None:
    flow = Flow(growth=growth, transport=transport)
    first, *_, last = ends(Characteristics(target(), SIGNED, flow, atoms(*even(40)), 1e-9), [0.0, 0.4, 1.0])
    assert last.free_energy - first.free_energy + last.dissipated == pytest.approx(0.0, abs=1e-8)
    moves = growth > 0.0 or transport
    assert (last.free_energy < first.free_energy - 0.02) == moves
    assert (abs(last.mass - first.mass) > 0.01) == (growth > 0.0)
    assert first.mass == pytest.approx(0.6, rel=1e-14)


def test_particles_are_the_characteristics_of_their_start() -> None:
    places, masses = even(24)
    masses = masses * (1.0 + 0.5 * np.cos(places[:, 0]))
    flow = Flow(growth=2.0)
    (exact,) = ends(Characteristics(target(), SIGNED, flow, atoms(places, masses), 1e-10), [1.0])
    (found,) = ends(ParticleProcess(target(), SIGNED, flow, places, 0, tolerance=1e-7, weights=masses), [1.0])
    assert found.risk == pytest.approx(exact.risk, abs=1e-7)
    assert found.mass == pytest.approx(exact.mass, abs=1e-7)
    assert found.dissipation == pytest.approx(exact.dissipation, rel=1e-6)
    np.testing.assert_allclose(found.mean, exact.mean, atol=1e-7)
    np.testing.assert_allclose(found.variance, exact.variance, atol=1e-7)


def test_a_thousand_decades_of_weights_are_logarithms() -> None:
    """Where G = y > 0 everywhere weights fall by exp(-kappa y s); at 1e-300 they are still positive."""
    flow, features = Flow(growth=50.0, transport=False), WithCoefficient(Turns(), 1)
    objective = Objective(features, SquareLoss(np.ones(5), np.array([-13.0, 0.0, 0.0, 0.0, 0.0])))
    places, masses = np.array([[0.5, 1.0], [0.7, -1.0]]), np.array([1e-12, 1e-280])
    (last,) = ends(Characteristics(objective, SIGNED, flow, atoms(places, masses), 1e-10), [1.0])
    assert 0.0 < last.law.weights[0] < 1e-290
    assert last.law.weights[1] > 1e-3


@pytest.mark.long
def test_cells_around_a_circle_converge_to_characteristics() -> None:
    flow = Flow(growth=1.0)
    (exact,) = ends(Characteristics(target(), SIGNED, flow, atoms(*even(600)), 1e-9), [0.5])
    errors = []
    for count in (32, 64, 128):
        (found,) = ends(by_cells(flow, count), [0.5])
        errors.append(abs(found.risk - exact.risk) + abs(found.mass - exact.mass))
    assert errors[2] < 4e-4
    assert errors[0] / errors[1] > 3.0
    assert errors[1] / errors[2] > 3.0


def test_the_cut_of_a_circle_is_nowhere() -> None:
    """A target turned by whole cells turns the law: nothing is lost or held back at the cut."""
    count, flow = 48, Flow(growth=1.0)
    laws = [ends(by_cells(flow, count, TURN * k / count), [0.7])[0].law.weights.reshape(count, 2) for k in (0, 17, 31)]
    for law, shift in zip(laws[1:], (17, 31), strict=True):
        np.testing.assert_allclose(np.roll(law, -shift, axis=0), laws[0], rtol=1e-9, atol=1e-14)


def test_mass_on_a_circle_is_kept_where_it_does_not_grow() -> None:
    for turn in (0.0, 2.0):
        (last,) = ends(by_cells(Flow(growth=0.0), 64, turn), [3.0])
        assert last.mass == pytest.approx(0.6, abs=1e-13)
        assert np.all(last.law.weights >= 0.0)
    seen = ends(by_cells(Flow(growth=2.0), 64), [0.0, 0.3, 0.6, 1.0, 2.0])
    energies = [each.free_energy for each in seen]
    assert all(after <= before + 1e-14 for before, after in pairwise(energies))


def test_moments_on_a_circle_are_those_of_cosine_and_sine() -> None:
    points, weights = np.array([[0.1, 1.0], [TURN - 0.1, 1.0], [math.pi, -1.0]]), np.array([1.0, 1.0, 2.0])
    assert SIGNED.statistics == ("cos_angle", "sin_angle", "sign")
    mean, variance = SIGNED.moments(points, weights)
    np.testing.assert_allclose(mean, [0.5 * (math.cos(0.1) - 1.0), 0.0, 0.0], atol=1e-15)
    spread = 0.5 * (math.cos(0.1) ** 2 + 1.0) - mean[0] ** 2
    np.testing.assert_allclose(variance, [spread, 0.5 * math.sin(0.1) ** 2, 1.0], atol=1e-15)
    found = by_cells(Flow(growth=1.0), 64).observe(by_cells(Flow(growth=1.0), 64).initial_state())
    np.testing.assert_allclose(found.mean, [0.0, 0.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(found.variance, [0.5, 0.5, 1.0], atol=1e-15)


def test_what_is_smeared_past_the_cut_comes_back() -> None:
    grid = grid_from_edges([np.linspace(0.0, TURN, 9)], [False])
    assert grid.longer([TURN], 3).shape == (14,)
    longer = grid.longer([TURN])
    np.testing.assert_allclose(longer.edges[0], np.linspace(-TURN, 2.0 * TURN, 25))
    np.testing.assert_allclose(longer.centres[0][8:16], grid.centres[0])
    masses = brought_back(np.arange(24.0), [TURN])
    np.testing.assert_allclose(masses, 3.0 * np.arange(8.0) + 24.0)
