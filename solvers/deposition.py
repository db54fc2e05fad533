"""Deposition of atoms on the cells of a tensor grid, keeping mass and first moments."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from .objective import Array


def deposit(positions: Array, weights: Array, edges: Sequence[Array]) -> Array:
    """Cell masses of the atomic law, each atom shared linearly between the nearest cell centres of every axis.

    The first moment is kept for atoms between the outermost centres; those beyond go to the outermost cell whole.

    Args:
        positions: shape (n, D).
        weights: shape (n,).
        edges: D increasing arrays of cell edges.
    """
    lower, fraction = [], []
    for axis, ends in enumerate(edges):
        centres = 0.5 * (ends[:-1] + ends[1:])
        if centres.size == 1:
            lower.append(np.zeros(len(positions), dtype=np.int64))
            fraction.append(np.zeros(len(positions)))
            continue
        index = np.clip(np.searchsorted(centres, positions[:, axis], side="right") - 1, 0, centres.size - 2)
        share = (positions[:, axis] - centres[index]) / (centres[index + 1] - centres[index])
        lower.append(index)
        fraction.append(np.clip(share, 0.0, 1.0))
    masses = np.zeros([ends.size - 1 for ends in edges])
    for corner in product((0, 1), repeat=len(edges)):
        share = np.array(weights, dtype=float)
        for side, part in zip(corner, fraction, strict=True):
            share = share * (part if side else 1.0 - part)
        cells = tuple(
            np.minimum(index + side, shape - 1)
            for index, side, shape in zip(lower, corner, masses.shape, strict=True)
        )
        np.add.at(masses, cells, share)
    return masses
