"""SGD of what a user gives: activations compiled from their functions or taken by NumPy, samples of generators."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy import special

from mfpde.problem.activations.erf import Erf
from mfpde.problem.activations.tanh import Tanh
from mfpde.solvers.activations.activation import Compiled
from mfpde.solvers.activations.sampled import Sampled
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.gradient import GaussianPopulation
from mfpde.solvers.networks.population import TEST_REPLICA, SampledPopulation
from mfpde.solvers.sgd.engine import GaussianClasses, Sgd, SgdState
from mfpde.solvers.sgd.samplers import DRAWN_BLOCK, DrawnBlocks, Sampler, sampler_of

CLASSES = GaussianClasses((7, 5), ((1.8, 0.2), (1.0, 1.0)))


class Swish:
    """A class as a user writes it, with a number of its own."""

    c = 1.5

    def value(self, u: Array) -> Array:
        return u / (1.0 + np.exp(-self.c * u))

    def slope(self, u: Array) -> Array:
        gate = 1.0 / (1.0 + np.exp(-self.c * u))
        return gate + self.c * u * gate * (1.0 - gate)


def masked(u: Array) -> Array:
    """A leaky line by assignment to a mask."""
    value = 0.1 * u
    value[u > 0.0] = u[u > 0.0]
    return value


TANH = Sampled(np.tanh, lambda u: 1.0 - np.tanh(u) ** 2, "tanh")
ERF = Sampled(special.erf, lambda u: 2.0 / math.sqrt(math.pi) * np.exp(-u * u), "erf")
GIVEN: dict[str, dict[str, Any]] = {
    "tanh": {"value": np.tanh, "slope": lambda u: 1.0 - np.tanh(u) ** 2},
    "swish": {"value": Swish().value, "slope": Swish().slope},
    "leaky": {"value": masked, "slope": lambda u: np.where(u >= 0.0, 1.0, 0.1), "knots": (0.0,)},
}


class Interpreted(Sampled):
    """An activation whose functions are taken as they are."""

    def compiled(self, precision: str) -> Compiled | None:
        del precision
        return None


@dataclass(frozen=True)
class Teacher:
    """y = <x, e_1> + noise for Gaussian x in R^3; the reduced coordinates of w are (w_1, |w_perp|)."""

    dimension: int = 3

    def draw(self, count: int, generator: np.random.Generator) -> tuple[Array, Array]:
        x = generator.standard_normal((count, 3))
        return x, x[:, 0] + 0.1 * generator.standard_normal(count)

    def embed(self, points: Array, generator: np.random.Generator) -> Array:
        angle = generator.uniform(0.0, 2.0 * math.pi, len(points))
        return np.column_stack([points[:, 0], points[:, 1] * np.cos(angle), points[:, 1] * np.sin(angle)])

    def reduce(self, w: Array) -> Array:
        return np.column_stack([w[:, 0], np.hypot(w[:, 1], w[:, 2])])


def first_state(sgd: Sgd, neurons: int = 21) -> SgdState:
    random = np.random.default_rng(1)
    w = random.standard_normal((neurons, sgd.data.dimension)) / math.sqrt(sgd.data.dimension)
    return sgd.start(w, 1.0 + 0.2 * random.standard_normal(neurons), 0.1 * random.standard_normal(neurons))


def difference(first: SgdState, second: SgdState) -> float:
    pairs = ((first.w, second.w), (first.a, second.a), (first.b, second.b))
    return max(float(np.max(np.abs(p - q)) / np.max(np.abs(q))) for p, q in pairs)


def same(first: SgdState, second: SgdState) -> bool:
    pairs = ((first.w, second.w), (first.a, second.a), (first.b, second.b))
    return all(np.array_equal(p, q) for p, q in pairs)


VARIANTS: dict[str, dict[str, Any]] = {
    "fixed": {},
    "everything moves": {"trained_coefficients": True, "trained_offsets": True, "ridge": 0.3, "batch": 3},
    "step by step": {"block": 1, "trained_coefficients": True},
    "noise": {"inverse_temperature": 5.0, "trained_offsets": True, "ridge": 0.2},
}


def test_every_block_replica_and_seed_has_draws_of_its_own() -> None:
    law = DrawnBlocks(Teacher())
    whole = law.samples(0, 2 * DRAWN_BLOCK, 3, 1)
    streams = [(0, 3, 1), (DRAWN_BLOCK, 3, 1), (0, 3, 2), (0, 4, 1)]
    assert len({law.samples(first, DRAWN_BLOCK, seed, replica)[0].tobytes() for first, seed, replica in streams}) == 4
    for part, all_of_it in zip(law.samples(200, 100, 3, 1), whole, strict=True):
        np.testing.assert_array_equal(part, all_of_it[200:300])


def test_a_measured_risk_has_the_standard_error_of_its_samples() -> None:
    """The root of the unbiased variance over the count, of a network whose outputs are written out."""
    population = SampledPopulation(CLASSES, Tanh(), 3, 50)
    w = np.random.default_rng(2).standard_normal((4, CLASSES.dimension))
    x, y = CLASSES.samples(0, 50, 3, TEST_REPLICA)
    losses = (y - np.tanh(x @ w.T + 0.1) @ np.full(4, 0.25)) ** 2
    risk, error = population.measure(w, np.ones(4), np.full(4, 0.1))
    assert risk == pytest.approx(losses.mean(), rel=1e-12)
    assert error == pytest.approx(losses.std(ddof=1) / math.sqrt(50.0), rel=1e-12)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_copy_of_tanh_makes_the_steps_of_the_built_in_one(name: str) -> None:
    own = Sgd(CLASSES, Tanh(), 5e-3, **VARIANTS[name])
    start = first_state(own)
    expected, found = own.advance(start, 1500), replace(own, unit=TANH).advance(start, 1500)
    assert replace(own, unit=TANH).engine == own.engine == "compiled"
    assert difference(found, expected) < 1e-11
    assert difference(expected, start) > 1e-2


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("unit", GIVEN)
def test_numpy_makes_the_steps_of_compiled_loops(unit: str, name: str) -> None:
    compiled = Sgd(CLASSES, Sampled(**GIVEN[unit]), 5e-3, **VARIANTS[name])
    interpreted = replace(compiled, unit=Interpreted(**GIVEN[unit]))
    assert (compiled.engine, interpreted.engine) == ("compiled", "numpy")
    start = first_state(compiled)
    assert difference(interpreted.advance(start, 700), compiled.advance(start, 700)) < 1e-11


def test_functions_that_numba_does_not_compile_are_taken_by_numpy() -> None:
    sgd = Sgd(CLASSES, ERF, 5e-3, trained_coefficients=True)
    assert sgd.engine == "numpy"
    start = first_state(sgd)
    expected = replace(sgd, unit=Erf()).advance(start, 700)
    assert difference(sgd.advance(start, 700), expected) < 1e-11
    assert Sgd(CLASSES, Sampled(np.tanh, None, "tanh without slope"), 5e-3).engine == "numpy"
    with pytest.raises(ValueError, match="an activation that numba compiles: write gram = False"):
        replace(sgd, gram=True)


def test_functions_that_compile_to_other_numbers_are_taken_by_numpy() -> None:
    # numba freezes what a function reads outside of it
    factor = np.ones(1)
    drifting = Sampled(lambda u: np.tanh(u) * factor[0], lambda u: (1.0 - np.tanh(u) ** 2) * factor[0])
    assert drifting.compiled("float64") is not None
    factor[0] = 2.0
    assert drifting.compiled("float64") is None


@pytest.mark.parametrize("unit", GIVEN)
def test_single_precision_stays_within_its_rounding(unit: str) -> None:
    sgd = Sgd(CLASSES, Sampled(**GIVEN[unit]), 5e-3, trained_coefficients=True)
    start = first_state(sgd)
    expected, found = sgd.advance(start, 500), replace(sgd, precision="float32").advance(start, 500)
    assert replace(sgd, precision="float32").engine == "compiled"
    assert 1e-9 < difference(found, expected) < 1e-4


@pytest.mark.parametrize("change", [{}, {"batch": 2}, {"inverse_temperature": 5.0}, {"unit": ERF}])
def test_drawn_samples_can_be_taken_up_anywhere(change: dict[str, Any]) -> None:
    sgd = replace(Sgd(DrawnBlocks(Teacher()), TANH, 1e-2, seed=3, replica=1, trained_coefficients=True), **change)
    start = first_state(sgd)
    middle, once = sgd.run(start, [sgd.next_boundary(start, 300), 1000])
    assert same(sgd.advance(middle, 1000), once)
    assert difference(sgd.advance(start, 1000), once) < 1e-12
    assert difference(replace(sgd, replica=2).advance(start, 1000), once) > 1e-3


def test_steps_on_drawn_samples_are_the_textbook_steps() -> None:
    sgd = Sgd(DrawnBlocks(Teacher()), Tanh(), 1e-2, seed=3, trained_coefficients=True, trained_offsets=True)
    state = first_state(sgd)
    x, y = sgd.data.samples(0, 600, sgd.seed, sgd.replica)
    w, a, b = state.w.copy(), state.a.copy(), state.b.copy()
    for sample, target in zip(x, y, strict=True):
        u = w @ sample + b
        error = sgd.step_size * (target - np.mean(a * np.tanh(u)))
        gate = 1.0 - np.tanh(u) ** 2
        w, a, b = w + error * np.outer(a * gate, sample), a + error * np.tanh(u), b + error * a * gate
    assert difference(sgd.advance(state, 600), SgdState(600, w, a, b)) < 1e-11


def test_stretches_of_a_stream_are_parts_of_it() -> None:
    drawn = DrawnBlocks(Teacher())
    whole, part = drawn.samples(0, 3 * DRAWN_BLOCK, 1, 2), drawn.samples(DRAWN_BLOCK - 3, DRAWN_BLOCK + 9, 1, 2)
    for side in (0, 1):
        assert np.array_equal(whole[side][DRAWN_BLOCK - 3 : 2 * DRAWN_BLOCK + 6], part[side])
        assert not np.array_equal(whole[side], drawn.samples(0, 3 * DRAWN_BLOCK, 1, 3)[side])
    assert sampler_of(None) is None
    assert sampler_of(CLASSES) is CLASSES
    assert isinstance(sampler_of(Teacher()), DrawnBlocks)


def test_embedded_points_have_their_reduced_coordinates() -> None:
    drawn, points = DrawnBlocks(Teacher()), np.random.default_rng(0).uniform(0.1, 1.0, (50, 2))
    w = drawn.embed(points, 1, 2)
    np.testing.assert_allclose(drawn.reduce(w), points, rtol=1e-14)
    assert np.array_equal(w, drawn.embed(points, 1, 2))
    assert not np.array_equal(w, drawn.embed(points, 1, 3))


def test_a_measured_risk_is_within_its_error_of_the_exact_one() -> None:
    random = np.random.default_rng(0)
    w, a, b = random.standard_normal((9, 12)), 1.0 + random.standard_normal(9), 0.3 * random.standard_normal(9)
    exact, measured = GaussianPopulation(CLASSES, TANH), SampledPopulation(CLASSES, TANH)
    risk, error = measured.measure(w, a, b)
    assert exact.measure(w, a, b).error == 0.0
    # 5 standard errors: fails with probability 6e-7
    assert abs(risk - exact.risk(w, a, b)) < 5.0 * error
    assert 0.0 < error < 0.05 * risk
    shift = 1e-5 * random.standard_normal(w.shape)
    rise = (measured.risk(w + shift, a, b) - measured.risk(w - shift, a, b)) / 2.0
    assert 2.0 / 9.0 * np.sum(measured.gradient(w, a, b)[0] * shift) == pytest.approx(rise, rel=1e-5)


@dataclass(frozen=True)
class Broken:
    """Draws that are none."""

    x: Any
    y: Any
    dimension: int = 3

    def draw(self, count: int, generator: np.random.Generator) -> tuple[Any, Any]:
        return self.x, self.y


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.zeros((3, 3)), np.zeros(3), r"x of shape \(3, 3\) and y of shape \(3,\); write x of shape \(count, 3\)"),
        (np.zeros((DRAWN_BLOCK, 3)), np.full(DRAWN_BLOCK, np.nan), "not finite"),
    ],
)
def test_mistakes_of_a_sampler_are_told(x: Array, y: Array, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DrawnBlocks(Broken(x, y)).samples(0, 5, 0, 0)
    with pytest.raises(ValueError, match=r"without a method embed\(points, generator\).*SGD needs \(4, 3\)"):
        DrawnBlocks(Broken(x, y)).embed(np.zeros((4, 2)), 0, 0)


def test_samplers_say_whether_weights_follow_their_coordinates() -> None:
    """Where they do not, the coupled dynamics are left out, in words."""
    w, points = np.zeros((1, 2)), np.ones((1, 2))
    plain, turned = DrawnBlocks(object()), DrawnBlocks(Teacher())
    assert plain.moves
    np.testing.assert_array_equal(plain.moved(w, points), points)
    assert not turned.moves
    with pytest.raises(NotImplementedError, match="how weights follow"):
        turned.moved(w, points)

    class Silent(GaussianClasses):
        moved = Sampler.moved

    assert not object.__new__(Silent).moves
    assert object.__new__(GaussianClasses).moves
