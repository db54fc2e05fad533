"""Rules for the projection of which a target sees g: panels halved as neurons of a box, and the target, ask for it.

`index` has the features at their nodes; what a rule leaves of a law's risk is told by others here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.pulls import own_edges, own_rule
from mfpde.solvers.normal import REACH, Teacher, gauss
from mfpde.solvers.space.box import Box

NODES = 12
"""Gauss nodes of a panel of the rule."""
FIRST_PANELS = 6
NARROWEST = 1e-7
TRIALS = 32
"""Neurons of the box on which rules are tried."""
FEW = 16
"""Neurons of a law whose kinks count each."""
CUTS = (0.19, 0.44, 0.77)
"""Where panels are cut in four, as shares of them."""
CHUNK = 2**21
"""Numbers of outputs that are formed at once."""


@dataclass(frozen=True)
class PanelRule:
    """A composite Gauss rule for the normal law of v."""

    edges: Array
    nodes: Array = field(init=False)
    weights: Array = field(init=False)

    def __post_init__(self) -> None:
        places, weights = gauss(self.edges, NODES)
        object.__setattr__(self, "nodes", places.ravel())
        object.__setattr__(self, "weights", weights.ravel())

    @property
    def halved(self) -> PanelRule:
        """With every panel in two."""
        return PanelRule(np.sort(np.concatenate([self.edges, 0.5 * (self.edges[1:] + self.edges[:-1])])))


@dataclass(frozen=True)
class PanelNeurons:
    """Neurons of the box on which a rule is tried."""

    activation: Activation
    along: Array
    across: Array
    offset: Array

    @classmethod
    def of(cls, unit: Activation, points: Array, perpendicular: bool, has_offset: bool) -> PanelNeurons:
        """Neurons of places (m, s, b), s and b as far as there are any."""
        none = np.zeros(len(points))
        return cls(unit, points[:, 0], points[:, 1] if perpendicular else none, points[:, -1] if has_offset else none)

    def means(self, v: Array) -> Array:
        """c_0(s, m v + b), shape (n, Q)."""
        shape = len(self.along), v.size
        offset = np.outer(self.along, v) + self.offset[:, None]
        spread = np.broadcast_to(self.across[:, None], shape)
        return self.activation.levels(spread.ravel(), offset.ravel(), 0).reshape(shape)

    def squares(self, v: Array, orders: int) -> Array:
        """The largest c_j(s, m v + b)^2 for j = 2, 4, ..., shape (Q, orders)."""
        found = np.zeros((v.size, orders))
        for m, s, b in zip(self.along, self.across, self.offset, strict=True):
            higher = self.activation.levels(np.full(v.size, s), m * v + b, 2 * orders)[:, 1:]
            np.maximum(found, higher**2, out=found)
        return found


def neurons_of(unit: Activation, has_offset: bool, perpendicular: bool, box: Box, skew: float = 1.0) -> PanelNeurons:
    """Corners, the middle, others by a low-discrepancy sequence, and the mirror images of all in m.

    With these the rule is symmetric: a target without a linear part exerts no force on neurons at m = 0. With a `skew`
    above 1 the others are others, and more of them have a small s.
    """
    from scipy.stats import qmc

    lower, upper = box.lower, box.upper
    unit_cube = qmc.Sobol(len(lower), seed=int(skew > 1.0)).random(TRIALS)
    unit_cube[:, 1 : 1 + perpendicular] **= skew
    inner = qmc.scale(unit_cube, lower, np.maximum(upper, lower + 1e-12))
    corners = np.array(np.meshgrid(*zip(lower, upper, strict=True), indexing="ij")).reshape(len(lower), -1).T
    points = np.vstack([corners, 0.5 * (lower + upper), inner])
    mirrored = points.copy()
    mirrored[:, 0] *= -1.0
    return PanelNeurons.of(unit, np.vstack([points, mirrored]), perpendicular, has_offset)


def adapted(trials: PanelNeurons, teacher: Teacher, accuracy: float, most: int) -> PanelRule:
    ends = np.linspace(-REACH, REACH, FIRST_PANELS + 1)
    edges = np.unique(np.concatenate([ends, teacher.breaks[np.abs(teacher.breaks) < REACH]]))
    while len(edges) <= most:
        errors = _panel_errors(trials, teacher, edges)
        wide = np.diff(edges) > NARROWEST
        poor = wide & (errors > accuracy / len(errors))
        if not poor.any():
            break
        if poor.sum() > most + 1 - len(edges):
            # the worst first
            poor &= errors >= np.sort(errors)[::-1][max(most - len(edges), 0)]
        edges = np.sort(np.concatenate([edges, 0.5 * (edges[1:] + edges[:-1])[poor]]))
    return PanelRule(edges)


def _panel_errors(trials: PanelNeurons, teacher: Teacher, edges: Array) -> Array:
    """Per panel, how much halving it changes E f^2 and E f g over it at the worst of the neurons, and E g^2."""
    whole = _panel_integrals(trials, teacher, edges)
    finer = np.sort(np.concatenate([edges, 0.5 * (edges[1:] + edges[:-1])]))
    halves = _panel_integrals(trials, teacher, finer)
    return np.asarray(np.abs(halves.reshape(len(whole), 2, -1).sum(axis=1) - whole).max(axis=1))


def _panel_integrals(trials: PanelNeurons, teacher: Teacher, edges: Array) -> Array:
    places, weights = gauss(edges, NODES)
    values = trials.means(places.ravel()).reshape(-1, *places.shape)
    target = teacher(places)
    parts = [np.einsum("npk,pk->pn", values**2, weights), np.einsum("npk,pk->pn", values, weights * target)]
    return np.hstack([*parts, (weights * target**2).sum(axis=1)[:, None]])


def halving_error(trials: PanelNeurons, teacher: Teacher, rule: PanelRule) -> float:
    """Twice the largest change of U and V of the neurons, without the higher orders, by halving all panels."""
    found = []
    for each in (rule, rule.halved):
        values = trials.means(each.nodes)
        found.append(
            np.hstack([(values * each.weights) @ values.T, (values @ (each.weights * teacher(each.nodes)))[:, None]])
        )
    return 2.0 * float(np.abs(found[1] - found[0]).max())


def stray_error(trials: PanelNeurons, teacher: Teacher, rule: PanelRule) -> float:
    """Twice the largest error of U(z, z) and 2 V of the neurons, without the higher orders.

    Kinks of a unit lie where its neuron has them. Panels for all are halved where those of some neurons lie; others
    are held against a rule of their own here.
    """

    unit, means = trials.activation, trials.means(rule.nodes)
    found = np.stack([(means**2) @ rule.weights, 2.0 * means @ (rule.weights * teacher(rule.nodes))])
    worst = 0.0
    for n, (m, s, b) in enumerate(zip(trials.along, trials.across, trials.offset, strict=True)):
        one = np.array([m]), np.array([s]), np.array([b])
        v, weights = (part[0] for part in own_rule(unit, teacher.breaks, *one))
        own = unit.levels(np.full(v.size, s), m * v + b, 0)[:, 0]
        exact = np.array([weights @ own**2, 2.0 * weights @ (own * teacher(v))])
        worst = max(worst, float(np.abs(found[:, n] - exact).max()))
    return 2.0 * worst


@dataclass(frozen=True)
class RuleGap:
    """Of a law, what the rule changes of its risk next to another one, and what is left out.

    The other rule has each panel in four, cut where the rule has no nodes, and for a few neurons the panels of each:
    many of them blur their kinks.

    Attributes:
        having: neurons of places and masses.
        loose: what orders and features that are left out hold of U.
    """

    having: Callable[[Array], PanelNeurons]
    teacher: Teacher
    rule: PanelRule
    loose: float

    def __call__(self, points: Array, masses: Array) -> float:
        neurons = self.having(points)
        parts = [self._part(neurons, masses, rule) for rule in (self.rule, self.finer(points))]
        return abs(parts[0] - parts[1]) + float(np.abs(masses).sum()) ** 2 * self.loose

    def finer(self, points: Array) -> PanelRule:
        """The other rule for neurons of these places."""

        neurons, edges = self.having(points), self.rule.edges
        finer = [edges, *(edges[:-1] + share * np.diff(edges) for share in CUTS)]
        if len(points) <= FEW:
            places = neurons.along, neurons.across, neurons.offset
            finer.append(own_edges(neurons.activation, self.teacher.breaks, *places).ravel())
        return PanelRule(np.unique(np.concatenate(finer)))

    def _part(self, neurons: PanelNeurons, masses: Array, rule: PanelRule) -> float:
        """E f^2 - 2 E f g."""
        pieces = np.array_split(rule.nodes, 1 + len(masses) * rule.nodes.size // CHUNK)
        outputs = np.concatenate([masses @ neurons.means(v) for v in pieces])
        return float(rule.weights @ (outputs * (outputs - 2.0 * self.teacher(rule.nodes))))
