"""Grids that the tests lay out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.space.grid import Grid, grid_from_edges


def uniform_grid(lower: Sequence[float], upper: Sequence[float], cells: Sequence[int], geometry: Geometry) -> Grid:
    """Equal cells on the box [lower, upper], with an origin cell on each radius that starts at 0."""
    edges, origin = [], []
    for low, high, count, axis in zip(lower, upper, cells, geometry.axes, strict=True):
        at_origin = axis.even and low == axis.lower and count > 1
        places = np.arange(count + 1) - 0.5 * at_origin
        edges.append(low + (high - low) * np.maximum(places, 0.0) / places[-1])
        origin.append(at_origin)
    return grid_from_edges(edges, origin)
