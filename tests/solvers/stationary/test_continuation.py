"""Pseudo-arclength continuation on curves that are known exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mfpde.solvers.arrays import Array
from mfpde.solvers.stationary.continuation import CurvePoint, between, correct, locate, tangent_at, trace


class Curve:
    """A curve F(u, lambda) = 0 in the plane, kept to |u| < reach."""

    def __init__(
        self,
        function: Callable[[float, float], float],
        gradient: Callable[[float, float], tuple[float, float]],
        reach: float = 10.0,
    ) -> None:
        self.function, self.gradient, self.reach = function, gradient, reach

    def residual(self, state: Array) -> Array:
        return np.array([self.function(*state)])

    def jacobian(self, state: Array) -> Array:
        return np.array([self.gradient(*state)])

    def bounds(self, state: Array) -> Array:
        return np.array([self.reach - state[0], self.reach + state[0]])

    def longest_step(self, state: Array) -> float:
        return np.inf


def started(curve: Curve, state: list[float], along: list[float]) -> CurvePoint:
    found = np.array(state)
    assert abs(curve.residual(found)[0]) < 1e-13
    tangent = tangent_at(curve, found, np.array(along))
    assert tangent is not None
    return CurvePoint(found, tangent)


PARABOLA = Curve(lambda u, x: x - 0.2 - u**2, lambda u, x: (-2.0 * u, 1.0))
CIRCLE = Curve(lambda u, x: (x - 0.5) ** 2 + u**2 - 0.16, lambda u, x: (2.0 * u, 2.0 * (x - 0.5)))
CUBIC = Curve(lambda u, x: 0.5 + u**3 - 0.3 * u - x, lambda u, x: (3.0 * u**2 - 0.3, -1.0))


def test_a_fold_is_passed_and_the_other_side_followed_to_the_end_of_the_range() -> None:
    start = started(PARABOLA, [np.sqrt(0.8), 1.0], [0.0, -1.0])
    found = trace(PARABOLA, start)
    assert found.ending == "parameter"
    last = found.points[-1]
    assert last.state == pytest.approx([-np.sqrt(0.8), 1.0], abs=1e-12)
    residuals = [PARABOLA.residual(point.state)[0] for point in found.points]
    assert np.max(np.abs(residuals)) < 1e-12
    assert min(point.parameter for point in found.points) < 0.2005


def test_a_fold_is_located_where_the_jacobian_vanishes() -> None:
    found = trace(PARABOLA, started(PARABOLA, [np.sqrt(0.8), 1.0], [0.0, -1.0]))
    first, second = next(
        pair for pair in zip(found.points, found.points[1:], strict=False) if pair[0].state[0] * pair[1].state[0] < 0.0
    )
    state = locate(PARABOLA, first, second, lambda x: float(PARABOLA.jacobian(x)[0, 0]))
    assert state == pytest.approx([0.0, 0.2], abs=1e-12)
    assert first.tangent[-1] * second.tangent[-1] < 0.0


def test_a_closed_curve_comes_back_to_its_start() -> None:
    found = trace(CIRCLE, started(CIRCLE, [0.0, 0.9], [1.0, 0.0]))
    assert found.ending == "closed"
    length = sum(np.linalg.norm(b.state - a.state) for a, b in zip(found.points, found.points[1:], strict=False))
    assert length == pytest.approx(0.8 * np.pi, rel=1e-3)


def test_both_folds_of_a_cubic_are_passed() -> None:
    """x = 1/2 + u^3 - .3 u turns at u = ±sqrt(.1); the three laws at x = 1/2 lie on one curve."""
    found = trace(CUBIC, started(CUBIC, [_root(0.0), 0.0], [0.0, 1.0]))
    assert found.ending == "parameter"
    assert found.points[-1].state == pytest.approx([_root(1.0), 1.0], abs=1e-12)
    turns = np.flatnonzero(np.diff(np.sign([point.tangent[-1] for point in found.points])))
    assert len(turns) == 2


def _root(parameter: float) -> float:
    roots = np.roots([1.0, 0.0, -0.3, 0.5 - parameter])
    return float(roots[np.abs(roots.imag) < 1e-12].real[0])


def test_a_bound_ends_the_curve_exactly_there() -> None:
    curve = Curve(CUBIC.function, CUBIC.gradient, reach=0.6)
    found = trace(curve, started(curve, [0.0, 0.5], [-1.0, 0.0]))
    assert (found.ending, found.bound) == ("bound", 1)
    assert found.points[-1].state == pytest.approx([-0.6, 0.5 - 0.216 + 0.18], abs=1e-12)


def test_a_curve_of_the_parameter_alone_runs_from_end_to_end() -> None:
    class Nothing(Curve):
        def residual(self, state: Array) -> Array:
            return np.zeros(0)

        def jacobian(self, state: Array) -> Array:
            return np.zeros((0, 1))

        def bounds(self, state: Array) -> Array:
            return np.zeros(0)

    curve = Nothing(CUBIC.function, CUBIC.gradient)
    tangent = tangent_at(curve, np.array([0.25]), np.array([1.0]))
    assert tangent is not None
    found = trace(curve, CurvePoint(np.array([0.25]), tangent))
    assert found.ending == "parameter"
    assert found.points[-1].state == pytest.approx([1.0])
    assert np.max(np.diff([point.parameter for point in found.points])) <= 0.03 + 1e-12


def test_what_has_no_solution_is_not_found() -> None:
    """The parabola has none below its fold, and a point outside the range is not taken for one."""
    assert correct(PARABOLA, np.array([0.0, 0.1]), np.array([0.0, 1.0])) is None
    first = CurvePoint(np.array([0.4, 0.36]), np.array([0.0, 1.0]))
    second = CurvePoint(np.array([-0.4, 0.36]), np.array([0.0, 1.0]))
    middle = between(PARABOLA, first, second, 0.5)
    assert middle == pytest.approx([0.0, 0.2], abs=1e-12)
