"""A proven lower bound of a function on a box, by branch and bound on bounded second derivatives.

With d_jj psi <= C_j on a cell with edges h_j, psi lies above its multilinear interpolant by no less than minus the
interpolation error, one axis after the other, and |d_j psi| <= S_j limits how far it can fall below any value:

    min_cell psi >= max( min_corners psi - sum_j h_j^2 max(C_j, 0) / 8,   max_corners psi - sum_j h_j S_j ).

Cells whose bound lies under the wanted level are halved along the axis that costs most. What is left when the
evaluations are spent still bounds the minimum: the bound is then valid but not tight.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array

FIRST_CELLS = {1: 64, 2: 16, 3: 6}
CHUNK = 8192


class Curvature(Protocol):
    """Bounds, on cells [lower, upper] of shape (n, D), that hold at every point of each cell."""

    def second_derivatives(self, lower: Array, upper: Array) -> Array:
        """Upper bounds of d_jj psi, shape (n, D); np.inf where there is none."""

    def slopes(self, lower: Array, upper: Array) -> Array:
        """Upper bounds of |d_j psi|, shape (n, D); np.inf where there is none."""


@dataclass(frozen=True)
class GlobalBound:
    """What is known of the minimum of psi on a box.

    Attributes:
        lower: min psi is at least this, up to the rounding of the values.
        point: where the least value was met, shape (D,).
        value: that value.
        evaluations: number of values taken.
        tight: whether `lower` came within the accuracy asked for of the least value.
    """

    lower: float
    point: Array
    value: float
    evaluations: int
    tight: bool


def global_lower_bound(
    psi: Callable[[Array], Array],
    curvature: Curvature,
    lower: Array,
    upper: Array,
    known: float,
    accuracy: float,
    most_evaluations: int = 2_000_000,
) -> GlobalBound:
    """Bound min psi on the box [lower, upper] from below, to `accuracy` below the least value where it can.

    Args:
        psi: values at points (n, D), shape (n,).
        curvature: derivative bounds of psi.
        known: a value that psi takes on the box.
        accuracy: how far under the least value a cell may be left.
        most_evaluations: where to stop.
    """
    cells = _Boxes.grid(psi, lower, upper, FIRST_CELLS.get(len(lower), 3))
    settled, least = np.inf, known
    point, evaluations = lower, cells.values.size
    while True:
        lowest = int(np.argmin(cells.values.min(axis=1)))
        if cells.values[lowest].min() < least:
            least = float(cells.values[lowest].min())
            point = cells.corner(lowest, int(np.argmin(cells.values[lowest])))
        bounds, axes = cells.bounds(curvature)
        # a NaN stays open
        open_ = ~(bounds >= least - accuracy)
        settled = min(settled, float(np.min(bounds[~open_], initial=np.inf)))
        wanted = int(open_.sum()) * cells.values.shape[1] // 2
        if wanted == 0 or evaluations + wanted > most_evaluations:
            break
        cells = cells.halved(psi, open_, axes)
        evaluations += wanted
    left = float(np.min(bounds[open_], initial=np.inf))
    found = min(settled, left, least)
    return GlobalBound(found, point, least, evaluations, found >= least - accuracy)


@dataclass(frozen=True)
class _Boxes:
    """n boxes with the values of psi at their corners.

    Attributes:
        lower, upper: shape (n, D).
        values: shape (n, 2^D), corner c at the upper end of axis j where bit j of c is set.
    """

    lower: Array
    upper: Array
    values: Array

    @classmethod
    def grid(cls, psi: Callable[[Array], Array], lower: Array, upper: Array, count: int) -> _Boxes:
        edges = [np.linspace(low, high, count + 1) for low, high in zip(lower, upper, strict=True)]
        index = np.array(list(itertools.product(range(count), repeat=len(lower))))
        low = np.stack([axis[index[:, j]] for j, axis in enumerate(edges)], axis=1)
        high = np.stack([axis[index[:, j] + 1] for j, axis in enumerate(edges)], axis=1)
        empty = cls(low, high, np.empty((len(low), 2 ** len(lower))))
        corners = [_chunked(psi, empty._corners(c)) for c in range(empty.values.shape[1])]
        return cls(low, high, np.stack(corners, axis=1))

    def _corners(self, c: int) -> Array:
        bits = (c >> np.arange(self.lower.shape[1])) & 1
        return np.where(bits == 1, self.upper, self.lower)

    def corner(self, cell: int, c: int) -> Array:
        """One corner, shape (D,)."""
        return np.asarray(self._corners(c)[cell])

    def bounds(self, curvature: Curvature) -> tuple[Array, NDArray[np.int64]]:
        """Lower bounds of psi on each cell, and the axis along which to halve it."""
        width = self.upper - self.lower
        sag = width**2 * np.maximum(curvature.second_derivatives(self.lower, self.upper), 0.0) / 8.0
        fall = width * curvature.slopes(self.lower, self.upper)
        bounds = np.maximum(self.values.min(axis=1) - sag.sum(axis=1), self.values.max(axis=1) - fall.sum(axis=1))
        cost = np.where(np.isinf(sag).any(axis=1, keepdims=True), np.minimum(fall, width * 1e300), sag)
        return bounds, np.argmax(cost, axis=1).astype(np.int64)

    def halved(self, psi: Callable[[Array], Array], chosen: NDArray[np.bool_], axes: NDArray[np.int64]) -> _Boxes:
        """The chosen cells in two halves each."""
        low, high, values, axis = self.lower[chosen], self.upper[chosen], self.values[chosen], axes[chosen]
        rows = np.arange(len(low))
        middle = 0.5 * (low[rows, axis] + high[rows, axis])
        left_high, right_low = high.copy(), low.copy()
        left_high[rows, axis] = middle
        right_low[rows, axis] = middle
        left, right = values.copy(), values.copy()
        bit = 1 << axis
        for c in range(values.shape[1]):
            below = np.asarray(np.equal(c & bit, 0))
            if not below.any():
                continue
            # corner c on the lower face and its mirror on the upper face share one new value
            bits = (c >> np.arange(low.shape[1])) & 1
            points = np.where(bits == 1, high, low)[below]
            points[np.arange(len(points)), axis[below]] = middle[below]
            new = _chunked(psi, points)
            left[rows[below], (c | bit)[below]] = new
            right[rows[below], c] = new
        return _Boxes(
            np.concatenate([low, right_low]), np.concatenate([left_high, high]), np.concatenate([left, right])
        )


def _chunked(psi: Callable[[Array], Array], points: Array) -> Array:
    return np.concatenate([psi(part) for part in np.array_split(points, len(points) // CHUNK + 1)])
