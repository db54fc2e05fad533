"""Families of zeros of a gradient: curves on which it vanishes, followed along its null direction.

From a zero whose Jacobian has one null direction a step along it is brought back onto zeros by Newton's method in the
least norm. A zero that is alone, however flat around it, is not left that way. Where there are several null directions
the zeros found by a search stand for what they span.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from .search import Gradient, Search

FLAT = 1e-6
"""Singular value of the Jacobian over the largest below which a direction is null."""
REACH = 1e-5
"""Half-width of the differences of the gradient over the box."""
STEP, SHORTEST = 0.02, 1e-4
"""Steps along a family over the box, and the shortest next to its end."""
ASIDE = 0.1
"""How far beside the tangents of a family, over a step, a zero may lie that belongs to it."""
CORRECTIONS, EXACT = 6, 1e-10
"""Newton's steps back onto a family, and the last one over the box."""
MOST = 2000


@dataclass(frozen=True)
class Family:
    """Zeros that are not alone.

    Attributes:
        dimension: of the family.
        points: along a curve in order, shape (n, D); those that a search found where there are more dimensions.
        tangents: unit vectors along a curve at its points, a null direction elsewhere, shape (n, D).
        width: of the box, shape (D,).
    """

    dimension: int
    points: Array
    tangents: Array
    width: Array

    @property
    def middle(self) -> int:
        """The point that stands for the others."""
        return len(self.points) // 2

    def joined(self, other: Family) -> Family:
        """Both, of which more is not known than that they have one dimension."""
        points = np.concatenate([self.points, other.points])
        return Family(self.dimension, points, np.concatenate([self.tangents, other.tangents]), self.width)

    def embedded(self, kept: Array, width: Array) -> Family:
        """The same in all coordinates of the box, 0 but for those `kept`."""
        points, tangents = (np.zeros((len(self.points), width.size)) for _ in range(2))
        points[:, kept], tangents[:, kept] = self.points, self.tangents
        return Family(self.dimension, points, tangents, width)

    def holds(self, places: Array, slack: float = 0.0) -> NDArray[np.bool_]:
        """Which places, shape (k, D), lie on the curve, or within `slack` of it: booleans, shape (k,)."""
        if self.dimension > 1:
            return np.array([np.abs((self.points - place) / self.width).max(axis=1).min() < 1e-7 for place in places])
        apart = (places[:, None] - self.points) / self.width
        scaled = self.tangents / self.width
        along = np.einsum("knd,nd->kn", apart, scaled / np.linalg.norm(scaled, axis=1)[:, None])
        aside = np.sqrt(np.maximum((apart**2).sum(axis=2) - along**2, 0.0))
        return np.asarray(((np.abs(along) <= STEP + slack) & (aside <= ASIDE * STEP + slack)).any(axis=1))


def family_of(gradient: Gradient, zero: Array, lower: Array, upper: Array) -> Family | None:
    """The family of zeros in the box through one of them; None where it is alone."""
    line = _Line(gradient, lower, upper)
    null = line.null(zero)
    if not len(null) or not any(line.step(zero, sign * null[0], STEP) is not None for sign in (1.0, -1.0)):
        return None
    if len(null) > 1:
        return Family(len(null), zero[None], null[:1], line.width)
    ahead = line.walk(zero, null[0])
    closed = len(ahead) == MOST or (len(ahead) > 2 and line.near(ahead[-1][0], zero))
    behind = [] if closed else line.walk(zero, -null[0])
    points = [*(place for place, _ in reversed(behind)), zero, *(place for place, _ in ahead)]
    tangents = [*(-tangent for _, tangent in reversed(behind)), null[0], *(tangent for _, tangent in ahead)]
    return Family(1, np.array(points), np.array(tangents), line.width)


def gathered(search: Search, gradient: Gradient, lower: Array, upper: Array) -> tuple[list[Family], Search]:
    """The families among the zeros of a search, and the search without them and without the cells they run through."""
    families: list[Family] = []
    alone: list[Array] = []
    for point in search.points:
        if any(family.holds(point[None])[0] for family in families):
            continue
        family = family_of(gradient, point, lower, upper)
        if family is None:
            alone.append(point)
        elif family.dimension > 1 and families and families[-1].dimension == family.dimension:
            families[-1] = families[-1].joined(family)
        else:
            families.append(family)
    middles = 0.5 * (search.unsettled[:, 0] + search.unsettled[:, 1])
    slack = float(np.max((search.unsettled[:, 1] - search.unsettled[:, 0]) / (upper - lower), initial=0.0))
    left = np.ones(len(middles), dtype=bool)
    for family in families:
        if len(middles):
            left &= ~family.holds(middles, slack)
    unsettled = search.unsettled[left]
    complete = search.complete or (search.cells > 0 and not len(unsettled))
    points = np.reshape(alone, (-1, lower.size))
    return families, replace(search, points=points, unsettled=unsettled, complete=complete)


@dataclass(frozen=True)
class _Line:
    gradient: Gradient
    lower: Array
    upper: Array

    @property
    def width(self) -> Array:
        return self.upper - self.lower

    def null(self, place: Array) -> Array:
        """Unit null directions of the Jacobian, shape (k, D)."""
        _, values, directions = np.linalg.svd(self._jacobian(place)[1])
        return np.asarray(directions[values <= FLAT * max(float(values[0]), np.finfo(float).tiny)])

    def near(self, place: Array, other: Array) -> bool:
        """Whether two places are within a step."""
        return bool(np.linalg.norm((place - other) / self.width) < STEP)

    def walk(self, zero: Array, direction: Array) -> list[tuple[Array, Array]]:
        """Zeros and tangents along a direction, to the box or to where the curve closes."""
        found: list[tuple[Array, Array]] = []
        place, length = zero, STEP
        while len(found) < MOST and length >= SHORTEST:
            reached = self.step(place, direction, length)
            if reached is None:
                length *= 0.5
                continue
            null = self.null(reached)
            if len(null) != 1:
                break
            direction = null[0] * np.sign(null[0] @ direction)
            place = reached
            found.append((place, direction))
            if len(found) > 2 and self.near(place, zero):
                break
        return found

    def step(self, place: Array, direction: Array, length: float) -> Array | None:
        """The zero a step away; None where there is none within half of it, or it is outside the box."""
        aim = place + length * direction / np.linalg.norm(direction / self.width)
        point = aim
        for _ in range(CORRECTIONS):
            if not ((point >= self.lower).all() and (point <= self.upper).all()):
                return None
            value, jacobian = self._jacobian(point)
            move = -np.linalg.pinv(jacobian, rcond=FLAT) @ value
            point = point + move
            if not (np.max(np.abs(point - aim) / self.width) <= 0.5 * length):
                return None
            if np.max(np.abs(move) / self.width) < EXACT:
                inside = (point >= self.lower).all() and (point <= self.upper).all()
                return np.asarray(point) if inside else None
        return None

    def _jacobian(self, place: Array) -> tuple[Array, Array]:
        """The gradient and its Jacobian by central differences, shorter ones next to where a radius vanishes."""
        reach = np.where(self.lower == 0.0, np.minimum(REACH * self.width, 0.5 * place), REACH * self.width)
        reach = np.maximum(reach, 1e-12 * self.width)
        values = self.gradient(np.concatenate([place[None], place + np.diag(reach), place - np.diag(reach)]))
        count = place.size
        return values[0], ((values[1 : count + 1] - values[count + 1 :]) / (2.0 * reach[:, None])).T
