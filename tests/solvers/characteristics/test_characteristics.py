"""Characteristics against closed forms, energy balance, absorption at the origin and restarts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.interpolate import CubicSpline

from mfpde.configuration.parsing import parse
from mfpde.experiment import Experiment
from mfpde.problem.initial.law import product_law
from mfpde.problem.labels import label_law
from mfpde.problem.marginals import Normal
from mfpde.problem.problem import Problem, build_problem
from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics import kernels
from mfpde.solvers.characteristics.characteristics import Characteristics, LabelLaw
from mfpde.solvers.flow import dop853
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import Observation, State, StepFailure, integrate
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import DenseFeatures, Objective
from mfpde.solvers.space.axis import Line, Radius
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.threads import blocks
from tests import reference
from tests.solvers.problems import Coordinates, line

N = {"knots": [0.0, 0.5, 1.5], "values": [-2.5, -4.0, 7.5]}


def configured(**tables: Any) -> Experiment:
    return parse(tables)


def scheme_of(
    problem: Problem, upper: float, tolerance: float, accuracy: float = 1e-6, largest: int = 2000
) -> Characteristics:
    """Characteristics on a few hundred raw Hermite features: the flow of these is exact in its own right."""
    names = problem.geometry.names
    box = Box(np.array([0.0 if name[0] == "r" else -upper for name in names]), np.full(len(names), upper))
    objective = problem.represent("exact", box, accuracy).objective
    law = problem.initial_law
    labels = LabelLaw(tuple(marginal.breaks for marginal in law.labels), law.density, law.embed)
    return Characteristics(objective, problem.geometry, problem.flow, labels, tolerance, largest)


def observed(scheme: Characteristics, times: list[float]) -> list[Observation]:
    seen: list[Observation] = []
    integrate(scheme, scheme.initial_state(), times, lambda index, state: seen.append(scheme.observe(state)))
    return seen


ENERGY: dict[str, dict[str, Any]] = {
    "fixed": {"data": {"dims": [20], "delta": 0.5}, "network": {"activation": N}},
    "ridge": {
        "data": {"dims": [10, 30], "delta": 0.5},
        "network": {"activation": "truncated-relu"},
        "dynamics": {"ridge": 0.3},
    },
    "offset": {
        "data": {"dims": [20], "delta": 0.8},
        "network": {"activation": "truncated-relu", "offsets": "fixed"},
        "initial": {"kappa": 0.8, "b": {"normal": [0.2, 0.3]}},
    },
    "trained": {
        "data": {"dims": [20], "delta": 0.5},
        "network": {"activation": "tanh", "coefficients": "trained", "offsets": "trained"},
        "initial": {"kappa": 1.5, "a": 0.7, "b": {"normal": [-1.0, 0.3]}},
        "dynamics": {"ridge": 0.1},
    },
    "coefficients": {
        "data": {"dims": [20], "delta": 0.8},
        "network": {"activation": "truncated-relu", "coefficients": "trained"},
        "initial": {"kappa": 0.8, "a": {"normal": [0.0, 1.0]}},
    },
    "schedule": {
        "data": {"dims": [20], "delta": 0.5},
        "network": {"activation": N},
        "dynamics": {"schedule": {"power": -0.25}},
    },
}


@pytest.mark.long
@pytest.mark.parametrize("name", ENERGY)
def test_energy_falls_at_the_rate_of_the_gradient(name: str) -> None:
    """dF/dt = -2 xi ∫|grad Psi_lambda|^2 drho over the coordinates that move, by a fourth-order difference."""
    problem = build_problem(configured(**ENERGY[name]))
    # the balance holds for any atoms: few are enough
    scheme = scheme_of(problem, 6.0, 1e-9, largest=150)
    time, step = 0.3, 0.005 if name in ("fixed", "schedule") else 0.02
    schedule = problem.flow.schedule
    seen = observed(scheme, [schedule.flow_time(time + m * step) for m in (-2, -1, 0, 1, 2)])
    energy = [observation.free_energy for observation in seen]
    measured = (energy[0] - 8 * energy[1] + 8 * energy[3] - energy[4]) / (12 * step)
    law = seen[2].law
    outputs = scheme.objective.outputs(law.points, law.weights)
    gradient = scheme.objective.loss_gradient(outputs)
    slope = scheme.objective.features.contract(law.points, gradient)[1] + problem.flow.decay.w * law.points
    rate = schedule.scale * time**schedule.power
    expected = -2.0 * rate * law.weights @ ((slope * problem.geometry.mobility) ** 2).sum(axis=1)
    assert_allclose(measured, expected, rtol=2e-5)
    assert abs(expected) > 1e-3
    assert [o.mass for o in seen] == pytest.approx([1.0] * 5, abs=1e-13)


@pytest.mark.long
def test_a_constant_unit_contracts_exactly_under_ridge() -> None:
    """E sigmoid(<w, x>) = 1/2 for every w: only the ridge acts, and w(t) = exp(-lambda t) w(0)."""
    problem = build_problem(
        configured(data={"dims": [3, 5]}, network={"activation": "sigmoid"}, dynamics={"ridge": 0.7})
    )
    seen = observed(scheme_of(problem, 4.0, 1e-10, largest=600), [0.0, 0.5, 2.0])
    second = float((seen[0].variance + seen[0].mean ** 2).sum())
    assert second == pytest.approx(0.64, rel=1e-4)  # E |w|^2 = kappa^2
    for observation, time in zip(seen, (0.0, 0.5, 2.0), strict=True):
        shrunk = np.exp(-0.7 * time)
        assert_allclose(observation.mean, shrunk * seen[0].mean, rtol=1e-9)
        assert_allclose(observation.variance, shrunk**2 * seen[0].variance, rtol=1e-9)
        assert_allclose(observation.risk, 1.0 + 0.25, rtol=1e-12)
        assert_allclose(observation.free_energy - 1.25, 0.7 * second * shrunk**2, rtol=1e-9)


@dataclass
class Wells(DenseFeatures):
    """Phi = q^2 / 2 - q^4 / 4 along a direction: under R = (1 - Phi rho)^2 mass leaves q = 0 for the wells q = +-1."""

    along: Array
    dimension: int = 3
    rank: int = 1

    def values(self, points: Array) -> Array:
        q = points @ self.along
        return np.asarray((q**2 / 2 - q**4 / 4)[:, None])

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        q = points @ self.along
        return self.values(points), np.asarray(((q - q**3)[:, None] * self.along)[:, None])


def risk_between_wells(std: float, time: float) -> float:
    """R of q ~ N(0, std^2): with dt = dtau / (1 - Phi rho), q(tau)^2 = q^2 e^(2 tau) / (1 + q^2 (e^(2 tau) - 1))."""
    q = np.linspace(-9.0 * std, 9.0 * std, 4001)
    mass = np.exp(-0.5 * (q / std) ** 2)
    tau = np.linspace(0.0, 4.0, 1001)
    squares = (q**2 * np.exp(2 * tau[:, None])) / (1.0 + q**2 * np.expm1(2 * tau[:, None]))
    left = 1.0 - (squares / 2 - squares**2 / 4) @ mass / mass.sum()
    return float(CubicSpline(CubicSpline(tau, 1.0 / left).antiderivative()(tau), left**2)(time))


@pytest.mark.parametrize("direction", [(1, 0, 0), (1, -1, 0), (1, 1, 1)])
def test_a_steep_map_of_three_labels_is_as_right_as_asked(direction: tuple[int, ...]) -> None:
    """Rules of the law itself: nodes of halves read off those of their panel left up to 2e-2 in the risk."""
    labels, tolerance, time = [Normal(0.0, 0.1)] * 3, 1e-3, 3.0
    objective = Objective(Wells(np.array(direction) / np.linalg.norm(direction)), SquareLoss(np.ones(1), np.ones(1)))
    geometry, law = Geometry((Line(),) * 3, ("x", "y", "z"), (True,) * 3), label_law(product_law(labels))
    scheme = Characteristics(objective, geometry, Flow(), law, tolerance, order=6)
    start, end = observed(scheme, [0.0, time])
    assert start.risk == pytest.approx(risk_between_wells(0.1, 0.0))
    assert end.risk == pytest.approx(risk_between_wells(0.1, time), abs=0.1 * tolerance)


def test_frozen_coordinates_stay() -> None:
    problem = build_problem(configured(**ENERGY["offset"]))
    seen = observed(scheme_of(problem, 6.0, 1e-6, largest=150), [0.0, 0.5])
    positions = [observation.law.points for observation in seen]
    assert np.all(np.isin(positions[1][:, 1], positions[0][:, 1]) | (len(positions[0]) != len(positions[1])))
    assert_allclose(seen[1].mean[1], seen[0].mean[1], rtol=1e-13)
    assert abs(seen[1].mean[0] - seen[0].mean[0]) > 1e-3


def test_mean_field_of_the_coordinates_themselves() -> None:
    """Phi(z) = z: R = |m - y|^2, dz/dt = y - m, hence m(t) = y + exp(-t) (m(0) - y) and a law that is only shifted."""
    targets = np.array([2.0, -1.0])
    objective = Objective(Coordinates(2), SquareLoss(np.ones(2), targets))
    breaks = (np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    law = LabelLaw(breaks, lambda x: 6.0 * x[:, 0] * (1.0 - x[:, 0]), lambda x: x)
    errors = []
    for tolerance in (1e-5, 1e-10):
        scheme = Characteristics(objective, line(2), Flow(), law, tolerance)
        last = observed(scheme, [0.0, 1.5])[-1]
        exact = targets + np.exp(-1.5) * (np.array([0.5, 0.5]) - targets)
        errors.append(float(np.max(np.abs(last.mean - exact))))
        assert_allclose(last.variance, [1.0 / 20.0, 1.0 / 12.0], rtol=1e-10)
    assert errors[0] < 1e-5
    assert errors[1] < 1e-10


def isotropic_in_two_blocks(kappa: float, tolerance: float) -> Characteristics:
    """The isotropic problem N, d = 320, written with two blocks of 160 that have the same scales."""
    tables = configured(
        data={"dims": [160, 160], "scales": [[1.5, 0.5], [1.5, 0.5]]},
        network={"activation": N},
        initial={"kappa": kappa},
    )
    return scheme_of(build_problem(tables), 2.0, tolerance, 1e-10, largest=900)


@pytest.mark.long
def test_one_block_cut_in_two_gives_the_same_trajectory() -> None:
    """Also while atoms are absorbed at the origin, which is a point of the plane here: r_1 = r_2 = 0."""
    rows = {row["t"]: row for row in reference.case("isotropic_N_d320_kappa0.1")["rows"]}
    times = [0.01, 0.02, 0.026, 0.028, 0.04]
    for time, seen in zip(times, observed(isotropic_in_two_blocks(0.1, 1e-5), times), strict=True):
        assert seen.risk == pytest.approx(rows[time]["R"][0], abs=3e-4 if 0.02 < time < 0.04 else 1e-6)
        assert seen.mass == pytest.approx(1.0, abs=1e-13)
    assert seen.risk == pytest.approx(7.25, abs=1e-12)
    # only the far tail of the chi laws is still on its way
    moving = (seen.law.points > 0.0).any(axis=1)
    assert seen.law.weights[moving].sum() < 1e-12


@pytest.mark.long
def test_absorption_in_two_blocks_of_different_scales() -> None:
    """dims = [160, 160]: mass collapses to the origin, the risk falls monotonically to 7.25 and stays."""
    tables = configured(data={"dims": [160, 160], "delta": 0.5}, network={"activation": N}, initial={"kappa": 0.1})
    scheme = scheme_of(build_problem(tables), 2.0, 1e-5, 1e-6, largest=900)
    times = [0.0, 0.01, 0.02, 0.025, 0.03, 0.04, 0.06, 0.1, 1.0]
    steps = []
    seen = []
    integrate(
        scheme,
        scheme.initial_state(),
        times,
        lambda index, state: seen.append(scheme.observe(state)),
        lambda state: steps.append(state.flow_time),
    )
    risks = np.array([observation.risk for observation in seen])
    assert np.all(np.diff(risks) <= 1e-12)
    assert risks[-1] == pytest.approx(7.25, abs=1e-12)
    assert np.all(seen[-1].law.points == 0.0)
    assert len(steps) < 1000


class Cone(DenseFeatures):
    """Phi(z) = |z|, one feature."""

    dimension = 1
    rank = 1

    def values(self, points: Array) -> Array:
        return points.copy()

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        return points.copy(), np.ones((len(points), 1, 1))


def test_atoms_stop_at_a_cone_in_finite_time() -> None:
    """Psi = (m - y) r with y = -1: r falls at the rate m + 1, reaches 0 and stays; the risk ends at y^2 = 1.

    Uniform r on [0, 1] all reaches 0 once ∫(m + 1) dt = s covers it: m = (1 - s)^2 / 2, ds/dt = 1 + m.
    """
    objective = Objective(Cone(), SquareLoss(np.ones(1), np.array([-1.0])))
    geometry = Geometry.of({"r1": Radius(3.0)})
    law = LabelLaw((np.array([0.0, 1.0]),), lambda x: np.ones(len(x)), lambda x: x)
    scheme = Characteristics(objective, geometry, Flow(), law, 1e-7)
    root = np.sqrt(2.0)
    # ds/dt = 1 + (1 - s)^2 / 2 gives 1 - s = root tan(atan(1 / root) - t / root)
    end = root * np.arctan(1.0 / root)
    for time, seen in zip((0.3, 0.7), observed(scheme, [0.3, 0.7]), strict=True):
        left = root * np.tan(np.arctan(1.0 / root) - time / root)
        assert seen.mean[0] == pytest.approx(0.5 * left**2, abs=2e-6)
        assert seen.risk == pytest.approx((1.0 + 0.5 * left**2) ** 2, abs=5e-6)
    (last,) = observed(scheme, [end + 0.1])
    assert last.mean[0] == 0.0
    assert last.risk == 1.0


def test_restart_is_bitwise_the_uninterrupted_run() -> None:
    tables = configured(
        data={"dims": [40], "delta": 0.8}, network={"activation": {"knots": [0.5, 1.5], "values": [-2.5, 7.5]}}
    )
    problem = build_problem(tables)
    times = [0.5, 1.0, 4.0, 9.0]
    states: dict[int, State] = {}
    scheme = scheme_of(problem, 8.0, 1e-6, 1e-9)
    final = integrate(scheme, scheme.initial_state(), times, states.__setitem__)
    assert final.arrays["masses"].size > states[0].arrays["masses"].size  # panels were halved on the way
    middle = states[1]
    copied = State(middle.flow_time, middle.step, {key: array.copy() for key, array in middle.arrays.items()})
    again = integrate(scheme_of(problem, 8.0, 1e-6, 1e-9), copied, times[2:], lambda index, state: None)
    assert (again.flow_time, again.step) == (final.flow_time, final.step)
    for key, array in final.arrays.items():
        assert np.array_equal(again.arrays[key], array)


class Poisoned(Coordinates):
    """Phi that is not finite beyond z = 1."""

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        values, gradients = super().values_and_gradients(points)
        return values, np.where(points[:, :, None] > 1.0, np.nan, gradients)


def test_any_number_of_threads_makes_the_same_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three blocks of atoms; loops over fewer are not shared otherwise."""
    for shared in (kernels, dop853):
        monkeypatch.setattr(shared, "THREADED", 1)
    found = set()
    for count in (1, 2, 3, 5):
        monkeypatch.setattr(blocks, "threads", lambda count=count: count)
        law = LabelLaw((np.array([0.1, 1.9]),), lambda x: 1.0 + x[:, 0], lambda x: x)
        objective, geometry = Objective(Coordinates(1), SquareLoss(np.array([0.5]), np.ones(1))), line(1)
        scheme = Characteristics(objective, geometry, Flow(ridge=0.1), law, atoms=(3 * kernels.BLOCK,))
        state = scheme.advance(scheme.initial_state(), 1.0)
        found.add((state.flow_time, state.step, *(array.tobytes() for array in state.arrays.values())))
    assert len(found) == 1


def test_a_non_finite_slope_is_refused_and_says_when() -> None:
    objective = Objective(Poisoned(1), SquareLoss(np.ones(1), np.array([3.0])))
    law = LabelLaw((), lambda x: np.ones(len(x)), lambda x: np.full((1, 1), 0.5))
    scheme = Characteristics(objective, line(1), Flow(), law, 1e-6)
    state = scheme.initial_state()
    while state.flow_time < 0.15:
        state = scheme.advance(state, 0.15)
    with pytest.raises(StepFailure, match=r"at flow time .*; loosen tolerance or end earlier"):
        integrate(scheme, state, [5.0], lambda index, state: None)
