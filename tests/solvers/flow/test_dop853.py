"""Steps of order 8 beside scipy's, on any number of threads, and without a trace of them once they are made."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import DOP853

from mfpde.solvers.arrays import Array
from mfpde.solvers.flow import dop853
from mfpde.solvers.flow.dop853 import TOO_SHORT, Dop853
from mfpde.solvers.flow.dop853_coefficients import ERRORS, STAGES
from mfpde.solvers.threads import blocks

STIFFNESS = np.linspace(0.5, 3.0, 40)
PLACES = np.concatenate([np.sin(STIFFNESS), np.cos(STIFFNESS)])


def springs(places: Array, out: Array) -> None:
    """Oscillators of 40 frequencies, damped by the cube of their speed."""
    out[:40], out[40:] = places[40:], -STIFFNESS * places[:40] - 0.1 * places[40:] ** 3


def alone(velocity: Callable[[Array, Array], None]) -> Callable[[float, Array], Array]:
    def rates(_: float, places: Array) -> Array:
        velocity(places, out := np.empty_like(places))
        return out

    return rates


def test_coefficients_are_those_of_scipy() -> None:
    for stage, row in enumerate([*DOP853.A, DOP853.B, *DOP853.A_EXTRA]):
        assert [STAGES[stage].get(k, 0.0) for k in range(len(row))] == row.tolist()
    for mine, theirs in zip(ERRORS, (DOP853.E5, DOP853.E3), strict=True):
        assert [mine.get(k, 0.0) for k in range(len(theirs))] == theirs.tolist()


@pytest.mark.parametrize("first", [None, 0.3])
def test_steps_and_their_paths_are_those_of_scipy(first: float | None) -> None:
    """Lengths of steps differ by the rounding of errors near rounding; a first step of .3 is rejected once or more."""
    relative, absolute = np.array([1e-8, 1e-6]), np.array([1e-9, 1e-7])
    own = Dop853(springs, 0.0, PLACES, 5.0, first, relative, absolute)
    tolerances = {"rtol": np.tile(relative, 40), "atol": np.tile(absolute, 40)}
    theirs = DOP853(alone(springs), 0.0, PLACES, 5.0, first_step=first, **tolerances)
    while theirs.status == "running":
        theirs.step()
        assert own.step() is None
        assert own.t == pytest.approx(theirs.t, rel=1e-6)
        times = np.linspace(own.t_old, own.t, 4)
        exact = DOP853(alone(springs), own.t_old, own.path()(own.t_old), own.t, first_step=own.t - own.t_old)
        exact.step()
        assert np.abs(own.path()(times) - exact.dense_output()(times)).max() <= 1e-14
        assert np.array_equal(own.path(np.array([3, 50]))(times), own.path()(times)[[3, 50]])
    assert own.status == "finished"
    assert np.abs(own.y - theirs.y).max() <= 1e-13
    assert np.abs(own.f - theirs.f).max() <= 1e-13


def test_any_number_of_threads_makes_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    places, found = np.cos(np.arange(3 * dop853.BLOCK + 5.0)), set()
    monkeypatch.setattr(dop853, "THREADED", 1)
    for count in (1, 2, 3, 5):
        monkeypatch.setattr(blocks, "threads", lambda count=count: count)
        steps = Dop853(lambda here, out: np.multiply(here, -places, out=out), 0.0, places, 1.0)
        steps.step()
        found.add((steps.t, steps.h_abs, steps.y.tobytes()))
    assert len(found) == 1


def test_stages_go_with_the_steps() -> None:
    """What refers to itself waits for the collector, with eleven vectors a step."""
    gc.disable()
    try:
        steps = Dop853(springs, 0.0, PLACES, 1.0)
        steps.step()
        stages = weakref.ref(steps._stages)
        del steps
        assert stages() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("slope", [np.nan, np.inf])
def test_a_slope_that_is_not_finite_ends_in_words(slope: float) -> None:
    def velocity(places: Array, out: Array) -> None:
        out[:] = np.where(places > 1.5, slope, 1.0)

    steps = Dop853(velocity, 0.0, np.ones(3), 2.0)
    with np.errstate(invalid="ignore"):
        while steps.status == "running":
            told = steps.step()
    assert (steps.status, told) == ("failed", TOO_SHORT)
    assert steps.y.max() <= 1.5
