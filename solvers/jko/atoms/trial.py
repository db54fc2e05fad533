"""One step of minimising movements on atoms: transport by its dual, birth and death by theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ...arrays import Array
from ...characteristics.kernels import over_atoms, sums
from ...flow.reaction import Reaction, kl_step, midpoint_step
from .dual import DualStep, Movement, NoConvergence
from .energy import AtomicEnergy
from .kernels import extended, squared_rates

ENDLESS = float("inf")
STRETCH = 5.0
"""Largest ratio of a step to the one before for the two-step formula, and for guesses from the last step."""
ENERGY_ROUNDING = 1e-13
REFRESHED = 25
"""Steps after which the dual's curvature is formed anew."""


@dataclass
class Trial:
    """A step while it is made: where the law started, where it stands, and what was found on the way.

    Attributes:
        start, moved: positions before the step and now, shape (n, D); rows are shared where atoms are.
        masses: of the panels' nodes, without birth and death; actions, weights: with it; shape (n,).
        outputs: Phi of the law as it stands.
        transport: D by transport, known from the movement; None where it is not.
        dissipation, spent: D where the step ends, and its integral over the step.
        curvature: of the dual per unit of tau, `fresh` where it was formed in this step.
        gap, passes: of the duals solved.
        searched: whether proximal maps were searched for globally.
        falls: whether F does not rise.
    """

    start: Array
    moved: Array
    masses: Array
    actions: Array
    weights: Array
    outputs: Array = field(default_factory=lambda: np.empty(0))
    curvature: Array = field(default_factory=lambda: np.empty((0, 0)))
    transport: float | None = None
    dissipation: float = 0.0
    spent: float = 0.0
    gap: float = 0.0
    passes: int = 0
    fresh: bool = False
    searched: bool = False
    falls: bool = False


class Mover:
    """Makes trials from the arrays of a state of `Jko`.

    Args:
        energy: the functional.
        labelled: whether atoms stand for a law with a density, so that tied ones are not split.
    """

    def __init__(self, energy: AtomicEnergy, labelled: bool) -> None:
        self._energy = energy
        self._labelled = labelled
        self._dual = DualStep(energy.objective, energy.table, energy.geometry, energy.confinement)
        self._box = energy.table.box

    def trial(self, arrays: Mapping[str, Array], positions: Array, weights: Array, tau: float, formula: str) -> Trial:
        """The step of length tau by one formula, between reactions where there is birth and death.

        Args:
            arrays: of the state: masses, actions, previous, outputs, history, last_step, curvature, curvature_age,
                dissipation.
            positions, weights: its law, shape (n, D) and (n,).
            formula: plain, bdf2 or midpoint.

        Raises:
            NoConvergence: the dual is not solved.
        """
        trial = Trial(positions, positions, arrays["masses"].ravel(), arrays["actions"].ravel(), weights)
        trial.outputs, trial.curvature = arrays["outputs"], arrays["curvature"]
        before = self._energy.free_energy(positions, weights, trial.outputs)
        early = 0.5 * tau if formula == "midpoint" else 0.0
        self._react(trial, early, formula)
        if self._energy.flow.transport:
            self._transport(arrays, trial, tau, formula)
        self._react(trial, tau - early, formula)
        if trial.transport is None or self._energy.flow.rate > 0.0:
            trial.dissipation = self._energy.dissipation(trial.moved, trial.weights, trial.outputs)
        else:
            trial.dissipation = trial.transport
        if formula != "midpoint":
            trial.spent = 0.5 * tau * (trial.dissipation + float(arrays["dissipation"][0]))
        rounding = ENERGY_ROUNDING * (abs(before) + 1.0)
        trial.falls = self._energy.free_energy(trial.moved, trial.weights, trial.outputs) <= before + rounding
        return trial

    def _react(self, trial: Trial, tau: float, formula: str) -> None:
        """Birth and death for a time tau, on the law where the trial stands."""
        if not (self._energy.flow.rate > 0.0 and tau > 0.0):
            return
        energy, flow = self._energy, self._energy.flow
        values = energy.table.values(trial.moved)
        held = energy.confinement.value(trial.moved) if energy.confinement.acts else None
        reaction = Reaction(
            energy.objective, values.__matmul__, values.T.__matmul__, flow.rate, confinement=held, free=flow.free
        )
        if formula == "midpoint":
            found = midpoint_step(reaction, trial.weights, trial.outputs, tau)
            trial.spent += found.dissipated
        else:
            found = kl_step(reaction, trial.weights, tau)
        growth = reaction.psi(found.gradient)
        trial.actions = trial.actions + tau * flow.excess(growth, found.masses)
        trial.weights, trial.outputs = found.masses, found.outputs
        trial.gap = max(trial.gap, found.gap)

    def _transport(self, arrays: Mapping[str, Array], trial: Trial, tau: float, formula: str) -> None:
        """The minimising movement in the Wasserstein metric, on the law where the trial stands."""
        positions, outputs, box = trial.start, trial.outputs, self._box
        centres, inner, share = positions, tau, 1.0
        previous = arrays["previous"].reshape(positions.shape)
        before = float(arrays["last_step"][0])
        ratio = tau / before if before > 0.0 else np.inf
        if formula == "bdf2":
            centres = self._extended(
                positions, previous, positions, ratio**2 / (1.0 + 2.0 * ratio), (-ENDLESS, ENDLESS)
            )
            inner = tau * (1.0 + ratio) / (1.0 + 2.0 * ratio)
        elif formula == "midpoint":
            inner, share = 0.5 * tau, 0.5
        if ratio <= STRETCH:
            places = self._extended(positions, previous, positions, share * ratio, box)
            guess = outputs + self._expected(arrays, share * tau)
        else:
            downhill = positions - share * tau * self._energy.gradient(positions, outputs)
            places, guess = np.clip(downhill, *box), outputs
        dual = self._energy.objective.loss_gradient(guess)
        movement = self._movement(arrays, trial, centres, inner, places, dual)
        centres = self._share(trial, centres, movement)
        factors, partial = self._energy.mobile * self._energy.geometry.inertia, sums(len(centres))
        over_atoms(squared_rates, len(centres), centres, trial.moved, factors, np.array(box[0]), trial.weights, partial)
        trial.transport = 2.0 * float(partial.sum()) / inner**2
        if formula == "midpoint":
            trial.spent += tau * trial.transport
            trial.transport = None
            trial.moved = self._extended(trial.start, trial.start, trial.moved, 2.0, box, np.ones_like(factors))
            trial.outputs = self._energy.table.outputs(trial.moved, trial.weights)

    def _extended(
        self,
        base: Array,
        begin: Array,
        end: Array,
        ahead: float,
        walls: Array | tuple[float, float],
        mobile: Array | None = None,
    ) -> Array:
        """base + ahead (end - begin) of the coordinates that move, held by the walls."""
        factors = ahead * (self._energy.mobile if mobile is None else mobile)
        lower, upper = (np.broadcast_to(wall, factors.shape).copy() for wall in walls)
        out = np.empty_like(base)
        over_atoms(extended, len(base), base, begin, end, factors, lower, upper, out)
        return out

    def _expected(self, arrays: Mapping[str, Array], ahead: float) -> Array:
        """Change of the outputs over a time `ahead`, by the parabola, or the line, through the laws remembered."""
        known = min(int(arrays["steps"][0]) + 1, len(arrays["history_times"]))
        ages = arrays["history_times"][0] - arrays["history_times"][:known]
        outputs = arrays["history"][:known, : self._energy.table.rank]
        outputs = outputs / np.sqrt(self._energy.objective.loss.metric)
        slope = (outputs[0] - outputs[1]) / ages[1]
        change = ahead * slope
        if known > 2 and ages[2] > (1.0 + 1.0 / STRETCH) * ages[1]:
            bend = (slope - (outputs[1] - outputs[2]) / (ages[2] - ages[1])) / ages[2]
            change += ahead * (ahead + ages[1]) * bend
        return np.asarray(change)

    def _movement(
        self, arrays: Mapping[str, Array], trial: Trial, centres: Array, tau: float, places: Array, dual: Array
    ) -> Movement:
        """The minimising movement from `centres`."""
        loss = self._energy.objective.loss
        own = loss.conjugate_hessian(dual).dense()
        trial.fresh = int(arrays["curvature_age"][0]) >= REFRESHED
        if trial.fresh:
            sampled = self._dual.sampled_curvature(centres, trial.weights, tau, places, dual)
            trial.curvature = (sampled - own) / tau
        try:
            movement = self._dual.local(centres, trial.weights, tau, places, dual, own + tau * trial.curvature)
            trial.curvature = (movement.curvature - loss.conjugate_hessian(movement.dual).dense()) / tau
        except NoConvergence:
            pass
        else:
            if self._dual.convex(tau, movement.dual) or self._dual.confirmed(centres, tau, movement):
                return movement
            places, dual = movement.places, movement.dual
        trial.searched = True
        return self._dual.globally(centres, trial.weights, tau, places, dual)

    def _share(self, trial: Trial, centres: Array, movement: Movement) -> Array:
        """Put the image of the movement into the trial, tied atoms shared between their minimisers; the centres."""
        trial.moved, trial.outputs = movement.places, movement.outputs
        trial.gap, trial.passes = max(trial.gap, movement.gap), movement.passes
        tied, fractions = movement.tied, movement.fractions
        if not tied.size:
            return centres
        if self._labelled:
            trial.moved = trial.moved.copy()
            trial.moved[tied[fractions > 0.5]] = movement.rivals[fractions > 0.5]
        else:
            rows = np.append(np.arange(len(centres)), tied)
            shares = np.ones(len(rows))
            shares[tied] -= fractions
            shares[len(centres) :] = fractions
            moved = np.vstack([trial.moved, movement.rivals])
            kept = shares > 0.0
            rows, shares, trial.moved = rows[kept], shares[kept], moved[kept]
            trial.start, trial.actions, centres = trial.start[rows], trial.actions[rows], centres[rows]
            trial.masses, trial.weights = trial.masses[rows] * shares, trial.weights[rows] * shares
        trial.outputs = self._energy.table.outputs(trial.moved, trial.weights)
        return centres
