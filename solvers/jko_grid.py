"""Minimising movements with noise on a tensor grid, the nonlocal energy inside the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .diffusion import SAFETY, Diffusion
from .diffusion_kernels import axis_solve
from .flow import Flow
from .geometry import Geometry
from .grid import Grid
from .jko_grid_kernels import axis_account, drain, transfer
from .jko_grid_newton import Solution, solve_outputs
from .objective import Array, Objective
from .time_loop import Law, Observation, State, StepFailure

EPSILON = float(np.finfo(float).eps)
ENERGY_ROUNDING = 100.0  # a step may raise F by this many roundings
SHORTEST = 1e-12  # of the first step
MANY = 10  # evaluations per minimisation beyond which the step does not grow
REMEDY = "use a smaller step (solver.step) or a finer grid (solver.cells)"


@dataclass(frozen=True)
class GridJkoOptions:
    """Options of the scheme.

    Attributes:
        order: 2, or 1 for plain minimising movements.
        flux_order: 2, or 1 for plain Scharfetter-Gummel rates (`Diffusion`).
        step: fixed step in flow time, cut only at the ends of `advance`; None adapts it.
        tolerance: bound per adaptive step of sum |m_order 2 - m_order 1|.
        growth: largest ratio of successive adaptive steps.
        optimality: the outputs solve the step to this fraction of their change.
    """

    order: int = 2
    flux_order: int = 2
    step: float | None = None
    tolerance: float = 1e-3
    growth: float = 2.0
    optimality: float = 1e-6


@dataclass(frozen=True)
class _Sweep:
    """An implicit step: the laws after each moving axis, the rates, and the masses that crossed the faces."""

    laws: list[Array]
    rates: list[tuple[Array, Array]]
    crossed: list[Array]


@dataclass(frozen=True)
class _Movement:
    """A minimising movement: where it ends, what crossed the faces, and its account."""

    mass: Array
    outputs: Array
    crossed: list[Array]
    response: Array
    dissipated: float
    gap: float
    evaluations: int


class GridJko:
    """Minimising movements (JKO) of (1/2) F, F = R + ridge ∫|z|^2 drho + (1/beta) ∫rho log(rho/omega), on cells.

    With cell masses m, cell integrals w of omega and the reversible rates a, b of `Diffusion` across a face, a
    step of length tau minimises

        P(m, J) = sum over faces J^2 / (2 tau K) + (1/2) F(m),      m = m_0 - div J,      mass sum(m) = 1,

    K the logarithmic mean of a m_a and b m_b times 2 beta at the step's end: the transport distance of Maas,
    linearised there. Its minimiser has J = tau K grad phi, phi = Psi + ridge |z|^2/2 + log(m/w) / (2 beta), and
    K grad phi = a m_a - b m_b is linear in m. R enters through M outputs only, so that what is to be found is q in
    R^M with

        q = Phi . m_q,        m_q = the implicit step of the linear equation with Psi = grad L(q) . Phi,

    by Newton's method (`solve_outputs`; secants are kept from step to step). No potential is frozen. The dual
    value at (phi, g = grad L(q)) is D = -tau/2 sum K (grad phi)^2 - phi . m_0 - L*(g) - log-partition, and

        P - D = sum over faces (J - tau K grad phi)^2 / (2 tau K) + L(q') - L(q) - grad L(q) . (q' - q),  q' = Phi . m,

    a sum of squares, is the reported residual. In more than one dimension the movement is split: axis after axis,
    each a minimiser with the fluxes of its axis only and all with the same q, that of the final law; the gaps of
    the axes add. (The split step is not the minimiser of one functional; it differs from it by O(tau^2).)

    *Energy*: each axis step is a stochastic matrix that keeps pi_i ∝ w_i exp(-2 beta (Psi_i + ridge |z_i|^2/2)),
    so that sum m log(m/pi) falls for every tau; as R is convex, R(m_0) >= R(m) + 2 grad L(q) . (Phi m_0 - Phi m),
    and F falls by at least (1/beta) times that. It vanishes only where m = pi: the discrete Gibbs laws, exact
    steady states for any tau.

    *Order*: a plain step has order 1. Order 2 is 2 (two steps of tau/2) - (one of tau), as a flux correction of the
    former limited so that no cell is drained; where F would rise the two plain steps stand. Their difference
    sets an adaptive step. Mass and positivity hold for both. With order = 1 an adaptive step is the two plain
    steps, a fixed one a single movement.

    *Dissipation*: D = 2 sum over faces (a m_a - b m_b) log(a m_a / (b m_b)) / (2 beta); its integral is the sum of
    tau D over the movements, extrapolated as the masses are.

    References: Jordan, Kinderlehrer, Otto, SIAM J. Math. Anal. 29 (1998) 1; Maas, J. Funct. Anal. 261 (2011) 2250;
    Cancès, Gallouët, Todeschini, Numer. Math. 146 (2020) 437.

    Args:
        objective: feature map and loss.
        geometry: bounds, omega and mobility of the coordinates.
        flow: the terms that act; noise is required.
        grid: the cells, one to three axes.
        masses: initial masses of the cells, of the grid's shape; normalised to total 1.
        options: see `GridJkoOptions`.

    Raises:
        ValueError: a term of the flow, an option, a mass or a feature value that the scheme cannot use.
    """

    name = "jko"

    def __init__(
        self,
        objective: Objective,
        geometry: Geometry,
        flow: Flow,
        grid: Grid,
        masses: Array,
        options: GridJkoOptions = GridJkoOptions(),
    ) -> None:
        _check(geometry, flow, grid, masses, options)
        self.objective = objective
        self.geometry = geometry
        self.flow = flow
        self.grid = grid
        self.options = options
        self._diffusion = Diffusion(geometry, grid, flow.inverse_temperature, options.flux_order)
        self._moving = [a for a, moves in enumerate(geometry.mobile) if moves and grid.shape[a] > 1]
        self._initial = np.ascontiguousarray(masses, dtype=float) / float(np.sum(masses))
        points = grid.points
        self._features = np.ascontiguousarray(objective.features.values(points).T)
        self._confinement = 0.5 * flow.ridge * (points**2).sum(axis=1)
        if not np.isfinite(self._features).all():
            cell = int(np.argmax(~np.isfinite(self._features).all(axis=0)))
            raise ValueError(f"the features are not finite at the cell of {points[cell]}: shrink the domain")
        self._energy_scale = objective.constant + float(np.dot(objective.weights, objective.targets**2))

    def initial_state(self) -> State:
        """The given masses, and a step from the rates at which cells are drained."""
        mass = self._initial.copy()
        outputs = self._outputs(mass)
        psi = self._potential(outputs)
        stiffness = self._diffusion.stiffness(self._diffusion.rates(psi, self._diffusion.factors(psi, mass)))
        rank = len(outputs)
        return State(
            0.0,
            1.0 / stiffness if stiffness > 0.0 else 1.0,
            {
                "mass": mass,
                "outputs": outputs,
                "trend": np.zeros(rank),
                "bend": np.zeros((3, rank)),
                "response": np.zeros((rank, rank)),
                "account": np.zeros(2),
            },
        )

    def advance(self, state: State, until: float) -> State:
        """One accepted step of at most `state.step`, or of `options.step`.

        Raises:
            StepFailure: the minimisation fails down to rounding, or at a fixed step.
        """
        fixed = self.options.step
        planned = state.step if fixed is None else fixed
        energy = self._free_energy(state.arrays["mass"], state.arrays["outputs"])
        while True:
            remaining = until - state.flow_time
            step = remaining if planned >= remaining * (1.0 - 1e-12) else planned
            arrays, change, evaluations = self._step(state.arrays, step, energy)
            if arrays is not None and (fixed is not None or change <= self.options.tolerance):
                break
            if fixed is not None or not (planned > SHORTEST * state.step):
                raise self._failure(state, step)
            planned = 0.5 * step
        longest = max(step, state.step) if step == remaining else step
        growth = self.options.growth if evaluations <= MANY else 1.0
        by_error = step * np.sqrt(0.5 * self.options.tolerance / change) if change > 0.0 else np.inf
        following = float(min(growth * longest, max(by_error, 0.5 * step))) if fixed is None else fixed
        return State(until if step == remaining else state.flow_time + step, following, arrays)

    def observe(self, state: State) -> Observation:
        """Risk, energy and its account, and the moments of a law that is linear in each cell."""
        mass, outputs = state.arrays["mass"], state.arrays["outputs"]
        axes = [self._marginal_moments(mass, axis) for axis in range(self.geometry.dimension)]
        psi = self._potential(outputs)
        rates = self._diffusion.rates(psi, self._diffusion.factors(psi, mass))
        flows = [np.zeros(0) for _ in self.grid.shape]
        for a in self._moving:
            lines = mass.reshape(self._lines(a))
            flows[a] = rates[a][0] * lines[:, :-1] - rates[a][1] * lines[:, 1:]
        return Observation(
            risk=self.objective.risk(outputs),
            free_energy=self._free_energy(mass, outputs),
            mass=float(mass.sum()),
            mean=np.array([mean for mean, _ in axes]),
            variance=np.array([variance for _, variance in axes]),
            law=Law(mass, edges=self.grid.edges),
            dissipation=sum(2.0 * self._account(mass, rates[a], flows[a], 1.0, a)[0] for a in self._moving),
            dissipated=float(state.arrays["account"][0]),
            residual=float(state.arrays["account"][1]),
        )

    def _step(self, old: Mapping[str, Array], step: float, energy: float) -> tuple[dict[str, Array] | None, float, int]:
        """State arrays after `step`, distance of the two orders, evaluations; None where no minimiser was found."""
        mass, outputs = old["mass"], old["outputs"]
        factors = self._factors(mass, outputs)
        bend = step * step * old["bend"]
        guess = outputs + step * old["trend"]
        whole = self._movement(mass, outputs, factors, step, guess + bend[0], step * old["response"])
        if whole is None:
            return None, np.inf, 0
        bend[0] = whole.outputs - guess
        if self.options.order == 1 and self.options.step is not None:
            return self._arrays(old, whole, [whole], step, bend), 0.0, whole.evaluations
        half = 0.5 * step
        guess = 0.5 * (outputs + whole.outputs)
        first = self._movement(mass, outputs, factors, half, guess + bend[1], 0.5 * whole.response)
        if first is None:
            return None, np.inf, 0
        bend[1] = first.outputs - guess
        factors = self._factors(first.mass, first.outputs)
        second = self._movement(first.mass, first.outputs, factors, half, whole.outputs + bend[2], first.response)
        if second is None:
            return None, np.inf, 0
        bend[2] = second.outputs - whole.outputs
        change = float(np.abs(second.mass - whole.mass).sum())
        evaluations = max(part.evaluations for part in (whole, first, second))
        plain = self._arrays(old, second, [first, second], half, bend)
        if self.options.order == 1:
            return plain, change, evaluations
        fluxes = [a + b - c for a, b, c in zip(first.crossed, second.crossed, whole.crossed, strict=True)]
        better = self._corrected(second.mass, fluxes)
        after = self._outputs(better)
        scale = abs(energy) + self._energy_scale + self._diffusion.entropy_scale(mass) / self.flow.inverse_temperature
        if not (self._free_energy(better, after) <= energy + ENERGY_ROUNDING * EPSILON * scale):
            return plain, change, evaluations
        account = plain["account"].copy()
        account[0] += first.dissipated + second.dissipated - whole.dissipated
        account[1] = max(account[1], whole.gap)
        trend = (after - outputs) / step
        return plain | {"mass": better, "outputs": after, "trend": trend, "account": account}, change, evaluations

    def _arrays(
        self, old: Mapping[str, Array], last: _Movement, parts: Sequence[_Movement], step: float, bend: Array
    ) -> dict[str, Array]:
        """State arrays at the end of plain movements of length `step`."""
        dissipated = float(old["account"][0]) + sum(part.dissipated for part in parts)
        gap = max(float(old["account"][1]), *(part.gap for part in parts))
        length = step * len(parts)
        return {
            "mass": last.mass,
            "outputs": last.outputs,
            "trend": (last.outputs - old["outputs"]) / length,
            "bend": bend / length**2,
            "response": last.response / step,
            "account": np.array([dissipated, gap]),
        }

    def _movement(
        self, mass: Array, outputs: Array, factors: Sequence[Array], step: float, guess: Array, response: Array
    ) -> _Movement | None:
        """One minimising movement from `mass`; None where its M equations were not solved."""
        weights = self.objective.weights
        rounding = 4.0 * EPSILON * float(np.sqrt(np.dot(weights, outputs * outputs) + self._energy_scale))

        def tolerance(new: Array) -> float:
            change = new - outputs
            return max(self.options.optimality * float(np.sqrt(np.dot(weights, change * change))), rounding)

        def evaluate(point: Array) -> tuple[_Sweep, Array]:
            rates = self._diffusion.rates(self._potential(point), factors)
            swept = self._swept(mass, rates, step)
            return swept, self._outputs(swept.laws[-1])

        found = solve_outputs(evaluate, guess, response, weights, tolerance)
        return None if found is None else self._settled(found, step)

    def _settled(self, found: Solution[_Sweep], step: float) -> _Movement:
        """The movement of a solution, with its dissipation and duality gap."""
        swept, miss = found.trial, found.miss
        gap = 0.5 * float(miss @ self.objective.loss_hessian(found.outputs) @ miss)
        dissipated = 0.0
        for a, law in zip(self._moving, swept.laws, strict=True):
            work, axis_gap = self._account(law, swept.rates[a], swept.crossed[a], step, a)
            dissipated += 2.0 * work
            gap += axis_gap
        return _Movement(
            swept.laws[-1], found.outputs, swept.crossed, found.response, dissipated, gap, found.evaluations
        )

    def _swept(self, mass: Array, rates: list[tuple[Array, Array]], step: float) -> _Sweep:
        """The implicit step, axis after axis."""
        laws = []
        crossed = [np.zeros(0) for _ in self.grid.shape]
        current = mass
        for a in self._moving:
            lines = self._lines(a)
            following = np.empty(self.grid.shape)
            crossed[a] = np.empty(rates[a][0].shape)
            axis_solve(current.reshape(lines), *rates[a], step, following.reshape(lines), crossed[a])
            laws.append(following)
            current = following
        return _Sweep(laws, rates, crossed)

    def _account(
        self, mass: Array, rates: tuple[Array, Array], crossed: Array, step: float, axis: int
    ) -> tuple[float, float]:
        work, gap = axis_account(
            mass.reshape(self._lines(axis)), *rates, crossed, step, 2.0 * self.flow.inverse_temperature
        )
        return float(work), float(gap)

    def _corrected(self, mass: Array, fluxes: Sequence[Array]) -> Array:
        """mass - div(fluxes), the fluxes out of each cell scaled so that they leave something in it."""
        drained = np.zeros(self.grid.shape)
        for a in self._moving:
            drain(fluxes[a], drained.reshape(self._lines(a)))
        share = np.ones(self.grid.shape)
        np.divide(SAFETY * mass, drained, out=share, where=drained > SAFETY * mass)
        result = mass.copy()
        for a in self._moving:
            lines = self._lines(a)
            transfer(fluxes[a], share.reshape(lines), result.reshape(lines))
        return result

    def _factors(self, mass: Array, outputs: Array) -> list[Array]:
        return self._diffusion.factors(self._potential(outputs), mass)

    def _potential(self, outputs: Array) -> Array:
        """Psi_i + ridge |x_i|^2 / 2 of a law with these outputs, of the grid's shape."""
        gradient = self.objective.loss_gradient(outputs)
        psi: Array = np.einsum("m,mn->n", gradient, self._features) + self._confinement
        return psi.reshape(self.grid.shape)

    def _outputs(self, mass: Array) -> Array:
        """sum_i Phi_i m_i, shape (M,)."""
        outputs: Array = np.einsum("mn,n->m", self._features, mass.ravel())
        return outputs

    def _free_energy(self, mass: Array, outputs: Array) -> float:
        """F; NaN where a value is not finite."""
        if not np.isfinite(outputs).all():
            return float("nan")
        energy = self.objective.risk(outputs) + 2.0 * float(np.dot(self._confinement, mass.ravel()))
        return energy + self._diffusion.entropy(mass) / self.flow.inverse_temperature

    def _lines(self, axis: int) -> tuple[int, int, int]:
        shape = self.grid.shape
        before = int(np.prod(shape[:axis], dtype=int))
        return before, shape[axis], int(np.prod(shape[axis + 1 :], dtype=int))

    def _marginal_moments(self, mass: Array, axis: int) -> tuple[float, float]:
        """Mean and variance of the linear reconstruction along one axis."""
        marginal = mass.sum(axis=tuple(a for a in range(mass.ndim) if a != axis))
        edge, width = self.grid.edges[axis], self.grid.widths[axis]
        atom = self.grid.centres[axis] == edge[:-1]
        centre = np.where(atom, edge[:-1], 0.5 * (edge[:-1] + edge[1:]))
        spread = np.where(atom, 0.0, width**2 / 12.0)
        rise = np.zeros(len(centre))
        if len(centre) > 2:
            line = marginal / width
            rise[1:-1] = (line[2:] - line[:-2]) / (centre[2:] - centre[:-2])
            rise = np.clip(rise, -2.0 * line / width, 2.0 * line / width)
        tilt = rise * width * spread
        total = float(marginal.sum())
        mean = float(marginal @ centre + tilt.sum()) / total
        offset = centre - mean
        return mean, float(marginal @ (offset**2 + spread) + 2.0 * tilt @ offset) / total

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


def _check(geometry: Geometry, flow: Flow, grid: Grid, masses: Array, options: GridJkoOptions) -> None:
    if not (1 <= len(grid.shape) <= 3 and len(grid.shape) == geometry.dimension):
        raise ValueError(
            f"the grid has {len(grid.shape)} axes, the geometry {geometry.dimension}: give 1 to 3, the same"
        )
    if not (0.0 < flow.inverse_temperature < np.inf):
        raise ValueError(
            f"JKO on a grid needs noise, got inverse_temperature = {flow.inverse_temperature}: give a finite number "
            "> 0, or use JKO on atoms"
        )
    if flow.fisher_rao_rate != 0.0 or not flow.transport:
        raise ValueError("JKO on a grid only transports mass: set dynamics.flow = 'wasserstein'")
    if options.order not in (1, 2) or options.flux_order not in (1, 2):
        raise ValueError(f"order and flux_order must be 1 or 2, got {options.order} and {options.flux_order}")
    if options.step is not None and not (0.0 < options.step < np.inf):
        raise ValueError(f"step must be > 0, got {options.step}: write None to adapt it")
    if not (options.tolerance > 0.0 and options.growth > 1.0 and 0.0 < options.optimality <= 1e-2):
        raise ValueError(
            f"tolerance must be > 0, growth > 1, optimality in (0, 0.01], got {options.tolerance}, "
            f"{options.growth}, {options.optimality}"
        )
    if masses.shape != grid.shape or not (np.min(masses) >= 0.0 and 0.0 < float(np.sum(masses)) < np.inf):
        raise ValueError(f"masses must be >= 0 with a positive sum and shape {grid.shape}, got shape {masses.shape}")
