"""Where a particle goes from a point in which kinks of Psi meet: steepest descent of the slopes on all sides.

With the metric |v|^2 and the slope of Psi at the point along v,

    Psi'(v) = -<h, v> + sum_k c_k (<n_k, v>)_+,

a curve of maximal slope leaves with the v that minimises Psi'(v) + |v|^2 / 2. Where all c_k > 0 that is the least
element of the subdifferential, the velocity of Filippov: particles slide along the kinks whose multipliers lie within
(0, c_k), and rest where that holds of all. A kink with c_k < 0 is left to the steeper side.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from ..arrays import Array

BELOW, ABOVE, HELD = 0, 1, 2
"""Sides of a kink."""
SLOW = 1e-12
"""Speed, in parts of the forces, that is rounding."""
ALONG = 1e-8
"""Sine of the angle of a velocity with a plane that it lies in."""
DEPENDENT = 1e-9
"""Singular value of unit normals that is rounding."""
ROUNDS = 30


class Contact(NamedTuple):
    """How a particle leaves.

    Attributes:
        velocity: of its part across the kinks, shape (D,).
        sides: `BELOW`, `ABOVE` or `HELD` for each kink, shape (K,).
    """

    velocity: Array
    sides: NDArray[np.int64]


def contact(force: Array, normals: Array, strengths: Array, slow: float = 0.0) -> Contact:
    """The way of steepest descent.

    Up to two directions across the kinks every cell between them is looked at; of three and more, descents from both
    sides of each kink find it exactly where no c_k < 0, and else the best of their ends.

    Args:
        force: h, the force below all kinks, shape (D,).
        normals, strengths: n_k and c_k, shape (K, D) and (K,); normals are not 0.
        slow: speed at which it rests.
    """
    _, sizes, axes = np.linalg.svd(normals, full_matrices=False)
    across = axes[sizes > DEPENDENT * sizes[0]]
    h, n = across @ force, normals @ across.T
    ways = (_line, _plane)[len(across) - 1](h, n, strengths) if len(across) <= 2 else _descents(h, n, strengths)
    lengths = np.linalg.norm(ways, axis=1)
    ways = ways[lengths > 0.0] / lengths[lengths > 0.0, None]
    slopes = _slopes(ways, h, n, strengths)
    best = int(np.argmin(slopes)) if len(slopes) else 0
    size = max(float(np.linalg.norm(h)), float(np.max(np.abs(strengths) * np.linalg.norm(n, axis=1))))
    if not len(slopes) or not (slopes[best] < -max(SLOW * size, slow)):
        return Contact(np.zeros(len(force)), np.full(len(strengths), HELD))
    crossing = n @ ways[best]
    along = np.abs(crossing) <= ALONG * np.linalg.norm(n, axis=1)
    sides = np.where(along, HELD, np.where(crossing > 0.0, ABOVE, BELOW))
    return Contact(-slopes[best] * ways[best] @ across, sides)


def _slopes(ways: Array, h: Array, n: Array, strengths: Array) -> Array:
    """Psi' along unit vectors (m, r)."""
    return np.asarray(np.maximum(ways @ n.T, 0.0) @ strengths - ways @ h)


def _line(h: Array, n: Array, strengths: Array) -> Array:
    return np.array([[1.0], [-1.0]])


def _plane(h: Array, n: Array, strengths: Array) -> Array:
    """The rays along the kinks, and the force of each cell between them, shape (m, 2)."""
    turned = np.column_stack([-n[:, 1], n[:, 0]])
    rays = np.concatenate([turned, -turned])
    angles = np.sort(np.arctan2(rays[:, 1], rays[:, 0]))
    middle = angles + 0.5 * np.diff(angles, append=angles[0] + 2.0 * np.pi)
    inside = np.column_stack([np.cos(middle), np.sin(middle)]) @ n.T > 0.0
    return np.concatenate([rays, h - (inside * strengths) @ n])


def _descents(h: Array, n: Array, strengths: Array) -> Array:
    """Ends of descents in which kinks with c_k < 0 keep the side that the last velocity lies on, shape (m, r)."""
    convex = strengths > 0.0
    starts = np.concatenate([h[None], n, -n]) if not convex.all() else h[None]
    return np.array([_descent(start, h, n, strengths, convex) for start in starts])


def _descent(way: Array, h: Array, n: Array, strengths: Array, convex: NDArray[np.bool_]) -> Array:
    columns = n[convex].T * strengths[convex]
    chosen = None
    for _ in range(ROUNDS):
        inside = ~convex & (n @ way > 0.0)
        if chosen is not None and np.array_equal(inside, chosen):
            break
        chosen, rest = inside, h - (inside * strengths) @ n
        if not convex.any():
            way = rest
            continue
        scale = float(np.abs(columns).max())
        found = lsq_linear(columns / scale, rest / scale, (0.0, 1.0), method="bvls", tol=1e-15)
        way = rest - columns @ found.x
    return way
