"""Feature tables: exactness, orders, honest errors, and kernels against a plain basix twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import basix
import numba
import numpy as np
import pytest
from scipy.special import ndtr

from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.objective import DenseFeatures
from mfpde.solvers.objective.table.elements import axis_nodes
from mfpde.solvers.objective.table.feature_table import FeatureTable, build_table

Both = Callable[[Array], tuple[Array, Array]]


@dataclass
class Source(DenseFeatures):
    """A feature map from one callable; remembers the largest number of points it was asked for at once."""

    dimension: int
    rank: int
    both: Both
    largest: int = field(default=0)

    def values(self, points: Array) -> Array:
        values, _ = self.values_and_gradients(points)
        return values

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        self.largest = max(self.largest, len(points))
        return self.both(points)


def gaussians(dimension: int, widths: tuple[float, ...] = (0.05, 0.3, 1.0, 3.0)) -> Source:
    """exp(-|z - .3|^2 / s) for several s."""
    scales = np.array(widths)

    def both(points: Array) -> tuple[Array, Array]:
        shifted = points - 0.3
        values: Array = np.exp(-(shifted**2).sum(axis=1)[:, None] / scales)
        return values, -2.0 * values[:, :, None] * shifted[:, None, :] / scales[None, :, None]

    return Source(dimension, len(scales), both)


def truncated_relu(dimension: int) -> Source:
    """q(tau_±) at d = infinity, knots .5/1.5, values -2.5/7.5, tau^2 = sum_j (s_j r_j)^2, s_1 = 1 ± .8."""
    squares = np.ones((2, dimension))
    squares[:, 0] = (1.8**2, 0.2**2)

    def both(points: Array) -> tuple[Array, Array]:
        tau = np.maximum(np.sqrt(points**2 @ squares.T), 1e-6)

        def density(knot: float) -> Array:
            return np.asarray(np.exp(-0.5 * (knot / tau) ** 2) / np.sqrt(2.0 * np.pi))

        def ramp(knot: float) -> Array:
            return np.asarray(tau * density(knot) - knot * ndtr(-knot / tau))

        values = -2.5 + 10.0 * (ramp(0.5) - ramp(1.5))
        slope = 10.0 * (density(0.5) - density(1.5)) / tau
        return values, slope[:, :, None] * squares[None] * points[:, None, :]

    return Source(dimension, 2, both)


def monomials(dimension: int, degree: int) -> Source:
    """prod_a P_m(z_a) with P_m(x) = (x - .2)^m + x / 2 for m up to `degree`."""

    def both(points: Array) -> tuple[Array, Array]:
        powers = np.arange(degree + 1)
        factors = (points[:, None, :] - 0.2) ** powers[None, :, None] + 0.5 * points[:, None, :]
        slopes = powers[:, None] * (points[:, None, :] - 0.2) ** np.maximum(powers - 1, 0)[None, :, None] + 0.5
        values = factors.prod(axis=2)
        gradients = np.stack(
            [slopes[:, :, a] * np.delete(factors, a, axis=2).prod(axis=2) for a in range(dimension)], axis=2
        )
        return values, gradients

    return Source(dimension, degree + 1, both)


def random_points(dimension: int, count: int, upper: float = 1.6) -> Array:
    return np.random.default_rng(7).random((count, dimension)) * upper


def true_errors(table: FeatureTable, source: Source, points: Array) -> tuple[float, float]:
    values, gradients = table.values_and_gradients(points)
    exact, slopes = source.values_and_gradients(points)
    value_error = np.abs(values - exact) / table.value_scale
    gradient_error = np.abs(gradients - slopes).max(axis=2) / table.gradient_scale
    return float(value_error.max()), float(gradient_error.max())


def uneven_edges(dimension: int) -> list[Array]:
    """A different graded mesh on every axis, without refinement in sight."""
    return [np.array([0.0, 0.1, 0.3, 0.7, 1.1, 1.6])[: 6 - axis] for axis in range(dimension)]


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("degree", [3, 8])
def test_polynomials_up_to_the_degree_are_exact(dimension: int, degree: int) -> None:
    edges = uneven_edges(dimension)
    points = random_points(dimension, 500) * np.array([axis[-1] for axis in edges]) / 1.6
    table = build_table(monomials(dimension, degree), edges, degree, np.inf)
    assert max(true_errors(table, monomials(dimension, degree), points)) < 1e-11
    higher = monomials(dimension, degree + 1)
    assert min(true_errors(build_table(higher, edges, degree, np.inf), higher, points)) > 1e-9


@pytest.mark.parametrize(("degree", "value_ceiling", "gradient_ceiling"), [(3, 2e-6, 1.5e-4), (6, 4e-12, 1e-9)])
def test_orders_of_value_and_gradient(degree: int, value_ceiling: float, gradient_ceiling: float) -> None:
    source = gaussians(2, (0.6, 1.0))
    points = random_points(2, 20_000)
    errors = np.array(
        [
            true_errors(build_table(source, [np.linspace(0.0, 1.6, n + 1)] * 2, degree, np.inf), source, points)
            for n in (10, 20)
        ]
    )
    orders = np.log2(errors[0] / errors[1])
    assert orders[0] == pytest.approx(degree + 1, abs=0.1)
    assert orders[1] == pytest.approx(degree, abs=0.1)
    assert errors[1, 0] < value_ceiling
    assert errors[1, 1] < gradient_ceiling


@pytest.mark.parametrize(
    ("source", "lower", "tolerance"),
    [
        (gaussians(1), 0.0, 1e-9),
        (gaussians(2), 0.0, 1e-8),
        (gaussians(3, (0.3, 2.0)), 0.0, 1e-4),
        (truncated_relu(1), 0.02, 1e-9),
        (truncated_relu(2), 0.0, 1e-7),
        (truncated_relu(3), 0.05, 1e-3),
    ],
)
def test_measured_errors_bound_the_true_ones(source: Source, lower: float, tolerance: float) -> None:
    box = [(lower, 1.6)] * source.dimension
    table = build_table(source, box, 8 if source.dimension < 3 else 5, tolerance)
    assert table.accurate
    assert max(table.value_error, table.gradient_error) <= tolerance
    fresh = np.random.default_rng(3).random((20_000, source.dimension))
    fresh[::2] **= 4
    value_error, gradient_error = true_errors(table, source, lower + (1.6 - lower) * fresh)
    assert table.value_error / 10 < value_error <= 3 * table.value_error
    assert table.gradient_error / 10 < gradient_error <= 3 * table.gradient_error


def test_bisection_is_local() -> None:
    """A jump of the second derivative at z = 0.31 draws cells there and nowhere else."""

    def both(points: Array) -> tuple[Array, Array]:
        distance = np.maximum(points - 0.31, 0.0)
        return distance**2, (2.0 * distance)[:, :, None]

    table = build_table(Source(1, 1, both), [(0.0, 1.0)], 6, 1e-4)
    narrow = np.argmin(np.diff(table.edges[0]))
    assert table.edges[0][narrow] <= 0.31 <= table.edges[0][narrow + 1]
    assert len(table.edges[0]) < 30
    assert table.accurate


@pytest.mark.parametrize("dimension", [1, 2])
def test_checks_find_what_the_lines_missed(dimension: int) -> None:
    """A bump narrower than the spacing of the first lines: one round misses it and says so."""

    def both(points: Array) -> tuple[Array, Array]:
        shifted = (points - 0.7137) / 0.004 ** (1 / dimension)
        bump = 0.1 * np.exp(-(shifted**2).sum(axis=1))[:, None]
        slopes = -2.0 * bump[:, :, None] * shifted[:, None, :] / 0.004 ** (1 / dimension)
        slopes[:, :, 0] += np.cos(points[:, :1])
        return np.sin(points[:, :1]) + bump, slopes

    source = Source(dimension, 1, both)
    blind = build_table(source, [(0.0, 1.6)] * dimension, 6, 1e-5, rounds=0)
    assert not blind.accurate
    table = build_table(source, [(0.0, 1.6)] * dimension, 6, 1e-5)
    assert table.accurate
    assert true_errors(table, source, random_points(dimension, 20_000))[1] < 3e-5


def test_cone_is_reported_not_hidden() -> None:
    """|z| in two dimensions: no tensor mesh resolves the slope at the tip; the table says so, and where."""

    def both(points: Array) -> tuple[Array, Array]:
        radius = np.sqrt((points**2).sum(axis=1))[:, None]
        return radius, (points / np.maximum(radius, 1e-300))[:, None, :]

    source = Source(2, 1, both)
    table = build_table(source, [(0.0, 1.0)] * 2, 6, 1e-6, max_nodes=20_000, smallest_cell=2.0**-10)
    assert not table.accurate
    assert table.nodes <= 20_000
    assert table.gradient_error > 0.01
    assert np.all(table.gradient_error_at < 0.01)
    assert table.value_error < 1e-3
    away = 0.1 + 0.9 * np.random.default_rng(0).random((2000, 2))
    assert max(true_errors(table, source, away)) < 1e-5


def test_values_are_continuous_across_cells_and_gradients_jump() -> None:
    source = gaussians(2, (0.05,))
    edges = uneven_edges(2)
    table = build_table(source, edges, 3, np.inf)
    along = np.linspace(0.0, 1.1, 40)
    jumps = []
    for edge in edges[0][1:-1]:
        sides = [np.stack([np.full(40, x), along], axis=1) for x in (np.nextafter(edge, 0.0), edge)]
        (left, left_slope), (right, right_slope) = (table.values_and_gradients(side) for side in sides)
        assert np.abs(left - right).max() < 1e-13
        jumps.append(np.abs(left_slope - right_slope).max())
    assert max(jumps) > 1e-2


def basix_twin(table: FeatureTable, points: Array) -> tuple[Array, Array]:
    """The same piecewise polynomial by basix.tabulate on the interval, square or cube."""
    dimension = table.dimension
    cell = (basix.CellType.interval, basix.CellType.quadrilateral, basix.CellType.hexahedron)[dimension - 1]
    element = basix.create_element(basix.ElementFamily.P, cell, table.degree, basix.LagrangeVariant.gll_warped)
    line = axis_nodes(np.array([0.0, 1.0]), table.degree)
    local = np.array([[np.argmin(np.abs(line - x)) for x in point] for point in element.points])
    values = np.empty((len(points), table.rank))
    gradients = np.empty((len(points), table.rank, dimension))
    for i, point in enumerate(points):
        cells = [
            min(int(np.searchsorted(edges, x, side="right")), len(edges) - 1) - 1
            for edges, x in zip(table.edges, point, strict=True)
        ]
        left = np.array([edges[k] for edges, k in zip(table.edges, cells, strict=True)])
        width = np.array([edges[k + 1] - edges[k] for edges, k in zip(table.edges, cells, strict=True)])
        basis = element.tabulate(1, ((point - left) / width)[None])[:, 0, :, 0]
        nodal = table.nodal[tuple((np.array(cells) * table.degree + local).T)]
        values[i] = basis[0] @ nodal
        gradients[i] = (basis[1:] @ nodal / width[:, None]).T
    return values, gradients


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("degree", [1, 5])
def test_kernels_agree_with_basix(dimension: int, degree: int) -> None:
    source = gaussians(dimension)
    edges = uneven_edges(dimension)
    table = build_table(source, edges, degree, np.inf)
    upper = np.array([axis[-1] for axis in edges])
    points = np.concatenate([random_points(dimension, 200, 1.0) * upper, np.zeros((1, dimension)), upper[None]])
    values, gradients = basix_twin(table, points)
    got, slopes = table.values_and_gradients(points)
    np.testing.assert_allclose(got, values, rtol=0, atol=1e-13)
    # The cube's own derivatives carry 1e-12 / width of rounding (their sum, exactly 0, comes out so).
    np.testing.assert_allclose(slopes, gradients, rtol=0, atol=5e-11)
    np.testing.assert_allclose(table.values(points), values, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 5, 20_000])
def test_contractions_agree_with_the_features(dimension: int, count: int) -> None:
    """Few points take the point-by-point path, many the contracted table."""
    table = build_table(gaussians(dimension), [(0.0, 0.4, 1.6)] * dimension, 4, np.inf)
    points = random_points(dimension, count)
    coefficients = np.array([1.0, -2.0, 3.0, 0.5])
    masses = np.linspace(0.5, 1.5, count) / count
    values, gradients = table.values_and_gradients(points)
    psi, slopes = table.contract(points, coefficients)
    np.testing.assert_allclose(psi, values @ coefficients, rtol=0, atol=1e-13)
    np.testing.assert_allclose(slopes, np.einsum("nmd,m->nd", gradients, coefficients), rtol=0, atol=1e-11)
    np.testing.assert_allclose(table.outputs(points, masses), masses @ values, rtol=0, atol=1e-13)


def test_contraction_with_one_feature() -> None:
    table = build_table(gaussians(2, (0.5,)), [(0.0, 1.6)] * 2, 6, 1e-5)
    points = random_points(2, 3)
    np.testing.assert_allclose(
        table.contract(points, np.array([-3.0]))[0], -3.0 * table.values(points)[:, 0], rtol=1e-14
    )


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread only")
def test_threads_change_nothing() -> None:
    table = build_table(gaussians(2), [(0.0, 1.6)] * 2, 6, 1e-8)
    assert table.nodes > 20_000
    points, coefficients = random_points(2, 20_000), np.array([1.0, -2.0, 3.0, 0.5])
    results = []
    before = numba.get_num_threads()
    for threads in (1, 2):
        numba.set_num_threads(threads)
        values, gradients = table.values_and_gradients(points)
        psi, slopes = table.contract(points, coefficients)
        outputs = table.outputs(points, np.full(20_000, 1 / 20_000))
        results.append([values, gradients, table.values(points), psi, slopes, outputs])
    numba.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


def test_points_outside_are_refused_with_the_remedy() -> None:
    table = build_table(gaussians(2), [(0.0, 1.0), (0.0, 1.6)], 4, np.inf)
    points = np.array([[0.5, 1.6], [1.0, 1.7]])
    message = (
        r"coordinate 1 of point 1 is 1\.7, outside the feature table's \[0, 1\.6\]; "
        "build the table with edges that contain it or keep the points inside"
    )
    calls: list[Callable[[], object]] = [
        lambda: table.values(points),
        lambda: table.values_and_gradients(points),
        lambda: table.contract(points, np.ones(4)),
        lambda: table.outputs(points, np.ones(2)),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(ValueError, match="coordinate 0 of point 0 is nan"):
        table.values(np.array([[np.nan, 0.5]]))
    with pytest.raises(ValueError, match=r"write them as an array of shape \(n, 2\)"):
        table.values(np.zeros(2))


def test_lengths_that_do_not_fit_are_refused() -> None:
    table = build_table(gaussians(2), [(0.0, 1.6)] * 2, 4, np.inf)
    with pytest.raises(ValueError, match=r"coefficients have shape \(3,\); write them as an array of shape \(4,\)"):
        table.contract(np.zeros((2, 2)), np.ones(3))
    with pytest.raises(ValueError, match=r"masses have shape \(3,\); write them as an array of shape \(2,\)"):
        table.outputs(np.zeros((2, 2)), np.ones(3))


def test_bad_requests_name_the_remedy() -> None:
    source = gaussians(2)
    with pytest.raises(ValueError, match="edges has 1 axes but the features have 2 coordinates"):
        build_table(source, [(0.0, 1.0)])
    with pytest.raises(ValueError, match=r"edges\[1\] is .*increasing"):
        build_table(source, [(0.0, 1.0), (1.0, 0.0)])
    with pytest.raises(ValueError, match="degree is 0"):
        build_table(source, [(0.0, 1.0)] * 2, 0)
    with pytest.raises(ValueError, match="tolerance is nan"):
        build_table(source, [(0.0, 1.0)] * 2, 4, np.nan)
    with pytest.raises(ValueError, match="max_nodes >= 1681"):
        build_table(source, [np.linspace(0.0, 1.0, 11)] * 2, 4, max_nodes=1000)


def test_non_finite_source_is_refused() -> None:
    def both(points: Array) -> tuple[Array, Array]:
        return np.where(points > 0.9, np.nan, points), np.ones((len(points), 1, 1))

    with pytest.raises(ValueError, match=r"features are not finite at \[.*\]; tabulate them on a box without"):
        build_table(Source(1, 1, both), [(0.0, 1.0)], 4)


def test_weak_features_do_not_drive_the_mesh() -> None:
    """exp(-z) beside 1e-13 of noise: with a floor on the scale the table is what exp(-z) alone would need."""

    def both(points: Array) -> tuple[Array, Array]:
        noise = 1e-13 * np.sin(1e7 * points)
        return np.concatenate([np.exp(-points), noise], axis=1), np.stack([-np.exp(-points), noise], axis=1)

    source = Source(1, 2, both)
    assert not build_table(source, [(0.0, 1.0)], 6, 1e-6, max_nodes=200).accurate
    table = build_table(source, [(0.0, 1.0)], 6, 1e-6, least_scales=1e-5)
    assert table.accurate
    assert table.nodes < 50


def test_source_is_asked_in_chunks_which_change_nothing() -> None:
    small, large = gaussians(2), gaussians(2)
    one = build_table(small, [(0.0, 1.6)] * 2, 6, 1e-5, chunk=100)
    two = build_table(large, [(0.0, 1.6)] * 2, 6, 1e-5)
    assert small.largest == 100
    assert one.nodes > 2000
    np.testing.assert_array_equal(one.nodal, two.nodal)
    assert one.gradient_error == two.gradient_error
