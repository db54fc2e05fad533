"""From one stationary law to others: split an atom along a growing mode and follow the flow to where it ends."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import LSODA

from .objective import Array
from .stationary import CONE, AtomicLaw, Landscape, Mode

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
MERGED = 1e-5
"""Distance over the box at which two atoms are one."""


@dataclass(frozen=True)
class Branch:
    """Where a split law went.

    Attributes:
        law: the stationary law, None where none was reached.
        ending: what happened, in words.
    """

    law: AtomicLaw | None
    ending: str


def split(law: AtomicLaw, mode: Mode, share: float, landscape: Landscape) -> AtomicLaw:
    """The law with atom `mode.atom` cut into `share` and 1 - share of its mass, a little apart along the mode.

    The centre of mass stays; a radius below 0 is reflected.
    """
    index = mode.atom
    if index is None:
        raise ValueError("a drift mode moves whole atoms: split along a splitting mode")
    place, direction = law.positions[index], mode.vector[index]
    size = np.linalg.norm(place)
    reach = OFFSET * (size if size > 0.0 else 1.0)
    pair = np.stack([place + (1.0 - share) * reach * direction, place - share * reach * direction])
    pair = np.where(landscape.radii, np.abs(pair), pair)
    masses = law.masses[index] * np.array([share, 1.0 - share])
    rest = np.delete(np.arange(len(law.masses)), index)
    return AtomicLaw(np.concatenate([law.positions[rest], pair]), np.concatenate([law.masses[rest], masses]))


def follow(landscape: Landscape, law: AtomicLaw, lower: Array, upper: Array) -> Branch:
    """The stationary law that the flow of the atoms reaches from `law`, inside the box.

    The flow is integrated by LSODA, the masses with it under birth and death, and ended by Newton's method.
    """
    count, dimension = law.positions.shape
    floor = landscape.geometry.lower_bounds
    rate = landscape.flow.fisher_rao_rate

    def read(state: Array) -> AtomicLaw:
        logs = state[count * dimension :]
        masses = law.masses if not logs.size else np.exp(np.maximum(logs - logs.max(), -300.0))
        return AtomicLaw(np.maximum(state[: count * dimension].reshape(count, dimension), floor), masses / masses.sum())

    def velocity(_: float, state: Array) -> Array:
        now = read(state)
        value, gradient = landscape.potential(now.positions, landscape.outputs(now))
        moving = -gradient * landscape.geometry.mobility
        # an atom on a bound that is pushed outwards rests
        outside = state[: count * dimension].reshape(count, dimension) <= floor
        moving = np.where(outside & (moving < 0.0), 0.0, moving)
        if not rate > 0.0:
            return np.asarray(moving.ravel())
        return np.concatenate([moving.ravel(), -rate * (value - now.masses @ value)])

    start = law.positions.ravel()
    if rate > 0.0:
        start = np.concatenate([start, np.log(law.masses)])
    solver = LSODA(velocity, 0.0, start, LONGEST, rtol=TOLERANCE, atol=TOLERANCE)
    largest, leaving = 0.0, float(np.max(np.abs(velocity(0.0, start))))
    restarted, speed = -1.0, leaving
    for _ in range(MOST_STEPS):
        if solver.status != "running":
            break
        solver.step()
        if solver.status == "failed" and solver.t > restarted:
            # an atom that reached its bound stopped at once: begin anew from there
            restarted = solver.t
            solver = LSODA(velocity, restarted, solver.y, LONGEST, rtol=TOLERANCE, atol=TOLERANCE)
        if not np.all(np.isfinite(solver.y)):
            return Branch(None, "could not be followed: the flow is not finite")
        now = read(solver.y)
        caught = _caught(landscape, now, ABSORBED * float(np.max(upper - lower)))
        if caught.any():
            state = solver.y.copy()
            state[: count * dimension][caught.ravel()] = 0.0
            solver = LSODA(velocity, solver.t, state, LONGEST, rtol=TOLERANCE, atol=TOLERANCE)
        speed = float(np.max(np.abs(velocity(solver.t, solver.y))))
        largest = max(largest, speed)
        if np.any(now.positions > upper) or np.any(now.positions < np.maximum(lower, floor)):
            return Branch(None, f"leads out of the box at flow time {solver.t:.3g}")
        if largest > 10.0 * leaving and speed < SETTLED * largest:
            break
    last = read(solver.y)
    polished = polish(landscape, _merged(last, upper - lower), lower, upper)
    if polished is not None:
        polished = _merged(polished, upper - lower)
    rounding = 1e-13 * max(1.0, abs(landscape.free_energy(last)))
    if polished is None or not (landscape.free_energy(polished) <= landscape.free_energy(last) + rounding):
        return Branch(None, f"still moves at speed {speed:.1e} at flow time {solver.t:.3g}")
    resting = solver.status == "finished"
    how = f"at rest to rounding at flow time {solver.t:.3g}" if resting else f"reached by flow time {solver.t:.3g}"
    return Branch(polished, how)


def _caught(landscape: Landscape, law: AtomicLaw, reach: float) -> NDArray[np.bool_]:
    """Which radii, shape (n, D), belong to atoms that are nearly at the origin and held there by a cone."""
    radii = landscape.radii
    size = np.linalg.norm(law.positions[:, radii], axis=1)
    caught = np.zeros(law.positions.shape, dtype=bool)
    for i in np.flatnonzero((size > 0.0) & (size < reach)):
        origin = np.where(radii, 0.0, law.positions[i])
        if landscape.slopes_at_origin(origin, landscape.outputs(law))[0] > CONE:
            caught[i] = radii
    return caught


def polish(landscape: Landscape, law: AtomicLaw, lower: Array, upper: Array) -> AtomicLaw | None:
    """Newton's method for a stationary law near `law`; None if it does not converge nearby.

    Unknowns are the coordinates off their bounds, and the masses under birth and death, where G is equal on the atoms.
    """
    count, dimension = law.positions.shape
    mobile = np.array(landscape.geometry.mobile)
    inside = (law.positions > landscape.geometry.lower_bounds) & (law.positions < upper)
    free = np.broadcast_to(mobile, law.positions.shape) & inside
    weighted = landscape.flow.fisher_rao_rate > 0.0 and count > 1
    places = int(free.sum())
    now = law
    for _ in range(30):
        outputs = landscape.outputs(now)
        value, gradient = landscape.potential(now.positions, outputs)
        residual = gradient[free]
        values, gradients = landscape.features_at(now)
        weights = landscape.objective.weights
        rows = gradients.transpose(0, 2, 1)[free]
        hessians = np.zeros((count * dimension, count * dimension))
        for i, point in enumerate(now.positions):
            part = slice(i * dimension, (i + 1) * dimension)
            hessians[part, part] = landscape.hessian(point, outputs)[0]
        kept = free.ravel()
        masses = np.broadcast_to(now.masses[:, None], free.shape)[free]
        matrix = hessians[np.ix_(kept, kept)] + (rows * weights) @ (rows * masses[:, None]).T
        if weighted:
            # unknown masses and the common value of G: G_i = mu, sum p_i = 1
            by_mass = (rows * weights) @ values.T
            lift = np.zeros((count, places))
            lift[np.nonzero(free)[0], np.arange(places)] = residual
            couple = (values * weights) @ (rows * masses[:, None]).T + lift
            inner = (values * weights) @ values.T
            mean = float(now.masses @ value)
            matrix = np.block(
                [
                    [matrix, by_mass, np.zeros((places, 1))],
                    [couple, inner, -np.ones((count, 1))],
                    [np.zeros((1, places)), np.ones((1, count)), np.zeros((1, 1))],
                ]
            )
            residual = np.concatenate([residual, value - mean, [0.0]])
        if not np.all(np.isfinite(matrix)):
            return None
        move = np.linalg.lstsq(matrix, -residual, rcond=1e-14)[0]
        positions = now.positions.copy()
        positions[free] += move[:places]
        now = replace(now, positions=positions)
        if weighted:
            now = replace(now, masses=now.masses + move[places : places + count])
        if np.any(positions < lower) or np.any(positions > upper) or np.any(now.masses <= 0.0):
            return None
        if np.max(np.abs(move[: places + count * weighted]), initial=0.0) < 1e-13 * np.max(upper - lower):
            break
    distance = np.max(np.abs(now.positions - law.positions), initial=0.0)
    last = np.max(np.abs(move[:places]), initial=0.0)
    near = distance < 1e-2 * np.max(upper - lower) and last < 1e-8 * np.max(upper - lower)
    return now if near else None


def _merged(law: AtomicLaw, width: Array) -> AtomicLaw:
    """Atoms that came together made one, those without mass left out, those at a bound put on it."""
    positions: list[Array] = []
    masses: list[float] = []
    for place, mass in zip(law.positions, law.masses, strict=True):
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
    return AtomicLaw(np.array(positions), weights / weights.sum())
