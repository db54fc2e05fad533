"""What a choice of scheme brings: the scheme, its coarser companion, and what is known of their errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mfpde.solvers.flow.time_loop import Scheme
from mfpde.solvers.objective.representation import ReducedObjective
from mfpde.solvers.space.grid import Guide


@dataclass(frozen=True)
class Schemes:
    """A scheme ready to run.

    Attributes:
        main: the scheme asked for.
        companion: a coarser run of it, whose difference estimates the error of the risk; None where there is none.
        error_floor: error of the risk that refinement does not see (features, rounding).
        notes: what the user should know of the choices made.
        attributes: those choices, for the result file.
        fixed_step: length of the scheme's steps, cut at save times only; None where they adapt.
    """

    main: Scheme
    companion: Scheme | None
    error_floor: float
    notes: tuple[str, ...]
    attributes: dict[str, str | float | int]
    fixed_step: float | None = None


def error_floor_of(reduced: ReducedObjective, guide: Guide) -> float:
    """Error of the risk that no refinement of the scheme shows, measured on laws of the guide."""
    chosen = np.linspace(0, len(guide.times) - 1, 6).astype(int)
    return reduced.risk_error((guide.positions[k], guide.weights) for k in chosen) + 1e-14


def described(reduced: ReducedObjective) -> dict[str, str | float | int]:
    return {"features": reduced.method, "rank": reduced.rank, "feature_error": reduced.error}
