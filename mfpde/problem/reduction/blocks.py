"""Raw features of a unit on a centred Gaussian mixture: Hermite moments, or zonal harmonics for small blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from mfpde.problem.reduction.hermite import angular_moment, hermite_features, squared_tail
from mfpde.problem.reduction.mixture import BlockMixture
from mfpde.problem.reduction.zonal.expansion import zonal_features
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import FeatureMap, Objective
from mfpde.solvers.objective.representation import Effort, Expansion
from mfpde.solvers.space.box import Box

LARGEST_EXPANSION = 6000
"""Most raw Hermite features per class."""
SHORT_ORDER = 64
"""Order that is enough for most units and blocks: it and its tail are tried before the largest affordable one."""
LARGEST_CHEAP = 1500
"""Raw Hermite features per class beyond which zonal harmonics are cheaper."""
FEW = 200
"""Raw Hermite features per class that are evaluated faster than a table of three coordinates."""
ROUGH_EXPANSION = 60
"""Most raw Hermite features per class of a guide."""
HIGHEST_ORDER = 1000
"""Of Hermite moments."""
ANGLES = 160
"""Nodes of the rule for n: pairs bend without bound at u = v, and 1e-7 of slopes is left in the plane."""
NEAR = 1e-7
"""A radius that stands for 0 where slopes are one-sided."""
FINEST = 1e-10
"""Finest error of U that zonal harmonics are asked for where the cost is no matter."""


def expand(
    mixture: BlockMixture, unit: Activation, has_offset: bool, box: Box, accuracy: float, effort: Effort
) -> Expansion:
    """Features of the unit on the box of the radii (and of b): the class means first, with targets ±1."""
    linear = unit.linear
    if mixture.infinite:
        features = hermite_features(unit, mixture, has_offset, 0)
        error = _moment_error(mixture, unit, has_offset, box, 0)
        return _expansion(features, error, "closed form at d = infinity", linear is not None)
    blocks = len(mixture.dimensions)
    limit = ROUGH_EXPANSION if effort == "rough" else LARGEST_EXPANSION
    highest, error = _order(
        mixture, unit, has_offset, box, accuracy, limit if blocks <= 2 else min(limit, LARGEST_CHEAP)
    )
    count = _count(highest, blocks)
    if linear is not None and blocks <= 2 and not has_offset and effort != "rough":
        costly = count > (LARGEST_CHEAP if blocks == 2 else LARGEST_CHEAP // 10)
        if error > accuracy or costly:
            target = max(accuracy, FINEST if effort == "finest" else _reachable(mixture))
            zonal, reached = zonal_features(linear, mixture, _largest_scale(mixture, box), target)
            made = _expansion(zonal, reached, "zonal harmonics", True)
            return replace(made, potential=PairPotential(mixture, linear)) if blocks == 1 else made
    hermite = hermite_features(unit, mixture, has_offset, highest)
    own = _moment_error(mixture, unit, has_offset, box, highest)
    found = _expansion(hermite, error + own, "Hermite moment expansion", linear is not None)
    if own == 0.0 and 2 * highest <= HIGHEST_ORDER:
        # what these orders leave is in as many more of them, to a small part
        further = partial(hermite_features, unit, mixture, has_offset, 2 * highest)
        found = replace(found, potential=FurtherPotential(further))
    # a table of three coordinates takes longer to make, and to look up, than moments in closed form
    few = linear is not None and hermite.dimension > 2 and error <= accuracy and count <= FEW
    return replace(found, explicit=found.explicit or few)


@dataclass(frozen=True)
class FurtherPotential:
    """Psi of a law at its own points, and its gradients, from more features: those of the classes' means come first."""

    further: Callable[[], FeatureMap]

    def __call__(self, points: Array, masses: Array) -> tuple[Array, Array]:
        objective = _expansion(self.further(), 0.0, "", False).objective
        features = objective.features
        return features.contract(points, objective.loss_gradient(features.outputs(points, masses)))


@dataclass(frozen=True)
class PairPotential:
    """Psi of a law in one block at its own points, and its gradients, from pairs of normal variables: no expansion.

    With n the first coordinate of a uniform point of S^(p - 1), u = s r X, v = s r' Y and E X Y = n,

        U(r, r') = (1/2) sum_± E_n E sigma(u) sigma(v),
        d_1 U    = (1/2) sum_± s^2 E_n [r E sigma''(u) sigma(v) + r' n E sigma'(u) sigma'(v)].
    """

    mixture: BlockMixture
    unit: Activation

    def __call__(self, points: Array, masses: Array) -> tuple[Array, Array]:
        from mfpde.solvers.networks.arcs import angular_rule

        # slopes at 0 are one-sided
        radii, (nodes, shares) = np.maximum(points[:, 0], NEAR), angular_rule(ANGLES, self.mixture.dimensions[0])
        count, size = len(radii), len(radii) ** 2 * len(nodes)
        own, other = np.repeat(radii, size // count), np.tile(np.repeat(radii, len(nodes)), count)
        given = (np.zeros(size), np.zeros(size)), np.tile(nodes, count**2)
        values, slopes = np.zeros(count), np.zeros(count)
        for s, y in zip(self.mixture.scales[0], (1.0, -1.0), strict=True):
            mean = self.unit.mean(s * radii, np.zeros(count))
            level, bent, risen = (
                (self.unit.pair_moments(p, q, (s * own, s * other), *given) * factor).reshape(count, count, -1)
                @ shares
                @ masses
                for p, q, factor in ((0, 0, 1.0), (2, 0, 1.0), (1, 1, other * given[1]))
            )
            values += 0.5 * (level - y * mean.value)
            slopes += 0.5 * (s**2 * (radii * bent + risen) - y * s * mean.by_scale)
        return values, slopes[:, None]


def _expansion(features: FeatureMap, error: float, method: str, linear: bool) -> Expansion:
    weights, targets = np.ones(features.rank), np.zeros(features.rank)
    weights[:2], targets[:2] = 0.5, (1.0, -1.0)
    return Expansion(
        Objective(features, SquareLoss(weights, targets)), error, method, explicit=features.rank == 2 and linear
    )


def _largest_scale(mixture: BlockMixture, box: Box) -> float:
    """Largest tau on the box."""
    upper = np.abs(box.upper[: len(mixture.dimensions)])
    return max(float(np.max(np.linalg.norm(np.asarray(mixture.scales).T * upper, axis=1))), 1e-3)


def _order(
    mixture: BlockMixture, unit: Activation, has_offset: bool, box: Box, accuracy: float, limit: int
) -> tuple[int, float]:
    """Order at which the Hermite expansion is accurate enough, or the largest affordable, with its error."""
    scale = np.geomspace(1e-3, 1.0, 60) * _largest_scale(mixture, box)
    offsets = np.linspace(box.lower[-1], box.upper[-1], 9) if has_offset else np.zeros(1)
    highest = _largest_order(limit, len(mixture.dimensions))
    # c_k^2 beyond an order sum to less than E sigma^2
    largest = max(float(np.max(unit.second_moments(scale, np.full_like(scale, b)))) for b in offsets)
    for reach in (SHORT_ORDER, highest):
        tails = np.max([squared_tail(unit, mixture, scale, b, 2 * reach) for b in offsets], axis=0)
        beyond = largest * float(angular_moment(np.array([4 * reach]), min(mixture.dimensions))[0])
        enough = np.flatnonzero(tails[: min(reach, highest) // 2] <= accuracy)
        if enough.size and beyond <= 1e-3 * accuracy:
            break
    index = int(enough[0]) if enough.size else highest // 2 - 1
    return 2 * (index + 1), float(tails[index])


def _moment_error(mixture: BlockMixture, unit: Activation, has_offset: bool, box: Box, highest: int) -> float:
    """Error of U that the unit's own moments leave: 2 |c| |dc| in the l2 norm."""
    scale = np.geomspace(1e-3, 1.0, 16) * _largest_scale(mixture, box)
    offsets = np.linspace(box.lower[-1], box.upper[-1], 5) if has_offset else np.zeros(1)
    scale, offset = np.repeat(scale, len(offsets)), np.tile(offsets, len(scale))
    error = unit.moment_error(scale, offset, highest)
    return 2.0 * error * float(np.sqrt(np.max(unit.second_moments(scale, offset)))) if error > 0.0 else 0.0


def _reachable(mixture: BlockMixture) -> float:
    """Error of U that zonal harmonics reach in seconds: the smallest block decides how slowly they converge."""
    if len(mixture.dimensions) == 1:
        return 1e-8 if mixture.dimension == 1 else 1e-10
    if min(mixture.dimensions) <= 3:
        return 1e-6 if mixture.dimension <= 5 else 1e-7
    return 1e-10


@lru_cache
def _largest_order(limit: int, blocks: int) -> int:
    """Largest order of at most `limit` multi-indices, 2 at least and 1000 at most."""
    highest = 2
    while _count(highest + 2, blocks) <= limit and highest < HIGHEST_ORDER:
        highest += 2
    return highest


def _count(order: int, blocks: int) -> int:
    """Number of multi-indices of orders 2, 4, ..., order in `blocks` blocks."""
    half = np.arange(1, order // 2 + 1)
    counts = np.ones(len(half))
    for j in range(1, blocks):
        counts = counts * (half + j) / j
    return int(counts.sum())
