"""Minimising movements with noise on a tensor grid, the nonlocal energy inside the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ...arrays import Array
from ...flow.flow import Flow
from ...flow.leftover import GridEnds
from ...flow.reaction import Reaction, ReactionStep, kl_step, midpoint_step
from ...flow.time_loop import Observation, State, StepFailure
from ...objective.losses.interface import refuse_ascent
from ...objective.objective import Objective
from ...space.geometry import Geometry
from ...space.grid import Grid
from ...space.measure import Cells
from .movement import Movement, Movements
from .options import DEFAULTS, GridJkoOptions, check

__all__ = ["GridJko", "GridJkoOptions"]

Arrays = Mapping[str, Array]

EPSILON = float(np.finfo(float).eps)
ENERGY_ROUNDING = 100.0  # a step may raise F by this many roundings
SHORTEST = 1e-12  # of the planned step
CUT = 1e-9  # relative excess of the time that remains over a step, taken with it
FIRST_CHANGE = 0.1  # of the logarithm of the masses by birth and death in the first step
MANY = 10  # evaluations per minimisation beyond which the step does not grow
REMEDY = "use a smaller step ({step}) or a finer grid ({cells})"


class _Trial(NamedTuple):
    """A step tried: the state's arrays, the distance of its two orders, evaluations of the hardest minimisation."""

    arrays: dict[str, Array]
    change: float
    evaluations: int


class GridJko:
    """Minimising movements (JKO) of (1/2) F, F = 2 L + 2 ∫V drho + (1/beta) ∫rho log(rho/omega), on cells.

    With cell masses m, cell integrals w of omega and the reversible rates a, b of `Diffusion` across a face, a
    step of length tau minimises

        P(m, J) = sum over faces J^2 / (2 tau K) + (1/2) F(m),      m = m_0 - div J,      mass sum(m) = 1,

    K the logarithmic mean of a m_a and b m_b times 2 beta at the step's end: the transport distance of Maas,
    linearised there. Its minimiser has J = tau K grad phi, phi = Psi + V + log(m/w) / (2 beta), and
    K grad phi = a m_a - b m_b is linear in m. L enters through M outputs only, so that what is to be found is q in
    R^M with

        q = Phi . m_q,        m_q = the implicit step of the linear equation with Psi = grad L(q) . Phi,

    by Newton's method (`solve_outputs`; secants are kept from step to step). No potential is frozen. The dual
    value at (phi, g = grad L(q)) is D = -tau/2 sum K (grad phi)^2 - phi . m_0 - L*(g) - log-partition, and

        P - D = sum over faces (J - tau K grad phi)^2 / (2 tau K) + L(q') - L(q) - grad L(q) . (q' - q),  q' = Phi . m,

    a sum of squares, is the reported residual. In more than one dimension the movement is split: axis after axis,
    each a minimiser with the fluxes of its axis only and all with the same q, that of the final law; the gaps of
    the axes add. (The split step is not the minimiser of one functional; it differs from it by O(tau^2).)

    *Energy*: each axis step is a stochastic matrix that keeps pi_i ∝ w_i exp(-2 beta (Psi_i + V_i)),
    so that sum m log(m/pi) falls for every tau; as L is convex, L(m_0) >= L(m) + grad L(q) . (Phi m_0 - Phi m),
    and F falls by at least (1/beta) times that. It vanishes only where m = pi: the discrete Gibbs laws, exact
    steady states for any tau.

    *Order*: a plain step has order 1. Order 2 is 2 (two steps of tau/2) - (one of tau), as a flux correction of the
    former limited so that no cell is drained; where F would rise the two plain steps stand. Their difference
    sets an adaptive step. Mass and positivity hold for both. With order = 1 an adaptive step is the two plain
    steps, a fixed one a single movement.

    *Birth and death* (`Reaction`): with order = 1 the movement in the Kullback-Leibler divergence follows that of the
    transport, with order = 2 a midpoint step of tau/2 goes before it and after it (Strang).

    *Dissipation*: D = 2 sum over faces (a m_a - b m_b) log(a m_a / (b m_b)) / (2 beta); its integral is the sum of
    tau D over the movements, extrapolated as the masses are.

    References: Jordan, Kinderlehrer, Otto, SIAM J. Math. Anal. 29 (1998) 1; Maas, J. Funct. Anal. 261 (2011) 2250;
    Cancès, Gallouët, Todeschi, Numer. Math. 146 (2020) 437.

    Args:
        objective: feature map and loss.
        geometry: bounds, omega and mobility of the coordinates.
        flow: the terms that act; noise is required.
        grid: the cells, one to three axes.
        masses: initial masses of the cells, of the grid's shape; normalised to total 1.
        options: see `GridJkoOptions`.

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
        options: GridJkoOptions = DEFAULTS,
    ) -> None:
        check(geometry, flow, grid, masses, options)
        refuse_ascent(objective.loss, "minimising movements")
        self.objective = objective
        self.geometry = geometry
        self.flow = flow
        self.grid = grid
        self.options = options
        self._movements = Movements(objective, geometry, flow, grid, options.flux_order, options.optimality)
        log_measure, confinement = self._movements.diffusion.log_measure, self._movements.confinement
        self._initial = np.ascontiguousarray(masses, dtype=float) / float(np.sum(masses))
        self._ends = GridEnds(
            grid, geometry, flow, self._initial, self._movements.psi, confinement.reshape(grid.shape), log_measure
        )
        self._reaction = None
        if flow.fisher_rao_rate > 0.0:
            self._reaction = Reaction(
                objective,
                self._movements.feature_sum,
                self._movements.outputs,
                flow.fisher_rao_rate,
                confinement if flow.confines else None,
                flow.inverse_temperature,
                log_measure.ravel(),
            )

    def initial_state(self) -> State:
        """The given masses, and a step from the rates at which cells are drained and grow."""
        mass, movements = self._initial.copy(), self._movements
        outputs = movements.outputs(mass)
        psi = movements.potential(outputs)
        rate = 0.0
        if self.flow.transport:
            rate = movements.diffusion.stiffness(movements.diffusion.rates(psi, movements.factors(mass, outputs)))
        if self._reaction is not None:
            spread = np.sqrt(self._reaction.variance(mass.ravel(), psi.ravel()))
            rate = max(rate, float(self.flow.fisher_rao_rate * spread) / FIRST_CHANGE)
        rank = len(outputs)
        arrays = {
            "mass": mass,
            "outputs": outputs,
            "trend": np.zeros(rank),
            "bend": np.zeros((3, rank)),
            "response": np.zeros((rank, rank)),
            # what was dissipated, and the largest duality gap
            "account": np.zeros(2),
        }
        return State(0.0, 1.0 / rate if rate > 0.0 else 1.0, arrays)

    def advance(self, state: State, until: float) -> State:
        """One accepted step of at most `state.step`, or of `options.step`.

        Raises:
            StepFailure: the minimisation fails down to rounding, or at a fixed step.
        """
        fixed = self.options.step
        planned = state.step if fixed is None else fixed
        remaining = until - state.flow_time
        while True:
            step = remaining if planned >= remaining * (1.0 - CUT) else planned
            trial = self._trial(state.arrays, step)
            if trial is not None and (fixed is not None or trial.change <= self.options.tolerance):
                break
            if fixed is not None or not (planned > SHORTEST * state.step):
                raise self._failure(state, step)
            planned = 0.5 * step
        longest = max(step, state.step) if step == remaining else step
        growth = self.options.growth if trial.evaluations <= MANY else 1.0
        by_error = step * np.sqrt(0.5 * self.options.tolerance / trial.change) if trial.change > 0.0 else np.inf
        following = float(min(growth * longest, max(by_error, 0.5 * step))) if fixed is None else fixed
        return State(until if step == remaining else state.flow_time + step, following, trial.arrays)

    def observe(self, state: State) -> Observation:
        """Risk, energy and its account, and the moments of a law that is linear in each cell."""
        mass, outputs = state.arrays["mass"], state.arrays["outputs"]
        dissipated, residual = state.arrays["account"]
        axes = [self.grid.moments(mass, axis) for axis in range(self.geometry.dimension)]
        psi = self._movements.potential(outputs)
        dissipation = self._movements.diffusion.dissipation(mass, psi) if self.flow.transport else 0.0
        if self._reaction is not None:
            dissipation += 2.0 * self.flow.fisher_rao_rate * self._reaction.variance(mass.ravel(), psi.ravel())
        return Observation(
            risk=self.objective.risk(outputs),
            free_energy=self._movements.free_energy(mass, outputs),
            mass=float(mass.sum()),
            mean=np.array([mean for mean, _ in axes]),
            variance=np.array([variance for _, variance in axes]),
            law=Cells(self.grid, mass),
            dissipation=dissipation,
            dissipated=float(dissipated),
            residual=float(residual),
            leftover=self._ends.leftover(mass, self.objective.loss_gradient(outputs)),
        )

    def _trial(self, old: Arrays, step: float) -> _Trial | None:
        """Transport, birth and death over `step`; None where no minimiser was found."""
        if self._reaction is None:
            return self._transported(old, step)
        try:
            if self.options.order == 1:
                moved = self._transported(old, step)
                return None if moved is None else self._reacted_once(self._reaction, moved, step)
            before = self._reacted(self._reaction, old, 0.5 * step)
            moved = self._transported(before, step)
            if moved is None:
                return None
            after = self._reacted(self._reaction, moved.arrays, 0.5 * step)
        except ArithmeticError:
            return None
        change = (after["mass"] - moved.arrays["mass"]) - (before["mass"] - old["mass"])
        return _Trial(after, max(moved.change, float(np.abs(change).sum())), moved.evaluations)

    def _reacted(self, reaction: Reaction, old: Arrays, step: float) -> dict[str, Array]:
        """The reaction's midpoint step."""
        return _with_reaction(old, midpoint_step(reaction, old["mass"].ravel(), old["outputs"], step))

    def _reacted_once(self, reaction: Reaction, moved: _Trial, step: float) -> _Trial:
        """The reaction's minimising movement after the transport's, measured against its midpoint step."""
        mass = moved.arrays["mass"].ravel()
        found = kl_step(reaction, mass, step)
        change = 0.0
        if self.options.step is None:
            change = float(
                np.abs(found.masses - midpoint_step(reaction, mass, moved.arrays["outputs"], step).masses).sum()
            )
        psi = reaction.psi(self.objective.loss_gradient(found.outputs))
        dissipated = 2.0 * reaction.rate * step * reaction.variance(found.masses, psi)
        arrays = _with_reaction(moved.arrays, replace(found, dissipated=dissipated))
        return _Trial(arrays, max(moved.change, change), moved.evaluations)

    def _transported(self, old: Arrays, step: float) -> _Trial | None:
        """The transport over `step`: one movement at a fixed step of order 1, else three."""
        if not self.flow.transport:
            return _Trial(dict(old), 0.0, 0)
        mass, outputs, minimise = old["mass"], old["outputs"], self._movements.minimise
        factors = self._movements.factors(mass, outputs)
        bend = step * step * old["bend"]
        guess = outputs + step * old["trend"]
        whole = minimise(mass, outputs, factors, step, guess + bend[0], step * old["response"])
        if whole is None:
            return None
        bend[0] = whole.outputs - guess
        if self.options.order == 1 and self.options.step is not None:
            return _Trial(_after(old, [whole], step, bend), 0.0, whole.evaluations)
        half = 0.5 * step
        guess = 0.5 * (outputs + whole.outputs)
        first = minimise(mass, outputs, factors, half, guess + bend[1], 0.5 * whole.response)
        if first is None:
            return None
        bend[1] = first.outputs - guess
        factors = self._movements.factors(first.mass, first.outputs)
        second = minimise(first.mass, first.outputs, factors, half, whole.outputs + bend[2], first.response)
        if second is None:
            return None
        bend[2] = second.outputs - whole.outputs
        change = float(np.abs(second.mass - whole.mass).sum())
        arrays = _after(old, [first, second], half, bend)
        if self.options.order == 2:
            arrays = self._extrapolated(old, arrays, (whole, first, second), step)
        return _Trial(arrays, change, max(part.evaluations for part in (whole, first, second)))

    def _extrapolated(
        self, old: Arrays, plain: dict[str, Array], parts: tuple[Movement, Movement, Movement], step: float
    ) -> dict[str, Array]:
        """2 (two halves) - (whole), or the two halves where F would rise."""
        whole, first, second = parts
        movements = self._movements
        fluxes = [a + b - c for a, b, c in zip(first.crossed, second.crossed, whole.crossed, strict=True)]
        mass = movements.corrected(second.mass, fluxes)
        outputs = movements.outputs(mass)
        energy = movements.free_energy(old["mass"], old["outputs"])
        allowance = ENERGY_ROUNDING * EPSILON * movements.energy_scale(old["mass"], energy)
        if not (movements.free_energy(mass, outputs) <= energy + allowance):
            return plain
        dissipated, residual = plain["account"]
        dissipated = dissipated + first.dissipated + second.dissipated - whole.dissipated
        account = np.array([dissipated, max(residual, whole.gap)])
        trend = (outputs - old["outputs"]) / step
        return plain | {"mass": mass, "outputs": outputs, "trend": trend, "account": account}

    def _failure(self, state: State, step: float) -> StepFailure:
        mass = state.arrays["mass"]
        cell = np.unravel_index(int(np.argmax(mass)), self.grid.shape)
        place = ", ".join(
            f"{name} = {self.grid.centres[a][i]:.6g}"
            for a, (name, i) in enumerate(zip(self.geometry.names, cell, strict=True))
        )
        return StepFailure(
            f"minimising movements: no minimiser found for a step of {step:.3g} (most mass in the cell at {place})",
            state.flow_time,
            REMEDY,
        )


def _after(old: Arrays, parts: Sequence[Movement], step: float, bend: Array) -> dict[str, Array]:
    """State arrays at the end of movements of length `step`."""
    last, length = parts[-1], step * len(parts)
    dissipated, residual = old["account"]
    dissipated = dissipated + sum(part.dissipated for part in parts)
    return {
        "mass": last.mass,
        "outputs": last.outputs,
        "trend": (last.outputs - old["outputs"]) / length,
        "bend": bend / length**2,
        "response": last.response / step,
        "account": np.array([dissipated, max(residual, *(part.gap for part in parts))]),
    }


def _with_reaction(old: Arrays, found: ReactionStep) -> dict[str, Array]:
    """State arrays after a step of the reaction."""
    dissipated, residual = old["account"]
    account = np.array([dissipated + found.dissipated, max(residual, found.gap)])
    return dict(old) | {"mass": found.masses.reshape(old["mass"].shape), "outputs": found.outputs, "account": account}
