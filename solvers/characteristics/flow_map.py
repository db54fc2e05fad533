"""Panels of labels that follow the map from where atoms start to where the flow has carried them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..space.box import Box
from .panels import LabelLaw, Panels, worst_first
from .rules import Rules
from .selection import refilled

GROWN_MASS = 0.1
"""Mass that any panel may come to hold where weights react: it is resolved as if it held that much."""
UNRESOLVED = 10.0
"""Mass-weighted position that a panel may leave unresolved, over the tolerance."""
SQUARE_SHARE, AHEAD = 0.1, 0.3
"""Square of what Gauss rules of the law itself may leave of the flow map, over the tolerance, and the share of it down
to which panels are halved where that is passed."""


@dataclass(frozen=True)
class MapResolution:
    """What it takes to resolve the map on panels.

    Attributes:
        own: whether the rules are Gauss's for the law itself; nodes of halved panels are then carried from the start.
        reacts: whether weights do.
        rules: Gauss nodes of panels.
        scales: of errors of each coordinate, the action among them.
        walls: of the coordinates.
        weights: (places, masses) of atoms -> their weights.
        tolerance: unresolved mass-weighted position that a panel may leave.
        square: that of rules of the law itself, squared.
        largest: limit on the number of atoms.
    """

    own: bool
    reacts: bool
    rules: Rules
    scales: Array
    walls: Box
    weights: Callable[[Array, Array], Array]
    tolerance: float
    square: float
    largest: int

    def resolved(self, panels: Panels, law: LabelLaw) -> Panels:
        """Panels of rho_0 = `law` halved until the map is resolved as far as it carries mass, or they are too many.

        Only once where their nodes are to be carried from the start: what is between those of a few says too little.
        """
        while True:
            weights = self.weights(*panels.atoms)
            mass = weights.reshape(len(panels.lower), -1).sum(axis=1)
            if self.reacts:
                mass = np.maximum(mass, GROWN_MASS)
            unresolved = self._tails(panels) * mass[:, None]
            unresolved = np.maximum(unresolved, self._bound_errors(panels, mass)[:, None])
            unresolved = np.where(panels.wide, unresolved, 0.0)
            room = self.largest // panels.masses[0].size - len(mass)
            splitting = self._splitting(unresolved.max(axis=1, initial=0.0), room)
            if not splitting.any():
                return panels
            panels = panels.split(np.where(splitting, unresolved.argmax(axis=1), -1), self.rules)
            if self.own:
                return panels
            if self.reacts:
                panels = refilled(panels, law, self.rules)

    def _splitting(self, unresolved: Array, room: int) -> NDArray[np.bool_]:
        """Which panels are halved, shape (P,).

        Where they are carried from the start it is done seldom, more of them at once, and by what all leave together.
        """
        if not self.own:
            return worst_first(unresolved, self.tolerance, room)
        together = np.empty_like(unresolved)
        together[np.argsort(unresolved)] = np.cumsum(np.sort(unresolved))
        ahead = AHEAD if together.max(initial=0.0) > self.tolerance else 1.0
        return worst_first(together, ahead * self.tolerance, room)

    def _tails(self, panels: Panels) -> Array:
        """What is unresolved of a panel per unit of its mass, on the scale of the tolerance.

        Where a rule is Gauss's for the law itself, what it leaves of the map is orthogonal to what it has, and an error
        of the risk is of the order of its square, which acts on the flow from then on.
        """
        tails = panels.tails(self.rules, self.scales)
        return self.tolerance * tails**2 / self.square if self.own else tails

    def _bound_errors(self, panels: Panels, mass: Array) -> Array:
        """Error of a Gauss rule across the kink of panels that straddle a wall: mass * range / (8 n^2)."""
        flat = panels.positions.reshape(len(panels.lower), -1, panels.positions.shape[-1])
        lowest, highest = flat.min(axis=1), flat.max(axis=1)
        straddles = (lowest < self.walls.lower) & (highest > self.walls.lower)
        straddles |= (lowest < self.walls.upper) & (highest > self.walls.upper)
        kink = np.where(straddles, highest - lowest, 0.0).max(axis=1)
        return np.asarray(mass * kink / (8.0 * self.rules.order**2))
