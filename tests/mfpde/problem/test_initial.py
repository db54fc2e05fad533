"""Initial laws: masses, moments and cell masses against closed forms and sampling."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss
from numpy.testing import assert_allclose
from scipy import special, stats

from mfpde.problem.initial.joint import joint_law
from mfpde.problem.initial.law import InitialLaw, product_law
from mfpde.problem.initial.radial import gaussian_blocks, radial_law
from mfpde.problem.marginals import (
    Density,
    Marginal,
    Normal,
    ScaledChi,
    SquaredShare,
    Tabulated,
    Uniform,
    between,
    reaching,
)
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.axis import Radius
from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.space.grid import Grid, grid_from_edges
from tests.solvers.grids import uniform_grid

TABLE = Tabulated((0.2, 0.5, 0.6, 1.0), (0.0, 2.0, 1.0, 0.5))
MARGINALS: dict[str, Marginal] = {
    "chi-1": ScaledChi(1.0, 0.7),
    "chi-2": ScaledChi(2.0, 0.7),
    "chi-40": ScaledChi(40.0, 0.8 / np.sqrt(40.0)),
    "chi-1e5": ScaledChi(1e5, 0.8 / np.sqrt(1e5)),
    "share-1-1": SquaredShare(1.0, 1.0),
    "share-1-3": SquaredShare(1.0, 3.0),
    "share-60-260": SquaredShare(60.0, 260.0),
    "share-1e5-10": SquaredShare(1e5, 10.0),
    "uniform": Uniform(0.2, 1.0),
    "normal": Normal(-0.3, 0.2),
    "table": TABLE,
    "callable": Density(lambda x: 6.0 * x * (1.0 - x), 0.0, 1.0),
}


def rule(marginal: Marginal, panels: int = 40) -> tuple[Array, Array]:
    """Composite Gauss rule on the support, weights without the density; fine at the ends."""
    x, w = leggauss(20)
    fine = 0.5 * (1.0 - np.cos(np.linspace(0.0, np.pi, panels + 1)))
    breaks = marginal.breaks
    pieces = [low + (high - low) * fine for low, high in pairwise(breaks)]
    ends = np.unique(np.concatenate(pieces))
    half = 0.5 * np.diff(ends)
    return (ends[:-1, None] + half[:, None] * (x + 1.0)).ravel(), (half[:, None] * w).ravel()


@pytest.mark.parametrize("name", MARGINALS)
def test_a_density_has_mass_one_and_integrates_to_its_distribution_function(name: str) -> None:
    marginal = MARGINALS[name]
    nodes, weights = rule(marginal)
    density = marginal.density(nodes)
    # log-densities at dimension 1e5 are differences of numbers near 5e5
    within = 1e-9 if "1e5" in name else 1e-12
    assert np.all(density >= 0)
    assert_allclose(weights @ density, 1.0, rtol=0, atol=within)
    for share in (0.1, 0.5, 0.8):
        middle = marginal.breaks[0] + share * (marginal.breaks[-1] - marginal.breaks[0])
        x, w = leggauss(20)
        ends = np.unique(np.concatenate([np.linspace(marginal.breaks[0], middle, 161), marginal.breaks]))
        ends = ends[ends <= middle]
        half = 0.5 * np.diff(ends)
        points = (ends[:-1, None] + half[:, None] * (x + 1.0)).ravel()
        below = (half[:, None] * w).ravel() @ marginal.density(points)
        assert_allclose(marginal.cumulative(np.array([middle])), below, rtol=0, atol=10 * within)
    assert_allclose(marginal.cumulative(marginal.breaks[[0, -1]]), [0.0, 1.0], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "law"),
    [
        ("chi-1", stats.chi(1, scale=0.7)),
        ("chi-2", stats.chi(2, scale=0.7)),
        ("chi-40", stats.chi(40, scale=0.8 / np.sqrt(40.0))),
    ],
)
def test_chi_laws_equal_scipy(name: str, law: stats.rv_continuous) -> None:
    x = np.linspace(0.0, 2.5, 31)[1:]
    assert_allclose(MARGINALS[name].density(x), law.pdf(x), rtol=1e-11, atol=1e-300)
    assert_allclose(MARGINALS[name].cumulative(x), law.cdf(x), rtol=1e-12)


def test_chi_1_has_its_density_at_zero() -> None:
    zero = np.zeros(1)
    assert_allclose(ScaledChi(1.0, 0.5).density(zero), 2.0 / (0.5 * np.sqrt(2 * np.pi)), rtol=1e-13)
    assert ScaledChi(2.0, 0.5).density(zero) == pytest.approx(0.0, abs=1e-290)


@pytest.mark.parametrize(
    ("dimension", "within"), [(1.0, 1e-13), (2.0, 1e-13), (3.0, 1e-13), (320.0, 1e-11), (1e5, 1e-9)]
)
def test_moments_of_gaussian_radii(dimension: float, within: float) -> None:
    """E r = kappa sqrt(2/d) Gamma((p+1)/2) / Gamma(p/2), E r^2 = kappa^2 p / d."""
    (marginal,) = gaussian_blocks(0.8, [dimension], [1.0])
    assert isinstance(marginal, ScaledChi)
    nodes, weights = rule(marginal)
    weights = weights * marginal.density(nodes)
    mean = (
        0.8 * np.sqrt(2.0 / dimension) * np.exp(special.gammaln((dimension + 1) / 2) - special.gammaln(dimension / 2))
    )
    assert_allclose(weights @ nodes, mean, rtol=within)
    assert_allclose(weights @ nodes**2, 0.64, rtol=within)


def test_blocks_share_the_variance() -> None:
    first, second = gaussian_blocks(0.8, [60.0, 260.0], [0.1875, 0.8125])
    assert isinstance(first, ScaledChi)
    assert isinstance(second, ScaledChi)
    assert (first.dimension, second.dimension) == (60.0, 260.0)
    assert first.scale == second.scale == pytest.approx(0.8 / np.sqrt(320.0))


def test_gaussian_law_is_a_dirac_at_infinite_dimension() -> None:
    law = product_law([*gaussian_blocks(0.8, [np.inf, np.inf], [0.1875, 0.8125])])
    assert law.labels == ()
    assert_allclose(law.embed(np.empty((1, 0))), [[0.8 * np.sqrt(0.1875), 0.8 * np.sqrt(0.8125)]], rtol=1e-15)
    assert_allclose(law.density(np.empty((1, 0))), 1.0)


def integrate(law: InitialLaw, panels: int = 6) -> tuple[Array, Array]:
    """Points of the law in reduced coordinates and their masses, by a tensor rule in the labels."""
    rules = [rule(marginal, panels) for marginal in law.labels]
    mesh = np.meshgrid(*[nodes for nodes, _ in rules], indexing="ij")
    labels = np.stack([axis.ravel() for axis in mesh], axis=1)
    weights = np.ones(())
    for _, weight in rules:
        weights = np.multiply.outer(weights, weight)
    return law.embed(labels), weights.ravel() * law.density(labels)


def test_constant_coordinates_and_labels_keep_their_order() -> None:
    law = product_law([ScaledChi(3.0, 0.4), 1.5, Normal(-0.3, 0.2)])
    points, masses = integrate(law)
    assert law.coordinates == (0, 1.5, 1)
    assert_allclose(masses.sum(), 1.0, rtol=1e-12)
    expected = [0.4 * 2.0 * np.sqrt(2.0 / np.pi), 1.5, -0.3]
    assert_allclose(masses @ points, expected, rtol=1e-12)
    spread = points - np.array(expected)
    assert_allclose(masses @ (spread[:, 0] * spread[:, 2]), 0.0, atol=1e-13)


RADII: dict[str, Marginal] = {
    "uniform": Uniform(0.2, 1.0),
    "table": TABLE,
    "callable": MARGINALS["callable"],
}


@pytest.mark.parametrize("name", RADII)
@pytest.mark.parametrize("dimensions", [(3.0, 5.0), (1.0, 1.0), (2.0, 1.0, 4.0)])
def test_radial_law_against_sampling(name: str, dimensions: tuple[float, ...]) -> None:
    """w = r u, u uniform on the sphere: moments of the block norms within 5 sigma (false failure 1e-5 in all)."""
    radius = RADII[name]
    law = radial_law(radius, dimensions, [p / sum(dimensions) for p in dimensions])
    points, masses = integrate(law, 4)
    assert_allclose(masses.sum(), 1.0, rtol=1e-9)
    rng, count = np.random.default_rng(1), 200_000
    grid = np.linspace(radius.breaks[0], radius.breaks[-1], 4001)
    r = np.interp(rng.uniform(size=count), radius.cumulative(grid), grid)
    direction = rng.normal(size=(count, int(sum(dimensions))))
    direction *= (r / np.linalg.norm(direction, axis=1))[:, None]
    squares = np.add.reduceat(direction**2, np.cumsum([0, *map(int, dimensions[:-1])]), axis=1)
    sampled = np.sqrt(squares)
    first, other = (0, 1), (1, 0)
    for powers in (first, other, (2, 0), (0, 2), (1, 1), (3, 1), (2, 2)):
        power = np.array([*powers, *[0] * (len(dimensions) - 2)])
        ours = masses @ np.prod(points**power, axis=1)
        theirs = np.prod(sampled**power, axis=1)
        assert abs(ours - theirs.mean()) < 5.0 * theirs.std() / np.sqrt(count)
        assert theirs.std() / np.sqrt(count) < 7e-3 * theirs.mean()


def test_radial_law_of_one_block_and_at_infinite_dimension() -> None:
    radius = Uniform(0.2, 1.0)
    points, masses = integrate(radial_law(radius, [7.0], [1.0], [2.0]))
    assert_allclose(masses @ points, [0.6, 2.0], rtol=1e-12)
    law = radial_law(radius, [np.inf, np.inf], [0.36, 0.64])
    points, masses = integrate(law)
    assert_allclose(points[:, 0] / points[:, 1], 0.75, rtol=1e-13)
    assert_allclose(masses @ points**2, np.array([0.36, 0.64]) * (0.6**2 + 0.8**2 / 12), rtol=1e-12)


def test_radial_law_beside_coefficients() -> None:
    law = radial_law(Uniform(0.2, 1.0), [3.0, 5.0], [0.375, 0.625], [1.5, Normal(0.4, 0.1)])
    points, masses = integrate(law, 3)
    second = np.array([0.375, 0.625]) * (0.6**2 + 0.8**2 / 12)
    assert_allclose(masses @ points[:, :2] ** 2, second, rtol=1e-8)
    assert_allclose(masses @ points[:, 2:], [1.5, 0.4], rtol=1e-8)


def cells(counts: tuple[int, ...], upper: tuple[float, ...]) -> Grid:
    geometry = Geometry.of({f"r{j + 1}": Radius(3.0) for j in range(len(counts))})
    return uniform_grid([0.0] * len(counts), list(upper), list(counts), geometry)


@pytest.mark.parametrize("name", ["chi-1", "chi-2", "chi-40", "share-1-3", "share-60-260", "normal"])
@pytest.mark.parametrize("side", [0, -1])
def test_cells_far_in_a_tail_have_the_mass_of_the_density(name: str, side: int) -> None:
    """Where 1 less the distribution function rounds to nothing, births find what there is."""
    marginal = Normal(-10.0, 0.5) if name == "normal" else MARGINALS[name]
    edges = np.sort([reaching(marginal, tail)[side] for tail in (1e-10, 1e-20, 1e-30, 1e-40)])
    node, weight = leggauss(60)
    half = 0.5 * np.diff(edges)[:, None]
    expected = (marginal.density(edges[:-1, None] + half * (node + 1.0)) * half) @ weight
    assert_allclose(between(marginal, edges), expected, rtol=1e-7)


def test_cell_masses_of_a_product_law_are_exact() -> None:
    marginals: list[Marginal | float] = [ScaledChi(4.0, 0.2), ScaledChi(6.0, 0.2)]
    grid = cells((40, 50), (3.0, 3.0))
    masses = product_law(marginals).cell_masses(grid)
    assert masses.sum() == pytest.approx(1.0, abs=1e-14)
    nodes, weights = leggauss(20)
    ends = [(edges[i], edges[i + 1]) for edges, i in zip(grid.edges, (10, 7), strict=True)]
    exact = 1.0
    for (low, high), dimension in zip(ends, (4, 6), strict=True):
        inside = low + 0.5 * (high - low) * (nodes + 1.0)
        exact *= 0.5 * (high - low) * weights @ stats.chi(dimension, scale=0.2).pdf(inside)
    assert_allclose(masses[10, 7], exact, rtol=1e-11)


@pytest.mark.parametrize("dimensions", [(3.0, 5.0), (60.0, 260.0)])
def test_cell_masses_of_a_radial_law_converge(dimensions: tuple[float, ...]) -> None:
    """The mean radii are kept on every grid; second moments converge like h^2 (deposition keeps first moments)."""
    law = radial_law(Uniform(0.4, 0.9), dimensions, [p / sum(dimensions) for p in dimensions])
    points, weights = integrate(law, 8)
    errors = []
    for count in (30, 60, 120):
        grid = cells((count, count), (1.2, 1.2))
        masses = law.cell_masses(grid)
        assert np.all(masses >= 0)
        assert masses.sum() == pytest.approx(1.0, abs=1e-13)
        for axis in (0, 1):
            mean = (masses.sum(axis=1 - axis) * grid.centres[axis]).sum()
            assert mean == pytest.approx(weights @ points[:, axis], abs=1e-6)
        second = (masses.sum(axis=1) * grid.centres[0] ** 2).sum()
        errors.append(second - weights @ points[:, 0] ** 2)
    assert 3.4 < errors[0] / errors[1] < 4.6
    assert 3.4 < errors[1] / errors[2] < 4.6
    assert 0 < errors[2] < 0.25 * (1.2 / 119) ** 2


def test_a_dirac_is_deposited_with_its_mean_on_a_few_cells() -> None:
    law = product_law([*gaussian_blocks(0.8, [np.inf, np.inf], [0.1875, 0.8125])])
    grid = cells((33, 47), (1.0, 1.0))
    masses = law.cell_masses(grid)
    for axis, expected in enumerate(0.8 * np.sqrt([0.1875, 0.8125])):
        marginal, centre = masses.sum(axis=1 - axis), grid.centres[axis]
        assert marginal @ centre == pytest.approx(expected, abs=1e-14)
        # a normal bump of min(3 cells, a quarter of the way to the end), cut at 4 deviations, which takes .05 % off
        # its own, and widened by its deposition
        width = centre[-1] - centre[-2]
        wanted = min(3.0 * width, 0.25 * (centre[-1] - expected), 0.25 * (expected - centre[0]))
        deviation = np.sqrt(marginal @ (centre - expected) ** 2)
        assert 0.999 * wanted <= deviation <= np.hypot(wanted, 0.5 * width)


@pytest.mark.parametrize(
    ("points", "values", "words"),
    [
        ([0.0], [1.0], "two or more increasing points"),
        ([0.0, 0.0], [1.0, 1.0], "two or more increasing points"),
        ([0.0, 1.0], [1.0], "as many densities"),
        ([0.0, 1.0], [1.0, -1.0], "not negative"),
        ([0.0, 1.0], [0.0, 0.0], "not zero everywhere"),
        ([0.0, 1.0], [1.0, np.nan], "finite"),
    ],
)
def test_bad_tables_are_refused(points: list[float], values: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Tabulated(tuple(points), tuple(values))


def test_a_table_is_linear_between_its_points() -> None:
    mass = 0.3 * 1.0 + 0.1 * 1.5 + 0.4 * 0.75
    assert_allclose(TABLE.density(np.array([0.35, 0.55, 0.8])), np.array([1.0, 1.5, 0.75]) / mass, rtol=1e-13)
    assert_allclose(TABLE.density(np.array([0.1, 1.1])), 0.0)


@pytest.mark.parametrize("name", MARGINALS)
def test_samples_follow_their_distribution_function(name: str) -> None:
    """Kolmogorov's distance of 20,000 draws stays below 1.95 / sqrt(n), which one sample in a thousand passes."""
    marginal = MARGINALS[name]
    draws = np.sort(product_law([marginal, 0.3]).sample(20_000, 11)[:, 0])
    levels = (np.arange(len(draws)) + 0.5) / len(draws)
    assert np.abs(marginal.cumulative(draws) - levels).max() < 1.95 / np.sqrt(len(draws))


def test_samples_are_functions_of_seed_and_stream() -> None:
    law = radial_law(TABLE, [60.0, 260.0], [0.1875, 0.8125])
    first = law.sample(1000, 3)
    assert first.shape == (1000, 2)
    np.testing.assert_array_equal(first, law.sample(1000, 3))
    assert abs(np.corrcoef(first[:, 0], law.sample(1000, 3, stream=1)[:, 0])[0, 1]) < 0.15
    # the two blocks share the radius, whose law is that of the table
    norms = np.linalg.norm(first, axis=1)
    assert np.all((norms >= 0.2) & (norms <= 1.0))
    assert product_law([0.7]).sample(3, 0).tolist() == [[0.7]] * 3


def test_any_density_is_a_law_in_every_form() -> None:
    """A density that is no product: its moments by quadrature from atoms, cells and draws."""

    def density(z: Array) -> Array:
        return 7.0 * (1.0 + 0.5 * z[:, 0] * z[:, 1]) * np.exp(-z[:, 0])

    law = joint_law(density, [0.0, -1.0], [2.0, 1.0])
    mass = 14.0 * (1.0 - np.exp(-2.0))
    exact = 14.0 * (1.0 - 3.0 * np.exp(-2.0)) / mass, 7.0 / 3.0 * (1.0 - 3.0 * np.exp(-2.0)) / mass
    points, masses = integrate(law, 2)
    assert_allclose(masses.sum(), 1.0, rtol=1e-12)
    assert_allclose(masses @ points, exact, rtol=1e-12)
    edges = [np.linspace(0.0, 2.0, 81), np.linspace(-1.0, 1.0, 81)]
    grid = grid_from_edges(edges, [False, False])
    cells = law.cell_masses(grid)
    assert_allclose([grid.moments(cells, axis)[0] for axis in (0, 1)], exact, rtol=1e-3)
    drawn = law.sample(40_000, seed=3)
    # five standard errors: fails once in a million
    assert np.all(np.abs(drawn.mean(axis=0) - exact) <= 5.0 * drawn.std(axis=0) / 200.0)
    assert np.array_equal(drawn[:100], law.sample(40_000, seed=3)[:100])
    with pytest.raises(ValueError, match="not negative"):
        joint_law(lambda z: z[:, 0] - 1.0, [0.0], [2.0]).density(np.ones((1, 1)))


@pytest.mark.parametrize("seed", [1, 2])
def test_even_points_show_marginals_to_the_share_of_few_of_them(seed: int) -> None:
    """256 draws are off by .08; a joint density 3 x^2 (1 + y) / 2 by its weights, up to 6 / 256."""
    product = product_law([Normal(0.3, 0.5), 1.5, ScaledChi(4.0, 0.7)])
    joint = joint_law(lambda z: z[:, 0] ** 2 * (1.0 + z[:, 1]), [0.0, -1.0], [1.0, 1.0])
    told = (
        (product, 0, stats.norm(0.3, 0.5).cdf),
        (product, 2, stats.chi(4, scale=0.7).cdf),
        (joint, 0, lambda x: x**3),
        (joint, 1, lambda y: 0.25 * (1.0 + y) ** 2),
    )
    for law, axis, exact in told:
        points, weights = law.even(256, seed)
        order = np.argsort(points[:, axis])
        apart = np.cumsum(weights[order]) - 0.5 * weights[order] - exact(points[order, axis])
        assert np.abs(apart).max() < (0.51 if law is product else 4.0) / 256
    assert (product.even(256, seed)[0][:, 1] == 1.5).all()
