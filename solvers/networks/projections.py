"""Risk and gradient of a finite network over x ~ N(0, Id_d), y = sum_k g_k(x_k) + noise, exact.

    R_N = E y^2 - (2/N) sum_i a_i sum_k T_k(w_i, b_i) + (1/N^2) sum_ij a_i a_j E sigma(u_i) sigma(u_j),
    T_k(w, b) = E g_k(x_k) sigma(<w, x> + b) = E_v[ g_k(v) q(s, w_k v + b) ],      s^2 = |w|^2 - w_k^2.

The pairs are those of `gradient` and `risk`. q(s, .) is steep where w_k v + b passes a knot of sigma, over a width of
about s: E_v is by Gauss rules on panels that double in length from there, for each neuron its own, so that a neuron
along the teacher (s = 0) costs no accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..activations.activation import Activation
from ..arrays import Array
from ..normal import REACH, Teacher, gauss, projected
from ..sgd.samplers import Projections
from .gradient import Pairs
from .population import Measured
from .risk import squared_output

NODES = 16
"""Gauss nodes of a panel: rounding for what is analytic at the distance of its length."""
COARSE = 2.0
"""Length of panels where nothing is steep, in standard deviations of v."""
SHARPEST = 2.0**-36
"""Shortest panel: a kink rounded over less than it changes T by its square."""
CHUNK = 2**20
"""Nodes of all neurons together that are formed at once."""


@dataclass(frozen=True)
class ProjectedPopulation:
    """Exact risk and gradient where y is a sum of functions of single coordinates.

    Attributes:
        data: of which the noise is read.
        unit: sigma.
        teachers: g_k of the first coordinates of x.
    """

    data: Projections
    unit: Activation
    teachers: tuple[Teacher, ...]

    def risk(self, w: Array, a: Array, b: Array) -> float:
        _, square = squared_output(self.unit, w, a, b)
        mixed = float(np.mean(a * self._mixed(w, b)[0]))
        return self._second_moment - 2.0 * mixed + square

    def measure(self, w: Array, a: Array, b: Array) -> Measured:
        return Measured(self.risk(w, a, b), 0.0)

    def unit_squares(self, points: Array, b: Array) -> Array:
        return self.unit.second_moments(np.linalg.norm(points, axis=1), b)

    def gradient(
        self, w: Array, a: Array, b: Array, trained_coefficients: bool = False, trained_offsets: bool = False
    ) -> tuple[Array, Array, Array]:
        gw, ga, gb = np.zeros_like(w), np.zeros_like(a), np.zeros_like(b)
        share = a / len(a)
        pairs, (mixed, along, by_offset) = Pairs.of(self.unit, w, b), self._mixed(w, b)
        gw += a[:, None] * (pairs.pull(share) - along)
        if trained_coefficients:
            ga += pairs.moments(0, 0) @ share - mixed
        if trained_offsets:
            gb += a * (pairs.moments(1, 0) @ share - by_offset)
        return gw, ga, gb

    @property
    def _second_moment(self) -> float:
        """E y^2."""
        squares = [projected(lambda v, g=g: g(v) ** 2, g.breaks) for g in self.teachers]  # type: ignore[misc]
        means = [projected(g, g.breaks) for g in self.teachers]
        variance = sum(square - mean**2 for square, mean in zip(squares, means, strict=True))
        return float(variance + sum(means) ** 2 + self.data.noise**2)

    def _mixed(self, w: Array, b: Array) -> tuple[Array, Array, Array]:
        """sum_k T_k of every neuron, shape (N,), and its derivatives in w, shape (N, d), and b, shape (N,)."""
        mixed, slopes, by_offset = np.zeros(len(w)), np.zeros_like(w), np.zeros(len(w))
        for k, teacher in enumerate(self.teachers):
            rest = w.copy()
            rest[:, k] = 0.0
            across = np.linalg.norm(rest, axis=1)
            value, by_along, by_across, by_b = self._against(teacher, w[:, k], across, b)
            mixed, by_offset = mixed + value, by_offset + by_b
            slopes += (by_across / np.maximum(across, np.finfo(float).tiny))[:, None] * rest
            slopes[:, k] += by_along
        return mixed, slopes, by_offset

    def _against(self, teacher: Teacher, along: Array, across: Array, b: Array) -> Array:
        """T of neurons (m, s, b), with its derivatives in m, s and b, shape (4, N)."""
        parts = 1 + len(b) * 64 * NODES // CHUNK
        pieces = np.array_split(np.arange(len(b)), parts)
        return np.concatenate([self._integrated(teacher, along[i], across[i], b[i]) for i in pieces], axis=1)

    def _integrated(self, teacher: Teacher, along: Array, across: Array, b: Array) -> Array:
        places, weights = gauss(self._edges(teacher, along, across, b), NODES)
        shape, count = places.shape, len(b)
        spread = np.broadcast_to(across[:, None, None], shape)
        moments = self.unit.mean(spread.ravel(), (along[:, None, None] * places + b[:, None, None]).ravel())
        value, by_scale, by_offset = (part.reshape(count, -1) for part in moments)
        weighted, v = (weights * teacher(places)).reshape(count, -1), places.reshape(count, -1)
        terms = (value, by_offset * v, by_scale, by_offset)
        return np.array([np.einsum("nq,nq->n", weighted, term) for term in terms])

    def _edges(self, teacher: Teacher, along: Array, across: Array, b: Array) -> Array:
        """Ends of the panels of each neuron, shape (N, E)."""
        knots = self.unit.knots if len(self.unit.knots) else np.zeros(1)
        slope = np.maximum(np.abs(along), SHARPEST)
        centres = (knots - b[:, None]) / np.copysign(slope, along)[:, None]
        width = np.hypot(across, self.unit.strip or 0.0) / slope
        # what lies far outside is seen from its end
        centres = np.clip(centres, -2.0 * REACH, 2.0 * REACH)
        narrowest = float(np.clip(width, SHARPEST, COARSE).min())
        levels = int(np.ceil(np.log2(COARSE / narrowest)))
        steps = np.maximum(width, SHARPEST)[:, None, None] * 2.0 ** np.arange(levels)
        near = np.concatenate([-steps, np.zeros_like(steps[:, :, :1]), steps], axis=2)
        own = (centres[:, :, None] + near).reshape(len(b), -1)
        count = int(np.ceil(2.0 * REACH / COARSE))
        fixed = np.concatenate([np.linspace(-REACH, REACH, count + 1), teacher.breaks])
        edges = np.hstack([own, np.broadcast_to(fixed, (len(b), len(fixed)))])
        return np.sort(np.clip(edges, -REACH, REACH), axis=1)
