"""The least value of the potential G over a box, from samples polished downhill: an estimate from above."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from .landscape import Landscape

SAMPLES = {1: 2001, 2: 81, 3: 21}
"""Samples per coordinate; 9 in more."""
POLISHED = 4
"""Local minima of the samples that are polished, the lowest ones."""


def lowest(landscape: Landscape, outputs: Array, lower: Array, upper: Array) -> tuple[float, Array]:
    """min G over the box and where, for the law with these outputs."""
    count = SAMPLES.get(lower.size, 9)
    # denser towards 0, where the landscape changes on the scale of the radius itself
    share = np.linspace(0.0, 1.0, count)
    graded = np.where(landscape.radii[:, None], share**2, share)
    axes = [low + (high - low) * part for low, high, part in zip(lower, upper, graded, strict=True)]
    points = np.stack([grid.ravel() for grid in np.meshgrid(*axes, indexing="ij")], axis=1)
    parts = np.array_split(points, len(points) // 4096 + 1)
    values = np.concatenate([landscape.potential(part, outputs)[0] for part in parts])
    starts = points[_local_minima(values.reshape((count,) * lower.size))]
    started = landscape.potential(starts, outputs)[0]
    chosen = starts[np.argsort(started, kind="stable")[:POLISHED]]
    return min((_downhill(landscape, outputs, start, lower, upper) for start in chosen), key=lambda pair: pair[0])


def _local_minima(grid: Array) -> NDArray[np.int64]:
    """Flat indices of the samples below their neighbours along every axis."""
    lowest = np.ones(grid.shape, dtype=bool)
    for axis in range(grid.ndim):
        moved, flags = np.moveaxis(grid, axis, 0), np.moveaxis(lowest, axis, 0)
        flags[1:] &= moved[1:] < moved[:-1]
        flags[:-1] &= moved[:-1] <= moved[1:]
    return np.asarray(np.flatnonzero(lowest) if lowest.any() else [int(np.argmin(grid))], dtype=np.int64)


def _downhill(landscape: Landscape, outputs: Array, start: Array, lower: Array, upper: Array) -> tuple[float, Array]:
    """The local minimum below `start`, its own value where none is found."""
    from scipy import optimize

    def value_and_slope(point: Array) -> tuple[float, Array]:
        value, slope = landscape.potential(point[None], outputs)
        return float(value[0]), slope[0]

    bounds = list(zip(lower, upper, strict=True))
    options = {"ftol": 1e-15, "gtol": 1e-13}
    found = optimize.minimize(value_and_slope, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    value = value_and_slope(start)[0]
    return (float(found.fun), np.asarray(found.x)) if found.fun < value else (value, start)
