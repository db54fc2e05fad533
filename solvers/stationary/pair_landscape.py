"""The landscape of laws from the exact pair interaction U in the place of features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..arrays import Array
from ..space.measure import Atoms
from .landscape import Interaction, Landscape, continued


class Pairs(Protocol):
    """V and U of a problem, evaluated for atomic laws (positions (K, D), masses (K,))."""

    def psi(self, points: Array, positions: Array, masses: Array) -> tuple[Array, Array, Array]:
        """Psi (n,), its gradient (n, D) and Hessian (n, D, D), NaN at the origin."""

    def hessian_error(self, points: Array, positions: Array, masses: Array) -> float:
        """Error of those Hessians."""

    def own_gradient(self, points: Array) -> Array:
        """grad Psi(z; delta_z), shape (n, D)."""

    def gram(self, positions: Array) -> tuple[Array, Array, Array]:
        """U(z_i, z_j) (K, K), d_1 U (K, D, K) and d_1 d_2 U (K, D, K, D)."""

    def risk(self, positions: Array, masses: Array) -> float:
        """R."""


@dataclass(frozen=True)
class PairLandscape(Landscape):
    """A landscape whose laws stand for their own outputs: rows (mass, position), shape (K, 1 + D).

    Attributes:
        pairs: the exact interaction; `objective` remains for what only needs its sizes.
    """

    pairs: Pairs

    def outputs(self, law: Atoms) -> Array:
        """The law itself."""
        return np.column_stack([law.weights, law.points])

    def risk(self, outputs: Array) -> float:
        return self.pairs.risk(outputs[:, 1:], outputs[:, 0])

    energy = risk

    def _psi(self, points: Array, outputs: Array) -> tuple[Array, Array]:
        return self.pairs.psi(points, outputs[:, 1:], outputs[:, 0])[:2]

    def own_gradient(self, points: Array) -> Array:
        return self.pairs.own_gradient(points) + self.confinement.gradient(points)

    def hessian(self, point: Array, outputs: Array) -> tuple[Array, float]:
        """Hess G at one point, shape (D, D), and an estimate of its error; by differences at the origin."""
        if np.all(point[self.radii] == 0.0):
            return super().hessian(point, outputs)
        law = outputs[:, 1:], outputs[:, 0]
        matrix = self.pairs.psi(point[None], *law)[2][0]
        return matrix + self.confinement.hessian(point), self.pairs.hessian_error(point[None], *law)

    def interaction(self, law: Atoms) -> Interaction:
        values, slopes, mixed = self.pairs.gram(law.points)
        held = self.radii & (law.points == 0.0)
        moves = np.where(held, 0.0, 1.0)
        return Interaction(values, slopes * moves[:, :, None], mixed * np.multiply.outer(moves, moves))

    def own_mixed(self, point: Array, outputs: Array, directions: Array) -> Array:
        del outputs
        return continued(
            lambda reach: np.einsum(
                "kdke,kd,ke->k", self.pairs.gram(point + reach * directions)[2], directions, directions
            )
        )
