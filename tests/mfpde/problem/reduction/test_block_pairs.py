"""The exact interaction of small blocks against quadratures and differences that share nothing with it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss
from numpy.testing import assert_allclose
from scipy import integrate, special, stats

from mfpde.configuration.sources import load_configuration
from mfpde.problem.activations.piecewise_linear import Relu
from mfpde.problem.activations.tanh import Tanh
from mfpde.problem.problem import build_problem
from mfpde.problem.reduction.block_pairs import block_pairs
from mfpde.problem.reduction.sphere import mean_on_sphere
from mfpde.problem.reduction.zonal.expansion import zonal_features
from mfpde.problem.reduction.zonal.rules import split_chi_rule
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.space.axis import Radius
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.stationary.landscape import Landscape
from mfpde.solvers.stationary.pair_landscape import PairLandscape
from mfpde.studies.optimum.atoms import optimum_atoms
from mfpde.studies.stationary.stationary import stationary
from tests.mfpde.problem.reduction.test_reduction import (
    LETTERS,
    direct_kernel,
    gaussian_mixture,
    objective_of,
    sphere_mean,
)
from tests.mixtures import problem_on

POINTS = np.array([[0.4], [0.9], [2.3], [9.0]])
MASSES = np.array([0.3, 0.2, 0.4, 0.1])


def settings_of(letter: str, dimension: int, delta: float) -> list[str]:
    unit = LETTERS[letter]
    values = unit(unit.knots).tolist()
    return [
        "data.law=gaussian-mixture",
        f"data.dims=[{dimension}]",
        f"data.delta={delta}",
        f"network.activation={{knots={unit.knots.tolist()}, values={values}}}",
    ]


@pytest.mark.parametrize("letter", ["T", "M", "N", "R"])
@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_pairs_agree_with_correlated_gaussians(letter: str, dimension: int) -> None:
    unit, mixture = LETTERS[letter], gaussian_mixture(0.6, float(dimension))
    pairs = block_pairs(unit, mixture)
    assert pairs is not None
    values = pairs.gram(POINTS)[0]
    for i in range(len(POINTS)):
        for j in range(i + 1):
            expected = direct_kernel(unit, mixture, POINTS[i], POINTS[j])
            # the expected one is interpolated in the angle at p = 4
            within = 2e-8 if dimension == 4 else 1e-10
            assert_allclose([values[i, j], values[j, i]], expected, rtol=within, atol=within)


@pytest.mark.parametrize("letter", ["T", "M", "N", "R"])
@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_pairs_agree_with_incomplete_beta_functions(letter: str, dimension: int) -> None:
    unit, mixture = LETTERS[letter], gaussian_mixture(0.6, float(dimension))
    pairs = block_pairs(unit, mixture)
    assert pairs is not None
    values = pairs.gram(POINTS)[0]
    node, weight = leggauss(20)
    expected = np.zeros_like(values)
    for scale in np.asarray(mixture.scales)[0]:
        kinks = np.abs(np.divide.outer(unit.knots, scale * POINTS[:, 0])).ravel()
        graded = np.multiply.outer(kinks[kinks > 0.0], 1.0 + 2.0 ** -np.arange(0.0, 24.0)).ravel()
        ends = np.unique(np.concatenate([np.linspace(0.0, 12.0, 61), kinks, graded]))
        ends = ends[ends <= 12.0]
        half = 0.5 * np.diff(ends)[:, None]
        rho = (ends[:-1, None] + half * (node + 1.0)).ravel()
        mass = (half * weight).ravel() * stats.chi.pdf(rho, dimension)
        means = np.stack([sphere_mean(unit, scale * r * rho, float(dimension)) for r in POINTS[:, 0]])
        expected += 0.5 * (means * mass) @ means.T
    assert_allclose(values, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("letter", ["M", "N"])
@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_derivatives_of_pairs_are_those_of_their_values(letter: str, dimension: int) -> None:
    pairs = block_pairs(LETTERS[letter], gaussian_mixture(0.5, float(dimension)))
    assert pairs is not None
    weights, step = np.array([1.0, -8.0, 8.0, -1.0]) / 12.0, 1e-3
    # away from the atoms, where Psi'' has kinks
    place = np.array([[1.4]])
    shifted = place + step * np.array([[-2.0], [-1.0], [1.0], [2.0]])
    values, slopes, _ = pairs.psi(shifted, POINTS, MASSES)
    _, slope, bend = pairs.psi(place, POINTS, MASSES)
    assert_allclose(slope[0, 0], weights @ values / step, rtol=0, atol=2e-10)
    assert_allclose(bend[0, 0, 0], weights @ slopes[:, 0] / step, rtol=0, atol=2e-10)
    assert pairs.hessian_error(POINTS, POINTS, MASSES) < 1e-9
    mixed = pairs.gram(np.vstack([place, POINTS[2:3]]))[2]
    moved = [pairs.gram(np.vstack([place, POINTS[2:3] + shift]))[1][0, 0, 1] for shift in shifted - place]
    assert_allclose(mixed[0, 0, 1, 0], weights @ moved / step, rtol=0, atol=2e-10)
    own = pairs.own_gradient(place)[0, 0]
    risks = [pairs.risk(point[None], np.ones(1)) for point in shifted]
    assert_allclose(own, 0.5 * (weights @ risks) / step, rtol=0, atol=2e-10)


def test_hessians_at_an_atom_have_no_delta() -> None:
    """At d = 1 the Hessian of U(., z) is continuous at z but has a kink there: one-sided differences meet it."""
    pairs = block_pairs(LETTERS["M"], gaussian_mixture(0.5, 1.0))
    assert pairs is not None
    atom = np.array([[1.1]])
    bend = pairs.psi(atom, atom, np.ones(1))[2][0, 0, 0]
    for step in (1e-4, -1e-4):
        near = pairs.psi(atom + step, atom, np.ones(1))[2][0, 0, 0]
        nearer = pairs.psi(atom + 0.5 * step, atom, np.ones(1))[2][0, 0, 0]
        assert_allclose(2.0 * nearer - near, bend, rtol=0, atol=1e-5)


def test_pairs_are_of_one_small_block_and_piecewise_linear_units() -> None:
    assert block_pairs(Tanh(), gaussian_mixture(0.5, 2.0)) is None
    assert block_pairs(Relu(), gaussian_mixture(0.5, 5.0)) is None
    assert block_pairs(Relu(), gaussian_mixture(0.5, 1.0, 2.0)) is None
    assert problem_on(Relu(), gaussian_mixture(0.5, 2.0), has_coefficient=True).exact_pairs is None
    assert problem_on(Relu(), gaussian_mixture(0.5, 2.0)).exact_pairs is not None


@pytest.mark.parametrize("dimension", [3.0, 4.0])
def test_landscapes_of_pairs_and_features_agree(dimension: float) -> None:
    problem = problem_on(LETTERS["N"], gaussian_mixture(0.5, dimension))
    objective = problem.represent("exact", Box(np.zeros(1), np.full(1, 4.0)), 1e-13).objective
    assert problem.exact_pairs is not None
    geometry, flow = Geometry.of({"r1": Radius(dimension)}), Flow(ridge=0.02, fisher_rao_rate=0.3)
    exact = PairLandscape(objective, geometry, flow, problem.exact_pairs)
    features = Landscape(objective, geometry, flow)
    law = Atoms(np.array([[0.0], [0.8], [2.9]]), np.array([0.2, 0.5, 0.3]))
    points = np.array([[-0.7], [0.0], [1.3], [3.1]])
    ours, theirs = exact.outputs(law), features.outputs(law)
    assert_allclose(exact.free_energy(law), features.free_energy(law), rtol=0, atol=1e-8)
    for got, expected in zip(exact.potential(points, ours), features.potential(points, theirs), strict=True):
        assert_allclose(got, expected, rtol=0, atol=1e-6)
    own = [landscape.own_gradient(points[1:]) for landscape in (exact, features)]
    assert_allclose(own[0], own[1], rtol=0, atol=1e-6)
    for got, expected in zip(exact.interaction(law), features.interaction(law), strict=True):
        assert_allclose(got, expected, rtol=0, atol=1e-4)
    assert_allclose(exact.hessian(law.points[1], ours)[0], features.hessian(law.points[1], theirs)[0], atol=2e-3)


@pytest.mark.parametrize("dimension", [1.0, 2.0, 3.0])
def test_a_split_rule_integrates_kinks_exactly(dimension: float) -> None:
    knot = 0.37
    rho, weights = split_chi_rule(dimension, np.array([knot]))
    assert_allclose(weights @ rho**2, dimension, rtol=1e-13)
    assert_allclose(weights @ rho**4, dimension * (dimension + 2.0), rtol=1e-13)
    finer, share = split_chi_rule(dimension, np.concatenate([[knot], np.geomspace(0.01, 8.0, 400)]))

    def kinked(x: Array) -> Array:
        return np.asarray(np.maximum(x - knot, 0.0) ** 1.5)

    assert_allclose(weights @ kinked(rho), share @ kinked(finer), rtol=1e-12)


@pytest.mark.parametrize("dimension", [1.0, 2.0, 3.0, 8.0])
def test_means_on_spheres_with_knots_on_both_sides(dimension: float) -> None:
    """E sigma(s n) - sigma(0) by adaptive quadrature in the angle; spheres that no knot, one or both of them cut."""
    unit = PiecewiseLinear(np.array([-1.5, 0.5]), np.array([1.0, -2.0]))
    power, angles = dimension - 2.0, np.arccos(np.clip(np.outer(unit.knots, 1.0 / RADII), -1.0, 1.0))
    expected = [0.5 * (unit(np.array([s, -s])).sum()) for s in RADII]
    if dimension > 1.0:
        mass = special.beta(0.5 * (dimension - 1.0), 0.5)
        expected = [
            integrate.quad(
                lambda t, s=s: float(unit(np.array([s * np.cos(t)]))[0]) * np.sin(t) ** power / mass,
                *(0.0, np.pi),
                points=cuts,
                epsabs=1e-12,
            )[0]
            for s, cuts in zip(RADII, angles.T, strict=True)
        ]
    assert_allclose(mean_on_sphere(unit, RADII, dimension), np.array(expected) - unit(np.zeros(1)), atol=1e-10)


RADII = np.array([0.3, 1.0, 4.0])
OFF_NODES = [
    pytest.param((dimension,), letter, largest, marks=[] if (dimension, largest) == (1.0, 3.0) else pytest.mark.long)
    for dimension, letter in ((1.0, "T"), (1.0, "M"), (2.0, "M"), (2.0, "N"), (3.0, "M"))
    for largest in (3.0, 15.0)
]


@pytest.mark.parametrize(("dimensions", "letter", "largest"), OFF_NODES)
def test_features_keep_their_stated_error_between_their_nodes(
    dimensions: tuple[float, ...], letter: str, largest: float
) -> None:
    unit, mixture = LETTERS[letter], gaussian_mixture(0.5, *dimensions)
    features, error = zonal_features(unit, mixture, largest, 1e-10)
    pairs = block_pairs(unit, mixture)
    assert pairs is not None
    drawn = np.random.default_rng(5).uniform(np.log(0.1), np.log(largest / 1.6), 60)
    points = np.exp(np.concatenate([drawn, drawn[:20] + 3e-3]))[:, None]
    values = features.values(points)
    objective = objective_of(features)
    gap = float(np.max(np.abs((values * objective.loss.metric) @ values.T - pairs.gram(points)[0])))
    # found on samples of the singularity's line
    assert gap <= 1.5 * error
    # twice the truth would still be honest, a hundred times useless
    assert error <= max(20.0 * gap, 1e-10)


TWO_BLOCKS = [((1.0, 2.0), "M", 1e-4), ((2.0, 3.0), "M", 1e-5), ((4.0, 6.0), "N", 1e-7)]


@pytest.mark.long
@pytest.mark.parametrize(("dimensions", "letter", "accuracy"), TWO_BLOCKS)
def test_features_of_two_blocks_keep_their_stated_error(
    dimensions: tuple[float, ...], letter: str, accuracy: float
) -> None:
    unit, mixture = LETTERS[letter], gaussian_mixture(0.5, *dimensions)
    features, error = zonal_features(unit, mixture, 5.0, accuracy)
    assert error <= 10.0 * accuracy
    weights = objective_of(features).loss.metric
    for first, second in (([0.9, 0.53], [0.9, 0.53]), ([2.11, 0.04], [2.12, 0.05]), ([0.31, 1.9], [0.93, 0.6])):
        pair = features.values(np.array([first, second]))
        expected = direct_kernel(unit, mixture, np.array(first), np.array(second))
        assert abs(float(pair[0] * weights @ pair[1]) - expected) <= 1.5 * error + 1e-9


@pytest.mark.long
@pytest.mark.parametrize(("letter", "dimension", "radius"), [("M", 2, 10.0), ("T", 1, 5.0), ("M", 3, 5.0)])
def test_the_bound_of_small_blocks_lies_below_the_true_risk(letter: str, dimension: int, radius: float) -> None:
    configuration = load_configuration("isotropic-gaussians", settings_of(letter, dimension, 0.5))
    best = optimum_atoms(configuration, radius, growth=())
    unit, mixture = LETTERS[letter], gaussian_mixture(0.5, float(dimension))
    scales = np.asarray(mixture.scales).T
    risk = 1.0
    for place, weight in zip(best.positions, best.weights, strict=True):
        plus, minus = (unit.mean(s * place, np.zeros(1)).value[0] for s in scales[:, 0])
        risk -= weight * (plus - minus)
        risk += weight * sum(
            mass
            * (
                direct_kernel(unit, mixture, place, other)
                if place[0] * other[0] > 0.0
                else product(unit, place, other, scales[:, 0])
            )
            for other, mass in zip(best.positions, best.weights, strict=True)
        )
    assert_allclose(best.risk, risk, rtol=0, atol=1e-10)
    assert best.lower_bound <= risk
    assert risk - best.lower_bound <= 3e-8


def product(unit: PiecewiseLinear, first: Array, second: Array, scales: Array) -> float:
    """U with an atom at 0, where the unit is constant."""
    total = 0.0
    for scale in scales:
        means = [unit.mean(scale * place, np.zeros(1)).value[0] for place in (first, second)]
        total += 0.5 * float(means[0] * means[1])
    return total


@pytest.mark.long
def test_stationary_laws_of_two_dimensions_to_eight_digits() -> None:
    """Against quadratures with the integrand's kinks resolved, made independently."""
    found = stationary(load_configuration("isotropic-gaussians", settings_of("N", 2, 0.5)), 10.0, branches=False)
    point = next(point for point in found.points if 2.0 < point.positions[0, 0] < 2.2)
    assert_allclose(point.positions[0, 0], 2.06716273382, rtol=0, atol=2e-11)
    assert_allclose(point.splitting[0][0], -0.6545812, rtol=0, atol=5e-7)
    assert point.stable is False


def test_problems_of_one_small_block_have_exact_pairs() -> None:
    problem = build_problem(load_configuration("isotropic-gaussians", settings_of("M", 2, 0.5)))
    assert problem.exact_pairs is not None
