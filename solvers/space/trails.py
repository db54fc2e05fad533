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
        reach: how often the cuts of the first law's tails had to be moved outwards.
    """

    positions: Array
    weights: Array
    times: Array
    reach: int = 0

    def at(self, row: int) -> Atoms:
        """The law at one of the times."""
        return Atoms(self.positions[row], self.weights)
