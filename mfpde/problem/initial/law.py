"""Laws of independent labels embedded in the reduced space."""

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


def product_law(sources: Sequence[Marginal | float]) -> InitialLaw:
    """Independent reduced coordinates, each random (a marginal) or constant (a number)."""
    labels = tuple(source for source in sources if not isinstance(source, int | float))
    coordinates: list[int | float] = []
    for source in sources:
        is_constant = isinstance(source, int | float)
        coordinates.append(float(source) if is_constant else sum(isinstance(c, int) for c in coordinates))  # type: ignore[arg-type]

    return InitialLaw(labels, _Coordinates(tuple(coordinates)), tuple(coordinates))


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
