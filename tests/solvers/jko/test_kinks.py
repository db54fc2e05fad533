"""Minimising movements on kinks: they land there exactly, descend, and come to sliding with their length."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.characteristics.contact import HELD
from mfpde.solvers.characteristics.sliding import SlidingCharacteristics
from mfpde.solvers.jko.kinks.proximal import KinkedJko
from tests.solvers.characteristics.kinked import RELU, run, sliding

STAIRS = PiecewiseLinear([-0.5, 0.3, 0.8], [1.0, -1.5, 0.4], first_slope=0.2)


def movements(scheme: SlidingCharacteristics, length: float) -> KinkedJko:
    return KinkedJko(scheme.objective, scheme.geometry, scheme.flow, scheme.law).with_step(length)


def test_steps_of_one_particle_are_shrinkage() -> None:
    """min (w - x)^2/(2 tau) + (w_+ + 1)^2/2: w = (x - tau)/(1 + tau) down to 0, where it stays."""
    tau = 0.25
    _, states = run(movements(sliding([[1.0]], [-1.0], [[1.0, 1.0]], trained=False), tau), [4.0])
    expected = 1.0
    for state in states:
        expected = max((expected - tau) / (1.0 + tau), 0.0)
        assert_allclose(state.arrays["positions"].ravel()[0], expected, rtol=1e-13, atol=0.0)
    assert expected == 0.0


@pytest.mark.long
@pytest.mark.parametrize(
    ("seed", "unit", "trained", "offset"),
    [(0, RELU, False, "none"), (9, RELU, False, "trained"), (3, RELU, True, "none"), (2, STAIRS, True, "trained")],
)
def test_they_come_to_sliding_with_their_length(seed: int, unit: PiecewiseLinear, trained: bool, offset: str) -> None:
    """Halving the step halves the distance of R from that of particles that slide; F falls; the gap is rounding."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(5, 2)), 2.0 * rng.normal(size=5)
    rows = np.column_stack([rng.normal(size=(8, 2)), np.tile([1.0, -1.0], 4)])
    if offset != "none":
        rows = np.column_stack([rows, rng.normal(size=8)])
    exact = sliding(x, y, rows, unit, trained, offset)
    limit = run(exact, [3.0])[0][0].risk
    errors = []
    for length in (0.1, 0.05):
        scheme = movements(exact, length)
        seen, states = run(scheme, [0.0, 3.0])
        errors.append(seen[1].risk - limit)
        energies = [seen[0].free_energy, *(scheme.observe(state).free_energy for state in states)]
        assert max(np.diff(energies)) < 1e-14
        assert seen[1].residual is not None
        assert seen[1].residual < 1e-20
        held = states[-1].arrays["sides"] == HELD
        places = states[-1].arrays["positions"].reshape(8, -1)
        assert held.any()
        assert np.abs(scheme.kinks.heights(places)[held]).max() < 1e-14
    assert abs(errors[1]) < 2e-3
    assert 1.4 < errors[0] / errors[1] < 3.0


@pytest.mark.long
def test_ridge_and_weights_enter_as_in_the_flow() -> None:
    """At rest nothing moves: the law that long steps end at is that of the flow."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(4, 2)), rng.normal(size=4)
    rows = np.column_stack([rng.normal(size=(4, 2)), np.tile([1.0, -1.0], 2)])
    exact = sliding(x, y, rows, trained=False, weights=[0.1, 0.2, 0.3, 0.4], ridge=0.3)
    flow = run(exact, [150.0])[0][0]
    steps = run(movements(exact, 0.5), [150.0])[0][0]
    assert_allclose(steps.free_energy, flow.free_energy, rtol=1e-9)
    assert_array_equal(np.abs(steps.law.points) < 1e-12, np.abs(flow.law.points) < 1e-12)
