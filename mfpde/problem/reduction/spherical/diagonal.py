"""Features of a unit on the sphere, of which the target sees one projection: one for each degree, and no others.

x is uniform on S^(d-1)(sqrt d), y = g(<u, x>) + noise. With m = <u, w>, t = |w| = sqrt(m^2 + s^2), l_k(t, b) the
coefficients of the unit (`solvers.harmonics.units`) and g_k = E[g(sqrt(d) tau) p_k(tau)], two neurons turned about u
independently of one another have by the addition theorem

    U(z, z') = sum_k Phi_k(z) Phi_k(z'),     V(z) = -sum_k g_k Phi_k(z),     Phi_k(z) = l_k(t, b) P_k(m / t),
    R = E y^2 - sum_k g_k^2 + sum_k (g_k - ∫Phi_k drho)^2.

Of degrees from K on a law of neurons has at most T_f = (∫ sqrt(sum_{k >= K} l_k^2) |a| drho)^2, by Parseval's
identity from E sigma^2, and the target T_g: the risk is off by at most T_f + 2 sqrt(T_f T_g).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import qmc

from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.arrays import Array
from mfpde.solvers.harmonics.polynomials import zonal
from mfpde.solvers.harmonics.targets import ZonalTarget, projections
from mfpde.solvers.harmonics.units import ZonalUnit, over_size
from mfpde.solvers.normal import Teacher
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import DenseFeatures, Objective
from mfpde.solvers.objective.representation import Effort, Expansion
from mfpde.solvers.space.box import Box

COUNTS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""K that are tried."""
MOST = {"rough": 128, "usual": 512, "finest": 1024}
TRIALS = 32
"""Neurons of the box on which they are."""
FINEST = 1e-14
"""What is left of U that is rounding."""


@dataclass(frozen=True)
class DegreeFeatures(DenseFeatures):
    """The features of the module's docstring, without their coefficient.

    Attributes:
        unit: l_k.
        perpendicular: whether there is s, the second coordinate.
        has_offset: whether b is the last coordinate.
    """

    unit: ZonalUnit
    perpendicular: bool
    has_offset: bool

    @property
    def dimension(self) -> int:
        return 1 + self.perpendicular + self.has_offset

    @property
    def rank(self) -> int:
        return self.unit.count

    def values(self, points: Array) -> Array:
        sizes, offsets, cosines, _ = self._parted(points)
        return self.unit.coefficients(sizes, offsets).value * zonal(self.unit.dimension, cosines, self.rank)[0]

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        sizes, offsets, cosines, sines = (part[:, None] for part in self._parted(points))
        found = self.unit.coefficients(sizes[:, 0], offsets[:, 0])
        values, slopes = zonal(self.unit.dimension, cosines[:, 0], self.rank)
        turned, stretched = sines * over_size(found, sizes[:, 0]) * slopes, found.by_size * values
        columns = [cosines * stretched + sines * turned, sines * stretched - cosines * turned]
        columns = columns[: 1 + self.perpendicular] + [found.by_offset * values] * self.has_offset
        return found.value * values, np.stack(columns, axis=2)

    def sizes(self, points: Array) -> tuple[Array, Array]:
        """t and b."""
        return self._parted(points)[:2]

    def _parted(self, points: Array) -> tuple[Array, Array, Array, Array]:
        """t, b, and cosine and sine of the angle to u; a neuron at 0 has its angle across."""
        along, across = points[:, 0], points[:, 1] if self.perpendicular else np.zeros(len(points))
        sizes = np.hypot(along, across)
        held = np.maximum(sizes, np.finfo(float).tiny)
        sines = np.where(sizes > 0.0, across / held, 1.0 if self.perpendicular else 0.0)
        cosines = along / held if self.perpendicular else np.where(along < 0.0, -1.0, 1.0)
        return sizes, points[:, -1] if self.has_offset else np.zeros(len(points)), cosines, sines

    def finer(self) -> DegreeFeatures:
        """Of twice as many degrees."""
        return DegreeFeatures(self.unit.finer(), self.perpendicular, self.has_offset)


@dataclass(frozen=True)
class _Made:
    """Features with their target."""

    features: DegreeFeatures
    teacher: Teacher

    @cached_property
    def parts(self) -> Array:
        """g_k."""
        return projections(self.teacher, self.features.unit.dimension, self.features.rank)

    @cached_property
    def unseen(self) -> float:
        """What the target has of other degrees."""
        whole = ZonalTarget(self.features.unit.dimension, (self.teacher,)).second_moment
        return max(whole - float(self.parts @ self.parts), 0.0)

    @property
    def objective(self) -> Objective:
        loss = SquareLoss(np.ones(self.features.rank), self.parts, self.unseen + self.teacher.noise**2)
        return Objective(self.features, loss)

    def error(self, points: Array) -> Array:
        """Of U(z, z) and 2 V(z), at most, shape (n,)."""
        left = self.features.unit.left(*self.features.sizes(points))
        return np.asarray(left + 2.0 * np.sqrt(left * self.unseen))

    def bound(self, points: Array, masses: Array) -> float:
        """Of the risk of a law, as far as degrees that are left out go."""
        left = float(np.abs(masses) @ np.sqrt(self.features.unit.left(*self.features.sizes(points)))) ** 2
        return left + 2.0 * float(np.sqrt(left * self.unseen))

    def learned(self, points: Array, masses: Array) -> float:
        """E f^2 - 2 E f g."""
        outputs = self.features.outputs(points, masses)
        return float(outputs @ (outputs - 2.0 * self.parts))


def expand(
    unit: Activation,
    has_offset: bool,
    dimension: int,
    teacher: Teacher,
    box: Box,
    accuracy: float,
    effort: Effort,
) -> Expansion:
    """Features of the unit on the box of m, s (where d > 1) and b, as many as leave the accuracy of U and V there."""
    places = _trials(box)
    for count in COUNTS:
        features = DegreeFeatures(ZonalUnit.of(unit, dimension, count), dimension > 1, has_offset)
        made = _Made(features, teacher)
        error = float(made.error(places).max())
        if error <= max(accuracy, FINEST) or count >= MOST[effort] or dimension == 1:
            break
    finer = _Made(features.finer(), teacher)

    def gap(points: Array, masses: Array) -> float:
        """What twice as many degrees, by a longer rule, change, and what these leave out."""
        return abs(finer.learned(points, masses) - made.learned(points, masses)) + finer.bound(points, masses)

    def potential(points: Array, masses: Array) -> tuple[Array, Array]:
        better = finer.objective
        return better.features.contract(points, better.loss_gradient(better.outputs(points, masses)))

    how = "Gegenbauer polynomials of the angle to the teacher"
    return Expansion(made.objective, error, how, explicit=dimension == 1, gap=gap, potential=potential)


def _trials(box: Box) -> Array:
    """Corners of a box and quasi-random points in it."""
    lower, upper = box.lower, np.maximum(box.upper, box.lower + 1e-12)
    corners = np.array(np.meshgrid(*zip(lower, upper, strict=True), indexing="ij")).reshape(len(lower), -1).T
    return np.vstack([corners, qmc.scale(qmc.Sobol(len(lower), seed=0).random(TRIALS), lower, upper)])
