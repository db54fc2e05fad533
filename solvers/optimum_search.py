"""Fully corrective Frank-Wolfe on a box: atoms at local minima of Psi_lambda, all weights re-solved, atoms joined.

Each round polishes the sampled local minima of Psi_lambda below its mean, adds them, solves the quadratic programme
for all weights, and then moves atoms: neighbours are joined where that costs nothing, positions and weights go on by
Newton's method. F falls in every round.
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy import ndimage, optimize

from .objective import Array, Objective
from .optimum_newton import Law, SearchBox, joint_newton, reweighted

GRID = {1: 801, 2: 61, 3: 17, 4: 9}
MOST_MINIMA = 8
"""Candidates of a round, the lowest local minima."""
JOINED = (0.0, 0.005, 0.02, 0.06, 0.15)
"""Distances, relative to the box, below which neighbouring atoms are tried as one."""
MOST_ROUNDS = 80


def optimal_law(objective: Objective, box: SearchBox, start: Law | None = None) -> Law:
    """The optimum as far as sampled minima of Psi tell; `start` may carry candidates of weight 0.

    Raises:
        ArithmeticError: if Psi is not finite on the box.
    """
    axes = _axes(box)
    points = np.stack([part.ravel() for part in np.meshgrid(*axes, indexing="ij")], axis=1)
    shape = tuple(len(axis) for axis in axes)
    if start is None:
        first = _sampled(objective, box, np.zeros_like(objective.targets), points)
        start = Law(points[[int(np.argmin(first))]], np.ones(1))
    law = _improved(objective, box, start)
    energy = law.free_energy(objective, box)
    for _ in range(MOST_ROUNDS):
        outputs = law.outputs(objective)
        mean = float(law.weights @ box.potential(objective, outputs, law.positions))
        sampled = _sampled(objective, box, outputs, points).reshape(shape)
        lowest = _minima(sampled, mean)
        added = [_polished(objective, box, outputs, point) for point in points[lowest]]
        candidates = Law(np.vstack([law.positions, *added]), np.append(law.weights, np.zeros(len(added))))
        trial = _improved(objective, box, candidates)
        reached = trial.free_energy(objective, box)
        if not (reached < energy - trial.rounding(objective, box)):
            break
        law, energy = trial, reached
    return _snapped(objective, box, law)


def _axes(box: SearchBox) -> list[Array]:
    """Samples per axis, denser towards 0 where Psi has its structure."""
    count = GRID.get(len(box.lower), 7)
    unit = np.linspace(0.0, 1.0, count)
    axes = []
    for low, high in zip(box.lower, box.upper, strict=True):
        graded = low + (high - low) * unit**1.5 if low >= 0.0 else low + (high - low) * unit
        axes.append(np.append(graded[:-1], high))
    return axes


def _sampled(objective: Objective, box: SearchBox, outputs: Array, points: Array) -> Array:
    parts = np.array_split(points, len(points) // 4096 + 1)
    values = np.concatenate([box.potential(objective, outputs, part) for part in parts])
    if not np.all(np.isfinite(values)):
        raise ArithmeticError("Psi is not finite everywhere on the box; write a smaller --radius")
    return values


def _minima(sampled: Array, mean: float) -> Array:
    """Flat indices of the lowest local minima on the grid, those below the mean and the next ones."""
    lowest = sampled == ndimage.minimum_filter(sampled, size=3, mode="nearest")
    indices = np.flatnonzero(lowest)
    order = np.argsort(sampled.ravel()[indices], kind="stable")[:MOST_MINIMA]
    values = sampled.ravel()[indices[order]]
    near = values <= mean + 0.01 * max(float(np.ptp(sampled)), 0.0)
    return np.asarray(indices[order][near])


def _polished(objective: Objective, box: SearchBox, outputs: Array, point: Array) -> Array:
    """The local minimum of Psi_lambda near a sample."""
    scale = max(abs(float(box.potential(objective, outputs, point[None])[0])), 1e-300)

    def scaled(z: Array) -> tuple[float, Array]:
        inside = np.clip(z, box.lower, box.upper)
        value, slope = box.potential_and_gradient(objective, outputs, inside[None])
        return float(value[0]) / scale, slope[0] / scale

    bounds = list(zip(box.lower, box.upper, strict=True))
    found = optimize.minimize(scaled, point, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15})
    return np.clip(found.x, box.lower, box.upper)


def _improved(objective: Objective, box: SearchBox, law: Law) -> Law:
    """The best of: weights solved, neighbours joined within each of `JOINED`, all moved by Newton's method."""
    best = reweighted(objective, box, law)
    energy = best.free_energy(objective, box)
    tried = {len(best.weights) + 1}
    for distance, start in itertools.product(JOINED, [best]):
        joined = _joined(start, distance * (box.upper - box.lower))
        if len(joined.weights) in tried:
            continue
        tried.add(len(joined.weights))
        trial = joint_newton(objective, box, reweighted(objective, box, joined))
        trial = joint_newton(objective, box, reweighted(objective, box, trial))
        reached = trial.free_energy(objective, box)
        if reached <= energy + trial.rounding(objective, box):
            best, energy = trial, min(energy, reached)
    return best


def _joined(law: Law, reach: Array) -> Law:
    """Clusters of atoms linked by steps within `reach` per axis, each at its centre of mass."""
    count = len(law.weights)
    label = np.arange(count)
    for i, j in itertools.combinations(range(count), 2):
        if np.all(np.abs(law.positions[i] - law.positions[j]) <= reach):
            label[label == label[j]] = label[i]
    clusters = [label == value for value in np.unique(label)]
    weights = np.array([law.weights[members].sum() for members in clusters])
    centres = [law.weights[members] @ law.positions[members] / law.weights[members].sum() for members in clusters]
    return Law(np.array(centres), weights / weights.sum())


def _snapped(objective: Objective, box: SearchBox, law: Law) -> Law:
    """Coordinates near a bound put on it where F does not rise: Psi may be flat there to rounding."""
    energy = law.free_energy(objective, box)
    for i, axis in itertools.product(*map(range, law.positions.shape)):
        for bound in (box.lower[axis], box.upper[axis]):
            gap = abs(law.positions[i, axis] - bound)
            if 0.0 < gap <= 0.05 * (box.upper[axis] - box.lower[axis]):
                positions = law.positions.copy()
                positions[i, axis] = bound
                trial = Law(positions, law.weights)
                if trial.free_energy(objective, box) <= energy + trial.rounding(objective, box):
                    law = trial
    return law
