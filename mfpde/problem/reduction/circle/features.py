"""Features of neurons of the plane by waves, by the arccosine kernel, and at equidistant inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np

from mfpde.problem.reduction.circle.arcs import TwoSlopes, on_circle
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.directed import quarter_turned
from mfpde.solvers.objective.objective import DenseFeatures


@dataclass(frozen=True)
class FourierFeatures(DenseFeatures):
    """|w| s_k (cos k phi, sin k phi) of w = |w| (cos phi, sin phi), as many of either as there are orders.

    Attributes:
        orders, sizes: k and s_k, shape (K,), k = 0 first.
    """

    orders: Array
    sizes: Array

    @property
    def dimension(self) -> int:
        return 2

    @property
    def rank(self) -> int:
        return 2 * len(self.orders) - 1

    def values(self, points: Array) -> Array:
        radius, angle = _polar(points)
        even, odd = self._pairs(angle)
        return np.asarray(radius[:, None] * np.hstack([even, odd[:, 1:]]))

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        radius, angle = _polar(points)
        waves, turned = self._waves(angle)
        along = on_circle(angle)
        slopes = waves[:, :, None] * along[:, None, :] + turned[:, :, None] * quarter_turned(along)[:, None, :]
        return radius[:, None] * waves, slopes * (radius > 0.0)[:, None, None]

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        """Without the slopes of each wave."""
        radius, angle = _polar(points)
        value, across = (part @ coefficients for part in self._waves(angle))
        along = on_circle(angle)
        slopes = value[:, None] * along + across[:, None] * quarter_turned(along)
        return radius * value, slopes * (radius > 0.0)[:, None]

    def _waves(self, angle: Array) -> tuple[Array, Array]:
        """The waves, and their derivatives in the angle."""
        even, odd = self._pairs(angle)
        turned = np.hstack([-self.orders * odd, (self.orders * even)[:, 1:]])
        return np.hstack([even, odd[:, 1:]]), turned

    def _pairs(self, angle: Array) -> tuple[Array, Array]:
        """s_k cos k phi and s_k sin k phi, shape (n, K) each."""
        phases = np.multiply.outer(angle, self.orders)
        return self.sizes * np.cos(phases), self.sizes * np.sin(phases)


def _polar(points: Array) -> tuple[Array, Array]:
    """|w| and the angle of w."""
    return np.hypot(points[:, 0], points[:, 1]), np.arctan2(points[:, 1], points[:, 0])


@dataclass(frozen=True)
class ArcKernel:
    """U(w, w') = E sigma(<w, x>) sigma(<w', x>) on the circle of a unit of two slopes."""

    slopes: TwoSlopes

    @property
    def dimension(self) -> int:
        return 2

    def potential(self, points: Array, others: Array, masses: Array) -> tuple[Array, Array]:
        values, gradient = np.empty(len(points)), np.empty((len(points), 2))
        both = (self.slopes.right + self.slopes.left) ** 2, self.slopes.right * self.slopes.left
        rows = [np.ascontiguousarray(part, dtype=float) for part in (points, others, masses)]
        _arc_potential(*rows, *both, values, gradient)
        return values, gradient


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _arc_potential(
    points: Array, others: Array, masses: Array, curved: float, product: float, values: Array, slopes: Array
) -> None:
    """sum_j masses_j ((alpha + beta)^2 A - alpha beta <w, w'> / 2), A = E (u)_+ (u')_+, and its gradient in w.

    For E (u)_+ u' = <w, w'> / 4 by the symmetry of x, so that E (u)_+ (-u')_+ = A - <w, w'> / 4.
    """
    for i in range(points.shape[0]):
        x, y = points[i, 0], points[i, 1]
        own = math.sqrt(x * x + y * y)
        value, first, second = 0.0, 0.0, 0.0
        for j in range(others.shape[0]):
            u, v, mass = others[j, 0], others[j, 1], masses[j]
            inner, cross = x * u + y * v, x * v - y * u
            sine = abs(cross)
            turned = math.pi - math.atan2(sine, inner)
            value += mass * (curved * (sine + turned * inner) / (4.0 * math.pi) - 0.5 * product * inner)
            straight = mass * (curved * turned / (4.0 * math.pi) - 0.5 * product)
            radial = mass * curved * sine / (4.0 * math.pi * own * own) if own > 0.0 else 0.0
            first += straight * u + radial * x
            second += straight * v + radial * y
        values[i] = value
        slopes[i, 0] = first
        slopes[i, 1] = second


@dataclass(frozen=True)
class AngleFeatures(DenseFeatures):
    """sigma(<w, x_m> + b) at equidistant x_m.

    Attributes:
        unit: sigma.
        inputs: x_m, shape (M, 2).
        has_offset: whether b is a coordinate.
    """

    unit: Activation
    inputs: Array
    has_offset: bool

    @property
    def dimension(self) -> int:
        return 2 + self.has_offset

    @property
    def rank(self) -> int:
        return len(self.inputs)

    def _inner(self, points: Array) -> Array:
        inner = points[:, :2] @ self.inputs.T
        return inner + points[:, 2:] if self.has_offset else inner

    def values(self, points: Array) -> Array:
        return self.unit.value(self._inner(points))

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        inner = self._inner(points)
        slopes = self.unit.slope(inner)[:, :, None]
        whole = np.hstack([self.inputs, np.ones((len(self.inputs), int(self.has_offset)))])
        return self.unit.value(inner), slopes * whole
