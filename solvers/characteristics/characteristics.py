"""Characteristics of the noise-free flow: atoms carried by -grad Psi, their weights by birth and death."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..flow.confinement import STUCK, UNSTUCK
from ..flow.dop853 import Dop853
from ..flow.flow import Flow
from ..flow.time_loop import Observation, State, StepFailure, integrate
from ..objective.objective import Objective
from ..space.box import Box
from ..space.geometry import Geometry
from ..space.measure import Atoms
from .crossings import beyond, come_back
from .flow_map import SQUARE_SHARE, UNRESOLVED, MapResolution
from .kernels import moved_by, over_atoms, put_within, sums
from .outputs import OutputResolution
from .panels import LabelLaw, Panels, fill_panels, initial_panels, uniform_corners
from .selection import Selection, grown

__all__ = ["Characteristics", "LabelLaw"]

CUT_SHARE = 0.01
"""Mass that births may lift beyond the cuts of rho_0's tails, over the tolerance, before these are moved."""
ROUNDING = 250.0 * float(np.finfo(float).eps)
"""Least relative tolerance of a step."""
HIDDEN = 0.3
"""How far places are off where other runs take the same steps, over the largest error that these allowed themselves."""
OUTPUT_SHARE = 0.1
"""Change of the risk at the start that halving all panels may make, over the tolerance."""


class Characteristics:
    """Deterministic atoms: dz_i/ds = -grad G(z_i; rho), rho = sum_i w_i delta_{z_i}, G = Psi + V.

    With birth and death at rate alpha, dw_i/ds = -alpha (G_i - G_bar) w_i: the action A_i = ∫G(z_i) ds is carried as
    one more coordinate and w_i ∝ w_i(0) exp(-alpha A_i), so that the mass is 1 and positive by construction. Where the
    mass is free G_bar is 0, alpha is kappa, and w_i = w_i(0) exp(-kappa A_i): weights span decades. Without transport
    (the pure Fisher-Rao flow) the atoms stay where they are.

    The atoms are the nodes of Gauss-Legendre panels in the label space of rho_0, so that Phi rho is integrated with
    spectral accuracy while the flow map is smooth; a panel is halved as soon as the Legendre tail of the map, times
    its mass, passes the tolerance. Rules of the law itself let pass what is of the size of a square root of that, too
    much for the nodes of halves to be read off the map: these are carried from the start. Steps are those of DOP853
    (Hairer, Norsett, Wanner: Solving ODEs I, II.10; order 8)
    with the same tolerance. The risk falls along the exact flow and is not forced to here.

    A radius that reaches 0 stays there: positions are read as max(z, 0), with the one-sided gradient, so that an atom
    past the wall moves on smoothly without effect, and comes back to the wall when the slope turns; so do both ends of
    an interval, for which a step that would bring an atom back late is halved. On a circle positions run on, and are
    read within one turn.

    The energy that is dissipated, ∫D ds with D = 2 (sum_i w_i |dz_i/ds|^2 + alpha Var_w G) = -dF/ds, is one more
    unknown of the same Runge-Kutta steps, so that F(s) - F(0) + ∫D is the error of the steps and of the halved panels.
    An atom that crosses a wall within a step counts up to there: what it dissipates beyond is taken off again.

    Births follow the weights: panels are halved for what these make of the law (`Selection`), and where mass would come
    from beyond the cuts of rho_0's tails, the run is made again from the start with cuts farther out, up to this step.

    Args:
        objective, geometry, flow: the problem; the flow must be noise-free.
        law: rho_0.
        tolerance: of the steps (absolute and relative), and of a panel's unresolved mass-weighted position.
        largest: limit on the number of atoms.
        order: Gauss nodes per panel and label.
        atoms: least number of atoms per label at the start; None for as many as rho_0 needs.
    """

    def __init__(
        self,
        objective: Objective,
        geometry: Geometry,
        flow: Flow,
        law: LabelLaw,
        tolerance: float = 1e-8,
        largest: int = 40_000,
        order: int = 10,
        atoms: Sequence[int] | None = None,
    ) -> None:
        self.objective = objective
        self.geometry = geometry
        self.flow = flow
        self._confinement = flow.confinement(geometry)
        self.law = law
        self.tolerance = tolerance
        self.largest = largest
        self.atoms = atoms
        self.rules = law.rules(order)
        self._reacts = flow.reacts
        self._total = law.mass if flow.free else None
        walls, free = geometry.walls, [np.inf] * self._reacts
        self._walls = Box(np.append(walls.lower, np.negative(free)), np.append(walls.upper, free))
        closed = np.isfinite(walls.lower) | np.isfinite(walls.upper)
        self._ends = np.append(closed & ~geometry.even, np.zeros(int(self._reacts), dtype=bool))
        self._inertia = np.append(geometry.inertia, [flow.rate] * self._reacts)
        # the actions of atoms make their weights: exp(-alpha A)
        share = 1.0 / max(1.0, flow.rate)
        self._shares = np.append(np.ones(geometry.dimension), [share] * self._reacts)
        self._relative = np.append(np.ones(geometry.dimension), [0.0] * self._reacts)
        self._laws = [law]
        while self._laws[-1].farther() is not self._laws[-1]:
            self._laws.append(self._laws[-1].farther())
        self._selection = Selection(
            objective,
            self._confinement,
            flow.rate,
            lambda points: geometry.turned(geometry.held(points)),
            self.rules,
            OUTPUT_SHARE * tolerance,
            largest,
            UNRESOLVED * tolerance,
            self._total,
        )
        # resolved like a position: an error of the action changes a weight by alpha times as much
        scales = np.append(np.ones(geometry.dimension), [flow.rate] * self._reacts)
        given = bool(law.own), self._reacts, self.rules, scales, self._walls, self._weights
        self._map = MapResolution(*given, UNRESOLVED * tolerance, SQUARE_SHARE * tolerance, largest)

    def initial_state(self) -> State:
        return self._started(0)

    def _started(self, reach: int) -> State:
        """rho_0, the cuts of its tails moved outwards `reach` times."""
        law = self._laws[reach]
        if self.atoms is not None and law.breaks:
            counts = [-(-count // self.rules.order) for count in self.atoms]
            corners = uniform_corners(law, counts)
            panels = fill_panels(*corners, law.density, self._embed, self.rules)
            return self._begun(self._resolved(panels, reach), reach)
        panels = initial_panels(replace(law, embed=self._embed), self.rules, self.tolerance, self.largest)
        outputs = OutputResolution(
            self.objective,
            law.density,
            lambda x: self.geometry.held(law.embed(x)),
            self.rules,
            OUTPUT_SHARE * self.tolerance,
            self.largest,
            law.mass,
        )
        corners = outputs.corners(panels.lower, panels.upper)
        panels = fill_panels(*corners, law.density, self._embed, self.rules)
        return self._begun(self._resolved(panels, reach), reach)

    def state_on(self, state: State) -> State:
        """The initial state on the panels of another state."""
        reach = int(state.arrays["reach"][0])
        law = self._laws[reach]
        panels = fill_panels(state.arrays["lower"], state.arrays["upper"], law.density, self._embed, self.rules)
        return self._begun(panels, reach)

    def without_halving(self) -> Characteristics:
        """The same scheme on the panels it is given."""
        order = self.rules.order
        return Characteristics(self.objective, self.geometry, self.flow, self.law, self.tolerance, 0, order)

    def _carried(self, panels: Panels, state: State) -> State:
        """The state on other panels, whose nodes come from the start."""
        begun = self.state_on(replace(state, arrays={**state.arrays, "lower": panels.lower, "upper": panels.upper}))
        return integrate(self.without_halving(), begun, [state.flow_time], lambda index, state: None)

    def advance(self, state: State, until: float) -> State:
        moved = self._advanced(state, until)
        reach = int(state.arrays["reach"][0])
        if not (self._reacts and self.largest > 0):
            return moved
        beyond = self._selection.beyond(self._panels(moved), self._laws[reach], self.geometry.dimension)
        if beyond <= CUT_SHARE * self.tolerance:
            return moved
        if reach + 1 == len(self._laws):
            problem = f"births lift {beyond:.1g} of the law from tails of rho_0 that floating point does not hold"
            raise StepFailure(problem, state.flow_time, "end earlier, or lower the rate of birth and death")
        wider = integrate(self, self._started(reach + 1), [state.flow_time], lambda index, state: None)
        return self.advance(replace(wider, step=state.step), until)

    def _advanced(self, state: State, until: float) -> State:
        """One step on the cuts that the state has."""
        panels, reach = self._panels(state), int(state.arrays["reach"][0])
        positions, masses = panels.atoms
        shape = positions.shape
        spent, _ = state.arrays["energy"]
        moving = self._walls.holds(positions)

        def velocity(flat: Array, out: Array) -> None:
            _, out[-1] = self._move(flat[:-1].reshape(shape), masses, moving, out[:-1].reshape(shape))

        room = until - state.flow_time
        # a coordinate's tolerances come first, and with the last turn those of the energy
        solver = Dop853(
            velocity,
            state.flow_time,
            np.append(positions, spent),
            until,
            min(state.step, room) if state.step > 0 else None,
            np.maximum(self.tolerance * self._relative, ROUNDING),
            self.tolerance * self._shares,
        )
        message = solver.step()
        if solver.status == "failed" or not np.all(np.isfinite(solver.y)):
            raise StepFailure(
                f"characteristics cannot step ({message})", state.flow_time, "loosen {tolerance} or end earlier"
            )
        moved, rates = solver.y[:-1].reshape(shape), solver.f[:-1].reshape(shape)
        if self._confinement.kinked(positions, moved):
            raise StepFailure(STUCK, state.flow_time, UNSTUCK)
        weights = self._weights(moved, masses)
        if self._delay(solver, positions, moved, rates, weights) > self.tolerance:
            halved = self.advance(state, 0.5 * (state.flow_time + float(solver.t)))
            return replace(halved, step=min(halved.step, 2.0 * (halved.flow_time - state.flow_time)))
        crossed = moving & ~self._walls.holds(moved)
        dissipated = float(solver.y[-1]) - self._beyond_walls(solver, moved, crossed, weights)
        dissipation = self._dissipation(rates, weights, moving & ~crossed)
        moved = self._walls.returned(moved, rates)
        # a step cut short by `until` says little of the next one
        step = max(solver.h_abs, state.step) if solver.status == "finished" else solver.h_abs
        time, share = solver.t, max(solver.error, float(state.arrays["share"][0]))
        # the stages are not kept while panels are looked at
        del solver, rates
        reached = panels.with_positions(moved)
        panels = self._resolved(reached, reach)
        state = self._state(time, step, panels, dissipated, dissipation, reach, share)
        while self.law.own and len(panels.lower) > len(reached.lower):
            state = replace(self._carried(panels, state), step=step)
            reached = self._panels(state)
            panels = self._resolved(reached, reach)
        return state

    def observe(self, state: State) -> Observation:
        found = self.law_of(state)
        positions, weights = found.points, found.weights
        dissipated, dissipation = state.arrays["energy"]
        mean, variance = self.geometry.moments(positions, weights)
        outputs = self.objective.outputs(positions, weights)
        mobility = self.geometry.mobility * self.flow.transport
        law, action = self._laws[int(state.arrays["reach"][0])], self.geometry.dimension if self._reacts else 0
        return Observation(
            risk=self.objective.risk(outputs),
            free_energy=self.objective.energy(outputs) + self._confinement.energy(positions, weights),
            mass=float(weights.sum()),
            mean=mean,
            variance=variance,
            law=found,
            dissipation=float(dissipation),
            dissipated=float(dissipated),
            leftover=self._selection.leftover(self._panels(state), law, action, mobility),
            place_error=HIDDEN * self.tolerance * float(state.arrays["share"][0]),
        )

    def law_of(self, state: State) -> Atoms:
        """The atoms of a state."""
        return Atoms(*self._inside(*self._panels(state).atoms))

    def _embed(self, labels: Array) -> Array:
        """Where the labels start: positions, and the action 0 where weights react."""
        positions = self.law.embed(labels)
        return np.hstack([positions, np.zeros((len(positions), 1))]) if self._reacts else positions

    def _delay(self, solver: Dop853, before: Array, after: Array, rates: Array, weights: Array) -> float:
        """How far atoms that leave the ends of intervals in a step come late, the sum over them times their weights.

        They start from there at the end of the step, not when the slope turned.
        """
        if not self._ends.any():
            return 0.0
        below = (np.minimum(before, after) < self._walls.lower) & (rates > 0.0)
        above = (np.maximum(before, after) > self._walls.upper) & (rates < 0.0)
        late = (below | above) & self._ends
        if not late.any():
            return 0.0
        rows = np.flatnonzero(late)
        path, side = solver.path(rows), np.sign(rates.ravel()[rows])
        back = come_back(lambda times: side[:, None] * path(times), solver.t_old, solver.t)
        return float(weights[rows // after.shape[1]] @ back)

    def _beyond_walls(self, solver: Dop853, after: Array, crossed: NDArray[np.bool_], weights: Array) -> float:
        """What the coordinates that cross a wall in a step dissipate from there on."""
        rows = np.flatnonzero(crossed)
        if rows.size == 0:
            return 0.0
        path, below = solver.path(rows), (after < self._walls.lower).ravel()[rows]
        ends = np.where(after < self._walls.lower, self._walls.lower, self._walls.upper).ravel()[rows]
        # seen from a lower wall
        side = np.where(below, 1.0, -1.0)
        excess = beyond(lambda times: side[:, None] * path(times), solver.t_old, solver.t, side * ends)
        return 2.0 * float(weights[rows // after.shape[1]] * self._inertia[rows % after.shape[1]] @ excess)

    def _weights(self, places: Array, masses: Array) -> Array:
        """Weights (n,) of atoms with their actions."""
        return grown(masses, -self.flow.rate * places[:, -1], self._total) if self._reacts else masses

    def _inside(self, places: Array, masses: Array) -> tuple[Array, Array]:
        """Positions (n, D) held by the walls and turned back on circles, and weights (n,)."""
        positions = np.empty((len(places), self.geometry.dimension))
        over_atoms(put_within, len(places), places, self._walls.lower, self._walls.upper, positions)
        return self.geometry.turned(positions), self._weights(places, masses)

    def _rates(self, places: Array, masses: Array, objective: Objective | None = None) -> tuple[Array, Array]:
        """Velocities of the atoms (and rates of their actions), of the shape of `places`, and their weights."""
        rates = np.empty(places.shape)
        weights, _ = self._move(places, masses, np.ones(places.shape, dtype=bool), rates, objective)
        return rates, weights

    def _move(
        self,
        places: Array,
        masses: Array,
        moving: NDArray[np.bool_],
        out: Array,
        objective: Objective | None = None,
    ) -> tuple[Array, float]:
        """Writes the velocities (and rates of actions) into `out`; weights, and D of the coordinates that move."""
        objective = objective or self.objective
        inside, weights = self._inside(places, masses)
        outputs = objective.outputs(inside, weights)
        value, gradient = objective.features.contract(inside, objective.loss_gradient(outputs))
        pull = self._confinement.gradient(inside) if self._confinement.acts else gradient[:0]
        # the mean of the potential acts on all weights of sum 1 alike: taken off, it keeps the actions small
        growth = self.flow.excess(value + self._confinement.value(inside), weights) if self._reacts else value[:0]
        factors = np.stack([self.geometry.mobility, np.full(self.geometry.dimension, float(self.flow.transport))])
        partial = sums(len(places))
        arguments = gradient, pull, growth, factors, weights, self._inertia, moving, out, partial
        over_atoms(moved_by, len(places), *arguments)
        return weights, 2.0 * float(partial.sum())

    def _dissipation(self, rates: Array, weights: Array, moving: NDArray[np.bool_]) -> float:
        """D = 2 (sum_i w_i |dz_i/ds|^2 / m + alpha Var_w G) of the coordinates that are moving."""
        moved = rates * rates
        if not moving.all():
            moved *= moving
        return 2.0 * float((weights @ moved) @ self._inertia)

    def _resolved(self, panels: Panels, reach: int = 0) -> Panels:
        """Panels halved until each resolves the flow map to the tolerance or the limit on atoms is reached."""
        panels = self._map.resolved(panels, self._laws[reach])
        return self._selection.resolved(panels, self._laws[reach], self.geometry.dimension) if self._reacts else panels

    def _begun(self, panels: Panels, reach: int) -> State:
        """The state on these panels at flow time 0."""
        positions, masses = panels.atoms
        rates, weights = self._rates(positions, masses)
        moving = ~self._walls.stops(positions, rates)
        return self._state(0.0, 0.0, panels, 0.0, self._dissipation(rates, weights, moving), reach)

    def _state(
        self,
        flow_time: float,
        step: float,
        panels: Panels,
        dissipated: float,
        dissipation: float,
        reach: int = 0,
        share: float = 0.0,
    ) -> State:
        arrays = {
            "lower": panels.lower,
            "upper": panels.upper,
            "masses": panels.masses,
            "positions": panels.positions,
            "energy": np.array([dissipated, dissipation]),
            "reach": np.array([reach], dtype=np.int64),
            "share": np.array([share]),
        }
        return State(flow_time, step, arrays)

    def _panels(self, state: State) -> Panels:
        return Panels(**{name: state.arrays[name] for name in ("lower", "upper", "masses", "positions")})
