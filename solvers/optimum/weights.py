"""Weights of least free energy on fixed atoms: a convex quadratic programme on the simplex, by an active set.

    min_p  p^T G p - 2 h^T p + c^T p,    p >= 0,  sum p = 1,    G = Phi H Phi^T,  h = Phi b

for a loss q . H q / 2 - b . q of the outputs q = Phi^T p; diag(omega) and omega y for the square loss.

On the free set S the minimiser solves [2 G_SS, 1; 1^T, 0] (p, -mu) = (2 h - c, 1); a weight that would leave the
simplex is fixed at 0, and a fixed one with the most negative multiplier is freed (Lawson and Hanson's scheme for
least squares, with the equality kept). Atoms that coincide make G singular: the least-norm step is taken.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..objective.losses.hessian import Hessian


def simplex_weights(
    model: tuple[Hessian, Array], values: Array, costs: Array, start: Array, most_steps: int = 500
) -> Array:
    """The minimising weights of atoms with features `values` (K, M) and linear costs (K,), from feasible `start`.

    Args:
        model: H and b, see `Loss.model`.

    Raises:
        ValueError: if `start` is no law.
    """
    if not (np.all(start >= 0.0) and abs(start.sum() - 1.0) <= 1e-9):
        raise ValueError("start is not a law on the atoms; write weights >= 0 that sum to 1")
    hessian, pull = model
    gram = (values @ hessian) @ values.T
    linear = values @ pull - 0.5 * costs
    # below this a multiplier is rounding
    slack = 1e-15 * (1.0 + float(np.abs(gram).max()) + float(np.abs(linear).max()))
    weights = start / start.sum()
    free: NDArray[np.bool_] = weights > 0.0
    for _ in range(most_steps):
        target = np.zeros_like(weights)
        target[free] = _on_free_set(gram, linear, weights, free)
        if target.min() < 0.0:
            shrinking = target < 0.0
            fractions = weights[shrinking] / (weights[shrinking] - target[shrinking])
            weights = weights + fractions.min() * (target - weights)
            blocked = np.flatnonzero(shrinking)[fractions <= fractions.min()]
            weights[blocked] = 0.0
            weights = np.maximum(weights, 0.0)
            free = free.copy()
            free[blocked] = False
            continue
        weights = target
        potential = gram @ weights - linear
        excess = potential - weights @ potential
        entering = int(np.argmin(np.where(free, 0.0, excess)))
        if free[entering] or not (excess[entering] < -slack):
            break
        free = free.copy()
        free[entering] = True
    # where the model is flat to rounding it has no minimiser to tell
    weights = weights if np.isfinite(weights).all() and weights.sum() > 0.0 else start
    return np.asarray(weights / weights.sum())


def _on_free_set(gram: Array, linear: Array, weights: Array, free: NDArray[np.bool_]) -> Array:
    """The minimiser on the free set, as a correction of the weights: exact where they are already."""
    count = int(free.sum())
    system = np.zeros((count + 1, count + 1))
    system[:count, :count] = gram[np.ix_(free, free)]
    scale = max(float(np.abs(system).max()), 1e-300)
    system[:count, count] = system[count, :count] = scale
    residual = (linear - gram @ weights)[free]
    right = np.append(residual, scale * (1.0 - weights[free].sum()))
    step = np.linalg.lstsq(system, right, rcond=1e-14)[0]
    return np.asarray(weights[free] + step[:count])
