"""Initial laws: independent labels embedded in the reduced space."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mfpde.problem.marginals import Marginal, ScaledChi, SquaredShare, quantiles, spread_atom
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.grid import Grid

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
        columns = [quantiles(marginal, random.random(count)) for marginal in self.labels]
        return self.embed(np.stack(columns, axis=1) if columns else np.empty((count, 0)))

    def cell_masses(self, grid: Grid) -> Array:
        """Mass of each cell of a tensor grid, summing to 1.

        Exact in distribution-function differences for product laws; other laws are deposited from a fine Gauss rule.
        A constant coordinate is deposited on the nearest cells, its first moment kept, as a normal bump of
        `ATOM_CELLS` cells' standard deviation: an atom on fewer cells stays unresolved however fine the grid.
        """
        if self.coordinates is None:
            masses = np.sum([grid.deposit(*slab) for slab in self._fine_rule()], axis=0)
        else:
            masses = np.ones(())
            for axis, source in enumerate(self.coordinates):
                masses = np.multiply.outer(masses, self._axis_masses(source, grid.axis(axis)))
        return np.asarray(masses / masses.sum())

    def _axis_masses(self, source: int | float, axis: Grid) -> Array:
        if isinstance(source, int):
            return np.asarray(np.diff(self.labels[source].cumulative(axis.edges[0])))
        return spread_atom(float(source), axis)

    def _fine_rule(self, panels: int = 48, nodes: int = 8) -> Iterator[tuple[Array, Array]]:
        """A Gauss rule of the labels' law, in slabs of places and weights: one of three labels takes gigabytes."""
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
        thick = max(1, SLAB // math.prod(len(points) for points in axes[1:]))
        for first in range(0, len(axes[0]), thick):
            slab = slice(first, first + thick)
            mesh = np.meshgrid(axes[0][slab], *axes[1:], indexing="ij")
            joint = functools.reduce(np.multiply.outer, [weights[0][slab], *weights[1:]])
            yield self.embed(np.stack([grid.ravel() for grid in mesh], axis=1)), joint.ravel()


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
