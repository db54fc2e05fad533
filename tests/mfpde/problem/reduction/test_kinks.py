"""Units with kinks under single- and multi-index targets: what features leave is told, neuron by neuron."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate

from mfpde.problem.activations.erf import Erf
from mfpde.problem.reduction.gaussian import index, pulls, sections
from mfpde.solvers.activations.activation import Affine
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.pulls import PullFeatures, pulled
from mfpde.solvers.normal import Teacher
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.space.box import Box

RECTIFIER, RAMP = PiecewiseLinear([0.0], [1.0]), PiecewiseLinear([-0.5, 1.5], [1.0, -1.0])
UNITS = [RECTIFIER, RAMP]
SQUARE = Teacher(lambda v: (v * v - 1.0) / math.sqrt(2.0), np.empty(0))
BOX = Box(np.array([-2.0, 0.0, -1.0]), np.array([2.0, 1.5, 1.0]))


Function = Callable[[float], float]


def mean(function: Function, breaks: list[float]) -> float:
    """E of a function of a normal variable with these breaks."""
    ends = [-12.0, *sorted(x for x in breaks if abs(x) < 12.0), 12.0]
    root = math.sqrt(2.0 * math.pi)
    parts = [
        integrate.quad(lambda v: function(v) * math.exp(-0.5 * v * v) / root, *pair, epsabs=1e-13)[0]
        for pair in pairwise(ends)
    ]
    return float(sum(parts))


def square(v: float) -> float:
    return (v * v - 1.0) / math.sqrt(2.0)


def kinks(unit: PiecewiseLinear, place: Array) -> list[float]:
    """Of the output of a neuron (m, ..., b) without w_perp, seen along u_1."""
    return [float((knot - place[-1]) / place[0]) for knot in unit.knots]


@pytest.mark.parametrize("unit", UNITS)
def test_what_a_rule_for_all_leaves_of_few_sharp_neurons(unit: PiecewiseLinear) -> None:
    """A law of neurons along the target: its risk by adaptive quadrature between their kinks."""
    made = index.expand(unit, True, math.inf, SQUARE, BOX, 1e-8, "usual")
    assert made.gap is not None
    rng, largest = np.random.default_rng(3), 0.0
    for count in (1, 1, 1, 3):
        places = np.column_stack([rng.uniform(-2.0, 2.0, count), np.zeros(count), rng.uniform(-1.0, 1.0, count)])
        masses = rng.uniform(0.5, 2.0, count) / count

        def gone(v: float, places: Array = places, masses: Array = masses) -> float:
            return (float(masses @ unit.value(places[:, 0] * v + places[:, 2])) - square(v)) ** 2

        exact = mean(gone, [x for place in places for x in kinks(unit, place)])
        error = abs(made.objective.energy(masses @ made.objective.features.values(places)) - exact)
        assert error <= 1.01 * made.gap(places, masses) + 1e-10
        assert made.gap(places, masses) <= 1.01 * error + 1e-8
        largest = max(largest, error / masses.sum() ** 2)
    assert 1e-6 < largest <= made.error


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("teachers", [1, 2])
def test_sections_have_the_exact_pull_and_tell_what_they_leave(unit: PiecewiseLinear, teachers: int) -> None:
    """Neurons along u_1: V by adaptive quadrature, U(z, z) = E sigma(m G + b)^2."""
    weights, none = (0.7, -0.4)[:teachers], [0.0] * teachers
    box = Box(np.array([*[-2.0] * teachers, 0.0, -1.0]), np.array([*[2.0] * teachers, 1.5, 1.0]))
    target = pulls.Target((SQUARE,) * teachers, weights, 0.0)
    made = sections.expand(unit, True, math.inf, target, box, 1e-6, "rough")
    loss = made.objective.loss
    assert made.gap is not None
    assert isinstance(loss, SquareLoss)
    for m, b in ((1.3, -0.37), (-0.9, 0.61), (1.9, 0.2)):
        place = np.array([[m, *none, b]])

        def output(v: float, m: float = m, b: float = b) -> float:
            return float(unit.value(np.array(m * v + b)))

        def pulling(v: float, output: Function = output) -> float:
            return output(v) * square(v)

        def squared(v: float, output: Function = output) -> float:
            return output(v) ** 2

        values, breaks = made.objective.features.values(place)[0], kinks(unit, place[0])
        assert values @ loss.targets == pytest.approx(weights[0] * mean(pulling, breaks), abs=1e-12)
        left = mean(squared, breaks) - values @ values
        assert 1e-6 < left <= 1.0001 * made.gap(place, np.ones(1)) <= 1.001 * left


@pytest.mark.parametrize("unit", UNITS)
def test_the_gradients_of_a_law_do_not_share_its_rule(unit: PiecewiseLinear) -> None:
    """d Psi / d m = E (f - g) v sigma'(m v + b) at sharp neurons, by adaptive quadrature between their kinks."""
    made = index.expand(unit, True, math.inf, SQUARE, BOX, 1e-8, "usual")
    assert made.potential is not None
    places, masses = np.array([[1.3, 0.0, -0.37], [-0.9, 0.0, 0.61], [1.9, 0.0, 0.2]]), np.array([0.5, -0.2, 0.7])
    breaks = [x for place in places for x in kinks(unit, place)]

    def pulled_along(v: float, m: float, b: float) -> float:
        output = float(masses @ unit.value(places[:, 0] * v + places[:, 2]))
        return (output - square(v)) * v * float(unit.slope(np.array(m * v + b)))

    exact = [mean(lambda v, z=place: pulled_along(v, z[0], z[2]), breaks) for place in places]  # type: ignore[misc]
    found = made.potential(places, masses)[1][:, 0]
    own = made.objective
    features = own.features.contract(places, own.loss_gradient(own.outputs(places, masses)))[1][:, 0]
    assert np.abs(features - exact).max() > 1e-4
    np.testing.assert_allclose(found, exact, atol=1e-9)


def test_a_shifted_unit_is_steep_elsewhere() -> None:
    """T of a steep step at u = -5, and of the same step with its shift as an offset."""
    m, s = np.array([60.0, -25.0]), np.array([0.3, 0.0])
    shifted = pulled(Affine(Erf(), 1.0, 5.0), SQUARE, m, s, np.zeros(2))
    np.testing.assert_allclose(shifted, pulled(Erf(), SQUARE, m, s, np.full(2, 5.0)), atol=1e-14)


@pytest.mark.parametrize("unit", UNITS)
def test_pulls_by_a_multiple_of_the_unit_are_closed_forms(unit: PiecewiseLinear) -> None:
    """By panels, along the teacher, across it, small and at 0; a teacher that differs beyond its knots is none."""
    rng = np.random.default_rng(0)
    points = np.stack([2.0 * rng.normal(size=40), np.abs(rng.normal(size=40)), rng.normal(size=40)], axis=1)
    points[:5, 0], points[5:10, 1], points[10:15, :2], points[15:20, 1] = 0.0, 0.0, 0.0, 1e-7
    teacher = Teacher(lambda v: -2.5 * unit.value(v), unit.knots)
    made = PullFeatures(unit, teacher, True)
    assert made.closed
    values, slopes = made.values_and_gradients(points)
    found = np.column_stack([values, slopes[:, 0]])
    np.testing.assert_allclose(found, pulled(unit, teacher, *points.T).T, atol=1e-12)
    assert not PullFeatures(unit, Teacher(lambda v: unit.value(v) + np.maximum(v - 7.0, 0.0), unit.knots), True).closed
