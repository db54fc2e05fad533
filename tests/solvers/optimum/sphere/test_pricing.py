"""The direction of the largest response: against every cell of the arrangement, and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mfpde.solvers.arrays import Array
from mfpde.solvers.optimum.sphere.fan import flats
from mfpde.solvers.optimum.sphere.pricing import RELU, Slopes, largest_response, responses


def by_cells(alpha: Array, points: Array, slopes: Slopes) -> float:
    """The largest |h| at the gradients of all cells of all flats."""
    best = 0.0
    for flat in flats(points):
        branch = np.where(flat.signs > 0, slopes[0], np.where(flat.signs < 0, slopes[1], 0.0))
        ways = (branch * alpha) @ points @ flat.basis @ flat.basis.T
        lengths = np.linalg.norm(ways, axis=1)
        ways = ways[lengths > 0.0] / lengths[lengths > 0.0, None]
        best = max(best, float(np.abs(responses(np.concatenate([ways, -ways]), points, slopes) @ alpha).max()))
    return best


def drawn(count: int, dimension: int, kind: str) -> tuple[Array, Array]:
    """Samples in general position, on a grid (planes that meet in lines), or on common lines and planes."""
    random = np.random.default_rng(100 * count + dimension)
    points, alpha = random.standard_normal((count, dimension)), random.standard_normal(count)
    if kind == "grid":
        points = np.concatenate([np.eye(dimension), random.integers(-1, 2, (count - dimension, dimension))])
    if kind == "lines":
        points[1], points[2], points[-1] = 2.0 * points[0], -points[0], points[0] + points[3]
    return points, alpha


@pytest.mark.parametrize("kind", ["general", "grid", "lines"])
@pytest.mark.parametrize("slopes", [RELU, (1.0, -1.0), (1.0, 0.3)])
@pytest.mark.parametrize(("count", "dimension"), [(5, 1), (12, 2), (9, 3), (8, 4)])
def test_no_cell_face_or_vertex_is_left_out(count: int, dimension: int, slopes: Slopes, kind: str) -> None:
    points, alpha = drawn(count, dimension, kind)
    found = largest_response(alpha, points, slopes)
    expected = by_cells(alpha, points, slopes)
    assert_allclose(np.abs(found.values[0]), expected, rtol=1e-13)
    assert expected <= found.bound <= expected * (1.0 + 1e-9) or not found.certified
    assert found.certified == (dimension <= 3)
    assert_allclose(responses(found.units, points, slopes) @ alpha, found.values, atol=1e-14 * np.abs(alpha).sum() * 9)
    assert_allclose(np.linalg.norm(found.units, axis=1), 1.0, rtol=1e-14)


def test_samples_in_a_plane_of_many_dimensions_are_enumerated() -> None:
    points, alpha = drawn(8, 2, "general")
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((7, 7)))[0][:2]
    found, flat = largest_response(alpha, points @ turn), largest_response(alpha, points)
    assert found.certified
    assert_allclose(found.values[0], flat.values[0], rtol=1e-13)
    assert_allclose(found.units[0] @ turn.T, flat.units[0], atol=1e-12)


def test_positive_weights_and_a_linear_unit_have_closed_forms() -> None:
    """sigma(t) = t: |sum alpha X|; one sample: |alpha| |X|; none: 0."""
    points, alpha = drawn(40, 3, "general")
    assert_allclose(largest_response(alpha, points, (1.0, 1.0)).bound, np.linalg.norm(alpha @ points), rtol=1e-10)
    assert_allclose(largest_response(alpha[:1], points[:1]).bound, np.linalg.norm(alpha[0] * points[0]), rtol=1e-10)
    nothing = largest_response(np.zeros(3), points[:3])
    assert nothing.bound == 0.0
    assert nothing.certified


def test_hundreds_of_planes_against_samples_of_the_sphere() -> None:
    """No direction of 20,000, and none of the ascents that serve many dimensions, is above the bound."""
    points, alpha = drawn(150, 3, "general")
    found = largest_response(alpha, points)
    ways = np.random.default_rng(1).standard_normal((20_000, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    assert np.abs(responses(ways, points) @ alpha).max() <= found.bound
    lifted = np.column_stack([points, np.full((150, 1), 1e-9)])
    climbed = largest_response(alpha, lifted)
    assert not climbed.certified
    assert_allclose(climbed.bound, found.bound, rtol=1e-7)
