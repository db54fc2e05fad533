"""Characteristics where Psi has kinks: particles cross them, stick to them and slide along them, and leave again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import DOP853, DenseOutput, OdeSolver

from ..arrays import Array
from ..flow.confinement import STUCK, UNSTUCK
from ..flow.flow import Flow
from ..flow.time_loop import State, StepFailure
from ..objective.kinks import Kinked, Kinks
from ..objective.objective import Objective
from ..roots import root
from ..space.geometry import Geometry
from .characteristics import Characteristics
from .contact import ABOVE, BELOW, DEPENDENT, HELD, contact
from .panels import LabelLaw, Panels
from .passages import NODES, first_passages

IntArray = NDArray[np.int64]

TOUCHING = 1e-12
"""Distance from a kink, relative to 1 + |z|, at which a particle is in contact with it."""
PASSED = 1e-14
"""The same by which it has passed."""
PULL = 1e-9
"""By how much a multiplier must leave its interval, in parts of the forces and beyond the tolerance, to let go."""
LOOKS = (2, 5, 7)
"""The nodes of a step at which multipliers are looked at."""
RESTING = 10.0
"""Largest speed of atoms at rest, over the tolerance of the steps: R falls by no more than its square from there."""
INSTANT = 1e-13
"""Share of a step within which events are one."""
MOST_AT_ONCE = 50
"""Events without advance, for each particle, that are no chain any more."""


@dataclass(frozen=True)
class Held:
    """The particles on kinks, R planes each at most; where there are fewer, zeros fill the rest.

    Attributes:
        rows: their numbers, shape (h,).
        planes: the kinks that each is on, -1 where there are fewer, shape (h, R).
        pull: forces -> multipliers, N^+ in the metric, shape (h, R, D).
        push: multipliers -> velocities, M N^T, shape (h, D, R).
        corner: whether the normals are dependent, so that multipliers are not unique, shape (h,).
    """

    rows: IntArray
    planes: IntArray
    pull: Array
    push: Array
    corner: NDArray[np.bool_]


class Event(NamedTuple):
    """What ends a step: when, particles at kinks, and the side these are left to, `HELD` where they are met."""

    time: float
    rows: IntArray
    planes: IntArray
    sides: IntArray


class SlidingCharacteristics(Characteristics):
    """Atoms that move by -grad Psi between the kinks of Psi, and along them where both sides push against them.

    Each atom has a side of every kink: above, below, or on it. Between events the flow is smooth, each atom on the
    branch of its sides, and atoms on kinks move by the force without its component across:

        dz/ds = M (h - N^T mu),     N dz/ds = 0,     0 <= mu_k <= c_k,

    h the force below the kinks, M the mobilities, N the normals of the atom's kinks. A step ends where an atom meets a
    kink or a multiplier mu_k leaves its interval, found on the dense output; `contact` then says where the atom goes.
    That is the solution of Filippov (Differential equations with discontinuous righthand sides, 1988), the limit of
    minimising movements. Panels are not halved on the way: the flow map is not smooth across the atoms that have stuck.

    Args:
        objective: with features that name their kinks (`Kinked`).
        geometry, flow, law, tolerance, largest, order, atoms: as for `Characteristics`, without walls and circles.
        method: the Runge-Kutta method between events, with dense output of degree 7 at most.
    """

    def __init__(
        self,
        objective: Objective,
        geometry: Geometry,
        flow: Flow,
        law: LabelLaw,
        tolerance: float = 1e-10,
        largest: int = 4000,
        order: int = 10,
        atoms: Sequence[int] | None = None,
        method: type[OdeSolver] = DOP853,
    ) -> None:
        super().__init__(objective, geometry, flow, law, tolerance, largest, order, atoms)
        self._features = cast(Kinked, objective.features)
        self._method = method
        self._memory: tuple[IntArray, Held] | None = None

    @cached_property
    def kinks(self) -> Kinks:
        """The kinks in the coordinates of the atoms, the action among them."""
        kinks = self._features.kinks
        assert kinks is not None
        further = len(self._root) - kinks.normals.shape[1]
        return replace(kinks, normals=np.pad(kinks.normals, ((0, 0), (0, further))))

    @cached_property
    def _root(self) -> Array:
        """Square roots of the mobilities, 0 for the action."""
        return np.append(np.sqrt(self.geometry.mobility * self.flow.transport), [0.0] * self._reacts)

    @cached_property
    def _crossed(self) -> NDArray[np.bool_]:
        """Which kinks particles can move across, shape (K,)."""
        return np.asarray(np.linalg.norm(self.kinks.normals * self._root, axis=1) > DEPENDENT)

    def _resolved(self, panels: Panels, reach: int = 0) -> Panels:
        return panels

    def _begun(self, panels: Panels, reach: int) -> State:
        """The state on these panels at flow time 0: atoms that start on kinks take the way of steepest descent."""
        places, masses = panels.atoms
        heights = self.kinks.heights(places)
        sides = np.where(heights >= 0.0, ABOVE, BELOW)
        near = (np.abs(heights) <= self._size(places, TOUCHING)) & self._crossed
        sides = self._settled(np.flatnonzero(near.any(axis=1)), places, masses, sides)
        return self._sided(0.0, 0.0, panels, 0.0, sides, reach)

    def _sided(
        self, time: float, step: float, panels: Panels, dissipated: float, sides: IntArray, reach: int, idle: int = 0
    ) -> State:
        places, masses = panels.atoms
        held = self._held(sides)
        places = self._put(places, held)
        rates, weights = self._motion(sides, held, masses)(places)
        dissipation = self._dissipation(rates, weights, np.ones(places.shape, dtype=bool))
        state = self._state(time, step, panels.with_positions(places), dissipated, dissipation, reach)
        further = {"sides": sides, "idle": np.array([idle], dtype=np.int64)}
        return replace(state, arrays={**state.arrays, **cast(dict[str, Array], further)})

    def _advanced(self, state: State, until: float) -> State:
        panels, reach = self._panels(state), int(state.arrays["reach"][0])
        places, masses = panels.atoms
        shape, sides = places.shape, cast(IntArray, state.arrays["sides"])
        held = self._held(sides)
        motion, moving = self._motion(sides, held, masses), np.ones(shape, dtype=bool)
        spent, dissipation = state.arrays["energy"]
        if not self._reacts and np.abs(motion(places)[0]).max(initial=0.0) <= RESTING * self.tolerance:
            # what goes on is the noise of steps, about kinks without end
            spent += dissipation * (until - state.flow_time)
            return self._sided(until, state.step, panels, float(spent), sides, reach)

        def velocity(_: float, flat: Array) -> Array:
            rates, weights = motion(flat[:-1].reshape(shape))
            return np.append(rates, self._dissipation(rates, weights, moving))

        room = until - state.flow_time
        solver = self._method(
            velocity,
            state.flow_time,
            np.append(places, spent),
            until,
            first_step=min(state.step, room) if state.step > 0 else None,
            rtol=np.maximum(self.tolerance * _with_energy(shape, self._relative), 1e-13),
            atol=self.tolerance * _with_energy(shape, self._shares),
        )
        message = solver.step()
        if solver.status == "failed" or not np.all(np.isfinite(solver.y)):
            raise StepFailure(
                f"characteristics cannot step ({message})", state.flow_time, "loosen {tolerance} or end earlier"
            )
        path = solver.dense_output()
        event = self._event(path, float(solver.t) - state.flow_time, masses, sides, held, places)
        time, flat = float(solver.t), solver.y
        step = max(solver.h_abs, state.step) if solver.status == "finished" else solver.h_abs
        if event is not None:
            time = event.time
            flat = path(time) if time > state.flow_time else np.append(places, spent)
        moved = self._put(flat[:-1].reshape(shape), held)
        if self._confinement.kinked(places, moved):
            raise StepFailure(STUCK, time, UNSTUCK)
        if event is not None:
            sides = self._left(event, moved, masses, sides)
        idle = self._idle(state, time, len(places))
        panels = panels.with_positions(moved)
        return self._sided(time, float(step), panels, float(flat[-1]), sides, reach, idle)

    def _idle(self, state: State, time: float, count: int) -> int:
        """How many events came without advance; raises StepFailure where they do not end."""
        idle = int(state.arrays["idle"][0]) + 1 if time == state.flow_time else 0
        if idle > MOST_AT_ONCE * count:
            raise StepFailure("particles on kinks find no way", state.flow_time, "use another scheme")
        return idle

    def _motion(self, sides: IntArray, held: Held, masses: Array) -> Callable[[Array], tuple[Array, Array]]:
        """places -> velocities on the branches of these sides, of the shape of places, and weights."""
        force = self._force(sides, masses)

        def motion(places: Array) -> tuple[Array, Array]:
            rates, weights = force(places)
            if len(held.rows):
                rates[held.rows] -= (held.push @ (held.pull @ rates[held.rows, :, None]))[:, :, 0]
            return rates, weights

        return motion

    def _force(self, sides: IntArray, masses: Array) -> Callable[[Array], tuple[Array, Array]]:
        """The same where nothing is held: the branch below its kinks of whatever is on them."""
        branches = replace(self.objective, features=self._features.on((sides == ABOVE).astype(np.int64)))
        return lambda places: self._rates(places, masses, branches)

    def _strengths(self, places: Array, masses: Array) -> Array:
        """c of every atom and kink, shape (n, K)."""
        inside, weights = self._inside(places, masses)
        gradient = self.objective.loss_gradient(self.objective.outputs(inside, weights))
        return self.kinks.strengths(places, gradient)

    @staticmethod
    def _size(places: Array, share: float) -> Array:
        """A share of 1 + |z| of each atom, shape (n, 1)."""
        return np.asarray(share * (1.0 + np.abs(places).max(axis=1, keepdims=True)))

    def _put(self, places: Array, held: Held) -> Array:
        """Places with what is held put on its kinks."""
        if not len(held.rows):
            return places
        on = held.planes >= 0
        off = np.einsum("hrd,hd->hr", self.kinks.normals[held.planes], places[held.rows])
        off = np.where(on, off - self.kinks.offsets[held.planes], 0.0)
        places = places.copy()
        # heights above kinks are removed by M N^T (N M N^T)^+, which is M pull^T
        places[held.rows] -= np.einsum("hrd,hr->hd", held.pull * self._root**2, off)
        return places

    def _held(self, sides: IntArray) -> Held:
        """The particles on kinks; the last answer is remembered."""
        if self._memory is not None and np.array_equal(self._memory[0], sides):
            return self._memory[1]
        rows = np.flatnonzero((sides == HELD).any(axis=1))
        patterns, which = np.unique(sides[rows] == HELD, axis=0, return_inverse=True)
        most = int(patterns.sum(axis=1).max(initial=0))
        width = len(self._root)
        planes, pull = np.full((len(patterns), most), -1), np.zeros((len(patterns), most, width))
        push, corner = np.zeros((len(patterns), width, most)), np.zeros(len(patterns), dtype=bool)
        for i, pattern in enumerate(patterns):
            own = np.flatnonzero(pattern)
            normals = self.kinks.normals[own]
            scaled = normals * self._root
            planes[i, : len(own)] = own
            pull[i, : len(own)] = np.linalg.pinv(scaled @ scaled.T, DEPENDENT, hermitian=True) @ normals
            push[i, :, : len(own)] = (normals * self._root**2).T
            corner[i] = np.linalg.matrix_rank(scaled, DEPENDENT) < len(own)
        which = which.reshape(-1)
        held = Held(rows, planes[which], pull[which], push[which], corner[which])
        self._memory = (sides, held)
        return held

    def _event(
        self, path: DenseOutput, span: float, masses: Array, sides: IntArray, held: Held, places: Array
    ) -> Event | None:
        """What comes first on the path of a step of this length, None where nothing does."""
        start = float(path.t_old)

        def at(shares: Array) -> Array:
            found = np.moveaxis(path(start + span * shares)[:-1], 0, -1)
            return np.asarray(found.reshape(*shares.shape, *places.shape))

        share, rows, planes = self._meetings(at(NODES), places, sides)
        if len(held.rows):
            pulls = self._pulls(masses, sides, held)
            released = _first_below(lambda share: float(pulls(at(np.array(share)))[0].min()), min(share, 1.0))
            if released <= 1.0:
                return self._release(start + span * released, pulls(at(np.array(released))), held)
        return Event(start + span * share, rows, planes, np.full(len(rows), HELD)) if share <= 1.0 else None

    def _meetings(self, samples: Array, places: Array, sides: IntArray) -> tuple[float, IntArray, IntArray]:
        """The share of a step at which atoms first pass kinks, inf where none does; these atoms and kinks."""
        sign = np.where(sides == ABOVE, 1.0, -1.0)
        heights = sign * self.kinks.heights(places)
        moved = np.linalg.norm(samples - places, axis=2).max(axis=0)
        near = (heights <= 2.0 * moved[:, None]) & (sides != HELD) & self._crossed
        rows, planes = np.nonzero(near)
        if not len(rows):
            return np.inf, rows, planes
        along = np.einsum("snd,nd->sn", samples[:, rows], self.kinks.normals[planes]) - self.kinks.offsets[planes]
        bounds = np.minimum(-self._size(places, PASSED)[rows, 0], 0.0)
        times = first_passages(sign[rows, planes] * along, bounds)
        first = float(times.min())
        chosen = times <= first + INSTANT
        return first, rows[chosen], planes[chosen]

    def _pulls(self, masses: Array, sides: IntArray, held: Held) -> Callable[[Array], tuple[Array, IntArray, IntArray]]:
        """places -> by how much multipliers are within their intervals, in parts of the forces, shape (h,).

        With it the place of the kink in `held.planes` that is nearest to leaving, and the side to which.
        """
        force, on = self._force(sides, masses), held.planes >= 0

        def pulls(places: Array) -> tuple[Array, IntArray, IntArray]:
            rates = force(places)[0][held.rows]
            strengths = self._strengths(places, masses)
            own = np.where(on, np.take_along_axis(strengths[held.rows], np.maximum(held.planes, 0), axis=1), 0.0)
            pull = (held.pull @ rates[:, :, None])[:, :, 0]
            sizes = PULL * np.maximum(np.abs(pull), np.abs(own)).max(axis=1) + self.tolerance
            low, high = pull / sizes[:, None] + 1.0, (own - pull) / sizes[:, None] + 1.0
            least = np.where(on, np.minimum(low, high), np.inf)
            kink = least.argmin(axis=1)
            lines = np.arange(len(kink))
            margins, upwards = least[lines, kink], high[lines, kink] < low[lines, kink]
            for i in np.flatnonzero(held.corner):
                rests = self._rests(held.planes[i][on[i]], rates[i], strengths[held.rows[i]])
                margins[i] = 1.0 if rests else -1.0
            return margins, kink, np.where(upwards, ABOVE, BELOW)

        return pulls

    def _release(self, time: float, pulls: tuple[Array, IntArray, IntArray], held: Held) -> Event:
        margins, kink, sides = pulls
        first = np.flatnonzero(margins <= max(float(margins.min()), 0.0))
        sides = np.where(held.corner, HELD, sides)
        return Event(time, held.rows[first], held.planes[first, kink[first]], sides[first])

    def _rests(self, planes: IntArray, rates: Array, strengths: Array) -> bool:
        """Whether an atom on dependent kinks keeps to all of them."""
        size = max(float(np.abs(rates).max()), float(np.abs(strengths[planes]).max()))
        return bool((self._way(planes, rates, strengths, PULL * size) == HELD).all())

    def _way(self, planes: IntArray, rates: Array, strengths: Array, slow: float = 0.0) -> IntArray:
        """Sides of the kinks that an atom is on, for its rates below all of them."""
        moving = self._root > 0.0
        force = np.where(moving, rates / np.where(moving, self._root, 1.0), 0.0)
        normals = self.kinks.normals[planes] * self._root
        return contact(force, normals, strengths[planes], slow + self.tolerance).sides

    def _left(self, event: Event, places: Array, masses: Array, sides: IntArray) -> IntArray:
        """Sides after an event."""
        rows = np.unique(event.rows)
        settled = self._settled(rows, places, masses, sides, (event.rows, event.planes))
        forced = (event.sides != HELD) & (settled[event.rows, event.planes] == HELD)
        settled[event.rows[forced], event.planes[forced]] = event.sides[forced]
        return settled

    def _settled(
        self,
        rows: IntArray,
        places: Array,
        masses: Array,
        sides: IntArray,
        met: tuple[IntArray, IntArray] = (np.empty(0, dtype=np.int64),) * 2,
    ) -> IntArray:
        """Sides where the atoms of these rows are settled on the kinks that they touch, `met` among them."""
        if not len(rows):
            return sides
        touching = (np.abs(self.kinks.heights(places)) <= self._size(places, TOUCHING)) & self._crossed
        touching[met] = True
        touching[np.setdiff1d(np.arange(len(places)), rows)] = False
        below = np.where(touching, BELOW, sides)
        rates = self._force(below, masses)(places)[0]
        strengths = self._strengths(places, masses)
        settled = sides.copy()
        for row in rows:
            planes = np.flatnonzero(touching[row])
            settled[row, planes] = self._way(planes, rates[row], strengths[row])
        return settled


def _with_energy(shape: tuple[int, ...], shares: Array) -> Array:
    """Shares of the tolerance for places of this shape, and for the dissipated energy."""
    return np.append(np.broadcast_to(shares, shape), 1.0)


def _first_below(margin: Callable[[float], float], last: float) -> float:
    """The first share of a step, up to the last one, at which a margin is seen below 0; inf where there is none."""
    before = 0.0
    if margin(0.0) < 0.0:
        return 0.0
    for share in (*(node for node in NODES[list(LOOKS)] if node < last), last):
        if margin(share) < 0.0:
            return root(margin, before, share, 1e-15, 1e-14)
        before = share
    return np.inf
