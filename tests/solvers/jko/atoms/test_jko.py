"""JKO on atoms: the one-step reference, exact recursions, orders, decay at any step, birth and death, restarts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mfpde.configuration.parsing import parse
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.schemes.pair import make_pair
from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.characteristics import Characteristics, LabelLaw
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import Observation, State, StepFailure, integrate
from mfpde.solvers.jko.atoms.energy import AtomicEnergy
from mfpde.solvers.jko.atoms.jko import Jko
from mfpde.solvers.jko.atoms.options import JkoOptions
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import DenseFeatures, Objective
from mfpde.solvers.objective.table.feature_table import FeatureTable, build_table
from mfpde.solvers.space.axis import Line
from mfpde.solvers.space.geometry import Geometry
from tests.reference import values
from tests.solvers.problems import RANK_TWO_MEAN_R1, RANK_TWO_RISK, Coordinates, Nothing, line, rank_two

FORMULAS = ("plain", "bdf2", "midpoint")
NOISE_FREE = Flow()
MACHINE = float(np.finfo(float).eps)


@pytest.fixture(autouse=True)
def _strict_arithmetic() -> Iterator[None]:
    with np.errstate(all="raise", under="ignore"):
        yield


def options(formula: str, step: float | None, **more: Any) -> JkoOptions:
    """Plain steps, or a formula of order 2."""
    second = "midpoint" if formula == "midpoint" else "bdf2"
    return JkoOptions(order=1 if formula == "plain" else 2, formula=second, step=step, **more)


def gaussian(centre: tuple[float, ...], deviation: float, lowest: float = -8.5) -> LabelLaw:
    """Normal coordinates, each label cut at `lowest` and 8.5 standard deviations."""
    ends = np.linspace(lowest, 8.5, 4)

    def density(labels: Array) -> Array:
        return np.asarray(np.exp(-0.5 * (labels**2).sum(axis=1)))

    return LabelLaw((ends,) * len(centre), density, lambda labels: np.array(centre) + deviation * labels)


def atoms(places: Array) -> LabelLaw:
    """A Dirac mass."""
    return LabelLaw((), lambda labels: np.ones(len(labels)), lambda labels: np.tile(places, (len(labels), 1)))


@cache
def rank_two_table() -> FeatureTable:
    edges = [np.array([0.0, 2.0])] * 2
    return build_table(rank_two()[0].features, edges, degree=8, tolerance=1e-7)


def two_class(formula: str, step: float | None, flow: Flow = NOISE_FREE, **more: Any) -> Jko:
    """The two-class problem at d = infinity from N((.35, .72), .08^2) on r1 > 0."""
    objective, geometry = rank_two()
    chosen = options(formula, step, resolution=1e-6, **more)
    return Jko(objective, rank_two_table(), geometry, flow, gaussian((0.35, 0.72), 0.08, -4.375), chosen)


def final(scheme: Jko | Characteristics, end: float) -> Observation:
    return scheme.observe(integrate(scheme, scheme.initial_state(), [end], lambda index, state: None))


def walk(scheme: Jko, end: float) -> list[State]:
    states = [scheme.initial_state()]
    integrate(scheme, states[0], [end], lambda index, state: None, states.append)
    return states


@dataclass(frozen=True)
class Stretched(DenseFeatures):
    """Features of coordinates that are multiplied by factors first."""

    inner: Any
    factors: Array

    @property
    def dimension(self) -> int:
        return int(self.inner.dimension)

    @property
    def rank(self) -> int:
        return int(self.inner.rank)

    def values(self, points: Array) -> Array:
        return np.asarray(self.inner.values(points * self.factors))

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        values, gradients = self.inner.values_and_gradients(points * self.factors)
        return values, gradients * self.factors


@pytest.mark.parametrize("step", [0.1, 3.0])
@pytest.mark.parametrize("formula", FORMULAS)
def test_mobilities_are_coordinates_over_their_square_roots(formula: str, step: float) -> None:
    """The same steps up to the tables, short ones by Newton's method and long ones by search: dz^2 / m for |dz|^2."""
    objective, geometry = rank_two()
    mobility = np.array([0.25, 4.0])
    roots, start = np.sqrt(mobility), np.array([[0.3, 0.7]])
    found = []
    for space, factors, places in (
        (geometry.slowed(mobility.tolist()), np.ones(2), start),
        (geometry, roots, start / roots),
    ):
        features = Stretched(objective.features, factors)
        edges = [np.array([0.0, 2.0 / factor]) for factor in factors]
        table = build_table(features, edges, degree=8, tolerance=1e-7)
        scheme = Jko(
            replace(objective, features=features), table, space, NOISE_FREE, atoms(places), options(formula, step)
        )
        seen = final(scheme, 3.0 * step)
        found.append((seen.law.points * factors, seen.risk, seen.dissipation, seen.dissipated))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8)
    assert np.abs(found[0][0] - start).max() > 0.02


@pytest.mark.long
def test_one_step_of_the_reference() -> None:
    """R, mean, variance, W2 and the objective W2^2 / (2 tau) + R / 2 of the step tau = .05 from the isotropic start."""
    (entry,) = values()["jko_one_step"]
    tau = float(entry["tau"])
    settings_of_step = {"scheme": "jko", "order": 1, "step": tau, "tolerance": 1e-8}
    tables = {"initial": {"kappa": 0.8}, "time": {"end": tau, "save": 2}, "solver": settings_of_step}
    activation = values()["conventions"]["activations"]["M"]
    tables |= {"data": {"delta": 0.8, "dims": [40]}, "network": {"activation": activation}}
    configuration = parse(tables)
    scheme = make_pair(build_problem(configuration), configuration).main
    start = scheme.initial_state()
    state = scheme.advance(start, tau)
    seen = scheme.observe(state)
    assert state.flow_time == tau
    moved = seen.law.points - state.arrays["previous"].reshape(seen.law.points.shape)
    squared = float(seen.law.weights @ (moved**2).sum(axis=1))
    found = {
        "R": seen.risk,
        "mean_r": seen.mean[0],
        "var_r": seen.variance[0],
        "W2": np.sqrt(squared),
        "objective": squared / (2.0 * tau) + seen.risk / 2.0,
    }
    for name, value in found.items():
        assert value == pytest.approx(entry[name][0], abs=3e-9), name
    assert found["objective"] == pytest.approx(entry["objective"][0], abs=1e-10)
    assert seen.residual is not None
    assert seen.residual < 1e-12


@pytest.mark.long
@pytest.mark.parametrize(
    ("formula", "order", "steps", "ceilings"),
    [
        ("plain", 1.0, (0.0625, 0.015625), (1.1e-3, 2.8e-4)),
        ("bdf2", 2.0, (0.0625, 0.015625), (3e-5, 1.8e-6)),
        ("midpoint", 2.0, (0.0625, 0.015625), (1e-5, 7e-7)),
    ],
)
def test_order_in_the_step(
    formula: str, order: float, steps: tuple[float, float], ceilings: tuple[float, float]
) -> None:
    """Against characteristics, which are held against the known R(3) in turn: that of the law not cut at r1 = 0."""
    exact = final(_characteristics(Flow()), 3.0)
    assert exact.risk == pytest.approx(RANK_TWO_RISK[3.0], abs=4e-7)
    assert exact.mean[0] == pytest.approx(RANK_TWO_MEAN_R1[3.0], abs=4e-7)
    errors, means = [], []
    for step in steps:
        seen = final(two_class(formula, step), 3.0)
        errors.append(abs(seen.risk - exact.risk))
        means.append(abs(seen.mean[0] - exact.mean[0]))
    assert errors[0] < ceilings[0]
    assert errors[1] < ceilings[1]
    assert np.log(errors[0] / errors[1]) / np.log(steps[0] / steps[1]) == pytest.approx(order, abs=0.1)
    assert np.log(means[0] / means[1]) / np.log(steps[0] / steps[1]) == pytest.approx(order, abs=0.1)


@pytest.mark.long
def test_steps_that_adapt_meet_the_tolerance() -> None:
    """The error falls with the tolerance and stays below 100 of it (some 100 steps of that error each)."""
    errors, exact = {}, final(_characteristics(Flow()), 3.0)
    for tolerance in (1e-6, 1e-8):
        seen = final(two_class("bdf2", None, tolerance=tolerance), 3.0)
        errors[tolerance] = abs(seen.risk - exact.risk)
        assert errors[tolerance] < 100.0 * tolerance
    assert errors[1e-8] < 0.1 * errors[1e-6]


def ridge_only(formula: str, step: float, ridge: float) -> Jko:
    objective = Objective(Nothing(2), SquareLoss(np.ones(1), np.zeros(1)))
    table = build_table(Nothing(2), [np.array([-9.0, 9.0])] * 2, degree=4, tolerance=np.inf)
    return Jko(objective, table, line(2), Flow(ridge=ridge), gaussian((0.4, -0.3), 0.5), options(formula, step))


@pytest.mark.parametrize("step", [pytest.param(1e-3, marks=pytest.mark.long), 0.3, 40.0])
def test_the_ridge_alone_contracts_every_atom_by_the_recursion_of_its_formula(step: float) -> None:
    """Plain x / (1 + lambda tau); midpoint x (1 - lambda tau / 2) / (1 + lambda tau / 2); BDF2 after a plain step."""
    ridge = 0.7
    lowered = ridge * step
    for formula in FORMULAS:
        if formula != "plain" and lowered > 2.0:
            continue
        states = walk(ridge_only(formula, step, ridge), 4.0 * step)
        path = [state.arrays["positions"] for state in states]
        if formula == "midpoint":
            expected = [path[0] * ((1.0 - 0.5 * lowered) / (1.0 + 0.5 * lowered)) ** k for k in range(5)]
        else:
            expected = [path[0], path[0] / (1.0 + lowered)]
            for k in range(1, 4):
                before = (4.0 * expected[k] - expected[k - 1]) / (3.0 + 2.0 * lowered)
                expected.append(before if formula == "bdf2" else expected[k] / (1.0 + lowered))
        assert len(path) == 5
        for found, exact in zip(path, expected, strict=True):
            assert found == pytest.approx(exact, rel=1e-12, abs=1e-13)


@pytest.mark.long
@pytest.mark.parametrize("step", [0.02, 0.5, 60.0])
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_the_nonlocal_energy_is_implicit(step: float, ridge: float) -> None:
    """Phi(z) = z: m_{k+1} = (m_k + tau w y) / (1 + tau (w + lambda)), not m_k - tau w (m_k - y) with Psi frozen.

    The frozen recursion differs by tau^2 w^2 (m - y) at least: 1e-4 at the smallest step.
    """
    weights, targets = np.array([1.0, 0.5]), np.array([1.0, -0.4])
    objective = Objective(Coordinates(2), SquareLoss(weights, targets))
    table = build_table(Coordinates(2), [np.array([-9.0, 9.0])] * 2, degree=4, tolerance=np.inf)
    law = gaussian((0.3, 0.2), 0.25)
    scheme = Jko(objective, table, line(2), Flow(ridge=ridge), law, options("plain", step))
    states = walk(scheme, 3.0 * step)
    mean = np.array([0.3, 0.2])
    places = states[0].arrays["positions"]
    for state in states[1:]:
        mean = (mean + step * weights * targets) / (1.0 + step * (weights + ridge))
        places = (places - step * weights * (mean - targets)) / (1.0 + ridge * step)
        assert scheme.observe(state).mean == pytest.approx(mean, abs=1e-11)
        assert state.arrays["positions"] == pytest.approx(places, abs=1e-11)
    assert len(states) == 4


T = "truncated-relu"
N = {"knots": [0.0, 0.5, 1.5], "values": [-2.5, -4.0, 7.5]}
M = {"knots": [0.5, 1.5], "values": [-2.5, 7.5]}


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """Cones at the origin, radii that reach it, frozen coordinates, ridge, birth and death."""
    dims = draw(st.sampled_from([[40], [320], [30, 60], [10_000, 500]]))
    network: dict[str, Any] = {"activation": draw(st.sampled_from([T, N, M]))}
    initial: dict[str, Any] = {"kappa": draw(st.floats(0.1, 1.2))}
    if len(dims) == 1 and draw(st.booleans()):
        network["offsets"] = "fixed"
        initial["b"] = {"normal": [draw(st.floats(-0.5, 0.5)), draw(st.floats(0.1, 0.5))]}
    dynamics: dict[str, Any] = {"ridge": draw(st.sampled_from([0.0, 0.05, 1.0]))}
    if draw(st.booleans()):
        dynamics |= {"flow": "wasserstein-fisher-rao", "fisher_rao_rate": draw(st.floats(0.1, 5.0))}
    data = {"dims": dims, "delta": draw(st.floats(0.1, 0.9))}
    return {"data": data, "network": network, "initial": initial, "dynamics": dynamics}


@pytest.mark.long
@settings(
    max_examples=3,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(problems())
def test_the_energy_never_rises_at_any_step(tables: dict[str, Any]) -> None:
    """tau from 1e-4 to 1e3, all formulas: F falls up to rounding, mass and bounds hold; or the box is named."""
    solver = {"scheme": "jko", "tolerance": 1e-3, "step": 1.0}
    configuration = parse({**tables, "time": {"end": 3.0, "save": 2}, "solver": solver})
    main = make_pair(build_problem(configuration), configuration).main
    assert isinstance(main, Jko)
    for formula, step in itertools.product(FORMULAS, (1e-4, 1.0, 1e3)):
        # a given number of atoms that are never halved: interpolation does not change F
        chosen = options(formula, step, atoms=(8, 4)[: len(main.law.breaks)], nodes=4, resolution=np.inf)
        _falls(Jko(main.objective, main.table, main.geometry, main.flow, main.law, chosen), step)


def test_dissipation_in_closed_form() -> None:
    """Psi = (m + 1) z for R = (m + 1)^2: an atom held at z = 0 dissipates nothing, and births 2 alpha Var Psi."""
    objective = Objective(Coordinates(1), SquareLoss(np.ones(1), np.array([-1.0])))
    table = build_table(Coordinates(1), [np.array([0.0, 4.0])], degree=4, tolerance=np.inf)
    places, masses, geometry = np.array([[0.0], [2.0]]), np.array([0.75, 0.25]), line(1, radii=True)
    outputs = masses @ places
    assert outputs == 0.5
    transport = 2.0 * 0.25 * 1.5**2
    births = 2.0 * 3.0 * 1.5**2 * (0.25 * 4.0 - 0.25)
    for flow, expected in (
        (Flow(), transport),
        (Flow(fisher_rao_rate=3.0, transport=False), births),
        (Flow(fisher_rao_rate=3.0), transport + births),
    ):
        energy = AtomicEnergy(replace(objective, features=table), table, geometry, flow)
        assert energy.dissipation(places, masses, outputs) == pytest.approx(expected, rel=1e-12)


@dataclass(frozen=True)
class Waves(DenseFeatures):
    """cos 3 z and sin 2 z."""

    dimension: int = 1
    rank: int = 2

    def values(self, points: Array) -> Array:
        return np.hstack([np.cos(3.0 * points), np.sin(2.0 * points)])

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        slopes = [-3.0 * np.sin(3.0 * points), 2.0 * np.cos(2.0 * points)]
        return self.values(points), np.stack(slopes, axis=1)


def test_where_the_midpoint_would_raise_the_energy_the_plain_step_stands() -> None:
    """Waves under a ridge at steps of 30, whose midpoint formula overshoots: F falls below that of the start."""
    objective = Objective(Waves(), SquareLoss(np.ones(2), np.array([-1.0, 0.5])))
    table = build_table(Waves(), [np.linspace(-3.0, 3.0, 13)], degree=6, tolerance=np.inf)
    law = LabelLaw((np.array([-2.0, 2.0]),), lambda labels: np.full(len(labels), 0.25), lambda labels: labels)
    chosen = options("midpoint", 30.0, atoms=(16,), nodes=8, resolution=np.inf)
    scheme = Jko(objective, table, line(1), Flow(ridge=0.3), law, chosen)
    start = scheme.initial_state()
    assert not scheme._mover.trial(start.arrays, *scheme._law(start), 30.0, "midpoint").falls
    assert scheme._mover.trial(start.arrays, *scheme._law(start), 30.0, "plain").falls
    after = scheme.advance(replace(start, arrays={**start.arrays, "residual": np.ones(1)}), 30.0)
    assert scheme.observe(after).free_energy < 0.5 * scheme.observe(start).free_energy
    # the largest gap so far stays
    assert scheme.observe(after).residual == 1.0


def test_steps_that_adapt_keep_the_error_of_a_contraction() -> None:
    """z' = -0.7 z for 2: three digits more of the tolerance take more steps and leave less error."""
    errors, steps = [], []
    for tolerance in (1e-4, 1e-7):
        fixed = ridge_only("bdf2", 1.0, 0.7)
        chosen = replace(fixed.options, step=None, tolerance=tolerance, atoms=(10, 10))
        scheme = Jko(fixed.objective, fixed.table, fixed.geometry, fixed.flow, fixed.law, chosen)
        states = walk(scheme, 2.0)
        start, end = (scheme.observe(states[k]) for k in (0, -1))
        errors.append(float(np.abs(end.mean - start.mean * np.exp(-1.4)).max()))
        steps.append(len(states))
    assert errors[0] < 3e-3
    assert errors[1] < 3e-5
    assert steps[1] > 3 * steps[0]


def _falls(scheme: Jko, step: float) -> None:
    """Three steps, or fewer where the scheme refuses and says why."""
    states: list[State] = [scheme.initial_state()]
    try:
        integrate(scheme, states[0], [3.0 * step], lambda index, state: None, states.append)
    except StepFailure as failure:
        # in a step of many times what it takes to move, atoms tied over two places move as wholes
        reasons = ["atoms reach the edge", "the dual is not solved", "the free energy rises"]
        assert any(words in str(failure) for words in reasons)  # noqa: PT017
    # the gap is that before the last Newton move of an atom, of at most 1e-6 of the box
    widest = max(float(axis[-1] - axis[0]) for axis in scheme.table.edges)
    largest_gap = 1e-9 * (1.0 + scheme.objective.risk(np.zeros(scheme.table.rank))) + (1e-6 * widest) ** 2 / step
    box = [axis[[0, -1]] for axis in scheme.table.edges]
    before = np.inf
    for state in states:
        seen = scheme.observe(state)
        law = seen.law
        assert seen.free_energy <= before + 1e-12 * (1.0 + abs(seen.free_energy))
        before = seen.free_energy
        assert np.isfinite([seen.risk, seen.free_energy, seen.dissipation, seen.dissipated]).all()
        assert abs(seen.mass - 1.0) <= 8.0 * MACHINE * len(law.weights)
        assert law.weights.min() >= 0.0
        for axis, (low, high) in enumerate(box):
            assert low <= law.points[:, axis].min()
            assert law.points[:, axis].max() <= high
        assert seen.residual is not None
        assert seen.residual <= largest_gap


@pytest.mark.long
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("step", [None, 0.05])
def test_a_restart_is_the_same_run_bit_for_bit(formula: str, step: float | None) -> None:
    scheme = two_class(formula, step, Flow(fisher_rao_rate=0.5 if formula == "midpoint" else 0.0))
    once: list[State] = []
    integrate(scheme, scheme.initial_state(), [0.2, 0.6], lambda index, state: once.append(state))
    middle = once[0]
    copied = State(middle.flow_time, middle.step, {name: array.copy() for name, array in middle.arrays.items()})
    other = two_class(formula, step, scheme.flow)
    again = integrate(other, copied, [0.6], lambda index, state: None)
    assert again.step == once[1].step
    assert again.arrays.keys() == once[1].arrays.keys()
    for name, array in again.arrays.items():
        assert np.array_equal(array, once[1].arrays[name]), name


@pytest.mark.parametrize("step", [0.1, 60.0])
def test_one_and_two_threads_agree_bit_for_bit(step: float) -> None:
    """Local Newton passes at the short step, searched proximal maps at the long one."""
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("one thread only")
    before, found = numba.get_num_threads(), []
    try:
        for threads in (1, 2):
            numba.set_num_threads(threads)
            found.append(walk(two_class("plain", step), 2.0 * step)[-1])
    finally:
        numba.set_num_threads(before)
    assert found[0].arrays["masses"].size > 1024
    for name, array in found[0].arrays.items():
        assert np.array_equal(array, found[1].arrays[name]), name


@pytest.mark.long
@pytest.mark.parametrize(
    ("transport", "formula", "order", "ceiling"),
    [
        (True, "plain", 1.0, 7.5e-4),
        (True, "bdf2", 2.0, 3.3e-6),
        (False, "plain", 1.0, 5e-7),
        (False, "bdf2", 2.0, 1.2e-10),
    ],
)
def test_birth_and_death_against_characteristics(transport: bool, formula: str, order: float, ceiling: float) -> None:
    """Wasserstein-Fisher-Rao and Fisher-Rao alone, at a rate that changes the risk by far more than the errors."""
    flow = Flow(fisher_rao_rate=20.0, transport=transport)
    exact = final(_characteristics(flow), 1.0)
    assert abs(final(_characteristics(replace(flow, fisher_rao_rate=1.0)), 1.0).risk - exact.risk) > 4e-3
    errors = []
    for step in (0.0625, 0.03125):
        scheme = two_class(formula, step, flow)
        states = walk(scheme, 1.0)
        energies = [scheme.observe(state).free_energy for state in states]
        assert np.diff(energies).max() < 0.0
        seen = scheme.observe(states[-1])
        errors.append(abs(seen.risk - exact.risk))
        assert seen.mass == pytest.approx(1.0, abs=1e-12)
    assert errors[0] < ceiling
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.1)


def _characteristics(flow: Flow) -> Characteristics:
    objective, geometry = rank_two()
    return Characteristics(objective, geometry, flow, gaussian((0.35, 0.72), 0.08, -4.375), 1e-9)


@pytest.mark.long
@pytest.mark.parametrize(
    ("formula", "rate", "order", "ceiling"),
    [("plain", 0.0, 1.0, 5.7e-4), ("midpoint", 0.0, 2.0, 8e-6), ("midpoint", 2.0, 2.0, 1e-5)],
)
def test_the_energy_balance_closes_to_the_order_of_the_step(
    formula: str, rate: float, order: float, ceiling: float
) -> None:
    """|F(t) - F(0) + ∫D| against the drop of F by .1 and more."""
    gaps = []
    for step in (0.0625, 0.015625):
        scheme = two_class(formula, step, Flow(fisher_rao_rate=rate))
        start, end = scheme.observe(scheme.initial_state()), final(scheme, 3.0)
        assert start.free_energy - end.free_energy > 0.1
        gaps.append(abs(end.free_energy - start.free_energy + end.dissipated))
    assert gaps[0] < ceiling
    assert np.log(gaps[0] / gaps[1]) / np.log(4.0) == pytest.approx(order, abs=0.1)


@pytest.mark.long
def test_the_energy_balance_of_the_two_step_formula() -> None:
    """Of order 2 as well, but with a constant a tenth of the others', so that its plain first step shows too."""
    gaps = []
    for step in (0.25, 0.0625, 0.015625):
        scheme = two_class("bdf2", step)
        start, end = scheme.observe(scheme.initial_state()), final(scheme, 3.0)
        gaps.append(abs(end.free_energy - start.free_energy + end.dissipated))
    assert np.all(np.array(gaps) < np.array([2e-4, 2e-6, 3e-7]))


def test_the_dissipation_is_the_slope_of_the_energy() -> None:
    scheme = two_class("bdf2", 1e-3)
    states = walk(scheme, 0.2)
    middle = scheme.observe(states[100])
    slope = (scheme.observe(states[101]).free_energy - scheme.observe(states[99]).free_energy) / 2e-3
    assert middle.dissipation == pytest.approx(-slope, rel=1e-4)


def test_atoms_stop_at_the_origin_and_stay() -> None:
    """kappa = .1 under a cone at 0: all mass arrives before t = .03 and the risk is then 7.25."""
    (entry,) = (case for case in values()["noise_free"] if case["case"] == "isotropic_N_d320_kappa0.1")
    tables = {
        "data": {"delta": 0.5, "dims": [320]},
        "network": {"activation": N},
        "initial": {"kappa": 0.1},
        "time": {"end": 0.04, "save": 2},
        "solver": {"scheme": "jko", "tolerance": 1e-6},
    }
    configuration: Experiment = parse(tables)
    seen = final_of(make_pair(build_problem(configuration), configuration).main, 0.04)
    assert entry["rows"][-1]["t"] == 0.04
    assert seen.risk == pytest.approx(entry["rows"][-1]["R"][0], abs=1e-9)
    assert seen.mean == pytest.approx([0.0], abs=1e-12)


def final_of(scheme: Any, end: float) -> Observation:
    found: Observation = scheme.observe(integrate(scheme, scheme.initial_state(), [end], lambda index, state: None))
    return found


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: two_class("plain", 0.1, Flow(ridge=0.1, inverse_temperature=5.0)), "inverse_temperature = inf"),
        (lambda: two_class("plain", 0.0), "step must be a finite number above 0"),
        (lambda: two_class("plain", np.nan), "step must be a finite number above 0"),
    ],
)
def test_what_the_scheme_cannot_use_is_named(make: Callable[[], Jko], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_a_law_that_leaves_the_table_is_refused() -> None:
    objective = Objective(Coordinates(1), SquareLoss(np.ones(1), np.array([50.0])))
    table = build_table(Coordinates(1), [np.array([-5.0, 5.0])], degree=4, tolerance=np.inf)
    geometry = Geometry.of({"z": Line()})
    scheme = Jko(objective, table, geometry, Flow(), atoms(np.zeros(1)), options("plain", 10.0))
    with pytest.raises(StepFailure, match=r"atoms reach the edge of z in \[-5, 5\]"):
        scheme.advance(scheme.initial_state(), 10.0)
