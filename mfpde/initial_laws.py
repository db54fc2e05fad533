"""Laws of a neuron's parameters at t = 0, in reduced coordinates.

A law is the image of independent labels: it is integrated by Gauss panels in label space, and carried along by the
flow map as a function of the label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import special

from mfpde.solvers.grid import Grid
from mfpde.solvers.objective import Array

TAIL = 1e-18
"""Mass cut from each tail of an unbounded label."""


class Marginal(Protocol):
    """Law of one label: a density on [lower, upper], smooth between `breaks`."""

    @property
    def breaks(self) -> Array:
        """Ends of the support and points where the density is not smooth, increasing."""
        ...

    def density(self, x: Array) -> Array:
        """Probability density."""
        ...

    def cumulative(self, x: Array) -> Array:
        """Distribution function."""
        ...


ATOM_CELLS = 3.0
"""Standard deviation, in cells, of the bump that stands for an atom on a grid."""

BISECTIONS = 60
"""Halvings of a label's support that bring an inverse distribution function down to rounding."""


@dataclass(frozen=True)
class Distribution:
    """A marginal given by a frozen continuous distribution of scipy.stats (ppf, isf, pdf, cdf)."""

    frozen: Any

    @property
    def breaks(self) -> Array:
        return np.array([self.frozen.ppf(TAIL), self.frozen.isf(TAIL)])

    def density(self, x: Array) -> Array:
        return np.asarray(self.frozen.pdf(x))

    def cumulative(self, x: Array) -> Array:
        return np.asarray(self.frozen.cdf(x))


@dataclass(frozen=True)
class Normal:
    """The law N(mean, deviation^2)."""

    mean: float
    deviation: float

    @property
    def breaks(self) -> Array:
        return np.asarray(self.mean + self.deviation * special.ndtri(TAIL) * np.array([1.0, -1.0]))

    def density(self, x: Array) -> Array:
        u = (x - self.mean) / self.deviation
        return np.asarray(np.exp(-0.5 * u * u) / (np.sqrt(2 * np.pi) * self.deviation))

    def cumulative(self, x: Array) -> Array:
        return np.asarray(special.ndtr((x - self.mean) / self.deviation))


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
        half = self.dimension / 2
        squares = np.array([special.gammaincinv(half, TAIL), special.gammainccinv(half, TAIL)])
        return np.asarray(self.scale * np.sqrt(2 * squares))

    def density(self, x: Array) -> Array:
        u = np.maximum(x / self.scale, 1e-300)
        p = self.dimension
        log_density = special.xlogy(p - 1, u) - u * u / 2 - special.gammaln(p / 2) - (p / 2 - 1) * np.log(2.0)
        return np.asarray(np.exp(log_density) / self.scale)

    def cumulative(self, x: Array) -> Array:
        return np.asarray(special.gammainc(self.dimension / 2, np.maximum(x, 0.0) ** 2 / (2 * self.scale**2)))


@dataclass(frozen=True)
class SquaredShare:
    """c in [0, 1] with c^2 ~ Beta(p/2, q/2): the share of a block of p coordinates in a uniform direction of p + q."""

    first: float
    second: float

    @property
    def breaks(self) -> Array:
        halves = self.first / 2, self.second / 2
        squares = np.array([special.betaincinv(*halves, TAIL), special.betainccinv(*halves, TAIL)])
        return np.asarray(np.arcsin(np.sqrt(squares)))

    def density(self, x: Array) -> Array:
        sine, cosine = np.sin(x), np.cos(x)
        log_density = special.xlogy(self.first - 1, sine) + special.xlogy(self.second - 1, cosine)
        return np.asarray(2.0 * np.exp(log_density - special.betaln(self.first / 2, self.second / 2)))

    def cumulative(self, x: Array) -> Array:
        return np.asarray(special.betainc(self.first / 2, self.second / 2, np.sin(x) ** 2))


@dataclass(frozen=True)
class Tabulated:
    """A density given at points, linear between them and zero outside, normalised to mass 1."""

    points: Array
    values: Array

    def __post_init__(self) -> None:
        increasing = self.points.ndim == 1 and self.points.size >= 2 and bool(np.all(np.diff(self.points) > 0))
        if not (increasing and self.values.shape == self.points.shape):
            raise ValueError("a tabulated law needs two or more increasing points and as many densities")
        if not (np.all(self.values >= 0) and np.sum(self.values) > 0 and np.all(np.isfinite(self.values))):
            raise ValueError("a tabulated density must be finite, not negative and not zero everywhere")

    @property
    def breaks(self) -> Array:
        return self.points

    @property
    def _cumulated(self) -> Array:
        """Unnormalised mass below each point."""
        steps = 0.5 * np.diff(self.points) * (self.values[1:] + self.values[:-1])
        return np.concatenate([[0.0], np.cumsum(steps)])

    def density(self, x: Array) -> Array:
        inside = np.interp(x, self.points, self.values, left=0.0, right=0.0)
        return np.asarray(inside / self._cumulated[-1])

    def cumulative(self, x: Array) -> Array:
        inside = np.clip(x, self.points[0], self.points[-1])
        cell = np.clip(np.searchsorted(self.points, inside, side="right") - 1, 0, len(self.points) - 2)
        step = inside - self.points[cell]
        slope = np.diff(self.values) / np.diff(self.points)
        below = self._cumulated[cell] + step * (self.values[cell] + 0.5 * slope[cell] * step)
        return np.asarray(below / self._cumulated[-1])


@dataclass(frozen=True)
class Callable1D:
    """A density given as a function on [lower, upper]; normalised by the caller."""

    function: Callable[[Array], Array]
    lower: float
    upper: float

    @property
    def breaks(self) -> Array:
        return np.array([self.lower, self.upper])

    def density(self, x: Array) -> Array:
        return np.asarray(self.function(x))

    def cumulative(self, x: Array) -> Array:
        nodes, weights = np.polynomial.legendre.leggauss(64)
        ends = np.clip(np.atleast_1d(x), self.lower, self.upper)
        half = 0.5 * (ends - self.lower)
        inside = self.lower + half[:, None] * (nodes + 1.0)
        return np.asarray((self.function(inside) * weights).sum(axis=1) * half).reshape(np.shape(x))


@dataclass(frozen=True)
class InitialLaw:
    """rho_0 as the image of independent labels.

    Attributes:
        labels: marginal law of each label; none for a Dirac mass.
        embed: labels (n, A) -> reduced coordinates (n, D).
        coordinates: per reduced coordinate, the index of the label it equals, or its constant value wrapped as a
            float; None where the law is not a product in the reduced coordinates.
    """

    labels: tuple[Marginal, ...]
    embed: Callable[[Array], Array]
    coordinates: tuple[int | float, ...] | None

    def density(self, labels: Array) -> Array:
        """Joint density of labels (n, A), shape (n,)."""
        joint = np.ones(len(labels))
        for axis, marginal in enumerate(self.labels):
            joint *= marginal.density(labels[:, axis])
        return joint

    def sample(self, count: int, seed: int, stream: int = 0) -> Array:
        """`count` independent draws, shape (count, D): uniform numbers through the labels' inverse distributions.

        The numbers are those of Philox keyed by (seed, stream); streams of one seed are independent.
        """
        random = np.random.Generator(np.random.Philox(key=(seed, stream)))
        columns = [_quantiles(marginal, random.random(count)) for marginal in self.labels]
        return self.embed(np.stack(columns, axis=1) if columns else np.empty((count, 0)))

    def cell_masses(self, grid: Grid) -> Array:
        """Mass of each cell of a tensor grid, summing to 1.

        Exact in distribution-function differences for product laws; other laws are deposited from a fine Gauss rule.
        A constant coordinate is deposited on the nearest cells, its first moment kept, as a normal bump of
        `ATOM_CELLS` cells' standard deviation: an atom on fewer cells stays unresolved however fine the grid.
        """
        if self.coordinates is None:
            masses = grid.deposit(*self._fine_rule())
        else:
            masses = np.ones(())
            for axis, source in enumerate(self.coordinates):
                masses = np.multiply.outer(masses, self._axis_masses(source, grid.axis(axis)))
        return np.asarray(masses / masses.sum())

    def _axis_masses(self, source: int | float, axis: Grid) -> Array:
        if isinstance(source, int):
            return np.asarray(np.diff(self.labels[source].cumulative(axis.edges[0])))
        return _spread_atom(float(source), axis)

    def _fine_rule(self, panels: int = 48, nodes: int = 8) -> tuple[Array, Array]:
        axes, weights = [], []
        x, w = np.polynomial.legendre.leggauss(nodes)
        for marginal in self.labels:
            ends = np.concatenate(
                [
                    np.linspace(a, b, panels + 1)[:-1]
                    for a, b in zip(marginal.breaks[:-1], marginal.breaks[1:], strict=True)
                ]
            )
            ends = np.append(ends, marginal.breaks[-1])
            half = 0.5 * np.diff(ends)
            points = (ends[:-1, None] + half[:, None] * (x + 1.0)).ravel()
            axes.append(points)
            weights.append((half[:, None] * w).ravel() * marginal.density(points))
        mesh = np.stack([grid.ravel() for grid in np.meshgrid(*axes, indexing="ij")], axis=1)
        joint = np.ones(())
        for weight in weights:
            joint = np.multiply.outer(joint, weight)
        return self.embed(mesh), joint.ravel()


def _quantiles(marginal: Marginal, levels: Array) -> Array:
    """Inverse distribution function at levels in [0, 1), by bisection down to rounding."""
    ends = marginal.breaks
    whole = float(marginal.cumulative(ends[-1:])[0])
    low, high = np.full(len(levels), ends[0]), np.full(len(levels), ends[-1])
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        below = marginal.cumulative(middle) < levels * whole
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(0.5 * (low + high))


def _spread_atom(position: float, axis: Grid) -> Array:
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


def product_law(sources: Sequence[Marginal | float]) -> InitialLaw:
    """Independent reduced coordinates, each random (a marginal) or constant (a number)."""
    labels = tuple(source for source in sources if not isinstance(source, int | float))
    coordinates: list[int | float] = []
    for source in sources:
        is_constant = isinstance(source, int | float)
        coordinates.append(float(source) if is_constant else sum(isinstance(c, int) for c in coordinates))  # type: ignore[arg-type]

    def embed(points: Array) -> Array:
        columns = [points[:, c] if isinstance(c, int) else np.full(len(points), c) for c in coordinates]
        return np.stack(columns, axis=1)

    return InitialLaw(labels, embed, tuple(coordinates))


def gaussian_blocks(kappa: float, dimensions: Sequence[float], fractions: Sequence[float]) -> list[Marginal | float]:
    """Radii of w ~ N(0, kappa^2 Id / d): chi laws, or their limits kappa sqrt(p_j / d) when d is infinite."""
    if np.isinf(dimensions[0]):
        return [kappa * float(np.sqrt(fraction)) for fraction in fractions]
    scale = kappa / float(np.sqrt(sum(dimensions)))
    return [ScaledChi(p, scale) for p in dimensions]


def radial_law(
    radius: Marginal, dimensions: Sequence[float], fractions: Sequence[float], others: Sequence[Marginal | float] = ()
) -> InitialLaw:
    """w = r * Unif(S^{d-1}) with r of the law `radius`, block radii r_j = r c_j; independent of `others`.

    The labels are r and, for each block but the last, the angle whose sine is the block's share of what is left.
    """
    if np.isinf(dimensions[0]):
        shares: list[Marginal] = []
        fixed = np.sqrt(np.asarray(fractions, dtype=float))
    else:
        rest = np.cumsum(np.asarray(dimensions)[::-1])[::-1]
        shares = [SquaredShare(dimensions[j], rest[j + 1]) for j in range(len(dimensions) - 1)]
        fixed = np.ones(1)
    if len(dimensions) == 1:
        return product_law([radius, *others])
    tail = product_law(list(others)) if others else None
    labels = (radius, *shares, *(tail.labels if tail else ()))

    def embed(points: Array) -> Array:
        left = points[:, 0].copy()
        columns = []
        if not shares:
            columns = [left * share for share in fixed]
        for j in range(len(shares)):
            columns.append(left * np.sin(points[:, 1 + j]))
            left = left * np.cos(points[:, 1 + j])
        if shares:
            columns.append(left)
        blocks = np.stack(columns, axis=1)
        return np.hstack([blocks, tail.embed(points[:, 1 + len(shares) :])]) if tail else blocks

    return InitialLaw(labels, embed, None)
