"""From one stationary law to others: split an atom along a growing mode and follow the flow to where it ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import LSODA
from scipy.linalg import block_diag

from ..arrays import Array
from ..space.measure import Atoms
from .landscape import Landscape
from .stability import CONE, Mode

OFFSET = 1e-3
"""First distance of the two parts of a split atom, over its distance from the origin."""
LONGEST = 1e7
"""Flow time that a branch is followed for."""
MOST_STEPS = 6000
TOLERANCE = 1e-7
"""Of the flow on the way; Newton's method ends it."""
SETTLED = 1e-8
"""Gradient, over the largest seen, below which the flow counts as ended and Newton's method takes over."""
ABSORBED = 1e-6
"""Distance from the origin, over the box, at which an atom that falls into a cone is put into it.

There the direction turns ever faster, and the flow would be followed in ever smaller steps.
"""
SNAPPED = 1e-12
"""Coordinate over the box that is 0 to rounding."""
MERGED = 1e-5
"""Distance over the box at which two atoms are one."""


@dataclass(frozen=True)
class Branch:
    """Where a split law went.

    Attributes:
        law: the stationary law, None where none was reached.
        ending: what happened, in words.
    """

    law: Atoms | None
    ending: str


def split(law: Atoms, mode: Mode, share: float, landscape: Landscape) -> Atoms:
    """The law with atom `mode.atom` cut into `share` and 1 - share of its mass, a little apart along the mode.

    The centre of mass stays; what leaves its axis is folded back.
    """
    index = mode.atom
    if index is None:
        raise ValueError("a drift mode moves whole atoms: split along a splitting mode")
    place, direction = law.points[index], mode.vector[index]
    size = np.linalg.norm(place)
    reach = OFFSET * (size if size > 0.0 else 1.0)
    pair = np.stack([place + (1.0 - share) * reach * direction, place - share * reach * direction])
    pair = landscape.geometry.folded(pair)
    masses = law.weights[index] * np.array([share, 1.0 - share])
    rest = np.delete(np.arange(len(law.weights)), index)
    return Atoms(np.concatenate([law.points[rest], pair]), np.concatenate([law.weights[rest], masses]))


def follow(landscape: Landscape, law: Atoms, lower: Array, upper: Array) -> Branch:
    """The stationary law that the flow of the atoms reaches from `law`, inside the box.

    The flow is integrated by LSODA, the masses with it under birth and death, and ended by Newton's method.
    """
    path = _Path(landscape, law)
    solver = path.begun(0.0, path.start)
    largest, leaving = 0.0, path.speed(path.start)
    restarted, speed = -1.0, leaving
    tested = np.full(len(law.weights), np.inf)
    for _ in range(MOST_STEPS):
        if solver.status != "running":
            break
        solver.step()
        if not np.all(np.isfinite(solver.y)):
            return Branch(None, "could not be followed: the flow is not finite")
        if solver.status == "failed" and solver.t > restarted:
            # an atom that reached its bound stopped at once: begin anew from there
            restarted = solver.t
            solver = path.begun(restarted, solver.y)
        now = path.law(solver.y)
        caught = _caught(landscape, now, ABSORBED * float(np.max(upper - lower)), tested)
        if caught.any():
            solver = path.begun(solver.t, path.at_origin(solver.y, caught))
        speed = path.speed(solver.y)
        largest = max(largest, speed)
        if np.any(now.points > upper) or np.any(now.points < lower):
            return Branch(None, f"leads out of the box at flow time {solver.t:.3g}")
        if largest > 10.0 * leaving and speed < SETTLED * largest:
            break
    last = path.law(solver.y)
    polished = polish(landscape, merged(last, upper - lower), lower, upper)
    if polished is not None:
        polished = merged(polished, upper - lower)
    rounding = 1e-13 * max(1.0, abs(landscape.free_energy(last)))
    if polished is None or not (landscape.free_energy(polished) <= landscape.free_energy(last) + rounding):
        return Branch(None, f"still moves at speed {speed:.1e} at flow time {solver.t:.3g}")
    resting = solver.status == "finished"
    how = f"at rest to rounding at flow time {solver.t:.3g}" if resting else f"reached by flow time {solver.t:.3g}"
    return Branch(polished, how)


class _Path:
    """The flow of the atoms as an ordinary differential equation: positions, then log masses with birth and death."""

    def __init__(self, landscape: Landscape, law: Atoms) -> None:
        self.landscape, self.masses, self.shape = landscape, law.weights, law.points.shape
        self.rate, self.walls = landscape.flow.fisher_rao_rate, landscape.geometry.walls
        logs = np.log(law.weights) if self.rate > 0.0 else np.zeros(0)
        self.start = np.concatenate([law.points.ravel(), logs])

    def begun(self, time: float, state: Array) -> LSODA:
        """An integrator from this state on."""
        return LSODA(self.velocity, time, state, LONGEST, rtol=TOLERANCE, atol=TOLERANCE)

    def law(self, state: Array) -> Atoms:
        """The law of a state; what is past a wall is on it."""
        size = self.shape[0] * self.shape[1]
        logs = state[size:]
        masses = self.masses if not logs.size else np.exp(np.maximum(logs - logs.max(), -300.0))
        return Atoms(self.walls.held(state[:size].reshape(self.shape)), masses / masses.sum())

    def velocity(self, _: float, state: Array) -> Array:
        """d state / ds; an atom at a wall that is pushed outwards rests."""
        now = self.law(state)
        value, gradient = self.landscape.potential(now.points, self.landscape.outputs(now))
        moving = -gradient * self.landscape.geometry.mobility
        moving = np.where(self.walls.stops(state[: gradient.size].reshape(self.shape), moving), 0.0, moving)
        if not self.rate > 0.0:
            return np.asarray(moving.ravel())
        return np.concatenate([moving.ravel(), -self.rate * (value - now.weights @ value)])

    def speed(self, state: Array) -> float:
        """Largest component of the velocity."""
        return float(np.max(np.abs(self.velocity(0.0, state))))

    def at_origin(self, state: Array, caught: NDArray[np.bool_]) -> Array:
        """The state with the radii that are `caught` made 0."""
        moved = state.copy()
        moved[: caught.size][caught.ravel()] = 0.0
        return moved


def _caught(landscape: Landscape, law: Atoms, reach: float, tested: Array) -> NDArray[np.bool_]:
    """Which radii, shape (n, D), belong to atoms that are nearly at the origin and held there by a cone.

    Where none held an atom at the distance `tested`, shape (n,), it is asked for again at half of it.
    """
    radii = landscape.radii
    size = np.linalg.norm(law.points[:, radii], axis=1)
    caught = np.zeros(law.points.shape, dtype=bool)
    for i in np.flatnonzero((size > 0.0) & (size < np.minimum(reach, 0.5 * tested))):
        tested[i] = size[i]
        origin = np.where(radii, 0.0, law.points[i])
        if landscape.slopes_at_origin(origin, landscape.outputs(law))[0] > CONE:
            caught[i] = radii
    return caught


def polish(landscape: Landscape, law: Atoms, lower: Array, upper: Array) -> Atoms | None:
    """Newton's method for a stationary law near `law`; None if it does not converge nearby.

    Unknowns are the coordinates off their bounds, and the masses under birth and death, where G is equal on the atoms.
    """
    walls = landscape.geometry.walls
    inside = (law.points > walls.lower) & (law.points < np.minimum(walls.upper, upper))
    free = np.broadcast_to(np.array(landscape.geometry.mobile), law.points.shape) & inside
    weighted = landscape.flow.fisher_rao_rate > 0.0 and len(law.weights) > 1
    places, width = int(free.sum()), float(np.max(upper - lower))
    now = law
    move: Array = np.zeros(0)
    for _ in range(30):
        matrix, residual = equations(landscape, now, free, weighted)
        if not np.all(np.isfinite(matrix)):
            return None
        move = np.asarray(np.linalg.lstsq(matrix, -residual, rcond=1e-14)[0], dtype=float)
        positions = now.points.copy()
        positions[free] += move[:places]
        masses = now.weights + move[places:-1] if weighted else now.weights
        now = Atoms(positions, masses)
        if np.any(positions < lower) or np.any(positions > upper) or np.any(masses <= 0.0):
            return None
        if np.max(np.abs(move[: len(move) - weighted]), initial=0.0) < 1e-13 * width:
            break
    distance = np.max(np.abs(now.points - law.points), initial=0.0)
    last = np.max(np.abs(move[:places]), initial=0.0)
    return now if distance < 1e-2 * width and last < 1e-8 * width else None


def equations(landscape: Landscape, law: Atoms, free: NDArray[np.bool_], weighted: bool) -> tuple[Array, Array]:
    """Jacobian and residual of grad G = 0 on the free coordinates.

    Where the masses are unknown too: of G(z_i) = mu and sum p_i = 1, with the unknowns (z, p, mu).
    """
    count = len(law.weights)
    outputs = landscape.outputs(law)
    value, gradient = landscape.potential(law.points, outputs)
    between = landscape.interaction(law)
    chosen = free.ravel()
    hessians = block_diag(*(landscape.hessian(point, outputs)[0] for point in law.points))
    masses = np.broadcast_to(law.weights[:, None], free.shape)[free]
    mixed = between.mixed.reshape(chosen.size, -1)[np.ix_(chosen, chosen)]
    slopes = between.slopes.reshape(chosen.size, -1)[chosen]
    matrix = hessians[np.ix_(chosen, chosen)] + mixed * masses
    residual = gradient[free]
    if not weighted:
        return np.asarray(matrix), residual
    places = len(masses)
    lift = np.zeros((count, places))
    lift[np.nonzero(free)[0], np.arange(places)] = residual
    bordered = np.block(
        [
            [matrix, slopes, np.zeros((places, 1))],
            [slopes.T * masses + lift, between.values, -np.ones((count, 1))],
            [np.zeros((1, places)), np.ones((1, count)), np.zeros((1, 1))],
        ]
    )
    mean = float(law.weights @ value)
    return bordered, np.concatenate([residual, value - mean, [0.0]])


def merged(law: Atoms, width: Array) -> Atoms:
    """Atoms that came together made one, those without mass left out, those at a bound put on it."""
    positions: list[Array] = []
    masses: list[float] = []
    snapped = np.where(np.abs(law.points) < SNAPPED * width, 0.0, law.points)
    for place, mass in zip(snapped, law.weights, strict=True):
        if not (mass > 1e-12):
            continue
        for k, other in enumerate(positions):
            if np.max(np.abs(place - other) / width) < MERGED:
                positions[k] = (masses[k] * other + mass * place) / (masses[k] + mass)
                masses[k] += mass
                break
        else:
            positions.append(place)
            masses.append(mass)
    weights = np.array(masses)
    return Atoms(np.array(positions), weights / weights.sum())
