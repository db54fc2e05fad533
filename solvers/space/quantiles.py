"""Quantiles of laws of atoms on their way along one axis."""

from __future__ import annotations

import itertools

import numpy as np

from ..arrays import Array

LEVELS = np.linspace(0.0, 1.0, 41)


def quantile_path(path: Array, weights: Array) -> list[Array]:
    """Quantiles at `LEVELS` at the times of a path (T, N), and between them so often that successive laws overlap."""
    rows = []
    for place in path:
        order = np.argsort(place)
        cumulative = np.cumsum(weights[order])
        rows.append(np.interp(LEVELS, (cumulative - 0.5 * weights[order]) / cumulative[-1], place[order]))
    filled = rows[:1]
    for before, after in itertools.pairwise(rows):
        spread = max(min(float(np.ptp(before)), float(np.ptp(after))), 1e-3 * float(np.ptp(path)))
        parts = int(np.ceil(2.0 * float(np.abs(after - before).max()) / spread))
        filled += [before + (after - before) * k / parts for k in range(1, parts + 1)]
    return filled
