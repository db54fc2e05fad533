"""Small networks pick sums of samples: the trajectory of the blocked loop, in another order of the sums."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numba
import numpy as np
import pytest
from numba import types
from numba.extending import intrinsic

from mfpde.problem.activations.tanh import Tanh
from mfpde.solvers import vectors
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.flow.flow import Mobility, Schedule
from mfpde.solvers.objective.losses.logistic import Logistic
from mfpde.solvers.sgd import engine
from mfpde.solvers.sgd.engine import GaussianClasses, Sgd, SgdState
from mfpde.solvers.sgd.fast.picks import _overlaps
from mfpde.solvers.vectors import LANES, Lanes, aligned, picking

RAMP = PiecewiseLinear.through(np.array([0.5, 1.5]), np.array([-2.5, 7.5]))
OUTWARD = PiecewiseLinear((-0.2, 0.3), (-2.0, 2.0), 0.1, 2.0)
RELU = PiecewiseLinear((0.0,), (1.0,))
PLAIN = Sgd(GaussianClasses((3, 18), ((1.8, 0.2), (1.0, 1.0))), RAMP, 1e-3, seed=5, replica=2)
CASES = {
    "a ramp": (PLAIN, 37),
    "a ridge and a mobility, whole vectors": (replace(PLAIN, unit=RELU, ridge=0.7, mobility=Mobility(w=1.5)), 16),
    "slopes outside of the knots": (replace(PLAIN, unit=OUTWARD, schedule=Schedule(1.0, -0.25), block=3), 5),
    "few coordinates": (replace(PLAIN, data=GaussianClasses((5,), ((1.8, 0.2),)), step_size=3e-3), 6),
    "another loss": (replace(PLAIN, loss=Logistic(), block=13), 9),
}


def first_state(sgd: Sgd, neurons: int) -> SgdState:
    """Normal weights; coefficients and offsets of their own."""
    random = np.random.default_rng(1)
    w = 0.8 / np.sqrt(sgd.data.dimension) * random.standard_normal((neurons, sgd.data.dimension))
    return sgd.start(w, 1.0 + 0.2 * random.standard_normal(neurons), 0.1 * random.standard_normal(neurons))


@pytest.mark.parametrize("name", CASES)
def test_picked_sums_change_rounding_only(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sgd, neurons = CASES[name]
    start, linear = first_state(sgd, neurons), sgd.unit.linear
    assert linear is not None
    assert sgd._picked_slope(neurons) == linear.single_slope * picking() != 0.0 or not picking()
    found = sgd.advance(start, 1003)
    again = sgd.advance(sgd.advance(start, sgd.next_boundary(start, 500)), 1003)
    assert np.array_equal(again.w, found.w)
    monkeypatch.setattr(engine, "picking", lambda: False)
    expected = sgd.advance(start, 1003)
    assert np.max(np.abs(expected.w - start.w)) > 1e-2
    # numbers of order 1 after a thousand steps; one gate taken otherwise would be 1e-3
    assert np.max(np.abs(found.w - expected.w)) < 1e-13


def test_sums_are_picked_for_fixed_neurons_of_one_slope_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "picking", lambda: True)
    assert PLAIN._picked_slope(100) == 10.0
    kinks = PiecewiseLinear((-0.3, 0.2, 1.0), (1.0, -1.0, 1.0))
    others: list[dict[str, Any]] = [{"trained_coefficients": True}, {"trained_offsets": True}, {"precision": "float32"}]
    others += [{"gram": True}, {"batch": 2}, {"block": 32}, {"block": 1}, {"unit": kinks}, {"unit": Tanh()}]
    for change in others:
        assert replace(PLAIN, **change)._picked_slope(100) == 0.0


def test_an_output_that_is_not_finite_ends_the_steps() -> None:
    wild = replace(PLAIN, unit=PiecewiseLinear((0.0,), (1e200,)))
    assert wild._picked_slope(37) == 1e200 * picking()
    with pytest.raises(ArithmeticError, match="not finite at step 0, "):
        wild.advance(first_state(wild, 37), 20)


def test_processors_that_cannot_pick_at_once_pick_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    @intrinsic
    def pick(typing_context: Any, out: Any, numbers: Any, places: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            lanes = Lanes(context, builder)
            out, numbers, places = (lanes.data(*each) for each in zip(signature.args, values, strict=True))
            begin, middle = (context.get_constant(types.int64, place) for place in (0, LANES))
            low, high = lanes.load(numbers, begin), lanes.load(numbers, middle)
            lanes.store(lanes.pick(low, high, lanes.load(places, begin)), out, begin)
            return context.get_dummy_value()

        return types.void(out, numbers, places), generate

    monkeypatch.setattr(vectors, "_picks", lambda context: False)
    out, numbers, places = np.empty(LANES), np.arange(2.0 * LANES) ** 2, np.array([3, 15, 0, 8, 7, 7, 12, 1])
    numba.njit(lambda out, numbers, places: pick(out, numbers, places))(out, numbers, places)
    assert np.array_equal(out, numbers[places])


@pytest.mark.parametrize(("rows", "dimension"), [(16, 40), (16, 21), (5, 8), (13, 3)])
def test_tiles_hold_the_inner_products_of_samples(rows: int, dimension: int) -> None:
    """Of small whole numbers, whose products are exact; beyond the rows there are others, but no garbage."""
    x, tiles = np.random.default_rng(0).integers(-9, 10, (rows, dimension)).astype(float), np.full((16, 16), np.nan)
    _overlaps(tiles, x)
    for k in range(rows):
        own = tiles.reshape(4, 4, 4, 4)[k // 4, :, k % 4].ravel()
        assert np.array_equal(own[: k + 1], (x @ x[k])[: k + 1])
        assert np.all(np.isfinite(own[: 4 * (k // 4) + 4]))


def test_rows_begin_at_whole_vectors() -> None:
    room = aligned(3, 16)
    assert room.shape == (3, 16)
    assert room.ctypes.data % 64 == 0
    assert not room.any()
