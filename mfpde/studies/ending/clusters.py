"""The places where a law has its mass: basins of the modes of its density, seen at one scale.

The pieces are gathered on a lattice of half the scale, their density is the mass within the scale, and every lattice
point belongs to the mode that the steepest ascent to a neighbour leads to. Modes of little prominence are joined to the
higher one (F. Chazal, L. Guibas, S. Oudot, P. Skraba, "Persistence-based clustering in Riemannian manifolds", J. ACM 60
(2013) 41), so that bumps of a sampled density do not count, and thin bridges between heaps do not join them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mfpde.results.answers.ending import Cluster
from mfpde.solvers.arrays import Array
from mfpde.studies.distance import Pieces

RESOLUTION = 0.02
"""Smallest scale, over the size of the law: nearer places count as one."""
PROMINENCE = 2.0
"""A mode counts where its density is this many times that of the pass to a higher mode."""
DUST = 1e-3
"""Mass below which a heap is no cluster."""
FEWEST = 3
"""Neurons or particles below which a heap is no cluster, unless they are `LARGEST_DUST` of all."""
LARGEST_DUST = 0.1


def clusters(law: Pieces, size: float, sampled: bool = False) -> tuple[Cluster, ...]:
    """The clusters of a law, the heaviest first; what belongs to none is dust, heaps of less than `DUST` of the mass.

    Args:
        size: a length that counts as large for the law.
        sampled: whether the pieces were drawn at random, so that `FEWEST` of them are dust too.
    """
    centres = law.centres
    scale = _scale(law, centres, size)
    if not scale > 0.0:
        groups = np.zeros(len(centres), dtype=np.int64)
    else:
        cells = np.unique(np.floor(centres / (0.5 * scale)), axis=0, return_inverse=True)[1].reshape(-1)
        held = np.asarray(np.bincount(cells, weights=law.masses), dtype=float)
        heaps = np.stack([np.bincount(cells, weights=law.masses * axis) / held for axis in centres.T], axis=1)
        groups = _basins(heaps, held, scale)[cells]
    least = max(DUST, min(FEWEST / len(centres), LARGEST_DUST)) if sampled else DUST
    heavy = []
    for group in np.unique(groups):
        members = groups == group
        if law.masses[members].sum() >= least:
            heavy.append(_described(law, centres, members))
    return tuple(sorted(heavy, key=lambda cluster: (-cluster.weight, *cluster.position.tolist())))


def gathered_in(law: Pieces, heaps: Sequence[Cluster]) -> Pieces:
    """The law without its dust, of total mass 1."""
    members = np.any([cluster.members for cluster in heaps], axis=0)
    masses = law.masses[members]
    return Pieces(masses / masses.sum(), law.lower[members], law.upper[members])


def _scale(law: Pieces, centres: Array, size: float) -> float:
    """The scale of the density: that of a sample as large as the masses are many (D. Scott, 1992), or of two cells."""
    mean = law.masses @ centres
    spread = float(np.sqrt(law.masses @ ((centres - mean) ** 2).sum(axis=1)))
    effective = 1.0 / float(law.masses @ law.masses)
    sampled = spread * effective ** (-1.0 / (centres.shape[1] + 4.0))
    widths = np.linalg.norm(law.upper - law.lower, axis=1)
    cells = 2.0 * float(law.masses @ widths)
    return max(RESOLUTION * size, cells if cells > 0.0 else sampled)


def _basins(points: Array, masses: Array, scale: float) -> NDArray[np.int64]:
    """For each point the index of the point that is its mode."""
    tree = cKDTree(points)
    neighbours = tree.query_ball_point(points, scale)
    density = np.array(
        [
            masses[near] @ (1.0 - ((points[near] - point) ** 2).sum(axis=1) / scale**2)
            for point, near in zip(points, neighbours, strict=True)
        ]
    )
    mode = np.full(len(points), -1)

    def root(index: int) -> int:
        while mode[index] != index:
            index = int(mode[index])
        return index

    for index in np.argsort(-density, kind="stable"):
        around = [near for near in neighbours[index] if mode[near] >= 0]
        if not around:
            mode[index] = index
            continue
        mode[index] = root(max(around, key=lambda near: density[near]))
        # where two basins meet: the lower mode stays one if it stands out from here
        for other in {root(near) for near in around}:
            own = root(index)
            low, high = sorted((own, other), key=lambda top: (density[top], -top))
            if low != high and density[low] < PROMINENCE * density[index]:
                mode[low] = high
    return np.array([root(index) for index in range(len(points))], dtype=np.int64)


def _described(law: Pieces, centres: Array, members: NDArray[np.bool_]) -> Cluster:
    masses = law.masses[members]
    weight = float(masses.sum())
    mean = masses @ centres[members] / weight
    own = (law.upper - law.lower)[members] ** 2 / 12.0
    variance = masses @ ((centres[members] - mean) ** 2 + own) / weight
    return Cluster(mean, np.sqrt(variance), weight, members)
