"""Stochastic gradient descent: the blocked loop is the textbook loop, whatever the blocks, threads and stops."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mfpde.problem.activations.erf import Erf
from mfpde.problem.activations.sigmoid import Sigmoid
from mfpde.problem.activations.tanh import Tanh
from mfpde.solvers.activations.kernels import evaluate
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.confinement import Penalty, Ridge
from mfpde.solvers.flow.flow import Schedule
from mfpde.solvers.sgd import blas as sgd_blas
from mfpde.solvers.sgd import engine as engine
from mfpde.solvers.sgd.draw import draw, draw_blocks
from mfpde.solvers.sgd.engine import GaussianClasses, Sgd, SgdState
from mfpde.solvers.sgd.fast import ahead as sgd_ahead
from mfpde.solvers.sgd.neurons import forward

RAMP = PiecewiseLinear.through(np.array([0.5, 1.5]), np.array([-2.5, 7.5]))
RELU = PiecewiseLinear((0.0,), (1.0,))
THREE_KINKS = PiecewiseLinear((-0.3, 0.2, 1.0), (1.0, -2.0, 0.5), 0.7, 0.3)
TWO_BLOCKS = GaussianClasses((12, 29), ((1.8, 0.2), (1.0, 1.0)))
PLAIN = Sgd(TWO_BLOCKS, RAMP, 1e-3, seed=5, replica=2)

VARIANTS = {
    "fixed coefficients": PLAIN,
    "batch and schedule": replace(PLAIN, batch=3, schedule=Schedule(1.0, -0.25)),
    "ridge": replace(PLAIN, ridge=0.7, unit=RELU),
    "trained coefficients": replace(PLAIN, trained_coefficients=True, ridge=0.1, batch=2, unit=THREE_KINKS),
    "a power and ridges": replace(
        PLAIN, trained_coefficients=True, trained_offsets=True, ridge=Ridge(0.3, 0.1, 0.2), penalty=Penalty(1.5, 0.4)
    ),
    "a path": replace(PLAIN, trained_coefficients=True, ridge=0.1, penalty=Penalty(path=0.5), batch=2),
    "trained offsets": replace(PLAIN, trained_offsets=True, unit=Tanh()),
    "everything moves": replace(PLAIN, trained_coefficients=True, trained_offsets=True, unit=Erf()),
    "sigmoid": replace(PLAIN, trained_coefficients=True, unit=Sigmoid(), step_size=1e-2),
}


def first_state(sgd: Sgd, neurons: int = 37) -> SgdState:
    """Normal weights; coefficients and offsets off their fixed values."""
    random = np.random.default_rng(1)
    w = 0.8 / math.sqrt(sgd.data.dimension) * random.standard_normal((neurons, sgd.data.dimension))
    return sgd.start(w, 1.0 + 0.2 * random.standard_normal(neurons), 0.1 * random.standard_normal(neurons))


def test_a_step_has_the_size_of_its_end() -> None:
    """eps_k = eps xi((k + 1) eps) with xi(t) = 2 t^(-1/2), also at the first step, where xi(0) is infinite."""
    sgd = replace(PLAIN, step_size=0.01, schedule=Schedule(2.0, -0.5))
    np.testing.assert_allclose(sgd.rates(0, 4), 0.02 / np.sqrt(0.01 * np.arange(1, 5)), rtol=1e-14)
    np.testing.assert_allclose(sgd.rates(3, 4), 0.1, rtol=1e-14)


STEEP = {
    "sign": ([-5e-10, 5e-10], [-0.5, 0.5]),
    "jump and far": ([0.0, 1e-9, 1.0], [0.0, 1.0, 0.3]),
    "high and low": ([-1.0, 0.0, 1.0, 2.0], [0.0, 1e9, 0.3, 0.7]),
}


@pytest.mark.parametrize("name", STEEP)
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_compiled_loops_hold_the_values_of_steep_units(name: str, precision: str) -> None:
    """To the rounding of value and pre-activation alone; a slope of 1e9 as a sum of hinges loses .1 at 1e6."""
    knots, values = STEEP[name]
    unit = PiecewiseLinear.through(np.array(knots), np.array(values))
    drawn = np.random.default_rng(3).standard_normal(50)
    u = np.array([-1e6, -3.0, -1e-10, 2e-10, 0.5, 0.99, 1.5, 3.0, 1e6, *drawn]).astype(precision)
    table = unit.compiled(precision)
    value, gate, one = np.zeros((1, u.size), u.dtype), np.zeros((1, u.size), u.dtype), np.ones(u.size, u.dtype)
    rounding = 4.0 * np.finfo(precision).eps
    for fill in ("forward", "evaluate"):
        value[:], gate[:] = np.nan, np.nan
        if fill == "forward":
            forward(*table, 1.0, u[None], 0, one, 0.0 * one, np.empty_like(u), value, gate, 0)
        else:
            evaluate(*table, u, value[0], gate[0])
        for place, found, slope in zip(u.astype(float), value[0], gate[0], strict=True):
            right = int(np.searchsorted(knots, place, side="right"))
            inside = 0 < right < len(knots)
            near, far = (right - 1, right) if inside else (min(right, len(knots) - 1),) * 2
            width, rise = Fraction(knots[far]) - Fraction(knots[near]), Fraction(values[far]) - Fraction(values[near])
            steepness = rise / width if inside else Fraction(0)
            exact = float(Fraction(values[near]) + steepness * (Fraction(place) - Fraction(knots[near])))
            largest = max(abs(exact), float(abs(steepness)) * max(abs(place), abs(knots[near])))
            assert abs(found - exact) <= rounding * largest, (fill, place)
            assert float(slope) == pytest.approx(float(steepness), rel=float(rounding))


def textbook(sgd: Sgd, state: SgdState, steps: int) -> SgdState:
    """The definition, in NumPy, with the samples of the engine and no noise."""
    w, a, b = state.w.copy(), state.a.copy(), state.b.copy()
    assert isinstance(sgd.data, GaussianClasses)
    scales, key, x = sgd.data.coordinate_scales, (np.uint64(sgd.seed), np.uint64(sgd.replica)), np.empty(w.shape[1])
    for k in range(state.step, state.step + steps):
        rate = sgd.step_size * sgd.schedule.rate((k + 1) * sgd.step_size)
        change = [-decay * part for decay, part in zip(sgd.decay, (w, a, b), strict=True)]
        lengths, costs = np.sqrt((w**2).sum(axis=1)), sgd.penalty
        change[0] -= costs.path * np.abs(a)[:, None] * w / lengths[:, None]
        change[1] -= costs.strength * np.sign(a) * np.abs(a) ** (costs.power - 1.0) + costs.path * lengths * np.sign(a)
        for sample in range(k * sgd.batch, (k + 1) * sgd.batch):
            y = draw(x, scales, sample, *key)
            value, slope = sgd.unit.value(w @ x + b), sgd.unit.slope(w @ x + b)
            error = (y - np.mean(a * value)) / sgd.batch
            change[0] = change[0] + error * np.outer(a * slope, x)
            change[1] = change[1] + error * value
            change[2] = change[2] + error * a * slope
        w = w + rate * change[0]
        a = a + rate * change[1] * sgd.trained_coefficients
        b = b + rate * change[2] * sgd.trained_offsets
    return SgdState(state.step + steps, w, a, b)


def difference(first: SgdState, second: SgdState) -> float:
    """Largest relative difference of two states."""
    pairs = ((first.w, second.w), (first.a, second.a), (first.b, second.b))
    return max(float(np.max(np.abs(p - q)) / np.max(np.abs(q))) for p, q in pairs)


def same(first: SgdState, second: SgdState) -> bool:
    """Whether two states agree in every bit."""
    pairs = ((first.w, second.w), (first.a, second.a), (first.b, second.b))
    return first.step == second.step and all(np.array_equal(p, q) for p, q in pairs)


@pytest.mark.long
@pytest.mark.parametrize("name", VARIANTS)
def test_both_loops_are_the_textbook_loop(name: str) -> None:
    sgd = VARIANTS[name]
    start = first_state(sgd)
    expected = textbook(sgd, start, 700)
    for block in (0, 1):
        found = replace(sgd, block=block).advance(start, 700)
        assert difference(found, expected) < 1e-12
        assert difference(found, start) > 1e-2


@pytest.mark.parametrize("name", VARIANTS)
def test_blocks_follow_the_plain_loop_for_ten_thousand_steps(name: str) -> None:
    # 10^4 steps cross thousands of gates; a gate flipped by rounding would show as a difference of about 1e-3
    sgd = VARIANTS[name]
    start = first_state(sgd)
    plain = replace(sgd, block=1).advance(start, 10_000)
    assert difference(sgd.advance(start, 10_000), plain) < 1e-9


SUBSETS = {
    "one ramp": PLAIN,
    "batch, ridge and offsets": replace(PLAIN, batch=3, ridge=0.7, unit=RELU, trained_offsets=True, block=13),
    "a falling line": replace(
        PLAIN, unit=PiecewiseLinear((0.1,), (2.0,), 0.5, -2.0), data=GaussianClasses((100,), ((1.8, 0.2),))
    ),
}


@pytest.mark.parametrize("name", SUBSETS)
def test_sums_over_subsets_follow_the_plain_loop(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # 41 and 100 columns leave tails of tiles and of vectors, blocks of 37 and 39 samples tails of groups
    monkeypatch.setattr(engine, "SUBSET_WORK", 0)
    sgd = replace(SUBSETS[name], block=SUBSETS[name].block or 37)
    start = first_state(sgd)
    plain = replace(sgd, block=1).advance(start, 10_000)
    assert sgd.unit.linear is not None
    assert sgd._subset_slope(start.neurons) == sgd.unit.linear.single_slope != 0.0
    found = sgd.advance(start, 10_000)
    assert difference(found, plain) < 1e-9
    middle, once = sgd.run(start, [sgd.next_boundary(start, 500), 2000])
    assert same(sgd.advance(middle, 2000), once)
    assert same(replace(sgd, overlap=True).advance(start, 2000), once)


def test_sums_over_subsets_are_for_one_slope_and_fixed_coefficients(monkeypatch: pytest.MonkeyPatch) -> None:
    assert RAMP.single_slope == 10.0
    assert RELU.single_slope == 1.0
    assert THREE_KINKS.single_slope == PiecewiseLinear((0.0,), (0.0,)).single_slope == 0.0
    large = replace(PLAIN, data=GaussianClasses((320,), ((1.8, 0.2),)))
    assert large._subset_slope(800) == 10.0
    others: list[dict[str, Any]] = [{"trained_coefficients": True}, {"precision": "float32"}, {"gram": True}]
    for change in (*others, {"unit": THREE_KINKS}, {"unit": Tanh()}, {"block": 16}):
        assert replace(large, **change)._subset_slope(800) == 0.0
    assert large._subset_slope(100) == 0.0


@pytest.mark.parametrize(("block", "sub_block"), [(2, 1), (7, 3), (16, 16), (100, 8)])
def test_block_sizes_change_rounding_only(block: int, sub_block: int) -> None:
    sgd = replace(PLAIN, batch=2, ridge=0.2, trained_coefficients=True)
    start = first_state(sgd)
    other = replace(sgd, block=block, sub_block=sub_block)
    assert difference(other.advance(start, 1003), sgd.advance(start, 1003)) < 1e-12


@pytest.mark.long
@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("block", [0, 1])
def test_single_precision_stays_within_its_rounding(name: str, block: int) -> None:
    # numbers are rounded by 6e-8 in every product: after 500 steps that is up to 1e-5, a flipped gate would be 1e-3
    sgd = replace(VARIANTS[name], block=block)
    start = first_state(sgd)
    expected, found = sgd.advance(start, 500), replace(sgd, precision="float32").advance(start, 500)
    assert 1e-9 < difference(found, expected) < 5e-5
    for part in (found.w, found.a, found.b):
        assert part.dtype == np.float64
        assert np.array_equal(part, part.astype(np.float32))


def test_single_precision_repeats_every_bit() -> None:
    sgd = replace(PLAIN, precision="float32", trained_coefficients=True)
    start = first_state(sgd)
    middle, once = sgd.run(start, [sgd.next_boundary(start, 500), 2000])
    assert same(replace(sgd, overlap=True).advance(middle, 2000), once)
    assert same(sgd.advance(start, 2000), once)


def test_a_run_taken_up_again_repeats_every_bit() -> None:
    start = first_state(PLAIN)
    stops = [100, 1000, 2000]
    once = list(PLAIN.run(start, stops))
    checkpoint = PLAIN.advance(once[0], PLAIN.next_boundary(once[0], 500))
    assert 500 <= checkpoint.step < 600
    again = list(PLAIN.run(checkpoint, stops[1:]))
    assert all(same(p, q) for p, q in zip(once[1:], again, strict=True))
    # a stop inside a block is a block's end: the same trajectory, up to rounding only
    assert 0.0 < difference(PLAIN.advance(start, 2000), once[-1]) < 1e-12


@pytest.mark.parametrize("change", [{}, {"gram": True}, {"precision": "float32"}, {"trained_coefficients": True}])
def test_the_places_of_arrays_change_nothing(change: dict[str, Any]) -> None:
    # sums that the compiler may reorder differ by rounding in loops chosen by where arrays lie: one run in two here
    sgd = replace(PLAIN, data=GaussianClasses((40,), ((1.8, 0.2),)), step_size=5e-3, **change)
    start = first_state(replace(sgd, data=sgd.coordinates(6), gram=False), neurons=6)
    random = np.random.default_rng(0)
    expected = sgd.advance(start, 100)
    for _ in range(60):
        fillers = [np.full(random.integers(1, 300), 1.0) for _ in range(200)]
        del fillers[:: random.integers(2, 5)]
        assert same(sgd.advance(start, 100), expected)


def test_threads_change_nothing() -> None:
    replicas = [replace(PLAIN, replica=r) for r in range(4)]
    start = first_state(PLAIN, neurons=300)
    alone = [sgd.advance(start, 500) for sgd in replicas]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda sgd: sgd.advance(start, 500), replicas))
    assert all(same(p, q) for p, q in zip(alone, together, strict=True))
    assert difference(alone[0], alone[1]) > 1e-3
    functions = sgd_blas._thread_functions()
    if functions is None:
        pytest.skip("the BLAS library has no known way to set threads")
    before = functions[0]()
    functions[1](2)
    try:
        assert same(replicas[0].advance(start, 500), alone[0])
        assert functions[0]() == 2
    finally:
        functions[1](before)


@pytest.mark.parametrize("buffer", [1, 5000, 2**16])
def test_samples_drawn_ahead_change_no_bit(buffer: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # 41 coordinates and blocks of 16 or 5 steps: the buffer holds one block, some, or all; both stops cut blocks
    monkeypatch.setattr(sgd_ahead, "BUFFER", buffer)
    for sgd in (PLAIN, VARIANTS["batch and schedule"], VARIANTS["trained coefficients"]):
        start = sgd.advance(first_state(sgd), 7)
        stops = (600, 1003)
        expected = list(sgd.run(start, stops))
        found = list(replace(sgd, overlap=True).run(start, stops))
        assert all(same(p, q) for p, q in zip(expected, found, strict=True))


def test_samples_are_drawn_ahead_on_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn_by: set[int] = set()

    def watched(*arguments: Any) -> None:
        drawn_by.add(threading.get_ident())
        draw_blocks(*arguments)

    monkeypatch.setattr("mfpde.solvers.sgd.draw.draw_blocks", watched)
    monkeypatch.setattr(sgd_ahead, "BUFFER", 5000)
    PLAIN.advance(first_state(PLAIN), 500)
    assert drawn_by == {threading.get_ident()}
    drawn_by.clear()
    replace(PLAIN, overlap=True).advance(first_state(PLAIN), 500)
    assert len(drawn_by) == 1
    assert threading.get_ident() not in drawn_by


def test_the_first_state_is_left_alone() -> None:
    start = first_state(PLAIN)
    copy = replace(start, w=start.w.copy())
    PLAIN.advance(start, 50)
    assert same(start, copy)


def test_noise_gives_the_variance_of_ornstein_uhlenbeck() -> None:
    # without a gradient, theta <- (1 - eps lambda) theta + sqrt(eps / beta) g, in w and in what is trained
    eps, ridge, beta, neurons = 0.05, 0.8, 3.0, 400
    still = PiecewiseLinear((0.0,), (0.0,))
    sgd = Sgd(
        GaussianClasses((25,), ((1.0, 1.0),)),
        still,
        eps,
        ridge=ridge,
        inverse_temperature=beta,
        trained_coefficients=True,
        trained_offsets=True,
    )
    state = sgd.advance(sgd.start(np.zeros((neurons, 25)), 0.0), 400)
    variance = eps / beta / (1.0 - (1.0 - eps * ridge) ** 2)
    for part in (state.w.ravel(), state.a, state.b):
        # 5 standard errors of a variance
        assert abs(np.mean(part**2) / variance - 1.0) < 5.0 * math.sqrt(2.0 / part.size)
    assert stats.kstest(state.w.ravel() / math.sqrt(variance), stats.norm.cdf).pvalue > 1e-6
    assert abs(np.corrcoef(state.a, state.b)[0, 1]) < 5.0 / math.sqrt(neurons)
    assert same(sgd.advance(sgd.advance(sgd.start(np.zeros((neurons, 25)), 0.0), 123), 400), state)


def test_noise_leaves_fixed_coefficients_alone() -> None:
    sgd = replace(PLAIN, inverse_temperature=2.0)
    start = first_state(sgd)
    state = sgd.advance(start, 20)
    assert np.array_equal(state.a, start.a)
    assert np.array_equal(state.b, start.b)
    moved = state.w - PLAIN.advance(start, 20).w
    assert np.var(moved) == pytest.approx(20 * 1e-3 / 2.0, rel=0.2)


def test_samples_have_the_declared_law() -> None:
    data, count = TWO_BLOCKS, 20_000
    x, y = np.empty((count, data.dimension)), np.empty(count)
    for sample in range(count):
        y[sample] = draw(x[sample], data.coordinate_scales, sample, np.uint64(0), np.uint64(0))
    assert set(y) == {1.0, -1.0}
    for label, scale in zip((1.0, -1.0), data.coordinate_scales, strict=True):
        standard = x[y == label] / scale
        assert stats.kstest(standard.ravel(), stats.norm.cdf).pvalue > 1e-6
        # the largest of 820 correlations of about 10^4 samples: 6 standard errors
        correlations: Array = np.corrcoef(standard.T) - np.eye(data.dimension)
        assert np.abs(correlations).max() < 6.0 / math.sqrt(len(standard))


def test_blocks_of_samples_are_those_drawn_one_by_one() -> None:
    """41 samples from number 5 on, in blocks that end at multiples of 16, to rounding of the normals."""
    scales, key = TWO_BLOCKS.coordinate_scales, (np.uint64(3), np.uint64(1))
    x, y = np.empty((41, TWO_BLOCKS.dimension)), np.empty(41)
    draw_blocks(x, y, scales, 5, 16, key)
    alone = np.empty_like(x)
    labels = [draw(row, scales, 5 + sample, *key) for sample, row in enumerate(alone)]
    assert y.tolist() == labels
    assert {*labels} == {1.0, -1.0}
    assert np.abs(x - alone).max() < 1e-13


def test_embedded_radii_and_their_directions() -> None:
    radii = np.random.default_rng(0).uniform(0.0, 2.0, size=(5000, 2))
    radii[0] = 0.0
    data = GaussianClasses((3, 1), ((1.0, 1.0), (1.0, 1.0)))
    w = data.embed(radii, 4, 0)
    np.testing.assert_allclose(data.reduce(w), radii, rtol=1e-14)
    # one coordinate of a uniform point of the sphere in R^3 is uniform
    for j in range(3):
        assert stats.kstest(w[1:, j] / radii[1:, 0], stats.uniform(-1.0, 2.0).cdf).pvalue > 1e-6
    assert stats.binomtest(int(np.sum(w[1:, 3] > 0.0)), 4999).pvalue > 1e-6
    assert np.abs(w - data.embed(radii, 4, 1)).max() > 0.1


def test_a_diverging_run_says_when_and_what_to_do() -> None:
    sgd = Sgd(TWO_BLOCKS, RELU, 20.0, trained_coefficients=True)
    start = sgd.start(np.ones((5, 41)))
    for variant in (sgd, replace(sgd, block=1), replace(sgd, overlap=True)):
        with pytest.raises(ArithmeticError, match=r"not finite at step \d+, t = .*: lower step_size = 20"):
            variant.advance(start, 10_000)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step_size": math.nan}, "step_size must be positive"),
        ({"ridge": -1.0}, "ridge must be >= 0"),
        ({"inverse_temperature": math.nan}, "beta > 0"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"precision": "half"}, "write one of float64, float32"),
        ({"seed": 2**32}, r"in \[0, 2\^32\)"),
    ],
)
def test_refused_options(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(PLAIN, **change)  # type: ignore[arg-type]


def test_refused_states() -> None:
    start = first_state(PLAIN)
    with pytest.raises(ValueError, match="one row per neuron"):
        PLAIN.start(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="must be finite"):
        PLAIN.start(np.full((3, 41), np.nan))
    with pytest.raises(ValueError, match="back to 3"):
        PLAIN.advance(replace(start, step=7), 3)
    with pytest.raises(ValueError, match="not below 1: lower step_size"):
        replace(PLAIN, ridge=2000.0).advance(start, 3)
    with pytest.raises(ValueError, match="whole and positive"):
        GaussianClasses((0,), ((1.0, 1.0),))
    with pytest.raises(ValueError, match="2 knots but 1 kinks: give one kink to each knot"):
        PiecewiseLinear((0.0, 1.0), (1.0,))
    with pytest.raises(ValueError, match="must be finite"):
        PiecewiseLinear((0.0,), (math.inf,))
