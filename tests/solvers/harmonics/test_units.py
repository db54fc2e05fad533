"""Units on the sphere by their coefficients, against quadrature, differences and Parseval's identity."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, special

from mfpde.problem.network import Knots, activation_of
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.harmonics.neurons import Neurons
from mfpde.solvers.harmonics.polynomials import harmonics
from mfpde.solvers.harmonics.targets import ZonalTarget
from mfpde.solvers.harmonics.units import ZonalUnit
from mfpde.solvers.networks.spherical import SphericalPopulation
from mfpde.solvers.normal import Teacher

ENTRIES = json.loads((Path(__file__).parents[2] / "reference_teachers.json").read_text("utf-8"))["entries"]
SPIN = next(entry for entry in ENTRIES if entry["id"] == "E-static")["values"]
STEPS = Knots((-0.5, 0.7, 1.5), (-2.5, 1.0, 7.5))
SIZES, OFFSETS = np.array([0.3, 1.0, 2.5]), np.array([0.1, -0.4, 0.5])


def test_the_coefficients_of_the_reference() -> None:
    unit = ZonalUnit.of(activation_of("sigmoid"), 25, 30)
    found = unit.coefficients(np.array([1.0]), np.array([0.5])).value[0, :8]
    counts = np.sqrt([harmonics(25, k) for k in range(8)])
    np.testing.assert_allclose(found / counts, SPIN["lambda_k_rho1_b05"], rtol=0.0, atol=1e-14)


def exact(activation: Activation, dimension: int, degree: int, size: float, offset: float) -> float:
    """l_k by adaptive quadrature in the angle, split at the knots."""
    root = math.sqrt(dimension)

    def density(phi: float) -> float:
        tau = np.array([math.cos(phi)])
        if dimension == 2:
            polynomial = math.cos(degree * phi)
        else:
            half = 0.5 * dimension - 1.0
            polynomial = special.eval_gegenbauer(degree, half, tau[0]) / special.eval_gegenbauer(degree, half, 1.0)
        return float(activation.value(size * root * tau + offset)[0] * polynomial * math.sin(phi) ** (dimension - 2))

    kinks = (activation.knots - offset) / (size * root)
    breaks = [math.acos(x) for x in kinks if abs(x) < 1.0]
    whole = integrate.quad(density, 0.0, math.pi, points=breaks or None, limit=400, epsabs=1e-13)[0]
    return float(math.sqrt(harmonics(dimension, degree)) * whole / special.beta(0.5, 0.5 * (dimension - 1.0)))


@pytest.mark.parametrize("dimension", [2, 3, 10])
@pytest.mark.parametrize("name", ["tanh", "relu", STEPS], ids=["tanh", "relu", "steps"])
def test_coefficients_against_quadrature(name: object, dimension: int) -> None:
    activation = activation_of(name)
    found = ZonalUnit.of(activation, dimension, 40).coefficients(SIZES[1:], OFFSETS[1:]).value
    for i, degree in [(0, 0), (0, 1), (1, 2), (1, 5)]:
        direct = exact(activation, dimension, degree, float(SIZES[1 + i]), float(OFFSETS[1 + i]))
        assert found[i, degree] == pytest.approx(direct, abs=1e-11)


@pytest.mark.parametrize("dimension", [1, 2, 10, 400])
@pytest.mark.parametrize("name", ["erf", STEPS], ids=["erf", "steps"])
def test_slopes_of_coefficients_against_differences(name: object, dimension: int) -> None:
    unit, step = ZonalUnit.of(activation_of(name), dimension, 24), 1e-5
    found = unit.coefficients(SIZES, OFFSETS)
    for slope, shift in ((found.by_size, (step, 0.0)), (found.by_offset, (0.0, step))):
        ends = [unit.coefficients(SIZES + s * shift[0], OFFSETS + s * shift[1]).value for s in (1.0, -1.0)]
        np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2.0 * step), atol=2e-8)


def test_degrees_that_are_left_out_are_told_by_parseval() -> None:
    """Smooth units leave rounding after enough degrees, and kinks k^-4 of each: an eighth for twice as many in all."""
    smooth = ZonalUnit.of(activation_of("erf"), 10, 96)
    assert smooth.left(SIZES, OFFSETS).max() < 1e-14
    bent = [ZonalUnit.of(activation_of("relu"), 3, count).left(SIZES, OFFSETS)[1] for count in (200, 400)]
    assert bent[0] / bent[1] == pytest.approx(8.0, rel=0.1)
    assert 1e-10 < bent[1] < 1e-8
    for dimension, left in ((3, 1.2e-10), (40, 7.2e-9)):
        found = ZonalUnit.of(activation_of("relu"), dimension, 480).left(SIZES, OFFSETS)[0]
        assert found == pytest.approx(left, rel=0.05)


TEACHERS = (Teacher(np.tanh, np.empty(0)), Teacher(np.sign, np.zeros(1)))


@pytest.mark.parametrize("dimension", [1, 2, 6])
@pytest.mark.parametrize("name", ["sigmoid", "relu"])
def test_population_risk_is_that_of_samples_and_its_gradient_that_of_differences(name: str, dimension: int) -> None:
    """Fails falsely once in 15,000: four standard errors."""
    rng, activation = np.random.default_rng(dimension), activation_of(name)
    target = ZonalTarget(dimension, TEACHERS[:dimension])
    population = SphericalPopulation(activation, target, 0.3)
    w, a, b = rng.normal(size=(5, dimension)), rng.normal(size=5), 0.5 * rng.normal(size=5)
    x = rng.normal(size=(100_000, dimension))
    x *= math.sqrt(dimension) / np.linalg.norm(x, axis=1)[:, None]
    y = np.sum([g(x[:, j]) for j, g in enumerate(target.teachers)], axis=0)
    losses = (y - activation.value(x @ w.T + b) @ a / 5.0) ** 2 + 0.09
    measured = population.measure(w, a, b)
    spread = 4.0 * float(losses.std()) / math.sqrt(len(losses)) + measured.error + 1e-12
    assert abs(measured.risk - float(losses.mean())) < spread
    gw, ga, gb = population.gradient(w, a, b, True, True)
    for part, slopes in enumerate((gw, ga, gb)):
        for place in [(0,) * slopes.ndim, (4,) + (dimension - 1,) * (slopes.ndim - 1)]:
            risks = []
            for step in (1e-5, -1e-5):
                moved = [w.copy(), a.copy(), b.copy()]
                moved[part][place] += step
                risks.append(population.risk(*moved))
            assert slopes[place] == pytest.approx(2.5 * (risks[0] - risks[1]) / 2e-5, abs=3e-8)


def test_what_a_kinked_unit_does_not_see_of_a_kinked_target_is_told() -> None:
    """A rectifier along u and min(|v|, 1) bend at one place: what ends with 256 degrees is of first order in both."""
    kinked = Teacher(lambda v: np.minimum(np.abs(v), 1.0), np.array([-1.0, 0.0, 1.0]))
    root, edges = math.sqrt(5.0), (-1.0, -1.0 / math.sqrt(5.0), 0.0, 1.0 / math.sqrt(5.0), 1.0)

    def loss(tau: float) -> float:
        v = root * tau
        return 0.75 * (1.0 - tau**2) * (min(abs(v), 1.0) - max(v, 0.0)) ** 2

    exact = sum(integrate.quad(loss, *ends, epsabs=1e-13)[0] for ends in itertools.pairwise(edges))
    population = SphericalPopulation(activation_of("relu"), ZonalTarget(5, (kinked,)))
    measured = population.measure(np.eye(5)[:1], np.ones(1), np.zeros(1))
    assert 1e-8 < abs(measured.risk - exact) < measured.error < 1e-6
    smooth = SphericalPopulation(activation_of("relu"), ZonalTarget(5, TEACHERS[:1]))
    assert smooth.measure(np.eye(5)[:1], np.ones(1), np.zeros(1)).error == 0.0


def test_neurons_at_the_origin_have_the_limit_of_their_slopes() -> None:
    activation, rng = activation_of("sigmoid"), np.random.default_rng(0)
    w, b, masses = rng.normal(size=(4, 6)), rng.normal(size=4), rng.normal(size=4)
    w[0] = 0.0
    near = w.copy()
    near[0] = 1e-4 * np.eye(6)[2]
    found = [Neurons.of(activation, each, b) for each in (w, near)]
    slopes = [
        each.slopes(each, masses).by_weight[0] - each.taught(ZonalTarget(6, TEACHERS)).by_weight[0] for each in found
    ]
    np.testing.assert_allclose(slopes[0], slopes[1], atol=1e-4)
    assert np.linalg.norm(slopes[0]) > 1e-2
