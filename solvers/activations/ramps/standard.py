"""One unit at scales and offsets, in units of the deviation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...arrays import Array
from ..activation import TINY_SCALE
from ..hinges import FAR, density
from ..kernels import piecewise_linear_moments
from ..pieces import Pieces
from .kernels import NARROW, STEPS, squares

SHARES = np.stack([0.5 * (STEPS[0] + 1.0), 0.5 * STEPS[1]])
"""The rule over the steps of a ramp on [0, 1]: shares and weights."""


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
        squares(self.x, self.distance / self.scale[:, None], self.deltas, slopes, pieces.values, *STEPS, found)
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
