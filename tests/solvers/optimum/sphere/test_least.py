"""Margins and least variation over measures on the sphere: reference values, closed forms, and what bounds them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.samples.outputs import SampleFeatures
from mfpde.solvers.objective.losses.pointwise import nodal_loss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.optimum.sphere.hilbert import kernel_margin
from mfpde.solvers.optimum.sphere.homogeneous import homogeneous_optimum
from mfpde.solvers.optimum.sphere.least import Least, minimal_variation, variation_margin
from mfpde.solvers.optimum.sphere.pricing import responses

REFERENCES = json.loads((Path(__file__).parents[3] / "reference_datasets.json").read_text("utf-8"))["entries"]
ENTRIES = {entry["id"]: entry for entry in REFERENCES}


def crossed(count: int, dimension: int) -> tuple[Array, Array]:
    """Two classes across the first two coordinates, apart from each other."""
    x = np.random.default_rng(count).standard_normal((count, dimension))
    y = np.sign(x[:, 0] * x[:, 1])
    return x + 0.15 * np.sign(x), y


def reached(found: Least, points: Array, classes: Array) -> float:
    """The margin of the measure itself."""
    outputs = found.coefficients @ responses(found.units, points)
    return float((classes * outputs).min() / np.abs(found.coefficients).sum())


def test_the_margin_of_the_reference_lies_within_both_intervals() -> None:
    entry = ENTRIES["D1.F1"]
    x, y = np.array(entry["problem"]["x"]), np.array(entry["problem"]["y"])
    points, values = np.column_stack([x, np.ones(len(x))]), entry["values"]
    found = variation_margin(points, y)
    assert found.certified
    assert found.lower <= values["gamma1_upper"]
    assert values["gamma1_lower"] <= found.upper
    assert found.upper - found.lower <= 1e-9 * found.upper
    assert_allclose(reached(found, points, y), found.lower, rtol=1e-13)
    at = np.column_stack([values["predictor_points"], np.ones(6)])
    # f is known to the square root of the width of the intervals
    assert_allclose(found.coefficients @ responses(found.units, at), values["predictor"], atol=1e-5)


def test_two_samples_have_closed_forms() -> None:
    """Opposite ones share the mass: gamma = |x||x'|/(|x| + |x'|). Alike: the nearer one's length."""
    points = np.array([[3.0, 4.0], [-1.5, -2.0]])
    found = variation_margin(points, np.array([1.0, -1.0]))
    assert_allclose([found.lower, found.upper], 5.0 * 2.5 / 7.5, rtol=1e-9)
    alike = variation_margin(np.array([[3.0, 4.0], [6.0, 8.0]]), np.array([-1.0, -1.0]))
    assert_allclose([alike.lower, alike.upper], 5.0, rtol=1e-9)
    least = minimal_variation(points, np.array([2.0, -1.0]))
    assert_allclose([least.value, least.lower], 2.0 / 5.0 + 1.0 / 2.5, rtol=1e-9)


@pytest.mark.parametrize("dimension", [2, 3])
def test_classes_and_samples_turned_or_scaled(dimension: int) -> None:
    """y -> -y keeps the margin, x -> c x multiplies it, a rotation and repeated samples change nothing."""
    x, y = crossed(12, dimension)
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((dimension, dimension)))[0]
    found = [variation_margin(*case) for case in ((x, y), (x, -y), (2.5 * x @ turn, y))]
    repeated = variation_margin(np.concatenate([x, x[:5]]), np.concatenate([y, y[:5]]))
    values = [each.lower for each in (*found, repeated)]
    assert_allclose(values, values[0] * np.array([1.0, 1.0, 2.5, 1.0]), rtol=2e-9)


def test_no_margin_where_classes_cannot_be_told_apart() -> None:
    nothing = variation_margin(np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([1.0, -1.0]))
    assert nothing.lower == len(nothing.units) == 0.0
    assert nothing.upper <= 1e-10
    assert kernel_margin(np.array([[1.0, 2.0], [2.0, 4.0]]), np.array([1.0, -1.0])).lower == 0.0
    with pytest.raises(ValueError, match="no measure on the sphere of directions interpolates"):
        minimal_variation(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([1.0, 2.0]))
    # without offset the odd part of a function on the circle is linear: three opposite pairs need not be
    x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    with pytest.raises(ValueError, match="interpolates"):
        minimal_variation(np.concatenate([x, -x]), np.array([1.0, 1.0, 5.0, 0.0, 0.0, 0.0]))


@pytest.mark.parametrize(("dimension", "slope"), [(2, 0.0), (3, 0.0), (2, -1.0)])
def test_least_variation_is_the_limit_of_small_ridges(dimension: int, slope: float) -> None:
    """The cone program at small lambda: |m_lambda| increases to Omega, and F / (2 lambda) lies below it."""
    random = np.random.default_rng(dimension)
    x, y = random.standard_normal((5, dimension)), random.standard_normal(5)
    found = minimal_variation(x, y, (1.0, slope))
    assert found.certified
    assert found.lower <= found.value <= found.lower * (1.0 + 1e-8)
    assert_allclose(found.coefficients @ responses(found.units, x, (1.0, slope)), y, atol=1e-12)
    features = SampleFeatures(x, PiecewiseLinear([0.0], [1.0 - slope], first_slope=slope), False)
    objective = Objective(features, nodal_loss("square", np.full(5, 0.2), y))
    ridged = homogeneous_optimum(objective, features, 1e-6)
    assert float(np.linalg.norm(ridged.vectors, axis=1).sum()) <= found.value * (1.0 + 1e-9)
    assert ridged.energy / 2e-6 <= found.value * (1.0 + 1e-9)
    assert_allclose(ridged.energy / 2e-6, found.value, rtol=1e-3)


def test_many_dimensions_have_a_lower_end_that_is_reached_and_no_certificate() -> None:
    """Samples of three dimensions turned into five with a trace of more: the certified value, but not certified."""
    x, y = crossed(16, 3)
    exact = variation_margin(x, y)
    lifted = np.column_stack([x, 1e-9 * np.random.default_rng(0).standard_normal((16, 2))])
    found = variation_margin(lifted, y, tight=1e-7)
    assert not found.certified
    assert_allclose(found.lower, exact.lower, rtol=1e-6)
    assert_allclose(reached(found, lifted, y), found.lower, rtol=1e-13)
