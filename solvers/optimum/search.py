"""Fully corrective Frank-Wolfe on a box: atoms at local minima of Psi_lambda, all weights re-solved, atoms joined.

Each round polishes the sampled local minima of Psi_lambda below its mean, adds them, solves the quadratic programme
for all weights, and then moves atoms: neighbours are joined where that costs nothing, positions and weights go on by
Newton's method. F falls in every round.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..objective.objective import Objective
from ..space.measure import Atoms
from .newton import SearchBox, joint_newton, reweighted

GRID = {1: 801, 2: 61, 3: 17, 4: 9}
MOST_MINIMA = 8
"""Candidates of a round, the lowest local minima."""
JOINED = (0.0, 0.005, 0.02, 0.06, 0.15)
"""Distances, relative to the box, below which neighbouring atoms are tried as one."""
MOST_ROUNDS = 80
MOST_ENTRIES = 15_000_000
"""Samples times features that are kept, 120 MB."""


def optimal_law(objective: Objective, box: SearchBox, start: Atoms | None = None) -> Atoms:
    """The optimum as far as sampled minima of Psi tell; `start` may carry candidates of weight 0.

    Raises:
        ArithmeticError: if Psi is not finite on the box.
    """
    samples = _Samples.of(objective, box)
    if start is None:
        first = samples.potential(objective, box, np.zeros(objective.features.rank))
        start = Atoms(samples.points[[int(np.argmin(first))]], np.ones(1))
    law = _improved(objective, box, start)
    energy = box.free_energy(objective, law)
    for _ in range(MOST_ROUNDS):
        if box.within(objective, energy):
            break
        outputs = box.outputs(objective, law)
        mean = float(law.weights @ box.potential(objective, outputs, law.points))
        lowest = _minima(samples.potential(objective, box, outputs).reshape(samples.shape), mean)
        added = [_polished(objective, box, outputs, point) for point in samples.points[lowest]]
        candidates = Atoms(np.vstack([law.points, *added]), np.append(law.weights, np.zeros(len(added))))
        trial = _improved(objective, box, candidates)
        reached = box.free_energy(objective, trial)
        if not (reached < energy - box.rounding(objective, trial)):
            break
        law, energy = trial, reached
    return _thinned(objective, box, _snapped(objective, box, law))


@dataclass(frozen=True)
class _Samples:
    """A tensor grid on the box, with its features where they fit in memory.

    Attributes:
        points: shape (n, D).
        shape: samples per axis.
        values: Phi at the points, shape (n, M), or None.
    """

    points: Array
    shape: tuple[int, ...]
    values: Array | None

    @classmethod
    def of(cls, objective: Objective, box: SearchBox) -> _Samples:
        """Denser towards 0 on the axes of radii, where Psi has its structure."""
        unit = np.linspace(0.0, 1.0, GRID.get(len(box.lower), 7))
        powers = [1.5 if low >= 0.0 else 1.0 for low in box.lower]
        ends = zip(box.lower, box.upper, powers, strict=True)
        axes = [np.append(low + (high - low) * unit[:-1] ** power, high) for low, high, power in ends]
        points = np.stack([part.ravel() for part in np.meshgrid(*axes, indexing="ij")], axis=1)
        values = None
        if len(points) * objective.features.rank <= MOST_ENTRIES:
            parts = np.array_split(points, len(points) // 1024 + 1)
            values = np.concatenate([objective.features.values(part) for part in parts])
        return cls(points, tuple(len(axis) for axis in axes), values)

    def potential(self, objective: Objective, box: SearchBox, outputs: Array) -> Array:
        """Psi_lambda at the samples, shape (n,)."""
        if self.values is None:
            parts = np.array_split(self.points, len(self.points) // 4096 + 1)
            sampled = np.concatenate([box.potential(objective, outputs, part) for part in parts])
        else:
            psi = self.values @ objective.loss_gradient(outputs)
            sampled = psi + box.confinement.value(self.points)
        if not np.all(np.isfinite(sampled)):
            raise ArithmeticError("Psi is not finite everywhere on the box; write a smaller --radius")
        return np.asarray(sampled)


def _minima(sampled: Array, mean: float) -> Array:
    """Flat indices of the lowest local minima on the grid, those below the mean and the next ones."""
    from scipy import ndimage

    lowest = sampled == ndimage.minimum_filter(sampled, size=3, mode="nearest")
    indices = np.flatnonzero(lowest)
    order = np.argsort(sampled.ravel()[indices], kind="stable")[:MOST_MINIMA]
    values = sampled.ravel()[indices[order]]
    near = values <= mean + 0.01 * max(float(np.ptp(sampled)), 0.0)
    return np.asarray(indices[order][near])


def _polished(objective: Objective, box: SearchBox, outputs: Array, point: Array) -> Array:
    """The local minimum of Psi_lambda near a sample."""
    from scipy import optimize

    first, steep = box.potential_and_gradient(objective, outputs, point[None])
    # of what Psi changes by, where it vanishes at the sample itself
    scale = max(abs(float(first[0])), float(np.abs(steep[0]) @ (box.upper - box.lower)), 1e-300)

    def scaled(z: Array) -> tuple[float, Array]:
        inside = np.clip(z, box.lower, box.upper)
        value, slope = box.potential_and_gradient(objective, outputs, inside[None])
        return float(value[0]) / scale, slope[0] / scale

    bounds = list(zip(box.lower, box.upper, strict=True))
    found = optimize.minimize(scaled, point, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15})
    return np.asarray(np.clip(found.x, box.lower, box.upper))


def _improved(objective: Objective, box: SearchBox, law: Atoms) -> Atoms:
    """The best of: weights solved, neighbours joined within each of `JOINED`, all moved by Newton's method."""
    best = reweighted(objective, box, law)
    energy = box.free_energy(objective, best)
    tried = {len(best.weights) + 1}
    for distance, start in itertools.product(JOINED, [best]):
        joined = _joined(start, distance * (box.upper - box.lower))
        if len(joined.weights) in tried:
            continue
        tried.add(len(joined.weights))
        trial = joint_newton(objective, box, reweighted(objective, box, joined))
        trial = joint_newton(objective, box, reweighted(objective, box, trial))
        reached = box.free_energy(objective, trial)
        if reached <= energy + box.rounding(objective, trial):
            best, energy = trial, min(energy, reached)
    return best


def _joined(law: Atoms, reach: Array) -> Atoms:
    """Clusters of atoms linked by steps within `reach` per axis, each at its centre of mass."""
    count = len(law.weights)
    label = np.arange(count)
    for i, j in itertools.combinations(range(count), 2):
        if np.all(np.abs(law.points[i] - law.points[j]) <= reach):
            label[label == label[j]] = label[i]
    clusters = [label == value for value in np.unique(label)]
    weights = np.array([law.weights[members].sum() for members in clusters])
    centres = [law.weights[members] @ law.points[members] / law.weights[members].sum() for members in clusters]
    return Atoms(np.array(centres), weights / weights.sum())


def _snapped(objective: Objective, box: SearchBox, law: Atoms) -> Atoms:
    """Coordinates near a bound put on it where F does not rise: Psi may be flat there to rounding."""
    energy = box.free_energy(objective, law)
    for i, axis in itertools.product(*map(range, law.points.shape)):
        for bound in (box.lower[axis], box.upper[axis]):
            gap = abs(law.points[i, axis] - bound)
            if 0.0 < gap <= 0.05 * (box.upper[axis] - box.lower[axis]):
                positions = law.points.copy()
                positions[i, axis] = bound
                trial = Atoms(positions, law.weights)
                if box.free_energy(objective, trial) <= energy + box.rounding(objective, trial):
                    law = trial
    return law


def _thinned(objective: Objective, box: SearchBox, law: Atoms) -> Atoms:
    """The law without atoms that it can do without, the lightest first: the optimum need not be unique."""
    energy = box.free_energy(objective, law)
    for index in np.argsort(law.weights):
        kept = np.arange(len(law.weights)) != index
        if len(law.weights) == 1 or law.weights[index] > 0.05:
            break
        start = Atoms(law.points[kept], law.weights[kept] / law.weights[kept].sum())
        trial = joint_newton(objective, box, reweighted(objective, box, start))
        if box.free_energy(objective, trial) <= energy + box.rounding(objective, law):
            return _thinned(objective, box, trial)
    return law
