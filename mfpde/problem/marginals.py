"""Laws of one independent label, on its own line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import numpy as np
from scipy import special

from mfpde.solvers.arrays import Array
from mfpde.solvers.space.grid import Grid

TAIL = 1e-18
"""Mass cut from each tail of an unbounded label."""


class Marginal(Protocol):
    """Law of one label: a density on [lower, upper], smooth between `breaks`, or `Discrete`."""

    @property
    def breaks(self) -> Array:
        """Ends of the support and points where the density is not smooth, increasing."""

    def density(self, x: Array) -> Array:
        """Probability density."""

    def cumulative(self, x: Array) -> Array:
        """Distribution function."""


@runtime_checkable
class Unbounded(Protocol):
    """A marginal whose tails have no end, or one where its density vanishes: they are cut off."""

    def reaching(self, tail: float) -> Array:
        """`breaks`, with this mass beyond each of the outermost."""
        ...

    def above(self, x: Array) -> Array:
        """1 - `cumulative`, to its own relative accuracy."""
        ...


def unbounded(marginal: Marginal) -> bool:
    """Whether its tails are cut off."""
    return isinstance(marginal, Unbounded)


def reaching(marginal: Marginal, tail: float) -> Array:
    """The breaks of a marginal with this mass beyond the outermost, if its tails are cut off."""
    return marginal.reaching(tail) if isinstance(marginal, Unbounded) else marginal.breaks


def between(marginal: Marginal, edges: Array, whole: bool = False) -> Array:
    """Mass between increasing edges, to its own relative accuracy in both tails of a marginal without ends.

    That of the `whole` line has what lies beyond the outermost edges between these and the next.
    """
    below = marginal.cumulative(edges)
    masses = np.diff(below)
    if isinstance(marginal, Unbounded):
        masses = np.where(below[:-1] < 0.5, masses, -np.diff(marginal.above(edges)))
    if whole:
        below_all, above_all = beyond(marginal, float(edges[0]), float(edges[-1]))
        masses[0] += below_all
        masses[-1] += above_all
    return masses


def beyond(marginal: Marginal, lower: float, upper: float) -> Array:
    """Masses below and above an interval, shape (2,)."""
    ends = np.array([lower, upper])
    above = marginal.above(ends) if isinstance(marginal, Unbounded) else 1.0 - marginal.cumulative(ends)
    return np.array([marginal.cumulative(ends)[0], above[1]])


ATOM_CELLS = 3.0
"""Standard deviation, in cells, of the bump that stands for an atom on a grid."""
BISECTIONS = 60
"""Halvings of a label's support that bring an inverse distribution function down to rounding."""


@dataclass(frozen=True)
class Normal:
    """The law N(mean, std^2)."""

    mean: float
    std: float

    @property
    def breaks(self) -> Array:
        return self.reaching(TAIL)

    def reaching(self, tail: float) -> Array:
        return np.asarray(self.mean + self.std * special.ndtri(tail) * np.array([1.0, -1.0]))

    def density(self, x: Array) -> Array:
        u = (x - self.mean) / self.std
        return np.asarray(np.exp(-0.5 * u * u) / (np.sqrt(2 * np.pi) * self.std))

    def cumulative(self, x: Array) -> Array:
        return np.asarray(special.ndtr((x - self.mean) / self.std))

    def above(self, x: Array) -> Array:
        return np.asarray(special.ndtr((self.mean - x) / self.std))


@dataclass(frozen=True)
class Uniform:
    """The uniform law on [low, high]."""

    low: float
    high: float

    @property
    def breaks(self) -> Array:
        return np.array([self.low, self.high])

    def density(self, x: Array) -> Array:
        return np.where((x >= self.low) & (x <= self.high), 1.0 / (self.high - self.low), 0.0)

    def cumulative(self, x: Array) -> Array:
        return np.clip((x - self.low) / (self.high - self.low), 0.0, 1.0)


@dataclass(frozen=True)
class ScaledChi:
    """r = scale * chi(p), the norm of a centred Gaussian vector of p components with that standard deviation."""

    dimension: float
    scale: float

    @property
    def breaks(self) -> Array:
        return self.reaching(TAIL)

    def reaching(self, tail: float) -> Array:
        half = self.dimension / 2
        squares = np.array([special.gammaincinv(half, tail), special.gammainccinv(half, tail)])
        return np.asarray(self.scale * np.sqrt(2 * squares))

    def density(self, x: Array) -> Array:
        u = np.maximum(x / self.scale, 1e-300)
        p = self.dimension
        log_density = special.xlogy(p - 1, u) - u * u / 2 - special.gammaln(p / 2) - (p / 2 - 1) * np.log(2.0)
        return np.asarray(np.exp(log_density) / self.scale)

    def cumulative(self, x: Array) -> Array:
        return np.asarray(special.gammainc(self.dimension / 2, np.maximum(x, 0.0) ** 2 / (2 * self.scale**2)))

    def above(self, x: Array) -> Array:
        return np.asarray(special.gammaincc(self.dimension / 2, np.maximum(x, 0.0) ** 2 / (2 * self.scale**2)))


@dataclass(frozen=True)
class SquaredShare:
    """c in [0, 1] with c^2 ~ Beta(p/2, q/2): the share of a block of p coordinates in a uniform direction of p + q."""

    first: float
    second: float

    @property
    def breaks(self) -> Array:
        return self.reaching(TAIL)

    def reaching(self, tail: float) -> Array:
        halves = self.first / 2, self.second / 2
        squares = np.array([special.betaincinv(*halves, tail), special.betainccinv(*halves, tail)])
        return np.asarray(np.arcsin(np.sqrt(squares)))

    def density(self, x: Array) -> Array:
        sine, cosine = np.sin(x), np.cos(x)
        log_density = special.xlogy(self.first - 1, sine) + special.xlogy(self.second - 1, cosine)
        return np.asarray(2.0 * np.exp(log_density - special.betaln(self.first / 2, self.second / 2)))

    def cumulative(self, x: Array) -> Array:
        return np.asarray(special.betainc(self.first / 2, self.second / 2, np.sin(x) ** 2))

    def above(self, x: Array) -> Array:
        return np.asarray(special.betainc(self.second / 2, self.first / 2, np.cos(x) ** 2))


@dataclass(frozen=True)
class Tabulated:
    """A density given at increasing points, linear between them and zero outside, normalised to mass 1."""

    points: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("points", "values"):
            object.__setattr__(self, name, tuple(np.ravel(getattr(self, name)).tolist()))
        x, y = self._table
        if not (x.size >= 2 and np.all(np.diff(x) > 0) and y.shape == x.shape):
            raise ValueError("a tabulated law needs two or more increasing points and as many densities")
        if not (np.all(y >= 0) and np.sum(y) > 0 and np.all(np.isfinite(y))):
            raise ValueError("a tabulated density must be finite, not negative and not zero everywhere")

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        return np.array(self.points), np.array(self.values)

    @property
    def breaks(self) -> Array:
        return self._table[0]

    @cached_property
    def _cumulated(self) -> Array:
        """Unnormalised mass below each point."""
        points, values = self._table
        steps = 0.5 * np.diff(points) * (values[1:] + values[:-1])
        return np.concatenate([[0.0], np.cumsum(steps)])

    def density(self, x: Array) -> Array:
        inside = np.interp(x, *self._table, left=0.0, right=0.0)
        return np.asarray(inside / self._cumulated[-1])

    def cumulative(self, x: Array) -> Array:
        points, values = self._table
        inside = np.clip(x, points[0], points[-1])
        cell = np.clip(np.searchsorted(points, inside, side="right") - 1, 0, len(points) - 2)
        step = inside - points[cell]
        slope = np.diff(values) / np.diff(points)
        below = self._cumulated[cell] + step * (values[cell] + 0.5 * slope[cell] * step)
        return np.asarray(below / self._cumulated[-1])


@dataclass(frozen=True)
class Density:
    """Any density on [lower, upper], a function of arrays that is smooth there, normalised to mass 1.

    Attributes:
        inner: increasing places between the ends where it is not smooth.
        name: in configurations.

    Raises:
        ValueError: a density that is negative or not finite at the nodes of its quadrature, or has no mass.
    """

    function: Callable[[Array], Array]
    lower: float
    upper: float
    inner: tuple[float, ...] = ()
    name: str = "density"

    def __post_init__(self) -> None:
        ends = self.breaks
        if not (np.all(np.isfinite(ends)) and np.all(np.diff(ends) > 0.0)):
            raise ValueError("a density needs finite ends, lower < upper, and increasing places between them")
        nodes = (
            0.5 * (self.lower + self.upper) + 0.5 * (self.upper - self.lower) * np.polynomial.legendre.leggauss(64)[0]
        )
        values = np.asarray(self.function(nodes), dtype=float)
        if values.shape != nodes.shape:
            raise ValueError("a density must give an array of numbers of the shape of its argument")
        if not (np.all(np.isfinite(values)) and np.all(values >= 0.0) and self._mass > 0.0):
            raise ValueError("a density must be finite, not negative and not zero everywhere on [lower, upper]")

    @property
    def breaks(self) -> Array:
        return np.array([self.lower, *self.inner, self.upper], dtype=float)

    @cached_property
    def _mass(self) -> float:
        return float(self._below(np.array([self.upper]))[0])

    def density(self, x: Array) -> Array:
        return np.asarray(self.function(x) / self._mass)

    def cumulative(self, x: Array) -> Array:
        return np.asarray(self._below(np.atleast_1d(x)) / self._mass).reshape(np.shape(x))

    def _below(self, x: Array) -> Array:
        """Unnormalised mass below each x."""
        nodes, weights = np.polynomial.legendre.leggauss(64)
        mass = np.zeros(len(x))
        for low, high in pairwise(self.breaks):
            half = 0.5 * (np.clip(x, low, high) - low)
            mass += (self.function(low + half[:, None] * (nodes + 1.0)) * weights).sum(axis=1) * half
        return mass


@dataclass(frozen=True)
class Values:
    """The law that takes each of the values with a probability in proportion to its weight, equal ones by default.

    Raises:
        ValueError: no values, other weights than values, negative ones or none above 0, or what is not finite.
    """

    values: tuple[float, ...]
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("values", "weights"):
            given = getattr(self, name)
            object.__setattr__(self, name, None if given is None else tuple(np.ravel(given).astype(float).tolist()))
        if not self.values or (self.weights is not None and len(self.weights) != len(self.values)):
            raise ValueError("a discrete law needs one value or more, and as many weights where there are any")
        weights = np.array(self.weights or (1.0,))
        if not (np.all(np.isfinite(self.values)) and np.all(weights >= 0.0) and 0.0 < weights.sum() < np.inf):
            raise ValueError("a discrete law needs finite values, and weights >= 0 that are not all zero")

    @cached_property
    def _masses(self) -> tuple[Array, Array]:
        weights = np.ones(len(self.values)) if self.weights is None else np.array(self.weights)
        places, index = np.unique(self.values, return_inverse=True)
        masses = np.bincount(index, weights) / weights.sum()
        return places[masses > 0.0], masses[masses > 0.0]

    @property
    def masses(self) -> Array:
        """The probability of each of the places."""
        return self._masses[1]

    @property
    def breaks(self) -> Array:
        return self._masses[0]

    def density(self, x: Array) -> Array:
        places, masses = self._masses
        index = np.minimum(np.searchsorted(places, x), len(places) - 1)
        return np.where(places[index] == x, masses[index], 0.0)

    def cumulative(self, x: Array) -> Array:
        places, masses = self._masses
        return np.append(0.0, np.cumsum(masses))[np.searchsorted(places, x, side="right")]


@runtime_checkable
class Discrete(Protocol):
    """A marginal that takes its `breaks` alone: its density is their probability, `masses`."""

    @property
    def breaks(self) -> Array: ...

    @property
    def masses(self) -> Array: ...


def discrete(marginal: Marginal) -> bool:
    """Whether it takes single values."""
    return isinstance(marginal, Discrete)


def made_marginal(given: Any) -> Marginal:
    """The law of an object with `breaks` and `density(x)`, which may have a `name`.

    Raises:
        ValueError: what is given is none.
    """
    if hasattr(given, "density") and hasattr(given, "breaks"):
        if hasattr(given, "cumulative"):
            return given  # type: ignore[no-any-return]
        lower, *inner, upper = map(float, given.breaks)
        return Density(given.density, lower, upper, tuple(inner), str(getattr(given, "name", type(given).__name__)))
    raise ValueError("a law of a number has `breaks` and `density(x)`: write mfpde.Density(function, lower, upper)")


def settled(law: Any) -> float | Marginal:
    """A law, as its value where it has only one; raises ValueError where it is none."""
    if isinstance(law, int | float) or (isinstance(law, Normal) and not (law.std > 0.0)):
        return law.mean if isinstance(law, Normal) else law
    made = made_marginal(law)
    return made if len(made.breaks) > 1 else float(made.breaks[0])


def quantiles(marginal: Marginal, levels: Array) -> Array:
    """Inverse distribution function at levels in [0, 1), by bisection down to rounding; single values exactly."""
    if isinstance(marginal, Discrete):
        ahead = np.cumsum(marginal.masses)[:-1]
        return np.asarray(marginal.breaks[np.searchsorted(ahead, levels, side="right")])
    ends = marginal.breaks
    whole = float(marginal.cumulative(ends[-1:])[0])
    low, high = np.full(len(levels), ends[0]), np.full(len(levels), ends[-1])
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        below = marginal.cumulative(middle) < levels * whole
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(0.5 * (low + high))


def spread_atom(position: float, axis: Grid) -> Array:
    """Masses on a one-dimensional grid of an atom smeared over the nearest cells, mass and first moment kept."""
    centres = axis.centres[0]
    if len(centres) < 8 * ATOM_CELLS:
        return axis.deposit(np.array([[position]]), np.ones(1))
    nearest = int(np.argmin(np.abs(centres - position)))
    room = min(position - centres[0], centres[-1] - position)
    deviation = min(ATOM_CELLS * float(axis.widths[0][nearest]), room / 4.0)
    offsets = np.linspace(-4.0, 4.0, 201)
    weights = np.exp(-0.5 * offsets**2)
    return axis.deposit((position + deviation * offsets)[:, None], weights / weights.sum())
