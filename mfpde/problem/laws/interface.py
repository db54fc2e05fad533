"""What a scheme asks of a reduced problem: a feature map on a box at an accuracy, and what is known of it."""

from __future__ import annotations

from typing import Protocol

from mfpde.solvers.objective.representation import ReducedObjective
from mfpde.solvers.space.box import Box


class Reduction(Protocol):
    """A reduced problem at any accuracy, on any box of the reduced space."""

    def rough(self, box: Box, accuracy: float) -> ReducedObjective:
        """A cheap objective for a guide."""
        ...

    def exact(self, box: Box, accuracy: float) -> ReducedObjective:
        """Uncompressed features, with U accurate to `accuracy` on the box where that is possible."""
        ...

    def compressed(self, box: Box, accuracy: float) -> ReducedObjective:
        """Features of the numerical rank on the box."""
        ...

    def tabulated(self, box: Box, accuracy: float) -> ReducedObjective:
        """Features of the numerical rank, tabulated on the box; outside it they are evaluated."""
        ...

    def for_grid(self, box: Box, accuracy: float) -> ReducedObjective:
        """Features to be evaluated once on the cells of a grid."""
        ...
