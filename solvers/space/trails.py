"""Where atoms go: their places at a few times."""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import Array
from .measure import Atoms


@dataclass(frozen=True)
class Trails:
    """Atoms of fixed masses at increasing times, as a cheap run of characteristics leaves them.

    Attributes:
        positions: of the atoms at the times, shape (T, N, D).
        weights: their masses, shape (N,).
        times: shape (T,).
    """

    positions: Array
    weights: Array
    times: Array

    def at(self, row: int) -> Atoms:
        """The law at one of the times."""
        return Atoms(self.positions[row], self.weights)
