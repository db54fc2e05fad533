"""The axes of the reduced space: what one coordinate ranges over, how it is measured, stopped, closed and spread."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..arrays import Array


class Axis:
    """One coordinate; what is not overridden is that of the whole line.

    A coordinate stands for `dimension` parameters of a neuron, and the image of their Lebesgue measure is a surface
    times a density of the coordinate: S_p r^(p - 1) dr for the length r of p parameters.

    Attributes:
        lower, upper: least and largest value of the coordinate.
        dimension: number of parameters that the coordinate stands for.
        even: whether functions of the parameters are even in the coordinate, so that `lower` is no wall to them but
            a point that they are mirrored at; mass that comes there rests at that point.
        discrete: whether it takes isolated values, between which nothing moves.
        period: after which the axis closes, None where it does not.
        unit: whether it is one of the coordinates of a unit vector.
        straight: whether it is a part of a line, on which cells, tables and proximal maps can be laid out.
        described: the axis in words, as messages call it.
        without_noise: why noise cannot act along it, in words that follow the coordinate's name; empty where it can.
    """

    lower: float = -math.inf
    upper: float = math.inf
    dimension: float = 1.0
    even: bool = False
    discrete: bool = False
    period: float | None = None
    unit: bool = False
    straight: bool = True
    described: str = "a line"
    without_noise: str = ""

    @property
    def walls(self) -> tuple[float, float]:
        """Where the coordinate stops: its ends, infinite where the axis closes."""
        return (self.lower, self.upper) if self.period is None else (-math.inf, math.inf)

    @property
    def log_surface(self) -> float:
        """log of the constant factor of the measure."""
        return 0.0

    def log_density(self, points: Array) -> Array:
        """log of the density of the measure at points inside, shape (n,)."""
        return np.zeros(len(points))

    def log_measure(self, edges: Array) -> Array:
        """log of the integral of the density over the cells between `edges`, shape (n,)."""
        return np.asarray(np.log(np.diff(edges)))

    def mean_square(self, edges: Array) -> Array:
        """Mean of z^2 over the cells between `edges` with respect to the density, shape (n,)."""
        low, high = edges[:-1], edges[1:]
        return np.asarray((low**2 + low * high + high**2) / 3.0)

    def cells(self, count: int) -> Array | None:
        """Edges of the cells of the whole axis, where it is laid out whole; None where laws take a part of it."""
        return None

    def folded(self, points: Array) -> Array:
        """Any numbers brought into the axis: past an end put on it, mirrored at a radius of 0, turned on a circle."""
        return np.minimum(np.maximum(points, self.lower), self.upper)

    def displacement(self, start: Array, end: Array) -> Array:
        """The way from `start` to `end`, the shorter one on a circle."""
        return end - start

    def shaken(self, points: Array, deviation: float, random: np.random.Generator) -> Array:
        """Draws after Brownian motion of all the parameters by `deviation` each, exact in law, shape (n,)."""
        return points + deviation * random.standard_normal(len(points))

    def spread(self, points: Array, share: Array, nodes: Array, variance: Array) -> Array:
        """Where noise of this variance takes points, `nodes` standard deviations from where they would lie.

        Args:
            points, nodes, variance: of shapes that broadcast.
            share: of the outward drift that noise in several parameters brings their length.
        """
        return self.folded(points + nodes * np.sqrt(variance))


@dataclass(frozen=True)
class Line(Axis):
    """The whole line."""


@dataclass(frozen=True)
class Radius(Axis):
    """The length r = |w| >= 0 of p parameters: measure S_p r^(p - 1) dr, S_p = 2 pi^(p/2) / Gamma(p/2).

    Attributes:
        p: >= 1; math.inf in the limit of infinite dimension, where the measure is undefined and noise refused.
    """

    p: float

    lower = 0.0
    even = True
    described = "a radius"

    @property
    def dimension(self) -> float:  # type: ignore[override]
        return self.p

    @property
    def without_noise(self) -> str:  # type: ignore[override]
        if self.p < math.inf:
            return ""
        return "has infinite dimension, where omega is undefined: noise needs finite data.dims"

    @property
    def log_surface(self) -> float:
        half = 0.5 * self.p
        return math.log(2.0) + half * math.log(math.pi) - math.lgamma(half)

    def log_density(self, points: Array) -> Array:
        """(p - 1) log r at points > 0, shape (n,)."""
        return np.zeros(len(points)) if self.p == 1.0 else np.asarray((self.p - 1.0) * np.log(points))

    def log_measure(self, edges: Array) -> Array:
        """(b^p - a^p) / p, formed as b^p (1 - (a/b)^p) / p in logarithms, which holds for p in the thousands."""
        if self.p == 1.0:
            return super().log_measure(edges)
        low, high = edges[:-1], edges[1:]
        ratio = self.p * np.log1p(-(high - low) / np.where(low > 0.0, high, np.inf))
        part = np.where(low > 0.0, -np.expm1(ratio), 1.0)
        return np.asarray(self.p * np.log(high) + np.log(part) - np.log(self.p))

    def mean_square(self, edges: Array) -> Array:
        low, high = edges[:-1], edges[1:]
        ratio = low / high
        share = (1.0 - ratio ** (self.p + 2.0)) / (1.0 - ratio**self.p)
        return np.asarray(self.p / (self.p + 2.0) * high**2 * share)

    def folded(self, points: Array) -> Array:
        return np.where(points < 0.0, -points, points)

    def shaken(self, points: Array, deviation: float, random: np.random.Generator) -> Array:
        """|r e + s g| = ((r + s g_1)^2 + s^2 chi^2(p - 1))^(1/2): no singular drift at the origin."""
        along = super().shaken(points, deviation, random)
        if self.p > 1:
            return np.asarray(np.sqrt(along**2 + deviation**2 * random.chisquare(self.p - 1.0, len(along))))
        return np.abs(along)

    def spread(self, points: Array, share: Array, nodes: Array, variance: Array) -> Array:
        """Noise in p parameters adds p times the variance to r^2."""
        outward = np.sqrt(points**2 + share * self.p * variance)
        return np.maximum(outward + nodes * np.sqrt(variance), 0.0)


@dataclass(frozen=True)
class Interval(Axis):
    """low <= z <= high with walls that mass does not cross: it stops there, and noise is reflected.

    Raises:
        ValueError: ends that are not finite and increasing.
    """

    low: float
    high: float

    described = "an interval"

    def __post_init__(self) -> None:
        if not (-math.inf < self.low < self.high < math.inf):
            raise ValueError(f"an interval needs finite ends low < high, got [{self.low}, {self.high}]")

    @property
    def lower(self) -> float:  # type: ignore[override]
        return self.low

    @property
    def upper(self) -> float:  # type: ignore[override]
        return self.high

    def shaken(self, points: Array, deviation: float, random: np.random.Generator) -> Array:
        """Brownian motion on the line folded at both ends is the one that they reflect."""
        width = self.high - self.low
        turned = np.mod(super().shaken(points, deviation, random) - self.low, 2.0 * width)
        return self.folded(self.low + np.minimum(turned, 2.0 * width - turned))


@dataclass(frozen=True)
class Circle(Axis):
    """Angles, or anything else that closes after a period: 0 <= z < period.

    Positions may run on beyond one turn while they move; `folded` brings them back.

    Raises:
        ValueError: a period that is not positive and finite.
    """

    period: float = 2.0 * math.pi

    lower = 0.0
    straight = False
    described = "a circle"

    def __post_init__(self) -> None:
        if not (0.0 < self.period < math.inf):
            raise ValueError(f"a circle needs a finite period > 0, got {self.period}")

    @property
    def upper(self) -> float:  # type: ignore[override]
        return self.period

    def cells(self, count: int) -> Array:
        return np.linspace(0.0, self.period, count + 1)

    def folded(self, points: Array) -> Array:
        turned = np.mod(points, self.period)
        # a tiny negative number rounds to a full turn
        return np.where(turned < self.period, turned, 0.0)

    def displacement(self, start: Array, end: Array) -> Array:
        ahead = np.mod(end - start, self.period)
        return np.where(ahead > 0.5 * self.period, ahead - self.period, ahead)

    def shaken(self, points: Array, deviation: float, random: np.random.Generator) -> Array:
        return self.folded(super().shaken(points, deviation, random))


@dataclass(frozen=True)
class Component(Axis):
    """A coordinate of a unit vector, which all such coordinates of a space are together.

    Its length may run off 1 by the error of steps; `Geometry.turned` brings it back.
    """

    lower, upper = -1.0, 1.0
    unit = True
    straight = False
    described = "a sphere"

    @property
    def walls(self) -> tuple[float, float]:
        return -math.inf, math.inf

    def folded(self, points: Array) -> Array:
        return points


@dataclass(frozen=True)
class Sign(Axis):
    """A mark +1 or -1 that a neuron keeps."""

    lower, upper = -1.0, 1.0
    discrete = True
    straight = False
    described = "a sign"
    without_noise = "is a sign, which noise cannot move: let it be frozen"

    def cells(self, count: int) -> Array:
        """Two, of width 2 about -1 and 1, whatever is asked for."""
        return np.array([-2.0, 0.0, 2.0])

    def folded(self, points: Array) -> Array:
        return np.where(points < 0.0, -1.0, 1.0)
