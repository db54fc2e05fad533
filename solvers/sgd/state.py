"""What SGD runs on and carries along: the data law, the state of a trajectory, its first weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from .philox import DIRECTIONS, fill_normals


@dataclass(frozen=True)
class GaussianClasses:
    """The data law. Laws that are not given by samples of (x, y), such as a target function, have no SGD here.

    Attributes:
        dimensions: p_j of the blocks of coordinates.
        scales: (s_{+,j}, s_{-,j}) per block, for y = 1 and y = -1.
    """

    dimensions: tuple[int, ...]
    scales: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if len(self.dimensions) != len(self.scales) or not self.dimensions:
            raise ValueError(f"{len(self.dimensions)} blocks but {len(self.scales)} pairs of scales: give one to each")
        if not all(p == int(p) and p >= 1 for p in self.dimensions):
            raise ValueError(f"SGD draws samples: block dimensions must be whole and positive, not {self.dimensions}")

    @property
    def dimension(self) -> int:
        """d, the number of coordinates of x."""
        return sum(self.dimensions)

    @property
    def coordinate_scales(self) -> Array:
        """s_y of every coordinate, shape (2, d); row 0 for y = 1, row 1 for y = -1."""
        return np.repeat(np.array(self.scales, dtype=float).T, self.dimensions, axis=1)

    def radii(self, w: Array) -> Array:
        """r_j = |w_j| of every neuron, shape (N, B)."""
        starts = np.concatenate(([0], np.cumsum(self.dimensions)[:-1]))
        return np.asarray(np.sqrt(np.add.reduceat(w * w, starts, axis=1)))


@dataclass(frozen=True)
class SgdState:
    """Everything a trajectory needs to go on.

    Attributes:
        step: k, steps made.
        w: first-layer weights, shape (N, d).
        a, b: coefficients and offsets, shape (N,).
    """

    step: int
    w: Array
    a: Array
    b: Array

    @property
    def neurons(self) -> int:
        """N."""
        return len(self.w)


def embed_radii(radii: Array, dimensions: tuple[int, ...], seed: int, replica: int) -> Array:
    """Weights w, shape (N, d), with |w_j| = radii[:, j] on each block, shape (N, B), and uniform directions."""
    w = direction_normals(len(radii), sum(dimensions), seed, replica)
    scale_blocks(w, np.asarray(radii, dtype=float), dimensions)
    return w


def direction_normals(neurons: int, dimension: int, seed: int, replica: int) -> Array:
    """Independent standard normals for the directions of the first neurons, shape (N, d)."""
    w = np.empty((neurons, dimension))
    for i, row in enumerate(w):
        fill_normals(row, 0, DIRECTIONS, i, np.uint64(seed), np.uint64(replica))
    return w


def scale_blocks(w: Array, radii: Array, dimensions: tuple[int, ...]) -> None:
    """Bring each block of coordinates of each row of w to the length radii[:, j], in place."""
    start = 0
    for j, dimension in enumerate(dimensions):
        part = w[:, start : start + dimension]
        part *= (radii[:, j] / np.linalg.norm(part, axis=1))[:, None]
        start += dimension
