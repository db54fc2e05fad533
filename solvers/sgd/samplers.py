"""How SGD draws samples (x, y), and where its neurons live: what the engine asks of a data law.

A sample is a function of its number and the stream (seed, replica) alone: a trajectory can be left and taken up
anywhere, and any stretch of it drawn again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..arrays import Array

Stream = tuple[int, int]
"""Seed and replica."""
DRAWN_BLOCK = 256
"""Samples that are drawn from one generator: the smallest stretch of a stream that can be read by itself."""
DRAWS, EMBEDDING = range(2)
"""Streams of generators: samples, first weights."""


class Sampler(ABC):
    """A law of (x, y) that can be drawn from.

    Attributes:
        together: samples that are drawn at once at least, where one costs nearly as much as many.
    """

    together: ClassVar[int] = 1

    @property
    @abstractmethod
    def dimension(self) -> int:
        """d, the number of coordinates of x."""

    @abstractmethod
    def fill(self, x: Array, y: Array, first: int, rows: int, stream: Stream) -> None:
        """Write the samples from `first` on into x, shape (count, D), D >= d, and y, shape (count,).

        What lies beyond the d columns is left alone. Loops draw up to `rows` samples at once, ending at its multiples:
        no bit depends on where else a stretch begins or ends.
        """

    def sampled(self, sampling: str) -> Sampler:
        """The same law drawn in another way (`finite.SAMPLINGS`).

        Raises:
            ValueError: draws are fresh ones.
        """
        raise ValueError(f'sgd.sampling: every sample is a fresh one, of which there is no "{sampling}"')

    def factors(self, first: int, count: int, stream: Stream) -> Array:
        """What each sample counts in a step, shape (count,); of length 0 where all count alike."""
        return np.empty(0)

    @property
    def whole(self) -> tuple[Array, Array, Array] | None:
        """x, y and weights that sum to 1 where each step takes all samples; None where it draws some."""
        return None

    def samples(self, first: int, count: int, seed: int, replica: int) -> tuple[Array, Array]:
        """The samples first <= n < first + count: x of shape (count, d) and y of shape (count,)."""
        x, y = np.empty((count, self.dimension)), np.empty(count)
        self.fill(x, y, first, DRAWN_BLOCK, (seed, replica))
        return x, y

    @abstractmethod
    def embed(self, points: Array, seed: int, replica: int) -> Array:
        """Weights w, shape (N, d), with these reduced coordinates, shape (N, D), uniform where the law is symmetric."""

    @abstractmethod
    def reduce(self, w: Array) -> Array:
        """The reduced coordinates of weights w, shape (N, D)."""

    @property
    def moves(self) -> bool:
        """Whether `moved` is known: a sampler that does not say it leaves the coupled dynamics out."""
        return type(self).moved is not Sampler.moved

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


class GaussianBlocks(Sampler):
    """Gaussian x in isotropic blocks of coordinates, one or two classes of it, which compiled loops draw.

    Attributes:
        dimensions: p_j of the blocks.
        scales: (s_{+,j}, s_{-,j}) per block, one number and the same where there is one class.
        classes: how many.
        signed: the first blocks, of one coordinate each, whose reduced coordinate is w_j itself; |w_j| of the others.
    """

    dimensions: tuple[int, ...]
    scales: tuple[tuple[float, float], ...]
    classes: ClassVar[int] = 1
    signed: int

    @property
    def dimension(self) -> int:
        return sum(self.dimensions)

    @cached_property
    def coordinate_scales(self) -> Array:
        """s_y of every coordinate, shape (classes, d); row 0 for y = 1, row 1 for y = -1."""
        return np.repeat(np.array(self.scales, dtype=float).T, self.dimensions, axis=1)[: self.classes]

    @abstractmethod
    def with_dimensions(self, dimensions: tuple[int, ...]) -> GaussianBlocks:
        """The same law with blocks of these dimensions."""

    def fill(self, x: Array, y: Array, first: int, rows: int, stream: Stream) -> None:
        from .draw import draw_blocks

        draw_blocks(x, y, self.coordinate_scales, first, rows, key_of(stream))

    def embed(self, points: Array, seed: int, replica: int) -> Array:
        w = direction_normals(len(points), self.dimension, seed, replica)
        self.scale(w, points)
        return w

    def scale(self, w: Array, points: Array) -> None:
        """Give the blocks of rows w, shape (N, d), these reduced coordinates, their directions kept, in place."""
        points = np.asarray(points, dtype=float)
        start = self.signed
        w[:, :start] = points[:, :start]
        for j, dimension in enumerate(self.dimensions[start:], start):
            part = w[:, start : start + dimension]
            part *= (points[:, j] / np.linalg.norm(part, axis=1))[:, None]
            start += dimension

    def reduce(self, w: Array) -> Array:
        """r_j = |w_j| of every neuron, or w_j of the signed blocks, shape (N, B)."""
        starts = np.concatenate(([0], np.cumsum(self.dimensions)[:-1]))
        lengths = np.asarray(np.sqrt(np.add.reduceat(w * w, starts, axis=1)))
        lengths[:, : self.signed] = w[:, : self.signed]
        return lengths

    def moved(self, w: Array, points: Array) -> Array:
        start = self.reduce(w)
        with np.errstate(divide="ignore", invalid="ignore"):
            scales = np.where(start != 0.0, points / start, 0.0)
        found = np.asarray(w * np.repeat(scales, self.dimensions, axis=1))
        found[:, : self.signed] = points[:, : self.signed]
        return found

    def check(self, points: Array) -> None:
        """Nothing: what is drawn is known."""


@dataclass(frozen=True)
class GaussianClasses(GaussianBlocks):
    """Two classes of centred Gaussians with isotropic blocks, y = 1 and y = -1.

    Attributes:
        dimensions: p_j of the blocks of coordinates.
        scales: (s_{+,j}, s_{-,j}) per block, for y = 1 and y = -1.
    """

    dimensions: tuple[int, ...]
    scales: tuple[tuple[float, float], ...]
    classes, signed = 2, 0

    def __post_init__(self) -> None:
        if len(self.dimensions) != len(self.scales) or not self.dimensions:
            raise ValueError(f"{len(self.dimensions)} blocks but {len(self.scales)} pairs of scales: give one to each")
        if not all(p == int(p) and p >= 1 for p in self.dimensions):
            raise ValueError(f"SGD draws samples: block dimensions must be whole and positive, not {self.dimensions}")

    def with_dimensions(self, dimensions: tuple[int, ...]) -> GaussianClasses:
        return GaussianClasses(dimensions, self.scales)


@dataclass(frozen=True)
class Projections(GaussianBlocks):
    """x ~ N(0, Id_d), y = g(first coordinates of x) + noise.

    Attributes:
        dimensions: 1 for each coordinate that g sees, and what is left of d.
        signed: how many g sees.
        target: g of the columns that it sees, shape (n, signed), an array of shape (n,).
        noise: standard deviation of y - g.
    """

    dimensions: tuple[int, ...]
    signed: int
    target: Callable[[Array], Array]
    noise: float = 0.0

    @property
    def scales(self) -> tuple[tuple[float, float], ...]:  # type: ignore[override]
        """1 for every block."""
        return ((1.0, 1.0),) * len(self.dimensions)

    @classmethod
    def of(cls, dimension: int, signed: int, target: Callable[[Array], Array], noise: float = 0.0) -> Projections:
        """In R^d, d the dimension."""
        rest = (dimension - signed,) if dimension > signed else ()
        return cls((1,) * signed + rest, signed, target, noise)

    def with_dimensions(self, dimensions: tuple[int, ...]) -> Projections:
        return replace(self, dimensions=dimensions)

    def fill(self, x: Array, y: Array, first: int, rows: int, stream: Stream) -> None:
        super().fill(x, y, first, rows, stream)
        y[:] = self.target(x[:, : self.signed])
        self.add_noise(y, first, stream)

    def add_noise(self, y: Array, first: int, stream: Stream) -> None:
        """That of the samples from `first` on, in place."""
        if self.noise > 0.0:
            y += self.noise * self._normals(first, len(y), stream)

    def _normals(self, first: int, count: int, stream: Stream) -> Array:
        """One for each sample, of the stream that is that of labels elsewhere."""
        from .philox import LABELS, fill_normal_pairs

        normals, others = np.empty(count), np.empty(count)
        steps = np.arange(first, first + count, dtype=np.uint64)
        fill_normal_pairs(normals, others, np.zeros_like(steps), steps, LABELS, *key_of(stream))
        return normals


@dataclass(frozen=True)
class DrawnBlocks(Sampler):
    """A user's draws, by blocks of samples that have a generator each: Philox keyed by seed, replica and block.

    Attributes:
        given: what draws by `draw(count, generator)`, and has the `dimension` d; `embed(points, generator)` and
            `reduce(w)` are asked for where it has them, and stand for themselves where the reduced coordinates are
            those of w.
    """

    given: Any
    together = 16 * DRAWN_BLOCK

    @property
    def dimension(self) -> int:
        return int(self.given.dimension)

    def fill(self, x: Array, y: Array, first: int, rows: int, stream: Stream) -> None:
        stop = first + len(y)
        for block in range(first // DRAWN_BLOCK, -(-stop // DRAWN_BLOCK)):
            own = slice(max(block * DRAWN_BLOCK, first), min((block + 1) * DRAWN_BLOCK, stop))
            here, there = (slice(own.start - begin, own.stop - begin) for begin in (first, block * DRAWN_BLOCK))
            points, values = self._block(block, *stream)
            x[here, : self.dimension], y[here] = points[there], values[there]

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

    @property
    def moves(self) -> bool:
        return not (hasattr(self.given, "embed") or hasattr(self.given, "reduce"))

    def moved(self, w: Array, points: Array) -> Array:
        return points if self.moves else super().moved(w, points)


def key_of(stream: Stream) -> tuple[Any, Any]:
    """Seed and replica as numbers of 64 bits."""
    return np.uint64(stream[0]), np.uint64(stream[1])


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


def direction_normals(neurons: int, dimension: int, seed: int, replica: int) -> Array:
    """Independent standard normals for the directions of the first neurons, shape (N, d)."""
    from .philox import DIRECTIONS, fill_normals

    w = np.empty((neurons, dimension))
    for i, row in enumerate(w):
        fill_normals(row, 0, DIRECTIONS, i, np.uint64(seed), np.uint64(replica))
    return w
