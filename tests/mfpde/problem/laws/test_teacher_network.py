"""The teacher network on the circle: its kernel against quadrature, its flow against independent integrations."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError
from mfpde.problem.problem import build_problem
from mfpde.problem.reduction.circle.arcs import Teachers, TwoSlopes, on_circle
from mfpde.problem.reduction.circle.features import ArcKernel, FourierFeatures
from mfpde.problem.reduction.circle.population import CirclePopulation
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.box import Box
from mfpde.studies.sgd.networks import build_sgd, first_state, population_of
from mfpde.studies.solve import solve

ENTRIES = json.loads((Path(__file__).parents[3] / "reference_circle.json").read_text())
REFERENCE: dict[str, dict[str, Any]] = {entry["id"]: entry["values"] for entry in ENTRIES}
LEAKY = PiecewiseLinear(np.zeros(1), np.array([1.7]), 0.0, -0.4)


def tables(times: list[float], network: dict[str, Any] | None = None, **initial: Any) -> dict[str, Any]:
    return {
        "data": {"law": "teacher-network"},
        "network": {"activation": "relu", "coefficients": "trained", **(network or {})},
        "initial": initial or {"equispaced": 50},
        "time": {"end": times[-1], "save": times},
        "solver": {"scheme": "characteristics", "tolerance": 1e-10},
    }


def mean_over_the_circle(first: Array, second: Array, slopes: tuple[float, float]) -> Array:
    """E sigma(<w, x>) sigma(<w', x>) by Gauss rules between the kinks of either, shape (n, m)."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    found = np.empty((len(first), len(second)))
    for i, w in enumerate(first):
        for j, other in enumerate(second):
            kinks = [np.arctan2(*v[::-1]) + s * np.pi / 2 for v in (w, other) for s in (-1, 1)]
            edges = np.unique(np.append(np.mod(kinks, 2 * np.pi), [0.0, 2 * np.pi]))
            total = 0.0
            for low, high in pairwise(edges):
                angle = 0.5 * (low + high) + 0.5 * (high - low) * nodes
                u, v = (on_circle(angle) @ part for part in (w, other))
                value = [np.where(each > 0.0, slopes[0] * each, -slopes[1] * each) for each in (u, v)]
                total += 0.5 * (high - low) * float(weights @ (value[0] * value[1]))
            found[i, j] = total / (2.0 * np.pi)
    return found


@pytest.mark.parametrize("slopes", [(1.0, 0.0), (1.3, 0.4), (0.7, -0.7)])
def test_kernel_features_and_tail_against_quadrature(slopes: tuple[float, float]) -> None:
    """U to rounding; slopes by differences; what an order leaves is no more, and at least half, of what is stated."""
    generator = np.random.default_rng(1)
    first, second = generator.normal(size=(6, 2)), generator.normal(size=(5, 2))
    exact, unit = mean_over_the_circle(first, second, slopes), TwoSlopes(*slopes)
    kernel, eye = ArcKernel(unit), np.eye(len(second))
    values = np.column_stack([kernel.potential(first, second, row)[0] for row in eye])
    assert_allclose(values, exact, atol=2e-15)
    masses, step = generator.normal(size=5), 1e-6
    slope = kernel.potential(first, second, masses)[1]
    for axis in range(2):
        shift = step * np.eye(2)[axis]
        ahead, behind = (kernel.potential(first + side * shift, second, masses)[0] for side in (1, -1))
        assert_allclose(slope[:, axis], (ahead - behind) / (2.0 * step), atol=1e-9)
    for accuracy in (1e-3, 1e-6):
        orders, left = unit.orders(accuracy)
        assert left <= accuracy
        features = FourierFeatures(orders, unit.coefficients(orders))
        lengths = np.linalg.norm(first, axis=1)[:, None] * np.linalg.norm(second, axis=1)
        gap = np.abs(features.values(first) @ features.values(second).T - exact)
        assert (gap <= left * lengths + 1e-15).all()
        own = np.diag(features.values(first) @ features.values(first).T)
        lost = np.diag(mean_over_the_circle(first, first, slopes)) - own
        assert_allclose(lost, left * np.linalg.norm(first, axis=1) ** 2, atol=1e-14)
    moved = [features.values(first + step * side * np.eye(2)[0]) for side in (1, -1)]
    values, slopes_of = features.values_and_gradients(first)
    assert_allclose(slopes_of[:, :, 0], (moved[0] - moved[1]) / (2 * step), atol=1e-7)
    weighted = np.cos(np.arange(features.rank))
    value, slope = features.contract(first, weighted)
    assert_allclose(value, values @ weighted, atol=1e-14)
    assert_allclose(slope, np.einsum("nmd,m->nd", slopes_of, weighted), atol=1e-13)


@pytest.mark.long
def test_the_flow_of_neurons_agrees_with_independent_integrations() -> None:
    """100 neurons from equispaced angles to t = 1, and on an arc: within 1e-9 of DOP853 in other unknowns."""
    for name, arc in (("A.relu2d.spread100", None), ("A.relu2d.arc100", {"centre": 0.0, "width": 0.2})):
        values = REFERENCE[name]
        initial: dict[str, Any] = {"equispaced": 50, **({} if arc is None else {"arc": arc})}
        found = solve(parse(tables(values["t"][:3], None, **initial)))
        assert_allclose(found.risk, values["R"][:3], atol=1e-9)
        assert np.abs(found.risk - values["R"][:3]).max() < 3.0 * found.risk_error.max() + 1e-13
        assert found.balance.max() < 1e-9


def test_features_and_kernel_see_the_same_problem() -> None:
    """Psi and R by Fourier features with their stated error, by the kernel to rounding."""
    problem = build_problem(parse(tables([0.0, 1.0])))
    box = Box(np.full(3, -2.0), np.full(3, 2.0))
    features, kernel = (problem.represent(form, box, 1e-7) for form in ("compressed", "atoms"))
    points = np.random.default_rng(2).uniform(-1.0, 1.0, size=(30, 3))
    masses = np.full(30, 1.0 / 30)
    risks = [each.objective.risk(each.objective.outputs(points, masses)) for each in (features, kernel)]
    assert abs(risks[0] - risks[1]) < features.error < 1e-5
    assert kernel.error < 1e-13
    with pytest.raises(NotImplementedError, match="ask for"):
        kernel.objective.psi(points, kernel.objective.outputs(points, masses))


@pytest.mark.parametrize("activation", ["tanh", {"knots": [0.5, 1.5], "values": [-2.5, 7.5]}])
def test_other_units_are_taken_at_angles(activation: Any) -> None:
    """U against 20,000 angles, within the stated error, which counts for the smooth unit as rounding."""
    problem = build_problem(parse(tables([0.0, 1.0], {"activation": activation}, kappa=1.0)))
    expansion = problem.data.features(problem.unit, Box(np.full(2, -2.0), np.full(2, 2.0)), 1e-10, "usual")
    points = np.random.default_rng(4).uniform(-2.0, 2.0, size=(8, 2))
    rows = on_circle(2.0 * np.pi * (np.arange(20_000) + 0.25) / 20_000) @ points.T
    values = problem.unit.activation.value(rows)
    features = expansion.objective.features.values(points)
    gap = np.abs((features * expansion.objective.loss.metric) @ features.T - values.T @ values / 20_000).max()
    assert gap < expansion.error < (1e-9 if activation == "tanh" else 1e-3)


def test_the_population_of_sgd_is_exact_and_its_samples_are_those_of_the_law() -> None:
    """Risk and gradient of finite leaky networks against 2e5 angles; the mean of draws within 5 standard errors."""
    teachers = Teachers(np.array([0.3, 2.0]), np.array([1.0, -0.5]))
    population = CirclePopulation.of(LEAKY, LEAKY, teachers)
    assert population is not None
    generator = np.random.default_rng(5)
    w, a, b = generator.normal(size=(7, 2)), generator.normal(size=7), np.zeros(7)
    x = on_circle(2.0 * np.pi * (np.arange(200_000) + 0.5) / 200_000)
    y = LEAKY.value(x @ teachers.directions.T) @ teachers.weights
    excess = LEAKY.value(x @ w.T) @ a / 7 - y
    assert population.risk(w, a, b) == pytest.approx(float(np.mean(excess**2)), abs=1e-8)
    gw, ga, _ = population.gradient(w, a, b, True)
    assert_allclose(ga, LEAKY.value(x @ w.T).T @ excess / len(x), atol=1e-8)
    assert_allclose(gw, a[:, None] * ((LEAKY.slope(x @ w.T) * excess[:, None]).T @ x) / len(x), atol=1e-5)
    assert_allclose(population.unit_squares(w, b), np.mean(LEAKY.value(x @ w.T) ** 2, axis=0), atol=1e-8)
    experiment = parse({**tables([0.0, 1.0]), "sgd": {"step_size": 0.01}})
    problem, sgd = build_problem(experiment), build_sgd(experiment, 0)
    state = first_state(experiment, problem, sgd)
    inputs, targets = sgd.data.samples(0, 4096, 0, 0)
    assert_allclose(np.hypot(*inputs.T), 1.0, rtol=1e-14)
    assert targets.mean() == pytest.approx(1.1 / np.pi, abs=5.0 * targets.std() / 64.0)
    exact = population_of(problem, sgd, state.neurons).risk(state.w, state.a, state.b)
    assert exact == pytest.approx(REFERENCE["A.relu2d.spread100"]["R"][0], rel=1e-13)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"data": {"law": "teacher-network", "angles": [0.0]}}, "5 weights for 1 angles"),
        ({"data": {"law": "teacher-network", "angles": [0.0], "weights": [0.0]}}, "nothing to learn"),
        ({"initial": {"arc": {"width": 0.2}}}, "of what; write equispaced"),
        ({"initial": {"equispaced": 5, "kappa": 1.0}}, "given together with initial.equispaced"),
        ({"initial": {"equispaced": 5, "arc": {"width": 7.0}}}, "initial.arc.width = 7.0"),
        ({"network": {"activation": "relu"}}, "starts both signs of a, which is not trained"),
    ],
)
def test_mistakes_are_named(part: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        parse({**tables([0.0, 1.0]), **part})
