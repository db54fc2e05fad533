"""Distribution functions of laws on the line: they jump at atoms, and are straight between nodes of a quadrature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from .measure import Atoms, Cells

ROUNDING = 1e-12
"""Places that differ by this share of the largest modulus are one."""
GROUP = 5e-3
"""Mass of the groups of neighbouring nodes between which a distribution function is straight."""
HEAVY = 0.25
"""No node of a quadrature holds such a mass: a place that does is an atom of the law."""


@dataclass(frozen=True)
class Distribution:
    """F of a law on the line.

    Attributes:
        places, levels: F is straight between these points, which do not decrease; it jumps where a place is repeated.
            Below the first place F is 0, above the last one 1.
    """

    places: Array
    levels: Array

    def below(self, points: Array) -> Array:
        """F(x-)."""
        return self._between(points, np.searchsorted(self.places, points, side="left").astype(np.int64))

    def up_to(self, points: Array) -> Array:
        """F(x)."""
        return self._between(points, np.searchsorted(self.places, points, side="right").astype(np.int64))

    def quantile(self, shares: Array) -> Array:
        """The inverse of F, constant over a jump."""
        index = np.searchsorted(self.levels, shares, side="right").astype(np.int64)
        return _straight(shares, index, self.levels, self.places)

    def _between(self, points: Array, index: NDArray[np.int64]) -> Array:
        inside = _straight(points, index, self.places, self.levels)
        return np.where(index == 0, 0.0, np.where(index == len(self.places), 1.0, inside))


def _straight(points: Array, index: NDArray[np.int64], places: Array, values: Array) -> Array:
    """Values at points that lie between the places of `index` - 1 and `index`, which may be as close as floats."""
    low, high = np.clip(index - 1, 0, len(places) - 1), np.clip(index, 0, len(places) - 1)
    width = places[high] - places[low]
    share = np.clip((points - places[low]) / np.where(width > 0.0, width, 1.0), 0.0, 1.0)
    return values[low] + share * (values[high] - values[low])


def kolmogorov(one: Distribution, other: Distribution) -> float:
    """sup |F - G|, where atoms of both that lie within rounding of one another are in one place."""
    return _farthest(one, other, np.unique(np.concatenate([one.places, other.places])))


def _farthest(one: Distribution, other: Distribution, places: Array) -> float:
    """The largest |F - G| at these places, from either side."""
    tie = ROUNDING * float(np.abs(places).max(initial=0.0))
    before, after = places - tie, places + tie
    apart = np.abs(one.below(before) - other.below(before)), np.abs(one.up_to(after) - other.up_to(after))
    return float(np.max(apart))


def wasserstein(one: Distribution, other: Distribution) -> float:
    """W2, from the rule of Gauss of two nodes between the levels, where both quantiles are straight."""
    levels = np.unique(np.concatenate([one.levels, other.levels]))
    width, middle = np.diff(levels), 0.5 * (levels[1:] + levels[:-1])
    shares = middle + width * np.array([[-0.5], [0.5]]) / np.sqrt(3.0)
    return float(np.sqrt(((one.quantile(shares) - other.quantile(shares)) ** 2 @ (0.5 * width)).sum()))


def unlike(one: Distribution, other: Distribution, points: Array) -> float:
    """The largest |F - G| at points, from either side, and where F or G is straight; jumps a little apart are alike.

    Kolmogorov's distances of equal masses at these points from F and from G differ by no more.
    """
    straight = [each.places[_alone(each.places)] for each in (one, other)]
    return _farthest(one, other, np.concatenate([points, *straight]))


def sampled(points: Array, weights: Array | None = None) -> Distribution:
    """F of masses at points, equal ones if none are given, which jumps at each of them."""
    order = np.argsort(points)
    levels = np.arange(len(points) + 1) / len(points)
    if weights is not None:
        levels = np.append(0.0, np.cumsum(weights[order]) / weights.sum())
    return Distribution(np.repeat(points[order], 2), np.repeat(levels, 2)[1:-1])


def distribution(law: Atoms | Cells, shared: Array | None = None) -> Distribution:
    """F of a law of one coordinate.

    Atoms may be the nodes of a quadrature: groups of neighbours make points in the middle of their jumps. F jumps at
    `atomic` places alone, and at cells of no width.

    Args:
        shared: places known to be atoms of the law.
    """
    if isinstance(law, Cells):
        held = np.append(0.0, np.cumsum(law.weights))
        return Distribution(law.edges[0], held / held[-1])
    places, masses = gathered(law)
    atomic = is_atomic(places, masses, shared)
    below = np.append(0.0, np.cumsum(masses))
    points: list[float] = []
    levels: list[float] = []
    for start, stop in _groups(masses, atomic):
        mass = below[stop] - below[start]
        if atomic[start]:
            points += [places[start]] * 2
            levels += [below[start], below[stop]]
        else:
            points.append(float(masses[start:stop] @ places[start:stop] / mass))
            levels.append(below[start] + 0.5 * mass)
    return Distribution(np.array(points), np.array(levels))


def gathered(law: Atoms) -> tuple[Array, Array]:
    """The places of the first coordinate, increasing, and their shares of the mass; those within rounding are one."""
    order = np.argsort(law.points[:, 0])
    places, weights = law.points[order, 0], law.weights[order] / law.mass
    starts = np.flatnonzero(np.append(True, np.diff(places) > _tie(places)))
    masses = np.add.reduceat(weights, starts)
    return places[starts], masses


def is_atomic(places: Array, masses: Array, shared: Array | None = None) -> Array:
    """Which places hold an atom of the law: heavy ones, the origin where all others lie above it, and `shared` ones."""
    atomic = (masses >= HEAVY) | ((places == 0.0) & (places[0] == 0.0))
    if shared is not None and len(shared):
        tie = ROUNDING * max(float(np.abs(places).max()), float(np.abs(shared).max()))
        nearest = np.abs(places[:, None] - shared[None]).min(axis=1)
        atomic |= nearest <= tie
    return np.asarray(atomic)


def parted(law: Atoms | Cells) -> tuple[Atoms | Cells, Atoms]:
    """What of a law of one coordinate is spread out, and its atoms: `is_atomic` places, cells of no width."""
    if isinstance(law, Cells):
        narrow = (np.diff(law.edges[0]) == 0.0) & (law.weights > 0.0)
        held = Atoms(law.edges[0][:-1][narrow][:, None], law.weights[narrow], names=law.names)
        return Cells(law.grid, np.where(narrow, 0.0, law.masses), names=law.names), held
    places, masses = gathered(law)
    atomic = is_atomic(places, masses)
    distance = np.abs(law.points[:, :1] - places[atomic]).min(axis=1, initial=np.inf)
    spread = distance > _tie(law.points[:, 0])
    held = Atoms(places[atomic][:, None], masses[atomic] * law.mass, names=law.names)
    return Atoms(law.points[spread], law.weights[spread], names=law.names), held


def repeated(points: Array) -> Array:
    """The places where two or more points lie within rounding, which draws of a law without atoms never do."""
    places, masses = gathered(Atoms(points[:, None], np.full(len(points), 1.0 / len(points))))
    return np.asarray(places[masses * len(points) > 1.5])


def _alone(places: Array) -> NDArray[np.bool_]:
    """Which of increasing places are not repeated."""
    equal = np.append(np.diff(places) == 0.0, False)
    return ~(equal | np.roll(equal, 1))


def _tie(places: Array) -> float:
    """The distance within which neighbours are in one place."""
    return max(ROUNDING * float(np.abs(places).max()), 1e-9 * float(np.ptp(places)))


def _groups(masses: Array, atomic: Array) -> Sequence[tuple[int, int]]:
    """Runs [start, stop) of places: an atomic one alone, others until they hold the mass `GROUP`."""
    cuts, held = [0], 0.0
    for index in range(1, len(masses)):
        held += masses[index - 1]
        if held >= GROUP or atomic[index] or atomic[index - 1]:
            cuts.append(index)
            held = 0.0
    return [*zip(cuts, [*cuts[1:], len(masses)], strict=True)]
