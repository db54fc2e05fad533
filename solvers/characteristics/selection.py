"""Panels of labels that follow the weights which births and deaths give their atoms, and what lies beyond the last.

With weights w_i ∝ m_i exp(-alpha A_i) the law may come to live where rho_0 has next to no mass. Let e_p be what
2 ∫(G - G_bar) dw changes over panel p when it is halved: F changes by no more than their sum, to first order. Panels of
the largest e_p are halved until those that are left sum up to the tolerance, and so are those on which the Legendre
tail of the weights' density is not small; their masses are those of rho_0, computed anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arrays import Array
from ..flow.confinement import Confinement
from ..flow.leftover import Leftover
from ..objective.objective import Objective
from .panels import LabelLaw, Panels, densities, density_tails, fill_panels, in_parts
from .rules import Rule, Rules

STEEP = 0.1
"""Last coefficient of a density, over the root of the tolerance, that a panel may have."""
UNEVEN = 0.1
"""The same over the largest density of the panel, above which halves may miss what all of it does."""
LARGEST = 200.0
"""Logarithm of a mass beyond which the trial of a step is as good as infinite, and will be rejected."""


def grown(masses: Array, exponent: Array, total: float | None = None) -> Array:
    """Weights in proportion to masses * exp(exponent), of sum 1 and of the shape of `masses`.

    Where the mass is free they are that times the `total` at the start.
    """
    logarithm = logarithms(masses) + exponent
    if total is not None:
        return np.asarray(total * np.exp(np.minimum(logarithm, LARGEST)))
    weights = np.exp(logarithm - logarithm.max())
    return np.asarray(weights / weights.sum())


def logarithms(masses: Array) -> Array:
    """log m, -inf where a mass is 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(masses))


FEWEST_TELLING = 3
"""Nodes of a panel from which the last coefficients of its expansion say what the panel leaves."""


@dataclass(frozen=True)
class Selection:
    """What it takes to resolve the weights of atoms.

    Attributes:
        objective: feature map and loss.
        confinement, rate: V and alpha.
        inside: places (n, D) -> positions where features are read, (n, D).
        rule: Gauss nodes of panels.
        tolerance: change of F that halving all panels may leave.
        limit: largest number of nodes; halving stops there.
        resolution: unresolved mass-weighted position of a panel that may be left.
        total: mass at the start where it is free, None where it is 1 for ever.
    """

    objective: Objective
    confinement: Confinement
    rate: float
    inside: Callable[[Array], Array]
    rule: Rules
    tolerance: float
    limit: int
    resolution: float
    total: float | None = None

    def weights(self, panels: Panels, action: int) -> Array:
        """Weights of the nodes, of the shape of the masses; `action` is the column of the actions."""
        return grown(panels.masses, -self.rate * panels.positions[..., action], self.total)

    def resolved(self, panels: Panels, law: LabelLaw, action: int) -> Panels:
        """Panels of rho_0 = `law` halved until they resolve the weights, or are too many.

        Args:
            panels: of columns whose first D are positions.
        """
        while panels.axes:
            axis, errors = self._errors(panels, law, action)
            order = np.argsort(errors)
            split = order[np.cumsum(errors[order]) > self.tolerance][-self._room(panels) :]
            if split.size == 0 or self._room(panels) <= 0:
                break
            chosen = np.full(len(errors), -1)
            chosen[split] = axis[split]
            panels = refilled(panels.split(chosen, self.rule), law, self.rule)
        return panels

    def beyond(self, panels: Panels, law: LabelLaw, action: int) -> float:
        """Mass that lies beyond the cuts of the law, about: its density there times the last panels' width."""
        if not law.wider or not panels.axes:
            return 0.0
        weights = self.weights(panels, action)
        last = 0.0
        for a, (ends, farther) in enumerate(zip(law.breaks, law.wider[0], strict=True)):
            along = np.moveaxis(weights, a + 1, -1).reshape(len(weights), -1, self.rule.order).sum(axis=1)
            along = 2.0 * along / Rule.of_order(self.rule.order).weights
            widths = panels.upper[:, a] - panels.lower[:, a]
            for side, outermost in ((0, panels.lower[:, a] <= ends[0]), (-1, panels.upper[:, a] >= ends[-1])):
                reached = np.minimum(1.0, abs(farther[side] - ends[side]) / widths[outermost])
                last += float(reached @ along[outermost, side])
        return last

    def _room(self, panels: Panels) -> int:
        return int(self.limit // panels.masses[0].size) - len(panels.lower)

    def leftover(self, panels: Panels, law: LabelLaw, action: int, mobility: Array) -> Leftover | None:
        """What panels as many as the limit lets there be leave of R, F and D; None where there is room for more.

        It is what the rule leaves of map and density as the panels have them, and what they leave of both. Where F
        changes by more than the deviation of its potential the law lies between the atoms.

        Args:
            mobility: 1 for the coordinates that transport moves, shape (D,).
        """
        if not panels.axes or self.limit <= 0 or self._room(panels) > 0:
            return None
        points, weights = self._points(panels), self.weights(panels, action).ravel()
        gradient = self._gradient(points, weights)
        potential = in_parts(lambda part: self._potential(part, gradient), points)
        mean = self._mean(weights, potential)
        deviation = np.sqrt(weights @ (potential - mean) ** 2)

        def rates(points: Array, gradient: Array) -> Array:
            """Psi, G, and |grad G|^2 + alpha (G - G_bar)^2."""
            value, slopes = self.objective.features.contract(points, gradient)
            full = value + self.confinement.value(points)
            squares = (slopes + self.confinement.gradient(points)) ** 2 @ mobility
            return np.column_stack([value, full, squares + self.rate * (full - mean) ** 2])

        changes, tails = self._changes(panels, law, action, rates)
        here = in_parts(lambda part: rates(part, gradient), points)
        middle, errors = self._mean(weights, here), changes.max(axis=2).sum(axis=1)
        shares, kept = replace(panels, masses=weights.reshape(panels.masses.shape)), panels.masses[0].size
        for rows, part in shares.parts:
            own = here[rows.start * kept : rows.stop * kept]
            errors = errors + self._bent(part, part.masses.ravel(), own)
            errors = errors + self._uneven(part, tails[rows].max(axis=1), own - middle)
        if not (errors[1] <= max(deviation, self.resolution)):
            errors = np.full(3, np.inf)
        moved, remedy = "the flow brings", "end earlier, or write a larger {tolerance}"
        if self.rate > 0.0:
            moved, remedy = "births bring", "end earlier, or lower the rate of birth and death"
        problem = f"{moved} the law to where {panels.masses.size} atoms do not resolve rho_0"
        if self.rule.order < FEWEST_TELLING:
            problem, remedy = (
                f"panels of so few nodes ({self.rule.order}) do not tell their own error",
                "write more {atoms}",
            )
        return Leftover(tuple(errors.tolist()), problem, remedy)

    def _bent(self, panels: Panels, weights: Array, values: Array) -> Array:
        """What 2 ∫v dw changes by with what panels leave of the map, to first order, shape (k,); v of the nodes (n, k).

        Positions are off by about their last Legendre coefficients, and v by that times its own slope there.
        """
        dimension, count = self.objective.features.dimension, len(panels.lower)
        places = panels.positions[..., :dimension]
        mass = weights.reshape(count, -1).sum(axis=1)
        off = mass * replace(panels, positions=places).tails(self.rule).max(axis=1)
        off[off <= self.resolution] = 0.0
        across = np.ptp(places.reshape(count, -1, dimension), axis=1).max(axis=1)
        steep = (
            np.ptp(values.reshape(count, -1, values.shape[1]), axis=1) / np.where(across > 0.0, across, np.inf)[:, None]
        )
        return np.asarray(2.0 * off @ steep)

    def _uneven(self, panels: Panels, tails: Array, values: Array) -> Array:
        """What 2 ∫v dw changes by with masses that Gauss rules miss, r^2n of panels whose last coefficient is r^n."""
        top = densities(panels, self.rule).reshape(len(tails), -1).max(axis=1)
        poor = tails > np.maximum(STEEP * np.sqrt(self.tolerance), UNEVEN * top)
        missed = np.where(poor, np.minimum(1.0, tails / np.where(poor, top, 1.0)) ** 2, 0.0)
        whole = panels.masses.reshape(len(tails), -1).sum(axis=1) * missed
        return np.asarray(2.0 * whole @ np.abs(values).reshape(len(tails), -1, values.shape[1]).max(axis=1))

    def _errors(self, panels: Panels, law: LabelLaw, action: int) -> tuple[Array, Array]:
        """The axis along which a panel is resolved worst, and e_p, inf where the density is not; each of shape (P,)."""

        def potential(points: Array, gradient: Array) -> Array:
            return self._potential(points, gradient)[:, None]

        (changes,), tails = self._changes(panels, law, action, potential)
        changes, tails = np.where(panels.wide, changes, 0.0), np.where(panels.wide, tails, 0.0)
        steep = tails.max(axis=1) > STEEP * np.sqrt(self.tolerance)
        axis = np.where(steep, tails.argmax(axis=1), changes.argmax(axis=1))
        return axis, np.where(steep, np.inf, changes.max(axis=1))

    def _changes(
        self, panels: Panels, law: LabelLaw, action: int, values: Callable[[Array, Array], Array]
    ) -> tuple[Array, Array]:
        """What 2 ∫(v - v_bar) dw of each panel changes by when it is halved, and the tails of the weights' density.

        Args:
            values: points (n, D), gradient of the loss -> v of the points, shape (n, k).

        Returns:
            Changes of shape (k, P, axes) and tails of shape (P, axes).
        """
        exponent = logarithms(panels.masses) - self.rate * panels.positions[..., action]
        top = float(exponent.max()) if self.total is None else -math.log(self.total)
        weights = np.exp(exponent - top)
        total, count = float(weights.sum()) if self.total is None else 1.0, len(weights)
        weights /= total
        points = self._points(panels)
        gradient = self._gradient(points, weights.ravel())
        here = in_parts(lambda part: values(part, gradient), points)
        mean = self._mean(weights.ravel(), here)
        own = _summed(weights, here - mean)
        changes = np.empty((len(mean), count, panels.axes))
        for a in range(panels.axes):
            found, mass = np.empty_like(own), 0.0
            for rows, part in panels.parts:
                halves = part.halved(np.ones(len(part.lower), dtype=bool), a, self.rule)
                halves = refilled(halves, law, self.rule, normalised=False)
                mass += float(halves.masses.sum())
                masses = np.exp(logarithms(halves.masses) - self.rate * halves.positions[..., action] - top) / total
                apart = values(self._points(halves), gradient) - mean
                found[rows] = _summed(masses.reshape(len(part.lower), -1), apart)
            changes[:, :, a] = 2.0 * np.abs((found / mass if mass > 0.0 else np.full_like(found, np.nan)) - own).T
        return changes, density_tails(replace(panels, masses=weights), self.rule)

    def _mean(self, weights: Array, values: Array) -> Any:
        """The mean that values of the potential count from: 0 where the mass is free."""
        return weights @ values if self.total is None else np.zeros(values.shape[1:])

    def _points(self, panels: Panels) -> Array:
        dimension = self.objective.features.dimension
        return self.inside(panels.positions[..., :dimension].reshape(-1, dimension))

    def _gradient(self, points: Array, weights: Array) -> Array:
        """Gradient of the loss at a law of atoms."""
        return self.objective.loss_gradient(self.objective.outputs(points, weights))

    def _potential(self, points: Array, gradient: Array) -> Array:
        return np.asarray(self.objective.features.values(points) @ gradient + self.confinement.value(points))


def refilled(panels: Panels, law: LabelLaw, rule: Rules, normalised: bool = True) -> Panels:
    """The same panels with the masses of rho_0: interpolation keeps them relative to a panel's largest only."""
    corners = panels.lower, panels.upper
    return replace(panels, masses=fill_panels(*corners, law.density, _nowhere, rule, normalised).masses)


def _nowhere(labels: Array) -> Array:
    """Labels at places that nobody asks for."""
    return np.empty((len(labels), 0))


def _summed(masses: Array, values: Array) -> Array:
    """Sums over panels, shape (P, k): masses of nodes (P, ...) times values (n, k)."""
    count = len(masses)
    return np.asarray(np.einsum("pn,pnk->pk", masses.reshape(count, -1), values.reshape(count, -1, values.shape[1])))
