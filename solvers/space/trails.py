"""Where atoms go: their places at a few times."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..arrays import Array
from .measure import Atoms
from .quantiles import quantile_path


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
    _quantiles: dict[int, list[Array]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def at(self, row: int) -> Atoms:
        """The law at one of the times."""
        return Atoms(self.positions[row], self.weights)

    def quantiles(self, axis: int) -> list[Array]:
        """Of one coordinate, as `quantile_path` tells them; kept for the grids that are laid out after them."""
        if axis not in self._quantiles:
            self._quantiles[axis] = quantile_path(self.positions[:, :, axis], self.weights)
        return self._quantiles[axis]
