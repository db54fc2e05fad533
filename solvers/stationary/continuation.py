"""Pseudo-arclength continuation: curves of solutions of n equations in n + 1 unknowns, followed through folds.

    F(x) = 0,  x = (u, lambda) in R^{n+1};      t . (x - x_k) = h  on the tangent t at x_k, F'(x_k) t = 0, |t| = 1

From x_k the point x_k + h t is predicted, and corrected by Newton's method on F(x) = 0 and t . (x - x_k - h t) = 0: a
matrix that stays regular where dlambda / ds = 0. The step h adapts to the Newton steps and to the turn of the tangent.

H. B. Keller, "Numerical solution of bifurcation and nonlinear eigenvalue problems" (1977).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from ..arrays import Array

NEWTON = 8
CONVERGED = 1e-12
"""Newton step, over 1 + |x|, that ends the corrector; it may end at 1e-9 where rounding keeps it from there."""
STALLED = 1e-9
FIRST_STEP, LARGEST_STEP, LEAST_STEP = 0.01, 0.03, 1e-7
"""Arclength steps, in units of the scaled unknowns."""
TURN, STRAIGHT = 0.97, 0.998
"""Cosine of the turn of the tangent below which a step is halved, above which it may grow."""
MOST_POINTS = 2000
LOCATED = 1e-13
"""Accuracy of a point on a segment, over its length."""


class Equations(Protocol):
    """F and its Jacobian; the last unknown is the parameter, scaled so that its range is [0, 1]."""

    def residual(self, state: Array) -> Array:
        """F, shape (n,), at a state of shape (n + 1,)."""

    def jacobian(self, state: Array) -> Array:
        """F', shape (n, n + 1)."""

    def bounds(self, state: Array) -> Array:
        """Numbers that are positive inside the region in which the curve is wanted."""

    def longest_step(self, state: Array) -> float:
        """Arclength beyond which a step from here could pass a bound and come back unseen."""


@dataclass(frozen=True)
class CurvePoint:
    """A solution and the unit tangent there, both of shape (n + 1,)."""

    state: Array
    tangent: Array

    @property
    def parameter(self) -> float:
        """lambda in [0, 1]."""
        return float(self.state[-1])


@dataclass(frozen=True)
class Trace:
    """One direction of a curve.

    Attributes:
        points: from the start on, in order.
        ending: "parameter" where it reached an end of the parameter's range, "bound" where one of the bounds fell to
            0, "closed" where it came back to its start, else "lost".
        bound: index of that bound, -1 for the other endings.
    """

    points: tuple[CurvePoint, ...]
    ending: str
    bound: int = -1


def tangent_at(equations: Equations, state: Array, along: Array) -> Array | None:
    """The unit tangent that goes along with `along`; None where the curve has none."""
    count = state.size
    matrix = np.vstack([equations.jacobian(state), along])
    right = np.zeros(count)
    right[-1] = 1.0
    try:
        found = np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        return None
    length = np.linalg.norm(found)
    return np.asarray(found / length) if np.isfinite(length) and length > 0.0 else None


def correct(equations: Equations, guess: Array, normal: Array) -> tuple[Array, int] | None:
    """The solution on the plane through `guess` with this normal, and the number of Newton steps; None without one."""
    state, last = guess.copy(), np.inf
    for count in range(1, NEWTON + 1):
        matrix = np.vstack([equations.jacobian(state), normal])
        residual = np.append(equations.residual(state), normal @ (state - guess))
        try:
            move = np.linalg.solve(matrix, -residual)
        except np.linalg.LinAlgError:
            return None
        state = state + move
        size = float(np.max(np.abs(move))) / (1.0 + float(np.max(np.abs(state))))
        if not np.isfinite(size):
            return None
        if size < CONVERGED or (size < STALLED and size >= 0.5 * last):
            return state, count
        last = size
    return (state, NEWTON) if last < STALLED else None


def between(equations: Equations, first: CurvePoint, second: CurvePoint, share: float) -> Array:
    """The solution over the point first + share (second - first) of the chord, `share` in [0, 1].

    Raises:
        ArithmeticError: where the corrector finds none; the points are then too far apart.
    """
    if share in (0.0, 1.0):
        return second.state if share else first.state
    chord = second.state - first.state
    found = correct(equations, first.state + share * chord, chord / np.linalg.norm(chord))
    if found is None:
        raise ArithmeticError("a curve of solutions was lost between two of its points: vary the key over less")
    return found[0]


def locate(equations: Equations, first: CurvePoint, second: CurvePoint, function: Callable[[Array], float]) -> Array:
    """The solution between two points at which a function of the state, of opposite signs on them, vanishes."""
    share = optimize.brentq(
        lambda t: function(between(equations, first, second, t)), 0.0, 1.0, xtol=LOCATED, rtol=8.9e-16
    )
    return between(equations, first, second, share)


def trace(equations: Equations, start: CurvePoint) -> Trace:
    """The curve from `start` on, along its tangent, to where it leaves the region or closes."""
    points, step = [start], FIRST_STEP
    while len(points) < MOST_POINTS:
        now = points[-1]
        step = min(step, equations.longest_step(now.state))
        taken = _to_the_end(equations, now, step) if _passes(now, step) else None
        ending = "parameter" if taken is not None else ""
        if taken is None:
            taken, step = _step(equations, now, step)
        if taken is None:
            return Trace(tuple(points), "lost")
        if (gone := equations.bounds(taken.state) <= 0.0).any():
            try:
                last, bound = _at_bound(equations, now, taken, gone)
            except ArithmeticError:
                return Trace(tuple(points), "lost")
            return Trace((*points, last), "bound", bound)
        points.append(taken)
        if ending:
            return Trace(tuple(points), ending)
        if len(points) > 10 and _returns(start, now, taken):
            return Trace((*points[:-1], start), "closed")
    return Trace(tuple(points), "lost")


def _passes(now: CurvePoint, step: float) -> bool:
    """Whether the next step would pass an end of the parameter's range."""
    return not (0.0 < now.parameter + step * now.tangent[-1] < 1.0)


def _to_the_end(equations: Equations, now: CurvePoint, step: float) -> CurvePoint | None:
    """The solution at the end of the range that the tangent points to; None where the curve does not lead there."""
    end = 1.0 if now.tangent[-1] > 0.0 else 0.0
    left = (end - now.parameter) / now.tangent[-1]
    guess = now.state + left * now.tangent
    guess[-1] = end
    normal = np.zeros(guess.size)
    normal[-1] = 1.0
    found = correct(equations, guess, normal)
    if found is None or not (np.linalg.norm(found[0] - now.state) <= 2.0 * step + 1e-12):
        return None
    return _smooth_successor(equations, now, found[0])


def _step(equations: Equations, now: CurvePoint, step: float) -> tuple[CurvePoint | None, float]:
    """One step, and the length of the next one; None where even the least step fails."""
    while step > LEAST_STEP:
        found = correct(equations, now.state + step * now.tangent, now.tangent)
        if found is not None and 0.0 <= found[0][-1] <= 1.0:
            taken = _smooth_successor(equations, now, found[0])
            if taken is not None:
                easy = found[1] <= 4 and float(taken.tangent @ now.tangent) > STRAIGHT
                return taken, min(LARGEST_STEP, 1.5 * step) if easy else step
        step *= 0.5
    return None, step


def _smooth_successor(equations: Equations, now: CurvePoint, state: Array) -> CurvePoint | None:
    """The point with its tangent, None where that turns too much for the two to be neighbours on one curve."""
    tangent = tangent_at(equations, state, now.tangent)
    if tangent is None or not (float(tangent @ now.tangent) > TURN):
        return None
    return CurvePoint(state, tangent)


def _at_bound(
    equations: Equations, now: CurvePoint, beyond: CurvePoint, gone: NDArray[np.bool_]
) -> tuple[CurvePoint, int]:
    """The point at which the curve first meets one of the bounds that are `gone` beyond, and which one."""
    met = []
    for index in np.flatnonzero(gone):
        if equations.bounds(now.state)[index] <= 0.0:
            met.append((0.0, int(index), now.state))
            continue
        state = locate(equations, now, beyond, partial(_bound, equations, int(index)))
        met.append((float(np.linalg.norm(state - now.state)), int(index), state))
    _, bound, state = min(met, key=lambda found: found[0])
    tangent = tangent_at(equations, state, now.tangent)
    return CurvePoint(state, now.tangent if tangent is None else tangent), bound


def _bound(equations: Equations, index: int, state: Array) -> float:
    return float(equations.bounds(state)[index])


def _returns(start: CurvePoint, now: CurvePoint, taken: CurvePoint) -> bool:
    """Whether the start lies between the last two points."""
    chord = taken.state - now.state
    length = float(np.linalg.norm(chord))
    offset = start.state - now.state
    share = float(offset @ chord) / length**2
    return 0.0 <= share <= 1.0 and float(np.linalg.norm(offset - share * chord)) < 0.1 * length
