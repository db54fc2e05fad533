"""Weights far from where rho_0 has its mass: panels, cuts, and the words where floating point holds no more."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.characteristics import Characteristics
from mfpde.solvers.characteristics.panels import LabelLaw
from mfpde.solvers.characteristics.selection import grown
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import Observation, State, StepFailure, integrate
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import DenseFeatures, Objective
from tests.solvers.problems import line


class Nothing(DenseFeatures):
    """Phi = 0."""

    rank = 1

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension

    def values(self, points: Array) -> Array:
        return np.zeros((len(points), 1))

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        return np.zeros((len(points), 1)), np.zeros((len(points), 1, self.dimension))


def normal(mean: float, deviation: float, axes: int, tails: tuple[float, ...]) -> LabelLaw:
    """N(mean, deviation^2) in every coordinate, cut off at these tails one after the other."""
    first, *wider = ((special.ndtri(tail) * np.array([1.0, -1.0]),) * axes for tail in tails)

    def density(labels: Array) -> Array:
        return np.asarray(np.exp(-0.5 * (labels**2).sum(axis=1)) / (2.0 * np.pi) ** (axes / 2))

    return LabelLaw(first, density, lambda labels: mean + deviation * labels, tuple(wider))


def scheme_of(law: LabelLaw, rate: float, transport: bool = False) -> Characteristics:
    axes = len(law.breaks)
    objective = Objective(Nothing(axes), SquareLoss(np.ones(1), np.ones(1)))
    flow = Flow(ridge=1.0, fisher_rao_rate=rate, transport=transport)
    return Characteristics(objective, line(axes), flow, law, 1e-6)


def seen(scheme: Characteristics, times: list[float]) -> list[Observation]:
    found: list[Observation] = []
    integrate(scheme, scheme.initial_state(), times, lambda index, state: found.append(scheme.observe(state)))
    return found


TAILS = (1e-18, 1e-40, 1e-90, 1e-140, 1e-150)


@pytest.mark.parametrize(("axes", "rate"), [(1, 36.0), pytest.param(2, 5.0, marks=pytest.mark.long)])
def test_a_law_that_moves_many_deviations_into_its_tail(axes: int, rate: float) -> None:
    """N(10, 1/4) under exp(-alpha t z^2 / 2): 1/s = 1/s_0 + alpha t and mean 10 s / s_0, from 10 down to 1."""
    times = [0.0, 0.1, 1.0]
    for time, found in zip(times, seen(scheme_of(normal(10.0, 0.5, axes, TAILS), rate), times), strict=True):
        variance = 1.0 / (4.0 + rate * time)
        assert found.mean == pytest.approx(40.0 * variance, rel=1e-6)
        assert found.variance == pytest.approx(variance, rel=1e-6)
        assert found.mass == pytest.approx(1.0, abs=1e-13)


def test_what_comes_from_beyond_the_last_cut_is_refused_in_words() -> None:
    scheme = scheme_of(normal(10.0, 0.5, 1, TAILS[:2]), 36.0)
    with pytest.raises(StepFailure, match=r"births lift .* tails of rho_0 that floating point does not hold"):
        seen(scheme, [1.0])


def test_a_restart_after_the_cuts_moved_is_bitwise_the_uninterrupted_run() -> None:
    scheme = scheme_of(normal(10.0, 0.5, 1, TAILS), 36.0, transport=True)
    states: dict[int, State] = {}
    final = integrate(scheme, scheme.initial_state(), [0.02, 0.5, 0.7], states.__setitem__)
    assert states[0].arrays["reach"][0] < states[1].arrays["reach"][0]
    again = integrate(scheme_of(scheme.law, 36.0, transport=True), states[1], [0.7], lambda index, state: None)
    for key, array in final.arrays.items():
        assert np.array_equal(again.arrays[key], array)


def test_weights_come_from_logarithms() -> None:
    """The largest exponent may sit on a mass that is next to nothing."""
    weights = grown(np.array([1.0, 1e-300, 0.0]), np.array([0.0, 600.0, 5000.0]))
    expected = np.exp(600.0 + np.log(1e-300))
    np.testing.assert_allclose(weights, np.array([1.0, expected, 0.0]) / (1.0 + expected), rtol=1e-12)


def limited(largest: int, rate: float, mean: float = 1.0, deviation: float = 0.5) -> tuple[Observation, float]:
    """Births of N(mean, deviation^2 Id) in the plane on at most so many atoms, up to s = 1, and the exact F then."""
    law = normal(mean, deviation, 2, TAILS)
    objective = Objective(Nothing(2), SquareLoss(np.ones(1), np.ones(1)))
    flow = Flow(ridge=1.0, fisher_rao_rate=rate, transport=False)
    scheme = Characteristics(objective, line(2), flow, law, 1e-6, largest=largest)
    precision = deviation**-2 + rate
    exact = 1.0 + 2.0 * (1.0 / precision + (mean * deviation**-2 / precision) ** 2)
    return seen(scheme, [1.0])[0], exact


@pytest.mark.parametrize("largest", [800, 1600, 3200, 6400])
@pytest.mark.parametrize("rate", [10.0, 40.0])
def test_what_too_few_atoms_leave_is_stated(largest: int, rate: float) -> None:
    observed, exact = limited(largest, rate)
    error = abs(observed.free_energy - exact)
    if observed.leftover is None:
        assert error <= 1e-6
    else:
        assert error <= 3.0 * observed.leftover.errors[1] + 1e-6
        assert abs(observed.dissipation - _dissipation(rate)) <= 3.0 * observed.leftover.errors[2] + 1e-4


def _dissipation(rate: float, mean: float = 1.0, deviation: float = 0.5) -> float:
    """-dF/ds of the exact law."""
    precision = deviation**-2 + rate
    return 2.0 * rate * (1.0 / precision**2 + 2.0 * (mean * deviation**-2) ** 2 / precision**3)


def test_a_law_between_the_atoms_is_refused_in_words() -> None:
    observed, exact = limited(400, 200.0)
    assert abs(observed.free_energy - exact) > 1e-3
    assert observed.leftover is not None
    assert observed.leftover.errors[1] == np.inf
    assert observed.leftover.problem.startswith("births bring the law to where 400 atoms")


class Wave(DenseFeatures):
    """Phi = sin 3 z on a line."""

    rank = 1
    dimension = 1

    def values(self, points: Array) -> Array:
        return np.sin(3.0 * points)

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        return self.values(points), 3.0 * np.cos(3.0 * points)[:, :, None]


def peaks(widths: tuple[float, float]) -> LabelLaw:
    """Two normal laws of equal mass on [-4, 4]."""

    def density(x: Array) -> Array:
        apart = (x - np.array([-1.1, 0.7])) / np.array(widths)
        return np.asarray((np.exp(-0.5 * apart**2) / np.array(widths)).sum(axis=1))

    return LabelLaw((np.array([-4.0, 4.0]),), density, np.copy)


def on_peaks(widths: tuple[float, float], largest: int) -> list[Observation]:
    objective = Objective(Wave(), SquareLoss(np.ones(1), np.ones(1)))
    flow = Flow(ridge=0.3)
    return seen(Characteristics(objective, line(1), flow, peaks(widths), 1e-6, largest=largest), [0.0, 1.0, 4.0])


@pytest.mark.parametrize("widths", [(0.3, 0.05), (0.2, 0.02), (0.01, 0.002)])
def test_what_too_few_panels_leave_of_a_start_and_of_a_steep_map_is_stated(widths: tuple[float, float]) -> None:
    """Transport alone: with hundreds of atoms the map is resolved."""
    finest, hit = on_peaks(widths, 40_000), 0
    assert all(observed.leftover is None for observed in finest)
    for largest in (40, 60, 80, 160):
        for observed, exact in zip(on_peaks(widths, largest), finest, strict=True):
            left = (0.0,) * 3 if observed.leftover is None else observed.leftover.errors
            hit += left[0] > 0.0
            for key, stated in zip(("risk", "free_energy", "dissipation"), left, strict=True):
                assert abs(getattr(observed, key) - getattr(exact, key)) <= 4.0 * stated + 1e-6
    assert hit > 3
    worst = on_peaks((0.3, 0.05), 40)[-1].leftover
    assert worst is not None
    assert worst.errors[0] == np.inf
    assert worst.problem.startswith("the flow brings the law to where 40 atoms")


def test_a_start_that_no_panel_finds_is_refused_in_words() -> None:
    with pytest.raises(StepFailure, match=r"rho_0 is 0 at all of 40 atoms"):
        on_peaks((1e-4, 1e-4), 40)


def test_the_trial_of_a_step_that_lets_masses_explode_stays_finite() -> None:
    """It is for the error of the step to refuse it: an overflow would end the run."""
    masses = grown(np.array([0.5, 0.5]), np.array([0.0, 1e5]), 2.0)
    assert masses[0] == 1.0
    assert 1e80 < masses[1] < 1e100
