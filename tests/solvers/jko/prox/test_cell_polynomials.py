"""The Newton pass on cells against the general one, and against its definition."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.confinement import Confinement
from mfpde.solvers.jko.atoms.dual import DualStep
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import DenseFeatures, Objective
from mfpde.solvers.objective.table.feature_table import FeatureTable, build_table
from mfpde.solvers.space.axis import Line, Radius
from mfpde.solvers.space.geometry import Geometry
from tests.solvers.problems import line


@pytest.fixture(autouse=True)
def _strict_arithmetic() -> Iterator[None]:
    with np.errstate(all="raise", under="ignore"):
        yield


class Ripples(DenseFeatures):
    """Phi(z) = (sin(2 z_1 + z_2 + ...), cos(z_1 - 2 z_2 + ...))."""

    rank = 2

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.slopes = np.array([[2.0, 1.0], [1.0, -2.0]])[:, :dimension]

    def values(self, points: Array) -> Array:
        first, second = (points @ self.slopes.T).T
        return np.stack([np.sin(first), np.cos(second)], axis=1)

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        first, second = (points @ self.slopes.T).T
        slopes = np.stack([np.cos(first), -np.sin(second)], axis=1)
        return self.values(points), slopes[:, :, None] * self.slopes


def dual(dimension: int, degree: int, geometry: Geometry | None = None, ridge: float = 0.3) -> DualStep:
    """On [-1, 1]^D with uneven cells, another number of them per axis."""
    edges = [np.array([-1.0, -0.3, 0.6, 1.0]), np.array([-1.0, 0.1, 1.0])][:dimension]
    features = Ripples(dimension)
    table: FeatureTable = build_table(features, edges, degree=degree, tolerance=np.inf)
    objective = Objective(features, SquareLoss(np.array([1.0, 2.0]), np.array([0.3, -0.2])))
    return DualStep(objective, table, geometry or line(dimension), Confinement.even(ridge, dimension))


def atoms(dimension: int, count: int) -> tuple[Array, Array, Array]:
    """Places, some on edges and corners of the box, centres around them, masses."""
    generator = np.random.default_rng(4)
    places = np.clip(generator.uniform(-1.2, 1.2, (count, dimension)), -1.0, 1.0)
    masses = generator.uniform(0.1, 1.0, count)
    return places, places + generator.normal(0.0, 0.05, places.shape), masses / masses.sum()


HALF_LINES = Geometry.of({"r1": Radius(2.0), "r2": Radius(2.0)})
FROZEN = Geometry.of({"z1": Line(), "z2": Line()}, frozen=["z2"])


def compared(step: DualStep, tau: float) -> float:
    """Both passes from the same atoms; the number of atoms without a convex model."""
    places, centres, masses = atoms(step.table.dimension, 3000)
    g = np.array([0.7, -1.1])
    moved, outputs, sums, _ = step.maps.newton(places, centres, masses, tau, g)
    assert step.maps.cells is not None
    step.maps.cells = None
    general, _, general_sums, _ = step.maps.newton(places, centres, masses, tau, g)
    assert moved == pytest.approx(general, abs=1e-9)
    assert sums == pytest.approx(general_sums, rel=1e-8, abs=1e-10)
    # the cells take the features at the new places exactly, the general pass to second order in the move
    assert outputs == pytest.approx(step.table.outputs(moved, masses), abs=1e-12)
    return sums.saddles


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("degree", [2, 7, 8, 10])
def test_a_pass_on_cells_is_the_general_pass(dimension: int, degree: int) -> None:
    assert compared(dual(dimension, degree), 0.05) == 0.0


@pytest.mark.parametrize("dimension", [1, 2])
def test_atoms_without_a_convex_model_are_counted_alike(dimension: int) -> None:
    """At tau = 2 the kinetic term no longer outweighs the wells."""
    assert compared(dual(dimension, 8), 2.0) > 100.0


@pytest.mark.parametrize("geometry", [HALF_LINES, FROZEN], ids=["bounded", "frozen"])
@pytest.mark.parametrize("tau", [0.05, 2.0])
def test_bounds_and_frozen_axes_are_kept_alike(geometry: Geometry, tau: float) -> None:
    compared(dual(2, 7, geometry), tau)


def test_tables_of_high_degree_stay_with_the_general_pass() -> None:
    """Monomials of higher degree lose too many digits."""
    assert dual(1, 11).maps.cells is None
    assert dual(1, 10).maps.cells is not None
