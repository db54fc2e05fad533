"""How far a law with noise is from the Gibbs law, the only one that is stationary there."""

from __future__ import annotations

import math

import numpy as np

from mfpde.results.answers.ending import NearGibbs
from mfpde.results.answers.optimum import GibbsOptimum
from mfpde.studies.ending.law import RunEnd


def near_gibbs(last: RunEnd, best: GibbsOptimum) -> NearGibbs:
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
    words = ", ".join([*parts, f"W2 at least {least:.3g}"])
    return NearGibbs(best.risk, best.free_energy, best.mean, best.variance, mean, variance, least, words)
