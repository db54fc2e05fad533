"""The pull of a target on units: T(m, s, b) = E_v g(v) q(s, m v + b) with q(s, u) = E sigma(s G + u), v and G normal.

q(s, .) is steep where m v + b passes a knot of sigma, over a width of about s: E_v is by Gauss rules on panels that
double in length from there, for each neuron its own, so that a neuron along the teacher (s = 0) costs no accuracy.

Where g = c sigma is piecewise linear, T / c is a moment of a pair in closed form, of u = m v + s G + b and v, and

    d_m T / c = E sigma'(u) sigma'(v) + m E sigma''(u) sigma(v),      d_s T / c = s E sigma''(u) sigma(v).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..activations.activation import TINY_SCALE, Activation
from ..arrays import Array
from ..normal import REACH, Teacher, gauss
from ..objective.objective import DenseFeatures
from ..objective.table.feature_table import build_table
from ..objective.table.patched import PatchedFeatures

NODES = 16
"""Gauss nodes of a panel: rounding for what is analytic at the distance of its length."""
COARSE = 2.0
"""Length of panels where nothing is steep, in standard deviations of v."""
SHARPEST = 2.0**-36
"""Shortest panel: a kink rounded over less than it changes T by its square."""
TOGETHER = 256
"""Neurons whose panels double alike: those of about one width."""


TABLE_NODES, TABLE_CHECKS, STEEPER = 40_000, 1024, 10.0
"""Of a table of pulls: nodes at most, points on which it is checked, and how much worse slopes may come out."""


@dataclass(frozen=True)
class PullFeatures(DenseFeatures):
    """T as a map of one feature of (m, s), or (m, s, b)."""

    unit: Activation
    teacher: Teacher
    has_offset: bool
    rank: int = 1

    @property
    def dimension(self) -> int:
        return 2 + self.has_offset

    def values(self, points: Array) -> Array:
        return self._parts(points)[:1].T

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        parts = self._parts(points)
        return parts[:1].T, parts[1 : 1 + self.dimension].T[:, None]

    def _parts(self, points: Array) -> Array:
        offsets = points[:, 2] if self.has_offset else np.zeros(len(points))
        if not self.closed:
            return pulled(self.unit, self.teacher, points[:, 0], points[:, 1], offsets)
        found = self._ratio * _paired(self.unit, points[:, 0], points[:, 1], offsets)
        still = (points[:, :2] == 0.0).all(axis=1)
        # slopes at w = 0 are those of panels, also where b is a knot
        if still.any():
            found[:, still] = pulled(self.unit, self.teacher, points[still, 0], points[still, 1], offsets[still])
        return found

    @property
    def closed(self) -> bool:
        """Whether T is a closed form."""
        return not np.isnan(self._ratio)

    @cached_property
    def _ratio(self) -> float:
        """c where g = c sigma is piecewise linear, nan elsewhere."""
        linear = self.unit.linear
        if linear is None or not np.array_equal(self.teacher.breaks, linear.knots):
            return np.nan
        return ratio(self.teacher, self.unit, np.sort(np.append(np.linspace(-REACH, REACH, 181), linear.knots)))


def ratio(teacher: Teacher, unit: Activation, places: Array) -> float:
    """c where g = c sigma at places, nan elsewhere."""
    own, target = unit.value(places), teacher(places)
    c = float(own @ target) / max(float(own @ own), 1e-300)
    same = c != 0.0 and bool(np.abs(target - c * own).max() <= 1e-14 * np.abs(target).max())
    return c if same else np.nan


def _paired(unit: Activation, along: Array, across: Array, b: Array) -> Array:
    """E sigma(u) sigma(v), with its derivatives in m, s and b, shape (4, N)."""
    scale = np.maximum(np.hypot(along, across), TINY_SCALE)
    # 1 - |correlation| without a difference
    gap = across**2 / (scale * (scale + np.abs(along)))
    pair = (scale, np.ones_like(scale)), (b, np.zeros_like(b)), along / scale, gap
    bent, risen = (unit.pair_moments(p, q, *pair) for p, q in ((2, 0), (1, 1)))
    level, slope = (unit.pair_moments(p, 0, *pair) for p in (0, 1))
    return np.stack([level, risen + along * bent, across * bent, slope])


def tabulated(exact: PullFeatures, lower: Array, upper: Array, accuracy: float) -> tuple[PatchedFeatures, float] | None:
    """A table on a box and its error, where that is below the accuracy."""
    ends = [np.array([low, max(high, low + 1e-6)]) for low, high in zip(lower, upper, strict=True)]
    tolerance, most = STEEPER * accuracy, TABLE_NODES
    table = build_table(exact, ends, tolerance=tolerance, max_nodes=most, checks=TABLE_CHECKS, least_scales=1.0)
    error = float(table.value_error) * float(table.value_scale[0])
    return (PatchedFeatures(table, exact), error) if error <= accuracy else None


def pulled(unit: Activation, teacher: Teacher, along: Array, across: Array, b: Array) -> Array:
    """T of neurons (m, s, b), each (N,), with its derivatives in m, s and b, shape (4, N)."""
    found = np.empty((4, len(b)))
    order = np.argsort(_widths(unit, along, across), kind="stable")
    for i in np.array_split(order, 1 + len(b) // TOGETHER):
        places, weights = own_rule(unit, teacher.breaks, along[i], across[i], b[i])
        spread = np.broadcast_to(across[i, None], places.shape)
        moments = unit.mean(spread.ravel(), (along[i, None] * places + b[i, None]).ravel())
        value, by_scale, by_offset = (part.reshape(places.shape) for part in moments)
        weighted = weights * teacher(places)
        for row, term in zip(found, (value, by_offset * places, by_scale, by_offset), strict=True):
            row[i] = np.einsum("nq,nq->n", weighted, term)
    return found


def own_rule(unit: Activation, breaks: Array, along: Array, across: Array, b: Array) -> tuple[Array, Array]:
    """Nodes and weights in v for each neuron, shape (N, Q); `breaks`: where something else is not smooth."""
    places, weights = gauss(own_edges(unit, breaks, along, across, b), NODES)
    return places.reshape(len(b), -1), weights.reshape(len(b), -1)


def _widths(unit: Activation, along: Array, across: Array) -> Array:
    """Over how much of v a unit turns where it is steepest, shape (N,)."""
    return np.asarray(np.hypot(across, unit.strip or 0.0) / np.maximum(np.abs(along), SHARPEST))


def own_edges(unit: Activation, breaks: Array, along: Array, across: Array, b: Array) -> Array:
    """Ends of the panels of each neuron, shape (N, E)."""
    slope = np.maximum(np.abs(along), SHARPEST)
    centres = (unit.centres - b[:, None]) / np.copysign(slope, along)[:, None]
    width = _widths(unit, along, across)
    # what lies far outside is seen from its end
    centres = np.clip(centres, -2.0 * REACH, 2.0 * REACH)
    narrowest = float(np.clip(width, SHARPEST, COARSE).min(initial=COARSE))
    levels = int(np.ceil(np.log2(COARSE / narrowest)))
    steps = np.maximum(width, SHARPEST)[:, None, None] * 2.0 ** np.arange(levels)
    near = np.concatenate([-steps, np.zeros_like(steps[:, :, :1]), steps], axis=2)
    own = (centres[:, :, None] + near).reshape(len(b), -1)
    count = int(np.ceil(2.0 * REACH / COARSE))
    fixed = np.concatenate([np.linspace(-REACH, REACH, count + 1), breaks])
    edges = np.hstack([own, np.broadcast_to(fixed, (len(b), len(fixed)))])
    return np.sort(np.clip(edges, -REACH, REACH), axis=1)
