"""What a scheme asks of a reduced problem: a feature map on a box at an accuracy, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from mfpde.solvers.objective import Array, Objective


@dataclass(frozen=True)
class Box:
    """A box of the reduced space, corners of shape (D,)."""

    lower: Array
    upper: Array


@dataclass(frozen=True)
class ReducedObjective:
    """An objective with what is known of its accuracy.

    Attributes:
        objective: feature map, weights, targets.
        rank: number of features.
        error: bound, as measured, on the error of U and V anywhere on the box.
        method: how the features were obtained, in words.
        source: the objective before compression and tabulation.
        source_error: bound on the error of its U on the box.
    """

    objective: Objective
    rank: int
    error: float
    method: str
    source: Objective
    source_error: float

    def risk_error(self, laws: Iterable[tuple[Array, Array]]) -> float:
        """Error of the risk of laws (positions, weights): measured against the source, plus the source's own."""
        gaps = []
        for positions, weights in laws:
            risks = [form.risk(form.outputs(positions, weights)) for form in (self.objective, self.source)]
            gaps.append(abs(risks[0] - risks[1]))
        return max(gaps, default=0.0) + self.source_error


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
