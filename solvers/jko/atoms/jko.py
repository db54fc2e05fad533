"""Minimising movements (JKO) of the noise-free flow on atoms, with the nonlocal energy inside the step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...arrays import Array
from ...characteristics.characteristics import CUT_SHARE, OUTPUT_SHARE, LabelLaw
from ...characteristics.flow_map import GROWN_MASS
from ...characteristics.outputs import OutputResolution
from ...characteristics.panels import Panels, fill_panels, initial_panels, uniform_corners, worst_first
from ...characteristics.selection import Selection, grown, refilled
from ...flow.flow import Flow
from ...flow.time_loop import Observation, State, StepFailure, integrate
from ...objective.losses.interface import refuse_ascent
from ...objective.objective import Objective
from ...objective.table.feature_table import FeatureTable
from ...space.geometry import Geometry
from ...space.measure import Atoms
from .dual import NoConvergence
from .energy import AtomicEnergy
from .options import DEFAULTS, JkoOptions, check_options
from .trial import REFRESHED, STRETCH, Mover, Trial

HISTORY = 3
"""Steps whose outputs and moments are remembered for the error estimate."""
GROWTH = 1.5
FEW_PASSES, MANY_PASSES = 5, 8
HALVINGS = 8
"""Times a step is repeated because its image tears panels, each time after TEARING halvings around the tear."""
TEARING = 3
STEP_SHARE = 0.1
"""Tolerance of a step over that of the law's resolution."""


class Jko:
    """Atoms moved by minimising movements: rho_{k+1} = argmin W2^2(rho, rho_k) / (2 tau) + F(rho) / 2.

    Each step is solved by its dual in the M outputs (`DualStep`): the energy is that of the new law, never frozen,
    and the proximal map of the potential is the global one: below the convexity threshold of tau by a certificate,
    above it by a search over the whole table. The plain step has order 1. Of order 2 are

        bdf2:      x_{k+1} = prox of ((1 + w)^2 x_k - w^2 x_{k-1}) / (1 + 2 w) with tau (1 + w) / (1 + 2 w),
                   w = tau / (tau before), which starts with a plain step where tau is fixed;
        midpoint:  z the plain step with tau / 2, then x_{k+1} = 2 z - x_k.

    W2 is that of the metric sum_a dz_a^2 / m_a of the mobilities.

    - *Energy*: a plain step lowers F by at least W2^2 / tau, up to the duality gap; a step of order 2 that raises F is
      replaced by the plain one.
    - *Mass* does not change; atoms stay in the box of the table, radii at or above 0.
    - *Optimality*: the largest duality gap so far is reported with every observation.
    - *Tied minimisers*: where J has two global minimisers at an atom of finite mass, the dual says how to share it. A
      law without labels (a Dirac mass) is split; atoms of a law with a density go to the minimiser with the larger
      share, and panels whose image is torn are halved, up to a limit, to what is below the resolution.

    With birth and death the KL step (order 1), or the midpoint step before and after a transport by the midpoint
    formula (order 2), changes the weights: w_i ∝ w_i(0) exp(-alpha A_i) with the action A_i as in `Characteristics`,
    on whose Gauss-Legendre panels in label space the atoms sit. Panels and cuts of rho_0's tails follow the weights as
    they do there, the cuts as far as the table reaches.

    References: Jordan, Kinderlehrer, Otto, SIAM J. Math. Anal. 29 (1998) 1; Matthes, Plazotta, Numer. Math. 141
    (2019) 1 (BDF2); Legendre, Turinici, C. R. Math. 355 (2017) 345 (midpoint).

    Args:
        objective: the loss; its features are read from the table.
        table: the features on a box that the law stays in.
        geometry, flow: bounds, mobility, confinement, birth and death; the flow must be noise-free.
        law: rho_0.
        options: see `JkoOptions`.

    Raises:
        ValueError: a loss, a term of the flow or an option that the scheme cannot use.
    """

    def __init__(
        self,
        objective: Objective,
        table: FeatureTable,
        geometry: Geometry,
        flow: Flow,
        law: LabelLaw,
        options: JkoOptions = DEFAULTS,
    ) -> None:
        check_options(flow, options)
        refuse_ascent(objective.loss, "minimising movements")
        self.objective = replace(objective, features=table)
        self.geometry = geometry
        self.flow = flow
        self.law = law
        self.options = options
        self.table = table
        self.rules = law.rules(options.nodes)
        self._reacts = flow.reacts
        self._total = law.mass if flow.free else None
        self._energy = AtomicEnergy(self.objective, table, geometry, flow)
        self._mover = Mover(self._energy, labelled=bool(law.breaks))
        self._box = table.box
        self._laws = [law]
        while (wider := self._laws[-1].farther()) is not self._laws[-1] and self._within(wider):
            self._laws.append(wider)
        self._selection = Selection(
            self.objective,
            self._energy.confinement,
            flow.rate,
            lambda points: np.clip(points, *table.box),
            self.rules,
            OUTPUT_SHARE / STEP_SHARE * options.tolerance,
            options.largest,
            options.resolution,
            self._total,
        )

    def initial_state(self) -> State:
        """rho_0 on panels that resolve it."""
        return self._started(0)

    def _started(self, reach: int) -> State:
        """rho_0, the cuts of its tails moved outwards `reach` times."""
        law, options = self._laws[reach], self.options
        if options.atoms is not None and law.breaks:
            counts = [-(-count // options.nodes) for count in options.atoms]
            panels = fill_panels(*uniform_corners(law, counts), law.density, law.embed, self.rules)
        else:
            panels = initial_panels(law, self.rules, options.resolution, options.largest)
            resolution = OutputResolution(
                self.objective, law.density, law.embed, self.rules, options.tolerance, options.largest, law.mass
            )
            corners = resolution.corners(panels.lower, panels.upper)
            panels = fill_panels(*corners, law.density, law.embed, self.rules)
        start = np.concatenate([panels.positions, panels.positions, np.zeros((*panels.masses.shape, 1))], axis=-1)
        whole = self._resolved(_with_columns(panels, start), law)
        places, masses = whole.atoms
        masses = masses if self._total is None else self._total * masses
        positions = np.ascontiguousarray(places[:, : self.geometry.dimension])
        self._refuse_outside(positions, 0.0)
        outputs = self.table.outputs(positions, masses)
        dissipation = self._energy.dissipation(positions, masses, outputs)
        rank = self.table.rank
        arrays = {
            "outputs": outputs,
            "history": np.tile(self._energy.summary(positions, masses, outputs), (HISTORY, 1)),
            "history_times": np.zeros(HISTORY),
            "steps": np.zeros(1, dtype=np.int64),
            "last_step": np.zeros(1),
            "curvature": np.zeros((rank, rank)),
            "curvature_age": np.full(1, REFRESHED, dtype=np.int64),
            "dissipation": np.array([dissipation]),
            "dissipated": np.zeros(1),
            "residual": np.zeros(1),
            "reach": np.full(1, reach, dtype=np.int64),
        }
        step = self.options.step if self.options.step is not None else self._first_step(dissipation)
        return self._with_panels(State(0.0, step, arrays), whole)

    def advance(self, state: State, until: float) -> State:
        """One step of at most `state.step`.

        Raises:
            StepFailure: the dual is not solved, the energy rises, atoms reach the edge of the table, or births lift
            tails of rho_0 beyond it.
        """
        if self.options.parts == 1:
            return self._followed(state, until)
        start, room = state.flow_time, until - state.flow_time
        tau = _fitted(state.step, room, False)
        for part in range(1, self.options.parts):
            state = self._followed(state, start + part / self.options.parts * tau)
        return self._followed(state, until if tau == room else start + tau)

    def _followed(self, state: State, until: float) -> State:
        """One step, with cuts of rho_0 so far out that births lift nothing from beyond: see `Characteristics`."""
        moved = self._advanced(state, until)
        if not self._reacts:
            return moved
        reach = int(state.arrays["reach"][0])
        columns = _with_columns(_panels(moved), _columns(moved))
        lifted = self._selection.beyond(columns, self._laws[reach], 2 * self.geometry.dimension)
        if lifted <= CUT_SHARE / STEP_SHARE * self.options.tolerance:
            return moved
        if reach + 1 == len(self._laws):
            problem = (
                f"births lift {lifted:.1g} of the law from tails of rho_0 beyond the table of minimising movements"
            )
            remedy = 'end earlier, lower the rate of birth and death, or use the scheme "characteristics"'
            raise StepFailure(f"jko: {problem}", state.flow_time, remedy)
        wider = integrate(self, self._started(reach + 1), [state.flow_time], lambda index, state: None)
        return self._followed(replace(wider, step=state.step), until)

    def _advanced(self, state: State, until: float) -> State:
        """One step on the cuts that the state has."""
        tolerance, adapts = self.options.tolerance, self.options.step is None
        tau = _fitted(state.step, until - state.flow_time, adapts)
        shortest = 1e-9 * tau
        formula, halvings = self._formula(state, tau), 0
        while True:
            failure = ""
            error = 0.0
            try:
                trial = self._mover.trial(state.arrays, *self._law(state), tau, formula)
            except NoConvergence as reason:
                failure = str(reason)
                if formula != "plain" and not adapts:
                    formula = "plain"
                    continue
            else:
                if not trial.falls:
                    failure = "the free energy rises"
                    if formula != "plain":
                        formula = "plain"
                        continue
                elif adapts:
                    error, power = self._error(state, tau, trial)
                    if not (error <= tolerance) and tau > shortest:
                        tau *= max(0.2, 0.9 * (tolerance / error) ** (1.0 / power))
                        formula = self._formula(state, tau)
                        continue
            if not failure:
                self._refuse_outside(trial.moved, state.flow_time)
                torn = self._torn(state, trial) if halvings < HALVINGS else None
                if torn is None:
                    return self._accepted(state, until, tau, trial, error)
                state, halvings = torn, halvings + 1
                continue
            tau *= 0.5
            formula = self._formula(state, tau)
            if not (adapts and tau > shortest):
                raise StepFailure(f"jko: {failure}", state.flow_time, "use a smaller {step} or finer tolerance")

    def observe(self, state: State) -> Observation:
        """Risk, energy, moments and law; D at the law, and the largest duality gap so far."""
        positions, weights = self._law(state)
        outputs = state.arrays["outputs"]
        mean, variance = self.geometry.moments(positions, weights)
        panels, mobility = _panels(state), self.geometry.mobility * self.flow.transport
        columns = np.concatenate([panels.positions, state.arrays["actions"][..., None]], axis=-1)
        return Observation(
            risk=self.objective.risk(outputs),
            free_energy=self._energy.free_energy(positions, weights, outputs),
            mass=float(weights.sum()),
            mean=mean,
            variance=variance,
            law=Atoms(self.geometry.turned(positions).copy(), weights.copy()),
            dissipation=float(state.arrays["dissipation"][0]),
            dissipated=float(state.arrays["dissipated"][0]),
            residual=float(state.arrays["residual"][0]),
            leftover=self._selection.leftover(
                _with_columns(panels, columns), self._law_of(state), self.geometry.dimension, mobility
            ),
            # proximal maps follow the slopes of one table, here and in runs beside
            place_error=np.nan,
        )

    def _formula(self, state: State, tau: float) -> str:
        """plain, bdf2 or midpoint, for a step of this length from this state."""
        if self.options.order == 1:
            return "plain"
        if self.options.formula == "midpoint" or self.flow.rate > 0.0:
            return "midpoint"
        before = float(state.arrays["last_step"][0])
        if before == 0.0:
            return "midpoint" if self.options.step is None else "plain"
        return "bdf2" if tau <= STRETCH * before else "midpoint"

    def _torn(self, state: State, trial: Trial) -> State | None:
        """The state before the step on halved panels, where the searched image of a panel is not resolved."""
        panels = _panels(state)
        if not trial.searched or not panels.axes:
            return None
        columns = np.concatenate([_columns(state), trial.moved.reshape(panels.positions.shape)], axis=-1)
        finer = self._smooth(_with_columns(panels, columns), self._law_of(state), TEARING)
        return None if finer.masses.size == panels.masses.size else self._with_panels(state, finer)

    def _accepted(self, state: State, until: float, tau: float, trial: Trial, error: float) -> State:
        """The state after a step."""
        panels = _panels(state)
        if not panels.axes:
            bare = np.empty((len(trial.masses), 0))
            panels = Panels(bare, bare, trial.masses, trial.moved)
        arrays: dict[str, Any] = {
            **state.arrays,
            "outputs": trial.outputs,
            "history": np.vstack(
                [self._energy.summary(trial.moved, trial.weights, trial.outputs), state.arrays["history"][:-1]]
            ),
            "history_times": np.append(state.flow_time + tau, state.arrays["history_times"][:-1]),
            "steps": state.arrays["steps"] + 1,
            "last_step": np.array([tau]),
            "curvature": trial.curvature,
            "curvature_age": np.ones(1, dtype=np.int64) if trial.fresh else state.arrays["curvature_age"] + 1,
            "dissipation": np.array([trial.dissipation]),
            "dissipated": state.arrays["dissipated"] + trial.spent,
            "residual": np.maximum(state.arrays["residual"], trial.gap),
        }
        if trial.passes > FEW_PASSES:
            arrays["curvature_age"] = np.full(1, REFRESHED, dtype=np.int64)
        arrives = tau == until - state.flow_time
        step = self.options.step or self._following(state, tau, trial, error, arrives)
        moved = State(until if arrives else state.flow_time + tau, step, arrays)
        columns = np.column_stack([trial.moved, trial.start, trial.actions])
        whole = _with_columns(panels, columns.reshape(*panels.masses.shape, -1))
        # a torn image must not be interpolated: its panels were halved before the step
        return self._with_panels(moved, whole if trial.searched else self._resolved(whole, self._law_of(state)))

    def _resolved(self, whole: Panels, law: LabelLaw) -> Panels:
        """Panels of (positions, positions before, action) halved until they resolve them and the weights."""
        whole = self._smooth(whole, law)
        return self._selection.resolved(whole, law, 2 * self.geometry.dimension) if self._reacts else whole

    def _smooth(self, whole: Panels, law: LabelLaw, rounds: int = 40) -> Panels:
        """Panels of (positions, positions before, action[, image]) halved until they resolve them or are too many."""
        dimension = self.geometry.dimension
        scales = np.ones(whole.positions.shape[-1])
        scales[dimension : 2 * dimension] = 0.0
        scales[2 * dimension] = self.flow.rate
        for _ in range(rounds if whole.axes else 0):
            weights = self._selection.weights(whole, 2 * dimension)
            mass = weights.reshape(len(whole.lower), -1).sum(axis=1)
            if self._reacts:
                mass = np.maximum(mass, GROWN_MASS)
            unresolved = np.where(whole.wide, whole.tails(self.rules, scales) * mass[:, None], 0.0)
            room = self.options.largest // whole.masses[0].size - len(mass)
            splitting = worst_first(unresolved.max(axis=1), self.options.resolution, room)
            if not splitting.any():
                break
            whole = whole.split(np.where(splitting, unresolved.argmax(axis=1), -1), self.rules)
            if self._reacts:
                whole = refilled(whole, law, self._selection.rule)
        return whole

    def _with_panels(self, state: State, whole: Panels) -> State:
        """The state with its law on panels of (positions, positions before, action)."""
        dimension = self.geometry.dimension
        columns = whole.positions
        arrays = dict(state.arrays)
        halved = whole.axes and "masses" in arrays and whole.masses.size != arrays["masses"].size
        arrays |= {"lower": whole.lower, "upper": whole.upper, "masses": whole.masses}
        arrays["positions"] = np.clip(columns[..., :dimension], *self._box)
        arrays["previous"] = np.ascontiguousarray(columns[..., dimension : 2 * dimension])
        arrays["actions"] = np.ascontiguousarray(columns[..., 2 * dimension])
        found = State(state.flow_time, state.step, arrays)
        if halved:
            # what interpolation changes is no part of the motion that the error estimate follows
            positions, weights = self._law(found)
            arrays["outputs"] = self.table.outputs(positions, weights)
            jump = self._energy.summary(positions, weights, arrays["outputs"]) - arrays["history"][0]
            arrays["history"] = arrays["history"] + jump
        return found

    def _law(self, state: State) -> tuple[Array, Array]:
        """Positions (n, D) and weights (n,)."""
        positions, masses = _panels(state).atoms
        if not self._reacts:
            return positions, masses
        return positions, grown(masses, -self.flow.rate * state.arrays["actions"].ravel(), self._total)

    def _law_of(self, state: State) -> LabelLaw:
        """rho_0 with the cuts of a state."""
        return self._laws[int(state.arrays["reach"][0])]

    def _within(self, law: LabelLaw) -> bool:
        """Whether the table reaches as far as a law starts."""
        places, (lower, upper) = law.corners, self._box
        walls = self.geometry.walls
        return bool(
            np.all((places > lower) | (lower <= walls.lower)) and np.all((places < upper) | (upper >= walls.upper))
        )

    def _error(self, state: State, tau: float, trial: Trial) -> tuple[float, float]:
        """Estimated error of the step in the outputs and moments, and the power of tau that it is.

        The step is held against the polynomial through the last laws; of equal steps the two-step formula leaves 2/11
        of the difference to the quadratic, a plain step 1/3 of that to the line.
        """
        known = min(int(state.arrays["steps"][0]) + 1, HISTORY if self.options.order == 2 else 2)
        if known < 2:
            return 0.0, 2.0
        times, values = state.arrays["history_times"][:known], state.arrays["history"][:known]
        time = state.flow_time + tau
        predicted = np.zeros(values.shape[1])
        for k in range(known):
            others = np.delete(times, k)
            predicted += float(np.prod((time - others) / (times[k] - others))) * values[k]
        miss = self._energy.summary(trial.moved, trial.weights, trial.outputs) - predicted
        return (2.0 / 11.0 if known == HISTORY else 1.0 / 3.0) * float(np.linalg.norm(miss)), float(known)

    def _following(self, state: State, tau: float, trial: Trial, error: float, arrives: bool) -> float:
        """The next step, from the error and the passes that the dual took."""
        known = min(int(state.arrays["steps"][0]) + 1, HISTORY if self.options.order == 2 else 2)
        growth = GROWTH if trial.passes <= FEW_PASSES or trial.searched else 1.0
        if trial.passes > MANY_PASSES and not trial.searched:
            growth = 0.7
        by_error = 0.9 * (self.options.tolerance / error) ** (1.0 / known) if error > 0.0 else growth
        following = tau * min(growth, max(0.3, by_error))
        return max(state.step, following) if arrives and growth >= 1.0 else following

    def _first_step(self, dissipation: float) -> float:
        """A first step so short that a step of order 2 is within the tolerance."""
        speed = max(np.sqrt(0.5 * dissipation), dissipation, 1e-6)
        return float(0.1 * self.options.tolerance ** (1.0 / 3.0) / speed)

    def _refuse_outside(self, positions: Array, flow_time: float) -> None:
        """StepFailure where atoms reach an edge of the table that is no bound of the space."""
        lower, upper = self._box
        mobile = self.geometry.mobility > 0.0
        walls = self.geometry.walls
        inner = (positions <= lower) & (lower > walls.lower) | (positions >= upper) & (upper < walls.upper)
        if inner[:, mobile].any():
            axis = int(np.argmax((inner & mobile).any(axis=0)))
            place = f"{self.geometry.names[axis]} in [{lower[axis]:.4g}, {upper[axis]:.4g}]"
            raise StepFailure(f"jko: atoms reach the edge of {place}", flow_time, "use a smaller {step}")


def _panels(state: State) -> Panels:
    return Panels(**{name: state.arrays[name] for name in ("lower", "upper", "masses", "positions")})


def _columns(state: State) -> Array:
    """Positions, positions before and action, shape (P, n, ..., 2 D + 1)."""
    arrays = state.arrays
    return np.concatenate([arrays["positions"], arrays["previous"], arrays["actions"][..., None]], axis=-1)


def _with_columns(panels: Panels, columns: Array) -> Panels:
    return Panels(panels.lower, panels.upper, panels.masses, columns)


def _fitted(planned: float, room: float, adapts: bool) -> float:
    """The planned step, or what room is left; no tiny rest after it."""
    if planned >= room * (1.0 - 1e-9):
        return room
    return 0.5 * room if adapts and planned > 0.5 * room else planned
