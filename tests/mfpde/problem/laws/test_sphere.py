"""Index laws on inputs that are uniform on a sphere."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mfpde
from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError
from mfpde.problem.problem import Problem, build_problem
from mfpde.solvers.sgd.samplers import sampler_of
from mfpde.solvers.space.box import Box
from mfpde.studies.sgd.networks import build_sgd

ENTRIES = json.loads((Path(__file__).parents[3] / "reference_teachers.json").read_text("utf-8"))["entries"]
D1 = next(entry for entry in ENTRIES if entry["id"] == "D1")["rows"]
HE_2 = {"hermite": [0.0, 0.0, 1.0]}
ABOUT = Box(np.array([-0.5, 0.5]), np.array([0.8, 1.0]))


def problem(dim: int | str, target: object, activation: str, heads: bool = False, **data: object) -> Problem:
    network = {"activation": activation, **({"coefficients": "trained", "offsets": "trained"} if heads else {})}
    tables = {"data": {"law": "single-index", "inputs": "sphere", "dim": dim, "target": target, **data}}
    return build_problem(parse({**tables, "network": network}))


@pytest.mark.parametrize(
    "case", [(1, "erf", "tanh"), (2, "sign", "erf"), (5, HE_2, "relu"), (30, "erf", "sigmoid")], ids=str
)
def test_the_risk_of_rings_is_that_of_samples(case: tuple[int, Any, str]) -> None:
    """R of a law of neurons turned about u is E y^2 + 2 V + U with two independent turns, on x in all dimensions.

    Fails falsely once in 15,000: four standard errors.
    """
    dim, target, activation = case
    made = problem(dim, target, activation, heads=True)
    z = np.array([[0.7, 0.6, 0.8, 0.2], [-0.4, 0.9, -1.1, -0.5]])
    z = np.delete(z, 1, axis=1) if dim == 1 else z
    law = _atoms(z)
    rng, count = np.random.default_rng(dim), 200_000
    x = rng.normal(size=(count, dim))
    x *= math.sqrt(dim) / np.linalg.norm(x, axis=1)[:, None]
    outputs = []
    for _ in range(2):
        total = np.zeros(count)
        for m, *s, a, b in z.tolist():
            across = rng.normal(size=(count, dim - 1))
            across *= np.array(s or [0.0])[0] / np.maximum(np.linalg.norm(across, axis=1), 1e-300)[:, None]
            u = m * x[:, 0] + (across * x[:, 1:]).sum(axis=1) + b
            total += 0.5 * a * made.unit.activation.value(u)
        outputs.append(total)
    y = made.data.sampler().gaussian.target(x[:, :1])
    products = (y - outputs[0]) * (y - outputs[1])
    assert made.risk(law) == pytest.approx(float(products.mean()), abs=4.0 * float(products.std()) / math.sqrt(count))


def _atoms(points: np.ndarray[Any, Any]) -> Any:
    from mfpde.solvers.space.measure import Atoms

    return Atoms(points, np.full(len(points), 1.0 / len(points)))


@pytest.mark.parametrize("case", [(1, "erf", "tanh"), (4, "relu", "erf"), (20, HE_2, "relu")], ids=str)
def test_gradients_of_the_potential_against_differences(case: tuple[int, Any, str]) -> None:
    made = problem(*case, heads=True)
    points = np.array([[0.7, 0.6, 0.8, 0.2], [-0.4, 0.9, -1.1, -0.5]])
    points = np.delete(points, 1, axis=1) if case[0] == 1 else points
    law, step = _atoms(points), 1e-5
    found = made.psi_gradient(points, law)
    for axis in range(points.shape[1]):
        shift = step * np.eye(points.shape[1])[axis]
        difference = (made.psi(points + shift, law) - made.psi(points - shift, law)) / (2.0 * step)
        np.testing.assert_allclose(found[:, axis], difference, atol=2e-8)


@pytest.mark.long
def test_the_trajectory_of_the_reference() -> None:
    tables = {
        "data": {"law": "single-index", "inputs": "sphere", "dim": 10},
        "network": {"activation": "erf"},
        "time": {"end": 3.0, "save": [0.0, 1.0, 3.0]},
        "solver": {"scheme": "characteristics", "tolerance": 1e-5},
    }
    found = mfpde.solve(parse(tables))
    for k, row in enumerate(D1[:3]):
        assert abs(found.risk[k] - row["R"][0]) <= 3.0 * (found.risk_error[k] + row["R"][1])
        assert found.risk_error[k] < 1e-4
        assert found.mean[k, 0] == pytest.approx(row["mean w_par"][0], abs=1e-4)


def test_cones_that_learn_a_cone_have_the_digits_of_gaussian_inputs() -> None:
    """E_G sigma sigma' = E |x|^2 / d E_S sigma sigma': fails where the sphere takes a way of its own."""
    law = _atoms(np.array([[0.4, 0.7], [-0.6, 0.3]]))
    sphere, gaussian = (problem(6, "relu", "relu", inputs=inputs) for inputs in ("sphere", "gaussian"))
    assert sphere.risk(law) == gaussian.risk(law)
    assert np.array_equal(sphere.psi_gradient(law.points, law), gaussian.psi_gradient(law.points, law))
    rng = np.random.default_rng(0)
    w, a, b = rng.normal(size=(5, 6)), rng.normal(size=5), np.zeros(5)
    activation = sphere.unit.activation
    networks = [each.data.population(each.data.sampler(), activation) for each in (sphere, gaussian)]
    assert networks[0] is not None
    assert networks[1] is not None
    assert networks[0].risk(w, a, b) == networks[1].risk(w, a, b)


def test_the_degrees_of_cones_are_those_of_gaussian_inputs_too() -> None:
    """The series itself, which cones do not take, leaves what Parseval's identity says of it."""
    from mfpde.problem.reduction.spherical.diagonal import expand

    made = problem(6, "relu", "relu")
    box = Box(np.array([-1.5, 0.0]), np.array([1.5, 1.5]))
    expansion = expand(made.unit.activation, False, 6, made.data.teacher, box, 1e-9, "usual")  # type: ignore[attr-defined]
    points, masses = np.array([[0.4, 0.7], [-0.6, 0.3]]), np.array([0.5, 0.5])
    series = expansion.objective.risk(expansion.objective.outputs(points, masses))
    assert expansion.gap is not None
    apart = abs(series - made.risk(_atoms(points)))
    assert apart < 3.0 * expansion.gap(points, masses) < 1e-6


def test_samples_lie_on_the_sphere_and_do_not_hang_on_where_a_stretch_begins() -> None:
    sampler = sampler_of(problem(7, "sign", "erf", noise=0.4).data.sampler())
    assert sampler is not None
    x, y = sampler.samples(0, 700, 3, 1)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), math.sqrt(7.0), rtol=1e-14)
    assert np.std(y - np.sign(x[:, 0])) == pytest.approx(0.4, rel=0.15)
    part = sampler.samples(311, 77, 3, 1)
    assert np.array_equal(part[0], x[311:388])
    assert np.array_equal(part[1], y[311:388])


def test_the_limit_of_the_sphere_is_the_gaussian_law() -> None:
    tables = {"data": {"law": "single-index", "dim": "infinite"}, "network": {"activation": "erf"}}
    both = [
        build_problem(parse({**tables, "data": {**tables["data"], "inputs": inputs}}))
        for inputs in ("gaussian", "sphere")
    ]
    law = _atoms(np.array([[0.4, 0.7], [-0.6, 0.3]]))
    assert both[0].risk(law) == both[1].risk(law)


def test_a_target_that_is_constant_on_the_sphere_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="constant"):
        problem(1, HE_2, "erf")


def test_sgd_on_the_sphere_starts_at_the_exact_risk() -> None:
    made = problem(5, "erf", "erf")
    experiment = parse(
        {
            "data": {"law": "single-index", "inputs": "sphere", "dim": 5},
            "network": {"activation": "erf"},
            "sgd": {"neurons": 8, "step_size": 0.01},
            "time": {"end": 0.1, "save": 2},
        }
    )
    result = mfpde.sgd(experiment)
    engine = build_sgd(experiment, 0)
    w = engine.data.embed(result.position[0, 0], 0, 0)
    population = made.data.population(engine.data, made.unit.activation)
    assert population is not None
    assert result.risk[0, 0] == pytest.approx(population.risk(w, np.ones(8), np.zeros(8)), rel=1e-12)


def committee(dim: int, target: object, activation: str, **data: object) -> Problem:
    network = {"activation": activation, "coefficients": "trained", "offsets": "trained"}
    given = {"law": "multi-index", "inputs": "sphere", "dim": dim, "target": target, "weights": [0.7, -0.4], **data}
    return build_problem(parse({"data": given, "network": network}))


@pytest.mark.long
@pytest.mark.parametrize("case", [(2, "erf", "tanh"), (3, ["sign", "relu"], "erf"), (12, HE_2, "sigmoid")], ids=str)
def test_committees_on_the_sphere_against_samples_and_differences(case: tuple[int, Any, str]) -> None:
    """V and U of rings turned at random; fails falsely once in 15,000. d = K has no turns and d = 3 has two."""
    dim = case[0]
    made = committee(*case)
    z = np.array([[0.7, -0.3, 0.6, 0.8, 0.2], [-0.4, 0.5, 0.9, -1.1, -0.5]])
    z = np.delete(z, 2, axis=1) if dim == 2 else z
    law, sampler = _atoms(z), made.data.sampler()
    x, y = sampler.samples(0, 80_000, 4, 0)
    outputs = []
    for key in (0, 2):
        parts = []
        for place, row in enumerate(z):
            w = sampler.embed(np.tile(row[:-2], (len(x), 1)), 5, key + place)
            parts.append(0.5 * row[-2] * made.unit.activation.value((w * x).sum(axis=1) + row[-1]))
        outputs.append(sum(parts))
    products = (y - outputs[0]) * (y - outputs[1])
    spread = 4.0 * float(products.std()) / math.sqrt(len(x)) + 1e-4
    objective = made.represent("guide", Box(z.min(axis=0) - 0.05, z.max(axis=0) + 0.05), 1e-5).objective
    held = objective.outputs(z, law.weights)
    assert objective.risk(held) == pytest.approx(float(products.mean()), abs=spread)
    gradient, step = objective.loss_gradient(held), 1e-5
    found = objective.features.contract(z, gradient)[1]
    for axis in range(z.shape[1]):
        shift = step * np.eye(z.shape[1])[axis]
        ends = [objective.features.contract(z + side * shift, gradient)[0] for side in (1.0, -1.0)]
        np.testing.assert_allclose(found[:, axis], (ends[0] - ends[1]) / (2.0 * step), atol=1e-7)


def test_one_teacher_of_a_committee_is_a_single_index() -> None:
    """Sections at pivots against degrees: nothing is shared but the coefficients of units."""
    law = _atoms(np.array([[0.7, 0.6], [-0.4, 0.9]]))
    risks = []
    for data in ({"law": "single-index", "target": "erf"}, {"law": "multi-index", "target": "erf", "weights": [1.0]}):
        tables = {"data": {**data, "dim": 7, "inputs": "sphere"}, "network": {"activation": "tanh"}}
        objective = build_problem(parse(tables)).represent("guide", ABOUT, 1e-7).objective
        risks.append(objective.risk(objective.outputs(law.points, law.weights)))
    assert risks[0] == pytest.approx(risks[1], abs=1e-6)


def test_squares_that_sum_to_a_constant_are_refused() -> None:
    """sum_k (x_k^2 - 1) is 0 on the sphere of as many dimensions, though each of its terms varies."""
    with pytest.raises(ConfigurationError, match="constant"):
        committee(2, HE_2, "erf", weights=[0.5, 0.5])
