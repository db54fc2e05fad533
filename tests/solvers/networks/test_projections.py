"""Exact risk and gradient of networks on teachers of single coordinates: closed kernels, quadrature, differences."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy import integrate

from mfpde.problem import targets
from mfpde.problem.network import Knots, activation_of
from mfpde.problem.targets import Hermite
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.population import SampledPopulation
from mfpde.solvers.networks.projections import ProjectedPopulation
from mfpde.solvers.normal import Teacher
from mfpde.solvers.sgd.samplers import Projections

STEP = Knots((0.5, 1.5), (-2.5, 7.5))


def teacher(target: Any, weight: float = 1.0) -> Teacher:
    return Teacher(lambda v: weight * targets.values(target, v), targets.breaks(target))


def population(unit: Any, targeted: tuple[Any, ...], dimension: int, noise: float = 0.0) -> ProjectedPopulation:
    """y = g_1(x_1) + g_2(x_2) / 2 + ... ."""
    teachers = tuple(teacher(target, 1.0 / (1 + k)) for k, target in enumerate(targeted))

    def total(x: Array) -> Array:
        return np.asarray(sum(teacher(x[:, k]) for k, teacher in enumerate(teachers)))

    data = Projections.of(dimension, len(targeted), total, noise)
    return ProjectedPopulation(data, activation_of(unit), teachers)


def neurons(dimension: int, count: int = 9) -> tuple[Array, Array, Array]:
    """Some in all directions, one along the teacher, one across it, one that is 0 and one steep."""
    random = np.random.default_rng(dimension)
    w = random.normal(size=(count, dimension)) / math.sqrt(dimension)
    w[0], w[1], w[2], w[3] = 0.0, 0.0, 0.0, 30.0 * w[3]
    w[0, 0], w[1, -1] = -0.7, 0.8
    return w, random.normal(size=count), random.normal(size=count)


def erf_pairs(v: Array, other: Array, inner: Array) -> Array:
    return np.asarray(2.0 / np.pi * np.arcsin(2.0 * inner / np.sqrt((1.0 + 2.0 * v) * (1.0 + 2.0 * other))))


def relu_pairs(v: Array, other: Array, inner: Array) -> Array:
    sine = np.sqrt(np.maximum(v * other - inner**2, 0.0))
    return np.asarray((sine + inner * (np.pi - np.arctan2(sine, inner))) / (2.0 * np.pi))


@pytest.mark.parametrize(("name", "pairs"), [("erf", erf_pairs), ("relu", relu_pairs)])
@pytest.mark.parametrize("dimension", [1, 2, 3, 40])
def test_without_offset_the_closed_pair_kernels(name: str, pairs: Any, dimension: int) -> None:
    """R = kappa(u, u) - 2 mean kappa(w, u) + mean kappa(w, w'), kappa of arcsines or arc-cosines."""
    w, a, _ = neurons(dimension)
    squares, everyone = (w**2).sum(axis=1), w @ w.T
    one = np.ones(1)
    mixed = pairs(squares, one, w[:, 0])
    expected = pairs(one, one, one)[0] - 2.0 * np.mean(a * mixed)
    expected += a @ pairs(squares[:, None], squares, everyone) @ a / len(a) ** 2
    assert population(name, (name,), dimension).risk(w, a, np.zeros(9)) == pytest.approx(expected, abs=1e-12)


CASES: list[tuple[Any, tuple[Any, ...]]] = [
    ("relu", ("sign",)),
    (STEP, ("tanh", "relu")),
    ("tanh", (Hermite((0.2, 0.0, 1.0)),)),
    ("erf", (STEP, "sign")),
    ("sigmoid", ("relu",)),
]


@pytest.mark.parametrize(("unit", "targeted"), CASES)
def test_what_neurons_share_with_the_target_is_an_integral(unit: Any, targeted: tuple[Any, ...]) -> None:
    """E g(x_k) sigma(u) = E_v g(v) E sigma(w_k v + b + s G) by adaptive quadrature, steep neurons and offsets too."""
    made, (w, _, b) = population(unit, targeted, 5), neurons(5)
    sigma, found = activation_of(unit), made._mixed(w, b)[0]
    for i in range(len(w)):
        total = 0.0
        for k, teacher in enumerate(made.teachers):
            across = math.sqrt(np.sum(w[i] ** 2) - w[i, k] ** 2)

            def integrand(v: float, i: int = i, k: int = k, across: float = across, teacher: Any = teacher) -> float:
                mean = sigma.mean(np.array([across]), np.array([w[i, k] * v + b[i]])).value[0]
                return float(mean * teacher(np.array([v]))[0]) * math.exp(-0.5 * v * v) / math.sqrt(2.0 * math.pi)

            knots = [(knot - b[i]) / w[i, k] for knot in (*sigma.knots, 0.0) if w[i, k] != 0.0]
            steep = [knot + shift * (across + 1.0) / abs(w[i, k]) for knot in knots for shift in (-3.0, 0.0, 3.0)]
            points = sorted({p for p in (*steep, *teacher.breaks, -3.0, 0.0, 3.0) if abs(p) < 9.0})
            ends = [-9.0, *points, 9.0]
            total += sum(
                integrate.quad(integrand, low, high, epsabs=1e-14, epsrel=1e-13)[0]
                for low, high in itertools.pairwise(ends)
            )
        assert found[i] == pytest.approx(total, abs=1e-11), i


@pytest.mark.parametrize(("unit", "targeted"), CASES)
def test_the_gradient_is_that_of_the_risk(unit: Any, targeted: tuple[Any, ...]) -> None:
    made, (w, a, b) = population(unit, targeted, 4), neurons(4)
    w[3] /= 10.0
    gradients = made.gradient(w, a, b, True, True)
    random = np.random.default_rng(1)
    for place, part in enumerate((w, a, b)):
        direction = random.normal(size=part.shape)
        ends = []
        for sign in (1.0, -1.0):
            moved = [w, a, b]
            moved[place] = part + sign * 1e-5 * direction
            ends.append(made.risk(*moved))
        slope = 2.0 / len(a) * np.sum(gradients[place] * direction)
        assert slope == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=2e-8)


def test_samples_measure_the_same_risk_and_gradient() -> None:
    """Within 5 standard errors of 20000 samples; fails with probability 6e-7."""
    made, (w, a, b) = population("tanh", ("relu", "erf"), 6, noise=0.4), neurons(6)
    measured = SampledPopulation(made.data, made.unit).measure(w, a, b)
    assert abs(measured.risk - made.risk(w, a, b)) < 5.0 * measured.error
    # a network that is 0 leaves E y^2, the product of the means among it
    zero = made.risk(w, np.zeros(9), b)
    assert zero == pytest.approx(0.5 + 0.25 * 2.0 / np.pi * np.arcsin(2.0 / 3.0) + 0.16, abs=1e-13)
