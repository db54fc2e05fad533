"""The reduced space: its axes, their names, and which of them move."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from .axis import Axis, Line
from .box import Box

STILL = Line()
"""A coordinate that does not move is measured as it is, whatever it stands for."""


@dataclass(frozen=True)
class Geometry:
    """Coordinates z = (z_1, ..., z_D) with the Euclidean metric and the measure omega of the axes that move.

    Attributes:
        axes: what each coordinate ranges over.
        names: coordinate names, ("r1", "r2", "a", ...).
        mobile: whether the flow moves the coordinate (offsets or coefficients may be frozen).
        factors: on the velocity of each coordinate, 1 where none are given.

    Raises:
        ValueError: axes, names and mobile of different lengths, or a discrete coordinate that moves.
    """

    axes: tuple[Axis, ...]
    names: tuple[str, ...]
    mobile: tuple[bool, ...]
    factors: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (len(self.axes) == len(self.names) == len(self.mobile)):
            raise ValueError(f"{len(self.axes)} axes, {len(self.names)} names, {len(self.mobile)} marks of what moves")
        for name, axis, moves in zip(self.names, self.axes, self.mobile, strict=True):
            if moves and axis.discrete:
                raise ValueError(f"{name} lies on {axis.described}, along which nothing moves: let it be frozen")

    @classmethod
    def of(cls, axes: Mapping[str, Axis], frozen: Collection[str] = ()) -> Geometry:
        """The geometry of named axes, in order; those named in `frozen` do not move."""
        return cls(tuple(axes.values()), tuple(axes), tuple(name not in frozen for name in axes))

    def slowed(self, factors: Sequence[float]) -> Geometry:
        """The same with factors on the velocity of each coordinate; 0 freezes it."""
        mobile = tuple(moves and factor > 0.0 for moves, factor in zip(self.mobile, factors, strict=True))
        return replace(self, mobile=mobile, factors=tuple(factors))

    @property
    def dimension(self) -> int:
        """Number of reduced coordinates."""
        return len(self.axes)

    @property
    def lower_bounds(self) -> Array:
        """Least value of each coordinate, -inf on a line, shape (D,)."""
        return np.array([axis.lower for axis in self.axes])

    @property
    def upper_bounds(self) -> Array:
        """Largest value of each coordinate, shape (D,)."""
        return np.array([axis.upper for axis in self.axes])

    @property
    def walls(self) -> Box:
        """Where coordinates stop."""
        lower, upper = ([axis.walls[end] for axis in self.axes] for end in (0, 1))
        return Box(np.array(lower), np.array(upper))

    def cut(self, box: Box) -> Box:
        """The part of a box that belongs to the space; of a circle all."""
        closed = self.periodic
        lower = np.where(closed, self.lower_bounds, np.maximum(self.lower_bounds, box.lower))
        return Box(lower, np.where(closed, self.upper_bounds, np.minimum(self.upper_bounds, box.upper)))

    def unrolled(self, box: Box) -> Box:
        """A box with circles unrolled to three turns: proximal maps from the middle one see all of the circle."""
        turns = np.where(self.periodic, self.upper_bounds - self.lower_bounds, 0.0)
        return Box(box.lower - turns, box.upper + turns)

    def box(self, radius: float) -> Box:
        """The part of the space where no coordinate exceeds a radius in magnitude."""
        reach = np.full(self.dimension, radius)
        return self.cut(Box(-reach, reach))

    @property
    def mobility(self) -> Array:
        """m_i of the coordinates that move, 0 where one is frozen, shape (D,)."""
        return np.array(self.mobile, dtype=float) * (self.factors or 1.0)

    @property
    def inertia(self) -> Array:
        """1 / m_i, the metric of the coordinates that move, 1 for the others, shape (D,)."""
        return 1.0 / np.where(self.mobility > 0.0, self.mobility, 1.0)

    @property
    def frozen(self) -> tuple[str, ...]:
        """Names of the coordinates that do not move."""
        return tuple(name for name, moves in zip(self.names, self.mobile, strict=True) if not moves)

    @property
    def bounded(self) -> bool:
        """Whether no coordinate that moves can go to infinity."""
        moving = np.array(self.mobile)
        return bool(np.isfinite(self.lower_bounds[moving]).all() and np.isfinite(self.upper_bounds[moving]).all())

    @property
    def even(self) -> NDArray[np.bool_]:
        """Which coordinates functions are even in, shape (D,)."""
        return np.array([axis.even for axis in self.axes])

    @property
    def periodic(self) -> NDArray[np.bool_]:
        """Which coordinates close, shape (D,)."""
        return np.array([axis.period is not None for axis in self.axes])

    def folded(self, points: Array) -> Array:
        """Points (n, D) brought into the axes, as `Axis.folded` brings each coordinate."""
        return np.stack([axis.folded(points[..., a]) for a, axis in enumerate(self.axes)], axis=-1)

    def held(self, points: Array) -> Array:
        """Points (n, D) that ran on past walls and around circles, put on the walls and brought into one turn."""
        return self.turned(self.walls.held(points))

    def turned(self, points: Array) -> Array:
        """Points (n, D) with the coordinates on circles brought into one turn, and unit vectors to length 1."""
        unit = np.array([axis.unit for axis in self.axes])
        if unit.any():
            lengths = np.linalg.norm(points[..., unit], axis=-1, keepdims=True)
            points = np.where(unit, points / np.where(lengths > 0.0, lengths, 1.0), points)
        if not self.periodic.any():
            return points
        columns = [
            axis.folded(points[..., a]) if axis.period is not None else points[..., a]
            for a, axis in enumerate(self.axes)
        ]
        return np.stack(columns, axis=-1)

    @property
    def statistics(self) -> tuple[str, ...]:
        """What moments are taken of: the coordinates, and cosine and sine of the phase of those on circles."""
        return tuple(
            each
            for name, axis in zip(self.names, self.axes, strict=True)
            for each in ([name] if axis.period is None else [f"cos_{name}", f"sin_{name}"])
        )

    def read(self, points: Array) -> Array:
        """The `statistics` at points (n, D), shape (n, S)."""
        if not self.periodic.any():
            return points
        columns: list[Array] = []
        for a, axis in enumerate(self.axes):
            phase = points[:, a] if axis.period is None else points[:, a] * (2.0 * np.pi / axis.period)
            columns += [phase] if axis.period is None else [np.cos(phase), np.sin(phase)]
        return np.stack(columns, axis=1)

    def moments(self, points: Array, weights: Array) -> tuple[Array, Array]:
        """Mean and variance of each of the `statistics` under normalised weights, shape (S,) each."""
        shares, values = weights / weights.sum(), self.read(points)
        mean = shares @ values
        return mean, shares @ (values - mean) ** 2

    def displacement(self, start: Array, end: Array) -> Array:
        """The way between points (n, D), the shorter one on circles, shape (n, D)."""
        return np.stack([axis.displacement(start[..., a], end[..., a]) for a, axis in enumerate(self.axes)], axis=-1)

    @property
    def log_surface(self) -> float:
        """sum of the logarithms of the constant factors of the axes that move; raises ValueError where undefined."""
        return sum(self._measured(a).log_surface for a in range(self.dimension))

    def log_density(self, axis: int, points: Array) -> Array:
        """`Axis.log_density` of one axis; raises ValueError where the measure is undefined."""
        return self._measured(axis).log_density(points)

    def log_measure(self, axis: int, edges: Array) -> Array:
        """`Axis.log_measure` of one axis; raises ValueError where the measure is undefined."""
        return self._measured(axis).log_measure(edges)

    def mean_square(self, axis: int, edges: Array) -> Array:
        """`Axis.mean_square` of one axis; raises ValueError where the measure is undefined."""
        return self._measured(axis).mean_square(edges)

    def refusals(self, *, noise: bool = False, ridge: bool = False, straight: bool = False) -> list[str]:
        """Why what is asked for cannot be done here, one message per coordinate and reason.

        Args:
            noise: Brownian motion along every axis that moves.
            ridge: a confinement |z|^2 / 2.
            straight: cells, tables or proximal maps, which are laid out along lines.
        """
        words = []
        for name, axis, moves in zip(self.names, self.axes, self.mobile, strict=True):
            if noise and moves and axis.without_noise:
                words.append(f"{name} {axis.without_noise}")
            if ridge and axis.period is not None:
                words.append(f"{name} lies on {axis.described}, where |z|^2 jumps after a turn: write ridge = 0")
            told = any(axis.unit for axis in self.axes) and name != self.names[0]
            if straight and not axis.straight and not told:
                words.append(f"{name} lies on {axis.described}, along which no cells or tables can be laid out")
        return words

    def _measured(self, axis: int) -> Axis:
        """The axis whose measure counts, a line for what is frozen; raises ValueError where it is undefined."""
        if not self.mobile[axis]:
            return STILL
        if self.axes[axis].without_noise:
            raise ValueError(f"{self.names[axis]} {self.axes[axis].without_noise}")
        return self.axes[axis]
