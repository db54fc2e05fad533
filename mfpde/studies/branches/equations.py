"""Stationary atomic laws as a curve in a parameter: the equations that `continuation` follows.

Unknowns are the coordinates of the atoms off their bounds, over the radius of the box, under birth and death the masses
too, and the parameter, scaled to [0, 1]. The equations are grad G = 0 on those coordinates, divided by r_j for a
radius, so that the branch on which an atom stays at r_j = 0 is not a solution; under birth and death also equal G on
the atoms and total mass 1.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfpde.configuration.families import Family
from mfpde.problem.landscape import landscape_on
from mfpde.problem.problem import build_problem
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.stationary.branches import equations
from mfpde.solvers.stationary.landscape import Landscape

DIFFERENCE = 1e-5
"""Step of the differences in the parameter: they steer predictions and tangents, no result rests on them."""
KEPT = 256
"""Landscapes kept; each belongs to one value of the parameter."""
ORIGIN = 1e-6
"""Radius over the box at which an atom counts as having met r_j = 0: the parameter is even in the radius there."""
APART = 1e-3
"""Distance of two atoms over the box at which a branch ends: beyond they are one atom, with a branch of its own."""


class Site(NamedTuple):
    """The landscape at one value of the parameter, and the error of U there."""

    landscape: Landscape
    feature_error: float


class Landscapes:
    """The landscapes of a family over a parameter scaled to [0, 1], built where they are asked for."""

    def __init__(self, family: Family, radius: float) -> None:
        (self.variation,) = family.variations
        self.family, self.radius = family, radius
        self.low, self.high = self.variation.values[0], self.variation.values[-1]
        self._kept: OrderedDict[float, Site] = OrderedDict()
        self._first = family.at(self.low)
        geometry = build_problem(self._first).geometry
        self.names, self.geometry = geometry.names, geometry
        self.box = geometry.box(radius)
        self.lower, self.upper = self.box.lower, self.box.upper

    def value(self, share: float) -> float:
        """The key's value at a scaled parameter; beyond [0, 1] that of its ends."""
        share = min(max(share, 0.0), 1.0)
        return self.low + share * (self.high - self.low) if share < 1.0 else self.high

    def share(self, value: float) -> float:
        """The scaled parameter of a value of the key."""
        return (value - self.low) / (self.high - self.low)

    def at(self, share: float) -> Site:
        """The landscape at a scaled parameter."""
        value = self.value(share)
        if value not in self._kept:
            problem = build_problem(self.family.near(self._first, value))
            self._kept[value] = Site(*landscape_on(problem, self.box))
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(value)
        return self._kept[value]


class LawEquations:
    """The equations of one branch; see `mfpde.solvers.stationary.continuation.Equations`."""

    def __init__(self, landscapes: Landscapes, law: Atoms, share: float) -> None:
        self.landscapes = landscapes
        self._law = law
        landscape = landscapes.at(share).landscape
        walls = landscapes.geometry.walls
        off_bounds = (law.points > walls.lower) & (law.points < walls.upper)
        self.free: NDArray[np.bool_] = (
            np.broadcast_to(np.array(landscapes.geometry.mobile), off_bounds.shape) & off_bounds
        )
        self.weighted = landscape.flow.fisher_rao_rate > 0.0 and len(law.weights) > 1
        self._radial = np.broadcast_to(landscape.radii, self.free.shape)[self.free]
        self._places = int(self.free.sum())

    def state(self, law: Atoms, share: float) -> Array:
        """The unknowns at a law and a parameter."""
        masses = law.weights if self.weighted else np.zeros(0)
        return np.concatenate([law.points[self.free] / self.landscapes.radius, masses, [share]])

    def law(self, state: Array) -> Atoms:
        """The law of a state."""
        positions = self._law.points.copy()
        positions[self.free] = state[: self._places] * self.landscapes.radius
        return Atoms(positions, state[self._places : -1] if self.weighted else self._law.weights)

    def residual(self, state: Array) -> Array:
        """F, shape (n,)."""
        law = self.law(state)
        landscape = self.landscapes.at(float(state[-1])).landscape
        value, gradient = landscape.potential(law.points, landscape.outputs(law))
        slopes = gradient[self.free] / np.where(self._radial, law.points[self.free], 1.0)
        if not self.weighted:
            return np.asarray(slopes)
        return np.concatenate([slopes, value[:-1] - value[-1], [law.weights.sum() - 1.0]])

    def jacobian(self, state: Array) -> Array:
        """F', shape (n, n + 1)."""
        law = self.law(state)
        matrix, residual = equations(self.landscapes.at(float(state[-1])).landscape, law, self.free, self.weighted)
        places, count = self._places, len(law.weights)
        divisor = np.where(self._radial, law.points[self.free], 1.0)
        top = matrix[:places, :places] / divisor[:, None]
        top -= np.diag(np.where(self._radial, residual[:places] / divisor**2, 0.0))
        by_position = np.hstack([top, matrix[:places, places:-1] / divisor[:, None]]) if self.weighted else top
        rows = [by_position]
        if self.weighted:
            potentials = matrix[places : places + count, :-1]
            rows += [potentials[:-1] - potentials[-1], matrix[-1:, :-1]]
        scale = np.ones(state.size - 1)
        scale[:places] = self.landscapes.radius
        return np.column_stack([np.vstack(rows) * scale, self._by_parameter(state, self.residual(state))])

    def _by_parameter(self, state: Array, residual: Array) -> Array:
        """dF / dlambda by a difference towards the middle of [0, 1]."""
        shifted = state.copy()
        shifted[-1] += DIFFERENCE if state[-1] < 0.5 else -DIFFERENCE
        return np.asarray((self.residual(shifted) - residual) / (shifted[-1] - state[-1]))

    def bounds(self, state: Array) -> Array:
        """Distances from the ends of the box, masses, and how far atoms are apart."""
        law = self.law(state)
        radius = self.landscapes.radius
        inner = (law.points - self.landscapes.lower)[self.free] / radius - np.where(self._radial, ORIGIN, 0.0)
        outer = (self.landscapes.upper - law.points)[self.free] / radius
        masses = law.weights if self.weighted else np.zeros(0)
        return np.concatenate([inner, outer, masses, _separations(law.points / radius) - APART])

    def longest_step(self, state: Array) -> float:
        """Half the distance of the nearest two atoms: past their meeting it grows again."""
        apart = _separations(self.law(state).points / self.landscapes.radius)
        return 0.5 * float(np.min(apart, initial=np.inf))

    def bound_text(self, index: int) -> str:
        """What it means that one of the bounds is met."""
        places = self._places
        names = [self.landscapes.names[j] for _, j in zip(*np.nonzero(self.free), strict=True)]
        if index < places:
            return f"meets {names[index]} = 0" if self._radial[index] else f"leaves the box at low {names[index]}"
        if index < 2 * places:
            return f"leaves the box at {names[index - places]} = {self.landscapes.radius:g}"
        if index < 2 * places + (len(self._law.weights) if self.weighted else 0):
            return "loses the mass of an atom"
        return f"two atoms come within {APART:g} of the box"


def _separations(positions: Array) -> Array:
    """Distance of every pair of atoms."""
    rows, columns = np.triu_indices(len(positions), 1)
    return np.asarray(np.linalg.norm(positions[rows] - positions[columns], axis=1))
