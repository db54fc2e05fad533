"""The dissipation along characteristics: its value, its integral, bounds, frozen coordinates, restarts."""

from __future__ import annotations

import numpy as np
import pytest

from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.characteristics import Characteristics, LabelLaw
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import Observation, State, integrate
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import DenseFeatures, Objective
from mfpde.solvers.space.axis import Line, Radius
from mfpde.solvers.space.geometry import Geometry
from tests.solvers.problems import Coordinates, line, rank_two

UNIT = (np.array([0.0, 1.0]),)


def uniform(low: Array, high: Array) -> LabelLaw:
    """Uniform on the box [low, high]."""
    return LabelLaw(UNIT * len(low), lambda x: np.ones(len(x)), lambda x: low + (high - low) * x)


def observed(scheme: Characteristics, times: list[float]) -> list[Observation]:
    seen: list[Observation] = []
    integrate(scheme, scheme.initial_state(), times, lambda index, state: seen.append(scheme.observe(state)))
    return seen


def balance(seen: list[Observation]) -> Array:
    """F(s) - F(0) + ∫D at each time."""
    return np.array([law.free_energy - seen[0].free_energy + law.dissipated for law in seen])


def test_the_mean_field_of_the_coordinates_dissipates_in_closed_form() -> None:
    """Phi(z) = z: every atom moves by y - m = e^-s (y - m(0)), so D = 2 e^-2s |y - m(0)|^2, ∫D = (1 - e^-2s) |.|^2."""
    targets = np.array([2.0, -1.0])
    objective = Objective(Coordinates(2), SquareLoss(np.ones(2), targets))
    scheme = Characteristics(objective, line(2), Flow(), uniform(np.zeros(2), np.ones(2)), 1e-9)
    square = float(((targets - 0.5) ** 2).sum())
    for time, seen in zip((0.0, 0.4, 1.7), observed(scheme, [0.0, 0.4, 1.7]), strict=True):
        assert seen.dissipation == pytest.approx(2.0 * square * np.exp(-2.0 * time), rel=1e-8)
        assert seen.dissipated == pytest.approx(-square * np.expm1(-2.0 * time), rel=1e-8, abs=1e-14)


@pytest.mark.parametrize(
    ("rate", "transport", "ridge"), [(0.0, True, 0.0), (2.0, True, 0.1), (1.0, False, 0.05), (0.0, True, 0.3)]
)
def test_the_balance_is_of_the_size_of_the_tolerance(rate: float, transport: bool, ridge: float) -> None:
    objective, geometry = rank_two()
    errors = []
    for tolerance in (1e-4, 1e-8):
        law = uniform(np.array([0.1, 0.2]), np.array([1.1, 0.9]))
        flow = Flow(ridge=ridge, fisher_rao_rate=rate, transport=transport)
        seen = observed(Characteristics(objective, geometry, flow, law, tolerance, 2000), [0.0, 0.5, 1.0, 2.0])
        assert seen[-1].dissipated > 1e-3
        errors.append(float(np.abs(balance(seen)).max()))
    assert errors[0] < 1e-4
    assert errors[1] < 1e-8


def test_frozen_coordinates_do_not_dissipate() -> None:
    """Phi(z) = z with z2 frozen: only the slope along z1 counts, though that along z2 is larger."""
    geometry = Geometry.of({"z1": Line(), "b": Line()}, frozen=["b"])
    objective = Objective(Coordinates(2), SquareLoss(np.ones(2), np.array([2.0, -3.0])))
    law = uniform(np.zeros(2), np.ones(2))
    seen = observed(Characteristics(objective, geometry, Flow(), law, 1e-9), [0.0, 1.0])
    assert seen[0].dissipation == pytest.approx(2.0 * 1.5**2, rel=1e-12)
    assert np.abs(balance(seen)).max() < 1e-8


class Cone(DenseFeatures):
    """Phi(z) = |z|, one feature."""

    dimension = 1
    rank = 1

    def values(self, points: Array) -> Array:
        return points.copy()

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        return points.copy(), np.ones((len(points), 1, 1))


def test_atoms_stopped_at_a_bound_dissipate_nothing() -> None:
    """Psi = (m + 1) r on uniform r in [0, 1]: m = (1 - s)^2 / 2 once s is absorbed, D = 2 (1 + m)^2 (1 - s).

    D jumps to 0 with the last atom; F falls from (3/2)^2 to 1, and ∫D is all of it.
    """
    objective = Objective(Cone(), SquareLoss(np.ones(1), np.array([-1.0])))
    geometry = Geometry.of({"r1": Radius(3.0)})
    law = uniform(np.zeros(1), np.ones(1))
    scheme = Characteristics(objective, geometry, Flow(), law, 1e-7, atoms=[800])
    root = np.sqrt(2.0)
    end = root * np.arctan(1.0 / root)
    seen = observed(scheme, [0.0, 0.4, end + 0.1, end + 5.0])
    left = root * np.tan(np.arctan(1.0 / root) - 0.4 / root)
    # the law is made of atoms: how many have reached the bound is right up to one of them
    square = 2.0 * (1.0 + 0.5 * left**2) ** 2
    assert seen[1].dissipation == pytest.approx(square * left, abs=square * seen[1].law.weights.max())
    assert seen[1].law.weights.max() < 0.002
    assert np.abs(balance(seen)).max() < 1e-6
    assert (seen[2].dissipation, seen[3].dissipation) == (0.0, 0.0)
    assert seen[3].dissipated == seen[2].dissipated == pytest.approx(1.25, abs=1e-5)


def test_one_atom_that_hits_the_bound_dissipates_up_to_there() -> None:
    """Psi' = 1 + r for one atom: r + 1 = e^-s (r0 + 1), at the bound s = log(1 + r0), whatever the step is."""
    objective = Objective(Cone(), SquareLoss(np.ones(1), np.array([-1.0])))
    geometry = Geometry.of({"r1": Radius(3.0)})
    law = LabelLaw((), lambda x: np.ones(len(x)), lambda x: np.full((1, 1), 0.5))
    for tolerance in (1e-4, 1e-6, 1e-8):
        seen = observed(Characteristics(objective, geometry, Flow(), law, tolerance), [0.0, 0.3, 2.0])
        assert (seen[-1].free_energy, seen[-1].dissipation) == (1.0, 0.0)
        assert np.abs(balance(seen)).max() < tolerance


def test_a_restart_keeps_the_dissipated_energy_bit_for_bit() -> None:
    objective, geometry = rank_two()
    law = uniform(np.array([0.1, 0.2]), np.array([1.1, 0.9]))

    def scheme() -> Characteristics:
        return Characteristics(objective, geometry, Flow(fisher_rao_rate=0.5), law, 1e-7, 2000)

    states: dict[int, State] = {}
    whole = integrate(scheme(), scheme().initial_state(), [0.7, 2.0], states.__setitem__)
    middle = states[0]
    copied = State(middle.flow_time, middle.step, {key: array.copy() for key, array in middle.arrays.items()})
    again = integrate(scheme(), copied, [2.0], lambda index, state: None)
    left, right = scheme().observe(whole), scheme().observe(again)
    assert left.dissipated > 0.0
    assert (left.dissipated, left.dissipation) == (right.dissipated, right.dissipation)
