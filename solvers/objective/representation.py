"""An objective with what is known of its accuracy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..arrays import Array
from .objective import Objective


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
