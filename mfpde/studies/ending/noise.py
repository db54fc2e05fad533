"""How far a law with noise is from the Gibbs law, the only one that is stationary there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mfpde.results.answers.solve import numbers
from mfpde.solvers.arrays import Array
from mfpde.studies.ending.law import LastLaw
from mfpde.studies.optimum.gibbs import GibbsOptimum


@dataclass(frozen=True)
class NearGibbs:
    """The Gibbs law, seen from a run.

    Attributes:
        optimum: the Gibbs law.
        mean_distance, variance_distance: of the run's law minus those of the Gibbs law, shape (D,).
        least_distance: W2 is at least sqrt(|difference of means|^2 + |difference of standard deviations|^2).
        note: that in words.
    """

    optimum: GibbsOptimum
    mean_distance: Array
    variance_distance: Array
    least_distance: float
    note: str

    def to_json(self, names: tuple[str, ...]) -> dict[str, Any]:
        """As `nearest`: no atoms, moments instead."""
        best = self.optimum
        moments = {
            "mean": best.mean,
            "variance": best.variance,
            "mean_distance": self.mean_distance,
            "variance_distance": self.variance_distance,
        }
        return {
            "atoms": [],
            "risk": best.risk,
            "free_energy": best.free_energy,
            "gap_to_optimum": 0.0,
            "stable": True,
            "eigenvalues": None,
            "global_optimum": True,
            "note": self.note,
            **{key: dict(zip(names, numbers(values), strict=True)) for key, values in moments.items()},
            "distance_at_least": self.least_distance,
        }

    def text(self, names: tuple[str, ...]) -> str:
        """The same in words."""
        return f"the Gibbs law, {self.note}"


def near_gibbs(last: LastLaw, best: GibbsOptimum) -> NearGibbs:
    """The distances of the moments, and of the free energies."""
    mean, variance = last.mean - best.mean, last.variance - best.variance
    deviation = np.sqrt(np.maximum(last.variance, 0.0)) - np.sqrt(np.maximum(best.variance, 0.0))
    least = math.sqrt(float((mean**2 + deviation**2).sum()))
    parts = [
        f"{name}: mean off by {a:.3g}, variance by {b:.3g}"
        for name, a, b in zip(last.names, mean.tolist(), variance.tolist(), strict=True)
    ]
    if math.isfinite(last.free_energy):
        parts.insert(0, f"free energy above it by {last.free_energy - best.free_energy:.4g}")
    return NearGibbs(best, mean, variance, least, ", ".join([*parts, f"W2 at least {least:.3g}"]))
