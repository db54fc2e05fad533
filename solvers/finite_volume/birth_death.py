"""Birth and death in finite volumes: Strang's splitting around a step of the transport."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..arrays import Array
from ..flow.flow import Flow
from ..flow.reaction import Reaction, midpoint_step
from .cell_features import CellFeatures
from .transport import Move, Transport

FIRST_CHANGE = 0.1  # of the logarithm of the masses, in the first step


class BirthDeath:
    """The reaction on the cells of a grid, and a step of the whole flow with it.

    The error of the split step is estimated by sum_i |second half's change of m_i - first half's|: of order 2 in the
    step, it is what freezing the first half's rates would cost, and sees G change by the reaction and by the transport.

    Args:
        cells: features and outputs.
        flow: rate, confinement and noise.
        log_measure: log w of the grid's shape, None without noise.
        tolerance: bound of that estimate.
    """

    def __init__(self, cells: CellFeatures, flow: Flow, log_measure: Array | None, tolerance: float) -> None:
        self._cells = cells
        self._tolerance = tolerance
        self._confinement = cells.confinement.ravel() if flow.confines else None
        self._reaction = Reaction(
            cells.objective,
            lambda gradient: cells.psi(gradient).ravel(),
            lambda masses: cells.outputs(masses)[: cells.rank],
            flow.rate,
            self._confinement,
            flow.inverse_temperature,
            None if log_measure is None else log_measure.ravel(),
            flow.free,
        )

    def first_step(self, mass: Array, outputs: Array) -> float:
        """A step that changes the logarithms of the masses by about `FIRST_CHANGE`, inf where they rest."""
        speed = self._reaction.rate * math.sqrt(self._variance(mass, outputs) / float(mass.sum()))
        return FIRST_CHANGE / speed if speed > 0.0 else math.inf

    def dissipation(self, mass: Array, outputs: Array) -> float:
        """2 alpha Var_m G, or 2 kappa ∫G^2 dm, its share of D."""
        return 2.0 * self._reaction.rate * self._variance(mass, outputs)

    def around(self, transport: Transport, mass: Array, outputs: Array, step: float, growth: float) -> Move:
        """Half a step of the reaction, a step of the transport, half a step of the reaction."""
        given_up = Move(mass, np.full_like(outputs, np.nan), np.nan, ((np.inf, 0.0),))
        try:
            before, before_outputs, before_dissipated = self._half(mass, outputs, step)
        except ArithmeticError:
            return given_up
        move = transport.step(before, before_outputs, step)
        if move.too_long(step) or not np.isfinite(move.outputs).all():
            return move
        try:
            after, after_outputs, after_dissipated = self._half(move.mass, move.outputs, step)
        except ArithmeticError:
            return given_up
        error = float(np.abs((after - move.mass) - (before - mass)).sum())
        return replace(
            move,
            mass=after,
            outputs=after_outputs,
            dissipated=before_dissipated + move.dissipated + after_dissipated,
            errors=(*move.errors, (error, self._tolerance)),
            growth=min(move.growth, growth),
        )

    def _half(self, mass: Array, outputs: Array, step: float) -> tuple[Array, Array, float]:
        """Masses and outputs after half a step of the reaction, and ∫D of it."""
        found = midpoint_step(self._reaction, mass.ravel(), outputs[: self._cells.rank], 0.5 * step)
        after = found.outputs
        if self._confinement is not None:
            after = np.append(after, float(self._confinement @ found.masses))
        return found.masses.reshape(mass.shape), after, found.dissipated

    def _variance(self, mass: Array, outputs: Array) -> float:
        gradient = self._reaction.objective.loss_gradient(outputs[: self._cells.rank])
        return self._reaction.variance(mass.ravel(), self._reaction.psi(gradient))
