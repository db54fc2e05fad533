"""What is added to the potential of neurons whatever the data: a ridge by coordinate, and penalties of coefficients.

    V(z) = sum_i lambda_i z_i^2 / 2 + (strength / p) |a|^p + path |a| |w|,        F = 2 L + 2 ∫V drho + ...

Where neurons have no coefficient their mass stands for |a| |w|, and V is the constant `path`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Array
from ..space.geometry import Geometry


@dataclass(frozen=True)
class Ridge:
    """lambda of w, a and b."""

    w: float = 0.0
    a: float = 0.0
    b: float = 0.0

    @property
    def largest(self) -> float:
        """The largest of them."""
        return max(self.w, self.a, self.b)


@dataclass(frozen=True)
class Penalty:
    """What coefficients cost besides a ridge.

    Attributes:
        power: p > 1.
        strength: >= 0: F += (2 strength / p) ∫|a|^p drho.
        path: >= 0: F += 2 path ∫|a| |w| drho.

    Raises:
        ValueError: numbers out of these ranges.
    """

    power: float = 2.0
    strength: float = 0.0
    path: float = 0.0

    def __post_init__(self) -> None:
        if not (1.0 < self.power < math.inf and 0.0 <= self.strength < math.inf and 0.0 <= self.path < math.inf):
            raise ValueError(f"a penalty needs power > 1, strength >= 0 and path >= 0, not {self}")

    @property
    def acts(self) -> bool:
        """Whether there is one."""
        return self.strength > 0.0 or self.path > 0.0


NO_PENALTY = Penalty()


@dataclass(frozen=True)
class Confinement:
    """V on the reduced coordinates.

    Attributes:
        ridge: lambda_i, shape (D,).
        head: the coordinate a, None where there is none.
        own: how many coordinates, the first ones, are those of w.
        penalty: of a.
        lengths: whether they are lengths, which stop at 0.
    """

    ridge: tuple[float, ...]
    head: int | None = None
    own: int = 0
    penalty: Penalty = NO_PENALTY
    lengths: bool = False

    @classmethod
    def even(cls, ridge: float, dimension: int) -> Confinement:
        """V = ridge |z|^2 / 2."""
        return cls((ridge,) * dimension)

    @property
    def acts(self) -> bool:
        """Whether V is not 0."""
        return self.penalty.acts or any(self.ridge)

    def value(self, points: Array) -> Array:
        """V at points (n, D), shape (n,)."""
        found = 0.5 * (points**2 @ np.array(self.ridge))
        penalty = self.penalty
        if not penalty.acts:
            return np.asarray(found)
        if self.head is None:
            return np.asarray(found + penalty.path)
        size = np.abs(points[:, self.head])
        return np.asarray(found + penalty.strength / penalty.power * size**penalty.power + self._path(points, size))

    def gradient(self, points: Array) -> Array:
        """grad V at points (n, D), of their shape, one-sided where a length is 0."""
        found = points * np.array(self.ridge)
        penalty = self.penalty
        if not penalty.acts or self.head is None:
            return np.asarray(found)
        head = points[:, self.head]
        size, sign = np.abs(head), np.sign(head)
        found[:, self.head] += sign * (
            penalty.strength * size ** (penalty.power - 1.0) + penalty.path * self._length(points)
        )
        if penalty.path > 0.0:
            length = self._length(points)[:, None]
            # a length r >= 0 of all of w has a slope at 0
            ahead = np.full((1, self.own), float(self.own == 1))
            along = np.where(length > 0.0, points[:, : self.own] / np.where(length > 0.0, length, 1.0), ahead)
            found[:, : self.own] += penalty.path * size[:, None] * along
        return np.asarray(found)

    def kinked(self, before: Array, after: Array) -> bool:
        """Whether a path penalty has neurons at a = 0 or w = 0 on their way, where it has a kink that may hold them."""
        if not (self.penalty.path > 0.0 and self.head is not None):
            return False
        turned = (before[:, : self.own] * after[:, : self.own]).sum(axis=1) < 0.0
        turned &= not self.lengths
        return bool((turned | (before[:, self.head] * after[:, self.head] < 0.0)).any())

    def hessian(self, point: Array) -> Array:
        """Hess V at one point (D,), shape (D, D), where V is smooth there."""
        found = np.diag(self.ridge)
        penalty = self.penalty
        if not penalty.acts or self.head is None:
            return found
        size, sign = abs(float(point[self.head])), float(np.sign(point[self.head]))
        if penalty.strength > 0.0:
            found[self.head, self.head] += penalty.strength * (penalty.power - 1.0) * size ** (penalty.power - 2.0)
        if penalty.path > 0.0:
            length = float(self._length(point[None])[0])
            unit = point[: self.own] / length
            found[: self.own, : self.own] += penalty.path * size / length * (np.eye(self.own) - np.outer(unit, unit))
            found[self.head, : self.own] += penalty.path * sign * unit
            found[: self.own, self.head] += penalty.path * sign * unit
        return found

    def energy(self, points: Array, masses: Array) -> float:
        """2 ∫V drho, its share of F."""
        return 2.0 * float(masses @ self.value(points)) if self.acts else 0.0

    @property
    def without_ridge(self) -> Confinement:
        """The penalty alone."""
        return replace(self, ridge=(0.0,) * len(self.ridge))

    @property
    def bends_everywhere(self) -> bool:
        """Whether V has a bounded second derivative on bounded sets, as the constant has that masses cost."""
        kinked = self.penalty.path > 0.0 or (self.penalty.strength > 0.0 and self.penalty.power < 2.0)
        return self.head is None or not kinked

    @property
    def packed(self) -> Array:
        """lambda_i, then the coordinate a (-1: no power acts), its power and strength, as compiled loops take them."""
        acts = self.head is not None and self.penalty.strength > 0.0
        return np.array([*self.ridge, self.head if acts else -1, self.penalty.power, self.penalty.strength])

    def holds(self, axis: int) -> bool:
        """Whether V grows without bound along a coordinate alone."""
        return self.ridge[axis] > 0.0 or (axis == self.head and self.penalty.strength > 0.0)

    def loose(self, geometry: Geometry) -> list[str]:
        """The names of coordinates that move, have no end and are not held."""
        ends = np.isfinite(geometry.lower_bounds) & np.isfinite(geometry.upper_bounds)
        marks = zip(geometry.names, geometry.mobile, ends, strict=True)
        return [name for a, (name, moves, ended) in enumerate(marks) if moves and not ended and not self.holds(a)]

    def reach(self, axis: int, level: float) -> float:
        """Where V along a coordinate alone reaches a level."""
        found = math.sqrt(2.0 * level / self.ridge[axis]) if self.ridge[axis] > 0.0 else math.inf
        penalty = self.penalty
        if axis == self.head and penalty.strength > 0.0:
            found = min(found, math.pow(penalty.power * level / penalty.strength, 1.0 / penalty.power))
        return found

    def bends(self, lower: Array, upper: Array) -> Array:
        """Upper bounds of d_jj V on cells of shape (n, D), inf where there is none, of their shape."""
        found = np.broadcast_to(np.array(self.ridge), lower.shape).copy()
        penalty, head = self.penalty, self.head
        if not penalty.acts or head is None:
            return found
        largest = np.maximum(np.abs(lower), np.abs(upper))
        # 0 where a cell has 0 in it
        least = np.maximum(np.maximum(lower, -upper), 0.0)
        if penalty.strength > 0.0:
            worst = (largest if penalty.power >= 2.0 else least)[:, head]
            with np.errstate(divide="ignore"):
                found[:, head] += penalty.strength * (penalty.power - 1.0) * worst ** (penalty.power - 2.0)
        if penalty.path > 0.0:
            crossed = (lower < 0.0) & (upper > 0.0)
            found[crossed[:, head], head] = np.inf
            if self.own == 1:
                found[crossed[:, 0], 0] = np.inf
            else:
                nearest = np.linalg.norm(least[:, : self.own], axis=1)
                with np.errstate(divide="ignore"):
                    found[:, : self.own] += (penalty.path * largest[:, head] / nearest)[:, None]
        return found

    def slopes(self, lower: Array, upper: Array) -> Array:
        """Upper bounds of |d_j V| on cells of shape (n, D), of their shape."""
        largest = np.maximum(np.abs(lower), np.abs(upper))
        found = largest * np.array(self.ridge)
        penalty, head = self.penalty, self.head
        if penalty.acts and head is not None:
            farthest = np.linalg.norm(largest[:, : self.own], axis=1)
            size = largest[:, head]
            found[:, head] += penalty.strength * size ** (penalty.power - 1.0) + penalty.path * farthest
            found[:, : self.own] += penalty.path * size[:, None]
        return np.asarray(found)

    def _length(self, points: Array) -> Array:
        """|w|, shape (n,)."""
        return np.asarray(np.linalg.norm(points[:, : self.own], axis=1))

    def _path(self, points: Array, size: Array) -> Array:
        return self.penalty.path * size * self._length(points) if self.penalty.path > 0.0 else np.zeros(len(points))


STUCK = "the path penalty has a kink at a = 0 and w = 0, and a neuron has come there"
UNSTUCK = 'end earlier, or use the scheme "finite-volume", or reduction = "directions" of homogeneous units'


def confinement_on(geometry: Geometry, ridge: Ridge, penalty: Penalty = NO_PENALTY) -> Confinement:
    """V on a geometry whose coordinates "a" and "b", where it has them, are those of neurons."""
    lambdas = tuple(getattr(ridge, name) if name in ("a", "b") else ridge.w for name in geometry.names)
    head = geometry.names.index("a") if "a" in geometry.names else None
    own = sum(name not in ("a", "b") for name in geometry.names)
    return Confinement(lambdas, head, own, penalty, bool(geometry.even.any()))
