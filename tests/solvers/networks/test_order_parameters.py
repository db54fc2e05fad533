"""Order parameters of actual neurons against the flow of their vectors, and against independent values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from mfpde.solvers.activations.activation import ARCCOSINE, ARCSINE, Arc
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import State, integrate
from mfpde.solvers.networks.arcs import pairs
from mfpde.solvers.networks.order_parameters import Committee, OrderParameterFlow, Overlaps

REFERENCE = next(
    entry
    for entry in json.loads((Path(__file__).parents[2] / "reference_teachers.json").read_text("utf-8"))["entries"]
    if entry["id"] == "C1"
)


def states(flow: OrderParameterFlow, times: list[float]) -> list[State]:
    kept: list[State] = []
    integrate(flow, flow.initial_state(), times, lambda index, state: kept.append(state))
    return kept


def test_two_neurons_of_the_reference_wait_on_a_plateau_and_specialise() -> None:
    w = np.random.Generator(np.random.Philox(key=11)).standard_normal((2, 10)) * 0.5 / np.sqrt(10.0)
    committee = Committee(Arc(ARCSINE), np.array([0.5, 0.5]))
    flow = OrderParameterFlow(committee, Overlaps.of(w, np.ones(2), 2), tolerance=1e-13)
    rows = REFERENCE["rows"]
    for row, state in zip(rows, states(flow, [float(row["t"]) for row in rows]), strict=True):
        assert flow.observe(state).risk == pytest.approx(row["R"][0], abs=2e-12), row["t"]
        np.testing.assert_allclose(flow.overlaps(state).q, row["Q"], atol=2e-10)
        np.testing.assert_allclose(flow.overlaps(state).r, row["w_dot_u"], atol=2e-10)


@pytest.mark.parametrize("arc", [Arc(ARCSINE, 2.0), Arc(ARCCOSINE), PiecewiseLinear([0.0], [1.5], 0.0, -0.5).arc])
def test_the_vectors_follow_the_same_flow(arc: Arc) -> None:
    """-grad (N/2) R of vectors and coefficients, by differences of the exact R, and their flow in full dimension."""
    count, dimension, c, ridge = 3, 4, np.array([0.8, -0.3]), 0.05
    rng = np.random.default_rng(4)
    w, a = rng.normal(size=(count, dimension)) * 0.6, np.array([1.0, -0.7, 0.4])
    committee = Committee(arc, c)

    def slopes(flat: Array) -> tuple[Array, Array]:
        """Written anew for vectors: grad kappa = kappa_c w' + 2 kappa_v w."""
        vectors, heads = flat[: w.size].reshape(w.shape), flat[w.size :]
        units = np.eye(2, dimension)
        squares = (vectors**2).sum(axis=1)
        pull = pairs(arc, squares, np.ones(2), vectors @ units.T)
        own = pairs(arc, squares, squares, vectors @ vectors.T)
        by_w = np.zeros_like(vectors)
        by_a = np.zeros(count)
        for i in range(count):
            for k in range(2):
                by_w[i] += heads[i] * c[k] * (pull[1, i, k] * units[k] + 2.0 * pull[2, i, k] * vectors[i])
                by_a[i] += c[k] * pull[0, i, k]
            for j in range(count):
                share = heads[j] / count
                by_w[i] -= heads[i] * share * (own[1, i, j] * vectors[j] + 2.0 * own[2, i, j] * vectors[i])
                by_a[i] -= share * own[0, i, j]
        return by_w - ridge * vectors, by_a - ridge * heads

    def field(_: float, flat: Array) -> Array:
        return np.concatenate([part.ravel() for part in slopes(flat)])

    start = np.concatenate([w.ravel(), a])
    flow = OrderParameterFlow(
        committee, Overlaps.of(w, a, 2), Flow(ridge), mobility=(1.0, 1.0), has_coefficient=True, tolerance=1e-13
    )
    (last,) = states(flow, [2.0])
    vectors = solve_ivp(field, (0.0, 2.0), start, "DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
    expected = Overlaps.of(vectors[: w.size].reshape(w.shape), vectors[w.size :], 2)
    np.testing.assert_allclose(last.arrays["overlaps"], expected.packed, atol=1e-12)
    # D = -dF/ds, and theta' = -(N/2) grad F, by differences of F
    step = 1e-4
    before, middle, after = (flow.observe(state) for state in states(flow, [1.0 - step, 1.0, 1.0 + step]))
    assert middle.dissipation == pytest.approx((before.free_energy - after.free_energy) / (2.0 * step), rel=1e-6)

    def energy(flat: Array) -> float:
        moved = Overlaps.of(flat[: w.size].reshape(w.shape), flat[w.size :], 2)
        return flow.observe(State(0.0, 0.0, {"overlaps": moved.packed})).free_energy

    direction = rng.normal(size=start.size)
    change = (energy(start + 1e-5 * direction) - energy(start - 1e-5 * direction)) / 2e-5
    assert -0.5 * count * change == pytest.approx(float(field(0.0, start) @ direction), abs=1e-8)
