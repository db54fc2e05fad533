"""Second derivatives of tabulated functions at the nodes of their cells."""

from __future__ import annotations

import numpy as np
import pytest

from mfpde.solvers.arrays import Array
from mfpde.solvers.jko.prox.curvatures import Curvatures
from mfpde.solvers.objective.table.elements import axis_nodes

EDGES = [np.array([-1.0, 0.0, 1.5]), np.array([0.0, 0.4, 0.6, 1.0]), np.array([-2.0, 1.0])]


def nodes(degree: int) -> Array:
    mesh = np.meshgrid(*(axis_nodes(edges, degree) for edges in EDGES), indexing="ij")
    return np.stack([part.ravel() for part in mesh], axis=1)


@pytest.mark.parametrize("mobilities", [[1.0, 1.0, 1.0], [1.0, 0.0, 0.5]])
def test_curvatures_of_polynomials_are_theirs(mobilities: list[float]) -> None:
    """x0^2 x1 - x1^2 + 3 x0 x2: Hessians by hand; a slope taken for a bend, or a width forgotten, shows."""
    x = nodes(3)
    found = Curvatures.of(EDGES, 3, np.array(mobilities))
    values = x[:, 0] ** 2 * x[:, 1] - x[:, 1] ** 2 + 3.0 * x[:, 0] * x[:, 2]
    hessians = np.zeros((len(x), 3, 3))
    hessians[:, 0, 0], hessians[:, 1, 1] = 2.0 * x[:, 1], -2.0
    hessians[:, 0, 1] = hessians[:, 1, 0] = 2.0 * x[:, 0]
    hessians[:, 0, 2] = hessians[:, 2, 0] = 3.0
    hessians *= np.sqrt(np.outer(mobilities, mobilities))
    assert found.lowest(values) == pytest.approx(float(np.linalg.eigvalsh(hessians).min()), rel=1e-12)
    sizes = np.sqrt((hessians**2).sum(axis=(1, 2))).max()
    both = np.column_stack([values, -2.0 * values])
    np.testing.assert_allclose(found.largest(both), [sizes, 2.0 * sizes], rtol=1e-12)


def test_nothing_moves_or_bends_down() -> None:
    x = nodes(2)
    assert Curvatures.of(EDGES, 2, np.zeros(3)).lowest(-(x[:, 0] ** 2)) == 0.0
    assert Curvatures.of(EDGES, 2, np.ones(3)).lowest((x**2).sum(axis=1)) == 0.0
