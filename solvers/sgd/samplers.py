"""How SGD draws samples (x, y), and where its neurons live: what the engine asks of a data law.

A sample is a function of its number and the stream (seed, replica) alone: a trajectory can be left and taken up
anywhere, and any stretch of it drawn again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array

DRAWN_BLOCK = 256
"""Samples that are drawn from one generator: the smallest stretch of a stream that can be read by itself."""
DRAWS, EMBEDDING = range(2)
"""Streams of generators: samples, first weights."""


class Sampler(ABC):
    """A law of (x, y) that can be drawn from.

    Attributes:
        coordinate_scales: scales of two Gaussian classes, with which loops draw the samples themselves; None where
            `samples` must draw them.
    """

    coordinate_scales: Array | None = None

    @property
    @abstractmethod
    def dimension(self) -> int:
        """d, the number of coordinates of x."""

    @abstractmethod
    def samples(self, first: int, count: int, seed: int, replica: int) -> tuple[Array, Array]:
        """The samples first <= n < first + count: x of shape (count, d) and y of shape (count,)."""

    @abstractmethod
    def embed(self, points: Array, seed: int, replica: int) -> Array:
        """Weights w, shape (N, d), with these reduced coordinates, shape (N, D), uniform where the law is symmetric."""

    @abstractmethod
    def reduce(self, w: Array) -> Array:
        """The reduced coordinates of weights w, shape (N, D)."""

    def moved(self, w: Array, points: Array) -> Array:
        """Weights that differ from w, shape (N, d), by their reduced coordinates alone, shape (N, D)."""
        raise NotImplementedError("this law does not say how weights follow their reduced coordinates")

    def check(self, points: Array) -> None:
        """Draw once, and embed and reduce these points, shape (N, D); raises ValueError where that is not possible."""
        self.samples(0, 1, 0, 0)
        shape = self.reduce(self.embed(points, 0, 0)).shape
        if shape != points.shape:
            raise ValueError(
                f"reduce(w) gives an array of shape {shape} for {len(points)} neurons; write it {points.shape}"
            )


@dataclass(frozen=True)
class GaussianClasses(Sampler):
    """Two classes of centred Gaussians with isotropic blocks, whose samples loops draw themselves (`draw`).

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
        return sum(self.dimensions)

    @property
    def coordinate_scales(self) -> Array:  # type: ignore[override]
        """s_y of every coordinate, shape (2, d); row 0 for y = 1, row 1 for y = -1."""
        return np.repeat(np.array(self.scales, dtype=float).T, self.dimensions, axis=1)

    def samples(self, first: int, count: int, seed: int, replica: int) -> tuple[Array, Array]:
        from .draw import draw_steps

        x, y = np.empty((count, self.dimension)), np.empty(count)
        draw_steps(x, y, self.coordinate_scales, first, 1, DRAWN_BLOCK, (np.uint64(seed), np.uint64(replica)))
        return x, y

    def embed(self, points: Array, seed: int, replica: int) -> Array:
        return embed_radii(points, self.dimensions, seed, replica)

    def reduce(self, w: Array) -> Array:
        """r_j = |w_j| of every neuron, shape (N, B)."""
        starts = np.concatenate(([0], np.cumsum(self.dimensions)[:-1]))
        return np.asarray(np.sqrt(np.add.reduceat(w * w, starts, axis=1)))

    def moved(self, w: Array, points: Array) -> Array:
        start = self.reduce(w)
        with np.errstate(divide="ignore", invalid="ignore"):
            scales = np.where(start > 0.0, points / start, 0.0)
        return np.asarray(w * np.repeat(scales, self.dimensions, axis=1))

    def check(self, points: Array) -> None:
        """Nothing: what is drawn is known."""


@dataclass(frozen=True)
class DrawnBlocks(Sampler):
    """A user's draws, by blocks of samples that have a generator each: Philox keyed by seed, replica and block.

    Attributes:
        given: what draws by `draw(count, generator)`, and has the `dimension` d; `embed(points, generator)` and
            `reduce(w)` are asked for where it has them, and stand for themselves where the reduced coordinates are
            those of w.
    """

    given: Any

    @property
    def dimension(self) -> int:
        return int(self.given.dimension)

    def samples(self, first: int, count: int, seed: int, replica: int) -> tuple[Array, Array]:
        blocks = range(first // DRAWN_BLOCK, -(-(first + count) // DRAWN_BLOCK))
        drawn = [self._block(block, seed, replica) for block in blocks]
        begin = first - blocks.start * DRAWN_BLOCK
        x, y = (np.concatenate([part[side] for part in drawn])[begin : begin + count] for side in (0, 1))
        return np.ascontiguousarray(x), np.ascontiguousarray(y)

    def _block(self, block: int, seed: int, replica: int) -> tuple[Array, Array]:
        x, y = self.given.draw(DRAWN_BLOCK, _generator(DRAWS, block, seed, replica))
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        if x.shape != (DRAWN_BLOCK, self.dimension) or y.shape != (DRAWN_BLOCK,):
            raise ValueError(
                f"draw({DRAWN_BLOCK}, generator) gives x of shape {x.shape} and y of shape {y.shape}; "
                f"write x of shape (count, {self.dimension}) and y of shape (count,)"
            )
        if not (np.all(np.isfinite(x)) and np.all(np.isfinite(y))):
            raise ValueError("draw(count, generator) gives samples that are not finite")
        return x, y

    def embed(self, points: Array, seed: int, replica: int) -> Array:
        if hasattr(self.given, "embed"):
            w = self.given.embed(points, _generator(EMBEDDING, 0, seed, replica))
            return _of_shape("embed(points, generator)", w, (len(points), self.dimension))
        return _of_shape("without a method embed(points, generator), the start", points, (len(points), self.dimension))

    def reduce(self, w: Array) -> Array:
        return np.asarray(self.given.reduce(w), dtype=float) if hasattr(self.given, "reduce") else w


def sampler_of(given: Any) -> Sampler | None:
    """The sampler that a data law offers: one of its own, or made of an object that draws."""
    return given if given is None or isinstance(given, Sampler) else DrawnBlocks(given)


def _generator(stream: int, block: int, seed: int, replica: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, replica], counter=[0, 0, block, stream]))


def _of_shape(what: str, found: Any, shape: tuple[int, int]) -> Array:
    array = np.asarray(found, dtype=float)
    if array.shape != shape:
        raise ValueError(f"{what} gives weights of shape {array.shape}; SGD needs {shape}, a row for each neuron")
    return array


def embed_radii(radii: Array, dimensions: tuple[int, ...], seed: int, replica: int) -> Array:
    """Weights w, shape (N, d), with |w_j| = radii[:, j] on each block, shape (N, B), and uniform directions."""
    w = direction_normals(len(radii), sum(dimensions), seed, replica)
    scale_blocks(w, np.asarray(radii, dtype=float), dimensions)
    return w


def direction_normals(neurons: int, dimension: int, seed: int, replica: int) -> Array:
    """Independent standard normals for the directions of the first neurons, shape (N, d)."""
    from .philox import DIRECTIONS, fill_normals

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
