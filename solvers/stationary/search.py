"""All critical points of a function on a box of one or two coordinates, from its gradient; a search in more.

The gradient is interpolated by Chebyshev polynomials on cells. A cell is *settled* when the coefficients leave no
zero in it (|c_0| > sum of the others, possibly after multiplication by the inverse Jacobian at its centre), or at most
one (that product is diagonally dominant all over the cell), which Newton's method then finds or refutes; otherwise
the cell is halved. This is interval Newton (Moore; Krawczyk) with the range of a polynomial bounded by its Chebyshev
coefficients: complete up to the error of the interpolation, measured by the coefficients of highest degree. Cells on
which the gradient is zero to rounding are *flat*; cells left at the least size are *unsettled*; both are reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from ..arrays import Array

Gradient = Callable[[Array], Array]
"""points (n, D) -> gradient (n, D)."""
DEGREE = {1: 16, 2: 8}
TAIL = 3
"""Coefficients at the end of each axis whose sum stands for the interpolation error."""
SMALLEST = 2.0**-17
"""Least cell over the box."""
FADING = 100.0
"""Multiple of the rounding under which small cells count as flat: the gradient fades out there."""
MOST_CELLS = 12_000
SMALL = 2.0**-8
"""Cell over the box that may count as fading, or be settled by samples at a cone."""
ROUNDING = 1e-13
"""Size of the gradient's rounding over its largest value."""
NEWTON = 40
STARTS = 256


@dataclass(frozen=True)
class Search:
    """What a search of a box found.

    Attributes:
        points: zeros of the gradient, shape (n, D).
        complete: whether every cell was settled or is flat.
        flat: bounds of the cells where the gradient is 0 to rounding, shape (k, 2, D).
        unsettled: bounds of the cells about which nothing is known, shape (k, 2, D).
        cells: number of cells looked at; 0 for a search by starts.
    """

    points: Array
    complete: bool
    flat: Array
    unsettled: Array
    cells: int


def critical_points(gradient: Gradient, lower: Array, upper: Array, even: Array, floor: float = 0.0) -> Search:
    """Zeros of a gradient in the box lower <= z <= upper; those on a face z_j = 0 of an even coordinate not included.

    Args:
        gradient: of a function that is even in the coordinates marked in `even`, smooth away from the origin.
        even: booleans, shape (D,); the j-th component of the gradient is divided by z_j there.
        floor: size that rounding is measured against where the gradient is smaller all over the box.
    """
    if lower.size > 2:
        return _by_starts(gradient, lower, upper, even)
    return _CellSearch(gradient, lower, upper, even, floor).search()


class _CellSearch:
    """One search, by cells that are halved where they settle nothing."""

    def __init__(self, gradient: Gradient, lower: Array, upper: Array, even: Array, floor: float) -> None:
        self.gradient, self.even = gradient, np.asarray(even, dtype=bool)
        self.lower, self.upper = lower, upper
        self.dimension = lower.size
        count = DEGREE[self.dimension] + 1
        angles = np.pi * (np.arange(count) + 0.5) / count
        self.nodes = np.cos(angles)
        # values at the nodes -> coefficients
        self.transform = 2.0 / count * np.cos(np.outer(np.arange(count), angles))
        self.transform[0] *= 0.5
        # |T_k'| <= k^2, and the coefficients of the derivative
        self.derivative = np.column_stack([np.append(chebyshev.chebder(row), [0.0]) for row in np.eye(count)])
        self.scale = floor

    def search(self) -> Search:
        """Settle every cell."""
        pending = self._first_cells()
        points: list[Array] = []
        flat: list[Array] = []
        unsettled: list[Array] = []
        looked = 0
        while len(pending):
            looked += len(pending)
            coefficients, largest, settled = self._coefficients(pending)
            noise = ROUNDING * self.scale
            still = largest <= np.where(self._small(pending, SMALL), FADING * noise, noise)
            flat += list(pending[still])
            settled |= still
            for index in np.flatnonzero(~settled):
                found = self._settle(pending[index], coefficients[index], noise)
                if found is not None:
                    settled[index] = True
                    points += found
            rest = pending[~settled]
            small = self._small(rest, SMALLEST)
            unsettled += list(rest[small])
            rest = rest[~small]
            if looked + 2 * len(rest) > MOST_CELLS:
                unsettled += list(rest)
                break
            pending = self._halved(rest)
        shape = (-1, 2, self.dimension)
        for cell in unsettled[:STARTS]:
            points += self._newton(0.5 * (cell[0] + cell[1]))[0]
        distinct = _distinct(points, self.upper - self.lower, self.dimension)
        return Search(distinct, not unsettled, np.reshape(flat, shape), np.reshape(unsettled, shape), looked)

    def _first_cells(self) -> Array:
        sides = []
        for low, high, even in zip(self.lower, self.upper, self.even, strict=True):
            # graded towards the origin, where the landscape changes on the scale of the radius itself
            edges = np.append(0.0, 2.0 ** np.arange(-6.0, 1.0)) * high if even else np.linspace(low, high, 17)
            sides.append(list(pairwise(edges.tolist())))
        corners = [(a,) for a in sides[0]] if len(sides) == 1 else [(a, b) for a in sides[0] for b in sides[1]]
        return np.array(corners).transpose(0, 2, 1)

    def _halved(self, cells: Array) -> Array:
        """Each cell cut across its longest side."""
        if not len(cells):
            return cells
        rows = np.arange(len(cells))
        axis = np.argmax((cells[:, 1] - cells[:, 0]) / (self.upper - self.lower), axis=1)
        middle = 0.5 * (cells[rows, 0, axis] + cells[rows, 1, axis])
        left, right = cells.copy(), cells.copy()
        left[rows, 1, axis] = middle
        right[rows, 0, axis] = middle
        return np.concatenate([left, right])

    def _function(self, points: Array) -> Array:
        """The gradient with the zeros on the faces of even coordinates divided out."""
        return self.gradient(points) / np.where(self.even, points, 1.0)

    def _coefficients(self, cells: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Chebyshev coefficients (n, D, q, ...) per cell, the gradient's largest value, and `_cone`."""
        count = self.nodes.size
        centre, half = 0.5 * (cells[:, 0] + cells[:, 1]), 0.5 * (cells[:, 1] - cells[:, 0])
        grid = np.stack([g.ravel() for g in np.meshgrid(*[self.nodes] * self.dimension, indexing="ij")], axis=1)
        points = (centre[:, None] + half[:, None] * grid).reshape(-1, self.dimension)
        gradient = self.gradient(points)
        self.scale = max(self.scale, float(np.max(np.abs(gradient))))
        divisor = np.where(self.even, points, 1.0)
        values = (gradient / divisor).reshape(len(cells), -1, self.dimension)
        shaped = values.transpose(0, 2, 1).reshape(len(cells), self.dimension, *[count] * self.dimension)
        for axis in range(self.dimension):
            moved = np.moveaxis(shaped, 2 + axis, -1) @ self.transform.T
            shaped = np.moveaxis(moved, -1, 2 + axis)
        size = np.abs(gradient).reshape(len(cells), -1)
        return shaped, size.max(axis=1), self._cone(cells, points, gradient)

    def _cone(self, cells: Array, points: Array, gradient: Array) -> NDArray[np.bool_]:
        """Whether the gradient stays away from 0 all over a small cell at a corner where the origin sits.

        A cone at the origin is smooth along rays only, so that no polynomial settles the cell: samples of the whole
        gradient do, or of one component in units of z_j / |z|.
        """
        if not self.even.any():
            return np.zeros(len(cells), dtype=bool)
        reach = np.linalg.norm(np.where(self.even, points, 0.0), axis=1)
        components = np.where(self.even, gradient * reach[:, None] / np.where(self.even, points, 1.0), 0.0)
        sizes = np.column_stack([np.linalg.norm(np.where(self.even, gradient, 0.0), axis=1), components])
        sizes = np.abs(sizes).reshape(len(cells), -1, sizes.shape[1])
        plain = (sizes.min(axis=1) > 0.1 * sizes.max(axis=1)).any(axis=1)
        corner = (np.where(self.even, cells[:, 0], 0.0) == 0.0).all(axis=1)
        return np.asarray(corner & plain & self._small(cells, SMALL))

    def _small(self, cells: Array, share: float) -> NDArray[np.bool_]:
        return np.asarray((cells[:, 1] - cells[:, 0] <= share * (self.upper - self.lower)).all(axis=1))

    def _settle(self, cell: Array, coefficients: Array, noise: float) -> list[Array] | None:
        """The zeros in a cell, None where it has to be halved."""
        flat = coefficients.reshape(self.dimension, -1)
        divisor = np.where(self.even, np.maximum(cell[0], 0.02 * (cell[1] - cell[0])), 1.0)
        error = self._tail(coefficients) + noise / divisor
        rest = np.abs(flat[:, 1:]).sum(axis=1) + error
        if (np.abs(flat[:, 0]) > rest).any():
            return []
        jacobian = self._jacobian(coefficients)
        centre = jacobian[:, :, 0]
        if not (abs(np.linalg.det(centre)) > 1e-14 * np.max(np.abs(centre), initial=1e-300) ** self.dimension):
            return None
        inverse = np.linalg.inv(centre)
        straightened = inverse @ flat
        spread = np.abs(inverse) @ error
        if (np.abs(straightened[:, 0]) > np.abs(straightened[:, 1:]).sum(axis=1) + spread).any():
            return []
        # |I - A J| over the cell, the slope of the tail bounded by degree^2 times it
        product = np.einsum("ab,bck->ack", inverse, jacobian)
        variation = np.abs(product[:, :, 1:]).sum(axis=2) + DEGREE[self.dimension] ** 2 * spread[:, None]
        if not (variation.sum(axis=1) < 1.0).all():
            return None
        zero, lost = self._newton(0.5 * (cell[0] + cell[1]))
        if lost and not self._small(cell[None], SMALLEST)[0]:
            return None
        slack = 1e-9 * (self.upper - self.lower)
        return [z for z in zero if (z >= cell[0] - slack).all() and (z <= cell[1] + slack).all()]

    def _tail(self, coefficients: Array) -> Array:
        """Sum of the coefficients of highest degree along any axis, per component."""
        total = np.zeros(self.dimension)
        for axis in range(self.dimension):
            ends = np.moveaxis(coefficients, 1 + axis, -1)[..., -TAIL:]
            total += np.abs(ends).reshape(self.dimension, -1).sum(axis=1)
        return total

    def _jacobian(self, coefficients: Array) -> Array:
        """Chebyshev coefficients of the Jacobian on the reference cell, shape (D, D, q^D)."""
        parts = []
        for axis in range(self.dimension):
            moved = np.moveaxis(coefficients, 1 + axis, -1) @ self.derivative.T
            parts.append(np.moveaxis(moved, -1, 1 + axis).reshape(self.dimension, -1))
        return np.stack(parts, axis=1)

    def _newton(self, start: Array) -> tuple[list[Array], bool]:
        return newton(self._function, start, self.lower, self.upper)


def newton(function: Gradient, start: Array, lower: Array, upper: Array) -> tuple[list[Array], bool]:
    """The zero inside the box, if any, that Newton's method with a difference Jacobian reaches from `start`.

    Returns:
        The zero or nothing, and whether the method was lost, so that nothing follows from its having found none.
    """
    point, step = start.copy(), np.full(start.size, np.inf)
    width = upper - lower
    for _ in range(NEWTON):
        # relative next to the bound of a radius, where the landscape changes on the scale of the radius itself
        size = np.where(lower == 0.0, np.abs(point), np.maximum(np.abs(point), 1e-3 * width))
        reach = 1e-5 * np.where(size > 0.0, size, width)
        shifts = reach[:, None] * np.eye(point.size)
        values = function(np.concatenate([point[None], point + shifts, point - shifts]))
        count = point.size
        jacobian = ((values[1 : count + 1] - values[count + 1 :]) / (2.0 * reach[:, None])).T
        try:
            move = np.linalg.solve(jacobian, -values[0])
        except np.linalg.LinAlgError:
            return [], True
        largest = np.max(np.abs(move) / width)
        if not (largest < np.inf):
            return [], True
        move *= min(1.0, 0.05 / max(largest, 1e-300))
        following = np.where(lower == 0.0, np.maximum(point + move, 0.5 * point), point + move)
        step, point = following - point, following
        if not (np.all(point >= lower - 0.1 * width) and np.all(point <= upper + 0.1 * width)):
            return [], False
        if np.max(np.abs(step) / width) < 1e-15:
            break
    if not (np.max(np.abs(step) / width) < 1e-9):
        return [], True
    inside = np.all(point >= lower) and np.all(point <= upper)
    return ([point] if inside else []), False


def _distinct(points: list[Array], width: Array, dimension: int) -> Array:
    """The points without those that repeat another, coordinates that are 0 to rounding made 0."""
    kept: list[Array] = []
    for place in points:
        point = np.where(np.abs(place) < 1e-12 * width, 0.0, place)
        if all(np.max(np.abs(point - other) / width) > 1e-7 for other in kept):
            kept.append(point)
    return np.array(kept).reshape(-1, dimension)


def _by_starts(gradient: Gradient, lower: Array, upper: Array, even: Array) -> Search:
    """Newton's method from Sobol points: nothing is known of what it misses."""

    from scipy.stats import qmc

    def function(points: Array) -> Array:
        return gradient(points) / np.where(even, points, 1.0)

    starts = qmc.scale(qmc.Sobol(lower.size, seed=0).random(STARTS), lower, upper)
    points = [zero for start in starts for zero in newton(function, start, lower, upper)[0]]
    empty = np.empty((0, 2, lower.size))
    return Search(_distinct(points, upper - lower, lower.size), False, empty, empty, 0)
