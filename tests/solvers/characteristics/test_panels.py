"""Panels of labels: quadrature of rho_0, resolution of the flow map, and halving without loss."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.polynomial import legendre
from numpy.testing import assert_allclose
from scipy import stats

from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.outputs import OutputResolution
from mfpde.solvers.characteristics.panels import LabelLaw, Panels, fill_panels, initial_panels
from mfpde.solvers.characteristics.rules import Rule
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import DenseFeatures, Objective

RULE = Rule.of_order(8)


def labels_of(panels: Panels, rule: Rule = RULE) -> Array:
    """Labels of the nodes, shape (N, A)."""
    half = 0.5 * (panels.upper - panels.lower)
    unit = np.meshgrid(*[rule.nodes] * panels.axes, indexing="ij")
    reference = np.stack([u.ravel() for u in unit], axis=1)
    whole = (panels.lower + half)[:, None, :] + half[:, None, :] * reference
    return np.asarray(whole.reshape(-1, panels.axes))


def polynomial_density(labels: Array) -> Array:
    """A positive polynomial of degree 7 per axis on [-1, 2]."""
    return np.asarray(np.prod(2.0 + 0.3 * labels + 0.01 * labels**7, axis=1))


def polynomial_map(labels: Array) -> Array:
    """Two coordinates, of degree 7 in each label."""
    first, last = labels[:, 0], labels[:, -1]
    return np.stack([first**7 - 3.0 * last**2, 0.2 * last**7 + first * last], axis=1)


def two_panels(axes: int) -> Panels:
    lower = np.full((2, axes), -1.0)
    upper = np.full((2, axes), 2.0)
    upper[0, 0] = lower[1, 0] = 0.25
    return fill_panels(lower, upper, polynomial_density, polynomial_map, RULE)


@pytest.mark.parametrize("order", [4, 8, 10, 16])
def test_transforms_of_a_rule(order: int) -> None:
    rule = Rule.of_order(order)
    series = np.random.default_rng(order).normal(size=order)
    values = legendre.legval(rule.nodes, series)
    assert_allclose(rule.coefficients @ values, series, atol=1e-13)
    for side, half in zip((-1.0, 1.0), rule.halves, strict=True):
        assert_allclose(half @ values, legendre.legval(0.5 * (rule.nodes + side), series), atol=2e-13)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_panels_integrate_polynomials_exactly(axes: int) -> None:
    panels = two_panels(axes)
    _, weights = panels.atoms
    labels = labels_of(panels)
    line = np.polynomial.Polynomial([2.0, 0.3, 0, 0, 0, 0, 0, 0.01])
    moment = [float((line * np.polynomial.Polynomial.basis(k)).integ()(2.0)) for k in range(9)]
    start = [float((line * np.polynomial.Polynomial.basis(k)).integ()(-1.0)) for k in range(9)]
    raw = np.subtract(moment, start)
    assert_allclose(weights.sum(), 1.0, rtol=1e-14)
    for k in range(9):
        assert_allclose(weights @ labels[:, -1] ** k, raw[k] / raw[0], rtol=1e-12)


@pytest.mark.parametrize(("axes", "axis"), [(1, 0), (2, 0), (2, 1), (3, 1)])
def test_halving_evaluates_the_polynomials_it_had(axes: int, axis: int) -> None:
    panels = two_panels(axes)
    halved = panels.halved(np.array([False, True]), axis, RULE)
    assert len(halved.lower) == 3
    assert_allclose(halved.lower[0], panels.lower[0])
    assert_allclose(halved.upper[1, axis], 0.5 * (panels.lower[1, axis] + panels.upper[1, axis]))
    assert_allclose(halved.lower[2, axis], halved.upper[1, axis])
    assert_allclose(np.delete(halved.lower[2], axis), np.delete(panels.lower[1], axis))
    positions, weights = halved.atoms
    assert_allclose(positions, polynomial_map(labels_of(halved)), rtol=0, atol=1e-10)
    fresh = fill_panels(halved.lower, halved.upper, polynomial_density, polynomial_map, RULE)
    assert_allclose(weights, fresh.atoms[1], rtol=1e-11)


@pytest.mark.parametrize(("axes", "axis"), [(1, 0), (2, 0), (2, 1)])
def test_halving_keeps_mass_and_mean_to_rounding(axes: int, axis: int) -> None:
    """Also of a density that the rule does not resolve: the children integrate the same interpolants."""

    def density(labels: Array) -> Array:
        return np.asarray(np.prod(np.exp(-(labels**2)), axis=1))

    def embed(labels: Array) -> Array:
        return np.stack([np.sin(3.0 * labels[:, 0]), np.exp(labels[:, -1])], axis=1)

    panels = fill_panels(np.full((1, axes), -1.0), np.full((1, axes), 2.0), density, embed, RULE)
    before_positions, before = panels.atoms
    for _ in range(3):
        panels = panels.halved(np.ones(len(panels.lower), dtype=bool), axis, RULE)
    positions, weights = panels.atoms
    assert weights.size == 8 * before.size
    assert_allclose(weights.sum(), 1.0, rtol=1e-14)
    assert_allclose(weights @ positions, before @ before_positions, rtol=1e-13)
    assert np.all(weights >= 0.0)


def test_halving_never_makes_mass_negative() -> None:
    """An under-resolved density overshoots below zero between its nodes; its mass is not let through."""

    def density(labels: Array) -> Array:
        return np.exp(-40.0 * (labels[:, 0] - 0.11) ** 2)

    panels = fill_panels(np.full((1, 1), -1.0), np.full((1, 1), 2.0), density, lambda x: x, RULE)
    for _ in range(4):
        panels = panels.halved(np.ones(len(panels.lower), dtype=bool), 0, RULE)
        assert np.all(panels.masses >= 0.0)
        assert_allclose(panels.masses.sum(), 1.0, rtol=1e-14)


def test_tails_are_the_last_legendre_coefficients() -> None:
    n = len(RULE.nodes)
    series = np.zeros(n)
    series[n - 1], series[n - 2], series[n - 3] = 0.25, -0.5, 3.0

    def embed(labels: Array) -> Array:
        return np.stack([legendre.legval(labels[:, 0], series), labels[:, 1] ** (n - 3)], axis=1)

    square = np.full((1, 2), -1.0)
    panels = fill_panels(square, -square, polynomial_density, embed, RULE)
    assert_allclose(panels.tails(RULE), [[0.5, 0.0]], atol=1e-13)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-8, 1e-11])
def test_initial_panels_integrate_smooth_laws_to_the_tolerance(tolerance: float) -> None:
    law = stats.norm(0.4, 0.03)
    rule = Rule.of_order(10)
    breaks = (np.array([law.ppf(1e-18), law.isf(1e-18)]),)
    panels = initial_panels(LabelLaw(breaks, lambda x: law.pdf(x[:, 0]), np.sin), rule, tolerance, 40_000)
    positions, weights = panels.atoms
    exact = np.exp(-0.5 * 0.03**2) * np.sin(0.4)  # E sin(G) of a normal law
    assert abs(weights @ positions[:, 0] - exact) <= tolerance
    assert weights.size <= 600


def test_initial_panels_start_from_the_breaks() -> None:
    """A density with a corner and a jump at the breaks is integrated to rounding."""

    def density(x: Array) -> Array:
        return np.where(x[:, 0] < 0.5, x[:, 0], 3.0)

    breaks = (np.array([0.0, 0.5, 0.8]),)
    panels = initial_panels(LabelLaw(breaks, density, lambda x: x), RULE, 1e-10, 40_000)
    positions, weights = panels.atoms
    mass = 0.125 + 0.9
    assert_allclose(weights @ positions[:, 0], (0.125 / 3.0 + 1.5 * (0.64 - 0.25)) / mass, rtol=1e-13)


def test_limit_on_the_number_of_nodes_is_kept() -> None:
    narrow = stats.norm(0.0, 1e-3)
    breaks = (np.array([-1.0, 1.0]), np.array([-1.0, 1.0]))

    def density(x: Array) -> Array:
        return np.asarray(narrow.pdf(x[:, 0]) + 1e-3 * np.ones(len(x)))

    panels = initial_panels(LabelLaw(breaks, density, lambda x: x), RULE, 1e-12, 1000)
    assert panels.masses.size <= 1000
    assert_allclose(panels.masses.sum(), 1.0, rtol=1e-14)


def test_a_dirac_mass_is_one_node() -> None:
    panels = initial_panels(LabelLaw((), lambda x: np.ones(len(x)), lambda x: np.full((1, 2), 0.3)), RULE, 1e-8, 100)
    positions, weights = panels.atoms
    assert_allclose(positions, [[0.3, 0.3]])
    assert_allclose(weights, [1.0])
    assert panels.tails(RULE).shape == (1, 0)


class Hinges(DenseFeatures):
    """(z_1 - 0.3)_+ and its like in the last coordinate, in `dimension` coordinates."""

    rank = 2

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension

    def values(self, points: Array) -> Array:
        return np.asarray(np.maximum(points[:, [0, -1]] - np.array([0.3, 0.7]), 0.0))

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        raise NotImplementedError


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-8])
def test_panels_are_graded_towards_kinks_of_the_features(axes: int, tolerance: float) -> None:
    objective = Objective(Hinges(axes), SquareLoss(np.array([1.0, 2.0]), np.array([2.0, -1.0])))
    lower, upper = np.zeros((1, axes)), np.ones((1, axes))
    resolution = OutputResolution(objective, lambda x: np.ones(len(x)), lambda x: x.copy(), RULE, tolerance, 100_000)
    panels = fill_panels(*resolution.corners(lower, upper), lambda x: np.ones(len(x)), lambda x: x, RULE)
    exact = np.array([0.7**2 / 2, 0.3**2 / 2])
    error = abs(objective.risk(objective.outputs(*panels.atoms)) - objective.risk(exact))
    coarse = fill_panels(lower, upper, lambda x: np.ones(len(x)), lambda x: x, RULE)
    assert abs(objective.risk(objective.outputs(*coarse.atoms)) - objective.risk(exact)) > 1e-4
    assert error <= tolerance
    # bisection towards two kinks, not everywhere: in the plane 2^-11 wide there where a uniform grid has 2^22 panels
    assert len(panels.lower) <= 20 + 100 * (axes - 1)


def test_resolving_outputs_stops_at_the_limit() -> None:
    objective = Objective(Hinges(1), SquareLoss(np.ones(2), np.zeros(2)))
    resolution = OutputResolution(objective, lambda x: np.ones(len(x)), lambda x: x, RULE, 1e-300, 100)
    lower, _ = resolution.corners(np.zeros((1, 1)), np.ones((1, 1)))
    assert len(lower) == 100 // len(RULE.nodes)


@pytest.mark.parametrize("limit", [10, 20, 40, 80])
def test_what_the_limit_leaves_of_the_outputs_is_told(limit: int) -> None:
    objective = Objective(Hinges(1), SquareLoss(np.ones(2), np.zeros(2)))
    resolution = OutputResolution(objective, lambda x: np.ones(len(x)), lambda x: x, RULE, 1e-14, limit)
    corners = resolution.corners(np.zeros((1, 1)), np.ones((1, 1)))
    panels = fill_panels(*corners, lambda x: np.ones(len(x)), lambda x: x, RULE)
    off = np.abs(objective.outputs(*panels.atoms) - np.array([0.7**2 / 2, 0.3**2 / 2]))
    left = resolution.left(*corners)
    assert (off <= left).all()
    assert (off > 1e-7).all()
    assert (left < 100.0 * off).all()
    # with room for more there is nothing left
    assert not replace(resolution, limit=limit + 10).left(*corners).any()


@dataclass(frozen=True)
class One(DenseFeatures):
    """A unit that does not vary."""

    dimension: int = 1
    rank: int = 1

    def values(self, points: Array) -> Array:
        return np.ones((len(points), 1))

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        return np.ones((len(points), 1)), np.zeros((len(points), 1, 1))


def test_a_feature_that_does_not_vary_is_resolved_whatever_the_density() -> None:
    """Outputs are those of a law of mass 1: what panels miss of the mass is divided out."""
    objective = Objective(One(), SquareLoss(np.ones(1), np.full(1, 3.0)))
    resolution = OutputResolution(objective, lambda x: np.abs(x[:, 0] - 0.3), lambda x: x, RULE, 1e-10, 1000)
    lower, upper = resolution.corners(np.full((1, 1), -1.0), np.full((1, 1), 2.0))
    assert (lower.tolist(), upper.tolist()) == ([[-1.0]], [[2.0]])
