"""Small problems with known answers, shared by the tests and benchmarks of the schemes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import erf

from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import DenseFeatures, Objective
from mfpde.solvers.space.axis import Line, Radius
from mfpde.solvers.space.geometry import Geometry

RANK_TWO_RISK = {1.0: 0.988870006853, 3.0: 0.847601345005}
RANK_TWO_MEAN_R1 = {3.0: 0.566984874535}


@dataclass(frozen=True)
class RankTwo(DenseFeatures):
    """phi_± = q(tau_±), tau_± = sqrt(((1 ± delta) r1)^2 + r2^2), q(t) = E sigma(t G), sigma(u) = min(max(u,
    0), 1).

    q'(t) = (1 - exp(-1/(2 t^2))) / sqrt(2 pi) and q(t) = t q'(t) + (1 - erf(1 / (t sqrt 2))) / 2.
    """

    delta: float = 0.8
    dimension: int = 2
    rank: int = 2

    def values(self, points: Array) -> Array:
        return np.stack([_q(tau)[0] for tau in self._tau(points)], axis=1)

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        values, gradients = [], []
        for scale, tau in zip((1.0 + self.delta, 1.0 - self.delta), self._tau(points), strict=True):
            value, slope = _q(tau)
            values.append(value)
            direction = points * np.array([scale**2, 1.0]) / np.maximum(tau, 1e-300)[:, None]
            gradients.append(slope[:, None] * direction)
        return np.stack(values, axis=1), np.stack(gradients, axis=1)

    def _tau(self, points: Array) -> list[Array]:
        return [np.hypot(scale * points[:, 0], points[:, 1]) for scale in (1.0 + self.delta, 1.0 - self.delta)]


def _q(tau: Array) -> tuple[Array, Array]:
    """q and q' at tau >= 0."""
    inverse = 1.0 / np.maximum(tau, 1e-2)
    slope = (1.0 - np.exp(-0.5 * inverse**2)) / np.sqrt(2.0 * np.pi)
    return tau * slope + 0.5 * (1.0 - erf(inverse / np.sqrt(2.0))), slope


@dataclass(frozen=True)
class Coordinates(DenseFeatures):
    """Phi(z) = z: the outputs are the mean of the law."""

    dimension: int

    @property
    def rank(self) -> int:
        return self.dimension

    def values(self, points: Array) -> Array:
        return points.copy()

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        return points.copy(), np.broadcast_to(
            np.eye(self.dimension), (len(points), self.dimension, self.dimension)
        ).copy()


def rank_two() -> tuple[Objective, Geometry]:
    """The two-class problem at d = infinity: weights 1/2, targets ±1, plain Lebesgue geometry in (r1, r2)."""
    objective = Objective(RankTwo(), SquareLoss(np.array([0.5, 0.5]), np.array([1.0, -1.0])))
    return objective, Geometry.of({"r1": Radius(np.inf), "r2": Radius(np.inf)})


def line(dimension: int, radii: bool = False) -> Geometry:
    """Coordinates z1, z2, ... on the line, or radii r >= 0."""
    return Geometry.of({f"z{i + 1}": Radius(2.0) if radii else Line() for i in range(dimension)})


def bump(edges: tuple[Array, ...], centre: tuple[float, ...], deviation: float) -> Array:
    """Cell masses of a Gaussian bump cut at the box and renormalised."""
    masses = np.ones(())
    for edge, place in zip(edges, centre, strict=True):
        masses = np.multiply.outer(masses, np.diff(erf((edge - place) / (deviation * np.sqrt(2.0)))))
    return np.asarray(masses / masses.sum(), dtype=float)


@dataclass(frozen=True)
class Nothing(DenseFeatures):
    """Phi = 0: only the ridge acts."""

    dimension: int
    rank: int = 1

    def values(self, points: Array) -> Array:
        return np.zeros((len(points), 1))

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        return np.zeros((len(points), 1)), np.zeros((len(points), 1, self.dimension))
