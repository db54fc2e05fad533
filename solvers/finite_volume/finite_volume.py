"""Finite volumes for the flow of docs/mathematics.md, section 1, on a tensor grid: transport, noise, births."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..flow.flow import Flow
from ..flow.leftover import GridEnds
from ..flow.time_loop import Observation, State, StepFailure
from ..objective.losses.interface import refuse_ascent
from ..objective.objective import Objective
from ..space.geometry import Geometry
from ..space.grid import Grid
from ..space.measure import Cells
from .birth_death import BirthDeath
from .circles import cells_on
from .diffusion import Diffusion
from .options import DEFAULTS, FiniteVolumeOptions, check
from .transport import HeunTransport, Move, NoisyTransport, NoTransport, Transport

__all__ = ["FiniteVolume", "FiniteVolumeOptions"]

EPSILON = float(np.finfo(float).eps)
ENERGY_ROUNDING = 100.0  # a step may raise F by this many roundings
REMEDY = "use a finer grid ({cells}) or a smaller Courant number ({courant})"


class FiniteVolume:
    """Upwind finite volumes for the flow of (1/2) F, F = 2 L + 2 ∫V drho; order 2 where the law is
    smooth.

    With cell masses m_i, representative points x_i, outputs sum_i Phi_i m_i, Phi_i = Phi(x_i), and
    Psi_i = grad L . Phi_i + V_i,

        dm_i/dt = - sum over the faces of i of the outgoing flux,
        v = -(Psi_{i+1} - Psi_i) / (x_{i+1} - x_i),      flux = v * area * rho_face.

    rho_face is reconstructed in the upwind cell from a parabola through three cell averages (Fromm's slope
    for an atom) and limited only to [0, 2 rho_i]. Time steps are Heun's, the second-order
    strong-stability-preserving combination of Euler steps.

    With noise F gains (1/beta) sum m_i log(m_i / w_i), w_i the cell integrals of omega, and the step is
    implicit (`Diffusion`), with Psi of grad L averaged from the outputs before to those after (for the square loss that
    of their mean), found by fixed-point rounds in the M outputs, so that F rises by (1/beta) times the rise of
    sum m_i log(m_i / pi_i), pi_i ∝ w_i exp(-2 beta Psi_i): it falls, for the Euler form of the step at any
    size, because that form is a stochastic matrix which keeps pi. The step of order 2 is checked and halved.
    The discrete Gibbs laws m = pi are exact steady states, and mass and positivity hold as without noise.

    - *Mass*: what leaves a cell enters its neighbour; the outermost faces are closed.
    - *Positivity*: in an Euler step a face takes at most m_i / (number of faces) of the cell it drains. The
      step is chosen so that this acts, where there is mass, at steep fronts only (not at all for
      courant <= 0.45); the cells that hold less than `empty` together do not set the step.
    - *Energy*: dF/dt = -2 sum over faces of v^2 area rho_face (x_{i+1} - x_i) <= 0, because the face
      velocities are differences of the Psi_i and rho_face >= 0; a step that raises F beyond rounding is
      refused and halved.

    With birth and death at rate alpha, or free mass that grows at rate kappa, a step is Strang's, half a step of
    `reaction.midpoint_step` before and after the transport: each part keeps positivity and lowers F, all but the growth
    the mass, and with noise the discrete Gibbs laws.

    - *Dissipation*: D = -dF/ds of the scheme's own fluxes, and its integral over the steps, by the quadratures of
      order 2 that the parts of the step state; F(s) - F(0) + ∫D is their error.

    An axis with an origin cell (`Grid`) absorbs at r = 0, holds the mass at the value Phi(0) and releases it
    when the slope of Psi turns.

    References: Carrillo, Chertock, Huang, Commun. Comput. Phys. 17 (2015) 233 (velocities from differences
    of the potential); van Leer, J. Comput. Phys. 23 (1977) 276 (reconstruction); Zalesak, J. Comput. Phys.
    31 (1979) 335 (limited outgoing fluxes); Strang, SIAM J. Numer. Anal. 5 (1968) 506 (splitting).

    Args:
        objective: feature map and loss.
        geometry: bounds and mobility of the coordinates.
        flow: the terms that act.
        grid: the cells, one to three axes, smoothly graded.
        masses: initial masses of the cells, of the grid's shape; normalised to total 1 unless the mass is free.
        options: see `FiniteVolumeOptions`.

    Raises:
        ValueError: a loss, a term of the flow, an option, a mass or a feature value that the scheme cannot use.
    """

    def __init__(
        self,
        objective: Objective,
        geometry: Geometry,
        flow: Flow,
        grid: Grid,
        masses: Array,
        options: FiniteVolumeOptions = DEFAULTS,
    ) -> None:
        check(geometry, flow, grid, masses, options)
        refuse_ascent(objective.loss, "finite volumes")
        self.objective = objective
        self.geometry = geometry
        self.flow = flow
        self.grid = grid
        self.options = options
        self._initial = np.ascontiguousarray(masses, dtype=float) / (1.0 if flow.free else float(np.sum(masses)))
        held = flow.confinement(geometry)
        self._cells = cells_on(objective, geometry, grid, held, masses, options.order, options.empty)
        beta = flow.inverse_temperature
        self._diffusion = Diffusion(geometry, grid, beta, options.order) if np.isfinite(beta) else None
        log_measure = None if self._diffusion is None else self._diffusion.log_measure
        self._ends = GridEnds(
            grid, geometry, flow, self._initial, self._cells.psi, self._cells.confinement, log_measure
        )
        self._transport = self._chosen_transport()
        self._birth_death = None
        if flow.rate > 0.0:
            self._birth_death = BirthDeath(self._cells, flow, log_measure, options.noisy_tolerance)

    def initial_state(self) -> State:
        """The given masses, and a step from the velocities they produce."""
        mass = self._initial.copy()
        outputs = self._cells.outputs(mass)
        step = self._transport.first_step(mass, outputs)
        if self._birth_death is not None:
            step = min(step, self._birth_death.first_step(mass, outputs))
        arrays = {"mass": mass, "outputs": outputs, "dissipated": np.zeros(1)}
        return State(0.0, step if np.isfinite(step) else 1.0, arrays)

    def advance(self, state: State, until: float) -> State:
        """One step of at most `state.step`, halved until F does not rise and its errors are within their bounds.

        Raises:
            StepFailure: no step down to rounding keeps the energy from rising, or a value is not finite.
        """
        mass, outputs = state.arrays["mass"], state.arrays["outputs"]
        energy = self._free_energy(mass, outputs)
        allowance = ENERGY_ROUNDING * EPSILON * self._energy_scale(mass, energy)
        planned = state.step
        while True:
            remaining = until - state.flow_time
            step = remaining if planned >= remaining * (1.0 - 1e-12) else planned
            move = self._step(mass, outputs, step)
            if move.too_long(step):
                planned = move.longest
                continue
            if move.close and self._free_energy(move.mass, move.outputs) <= energy + allowance:
                break
            planned = 0.5 * step
            if not (planned > self._transport.shortest * min(move.longest, state.step)):
                raise self._failure(state, mass, move.outputs)
        growth = move.growth * (max(step, state.step) if step == remaining else step)
        following = float(min(move.longest, growth, max(move.by_errors(step), 0.5 * step)))
        time = until if step == remaining else state.flow_time + step
        dissipated = state.arrays["dissipated"] + move.dissipated
        return State(time, following, {"mass": move.mass, "outputs": move.outputs, "dissipated": dissipated})

    def observe(self, state: State) -> Observation:
        """Risk, energy, and the moments of a law that is linear in each cell (an atom in an origin cell).

        The variance of mass gathered in one cell is thus width^2 / 12, what the grid can resolve.
        """
        mass, outputs = state.arrays["mass"], state.arrays["outputs"]
        axes = self._moments(mass)
        dissipation = self._transport.dissipation(mass, outputs)
        if self._birth_death is not None:
            dissipation += self._birth_death.dissipation(mass, outputs)
        return Observation(
            risk=self.objective.risk(outputs[: self.objective.features.rank]),
            free_energy=self._free_energy(mass, outputs),
            mass=float(mass.sum()),
            mean=np.array([mean for mean, _ in axes]),
            variance=np.array([variance for _, variance in axes]),
            law=Cells(self.grid, mass.reshape(self.grid.shape)),
            dissipation=dissipation,
            dissipated=float(state.arrays["dissipated"][0]),
            leftover=self._ends.leftover(mass, self.objective.loss_gradient(outputs[: self._cells.rank])),
        )

    def _moments(self, mass: Array) -> list[tuple[float, float]]:
        """Mean and variance of each of the geometry's statistics."""
        found = []
        for a, axis in enumerate(self.geometry.axes):
            if axis.period is None and not axis.discrete:
                found.append(self.grid.moments(mass, a))
                continue
            held = mass.sum(axis=tuple(other for other in range(mass.ndim) if other != a)) / mass.sum()
            phase = self.grid.centres[a] * (2.0 * np.pi / (axis.period or np.inf))
            for values in [self.grid.centres[a]] if axis.discrete else [np.cos(phase), np.sin(phase)]:
                mean = float(held @ values)
                found.append((mean, float(held @ (values - mean) ** 2)))
        return found

    def _chosen_transport(self) -> Transport:
        if not self.flow.transport:
            return NoTransport()
        if self._diffusion is not None:
            return NoisyTransport(self._cells, self._diffusion, self.options)
        return HeunTransport(self._cells, self.options)

    def _step(self, mass: Array, outputs: Array, step: float) -> Move:
        if self._birth_death is None:
            return self._transport.step(mass, outputs, step)
        return self._birth_death.around(self._transport, mass, outputs, step, self.options.growth)

    def _free_energy(self, mass: Array, outputs: Array) -> float:
        """F with the entropy where there is noise; NaN where a value is not finite."""
        if self._diffusion is None or not np.isfinite(outputs).all():
            return self._cells.energy(outputs)
        return self._cells.energy(outputs) + self._diffusion.entropy(mass) / self.flow.inverse_temperature

    def _energy_scale(self, mass: Array, energy: float) -> float:
        """Sum of the magnitudes that F adds, the scale of its rounding."""
        scale = abs(energy) + self._cells.energy_scale
        if self._diffusion is None:
            return scale
        return scale + self._diffusion.entropy_scale(mass) / self.flow.inverse_temperature

    def _failure(self, state: State, mass: Array, outputs: Array) -> StepFailure:
        cell = np.unravel_index(int(np.argmax(mass)), self.grid.shape)
        place = ", ".join(
            f"{name} = {self.grid.centres[a][i]:.6g}"
            for a, (name, i) in enumerate(zip(self.geometry.names, cell, strict=True))
        )
        reason = "the free energy rises" if np.isfinite(outputs).all() else "the outputs are not finite"
        return StepFailure(
            f"finite volumes: {reason} at every step size (most mass in the cell at {place})",
            state.flow_time,
            REMEDY,
        )
