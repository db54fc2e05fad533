"""Gaussian moments of piecewise linear units without cancellation, however steep a piece or far a knot is.

In units of the deviation t about the offset b a unit is its value at b, hinges that open away from b, and *narrow*
ramps of width delta < NARROW, each of which is a mean of steps over their places and never a difference of hinges:

    E ramp = ∫_0^1 Q(x + delta s) ds,      E ramp' = (1/t) ∫_0^1 n(x + delta s) ds.

Of two units, X and Y of correlation rho, narrow ramps are steps at their middles, with closed forms, and remainders
r(X) of support delta, which are integrated against the conditional expectation of the other unit given X.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import special

from ..arrays import INNER, Array
from .activation import TINY_SCALE
from .hinges import FAR, density, hinge_products
from .kernels import dense, piecewise_linear_moments, tail
from .pieces import Pieces

NARROW = 0.25
"""Width of a ramp in deviations below which it is a mean of steps."""
FEW, MANY = 6, 20
"""Gauss nodes of a panel short against what is smooth there, and of one as long as five deviations."""
STEPS = np.polynomial.legendre.leggauss(10)
"""Gauss rule over the steps of a ramp: exact to rounding up to h_160."""
SHARES = np.stack([0.5 * (STEPS[0] + 1.0), 0.5 * STEPS[1]])
"""The same rule on [0, 1]: shares and weights."""
LAYERS = np.array([-8.0, -3.0, 0.0, 3.0, 8.0])
"""Ends of panels about a bend that is smoothed by a normal law, in its deviations."""
REMAINDER, BOX, TILTED = 0, 1, 2
"""What a narrow ramp is taken for: what a step at its middle leaves of it, t times its slope, X times that."""
WHOLE, STEPPED, WIDE = 0, 1, 2
"""What the other unit is taken for: itself, with steps for its narrow ramps, or without them."""


@dataclass(frozen=True)
class Standard:
    """A unit at n scales and offsets, in units of the deviation.

    Attributes:
        pieces: the unit.
        scale: t, at least TINY_SCALE, shape (n,).
        distance: of the knots from b, shape (n, K).
    """

    pieces: Pieces
    scale: Array
    distance: Array

    @classmethod
    def of(cls, pieces: Pieces, scale: Array, offset: Array) -> Standard:
        return cls(pieces, np.maximum(scale, TINY_SCALE), pieces.knots - offset[:, None])

    @cached_property
    def x(self) -> Array:
        """Places of the knots, shape (n, K)."""
        return np.asarray(np.clip(self.distance / self.scale[:, None], -FAR, FAR))

    @cached_property
    def deltas(self) -> Array:
        """Widths, shape (n, K - 1)."""
        return np.asarray(self.pieces.widths / self.scale[:, None])

    @cached_property
    def narrow(self) -> NDArray[np.bool_]:
        """Which ramps are narrow, shape (n, K - 1)."""
        return np.asarray(self.deltas < NARROW)

    @cached_property
    def slopes(self) -> Array:
        """Slopes of the pieces, 0 of narrow ramps, shape (n, K + 1)."""
        outer = np.zeros((len(self.scale), 1), dtype=bool)
        return np.where(np.concatenate([outer, self.narrow, outer], axis=1), 0.0, self.pieces.slopes)

    @cached_property
    def kinks(self) -> Array:
        """Jumps of these slopes, shape (n, K)."""
        return np.diff(self.slopes, axis=1)

    @cached_property
    def away(self) -> Array:
        """Sides of b on which the knots lie: -1 or 1, shape (n, K)."""
        return np.where(self.distance < 0.0, -1.0, 1.0)

    @cached_property
    def steps_away(self) -> Array:
        """Sides of b on which the middles of the ramps lie, shape (n, K - 1)."""
        return np.where(self.distance[:, :-1] + self.distance[:, 1:] < 0.0, -1.0, 1.0)

    @cached_property
    def middles(self) -> Array:
        """Middles of the ramps, shape (n, K - 1)."""
        return np.asarray(np.clip(self.x[:, :-1] + 0.5 * self.deltas, -FAR, FAR))

    @cached_property
    def steps(self) -> Array:
        """Rises of narrow ramps, 0 of others, shape (n, K - 1)."""
        return np.where(self.narrow, self.pieces.rises, 0.0)

    @cached_property
    def line(self) -> tuple[Array, Array]:
        """Value and slope at b, with steps for narrow ramps, shape (n,) each."""
        below, rows = np.count_nonzero(self.distance < 0.0, axis=1), np.arange(len(self.scale))
        slope = self.slopes[rows, below]
        ends = np.stack([np.maximum(below - 1, 0), np.minimum(below, len(self.pieces.knots) - 1)])
        reach = self.distance[rows, ends]
        nearer = np.where(np.abs(reach[0]) <= np.abs(reach[1]), 0, 1)
        return self.pieces.values[ends[nearer, rows]] - slope * reach[nearer, rows], slope

    @cached_property
    def nodes(self) -> tuple[Array, Array]:
        """Places and weights of the steps that narrow ramps are means of, shape (n, (K - 1) G)."""
        shares, weights = SHARES
        places = np.clip(self.x[:, :-1, None] + self.deltas[:, :, None] * shares, -FAR, FAR)
        shape = len(self.scale), -1
        return places.reshape(shape), (self.steps[:, :, None] * weights).reshape(shape)

    def moments(self, scale: Array, highest: int = 0) -> tuple[Array, Array]:
        """E sigma, E X sigma' and E sigma', shape (3, n), and c_2, ..., c_highest with their derivatives, (3, n, .).

        The scale itself may be 0.
        """
        mean, hermite = np.empty((3, len(scale))), np.zeros((3, len(scale), highest // 2))
        pieces = self.pieces
        shape = pieces.values, pieces.widths, pieces.rises, pieces.slopes
        piecewise_linear_moments(np.asarray(scale), self.distance, *shape, SHARES, NARROW, mean, hermite)
        return mean, hermite

    def curvature(self) -> Array:
        """E X^2 sigma'', the second derivative of E sigma in the scale, shape (n,)."""
        found = np.sum(self.kinks * self.x**2 * density(self.x), axis=1) / self.scale
        if self.narrow.any():
            places, weights = self.nodes
            found = found + np.sum(weights * density(places) * (places**3 - 2.0 * places), axis=1) / self.scale**2
        return np.asarray(found)

    def squares(self) -> Array:
        """E sigma^2, shape (n,): a sum over the pieces of what is never negative."""
        found = np.empty(len(self.scale))
        pieces = self.pieces
        slopes = self.pieces.slopes * self.scale[:, None]
        _squares(self.x, self.distance / self.scale[:, None], self.deltas, slopes, pieces.values, *STEPS, found)
        return found

    def elements(self, order: int) -> list[tuple[Array, Array, Array, int]]:
        """Hinges and steps of sigma, or of sigma' without narrow ramps: size, side, place on it, 0 or 1 for a step."""
        scaled = self.kinks * self.scale[:, None] if order == 0 else self.kinks * self.away
        found = [(scaled[:, i], self.away[:, i], self.x[:, i], order) for i in range(scaled.shape[1])]
        if order == 0:
            sized = self.steps * self.steps_away
            found += [(sized[:, i], self.steps_away[:, i], self.middles[:, i], 1) for i in range(sized.shape[1])]
        return [(size, side, side * place, kind) for size, side, place, kind in found if np.any(size)]

    def start(self, order: int) -> tuple[Array, Array]:
        """sigma or sigma' at b as c + s X."""
        level, slope = self.line
        return (level, slope * self.scale) if order == 0 else (slope, np.zeros_like(slope))


@dataclass(frozen=True)
class RampPair:
    """Two units of jointly normal pre-activations.

    Attributes:
        u, v: the units.
        sign, gap: the correlation is sign (1 - gap), shape (n,) each.
    """

    u: Standard
    v: Standard
    sign: Array
    gap: Array

    @property
    def correlation(self) -> Array:
        return self.sign * (1.0 - self.gap)

    def moment(self, p: int, q: int) -> Array:
        """E sigma^(p)(u) sigma^(q)(v) for p and q of 0 and 1."""
        found = self._closed(p, q)
        if self.u.narrow.any():
            found = found + self._compact(BOX if p else REMAINDER, q, WHOLE) / self.u.scale**p / self.v.scale**q
        if self.v.narrow.any():
            rest = self.swapped._compact(BOX if q else REMAINDER, p, WIDE if p else STEPPED)
            found = found + rest / self.u.scale**p / self.v.scale**q
        return np.asarray(found)

    def bent(self) -> Array:
        """E sigma''(u) sigma(v)."""
        found = self._at_kinks()
        if self.u.narrow.any():
            narrow = self._compact(TILTED, 0, WHOLE) - self.correlation * self._compact(BOX, 1, WHOLE)
            found = found + narrow / self.u.scale**2
        return np.asarray(found)

    def tilted(self) -> Array:
        """E X sigma'(u) sigma(v): of what is not narrow by Stein's lemma."""
        slopes = self._closed(1, 1)
        if self.v.narrow.any():
            slopes = slopes + self.swapped._compact(BOX, 1, WIDE) / self.u.scale / self.v.scale
        found = self.u.scale * self._at_kinks() + self.correlation * self.v.scale * slopes
        if self.u.narrow.any():
            found = found + self._compact(TILTED, 0, WHOLE) / self.u.scale
        return np.asarray(found)

    @property
    def swapped(self) -> RampPair:
        return RampPair(self.v, self.u, self.sign, self.gap)

    def _closed(self, p: int, q: int) -> Array:
        """Lines, hinges and steps with one another."""
        lines = self.u.start(p), self.v.start(q)
        elements = self.u.elements(p), self.v.elements(q)
        total = lines[0][0] * lines[1][0] + lines[0][1] * lines[1][1] * self.correlation
        for (level, rise), others in zip(lines, reversed(elements), strict=True):
            for size, side, place, kind in others:
                dense, tail = density(place), special.ndtr(-place)
                mean, slant = (dense - place * tail, tail) if kind == 0 else (tail, dense)
                total = total + size * (level * mean + rise * self.correlation * side * slant)
        for size, side, place, kind in elements[0]:
            for other, other_side, other_place, other_kind in elements[1]:
                sign = side * other_side * self.sign
                products = hinge_products(kind, other_kind, place, other_place, sign, self.gap)
                total = total + size * other * products
        return np.asarray(total)

    def _at_kinks(self) -> Array:
        """E sigma''(u) sigma(v) without narrow ramps of u: v has a normal law where u is at a knot."""
        total, width = np.zeros_like(self.gap), np.sqrt(np.maximum(self.gap * (2.0 - self.gap), 0.0))
        u, v = self.u, self.v
        spread = v.scale * width
        for i in range(u.x.shape[1]):
            x = u.distance[:, i] / u.scale
            moved = v.distance - (self.correlation * v.scale * np.clip(x, -FAR, FAR))[:, None]
            given = Standard(v.pieces, np.maximum(spread, TINY_SCALE), moved).moments(spread)[0][0]
            total = total + u.kinks[:, i] / u.scale * density(x) * given
        return total

    def _compact(self, weighting: int, order: int, other: int) -> Array:
        """E w(X) d^order E[sigma(v) | Y] of the narrow ramps w of u; derivatives are those in Y."""
        u, v, found = self.u, self.v, np.zeros_like(self.gap)
        outer = np.array([v.pieces.first, v.pieces.last]) * v.scale[:, None]
        _compact(
            (weighting, order, other),
            (u.x, u.deltas, u.narrow, u.pieces.rises),
            (v.distance / v.scale[:, None], v.deltas, v.narrow, v.pieces.rises, v.pieces.values, outer),
            (self.sign, self.gap),
            found,
        )
        return found


_FEW, _MANY = (np.stack(np.polynomial.legendre.leggauss(count)) for count in (FEW, MANY))
_STEPS = np.stack(STEPS)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _squares(
    x: Array, free: Array, deltas: Array, slopes: Array, values: Array, points: Array, weights: Array, found: Array
) -> None:
    """Fill found with the sums over the pieces of ∫ sigma^2 n; free are the places without bounds."""
    count = x.shape[1]
    for n in range(found.size):
        total = 0.0
        for p in range(count + 1):
            low, high = -FAR if p == 0 else x[n, p - 1], FAR if p == count else x[n, p]
            if not high > low:
                continue
            if 0 < p < count and deltas[n, p - 1] < NARROW:
                part = 0.0
                for g in range(points.size):
                    share = 0.5 * (points[g] + 1.0)
                    level = values[p - 1] * (1.0 - share) + values[p] * share
                    part += 0.5 * weights[g] * level * level * dense(low + deltas[n, p - 1] * share)
                total += deltas[n, p - 1] * part
                continue
            knot = max(p - 1, 0)
            if 0 < p < count and abs(free[n, p]) < abs(free[n, knot]):
                knot = p
            rise = slopes[n, p]
            line = values[knot] - rise * free[n, knot]
            mass = tail(low) - tail(high) if low > 0.0 else tail(-high) - tail(-low)
            first = dense(low) - dense(high)
            second = mass + low * dense(low) - high * dense(high)
            total += max(line * line * mass + 2.0 * line * rise * first + rise * rise * second, 0.0)
        found[n] = total


@numba.njit(**INNER, error_model="numpy")
def _given(
    order: int,
    other: int,
    d: Array,
    deltas: Array,
    narrow: Array,
    rises: Array,
    values: Array,
    outer: Array,
    spread: float,
) -> float:
    """E of a unit (order 0) or of its derivative (1) under the normal law of this spread, d the knots from its mean."""
    count = d.size
    below = 0
    for m in range(count):
        if d[m] < 0.0:
            below += 1
    near, upper = max(below - 1, 0), min(below, count - 1)
    if abs(d[upper]) < abs(d[near]):
        near = upper
    total, slope, before = 0.0, 0.0, outer[0]
    if below == 0:
        slope = outer[0]
    for m in range(count):
        after = outer[1] if m == count - 1 else 0.0
        if m < count - 1:
            stepped = narrow[m] and other != WHOLE
            side = -1.0 if d[m] + d[m + 1] < 0.0 else 1.0
            if stepped:
                if other == STEPPED:
                    total += side * rises[m] * tail(side * (d[m] + 0.5 * deltas[m]) / spread)
            elif deltas[m] < NARROW * spread:
                part = 0.0
                for g in range(_STEPS.shape[1]):
                    z = (d[m] + 0.5 * (_STEPS[0, g] + 1.0) * deltas[m]) / spread
                    part += 0.5 * _STEPS[1, g] * (side * tail(side * z) if order == 0 else dense(z) / spread)
                total += rises[m] * part
            else:
                after = rises[m] / deltas[m]
        kink, z = after - before, abs(d[m]) / spread
        if kink != 0.0:
            if order == 0:
                total += kink * (spread * dense(z) - abs(d[m]) * tail(z))
            else:
                total += kink * (-1.0 if d[m] < 0.0 else 1.0) * tail(z)
        before = after
        if m == below - 1:
            slope = after
    return total + (values[near] - slope * d[near] if order == 0 else slope)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _compact(
    kind: tuple[int, int, int],
    ramps: tuple[Array, Array, Array, Array],
    others: tuple[Array, Array, Array, Array, Array, Array],
    relation: tuple[Array, Array],
    found: Array,
) -> None:
    """Add to found the integrals of narrow ramps against the conditional expectations of the other unit."""
    weighting, order, other = kind
    x, deltas, narrow, rises = ramps
    y, y_deltas, y_narrow, y_rises, values, outer = others
    sign, gap = relation
    count = y.shape[1]
    base, d = np.empty(count), np.empty(count)
    edges = np.empty(3 + LAYERS.size * (2 * count - 1))
    for n in range(found.size):
        rho = sign[n] * (1.0 - gap[n])
        spread = max(math.sqrt(max(gap[n] * (2.0 - gap[n]), 0.0)), 1e-290)
        for p in range(rises.size):
            delta, low = deltas[n, p], x[n, p]
            if not narrow[n, p] or rises[p] == 0.0 or abs(low) >= FAR - 1.0:
                continue
            edges[0], edges[1], size = 0.0, delta, 2
            if weighting == REMAINDER:
                edges[2], size = 0.5 * delta, 3
            for m in range(count):
                base[m] = (y[n, m] - sign[n] * low) + sign[n] * gap[n] * low
                for half in range(2 if m < count - 1 and y_narrow[n, m] else 1):
                    for layer in LAYERS:
                        place = base[m] + half * 0.5 * y_deltas[n, m] if half else base[m]
                        edge = (place + layer * spread) / rho if abs(rho) > 1e-3 else -1.0
                        if 0.0 < edge < delta:
                            edges[size] = edge
                            size += 1
            edges[:size].sort()
            total = 0.0
            for e in range(size - 1):
                length = edges[e + 1] - edges[e]
                if not length > 0.0:
                    continue
                rule = _FEW if length < 0.5 * spread else _MANY
                for g in range(rule.shape[1]):
                    r = edges[e] + 0.5 * length * (rule[0, g] + 1.0)
                    for m in range(count):
                        d[m] = base[m] - rho * r
                    given = _given(order, other, d, y_deltas[n], y_narrow[n], y_rises, values, outer[n], spread)
                    weight = 0.5 * length * rule[1, g] * dense(low + r) * given
                    if weighting == REMAINDER:
                        weight *= r / delta - (1.0 if 2.0 * r > delta else 0.0)
                    else:
                        weight /= delta
                        if weighting == TILTED:
                            weight *= low + r
                    total += weight
            found[n] += rises[p] * total
