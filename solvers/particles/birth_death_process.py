"""N particles under birth and death: the finite-N process whose mean-field law the other schemes compute."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array
from ..flow.confinement import STUCK, UNSTUCK
from ..flow.flow import Flow
from ..flow.time_loop import Observation, State, StepFailure
from ..objective.objective import Objective
from ..space.geometry import Geometry
from ..space.measure import Atoms

LARGEST_ACTION = 0.1
"""Largest |A_i| of a step: what a particle becomes in it is settled by one event at most."""
SAFETY = 0.9
TINY = 1e-300
SMALLEST_STEP = 1e-12
"""Step, relative to the flow time reached (or 1), below which the drift counts as impossible to follow."""
NOISE, EVENTS = 1, 2
"""Second word of the counter: what the numbers of a step are for. The draw of the particles has it 0."""


class ParticleProcess:
    """N particles of weight 1/N: drift, noise, and kill-or-duplicate events that keep their number.

        drift   dz_i/ds = -grad G(z_i; rho_N),   rho_N = (1/N) sum_i delta_{z_i},   G = Psi + V
        noise   dw_i = ds^(1/2) beta^(-1/2) g_i  on R^D, read in the radii r_j = |w_j|
        events  V_i = alpha (G_i - G_bar): a particle with V_i > 0 dies at the rate V_i and a uniformly chosen other is
                duplicated in its place; one with V_i < 0 is duplicated at the rate |V_i| in the place of a uniformly
                chosen other, which dies

    (Rotskoff, Jelassi, Bruna, Vanden-Eijnden: Global convergence of neuron birth-death dynamics, ICML 2019.) As N grows
    rho_N follows the Wasserstein-Fisher-Rao flow up to fluctuations of order N^(-1/2) and a bias of order 1/N.

    A step is half the noise, the drift, the events, half the noise. During the drift the particles carry weights
    proportional to exp(-A_i), A_i = ∫V_i ds, as in characteristics; both are integrated by the Runge-Kutta method of
    order 3 of Shu and Osher, convex combinations of Euler steps, with Heun's method as the companion that controls the
    step. Then events turn weights back into particles: with chances near 1 - exp(-A_i) of death and exp(-A_i) - 1 of
    duplication (`_replaced`) a particle leaves as many of its kind as its weight says on average, up to 1/N (the
    authors' 1 - exp(-|A_i|) agrees to first order in ds, and would leave the law a bias of that order). The noise is
    exact in law
    (`Axis.shaken`). What passes a wall, as a radius that falls below 0, stops there: within a step positions are read
    on the wall, with the one-sided gradient, as in characteristics.

    Where the mass is free there are no events: particle i keeps its weight c_i > 0, and log c_i falls at the rate
    kappa G_i together with the drift.

    The population, and so the mass of a probability law, is kept exactly; the free energy falls only on average. Random
    numbers are those of Philox keyed by (seed, stream) at the counter of the step: the process is a function of them,
    whatever the threads and wherever a run was resumed.

    Args:
        objective, geometry, flow: the problem; noise together with birth and death is refused.
        particles: positions at flow time 0, shape (N, D).
        seed, stream: key of the random numbers; streams of one seed are independent.
        tolerance: of the drift's error per step, absolute and relative to the position.
        weights: of the particles at flow time 0, shape (N,); 1/N each where they are left out, and with
            births and deaths.

    Raises:
        ValueError: noise together with birth and death.
    """

    def __init__(
        self,
        objective: Objective,
        geometry: Geometry,
        flow: Flow,
        particles: Array,
        seed: int,
        stream: int = 0,
        tolerance: float = 1e-6,
        weights: Array | None = None,
    ) -> None:
        if math.isfinite(flow.inverse_temperature) and flow.fisher_rao_rate > 0.0:
            raise ValueError(
                "birth and death with noise needs log rho, which N atoms do not have; "
                "write inverse_temperature = inf or fisher_rao_rate = 0.0"
            )
        events = flow.fisher_rao_rate > 0.0 and not flow.free
        if events and weights is not None and np.ptp(weights) > 1e-12 * weights.max():
            raise ValueError("particles that are born and die weigh alike; leave weights out")
        self.objective = objective
        self.geometry = geometry
        self.flow = flow
        self.particles = geometry.held(particles)
        self.key = (seed, stream)
        self.tolerance = tolerance
        self._weights = np.full(len(particles), 1.0 / len(particles)) if weights is None else weights
        self._mobility = geometry.mobility * flow.transport
        self._confinement = flow.confinement(geometry)
        self._noisy = math.isfinite(flow.inverse_temperature)

    def initial_state(self) -> State:
        arrays = {"positions": self.particles.copy(), "count": np.zeros(1)}
        # a weight of 0 stays 0
        held = {"log_weights": np.log(np.maximum(self._weights, TINY))} if self.flow.free else {}
        return State(0.0, 0.0, {**arrays, **held})

    def advance(self, state: State, until: float) -> State:
        positions, count = state.arrays["positions"], int(state.arrays["count"][0])
        room = until - state.flow_time
        logs = state.arrays.get("log_weights", np.zeros(len(positions)))
        step = min(state.step if state.step > 0.0 else self._first_step(positions, logs), room)
        while True:
            # a shorter step takes the same random numbers
            noise = self._random(NOISE, count)
            shaken = self._shaken(positions, step, noise)
            moved, actions, error = self._drift(shaken, step, logs)
            if error <= 1.0:
                break
            step *= _factor(error)
            if not (step > SMALLEST_STEP * max(state.flow_time, 1.0)):
                raise StepFailure(
                    "the particles cannot step", state.flow_time, "write a larger {tolerance} or end earlier"
                )
        if not self._noisy and self._confinement.kinked(positions, moved):
            raise StepFailure(STUCK, state.flow_time, UNSTUCK)
        replaced = self._replaced(moved, actions, self._random(EVENTS, count))
        arrived = until if step == room else state.flow_time + step
        # a step cut short by `until` says little of the next one
        following = max(step * _factor(error), state.step if step == room else 0.0)
        arrays = {"positions": self._shaken(replaced, step, noise), "count": np.array([count + 1.0])}
        if self.flow.free:
            arrays["log_weights"] = logs - actions
        return State(arrived, following, arrays)

    def observe(self, state: State) -> Observation:
        positions = state.arrays["positions"]
        logs = state.arrays.get("log_weights")
        weights = self._law(np.zeros(len(positions)), np.zeros(1) if logs is None else logs)
        mean, variance = self.geometry.moments(positions, weights)
        outputs = self.objective.outputs(positions, weights)
        energy = self.objective.energy(outputs) + self._confinement.energy(positions, weights)
        rate, velocity = self._potential(positions, np.zeros(len(positions)), np.zeros(1) if logs is None else logs)
        stopped = self.geometry.walls.stops(positions, velocity)
        moved = weights @ (np.where(stopped, 0.0, velocity**2) @ self.geometry.inertia)
        spread = weights @ rate**2 / self.flow.rate if self.flow.rate > 0.0 else 0.0
        # of a law of atoms the entropy is infinite
        return Observation(
            risk=self.objective.risk(outputs),
            free_energy=math.nan if self._noisy else energy,
            mass=float(weights.sum()),
            mean=mean,
            variance=variance,
            law=Atoms(positions, weights),
            dissipation=math.nan if self._noisy else 2.0 * float(moved + spread),
        )

    def _random(self, purpose: int, count: int) -> np.random.Generator:
        """The random numbers of one purpose in step number `count`."""
        return np.random.Generator(np.random.Philox(key=self.key, counter=(0, purpose, count, 0)))

    def _law(self, actions: Array, logs: Array) -> Array:
        """Weights in proportion to w exp(-A), or exp(log c - A) where the mass is free."""
        if self.flow.free:
            return np.asarray(np.exp(logs - actions))
        weights = self._weights * np.exp(-actions)
        return np.asarray(weights / weights.sum())

    def _first_step(self, positions: Array, logs: Array) -> float:
        """A step that moves no particle far."""
        fastest = np.abs(self._potential(positions, np.zeros(len(positions)), logs)[1]).max(initial=0.0)
        return 1e-3 / max(float(fastest), 1e-3)

    def _potential(self, positions: Array, actions: Array, logs: Array) -> tuple[Array, Array]:
        """V, shape (N,), under the weights that the actions leave, and the velocity -grad G, shape (N, D)."""
        weights = self._law(actions, logs)
        inside = self.geometry.held(positions)
        outputs = self.objective.outputs(inside, weights)
        value, gradient = self.objective.features.contract(inside, self.objective.loss_gradient(outputs))
        velocity = -(gradient + self._confinement.gradient(inside)) * self._mobility
        full = value + self._confinement.value(inside)
        return self.flow.rate * self.flow.excess(full, weights), velocity

    def _drift(self, start: Array, step: float, logs: Array) -> tuple[Array, Array, float]:
        """Positions and actions after the step, and the largest error relative to what is allowed (inf where not
        finite)."""

        def euler(positions: Array, actions: Array) -> tuple[Array, Array]:
            rate, velocity = self._potential(positions, actions, logs)
            return positions + step * velocity, actions + step * rate

        rest = np.zeros(len(start))
        first = euler(start, rest)
        second = euler(*first)
        third = euler(0.75 * start + 0.25 * second[0], 0.25 * second[1])
        moved, actions = start / 3.0 + 2.0 / 3.0 * third[0], 2.0 / 3.0 * third[1]
        gap = np.abs(moved - 0.5 * (start + second[0])) / (1.0 + np.abs(moved))
        spread = (float(np.abs(actions).max()) / LARGEST_ACTION) ** 3
        if self.flow.free:
            spread = float(np.abs(actions - 0.5 * second[1]).max()) / self.tolerance
        error = max(float(gap.max(initial=0.0)) / self.tolerance, spread)
        return self.geometry.held(moved), actions, error if error < math.inf else math.inf

    def _shaken(self, positions: Array, step: float, random: np.random.Generator) -> Array:
        """Positions after half a step's noise."""
        if not self._noisy:
            return positions
        deviation = np.sqrt(0.5 * step / self.flow.inverse_temperature * self.geometry.mobility)
        columns = []
        for a, (axis, moves) in enumerate(zip(self.geometry.axes, self.geometry.mobile, strict=True)):
            place = positions[:, a]
            columns.append(axis.shaken(place, float(deviation[a]), random) if moves else place)
        return np.stack(columns, axis=1)

    def _replaced(self, positions: Array, actions: Array, random: np.random.Generator) -> Array:
        """Positions after the events of a step.

        With weights 1 + g_i of mean 1 and m the mean of the positive g, |g_i| / (1 - m) is the chance to die and
        -g_i log(1 - m) / m that to be duplicated. Where N is large a place is then not overwritten with probability
        1 - m, so that a particle leaves (1 - m) (1 - death_i + m / (1 - m)) + m duplication_i / -log(1 - m) = 1 + g_i:
        that duplicates land on one another, or where a particle has just died, is made up for.
        """
        size = len(positions)
        if not (self.flow.fisher_rao_rate > 0.0 and size > 1):
            return positions
        weights = np.exp(-actions)
        growth = weights / weights.mean() - 1.0
        moved = float(np.maximum(growth, 0.0).mean())
        chance = np.where(growth > 0.0, -growth * math.log1p(-moved) / max(moved, TINY), -growth / (1.0 - moved))
        happens = random.random(size) < chance
        partner = (np.arange(size) + 1 + random.integers(0, size - 1, size)) % size
        dies, doubles = np.flatnonzero(happens & (growth < 0.0)), np.flatnonzero(happens & (growth > 0.0))
        replaced = positions.copy()
        replaced[dies] = positions[partner[dies]]
        replaced[partner[doubles]] = positions[doubles]
        return replaced


def _factor(error: float) -> float:
    """Change of the step for the next error to be the tolerance, within [0.2, 4]: the companion is of order 2."""
    return min(4.0, max(0.2, SAFETY * math.pow(max(error, 1e-12), -1.0 / 3.0)))
