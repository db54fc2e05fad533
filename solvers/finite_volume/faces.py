"""Coefficients of the faces between finite volumes, and the blocks of cells that are swept together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..space.geometry import Geometry
from ..space.grid import Grid

THIRD_ORDER = (1.0 / 3.0, 1.0 / 6.0)
FROMM = (0.25, 0.25)
FEW_CELLS = 3.0  # per axis; a law on fewer is an atom to the grid
BLOCK_FEATURES = 2**15  # feature values per block, so that a block's features stay in a second-level cache
SMALLEST_BLOCK = 8  # slices along the first axis, so that the halos cost little
USUAL_BLOCK = 16  # and more where there are `MANY_BLOCKS`, so that threads have something to share
MANY_BLOCKS = 32


def padded_axes(geometry: Geometry, grid: Grid, slopes: tuple[float, float]) -> list[Array]:
    """`face_coefficients` of three axes: leading axes of one cell, then the grid's."""
    absent = face_coefficients(np.array([0.5]), np.array([0.0, 1.0]), 0.0, slopes)
    return [absent] * (3 - len(grid.shape)) + [
        face_coefficients(centre, edge, mobile, slopes)
        for centre, edge, mobile in zip(grid.centres, grid.edges, geometry.mobility, strict=True)
    ]


def face_coefficients(centre: Array, edge: Array, mobility: float, slopes: tuple[float, float]) -> Array:
    """Coefficients of the inner faces of an axis, shape (4, n - 1), in the order of the kernels' `_face`.

    The reconstruction is done in the index of the cell, in which a smoothly graded grid is uniform: with x'
    the distance of the representative points, rho at the face times x' is the reconstructed mass per cell,
    so that the flux is (Psi_a - Psi_b) * mobility / x'^2 * that mass. An origin cell is half a cell, hence
    twice as dense; next to it the reconstruction falls back to order 1.
    """
    faces = np.zeros((4, len(centre) - 1))
    faces[:2] = mobility / np.diff(centre) ** 2
    faces[2:] = np.array(slopes)[:, None]
    if centre[0] == edge[0]:
        faces[0, :1] *= 2.0
        faces[2:, :2] = 0.0
    return faces


def reconstruction_slopes(masses: Array, order: int) -> tuple[float, float]:
    """Weights of the forward and backward difference in the reconstruction.

    An atom spreads over a few cells only and stays unresolved: Fromm's balanced weights then keep its speed,
    where the positivity limit takes more from the forward difference than from the backward one.
    """
    if order == 1:
        return 0.0, 0.0
    occupied = float(masses.sum()) ** 2 / float((masses**2).sum())
    return FROMM if occupied < FEW_CELLS**masses.ndim else THIRD_ORDER


def block_bounds(shape: tuple[int, ...], features: int) -> NDArray[np.int64]:
    """First rows of the blocks, from the grid and the number of features alone."""
    rows = shape[0] * shape[1]
    slab = shape[1] if shape[0] > 1 else 1
    slabs = rows // slab
    shared = max(USUAL_BLOCK, slabs // MANY_BLOCKS)
    per_block = max(SMALLEST_BLOCK, min(BLOCK_FEATURES // (slab * shape[2] * features), shared))
    blocks = max(1, slabs // per_block)
    blocks += blocks % 2 if blocks > 1 else 0
    return slab * np.linspace(0, slabs, blocks + 1).astype(np.int64)
