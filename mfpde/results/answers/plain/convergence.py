"""The result of `convergence`: the error of every level, and the observed orders."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mfpde.results.answer import ANSWERS, Answer
from mfpde.results.objects import Part


@dataclass(frozen=True)
class Level(Part):
    """One run of the refinement.

    Attributes:
        scheme: the scheme's name.
        refined: what is refined, as the scheme calls it: "cells" (per axis), "tolerance", "step" (in flow time).
        resolution: its value.
        error: max over the save times of |R - R_reference|.
        estimate: max over the save times of the run's own `risk_error`.
        order: log of the ratio of errors over log of the ratio of resolutions, NaN at the coarsest level.
        wall_seconds: time of the run.
    """

    scheme: str
    refined: str
    resolution: float
    error: float
    estimate: float
    order: float
    wall_seconds: float


@ANSWERS.register("convergence")
@dataclass(frozen=True)
class ConvergenceResult(Answer):
    """The levels of a refinement, coarse to fine, scheme after scheme, and the reference they are held against.

    Attributes:
        levels: the runs that were completed.
        reference: what the reference is, in words.
        reference_scheme: its scheme.
        reference_risk: R at the last save time of the reference.
        reference_error: the largest `risk_error` of the reference; no smaller error can be seen.
        reference_seconds: time of the reference run.
        status: "success", or that of the run that was not.
        message: why it was not.
        refused: schemes that cannot do the problem, each with the reason.
    """

    JSON = (
        *("levels", "reference_scheme", "reference_risk", "reference_error", "reference_seconds"),
        *("refused", "status"),
    )

    levels: tuple[Level, ...]
    reference: str
    reference_scheme: str
    reference_risk: float
    reference_error: float
    reference_seconds: float
    status: str
    message: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)

    def table(self) -> str:
        """The result as text."""
        head = f"reference: {self.reference}, R = {self.reference_risk:.12g}"
        lines = [f"{head}, error {self.reference_error:.1e}, {self.reference_seconds:.2f} s"]
        titles = f"{'error':>9} {'estimate':>9} {'order':>6} {'seconds':>8}"
        lines.append(f"{'scheme':<16} {'refined':<9} {'resolution':>10} {titles}")
        for level in self.levels:
            order = "" if math.isnan(level.order) else f"{level.order:.2f}"
            text = f"{level.scheme:<16} {level.refined:<9} {level.resolution:>10.4g} {level.error:>9.1e}"
            lines.append(f"{text} {level.estimate:>9.1e} {order:>6} {level.wall_seconds:>8.2f}")
        lines += [f"{scheme}: not run: {reason}" for scheme, reason in self.refused.items()]
        return "\n".join(lines)

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The reference in words."""
        return {"reference": content["reference_scheme"]}
