"""Particles on kinks of Psi against closed forms: they cross, stick, slide, rest where kinks meet, and leave."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq

from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.contact import ABOVE, BELOW, HELD, contact
from mfpde.solvers.objective.kinks import distinct_planes
from tests.solvers.characteristics.kinked import RELU, run, sliding

STAIRS = PiecewiseLinear([-0.5, 0.3, 0.8], [1.0, -1.5, 0.4], first_slope=0.2)


def test_one_particle_on_one_sample_stops_at_its_kink() -> None:
    """w' = -(w + 1) down to w = 0 at t = log 2, where R = y^2 for good; a slope of either side would carry it on."""
    seen, states = run(sliding([[1.0]], [-1.0], [[1.0, 1.0]], trained=False), [0.0, 0.3, math.log(2.0) + 1e-9, 9.0])
    places = [law.law.points[0, 0] for law in seen]
    assert_allclose(places[1], 2.0 * math.exp(-0.3) - 1.0, rtol=1e-11)
    assert_array_equal(places[2:], 0.0)
    assert seen[3].risk == 1.0
    # dR/dt = -2 |v|^2 until it stops
    assert_allclose(seen[3].dissipated, 3.0, rtol=1e-11)
    assert len(states) < 20


def test_two_kinks_hold_one_after_the_other() -> None:
    """On x_1 = e_1, x_2 = e_2 the coordinates are independent: each stops at t = 2 log(1 + w_j)."""
    start = [[0.5, 1.0, 1.0]]
    seen, states = run(sliding(np.eye(2), [-1.0, -1.0], start, trained=False), [1.0, 1.2, 1.5])
    assert_allclose(seen[1].law.points[0, :2], [0.0, 2.0 * math.exp(-0.6) - 1.0], rtol=1e-11, atol=0.0)
    assert_array_equal(seen[2].law.points[0, :2], 0.0)
    assert len(states) < 30


def test_a_particle_meets_a_kink_slides_along_it_and_leaves() -> None:
    """Two neurons, each active at one sample, make g_1 and g_2 decay at rates m_1/2 and m_2; a third without weight
    sticks to the kink of x_1 = (1, 0) while -g_2 lies between 0 and g_1, and leaves when g_1 has fallen below -g_2.
    """
    m1, m2, y = 0.9, 0.1, [0.4, 0.4]
    rows = [[1.0, -3.0, 1.0], [-2.0, 4.0, 1.0], [0.05, 1.0, 1.0]]
    times = [0.2, 1.0, 2.6, 2.7, 4.0]
    scheme = sliding([[1.0, 0.0], [1.0, 1.0]], y, rows, trained=False, weights=[m1, m2, 0.0])
    seen, states = run(scheme, times)
    rates, starts = (0.5 * m1, m2), (m1 - y[0], 2.0 * m2 - y[1])

    def pushed(share: int, low: float, high: float) -> float:
        """-∫g/2 from low to high."""
        rate, size = rates[share], starts[share]
        return -0.5 * size * (math.exp(-rate * low) - math.exp(-rate * high)) / rate

    meets = brentq(lambda t: 0.05 + pushed(0, 0.0, t) + pushed(1, 0.0, t), 0.1, 1.0, xtol=1e-15)
    leaves = math.log(-starts[0] / starts[1]) / (rates[0] - rates[1])
    assert times[0] < meets < times[1]
    assert times[2] < leaves < times[3]
    for law, t in zip(seen, times, strict=True):
        free = sum(pushed(k, 0.0, min(t, meets)) + pushed(k, leaves, max(t, leaves)) for k in (0, 1))
        expected = [0.0 if meets < t < leaves else 0.05 + free, 1.0 + pushed(1, 0.0, t)]
        assert_allclose(law.law.points[2, :2], expected, rtol=1e-9, atol=1e-12)
    assert len(states) < 40


def euler(x: Array, y: Any, rows: Array, unit: Any, omega: Array, moving: Array, end: float, step: float) -> float:
    """The risk at the end by explicit steps, which chatter about the kinks."""
    places, inputs = rows.copy(), np.column_stack([x, np.ones(len(x))])
    axis = x.shape[1]
    for _ in range(round(end / step)):
        u = np.delete(places, axis, axis=1) @ inputs.T
        residual = omega * (places[:, axis] @ unit.value(u) / len(rows) - y)
        slopes = (places[:, axis, None] * unit.slope(u) * residual) @ inputs
        places -= step * moving * np.insert(slopes, axis, unit.value(u) @ residual, axis=1)
    outputs = places[:, axis] @ unit.value(np.delete(places, axis, axis=1) @ inputs.T) / len(rows)
    return float(omega @ (outputs - y) ** 2)


@pytest.mark.parametrize(("unit", "trained"), [(RELU, False), (STAIRS, True)])
def test_explicit_steps_approach_it_with_their_length(unit: PiecewiseLinear, trained: bool) -> None:
    """Particles with offsets slide at once: errors of Euler's steps are of their length, and the energy balances.

    A force that is not projected, or a multiplier that is let go too late, leaves an error that does not fall.
    """
    rng = np.random.default_rng(9 if unit is RELU else 2)
    x, y, omega = rng.normal(size=(5, 2)), 2.0 * rng.normal(size=5), rng.random(5) + 0.2
    omega /= omega.sum()
    rows = np.column_stack([rng.normal(size=(8, 2)), np.tile([1.0, -1.0], 4), rng.normal(size=8)])
    scheme = sliding(x, y, rows, unit, trained, "trained", omega=omega)
    seen, states = run(scheme, [0.0, 4.0])
    moving = np.array([1.0, 1.0, float(trained), 1.0])
    steps = (4e-3, 2e-3, 1e-3)
    errors = [euler(x, y, rows, unit, omega, moving, 4.0, step) - seen[1].risk for step in steps]
    assert all(abs(error) < 0.3 * step for error, step in zip(errors, steps, strict=True))
    assert max((state.arrays["sides"] == HELD).sum() for state in states) >= 3
    assert_allclose(seen[0].risk - seen[1].risk, seen[1].dissipated, atol=2e-9)
    assert len(states) < 60


def test_samples_that_are_written_twice_change_nothing() -> None:
    """Twice with half the weight, and turned about with a unit that is even: the planes are one."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(4, 2)), rng.normal(size=4)
    rows = np.column_stack([rng.normal(size=(6, 2)), np.tile([1.0, -1.0], 3)])
    fold = PiecewiseLinear([0.0], [2.0], first_slope=-1.0)
    for unit, sign in ((RELU, 1.0), (fold, -1.0)):
        once, _ = run(sliding(x, y, rows, unit, False), [5.0])
        twice, states = run(sliding(np.vstack([x, sign * x[::-1]]), [*y, *y[::-1]], rows, unit, False), [5.0])
        assert states[0].arrays["sides"].shape == (6, 4)
        assert_allclose(twice[0].law.points, once[0].law.points, atol=1e-9)


def test_planes_are_told_apart_up_to_a_factor() -> None:
    normals = np.array([[1.0, 2.0], [-3.0, -6.0], [1.0, 2.0], [0.0, -1.0]])
    plane, turned, _, offsets = distinct_planes(normals, np.array([1.0, -3.0, 1.0 + 1e-9, 0.0]))
    assert plane[0] == plane[1] != plane[2]
    assert len(offsets) == 3
    assert_array_equal(turned, [False, True, False, True])


def fallen(ways: Array, force: Array, normals: Array, strengths: Array) -> Array:
    """Psi'(v) + |v|^2/2 of velocities (m, D)."""
    bends = np.maximum(ways @ normals.T, 0.0) @ strengths
    return np.asarray(bends - ways @ force + 0.5 * (ways**2).sum(axis=1))


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_way_from_where_kinks_meet_descends_steepest(dimension: int) -> None:
    """No velocity of a cloud about the one found, or far off, makes Psi'(v) + |v|^2/2 smaller."""
    rng = np.random.default_rng(dimension)
    for _ in range(60):
        count = int(rng.integers(1, 5))
        force, normals = rng.normal(size=dimension), rng.normal(size=(count, dimension))
        strengths = rng.normal(size=count) + 1.0
        found = contact(force, normals, strengths)
        # what is not across the kinks is left as it is
        spans = np.linalg.svd(normals)[2][: min(count, dimension)]
        velocity = found.velocity + force - spans.T @ (spans @ force)
        far, near = (size * rng.normal(size=(2000, dimension)) for size in (2.0, 1e-3))
        least = min(fallen(ways, force, normals, strengths).min() for ways in (far, velocity + near))
        assert fallen(velocity[None], force, normals, strengths)[0] <= least + 1e-15
        crossing = normals @ velocity
        assert_array_equal(found.sides == ABOVE, crossing > 1e-7 * np.abs(crossing).max() + 1e-12)
        assert_array_equal(found.sides == BELOW, crossing < -1e-7 * np.abs(crossing).max() - 1e-12)


def test_a_neuron_at_the_origin_waits_for_a_way_out() -> None:
    """At w = 0 the kinks of all samples meet: it rests while no direction descends, however many they are."""
    samples = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    for third, rests in ((-0.9, True), (-1.1, False)):
        # Psi'(v) = (v_1)_+ + (v_2)_+ + third (v_1 + v_2)_+ is never negative while third >= -1
        seen, _ = run(sliding(samples, [-3.0, -3.0, -3.0 * third], [[0.0, 0.0, 1.0]], trained=False), [0.0, 0.01])
        assert bool(np.all(seen[1].law.points[0, :2] == 0.0)) is rests


def test_a_run_that_is_taken_up_again_is_the_same() -> None:
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(4, 2)), rng.normal(size=4)
    rows = np.column_stack([rng.normal(size=(6, 2)), np.tile([1.0, -1.0], 3)])
    scheme = sliding(x, y, rows)
    _, states = run(scheme, [1.0, 2.0])
    again = sliding(x, y, rows)
    middle = next(i for i, state in enumerate(states) if state.flow_time == 1.0)
    state = states[middle]
    while state.flow_time < 2.0:
        state = again.advance(state, 2.0)
    for name, array in states[-1].arrays.items():
        assert_array_equal(state.arrays[name], array)


def test_a_law_at_rest_on_kinks_stays_there_in_few_steps() -> None:
    """At the optimum the forces are the noise of steps, of either sign: no meeting without end (2,160 steps once)."""
    seen, states = run(sliding([[0.0], [0.0], [1.0], [2.0]], [2.0, 2.0, 2.0, -3.0], [[2.0, -1.0], [0.0, -1.0]]), [30.0])
    assert len(states) < 60
    # sigma(0) is all that the samples at 0 get
    assert seen[0].risk >= 2.0
    assert seen[0].dissipation < 1e-16


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 4, 8, 12])
def test_lattices_of_samples_and_neurons_balance_their_energy(seed: int) -> None:
    """Integers make planes coincide, and neurons that start where kinks meet, at the origin or on several at once."""
    rng = np.random.default_rng(1000 + seed)
    x, y = np.round(rng.normal(size=(4, 2))), np.round(3.0 * rng.normal(size=4))
    x[~x.any(axis=1)] = 1.0
    rows = np.column_stack([np.round(rng.normal(size=(6, 2))), np.tile([1.0, -1.0], 3), np.round(rng.normal(size=6))])
    seen, states = run(sliding(x, y, rows, trained=bool(seed % 8), offset="fixed"), [0.0, 20.0])
    assert_allclose(seen[0].risk - seen[1].risk, seen[1].dissipated, atol=1e-8)
    assert len(states) < 400
