"""The landscape G = Psi + V at a law: values, slopes and curvatures, one-sided where all radii vanish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..flow.confinement import Confinement
from ..flow.flow import Flow
from ..objective.objective import Objective
from ..space.geometry import Geometry
from ..space.measure import Atoms

DIFFERENCE = np.array([4.0 / 5.0, -1.0 / 5.0, 4.0 / 105.0, -1.0 / 280.0])
"""Weights of (f(kh) - f(-kh)) / h, k = 1 ... 4: the eighth-order central difference."""
FIRST_STEP = 0.08
"""Largest difference step over the distance from the origin; it is halved while the result improves."""
HALVINGS = 6
MIXED_STEP = 1e-2
INWARD = ((1e-4, 3.0), (2e-4, -3.0), (3e-4, 1.0))
"""Distances from the origin and weights of values there: f(0) up to the third derivative of f."""
LASTING = 0.25
"""Share of the square of a slope at the first distance from the origin that a kink keeps there."""
CHUNK = 4_000_000
"""Most entries of a block of features."""


class Interaction(NamedTuple):
    """U = Phi . L'' Phi between the K atoms of a law: U(z_i, z_j), d_1 U(z_i, z_j) and d_1 d_2 U(z_i, z_j).

    Shapes (K, K), (K, D, K) and (K, D, K, D); 0 along a radius that vanishes, in which U is even.
    """

    values: Array
    slopes: Array
    mixed: Array


@dataclass(frozen=True)
class Landscape:
    """The potential G = Psi + V of laws, with derivatives.

    What `outputs` returns stands for the law in the other methods.

    Attributes:
        objective: feature map and loss.
        geometry: coordinates; G is even in every radius, up to a cone where all radii vanish.
        flow: confinement, birth and death.
    """

    objective: Objective
    geometry: Geometry
    flow: Flow

    @cached_property
    def confinement(self) -> Confinement:
        """V."""
        return self.flow.confinement(self.geometry)

    @property
    def radii(self) -> NDArray[np.bool_]:
        """Which coordinates are radii, shape (D,)."""
        return self.geometry.even

    def outputs(self, law: Atoms) -> Array:
        """Phi rho, shape (M,)."""
        return self.objective.outputs(law.points, law.weights)

    def risk(self, outputs: Array) -> float:
        """R of the law with these outputs."""
        return self.objective.risk(outputs)

    def energy(self, outputs: Array) -> float:
        """2 L of the law with these outputs."""
        return self.objective.energy(outputs)

    def free_energy(self, law: Atoms) -> float:
        """F = 2 L + 2 ∫V drho."""
        return self.energy(self.outputs(law)) + self.confinement.energy(law.points, law.weights)

    def potential(self, points: Array, outputs: Array) -> tuple[Array, Array]:
        """G, shape (n,), and its gradient, shape (n, D), both continued evenly to negative radii."""
        flipped = self.radii & (points < 0.0)
        value, gradient = self._psi(np.where(flipped, -points, points), outputs)
        signs = np.where(flipped, -1.0, 1.0)
        return value + self.confinement.value(points), signs * gradient + self.confinement.gradient(points)

    def _psi(self, points: Array, outputs: Array) -> tuple[Array, Array]:
        """Psi, shape (n,), and its gradient, shape (n, D), at points of the space."""
        return self.objective.features.contract(points, self.objective.loss_gradient(outputs))

    def own_gradient(self, points: Array) -> Array:
        """grad G(z; delta_z) at each point, shape (n, D): half the gradient of z -> F(delta_z)."""
        parts = max(1, len(points) * self.objective.features.rank * points.shape[1] // CHUNK)
        found = []
        for part in np.array_split(points, parts):
            values, gradients = self.objective.features.values_and_gradients(part)
            slopes = self.objective.loss_gradient(values)
            found.append(np.einsum("nm,nmd->nd", slopes, gradients) + self.confinement.gradient(part))
        return np.concatenate(found)

    def hessian(self, point: Array, outputs: Array) -> tuple[Array, float]:
        """Hess G at one point, shape (D, D), and an estimate of its error.

        Eighth-order central differences of the gradient, halving the step while two of them come nearer. Mixed
        derivatives across a radius that vanishes are 0, for G is even there; `mixed_slopes` has them at a kink.
        """
        size = float(np.linalg.norm(point[self.radii]))
        step = FIRST_STEP * (size if size > 0.0 else 1.0)
        before = self._differences(point, outputs, step)
        best, error = before, np.inf
        for _ in range(HALVINGS):
            step *= 0.5
            after = self._differences(point, outputs, step)
            change = float(np.max(np.abs(after - before)))
            if change < error:
                best, error = after, change
            before = after
        held = self.radii & (point == 0.0)
        best = np.where(held[:, None] != held, 0.0, best)
        return 0.5 * (best + best.T), error

    def mixed_slopes(self, point: Array, outputs: Array) -> tuple[Array, Array]:
        """Where all radii vanish: how the slope of G along them changes with the other coordinates.

        A unit with a kink at 0 has G ~ -c(u) a |r| for radii r = |r| u: no cone at a = 0, but a mixed derivative.

        Returns:
            The direction u in which that is largest, shape (D,), and d/dz_k of the slope along u, shape (D,).
        """
        others = np.flatnonzero(~self.radii)
        directions = self._directions()
        found = np.zeros((len(directions), point.size))
        for axis in others:
            shift = MIXED_STEP * np.eye(point.size)[axis]
            ahead, behind = (self._slopes(point + sign * shift, outputs, directions) for sign in (1.0, -1.0))
            found[:, axis] = (ahead - behind) / (2.0 * MIXED_STEP)
        best = int(np.argmax((found**2).sum(axis=1)))
        return directions[best], found[best]

    def _differences(self, point: Array, outputs: Array, step: float) -> Array:
        dimension = point.size
        shifts = step * np.arange(1, 5)
        offsets = np.concatenate([shifts, -shifts])[:, None, None] * np.eye(dimension)
        gradients = self.potential((point + offsets).reshape(-1, dimension), outputs)[1]
        sides = gradients.reshape(2, 4, dimension, dimension)
        return np.asarray(np.einsum("k,kab->ab", DIFFERENCE / step, sides[0] - sides[1]))

    def interaction(self, law: Atoms) -> Interaction:
        """U between the atoms, 0 across a radius that vanishes, where Phi is even."""
        values, gradients = self.objective.features.values_and_gradients(law.points)
        held = self.radii & (law.points == 0.0)
        gradients = np.where(held[:, None, :], 0.0, gradients)
        hessian = self.objective.loss.hessian(law.weights @ values)
        weighted, moved = values @ hessian, hessian @ gradients
        return Interaction(
            weighted @ values.T,
            np.einsum("imd,jm->idj", gradients, weighted),
            np.einsum("imd,jme->idje", gradients, moved, optimize=True),
        )

    def own_mixed(self, point: Array, outputs: Array, directions: Array) -> Array:
        """One-sided d_1 d_2 U(z, z) of a point along directions, shape (k,): 0 at the origin where Phi is even."""
        values_and_gradients, hessian = (
            self.objective.features.values_and_gradients,
            self.objective.loss.hessian(outputs),
        )

        def slopes(reach: float) -> Array:
            gradients = values_and_gradients(point + reach * directions)[1]
            return np.asarray(np.einsum("kmd,kd->km", gradients, directions))

        found, near = (np.sum((each @ hessian) * each, axis=1) for each in (continued(slopes), slopes(INWARD[0][0])))
        # slopes that fade towards the origin are those of a cusp |r|^k, k > 1, which no finite rank follows there
        return np.where(found > LASTING * near, found, 0.0)

    def slopes_at_origin(self, point: Array, outputs: Array) -> tuple[float, float]:
        """Least and largest one-sided slope of G from a point whose radii all vanish, over the directions between them.

        A knot of the unit at 0 gives G a cone there; without one the slopes are 0.
        """
        slopes = self._slopes(point, outputs, self._directions())
        return float(slopes.min()), float(slopes.max())

    def _directions(self) -> Array:
        """Unit vectors between the radii, shape (k, D)."""
        axes = np.flatnonzero(self.radii)
        if axes.size == 1:
            return np.eye(len(self.radii))[axes]
        directions = np.zeros((65 ** min(axes.size - 1, 2), len(self.radii)))
        directions[:, axes] = _orthant(axes.size, len(directions))
        return directions

    def _slopes(self, point: Array, outputs: Array, directions: Array) -> Array:
        """One-sided slopes of G from a point along directions, shape (k,)."""
        return continued(
            lambda reach: np.einsum("nd,nd->n", self.potential(point + reach * directions, outputs)[1], directions)
        )


def continued(slopes: Callable[[float], Array]) -> Array:
    """What is smooth at a distance from the origin, continued to it up to the third order."""
    return np.asarray(sum(weight * slopes(reach) for reach, weight in INWARD))


def _orthant(axes: int, count: int) -> Array:
    """Unit vectors with coordinates >= 0, the axes among them, shape (count, axes)."""
    if axes == 2:
        angle = np.linspace(0.0, 0.5 * np.pi, count)
        return np.asarray(np.abs(np.column_stack([np.cos(angle), np.sin(angle)])))
    drawn = np.abs(np.random.default_rng(0).normal(size=(count, axes)))
    drawn[:axes] = np.eye(axes)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1)[:, None])
