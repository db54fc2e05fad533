"""Ridges by coordinate and penalties of coefficients: derivatives, bounds, and the flow that they make alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.characteristics import Characteristics, LabelLaw
from mfpde.solvers.finite_volume.finite_volume import FiniteVolume
from mfpde.solvers.flow.confinement import Penalty, Ridge
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import StepFailure, integrate
from mfpde.solvers.jko.atoms.jko import Jko
from mfpde.solvers.jko.atoms.options import JkoOptions
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.objective.table.feature_table import build_table
from mfpde.solvers.particles.birth_death_process import ParticleProcess
from mfpde.solvers.space.axis import Line, Radius
from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.space.grid import Grid
from tests.solvers.problems import Coordinates

SPACE = Geometry.of({"w1": Line(), "w2": Line(), "a": Line(), "b": Line()})
FLOWS = {
    "ridges": Flow(Ridge(0.3, 0.2, 0.1)),
    "cubes": Flow(0.2, penalty=Penalty(3.0, 0.7)),
    "roots": Flow(penalty=Penalty(1.5, 0.4)),
    "paths": Flow(Ridge(a=0.1), penalty=Penalty(path=0.6)),
}


@pytest.mark.parametrize("name", FLOWS)
def test_derivatives_and_their_bounds(name: str) -> None:
    """Slopes and Hessians by differences; those at 2000 points of cells lie below the bounds of the cells."""
    held, generator = FLOWS[name].confinement(SPACE), np.random.default_rng(3)
    points, step = generator.normal(size=(20, 4)), 1e-5
    for axis in range(4):
        shift = step * np.eye(4)[axis]
        rise = (held.value(points + shift) - held.value(points - shift)) / (2.0 * step)
        np.testing.assert_allclose(held.gradient(points)[:, axis], rise, atol=1e-8)
        bend = (held.gradient(points + shift) - held.gradient(points - shift)) / (2.0 * step)
        hessians = np.stack([held.hessian(point) for point in points])
        np.testing.assert_allclose(hessians[:, axis], bend, rtol=1e-5, atol=1e-6)
    lower = generator.normal(size=(100, 4))
    upper = lower + generator.random((100, 4))
    bends, slopes = held.bends(lower, upper), held.slopes(lower, upper)
    for _ in range(20):
        inside = lower + (upper - lower) * generator.random(lower.shape)
        assert (np.abs(held.gradient(inside)) <= slopes * (1.0 + 1e-12)).all()
        second = np.stack([np.diag(held.hessian(point)) for point in inside])
        assert (second <= bends * (1.0 + 1e-12)).all()


def test_masses_with_a_sign_cost_what_their_path_does() -> None:
    held = Flow(penalty=Penalty(path=0.3)).confinement(Geometry.of({"angle": Line()}))
    assert held.energy(np.array([[0.4], [2.0]]), np.array([1.5, 0.5])) == pytest.approx(2.0 * 0.3 * 2.0, rel=1e-15)


POWERS = [(3.0, 0.8, 0.0), (1.5, 0.6, 0.0), (4.0, 0.5, 0.3)]


def decayed(a: float, power: float, strength: float, ridge: float, time: float) -> float:
    """|a| of a' = -strength |a|^(p-1) sign a - ridge a: u = |a|^(2-p) is linear."""
    if ridge == 0.0:
        left = abs(a) ** (2.0 - power) - (2.0 - power) * strength * time
    else:
        rest = strength / ridge
        left = (abs(a) ** (2.0 - power) + rest) * math.exp(-(2.0 - power) * ridge * time) - rest
    return float(max(left, 0.0) ** (1.0 / (2.0 - power)))


def point_law(points: Array) -> LabelLaw:
    """Atoms of equal mass."""
    return LabelLaw(
        breaks=(),
        density=lambda labels: np.full(len(labels), 1.0 / len(points)),
        embed=lambda labels: points[labels[:, 0].astype(int)],
        places=(np.arange(len(points), dtype=float),),
    )


def nothing_to_learn() -> Objective:
    """Phi = z with weights 1e-300: the confinement acts alone."""
    return Objective(Coordinates(2), SquareLoss(np.full(2, 1e-300), np.zeros(2)))


@pytest.mark.parametrize(("power", "strength", "ridge"), POWERS)
def test_a_power_alone_moves_coefficients_as_its_closed_form_says(power: float, strength: float, ridge: float) -> None:
    """Without data a' = -strength |a|^(p-1) sign a - ridge a, and w' = 0, along characteristics, particles and jko.

    Of |a|^(1/2) the velocity has no derivative at 0, where all of it ends: there the tolerance is that of steps.
    """
    space = Geometry.of({"w": Line(), "a": Line()})
    flow = Flow(Ridge(a=ridge), penalty=Penalty(power, strength))
    start = np.array([[0.5, 1.0], [0.2, -0.7], [0.0, 0.1]])
    exact = np.array([[w, math.copysign(decayed(a, power, strength, ridge, 1.0), a)] for w, a in start])
    law, tolerance = point_law(start), 1e-6 if power < 2.0 else 1e-9
    scheme = Characteristics(nothing_to_learn(), space, flow, law, 1e-10)
    last = scheme.observe(integrate(scheme, scheme.initial_state(), [1.0], lambda index, state: None))
    np.testing.assert_allclose(last.law.points, exact, atol=tolerance)
    energy = 2.0 * np.mean(strength / power * np.abs(exact[:, 1]) ** power + 0.5 * ridge * exact[:, 1] ** 2)
    assert last.free_energy == pytest.approx(energy, abs=tolerance)
    particles = ParticleProcess(nothing_to_learn(), space, flow, start, seed=0, tolerance=1e-9)
    state = integrate(particles, particles.initial_state(), [1.0], lambda index, state: None)
    np.testing.assert_allclose(state.arrays["positions"], exact, atol=1e-5)
    if power < 2.0:
        return
    table = build_table(Coordinates(2), [np.array([-1.0, 1.0]), np.array([-1.5, 1.5])], tolerance=1e-8)
    objective = Objective(table, SquareLoss(np.full(2, 1e-12), np.zeros(2)))
    jko = Jko(objective, table, space, flow, law, JkoOptions(step=0.25, order=1))
    state, places = jko.initial_state(), start.copy()
    for step in range(1, 4):
        state = integrate(jko, state, [0.25 * step], lambda index, state: None)
        places[:, 1] = [implicit(a, 0.25, power, strength, ridge) for a in places[:, 1]]
    np.testing.assert_allclose(jko.observe(state).law.points, places, atol=1e-9)


def implicit(a: float, step: float, power: float, strength: float, ridge: float) -> float:
    """z with z + step (strength |z|^(p-1) sign z + ridge z) = a, by bisection."""
    low, high = 0.0, abs(a)
    for _ in range(200):
        middle = 0.5 * (low + high)
        reached = middle + step * (strength * middle ** (power - 1.0) + ridge * middle)
        low, high = (middle, high) if reached < abs(a) else (low, middle)
    return math.copysign(low, a)


def test_a_path_shrinks_radius_and_coefficient_together() -> None:
    """r' = -s |a|, a' = -s r sign a: r +- |a| grow and fall like exp(-+s t); in cells the means follow to order 2."""
    space, strength, time = Geometry.of({"r": Radius(3.0), "a": Line()}), 0.5, 0.4
    flow = Flow(penalty=Penalty(path=strength))
    start = np.array([[1.0, 0.5], [0.8, -0.3]])
    scheme = Characteristics(nothing_to_learn(), space, flow, point_law(start), 1e-11)
    last = scheme.observe(integrate(scheme, scheme.initial_state(), [time], lambda index, state: None))
    sums = (start[:, 0] + np.abs(start[:, 1])) * math.exp(-strength * time)
    differences = (start[:, 0] - np.abs(start[:, 1])) * math.exp(strength * time)
    exact = np.column_stack([0.5 * (sums + differences), np.sign(start[:, 1]) * 0.5 * (sums - differences)])
    np.testing.assert_allclose(last.law.points, exact, atol=1e-10)
    edges = np.linspace(0.4, 1.3, 91), np.linspace(0.1, 0.9, 81)
    grid = Grid(edges, tuple(0.5 * (edge[1:] + edge[:-1]) for edge in edges))
    masses = np.exp(-0.5 * (((grid.points - start[0]) / 0.05) ** 2).sum(axis=1)).reshape(grid.shape)
    cells = FiniteVolume(nothing_to_learn(), space, flow, grid, masses / masses.sum())
    found = cells.observe(integrate(cells, cells.initial_state(), [time], lambda index, state: None))
    np.testing.assert_allclose(found.mean, exact[0], atol=2e-4)


def test_a_neuron_that_comes_to_a_kink_of_a_path_is_told_so() -> None:
    """|a| < |w|: a reaches 0 in finite time and would be held there, by which steps would only become shorter."""
    space, flow = Geometry.of({"w": Line(), "a": Line()}), Flow(penalty=Penalty(path=1.0))
    start = np.array([[1.0, 0.3]])
    particles = ParticleProcess(nothing_to_learn(), space, flow, start, seed=0, tolerance=1e-6)
    for scheme in (Characteristics(nothing_to_learn(), space, flow, point_law(start), 1e-8), particles):
        state = integrate(scheme, scheme.initial_state(), [0.3], lambda index, state: None)
        assert scheme.observe(state).mean[1] > 0.0
        with pytest.raises(StepFailure, match="a neuron has come there"):
            integrate(scheme, state, [0.5], lambda index, state: None)


def test_what_compiled_loops_take() -> None:
    np.testing.assert_array_equal(FLOWS["cubes"].confinement(SPACE).packed, [0.2, 0.2, 0.2, 0.2, 2.0, 3.0, 0.7])
    assert FLOWS["paths"].confinement(SPACE).packed[4] == -1.0
