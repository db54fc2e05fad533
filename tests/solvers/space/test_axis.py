"""Axes: their measure against quadrature, what is folded, displaced and shaken, and what a geometry refuses."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad

from mfpde.solvers.space.axis import Axis, Circle, Interval, Line, Radius, Sign
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.geometry import Geometry

MEASURED = [Line(), Interval(-1.0, 3.0), Circle(), *(Radius(p) for p in (1.0, 2.0, 3.0, 60.0))]
DRAWS = 40_000


@pytest.mark.parametrize("axis", MEASURED, ids=str)
def test_cells_are_measured_as_by_quadrature(axis: Axis) -> None:
    edges = np.array([0.0, 0.2, 0.5, 0.9, 2.0])

    def density(z: float) -> float:
        return float(np.exp(axis.log_density(np.array([z])))[0])

    mass = [quad(density, low, high, epsabs=0.0, epsrel=1e-12)[0] for low, high in itertools.pairwise(edges)]
    square = [
        quad(lambda z: z * z * density(z), low, high, epsabs=0.0, epsrel=1e-12)[0]
        for low, high in itertools.pairwise(edges)
    ]
    np.testing.assert_allclose(np.exp(axis.log_measure(edges)), mass, rtol=1e-11)
    np.testing.assert_allclose(axis.mean_square(edges), np.divide(square, mass), rtol=1e-11)


def test_surfaces_are_those_of_spheres() -> None:
    surfaces = [math.exp(Radius(float(p)).log_surface) for p in (1, 2, 3, 4)]
    np.testing.assert_allclose(surfaces, [2.0, 2.0 * math.pi, 4.0 * math.pi, 2.0 * math.pi**2], rtol=1e-14)
    assert Geometry.of({"r1": Radius(2.0), "a": Line(), "r2": Radius(3.0)}).log_surface == pytest.approx(
        math.log(8.0 * math.pi**2), abs=1e-14
    )


def test_numbers_are_folded_into_the_axes() -> None:
    points = np.array([-7.0, -1e-20, 0.0, 0.3, 7.0])
    turn = 2.0 * math.pi
    assert Line().folded(points).tolist() == points.tolist()
    assert Radius(3.0).folded(points).tolist() == [7.0, 1e-20, 0.0, 0.3, 7.0]
    assert Interval(-1.0, 0.25).folded(points).tolist() == [-1.0, -1e-20, 0.0, 0.25, 0.25]
    assert Sign().folded(points).tolist() == [-1.0, -1.0, 1.0, 1.0, 1.0]
    np.testing.assert_allclose(Circle().folded(points), [2.0 * turn - 7.0, 0.0, 0.0, 0.3, 7.0 - turn], atol=1e-15)


def test_displacements_on_a_circle_are_the_shorter_way() -> None:
    axis = Circle(2.0)
    start, end = (part.ravel() for part in np.meshgrid(np.linspace(0.0, 1.9, 20), np.linspace(0.05, 1.95, 20)))
    way = axis.displacement(start, end)
    assert np.abs(way).max() <= 1.0
    np.testing.assert_allclose(np.cos(np.pi * (start + way)), np.cos(np.pi * end), atol=1e-13)
    np.testing.assert_allclose(np.sin(np.pi * (start + way)), np.sin(np.pi * end), atol=1e-13)
    assert axis.displacement(np.array([1.9, 0.1]), np.array([0.1, 1.9])) == pytest.approx([0.2, -0.2], abs=1e-15)
    assert Line().displacement(np.array([1.9]), np.array([0.1])) == pytest.approx([-1.8])


@pytest.mark.parametrize(("axis", "wave"), [(Interval(0.0, 2.0), 0.5 * math.pi), (Circle(), 1.0)])
def test_noise_is_reflected_by_walls_and_runs_around_circles(axis: Axis, wave: float) -> None:
    """E cos(k z) decays like exp(-k^2 s^2 / 2) where cos(k z) is flat at the walls, or periodic.

    Five standard errors of 40,000 draws: false alarms once in a million runs. Mass that stuck at the walls would be
    off by more than 20.
    """
    for deviation in (0.3, 0.9):
        start = np.full(DRAWS, 0.4)
        moved = axis.shaken(start, deviation, np.random.default_rng(5))
        assert axis.lower <= moved.min()
        assert moved.max() <= axis.upper
        seen = np.cos(wave * moved)
        expected = math.cos(wave * 0.4) * math.exp(-0.5 * (wave * deviation) ** 2)
        assert abs(seen.mean() - expected) < 5.0 * seen.std() / math.sqrt(DRAWS)
    if axis.period is None:
        stuck = np.cos(wave * np.clip(start + 0.9 * np.random.default_rng(5).standard_normal(DRAWS), 0.0, 2.0))
        assert abs(stuck.mean() - expected) > 20.0 * seen.std() / math.sqrt(DRAWS)


def test_points_are_held_by_walls_and_turned_on_circles() -> None:
    geometry = Geometry.of({"r": Radius(3.0), "z": Interval(-1.0, 1.0), "angle": Circle(), "a": Line()})
    points = np.array([[-0.5, 2.0, -1.0, -9.0], [0.5, -2.0, 7.0, 9.0]])
    turn = 2.0 * math.pi
    expected = [[0.0, 1.0, turn - 1.0, -9.0], [0.5, -1.0, 7.0 - turn, 9.0]]
    np.testing.assert_allclose(geometry.held(points), expected, atol=1e-15)
    outwards = np.array([[-1.0, 1.0, -1.0, -1.0], [-1.0, -1.0, 1.0, 1.0]])
    assert geometry.walls.stops(points, outwards).tolist() == [[True, True, False, False], [False, True, False, False]]
    assert not geometry.walls.stops(points, -outwards).any()
    back = geometry.walls.returned(points, -outwards)
    assert back.tolist() == [[0.0, 1.0, -1.0, -9.0], [0.5, -1.0, 7.0, 9.0]]
    assert geometry.walls.returned(points, outwards).tolist() == points.tolist()


def test_boxes_end_where_the_space_does_and_hold_whole_circles() -> None:
    geometry = Geometry.of({"r": Radius(3.0), "z": Interval(-1.0, 20.0), "angle": Circle(), "a": Line()})
    box = geometry.box(10.0)
    assert box.lower.tolist() == [0.0, -1.0, 0.0, -10.0]
    assert box.upper.tolist() == [10.0, 10.0, 2.0 * math.pi, 10.0]
    cut = geometry.cut(Box(np.array([0.5, -3.0, 1.0, 2.0]), np.array([1.0, 30.0, 2.0, 3.0])))
    assert (cut.lower.tolist(), cut.upper.tolist()) == ([0.5, -1.0, 0.0, 2.0], [1.0, 20.0, 2.0 * math.pi, 3.0])


def test_what_an_axis_cannot_do_is_refused_in_words() -> None:
    axes: dict[str, Axis] = {"r1": Radius(math.inf), "angle": Circle(), "sign": Sign(), "a": Line()}
    geometry = Geometry.of(axes, frozen=["sign"])
    assert geometry.refusals() == []
    assert geometry.refusals(noise=True) == [
        "r1 has infinite dimension, where omega is undefined: noise needs finite data.dims"
    ]
    assert geometry.refusals(ridge=True) == ["angle lies on a circle, where |z|^2 jumps after a turn: write ridge = 0"]
    assert geometry.refusals(straight=True) == [
        "angle lies on a circle, along which no cells or tables can be laid out",
        "sign lies on a sign, along which no cells or tables can be laid out",
    ]
    for measured in (lambda: geometry.log_density(0, np.ones(1)), lambda: geometry.log_surface):
        with pytest.raises(ValueError, match=r"r1 has infinite dimension, .* noise needs finite data\.dims"):
            measured()
    still = Geometry.of(axes, frozen=["r1", "sign"])
    assert still.log_density(0, np.ones(2)).tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="sign lies on a sign, along which nothing moves: let it be frozen"):
        Geometry.of(axes)
    with pytest.raises(ValueError, match="1 axes, 2 names, 1 marks"):
        Geometry((Line(),), ("a", "b"), (True,))


@pytest.mark.parametrize(("ends", "period"), [((1.0, 1.0), 0.0), ((2.0, 1.0), math.inf), ((0.0, math.inf), math.nan)])
def test_axes_without_extent_are_refused(ends: tuple[float, float], period: float) -> None:
    with pytest.raises(ValueError, match="finite ends low < high"):
        Interval(*ends)
    with pytest.raises(ValueError, match="finite period > 0"):
        Circle(period)
