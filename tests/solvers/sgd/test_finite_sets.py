"""SGD on finite sets: every way of drawing against a loop in Python, under every loss, with weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mfpde.problem.activations.tanh import Tanh
from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.confinement import Penalty
from mfpde.solvers.objective.losses.interface import LOSSES
from mfpde.solvers.sgd.engine import Sgd, SgdState
from mfpde.solvers.sgd.sources.finite import FiniteSet

RANDOM = np.random.default_rng(5)
X, Y = RANDOM.standard_normal((7, 3)), np.sign(RANDOM.standard_normal(7))
OMEGA = RANDOM.dirichlet(np.ones(7))
STATE = SgdState(0, RANDOM.standard_normal((4, 3)), RANDOM.standard_normal(4), RANDOM.standard_normal(4))
RATE, RIDGE = 0.3, 0.05


def finite(sampling: str, weights: Array = OMEGA) -> FiniteSet:
    return FiniteSet(X, Y, weights, sampling)


def descent(data: FiniteSet, loss: str, **options: Any) -> Sgd:
    """A trajectory; None is the square loss of the engine."""
    made = None if loss == "square" else LOSSES[loss]()
    return Sgd(data, Tanh(), RATE, ridge=RIDGE, trained_coefficients=True, trained_offsets=True, loss=made, **options)


def by_hand(sizes: list[int], data: FiniteSet, loss: str) -> SgdState:
    """The textbook loop: steps of these many samples, one after the other, each counting what it should."""
    w, a, b, drawn = STATE.w.copy(), STATE.a.copy(), STATE.b.copy(), 0
    slope = LOSSES[loss]().slope
    for size in sizes:
        x, y = data.samples(drawn, size, 0, 0)
        share = data.factors(drawn, size, (0, 0)) if len(data.factors(drawn, size, (0, 0))) else np.ones(size)
        if data.whole is not None:
            x, y, share = X, Y, OMEGA * len(Y)
        value = np.tanh(x @ w.T + b)
        error = -slope(value @ a / len(a), y) * share / len(y)
        gate = (1.0 - value**2) * a
        w_step, a_step, b_step = (error[:, None] * gate).T @ x, error @ value, error @ gate
        for part, step in ((w, w_step), (a, a_step), (b, b_step)):
            part *= 1.0 - RATE * RIDGE
            part += RATE * step
        drawn += size
    return SgdState(len(sizes), w, a, b)


def distance(one: SgdState, other: SgdState) -> float:
    return max(float(np.abs(left - right).max()) for left, right in zip(one.parts, other.parts, strict=True))


@pytest.mark.parametrize("loss", ["square", "logistic", "log-cosh"])
@pytest.mark.parametrize("sampling", ["replacement", "epoch", "full"])
@pytest.mark.parametrize("block", [0, 1])
def test_steps_are_those_of_the_textbook(loss: str, sampling: str, block: int) -> None:
    """In blocks and step by step, compiled and by NumPy; a factor or a sign that is missing shows in the first step."""
    data, sizes = finite(sampling), [1] * 9
    found = descent(data, loss, block=block).advance(STATE, 9)
    assert distance(found, by_hand(sizes, data, loss)) < 1e-13


def test_a_quench_goes_on_in_the_stream_of_samples() -> None:
    """Batches of 1, then of 5, then of 2: no sample is skipped or drawn twice."""
    data = finite("epoch")
    sgd = descent(data, "logistic", batches=((0, 1), (4, 5), (7, 2)))
    expected = by_hand([1] * 4 + [5] * 3 + [2] * 3, data, "logistic")
    assert distance(sgd.advance(STATE, 10), expected) < 1e-13
    stops = [sgd.next_boundary(STATE, 3), 4, 6, 10]
    *_, parted = sgd.run(STATE, sorted({min(stop, 10) for stop in stops}))
    assert distance(parted, expected) < 1e-13


def test_an_epoch_has_each_sample_once_and_in_one_batch_is_the_whole_set() -> None:
    data = finite("epoch")
    for epoch in range(3):
        x, _ = data.samples(7 * epoch, 7, 1, 2)
        assert sorted(x[:, 0].tolist()) == sorted(X[:, 0].tolist())
    orders = [data.samples(7 * epoch, 7, 1, 2)[0][:, 0].tolist() for epoch in range(3)]
    assert orders[0] != orders[1]
    assert orders[1] != data.samples(7, 7, 1, 3)[0][:, 0].tolist()
    one = descent(data, "logistic", batch=7).advance(STATE, 5)
    assert distance(one, descent(finite("full"), "logistic").advance(STATE, 5)) < 1e-13
    costly = {"penalty": Penalty(3.0, 0.2, 0.1), "block": 1}
    one = descent(data, "logistic", batch=7, **costly).advance(STATE, 5)
    assert distance(one, descent(finite("full"), "logistic", **costly).advance(STATE, 5)) < 1e-13


def test_draws_with_replacement_have_the_weights_as_frequencies() -> None:
    """Of 40,000 draws; the largest of 7 normal deviates lies beyond 5 with probability 4e-6."""
    count = 40_000
    x, _ = finite("replacement").samples(0, count, 3, 1)
    found = np.array([(x[:, 0] == row).mean() for row in X[:, 0]])
    assert np.all(np.abs(found - OMEGA) < 5.0 * np.sqrt(OMEGA * (1.0 - OMEGA) / count))
    late, _ = finite("replacement").samples(123, 50, 3, 1)
    assert np.array_equal(late, x[123:173])


def test_compiled_slopes_are_those_of_numpy() -> None:
    """The same steps without the compiled form of the loss, far out where exp(-y f) overflows too."""

    class Slow:
        value, slope = LOSSES["logistic"]().value, LOSSES["logistic"]().slope

    sgd = descent(finite("replacement"), "logistic", batch=2)
    far = replace(STATE, a=1e4 * STATE.a)
    for start in (STATE, far):
        one, other = sgd.advance(start, 8), replace(sgd, loss=Slow()).advance(start, 8)
        assert distance(one, other) < 1e-13 * max(1.0, float(np.abs(start.a).max()))
    assert (sgd.engine, replace(sgd, loss=Slow()).engine) == ("compiled", "numpy")
