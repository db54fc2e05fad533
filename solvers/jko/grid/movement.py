"""One minimising movement with noise on the cells of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...arrays import Array
from ...finite_volume.diffusion import Diffusion
from ...flow.flow import Flow
from ...objective.objective import Objective
from ...space.geometry import Geometry
from ...space.grid import Grid
from .kernels import axis_account
from .newton import Solution, solve_outputs

EPSILON = float(np.finfo(float).eps)
DETOURS = (6, 12, 18)  # halvings of a movement that is not found, from where it is approached


@dataclass(frozen=True)
class _Sweep:
    """An implicit step: the laws before it and after each moving axis, the rates, what crossed the faces."""

    laws: list[Array]
    rates: list[tuple[Array, Array]]
    crossed: list[Array]


@dataclass(frozen=True)
class Movement:
    """A minimising movement.

    Attributes:
        mass, outputs: where it ends.
        miss: what these outputs differ by from those that the potential was taken at.
        crossed: masses that crossed the faces upward, per axis.
        response: estimate of minus the change of the outputs with those assumed, shape (M, M), for the next solve.
        dissipated: tau D, D at its end.
        gap: P - D >= 0.
        evaluations: implicit steps that the M equations took.
    """

    mass: Array
    outputs: Array
    miss: Array
    crossed: list[Array]
    response: Array
    dissipated: float
    gap: float
    evaluations: int


class Movements:
    """Minimising movements of (1/2) F by the discrete transport distance, see `GridJko`.

    Args:
        objective, geometry, flow, grid: the problem and its cells.
        flux_order: of `Diffusion`.
        optimality: the outputs solve a movement to this fraction of their change.

    Raises:
        ValueError: a feature value that is not finite.
    """

    def __init__(
        self, objective: Objective, geometry: Geometry, flow: Flow, grid: Grid, flux_order: int, optimality: float
    ) -> None:
        self.objective = objective
        self.shape = grid.shape
        self.beta = flow.inverse_temperature
        self.diffusion = Diffusion(geometry, grid, flow.inverse_temperature, flux_order)
        self._optimality = optimality
        self._moving = [a for a, moves in enumerate(geometry.mobile) if moves and grid.shape[a] > 1]
        points = grid.points
        self._features = np.ascontiguousarray(objective.features.values(points).T)
        self.confinement = flow.confinement(geometry).value(points)
        if not np.isfinite(self._features).all():
            cell = int(np.argmax(~np.isfinite(self._features).all(axis=0)))
            raise ValueError(f"the features are not finite at the cell of {points[cell]}: shrink the domain")
        self._energy_scale = objective.loss.scale

    def minimise(
        self, mass: Array, outputs: Array, factors: Sequence[Array], step: float, guess: Array, response: Array
    ) -> Movement | None:
        """The movement of length `step` from `mass`; None where its M equations were not solved.

        Args:
            mass, outputs: the law before.
            factors: of `factors`.
            step: tau.
            guess: of the outputs after; where it leads nowhere, those of ever longer movements do.
            response: of an earlier movement, shape (M, M).
        """
        found = self._solution(mass, outputs, factors, step, guess, response)
        if found is None:
            found = self._detour(mass, outputs, factors, step)
        return None if found is None else self._settled(found, step)

    def _detour(self, mass: Array, outputs: Array, factors: Sequence[Array], step: float) -> Solution[_Sweep] | None:
        """The movement approached from short ones, each twice as long as the one before."""
        for halvings in DETOURS:
            found: Solution[_Sweep] | None = None
            point, slope = outputs, np.zeros((len(outputs), len(outputs)))
            for power in range(halvings, -1, -1):
                found = self._solution(mass, outputs, factors, 0.5**power * step, point, slope)
                if found is None:
                    break
                point, slope = found.outputs, 2.0 * found.response
            if found is not None:
                return found
        return None

    def _solution(
        self, mass: Array, outputs: Array, factors: Sequence[Array], step: float, guess: Array, response: Array
    ) -> Solution[_Sweep] | None:
        """The M equations solved to a fraction of the outputs' change, or to what rounding of the rates leaves."""
        weights = self.objective.loss.metric
        scale = float(np.sqrt(np.dot(weights, outputs * outputs) + self._energy_scale))
        rounding = EPSILON * scale * (4.0 + 2.0 * self.beta * float(np.ptp(self.potential(guess))))

        def tolerance(new: Array) -> float:
            change = new - outputs
            return max(self._optimality * float(np.sqrt(np.dot(weights, change * change))), rounding)

        def evaluate(point: Array) -> tuple[_Sweep, Array]:
            rates = self.diffusion.rates(self.potential(point), factors)
            swept = self._swept(mass, rates, step)
            return swept, self.outputs(swept.laws[-1])

        return solve_outputs(evaluate, guess, response, weights, tolerance)

    def _settled(self, found: Solution[_Sweep], step: float) -> Movement:
        """The movement of a solution, with its dissipation and duality gap."""
        swept, miss = found.trial, found.miss
        gap = self.objective.loss.divergence(found.outputs - miss, miss)
        dissipated = 0.0
        for a, law in zip(self._moving, swept.laws[1:], strict=True):
            work, axis_gap = self._account(law, swept.rates[a], swept.crossed[a], step, a)
            dissipated += 2.0 * work
            gap += axis_gap
        return Movement(
            swept.laws[-1], found.outputs, miss, swept.crossed, found.response, dissipated, gap, found.evaluations
        )

    def _swept(self, mass: Array, rates: list[tuple[Array, Array]], step: float) -> _Sweep:
        """The implicit step, axis after axis."""
        laws, crossed = self.diffusion.swept(mass, rates, step)
        return _Sweep(laws, rates, crossed)

    def _account(
        self, mass: Array, rates: tuple[Array, Array], crossed: Array, step: float, axis: int
    ) -> tuple[float, float]:
        work, gap = axis_account(mass.reshape(self._lines(axis)), *rates, crossed, step, 2.0 * self.beta)
        return float(work), float(gap)

    def corrected(self, mass: Array, fluxes: Sequence[Array]) -> Array:
        """mass - div(fluxes), the fluxes out of each cell scaled so that they leave something in it."""
        return self.diffusion.corrected(mass, fluxes)

    def factors(self, mass: Array, outputs: Array) -> list[Array]:
        """What the fluxes of `Diffusion` are corrected by, measured on a law."""
        return self.diffusion.factors(self.potential(outputs), mass)

    def potential(self, outputs: Array) -> Array:
        """Psi_i + V_i of a law with these outputs, of the grid's shape."""
        psi: Array = self.psi(self.objective.loss_gradient(outputs)) + self.confinement.reshape(self.shape)
        return psi

    def psi(self, gradient: Array) -> Array:
        """gradient . Phi at the cells, of the grid's shape."""
        return self.feature_sum(gradient).reshape(self.shape)

    def feature_sum(self, gradient: Array) -> Array:
        """gradient . Phi at the cells, shape (n,)."""
        return np.asarray(np.einsum("m,mn->n", gradient, self._features))

    def outputs(self, mass: Array) -> Array:
        """sum_i Phi_i m_i, shape (M,)."""
        return np.asarray(np.einsum("mn,n->m", self._features, mass.ravel()))

    def free_energy(self, mass: Array, outputs: Array) -> float:
        """F; NaN where a value is not finite."""
        if not np.isfinite(outputs).all():
            return float("nan")
        energy = self.objective.energy(outputs) + 2.0 * float(np.dot(self.confinement, mass.ravel()))
        return energy + self.diffusion.entropy(mass) / self.beta

    def energy_scale(self, mass: Array, energy: float) -> float:
        """What the rounding of F at this law is relative to."""
        return abs(energy) + self._energy_scale + self.diffusion.entropy_scale(mass) / self.beta

    def _lines(self, axis: int) -> tuple[int, int, int]:
        before = int(np.prod(self.shape[:axis], dtype=int))
        return before, self.shape[axis], int(np.prod(self.shape[axis + 1 :], dtype=int))
