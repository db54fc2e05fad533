"""Units at samples: the bounds of the derivatives of Psi hold at every point of a cell, and are met as it shrinks."""

from __future__ import annotations

import numpy as np
import pytest

from mfpde.problem.activations.erf import Erf
from mfpde.problem.activations.piecewise_linear import Relu
from mfpde.problem.activations.sigmoid import Sigmoid
from mfpde.problem.activations.tanh import Tanh
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.samples.outputs import SampleCurvature, SampleFeatures
from mfpde.solvers.objective.coefficient import WithCoefficient

RANDOM = np.random.default_rng(11)
X, SLOPE = RANDOM.standard_normal((5, 2)), RANDOM.standard_normal(5)
UNITS = [Tanh(), Erf(), Sigmoid(), Tanh().affine(-1.5, 0.4)]


def derivatives(unit: Activation, points: Array) -> tuple[Array, Array]:
    """d_jj Psi and d_j Psi at points (w1, w2, a, b), from sigma'' itself."""
    w, a, b = points[:, :2], points[:, 2], points[:, 3]
    u = w @ X.T + b[:, None]
    inputs = np.column_stack([X, np.ones(5)])
    bends = a[:, None] * ((unit.bend(u) * SLOPE) @ inputs**2)
    _, slopes = WithCoefficient(SampleFeatures(X, unit, True), 2).contract(points, SLOPE)
    return np.insert(bends, 2, 0.0, axis=1), slopes


@pytest.mark.parametrize("unit", UNITS, ids=["tanh", "erf", "sigmoid", "scaled"])
@pytest.mark.parametrize("width", [0.05, 1.0, 8.0])
def test_bounds_hold_everywhere_on_a_cell(unit: Activation, width: float) -> None:
    """Wide cells reach beyond both turns of sigma'', where it is least and largest between the ends."""
    lower = 2.0 * RANDOM.standard_normal((40, 4)) - 0.5 * width
    held = SampleCurvature(SampleFeatures(X, unit, True), unit.bounds(), SLOPE, True)
    bends, steep = held.second_derivatives(lower, lower + width), held.slopes(lower, lower + width)
    for _ in range(200):
        found, slopes = derivatives(unit, lower + width * RANDOM.random(lower.shape))
        assert np.all(found <= bends + 1e-12)
        assert np.all(np.abs(slopes) <= steep + 1e-12)


@pytest.mark.parametrize("unit", UNITS, ids=["tanh", "erf", "sigmoid", "scaled"])
def test_one_sample_has_the_very_extremes(unit: Activation) -> None:
    """With one sample x = 1 and a = 1 the bound is the largest sigma'' on the range of u, seen on a fine grid."""
    held = SampleCurvature(SampleFeatures(np.ones((1, 1)), unit, False), unit.bounds(), np.ones(1), False)
    for low, high in ((-3.0, 3.0), (-0.1, 0.1), (0.2, 2.5), (-4.0, -0.2), (1.5, 1.6)):
        expected = max(float(unit.bend(np.linspace(low, high, 200_001)).max()), 0.0)
        found = held.second_derivatives(np.array([[low]]), np.array([[high]]))[0, 0]
        assert found == pytest.approx(expected, rel=1e-8, abs=1e-12)


def test_a_convex_kink_in_the_range_has_no_bound() -> None:
    held = SampleCurvature(SampleFeatures(np.ones((1, 1)), Relu(), False), Relu().bounds(), np.ones(1), False)
    low, high = np.array([[-1.0], [0.5], [-2.0]]), np.array([[1.0], [2.0], [-0.5]])
    assert held.second_derivatives(low, high)[:, 0].tolist() == [np.inf, 0.0, 0.0]
    turned = SampleCurvature(held.features, held.bounds, -held.slope, False)
    assert turned.second_derivatives(low, high)[:, 0].tolist() == [0.0, 0.0, 0.0]
