"""Newton's method on positions and weights of the atoms of an optimal law together.

Unknowns are the coordinates off their bounds and all weights, equations

    d_j Psi_lambda(z_i) = 0,    Psi_lambda(z_i) = mu  for all i,    sum_i p_i = 1.

The Jacobian takes grad Phi exactly and Hess Psi_lambda from differences of its gradient, whose error only slows
the convergence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..flow.confinement import Confinement
from ..objective.losses.interface import least
from ..objective.objective import Objective
from ..space.box import Box
from ..space.measure import Atoms
from .weights import simplex_weights

EPSILON = float(np.finfo(float).eps)
NEGLIGIBLE = 1e-13
"""Weights below this are dropped."""
VANISHING = 1e-15
"""What F less the least 2 L counts as zero, relative to that of the zero function."""
STEPS = 12
DIFFERENCE = 1e-5
"""Step of the differences, relative to the box."""
DESCENT, TRIALS = 100, 12
"""Damped steps at most, and dampings that are tried for one."""
DAMPING, FACTOR = 1e-3, 4.0
"""The first damping over the largest eigenvalue; it falls by the factor with a step, and rises by its square."""
SETTLED = 2e-9
"""Fall of F, relative to it, below which a descent ends."""


@dataclass(frozen=True)
class SearchBox(Box):
    """Where laws may live, and the confinement that acts there.

    Attributes:
        confinement: V.
        error: of the features there: the search ends where F is as near to the least 2 L.
    """

    confinement: Confinement
    error: float = 0.0

    def potential(self, objective: Objective, outputs: Array, points: Array) -> Array:
        """Psi_lambda at points (n, D), shape (n,)."""
        return np.asarray(objective.psi(points, outputs) + self.confinement.value(points))

    def potential_and_gradient(self, objective: Objective, outputs: Array, points: Array) -> tuple[Array, Array]:
        """Psi_lambda and its gradient at points (n, D)."""
        value, slope = objective.features.contract(points, objective.loss_gradient(outputs))
        return value + self.confinement.value(points), slope + self.confinement.gradient(points)

    def outputs(self, objective: Objective, law: Atoms) -> Array:
        """Phi rho, by the values of the features."""
        return np.asarray(law.weights @ objective.features.values(law.points))

    def free_energy(self, objective: Objective, law: Atoms) -> float:
        """F = 2 L + 2 ∫V drho."""
        return objective.energy(self.outputs(objective, law)) + self.confinement.energy(law.points, law.weights)

    def least(self, objective: Objective) -> float:
        """F that is the least 2 L to rounding, below which no law is better."""
        return least(objective.loss) + VANISHING * objective.energy(np.zeros(objective.features.rank))

    def within(self, objective: Objective, energy: float) -> bool:
        """Whether F is the least 2 L as far as the features tell."""
        return energy <= max(self.least(objective), least(objective.loss) + self.error)

    def rounding(self, objective: Objective, law: Atoms) -> float:
        """Rounding error of F: residuals are small differences of outputs and targets."""
        terms = objective.loss.rounding(self.outputs(objective, law))
        return 4.0 * EPSILON * (terms + abs(self.free_energy(objective, law)))


def joint_newton(objective: Objective, box: SearchBox, law: Atoms) -> Atoms:
    """The law after Newton steps, halved while they raise F; where none helps (Psi concave there), after a descent."""
    energy, rounding = box.free_energy(objective, law), box.rounding(objective, law)
    for _ in range(STEPS):
        law = _settled(box, law)
        step, weights_step, size = _newton_step(objective, box, law)
        for halving in range(6):
            share = 0.5**halving
            moved = law.points + share * step
            trial = Atoms(np.clip(moved, box.lower, box.upper), law.weights + share * weights_step)
            if trial.weights.min() < 0.0 or np.any(trial.points != moved):
                # the step of the weights belongs to the whole step
                trial = reweighted(objective, box, Atoms(trial.points, law.weights))
            reached = box.free_energy(objective, trial)
            if reached <= energy + rounding:
                break
        else:
            if box.within(objective, energy):
                return law
            trial, size = _descended(objective, box, law), np.inf
            reached = box.free_energy(objective, trial)
            if not (reached < energy - rounding):
                return law
        law, energy = trial, min(energy, reached)
        if size <= 1e-13:
            break
    return law


def _descended(objective: Objective, box: SearchBox, law: Atoms) -> Atoms:
    """The law after damped Newton steps of positions and weights together, then the best weights.

    Near a law that is optimal in many ways F is flat along a valley, which first-order methods follow in thousands of
    steps: (|H| + mu)^-1 g does not see how steep its sides are.
    """
    energy, damping = box.free_energy(objective, law), DAMPING
    for _ in range(DESCENT):
        model = _Model.of(objective, box, law)
        for _ in range(TRIALS):
            trial = model.moved(box, damping)
            reached = box.free_energy(objective, trial)
            if reached < energy:
                break
            damping *= FACTOR**2
        else:
            break
        gained, law, energy, damping = energy - reached, trial, reached, damping / FACTOR
        if gained <= SETTLED * abs(energy) + box.rounding(objective, law) or box.within(objective, energy):
            break
    return reweighted(objective, box, law)


@dataclass(frozen=True)
class _Model:
    """F / 2 to second order in s: sqrt(p_i) times positions over the box, and weights over sqrt(p_i), of fixed sum.

    Attributes:
        law: where it is taken.
        free: which coordinates move, shape (K, D).
        values, vectors: eigenvalues and eigenvectors of the Hessian.
        slope: the gradient along them.
    """

    law: Atoms
    free: NDArray[np.bool_]
    values: Array
    vectors: Array
    slope: Array

    @classmethod
    def of(cls, objective: Objective, box: SearchBox, law: Atoms) -> _Model:
        features, slopes = objective.features.values_and_gradients(law.points)
        outputs = law.weights @ features
        potential, gradient = box.potential_and_gradient(objective, outputs, law.points)
        free, sides = _free(box, law.points, gradient), box.upper - box.lower
        (atoms, axes), count, roots = np.nonzero(free), len(law.weights), np.sqrt(law.weights)
        moving = np.vstack([(roots[atoms] * sides[axes])[:, None] * slopes[atoms, :, axes], roots[:, None] * features])
        whole = (moving @ objective.loss.hessian(outputs)) @ moving.T
        moves = len(atoms)
        bends = _hessians(objective, box, outputs, law.points)[atoms[:, None], axes[:, None], axes[None, :]]
        own = np.equal.outer(atoms, atoms)
        whole[:moves, :moves] += np.where(own, bends * np.multiply.outer(sides[axes], sides[axes]), 0.0)
        steep = sides[axes] * gradient[atoms, axes]
        crossed = np.where(np.equal.outer(atoms, np.arange(count)), steep[:, None], 0.0)
        whole[:moves, moves:] += crossed
        whole[moves:, :moves] += crossed.T
        slope = np.concatenate([roots[atoms] * steep, roots * (potential - law.weights @ potential)])
        # the sum of the weights stays
        kept = np.eye(moves + count)
        kept[moves:, moves:] -= np.multiply.outer(roots, roots)
        values, vectors = np.linalg.eigh(kept @ whole @ kept)
        return cls(law, free, values, vectors, slope @ vectors)

    def moved(self, box: SearchBox, damping: float) -> Atoms:
        """The law after a step of (|H| + damping |H|_max)^-1."""
        largest = max(float(np.abs(self.values).max(initial=0.0)), 1e-300)
        step = -self.vectors @ (self.slope / (np.abs(self.values) + damping * largest))
        roots, points = np.sqrt(self.law.weights), self.law.points.copy()
        atoms, axes = np.nonzero(self.free)
        points[atoms, axes] += step[: len(atoms)] * (box.upper - box.lower)[axes] / roots[atoms]
        weights = np.maximum(self.law.weights + roots * step[len(atoms) :], 0.0)
        kept = weights > NEGLIGIBLE * weights.sum()
        return Atoms(np.clip(points, box.lower, box.upper)[kept], weights[kept] / weights[kept].sum())


def reweighted(objective: Objective, box: SearchBox, law: Atoms) -> Atoms:
    """The best weights on the atoms; those that get none are dropped."""
    values, costs = objective.features.values(law.points), 2.0 * box.confinement.value(law.points)
    weights = law.weights
    for _ in range(1 if objective.loss.quadratic else STEPS):
        following = simplex_weights(objective.loss.model(weights @ values), values, costs, weights)
        if not objective.loss.quadratic:
            following = _shortened(objective, values, costs, weights, following)
        settled, weights = bool(np.abs(following - weights).max() <= NEGLIGIBLE), following
        if settled:
            break
    kept = weights > NEGLIGIBLE
    return Atoms(law.points[kept], weights[kept] / weights[kept].sum())


def _shortened(objective: Objective, values: Array, costs: Array, weights: Array, following: Array) -> Array:
    """The step to the minimiser of the quadratic model, halved while it does not lower F."""

    def energy(masses: Array) -> float:
        return objective.energy(masses @ values) + float(masses @ costs)

    before, length = energy(weights), 1.0
    while not (energy(weights + length * (following - weights)) <= before):
        length *= 0.5
        if not (length > NEGLIGIBLE):
            return weights
    return weights + length * (following - weights)


def _settled(box: SearchBox, law: Atoms) -> Atoms:
    """Coordinates within rounding of a bound put on it."""
    near = 1e-12 * (box.upper - box.lower)
    positions = np.where(law.points - box.lower <= near, box.lower, law.points)
    return Atoms(np.where(box.upper - positions <= near, box.upper, positions), law.weights)


def _newton_step(objective: Objective, box: SearchBox, law: Atoms) -> tuple[Array, Array, float]:
    """Steps of the positions (K, D) and weights (K,), and their largest size relative to the box and 1."""
    values, slopes = objective.features.values_and_gradients(law.points)
    outputs = law.weights @ values
    potential, gradient = box.potential_and_gradient(objective, outputs, law.points)
    free = _free(box, law.points, gradient)
    atoms, axes = np.nonzero(free)
    hessian = objective.loss.hessian(outputs)
    weighted = values @ hessian
    moving = slopes[atoms, :, axes]
    count, moves = len(law.weights), len(atoms)
    mass = law.weights[atoms]
    jacobian = np.zeros((moves + count + 1, moves + count + 1))
    hessians = _hessians(objective, box, outputs, law.points)
    same = atoms[:, None] == atoms[None, :]
    jacobian[:moves, :moves] = (moving @ hessian) @ moving.T * mass
    jacobian[:moves, :moves] += np.where(same, hessians[atoms[:, None], axes[:, None], axes[None, :]], 0.0)
    jacobian[:moves, moves:-1] = moving @ weighted.T
    jacobian[moves:-1, :moves] = (weighted @ moving.T) * mass
    own = np.arange(count)[:, None] == atoms[None, :]
    jacobian[moves:-1, :moves] += np.where(own, gradient[atoms, axes], 0.0)
    jacobian[moves:-1, moves:-1] = weighted @ values.T
    jacobian[moves:-1, -1] = -1.0
    jacobian[-1, moves:-1] = 1.0
    mean = float(law.weights @ potential)
    residual = np.concatenate([gradient[atoms, axes], potential - mean, [0.0]])
    solved = np.linalg.lstsq(jacobian, -residual, rcond=1e-15)[0]
    step = np.zeros_like(law.points)
    step[atoms, axes] = solved[:moves]
    size = max(np.max(np.abs(step / (box.upper - box.lower))), np.max(np.abs(solved[moves:-1])))
    return step, solved[moves:-1], float(size)


def _free(box: SearchBox, positions: Array, gradient: Array) -> NDArray[np.bool_]:
    """Coordinates off their bounds, or drawn away from them."""
    at_lower = (positions <= box.lower) & (gradient >= -1e-14)
    at_upper = (positions >= box.upper) & (gradient <= 1e-14)
    return np.asarray(~(at_lower | at_upper))


def _hessians(objective: Objective, box: SearchBox, outputs: Array, positions: Array) -> Array:
    """Hess Psi_lambda at the atoms, shape (K, D, D), from differences of the gradient inside the box."""
    count, dimension = positions.shape
    result = np.empty((count, dimension, dimension))
    for axis in range(dimension):
        shift = DIFFERENCE * (box.upper[axis] - box.lower[axis])
        ahead, behind = positions.copy(), positions.copy()
        ahead[:, axis] = np.minimum(positions[:, axis] + shift, box.upper[axis])
        behind[:, axis] = np.maximum(positions[:, axis] - shift, box.lower[axis])
        gradients = box.potential_and_gradient(objective, outputs, np.vstack([ahead, behind]))[1]
        distance = (ahead[:, axis] - behind[:, axis])[:, None]
        result[:, axis, :] = (gradients[:count] - gradients[count:]) / distance
    return np.asarray(0.5 * (result + result.transpose(0, 2, 1)))
