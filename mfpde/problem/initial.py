"""Initial laws: independent labels embedded in the reduced space."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mfpde.problem.marginals import (
    Discrete,
    Marginal,
    ScaledChi,
    SquaredShare,
    Uniform,
    Values,
    between,
    beyond,
    discrete,
    quantiles,
    spread_atom,
)
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.grid import Grid

Factor = tuple[int | float, Callable[[Array], Array]]
"""A label by its index, or a constant, and a function of it."""
SLAB = 65536
"""Places of a fine rule that are deposited at once: their arrays stay in a cache."""


@dataclass(frozen=True)
class InitialLaw:
    """rho_0 as the image of independent labels.

    Attributes:
        labels: marginal law of each label; none for a Dirac mass.
        embed: labels (n, A) -> reduced coordinates (n, D).
        coordinates: per reduced coordinate, the index of the label it equals, or its constant value wrapped as a
            float; None where the law is not a product in the reduced coordinates.
        mass: of the law, other than 1 where it is free.
    """

    labels: tuple[Marginal, ...]
    embed: Callable[[Array], Array]
    coordinates: tuple[int | float, ...] | None
    mass: float = field(default=1.0, kw_only=True)

    @functools.cached_property
    def moments(self) -> tuple[Array, Array]:
        """Mean and standard deviation of each reduced coordinate, shape (D,) each.

        A coordinate that is a product of functions of one label each needs no rule of all labels at once.
        """
        factors = getattr(self.embed, "factors", None)
        if factors is not None:
            found = [functools.reduce(_times, map(self._factor_moments, each), (1.0, 0.0)) for each in factors]
            return np.array([mean for mean, _ in found]), np.sqrt([variance for _, variance in found])
        mass, first, second = 0.0, 0.0, 0.0
        origin = self.embed(np.array([[marginal.breaks.mean() for marginal in self.labels]]))[0]
        for places, weights in self._fine_rule(panels=4):
            offset = places - origin
            mass, first, second = mass + weights.sum(), first + weights @ offset, second + weights @ offset**2
        mean = first / mass
        return origin + mean, np.sqrt(np.maximum(second / mass - mean**2, 0.0))

    def _factor_moments(self, factor: Factor) -> tuple[float, float]:
        """Mean and variance of a function of one label, or of a constant."""
        source, function = factor
        if not isinstance(source, int):
            return float(source), 0.0
        points, weights = _label_rule(self.labels[source], 48, 8)
        values, weights = function(points), weights / weights.sum()
        mean = float(weights @ values)
        return mean, float(weights @ (values - mean) ** 2)

    @property
    def independent(self) -> bool:
        """Whether `density` is the product of those of the labels."""
        return True

    @property
    def spread(self) -> int:
        """Number of labels that have a density; the others take single values."""
        return sum(not discrete(marginal) for marginal in self.labels)

    @functools.cached_property
    def atomic(self) -> NDArray[np.bool_]:
        """Which reduced coordinates take single values, shape (D,)."""
        shares = np.linspace(0.1, 0.9, 5)
        ends = [marginal.breaks[[0, 0 if discrete(marginal) else -1]] for marginal in self.labels]
        labels = np.array([low + (high - low) * shares ** (1.0 + k) for k, (low, high) in enumerate(ends)])
        return np.asarray(np.ptp(self.embed(labels.T.reshape(len(shares), len(ends))), axis=0) == 0.0)

    def density(self, labels: Array) -> Array:
        """Joint density of labels (n, A), times the probability of those that take single values, shape (n,)."""
        joint = np.ones(len(labels))
        for axis, marginal in enumerate(self.labels):
            joint *= marginal.density(labels[:, axis])
        return joint

    def sample(self, count: int, seed: int, stream: int = 0) -> Array:
        """`count` independent draws, shape (count, D): uniform numbers through the labels' inverse distributions.

        The numbers are those of Philox keyed by (seed, stream); streams of one seed are independent.
        """
        random = np.random.Generator(np.random.Philox(key=(seed, stream)))
        columns = [quantiles(marginal, random.random(count)) for marginal in self.labels]
        return self.embed(np.stack(columns, axis=1) if columns else np.empty((count, 0)))

    def even(self, count: int, seed: int) -> tuple[Array, Array]:
        """`count` points, shape (count, D), that lie more evenly than draws do, and their shares of the mass, (count,).

        Scrambled points of Sobol through the labels' inverse distributions; scramblings of two seeds are independent.
        """
        from scipy.stats import qmc

        shares = qmc.Sobol(len(self.labels), seed=seed).random(count)
        columns = [quantiles(marginal, shares[:, label]) for label, marginal in enumerate(self.labels)]
        return self.embed(np.stack(columns, axis=1)), np.full(count, 1.0 / count)

    def neurons(self, count: int, seed: int, stream: int = 0) -> Array:
        """What `count` neurons start from, shape (count, D): draws, or the very atoms of a law that gives them."""
        return self.sample(count, seed, stream)

    def weights(self, count: int) -> Array:
        """What `count` neurons weigh, shape (count,)."""
        return np.full(count, self.mass / count)

    @property
    def given(self) -> tuple[int, ...]:
        """How many atoms the law gives; nothing where it is not of atoms."""
        return ()

    @property
    def alike(self) -> bool:
        """Whether neurons, which weigh alike, can stand for the law."""
        return True

    def neuron_problem(self, count: int) -> str:
        """Why there cannot be so many neurons, in words; empty where there can."""
        del count
        return ""

    def cell_masses(self, grid: Grid) -> Array:
        """Mass of each cell of a tensor grid, summing to that of the law: the last ones hold what lies beyond the ends.

        Exact in distribution-function differences for product laws; other laws are deposited from a fine Gauss rule.
        A constant coordinate, or each single value of one, is deposited on the nearest cells, its first moment kept, as
        a normal bump of `ATOM_CELLS` cells' standard deviation: an atom on fewer cells stays unresolved however fine
        the grid.
        """
        if self.coordinates is None:
            masses = np.sum([grid.deposit(*slab) for slab in self._fine_rule()], axis=0)
        else:
            masses = np.ones(())
            for axis, source in enumerate(self.coordinates):
                masses = np.multiply.outer(masses, self._axis_masses(source, grid.axis(axis)))
        return np.asarray(self.mass * masses / masses.sum())

    def _axis_masses(self, source: int | float, axis: Grid) -> Array:
        if not isinstance(source, int):
            return spread_atom(float(source), axis)
        marginal = self.labels[source]
        if isinstance(marginal, Discrete):
            places = zip(marginal.masses, marginal.breaks.tolist(), strict=True)
            return np.asarray(sum(mass * spread_atom(place, axis) for mass, place in places))
        return between(marginal, axis.edges[0], whole=True)

    def mass_beyond(self, grid: Grid, axis: int) -> Array:
        """Masses below and above the ends of a grid along one of its axes, where a label lies along it, shape (2,)."""
        source = None if self.coordinates is None else self.coordinates[axis]
        marginal = self.labels[source] if isinstance(source, int) else None
        if marginal is None or isinstance(marginal, Discrete):
            return np.zeros(2)
        return beyond(marginal, *grid.edges[axis][[0, -1]].tolist())

    def _fine_rule(self, panels: int = 48, nodes: int = 8) -> Iterator[tuple[Array, Array]]:
        """A Gauss rule of the labels' law, in slabs of places and weights: one of three labels takes gigabytes.

        Its panels are `panels` equal ones, cut at the breaks.
        """
        axes, weights = zip(*(_label_rule(marginal, panels, nodes) for marginal in self.labels), strict=True)
        thick = max(1, SLAB // math.prod(len(points) for points in axes[1:]))
        for first in range(0, len(axes[0]), thick):
            slab = slice(first, first + thick)
            mesh = np.meshgrid(axes[0][slab], *axes[1:], indexing="ij")
            joint = functools.reduce(np.multiply.outer, [weights[0][slab], *weights[1:]])
            yield self.embed(np.stack([grid.ravel() for grid in mesh], axis=1)), joint.ravel()


def _label_rule(marginal: Marginal, panels: int, nodes: int) -> tuple[Array, Array]:
    """Places and weights of a Gauss rule of one label on equal panels, cut at its breaks."""
    if isinstance(marginal, Discrete):
        return marginal.breaks, marginal.masses
    x, w = np.polynomial.legendre.leggauss(nodes)
    # a table of many knots has stretches that are short enough as they are
    ends = np.union1d(np.linspace(marginal.breaks[0], marginal.breaks[-1], panels + 1), marginal.breaks)
    half = 0.5 * np.diff(ends)
    points = (ends[:-1, None] + half[:, None] * (x + 1.0)).ravel()
    return points, (half[:, None] * w).ravel() * marginal.density(points)


def _times(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """Mean and variance of a product of independent numbers."""
    (m, v), (n, u) = one, other
    return m * n, v * u + v * n**2 + u * m**2


@dataclass(frozen=True)
class PointLaw(InitialLaw):
    """A law of atoms: the label is their number.

    Attributes:
        rows: reduced coordinates, shape (n, D).
        whole: w of every atom, shape (n, d), where it is known.
    """

    rows: Array
    whole: Array | None

    @classmethod
    def of(cls, rows: Array, weights: Array, whole: Array | None = None, mass: float = 1.0) -> PointLaw:
        numbers = Values(tuple(range(len(rows))), tuple(weights))
        return cls((numbers,), lambda labels: rows[labels[:, 0].astype(np.int64)], None, rows, whole, mass=mass)

    def weights(self, count: int) -> Array:
        repeats = count // len(self.rows)
        masses = np.zeros(len(self.rows))
        numbers = self.labels[0]
        assert isinstance(numbers, Values)
        masses[numbers.breaks.astype(np.int64)] = numbers.masses
        return np.tile(self.mass * masses / repeats, repeats)

    @property
    def moments(self) -> tuple[Array, Array]:
        weights, rows = self._masses
        mean = weights @ rows
        return mean, np.sqrt(weights @ (rows - mean) ** 2)

    @property
    def _masses(self) -> tuple[Array, Array]:
        numbers = self.labels[0]
        assert isinstance(numbers, Values)
        return numbers.masses, self.rows[numbers.breaks.astype(np.int64)]

    @property
    def given(self) -> tuple[int, ...]:
        return (len(self.rows),)

    def neurons(self, count: int, seed: int, stream: int = 0) -> Array:
        return np.tile(self.rows, (count // len(self.rows), 1))

    @property
    def alike(self) -> bool:
        masses, _ = self._masses
        return len(masses) == len(self.rows) and bool(np.ptp(masses) <= 1e-12 * masses.max())

    def neuron_problem(self, count: int) -> str:
        most = len(self.rows)
        if count == most or (self.alike and count % most == 0):
            return ""
        words = f"{count} neurons for the {most} rows of initial.points"
        return f"{words}{'' if self.alike else ', whose weights differ'}; write {most}" + " or a multiple" * self.alike

    def cell_masses(self, grid: Grid) -> Array:
        weights, rows = self._masses
        axes = range(rows.shape[1])
        spread = [np.array([spread_atom(float(place), grid.axis(a)) for place in rows[:, a]]) for a in axes]
        weights, letters = self.mass * weights, "abcdefgh"[: len(spread)]
        operands = ",".join(f"z{letter}" for letter in letters)
        return np.asarray(np.einsum(f"z,{operands}->{letters}", weights, *spread, optimize=True))


def product_law(sources: Sequence[Marginal | float]) -> InitialLaw:
    """Independent reduced coordinates, each random (a marginal) or constant (a number)."""
    labels = tuple(source for source in sources if not isinstance(source, int | float))
    coordinates: list[int | float] = []
    for source in sources:
        is_constant = isinstance(source, int | float)
        coordinates.append(float(source) if is_constant else sum(isinstance(c, int) for c in coordinates))  # type: ignore[arg-type]

    return InitialLaw(labels, _Coordinates(tuple(coordinates)), tuple(coordinates))


def joint_law(density: Callable[[Array], Array], lower: Sequence[float], upper: Sequence[float]) -> InitialLaw:
    """rho_0 with any density on the box [lower, upper] of the reduced coordinates; it is normalised to mass 1.

    Args:
        density: not negative, smooth on the box; points of shape (n, D) -> shape (n,).
        lower, upper: corners, D numbers each.

    Raises:
        ValueError: a density that is negative, not finite or zero at all the nodes of its quadrature.
    """
    labels = tuple(Uniform(low, high) for low, high in zip(lower, upper, strict=True))
    return _JointLaw(labels, np.positive, None, density)


@dataclass(frozen=True)
class _Coordinates:
    """Reduced coordinates that are labels (by their index) or constants (a float)."""

    sources: tuple[int | float, ...]

    @property
    def factors(self) -> list[list[Factor]]:
        """What each coordinate is the product of."""
        return [[(source, np.positive)] for source in self.sources]

    def __call__(self, points: Array) -> Array:
        columns = [points[:, c] if isinstance(c, int) else np.full(len(points), c) for c in self.sources]
        return np.stack(columns, axis=1)


@dataclass(frozen=True)
class _JointLaw(InitialLaw):
    """A law with a density that is no product; the labels are the coordinates, uniform on a box."""

    function: Callable[[Array], Array]

    @property
    def independent(self) -> bool:
        return False

    @functools.cached_property
    def _summary(self) -> tuple[float, float]:
        """The mass, and the largest density at the nodes of the rule."""
        mass = highest = 0.0
        for places, weights in super()._fine_rule(panels=48 if len(self.labels) < 3 else 12):
            values = np.asarray(self.function(places))
            if not (np.all(np.isfinite(values)) and np.all(values >= 0.0)):
                raise ValueError("the density of an initial law must be finite and not negative on its box")
            mass += float(weights @ values)
            highest = max(highest, float(values.max()))
        if not (mass > 0.0):
            raise ValueError("the density of an initial law is zero on its box")
        return mass * self._volume, highest

    @property
    def _volume(self) -> float:
        return math.prod(float(np.ptp(marginal.breaks)) for marginal in self.labels)

    def density(self, labels: Array) -> Array:
        return np.asarray(self.function(labels)) / self._summary[0]

    def sample(self, count: int, seed: int, stream: int = 0) -> Array:
        """As that of `InitialLaw`, by rejection from the box."""
        random = np.random.Generator(np.random.Philox(key=(seed, stream)))
        lower, upper = (np.array([marginal.breaks[end] for marginal in self.labels]) for end in (0, -1))
        most = 1.5 * self._summary[1]
        kept: list[Array] = []
        while sum(map(len, kept)) < count:
            places = lower + (upper - lower) * random.random((max(count, 64), len(self.labels)))
            values = np.asarray(self.function(places))
            if not (values.max() <= most):
                raise ValueError("the density of an initial law is far from smooth: its largest value was not seen")
            kept.append(places[random.random(len(places)) * most < values])
        return np.concatenate(kept)[:count]

    def even(self, count: int, seed: int) -> tuple[Array, Array]:
        """As those of `InitialLaw`, of the box, with the density as their shares."""
        places, shares = super().even(count, seed)
        shares = shares * np.asarray(self.function(places))
        return places, shares / shares.sum()

    def _fine_rule(self, panels: int = 48, nodes: int = 8) -> Iterator[tuple[Array, Array]]:
        for places, weights in super()._fine_rule(panels, nodes):
            yield places, weights * np.asarray(self.function(places))


def gaussian_blocks(kappa: float, dimensions: Sequence[float], fractions: Sequence[float]) -> list[Marginal | float]:
    """Radii of w ~ N(0, kappa^2 Id / d): chi laws, or their limits kappa sqrt(p_j / d) when d is infinite."""
    if np.isinf(dimensions[0]):
        return [kappa * float(np.sqrt(fraction)) for fraction in fractions]
    scale = kappa / float(np.sqrt(sum(dimensions)))
    return [ScaledChi(p, scale) for p in dimensions]


def radial_law(
    radius: Marginal | float,
    dimensions: Sequence[float],
    fractions: Sequence[float],
    others: Sequence[Marginal | float] = (),
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
    length = product_law([radius])
    labels = (*length.labels, *shares, *(tail.labels if tail else ()))
    return InitialLaw(labels, _Radial(length, len(shares), tuple(fixed.tolist()), tail), None)


@dataclass(frozen=True)
class _Radial:
    """Block radii r c_j: the labels are r, if it varies, and the angles of the shares c_j, if these do."""

    length: InitialLaw
    angles: int
    fixed: tuple[float, ...]
    tail: InitialLaw | None

    @property
    def factors(self) -> list[list[Factor]]:
        """What each coordinate is the product of."""
        own, tail = len(self.length.labels), self.tail.embed.factors if self.tail else []  # type: ignore[attr-defined]
        left = [self.length.embed.factors[0][0]]  # type: ignore[attr-defined]
        found = [[*left, (share, np.positive)] for share in self.fixed] if not self.angles else []
        for j in range(own, own + self.angles):
            found.append([*left, (j, np.sin)])
            left = [*left, (j, np.cos)]
        first = own + self.angles
        after = [[(c + first if isinstance(c, int) else c, f) for c, f in each] for each in tail]
        return [*found, *([left] if self.angles else []), *after]

    def __call__(self, points: Array) -> Array:
        own = len(self.length.labels)
        left = self.length.embed(points[:, :own])[:, 0].copy()
        columns = []
        if not self.angles:
            columns = [left * share for share in self.fixed]
        for j in range(self.angles):
            columns.append(left * np.sin(points[:, own + j]))
            left = left * np.cos(points[:, own + j])
        if self.angles:
            columns.append(left)
        blocks = np.stack(columns, axis=1)
        return np.hstack([blocks, self.tail.embed(points[:, own + self.angles :])]) if self.tail else blocks
