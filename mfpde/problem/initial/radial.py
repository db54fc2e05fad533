"""rho_0 of neurons whose direction is uniform: radii of blocks, from a Gaussian or a law of the norm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mfpde.problem.initial.law import Factor, InitialLaw, product_law
from mfpde.problem.marginals import Marginal, ScaledChi, SquaredShare
from mfpde.solvers.arrays import Array


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
