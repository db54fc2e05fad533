"""Measures: moments, marginals and outputs, and that atoms and cells of one law agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.objective import DenseFeatures
from mfpde.solvers.space.axis import Line, Radius
from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.space.grid import Grid, grid_from_edges, recorded_grid
from mfpde.solvers.space.measure import Atoms, Cells
from tests.solvers.grids import uniform_grid

NAMES = ("x", "y", "z")
PLACE, DEVIATION = np.array([0.3, -0.2, 0.5]), np.array([0.4, 0.2, 0.3])


class Waves(DenseFeatures):
    """Phi = (1, cos x, sin(y + z))."""

    dimension, rank = 3, 3

    def values(self, points: Array) -> Array:
        return np.column_stack([np.ones(len(points)), np.cos(points[:, 0]), np.sin(points[:, 1] + points[:, 2])])

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        raise NotImplementedError


def gaussian_cells(count: int, mass: float = 1.0) -> Cells:
    """A normal law with independent coordinates on a box of six deviations to each side."""
    geometry = Geometry.of(dict.fromkeys(NAMES, Line()))
    lower, upper = PLACE - 6.0 * DEVIATION, PLACE + 6.0 * DEVIATION
    grid = uniform_grid(list(lower), list(upper), [count] * 3, geometry)
    masses = np.full((), mass)
    for edges, place, deviation in zip(grid.edges, PLACE, DEVIATION, strict=True):
        masses = np.multiply.outer(masses, np.diff(stats.norm(place, deviation).cdf(edges)))
    return Cells(grid, masses, names=NAMES)


def gaussian_atoms(mass: float = 1.0) -> Atoms:
    """The same law on a Gauss-Hermite rule, exact for polynomials up to degree 19."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(10)
    mesh = np.stack([axis.ravel() for axis in np.meshgrid(nodes, nodes, nodes, indexing="ij")], axis=1)
    joint = np.multiply.outer(np.multiply.outer(weights, weights), weights).ravel()
    return Atoms(PLACE + DEVIATION * mesh, mass * joint / joint.sum(), names=NAMES)


@pytest.mark.parametrize("mass", [1.0, 2.5])
def test_moments_of_atoms_and_cells_are_those_of_the_law(mass: float) -> None:
    atoms, coarse, fine = gaussian_atoms(mass), gaussian_cells(24, mass), gaussian_cells(48, mass)
    for law in (atoms, coarse, fine):
        assert law.mass == pytest.approx(mass, rel=1e-8)
    for law, tolerance in ((atoms, 1e-13), (coarse, 4e-5), (fine, 2.5e-6)):
        np.testing.assert_allclose(law.mean, PLACE, atol=tolerance)
        np.testing.assert_allclose(law.variance, DEVIATION**2, atol=tolerance)
    mixed = atoms.expectation(lambda z: z[:, :1] * z[:, 1:])
    np.testing.assert_allclose(mixed, PLACE[0] * PLACE[1:], atol=1e-13)
    # values at the representative points: half an h^2 / 12 of the second derivative too much
    wanted = np.array([1.0, np.cos(0.3) * np.exp(-0.08), np.sin(0.3) * np.exp(-0.065)]) * mass
    np.testing.assert_allclose(atoms.outputs(Waves()), wanted, atol=1e-9)
    errors = [np.abs(law.outputs(Waves()) - wanted)[1:] for law in (coarse, fine)]
    assert np.all(errors[1] < 2e-3)
    np.testing.assert_allclose(errors[0] / errors[1], 4.0, rtol=0.05)


def test_marginals_of_atoms_and_cells_agree() -> None:
    atoms, cells = gaussian_atoms(), gaussian_cells(24)
    for coordinates, names in (((1,), ("y",)), (("z",), ("z",)), (("z", 0), ("z", "x"))):
        for law in (atoms, cells):
            part = law.marginal(*coordinates)
            axes = [NAMES.index(name) for name in names]
            assert part.names == names
            assert part.mass == pytest.approx(1.0, rel=1e-8)
            np.testing.assert_allclose(part.mean, law.mean[axes], rtol=1e-13)
            np.testing.assert_allclose(part.variance, law.variance[axes], rtol=1e-13)
    turned = cells.marginal("z", "x")
    assert turned.masses[20, 3] == pytest.approx(cells.masses[3, :, 20].sum(), rel=1e-13)
    np.testing.assert_allclose(turned.density.sum() / turned.density.size * np.prod(12.0 * DEVIATION[[2, 0]]), 1.0)
    edges = np.linspace(-3.0, 3.0, 5)
    binned = atoms.marginal("x").binned(edges)
    exact = np.diff(stats.norm(PLACE[0], DEVIATION[0]).cdf(edges))
    assert binned.mass == pytest.approx(1.0, rel=1e-14)
    assert np.abs(np.cumsum(binned.masses - exact)).max() < 0.2
    with pytest.raises(ValueError, match="no coordinate 'w': write one of x, y, z"):
        cells.marginal("w")


def test_what_lies_beyond_the_bins_goes_to_the_outermost() -> None:
    law = Atoms(np.array([[-4.0], [0.1], [0.9], [7.0]]), np.array([0.1, 0.2, 0.3, 0.4]))
    assert law.binned(np.array([0.0, 0.5, 1.0])).masses == pytest.approx([0.3, 0.7])


def test_signs_count_in_outputs_and_not_in_the_mass() -> None:
    atoms = Atoms(np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]), np.array([0.5, 0.25]), np.array([1.0, -1.0]), NAMES)
    assert atoms.mass == 0.75
    np.testing.assert_allclose(atoms.mean, (2.0 * atoms.points[0] + atoms.points[1]) / 3.0)
    first, second = Waves().values(atoms.points)
    np.testing.assert_allclose(atoms.outputs(Waves()), 0.5 * first - 0.25 * second)
    assert atoms.marginal("y").sign is atoms.sign
    cells = gaussian_cells(8)
    sign = np.where(cells.grid.points[:, 0] > 0.3, 1.0, -1.0).reshape(cells.masses.shape)
    signed = Cells(cells.grid, cells.masses, sign, NAMES)
    np.testing.assert_allclose(signed.outputs(Waves())[0], 0.0, atol=1e-12)
    assert signed.mass == cells.mass


def test_cells_hold_their_masses_between_their_corners() -> None:
    grid = grid_from_edges([np.array([0.0, 1.0, 3.0]), np.array([-1.0, 0.0, 0.5])], [False, False])
    law = Cells(grid, np.array([[0.1, 0.2], [0.3, 0.4]]))
    lower, upper = law.corners
    assert lower.tolist() == [[0.0, -1.0], [0.0, 0.0], [1.0, -1.0], [1.0, 0.0]]
    assert upper.tolist() == [[1.0, 0.0], [1.0, 0.5], [3.0, 0.0], [3.0, 0.5]]
    assert law.density.tolist() == [[0.1, 0.4], [0.15, 0.4]]
    assert law.weights.tolist() == [0.1, 0.2, 0.3, 0.4]


def test_recorded_edges_give_the_grid_back() -> None:
    """The origin cell is seen by its width, so that what rests at 0 has mean and variance 0."""
    axes = {"r": Radius(3.0), "a": Line()}
    for lower in ([0.0, 0.0], [0.25, -1.0]):
        grid = uniform_grid(lower, [1.0, 2.0], [10, 12], Geometry.of(axes))
        again = recorded_grid(grid.edges)
        for centre, other in zip(grid.centres, again.centres, strict=True):
            assert centre.tolist() == other.tolist()
    masses = np.zeros((10, 12))
    masses[0, 3] = 1.0
    law = Cells(recorded_grid(uniform_grid([0.0, 0.0], [1.0, 2.0], [10, 12], Geometry.of(axes)).edges), masses)
    assert (law.mean[0], law.variance[0]) == (0.0, 0.0)
    flat = recorded_grid([np.array([0.0, 0.0, 1.0])])
    assert isinstance(flat, Grid)
    assert flat.volumes.tolist() == [1.0, 1.0]
