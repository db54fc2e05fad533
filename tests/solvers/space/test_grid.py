"""Grids: what the graded grid covers, where it is fine, and the moments that deposition keeps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from scipy.ndimage import gaussian_filter1d

from mfpde.solvers.space.axis import Line, Radius
from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.space.grid import FINE, _edges, _rounded, graded_grid, grid_from_edges
from mfpde.solvers.space.trails import Trails
from tests.solvers.grids import uniform_grid

RADIUS = Geometry.of({"r1": Radius(3.0)})


def travelling(start: float, end: float, wide: float, narrow: float) -> Trails:
    """A law of 101 atoms that moves from start to end while its half-width shrinks from wide to narrow."""
    times = np.linspace(0.0, 1.0, 9)
    label = np.linspace(-1.0, 1.0, 101)
    path = (start + (end - start) * times)[:, None] + np.geomspace(wide, narrow, 9)[:, None] * label
    return Trails(path[:, :, None], np.full(101, 1.0 / 101), times)


def test_uniform_grid_has_a_half_cell_at_the_origin_of_a_radius_only() -> None:
    geometry = Geometry.of({"r1": Radius(3.0), "a": Line()})
    grid = uniform_grid((0.0, 0.0), (0.7, 1.0), (4, 4), geometry)
    np.testing.assert_allclose(grid.edges[0], [0.0, 0.1, 0.3, 0.5, 0.7], atol=1e-15)
    np.testing.assert_allclose(grid.centres[0], [0.0, 0.2, 0.4, 0.6], atol=1e-15)
    np.testing.assert_allclose(grid.centres[1], [0.125, 0.375, 0.625, 0.875], atol=1e-15)
    assert abs(grid.volumes.sum() - 0.7) < 1e-15


def test_points_that_represent_graded_cells_give_the_mean_of_a_smooth_law() -> None:
    """N(0.6, 0.15^2) by its exact masses, where the middles of cells whose widths grow leave an error of order two."""
    x = np.linspace(-0.4, 1.6, 41)
    edge = x + x**2 / 8.0
    masses = np.diff(special.ndtr((edge - 0.6) / 0.15))
    assert abs(masses @ grid_from_edges((edge,), (False,)).centres[0] - 0.6) < 1e-8
    assert abs(masses @ (0.5 * (edge[1:] + edge[:-1])) - 0.6) > 1e-5


@pytest.mark.parametrize("cells", [256, 1000, 2000])
def test_graded_grid_is_smooth_covers_the_guide_and_is_finest_where_the_law_is_narrow(cells: int) -> None:
    guide = travelling(2.0, 6.0, 0.8, 0.02)
    grid = graded_grid(guide, RADIUS, cells)
    width = grid.widths[0]
    assert grid.shape == (cells,)
    assert np.abs(np.diff(np.log(width))).max() < np.log(1.1)
    assert grid.edges[0][0] < guide.positions.min() - 0.05
    assert grid.edges[0][-1] > guide.positions.max()
    assert grid.edges[0][0] > 0.5
    narrowest = grid.centres[0][np.argmin(width)]
    assert abs(narrowest - 6.0) < 0.2
    assert width.min() < 0.4 * np.interp(2.0, grid.centres[0], width)


def test_a_valley_of_widths_that_is_narrower_than_the_filter_has_its_cells() -> None:
    """There the filter leaves widths above the wanted ones, and fewer cells than counted from these."""
    places = np.linspace(0.0, 1.0, FINE + 1)
    wanted = np.where(np.abs(places - 0.5) < 0.002, 0.01, 1.0)
    edges = _edges(places, wanted, 100, at_origin=False, growth=50.0)
    assert len(edges) == 101
    assert np.diff(edges).min() > 0.3 * np.diff(edges).max()
    assert abs(edges[np.argmin(np.diff(edges))] - 0.5) < 0.02


def test_widths_are_rounded_by_a_gaussian_of_a_hundredth_of_the_samples() -> None:
    """Fails by .4 where the ends are taken for periodic, by 1e-3 where the weights are not those of the Gaussian."""
    width = np.abs(np.linspace(-1.0, 1.5, FINE + 1)) + np.arange(FINE + 1.0) % 2.0
    assert np.abs(_rounded(width) - gaussian_filter1d(width, FINE / 100, mode="nearest")).max() <= 1e-14


def test_graded_grid_starts_at_the_origin_when_mass_comes_near() -> None:
    grid = graded_grid(travelling(2.0, 0.05, 0.3, 0.04), RADIUS, 200)
    assert grid.edges[0][0] == 0.0
    assert grid.centres[0][0] == 0.0
    assert abs(grid.widths[0][0] / grid.widths[0][1] - 0.5) < 0.05


def test_graded_grid_is_fine_along_the_way_of_a_narrow_law_between_the_times_of_the_guide() -> None:
    guide = travelling(2.0, 6.0, 0.05, 0.05)
    width = graded_grid(guide, RADIUS, 500).widths[0]
    centre = graded_grid(guide, RADIUS, 500).centres[0]
    way = width[(centre > 2.0) & (centre < 6.0)]
    assert way.max() < 1.5 * way.min()


def test_an_axis_on_which_the_atoms_agree_and_rest_gets_one_cell() -> None:
    guide = travelling(2.0, 3.0, 0.3, 0.3)
    positions = np.concatenate([guide.positions, np.full_like(guide.positions, 0.7)], axis=2)
    geometry = Geometry.of({"r1": Radius(3.0), "b": Line()}, frozen=["b"])
    grid = graded_grid(Trails(positions, guide.weights, guide.times), geometry, (50, 50))
    assert grid.shape == (50, 1)
    assert abs(grid.centres[1][0] - 0.7) < 1e-12


def test_a_law_collapsed_to_a_point_keeps_a_grid_of_positive_widths() -> None:
    width = graded_grid(travelling(1.0, 2.0, 0.2, 1e-7), RADIUS, 400).widths[0]
    assert width.min() > 1e-5
    assert np.abs(np.diff(np.log(width))).max() < np.log(1.1)


def test_deposition_keeps_mass_and_first_moment() -> None:
    grid = graded_grid(travelling(2.0, 4.0, 0.8, 0.1), RADIUS, 60)
    positions = np.array([[2.111], [3.7], [3.95]])
    weights = np.array([0.2, 0.5, 0.3])
    masses = grid.deposit(positions, weights)
    assert abs(masses.sum() - 1.0) < 1e-15
    assert abs(masses @ grid.centres[0] - weights @ positions[:, 0]) < 1e-14
    assert np.count_nonzero(masses) <= 6


def test_errors_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"finite with shape \(times, atoms, 1\)"):
        graded_grid(Trails(np.full((2, 3, 1), np.nan), np.ones(3), np.arange(2.0)), RADIUS, 10)
    with pytest.raises(ValueError, match="edges of axis 0 must be at least two increasing"):
        grid_from_edges([np.array([0.0, 1.0, 1.0])], [False])
