"""Panels of labels on which the outputs Phi rho of a law are resolved, not only its density.

Let g = 2 grad L at Phi rho, d_p what the outputs change when panel p is halved along a label axis, or when its rule
has one node less along all of them, and d = sum_p d_p.
2 L then changes by g . d + |d|^2 in the norm of Hess L, exactly for the square loss, hence by no more than

    sum_p e_p,    e_p = |g . d_p| + |d_p| |d|.

One such change is small by chance now and then: of all of them the largest counts. The panels of the largest e_p are
halved until those that are left sum up to the tolerance: where features have kinks
the panels are graded towards them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..objective.objective import Objective
from .panels import extended, fill_panels, middles
from .rules import Rules

CHUNK = 2_000_000
"""Most entries of a block of features."""


@dataclass(frozen=True)
class OutputResolution:
    """What it takes to resolve the outputs of a law.

    Attributes:
        objective: feature map and loss.
        density, embed: as those of `LabelLaw`.
        rules: of the panels.
        tolerance: change of the risk that halving all panels may leave.
        limit: largest number of nodes; halving stops there.
        mass: of the law, where it is free.
    """

    objective: Objective
    density: Callable[[Array], Array]
    embed: Callable[[Array], Array]
    rules: Rules
    tolerance: float
    limit: int
    mass: float = 1.0

    def corners(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Corners of the panels given, halved where they do not resolve the outputs."""
        if extended(lower, upper) == 0:
            return lower, upper
        fewer = self.rules.of(max(1, self.rules.order - 1))
        own, halves = self._integrals(lower, upper, self.rules), self._of_halves(lower, upper)
        rough = self._integrals(lower, upper, fewer)
        while True:
            axis, errors = self._errors(own, np.concatenate([halves.sum(axis=2), rough[:, None]], axis=1))
            order = np.argsort(errors)
            split = order[np.cumsum(errors[order]) > self.tolerance]
            room = self._room(lower, upper)
            if split.size == 0 or room <= 0:
                return lower, upper
            split = split[-room:]
            whole = np.setdiff1d(np.arange(len(lower)), split)
            new_lower, new_upper = _halved(lower[split], upper[split], axis[split], self.rules)
            own = np.concatenate([own[whole], halves[split, axis[split]].reshape(-1, own.shape[1])])
            halves = np.concatenate([halves[whole], self._of_halves(new_lower, new_upper)])
            rough = np.concatenate([rough[whole], self._integrals(new_lower, new_upper, fewer)])
            lower = np.concatenate([lower[whole], new_lower])
            upper = np.concatenate([upper[whole], new_upper])

    def left(self, lower: Array, upper: Array) -> Array:
        """What panels as many as the limit lets there be leave of the outputs, shape (M,); 0 where there is room.

        The sum of |d_p| over all of them: changes of one sign and of the other do not cancel.
        """
        if extended(lower, upper) == 0 or self._room(lower, upper) > 0:
            return np.zeros(self.objective.features.rank)
        own, halves = self._integrals(lower, upper, self.rules), self._of_halves(lower, upper)
        rough = self._integrals(lower, upper, self.rules.of(max(1, self.rules.order - 1)))
        _, changes = self._changes(own, np.concatenate([halves.sum(axis=2), rough[:, None]], axis=1))
        return np.asarray(np.abs(changes).max(axis=1).sum(axis=0))

    def _room(self, lower: Array, upper: Array) -> int:
        """How many more panels there may be."""
        return int(self.limit // self.rules.order ** extended(lower, upper)) - len(lower)

    def _integrals(self, lower: Array, upper: Array, rules: Rules) -> Array:
        """Integrals of 1 and Phi over each panel by its rule, shape (P, 1 + M)."""
        rank = self.objective.features.rank
        found = np.empty((len(lower), 1 + rank))
        parts = -(-len(lower) * rules.order ** lower.shape[1] * rank // CHUNK)
        for part in np.array_split(np.arange(len(lower)), max(1, min(parts, len(lower)))):
            panels = fill_panels(lower[part], upper[part], self.density, self.embed, rules, normalised=False)
            values = self.objective.features.values(panels.atoms[0]).reshape(len(part), -1, rank)
            masses = panels.masses.reshape(len(part), -1)
            found[part, 0] = masses.sum(axis=1)
            found[part, 1:] = np.einsum("pn,pnm->pm", masses, values)
        return found

    def _of_halves(self, lower: Array, upper: Array) -> Array:
        """The integrals over the halves of each panel along each axis, shape (P, A, 2, 1 + M)."""
        count, axes = len(lower), extended(lower, upper)
        found = np.empty((count, axes, 2, 1 + self.objective.features.rank))
        for axis in range(axes):
            halves = self._integrals(*_halved(lower, upper, np.full(count, axis), self.rules), self.rules)
            found[:, axis] = halves.reshape(count, 2, -1)
        return found

    def _errors(self, own: Array, others: Array) -> tuple[Array, Array]:
        """The axis along which a panel is resolved worst, and e_p, each of shape (P,).

        Args:
            own: its integrals, shape (P, 1 + M).
            others: halved along each axis, and by the smaller rule, shape (P, A + 1, 1 + M).
        """
        objective, (outputs, changes) = self.objective, self._changes(own, others)
        hessian = objective.loss.hessian(outputs)
        sizes, whole = (np.sqrt(hessian.squares(part)) for part in (changes, changes.sum(axis=0)))
        errors = np.abs(changes @ (2.0 * objective.loss_gradient(outputs))) + sizes * whole
        return errors[:, :-1].argmax(axis=1), errors.max(axis=1)

    def _changes(self, own: Array, others: Array) -> tuple[Array, Array]:
        """The outputs, shape (M,), and what each panel changes of them, shape (P, A + 1, M)."""
        total = own.sum(axis=0)
        outputs = self.mass * total[1:] / total[0]
        changes = (others - own[:, None]) / total[0]
        # of outputs over mass
        return outputs, self.mass * changes[..., 1:] - changes[..., :1] * outputs


def _halved(lower: Array, upper: Array, axis: Array, rules: Rules) -> tuple[Array, Array]:
    """Corners of the halves of panels, both of one after each other, shape (2 P, A + K)."""
    rows, middle = np.arange(len(lower)), np.empty(len(lower))
    for a in np.unique(axis):
        middle[axis == a] = middles(lower[axis == a, a], upper[axis == a, a], a, rules)
    lowers, uppers = np.repeat(lower, 2, axis=0), np.repeat(upper, 2, axis=0)
    uppers[2 * rows, axis] = middle
    lowers[2 * rows + 1, axis] = middle
    return lowers, uppers
