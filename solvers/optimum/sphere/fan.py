"""The cells and faces into which hyperplanes through the origin cut space, each by its signs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...arrays import Array

ZERO = 1e-11
"""Length of a projection of a unit vector that is rounding."""

Signs = NDArray[np.int8]


@dataclass(frozen=True)
class Flat:
    """A subspace in which some of the planes meet, and the cells that the others cut it into.

    Attributes:
        basis: orthonormal, shape (D, r).
        signs: -1, 0 or 1 for each cell and plane, 0 where the plane holds the flat, shape (n, K).
    """

    basis: Array
    signs: Signs


def cells(normals: Array) -> Signs:
    """Signs of all cells of planes whose normals (K, r) span the space, shape (n, K); 0 for a normal that is 0."""
    if normals.shape[1] == 1:
        sides = _signs(normals[:, 0])
        return np.stack([sides, -sides])
    found = []
    for plane in _distinct(normals):
        normal = normals[plane] / np.linalg.norm(normals[plane])
        within = cells(normals @ _complement(normal[:, None]))
        across = _signs(normals @ normal)
        for side in (across, -across):
            found.append(np.where(within == 0, side, within))
    return np.unique(np.concatenate(found), axis=0)


def flats(normals: Array) -> list[Flat]:
    """Every flat of planes with normals (K, D) that span the space, the space itself the first, the lines the last."""
    level: dict[bytes, Array] = {b"": np.eye(normals.shape[1])}
    found: list[Flat] = []
    while level:
        following: dict[bytes, Array] = {}
        for basis in level.values():
            inside = normals @ basis
            found.append(Flat(basis, cells(inside)))
            if basis.shape[1] == 1:
                continue
            for plane in _distinct(inside):
                smaller = basis @ _complement(inside[plane][:, None])
                following[(_signs(normals @ smaller, True) != 0).tobytes()] = smaller
        level = following
    return found


def cells_at_most(planes: int, dimension: int) -> int:
    """Cells of all flats, where the planes are in general position: no arrangement has more."""
    total = 0
    for r in range(1, dimension + 1):
        left = max(planes - (dimension - r), 0)
        each = 2 * sum(math.comb(max(left - 1, 0), i) for i in range(r))
        total += math.comb(planes, dimension - r) * each
    return total


def _signs(heights: Array, of_rows: bool = False) -> Signs:
    """Signs of numbers, 0 within rounding; of whole rows whether any number is not 0."""
    sizes = np.abs(heights).max(axis=1) if of_rows else heights
    return np.where(np.abs(sizes) <= ZERO, 0, np.sign(sizes)).astype(np.int8)


def _distinct(normals: Array) -> list[int]:
    """Numbers of the planes that are not 0, one of each that are the same."""
    lengths = np.linalg.norm(normals, axis=1)
    kept: list[int] = []
    units = normals / np.maximum(lengths, ZERO)[:, None]
    for i in np.flatnonzero(lengths > ZERO):
        if not kept or np.abs(units[kept] @ units[i]).max() < 1.0 - ZERO:
            kept.append(int(i))
    return kept


def _complement(columns: Array) -> Array:
    """An orthonormal basis of what is orthogonal to columns (r, c), shape (r, r - c)."""
    return np.linalg.svd(columns)[0][:, columns.shape[1] :]
