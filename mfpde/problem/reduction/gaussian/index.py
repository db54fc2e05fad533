"""Features of a unit on inputs of which the target sees one projection: x ~ N(0, Id_d), y = g(<u, x>) + noise.

A neuron w has the coordinates m = <u, w> and s = |w - m u|. Given the projection <u, x> = v its pre-activation is
m v + s G + b with G standard normal, and two neurons averaged over the rotations about u have there the correlation n,
the first coordinate of a uniform point of S^(d - 2). With c_j(t, b) = E[sigma(t G + b) h_j(G)] and h_j = He_j/sqrt(j!),

    U(z, z') = sum_{j even} E n^j  E_v[ c_j(s, m v + b) c_j(s', m' v + b') ],      V(z) = -E_v[ g(v) c_0(s, m v + b) ],

so that Phi_{q,j}(z) = c_j(s, m v_q + b) at the nodes of a rule for v are features of weight omega_q E n^j, those with
j = 0 with targets g(v_q). As d grows only j = 0 stays. The features are scaled to weight 1, and those with j = 0 turned
so that one of them has the whole target.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mfpde.problem.reduction.gaussian.panels import (
    PanelNeurons,
    PanelRule,
    RuleGap,
    adapted,
    halving_error,
    neurons_of,
    stray_error,
)
from mfpde.problem.reduction.hermite import angular_moment
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.arrays import Array
from mfpde.solvers.normal import Teacher, projected
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.objective.representation import Effort, Expansion
from mfpde.solvers.space.box import Box

MOST_PANELS = {"rough": 16, "usual": 60, "finest": 120}
MOST_TERMS = {"rough": 12, "usual": 60, "finest": 100}
"""Largest order j."""
LEFT_OUT = 0.05
"""Share of the accuracy of U that features of no weight may hold together."""
ALIKE = 1e-9
"""Relative difference of squares of features that is rounding."""
SKEWED = 4.0
"""Power by which others, on which their error is measured, are nearer to s = 0, where kinks are sharp."""
SMALL = 1e-3
"""Of the accuracy, what features may leave where others are held against them."""
CHUNK = 2**21
"""Numbers of features that are formed at once."""


@dataclass(frozen=True)
class IndexFeatures:
    """The features of the module's docstring, without their coefficient.

    Attributes:
        activation: sigma.
        nodes: v_q, shape (Q,).
        weights: omega_q, shape (Q,).
        moments: E n^j for j = 2, 4, ..., shape (J/2,).
        turned: unit vector of sqrt(omega_q) g(v_q), shape (Q,).
        kept: which of the features with j > 0 there are, those of a node together, shape (Q J/2,).
        perpendicular: whether there is s, the second coordinate; s = 0 otherwise.
        has_offset: whether b is the last coordinate.
    """

    activation: Activation
    nodes: Array
    weights: Array
    moments: Array
    turned: Array
    kept: NDArray[np.bool_]
    perpendicular: bool
    has_offset: bool

    @property
    def dimension(self) -> int:
        return 1 + self.perpendicular + self.has_offset

    @property
    def rank(self) -> int:
        return len(self.nodes) + int(self.kept.sum())

    def values(self, points: Array) -> Array:
        return np.vstack([self._values(part)[0] for part in self._parts(points)])

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        pairs = [self._values(part, slopes=True) for part in self._parts(points)]
        return np.vstack([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs])

    def outputs(self, points: Array, masses: Array) -> Array:
        """Phi rho, shape (M,), without forming the n x M features."""
        total, done = np.zeros(self.rank), 0
        for part in self._parts(points):
            total += masses[done : done + len(part)] @ self._values(part)[0]
            done += len(part)
        return total

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        """coefficients . Phi, shape (n,), and its gradient, shape (n, D), without forming the n x M features."""
        pairs = [self._values(part, slopes=True) for part in self._parts(points)]
        value = np.concatenate([values @ coefficients for values, _ in pairs])
        return value, np.concatenate([np.einsum("nmd,m->nd", slopes, coefficients) for _, slopes in pairs])

    def _parts(self, points: Array) -> Iterator[Array]:
        """The points in pieces whose features fit into memory."""
        size = max(1, CHUNK // (self.rank * (1 + self.dimension)))
        for first in range(0, max(len(points), 1), size):
            yield points[first : first + size]

    def _values(self, points: Array, slopes: bool = False) -> tuple[Array, Array]:
        count, nodes = len(points), len(self.nodes)
        spread = np.repeat(points[:, 1] if self.perpendicular else np.zeros(count), nodes)
        offset = np.outer(points[:, 0], self.nodes)
        if self.has_offset:
            offset = offset + points[:, -1:]
        orders = 2 * len(self.moments)
        if not slopes:
            levels = self.activation.levels(spread, offset.ravel(), orders)
            return self._laid_out(levels[:, 0], levels[:, 1:], count), np.empty((count, self.rank, 0))
        mean, higher = self.activation.expansion(spread, offset.ravel(), orders)
        values = self._laid_out(mean.value, higher.value, count)
        by_offset = mean.by_offset.reshape(count, nodes), higher.by_offset.reshape(count, nodes, -1)
        columns = [self._laid_out(by_offset[0] * self.nodes, by_offset[1] * self.nodes[:, None], count)]
        if self.perpendicular:
            columns.append(self._laid_out(mean.by_scale, higher.by_scale, count))
        if self.has_offset:
            columns.append(self._laid_out(*by_offset, count))
        return values, np.stack(columns, axis=2)

    def _laid_out(self, lowest: Array, higher: Array, count: int) -> Array:
        """Moments c_0 and c_2, c_4, ... at the nodes as features of weight 1, shape (n, M)."""
        roots = np.sqrt(self.weights)
        plain = lowest.reshape(count, -1) * roots
        # the reflection that takes the direction of the target to the first axis
        mirror = self.turned.copy()
        mirror[0] += 1.0 if mirror[0] >= 0.0 else -1.0
        turned = plain - np.outer(plain @ mirror, 2.0 * mirror / (mirror @ mirror))
        rest = higher.reshape(count, len(self.nodes), -1) * (roots[:, None] * np.sqrt(self.moments))
        return np.hstack([turned, rest.reshape(count, -1)[:, self.kept]])


def expand(
    unit: Activation,
    has_offset: bool,
    perpendicular: float,
    teacher: Teacher,
    box: Box,
    accuracy: float,
    effort: Effort,
) -> Expansion:
    """Features of the unit on the box of (m, s) and b, s where `perpendicular` = d - 1 is above 0.

    Panels of the rule are halved where that changes what neurons of the box have in common with one another and with
    the target, or the square of the target; orders are added until what is left of U is below `accuracy`.
    """
    trials = neurons_of(unit, has_offset, perpendicular > 0.0, box)
    rule = adapted(trials, teacher, accuracy, MOST_PANELS[effort])
    moments, tail = _orders(trials, perpendicular, accuracy, MOST_TERMS[effort])
    made, dropped = _made(trials, has_offset, perpendicular, teacher, rule, moments, accuracy)
    loose, resolved = tail + dropped, halving_error(trials, teacher, rule)
    stray = stray_error(neurons_of(unit, has_offset, perpendicular > 0.0, box, SKEWED), teacher, rule)
    gap = RuleGap(
        partial(PanelNeurons.of, unit, perpendicular=perpendicular > 0.0, has_offset=has_offset), teacher, rule, loose
    )

    def potential(points: Array, masses: Array) -> tuple[Array, Array]:
        other = _made(
            gap.having(points), has_offset, perpendicular, teacher, gap.finer(points), moments, SMALL * accuracy
        )[0]
        return other.features.contract(points, other.loss_gradient(other.outputs(points, masses)))

    # at d = infinity a start may rest at m = 0 by a symmetry that tables would break
    return Expansion(
        made,
        loose + max(resolved, stray),
        "Hermite moments beside a projection",
        explicit=not len(moments),
        gap=gap,
        potential=potential,
        resolved=loose + resolved,
    )


def _orders(trials: PanelNeurons, perpendicular: float, accuracy: float, most: int) -> tuple[Array, float]:
    """E n^j of the orders j = 2, 4, ... that are kept, and a bound of what the others hold of U."""
    if not (0.0 < perpendicular < np.inf):
        return np.empty(0), 0.0
    orders = np.arange(2, most + 4, 2)
    moments = angular_moment(orders, perpendicular)
    size = np.sqrt(trials.along**2 + trials.across**2)
    held = float(trials.activation.second_moments(size, trials.offset).max())
    kept = int(np.argmax(moments * held <= accuracy)) if (moments * held <= accuracy).any() else len(moments) - 1
    return moments[:kept], float(moments[kept] * held)


def _made(
    trials: PanelNeurons,
    has_offset: bool,
    perpendicular: float,
    teacher: Teacher,
    rule: PanelRule,
    moments: Array,
    accuracy: float,
) -> tuple[Objective, float]:
    """The objective, without features that weigh nothing, and what these hold of U and the rule adds to E y^2."""
    target = teacher(rule.nodes)
    sizes = np.maximum((trials.means(rule.nodes) ** 2).max(axis=0), target**2)
    heavy, lost = _heavy(rule.weights * sizes, accuracy)
    nodes, weights, target = rule.nodes[heavy], rule.weights[heavy], target[heavy]
    squares = trials.squares(nodes, len(moments)) * (weights[:, None] * moments)
    kept, dropped = _heavy(squares.ravel(), accuracy)
    scaled = np.sqrt(weights) * target
    length = float(np.linalg.norm(scaled))
    features = IndexFeatures(
        trials.activation, nodes, weights, moments, scaled / length, kept, perpendicular > 0.0, has_offset
    )
    targets = np.zeros(features.rank)
    # the reflection has the sign that does not cancel
    targets[0] = -length if scaled[0] >= 0.0 else length
    constant = projected(lambda v: teacher(v) ** 2, teacher.breaks) - length**2 + teacher.noise**2
    loss = SquareLoss(np.ones(features.rank), targets, max(constant, 0.0))
    return Objective(features, loss), lost + dropped + max(-constant, 0.0)


def _heavy(squares: Array, accuracy: float) -> tuple[NDArray[np.bool_], float]:
    """Which of these squares of features count, and what the others sum up to, `LEFT_OUT` of the accuracy at most."""
    sizes = np.sort(squares)
    first = int(np.searchsorted(np.cumsum(sizes), LEFT_OUT * accuracy))
    # what is as large as the first one that is kept, but for rounding, is kept too: nodes v and -v stay together
    kept = squares >= (1.0 - ALIKE) * sizes[min(first, len(sizes) - 1)] if len(sizes) else squares >= 0.0
    return kept, float(squares[~kept].sum())
