"""Where features bend: hyperplanes of the parameters, and what a feature map with such kinks offers.

Units with knots at samples are smooth between the hyperplanes <w, x_p> + b = knot. Each side of one has its branch of
the features, which goes on smoothly beyond; Psi takes up a slope there,

    Psi = (branch below) + c (<n, z> - o)_+,     c = factor(z) sum_m grad L_m jumps_m,

and is convex across it where c > 0: there particles are held.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from .objective import FeatureMap

SAME = 1e-12
"""Difference of hyperplanes, of unit normals, that is rounding."""
LEADING = 0.487
"""Some coordinate of a unit vector in D dimensions exceeds this over sqrt(D): the first that does is made positive."""


@dataclass(frozen=True)
class Kinks:
    """K hyperplanes <normals_k, z> = offsets_k.

    Attributes:
        normals: of length 1, shape (K, D).
        offsets: shape (K,).
        plane, feature, jump: a row each time that a feature bends: the plane, the feature, and by how much the slope
            of the feature along the normal jumps there, shape (J,).
        coefficient: the coordinate that the jumps are multiplied by, None where there is none.
    """

    normals: Array
    offsets: Array
    plane: NDArray[np.int64]
    feature: NDArray[np.int64]
    jump: Array
    coefficient: int | None = None

    def heights(self, points: Array) -> Array:
        """Signed distances of points (..., D) from the planes, shape (..., K)."""
        return np.asarray(points @ self.normals.T - self.offsets)

    def strengths(self, points: Array, gradient: Array) -> Array:
        """c at points (n, D) for the gradient (M,) of the loss, shape (n, K)."""
        alone = np.bincount(self.plane, self.jump * gradient[self.feature], len(self.offsets))
        factor = np.ones(len(points)) if self.coefficient is None else points[:, self.coefficient]
        return np.multiply.outer(factor, alone)

    def multiplied(self, axis: int) -> Kinks:
        """The kinks of the same features times a further coordinate, the number `axis`."""
        return replace(self, normals=np.insert(self.normals, axis, 0.0, axis=1), coefficient=axis)


class Kinked(FeatureMap, Protocol):
    """A feature map that names its kinks."""

    @property
    def kinks(self) -> Kinks | None:
        """Where it bends; None where it is smooth."""
        ...

    def on(self, sides: NDArray[np.int64]) -> FeatureMap:
        """The branches of n points, fixed by the sides (n, K) that they take: 1 above a plane, 0 below."""
        ...


def kinks_of(features: Any) -> Kinks | None:
    """Where features bend, None where they do not, or do not say so."""
    return getattr(features, "kinks", None)


def distinct_planes(normals: Array, offsets: Array) -> tuple[NDArray[np.int64], NDArray[np.bool_], Array, Array]:
    """Hyperplanes that are the same up to a factor, found once.

    Args:
        normals, offsets: shape (J, D) and (J,), of any length but 0.

    Returns:
        The number of the plane of each row; whether its normal is turned; normals and offsets of the K planes.
    """
    rows = np.column_stack([normals, offsets]) / np.linalg.norm(normals, axis=1)[:, None]
    leading = np.argmax(np.abs(rows[:, :-1]) > LEADING / np.sqrt(normals.shape[1]), axis=1)
    turned = rows[np.arange(len(rows)), leading] < 0.0
    rows[turned] *= -1.0
    _, first, plane = np.unique(np.stack([_clusters(c) for c in rows.T], axis=1), True, True, axis=0)
    return np.asarray(plane).reshape(-1).astype(np.int64), turned, rows[first, :-1], rows[first, -1]


def _clusters(values: Array) -> NDArray[np.int64]:
    """Numbers of the groups that values within rounding of each other form, shape (J,)."""
    order = np.argsort(values)
    steps = np.diff(values[order], prepend=-np.inf) > SAME * np.maximum(1.0, np.abs(values[order]))
    groups = np.empty(len(values), dtype=np.int64)
    groups[order] = np.cumsum(steps)
    return groups
