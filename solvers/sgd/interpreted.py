"""The blocked loop of SGD in NumPy, for activations that numba does not compile: steps of `kernels`, to rounding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..activations.activation import Activation
from ..arrays import Array
from .kernels import LARGEST, Key, Steps, diffuse

ROWS = 512
"""Samples of a whole set that are held against all neurons at once."""
Slope = Callable[[Array, Array], Array]
"""l' of (f, y)."""


def square_slope(f: Array, y: Array) -> Array:
    """f - y."""
    return f - y


def advance_interpreted(
    w: Array, steps: Steps, x: Array, y: Array, unit: Activation, key: Key, block: int, slope: Slope = square_slope
) -> int:
    """Make len(rates) steps on the samples x, shape (len(rates) * batch, d), and y, in place.

    Blocks of `block` steps end at its multiples from step 0; with noise there is one step in each.

    Args:
        w: shape (N, d), any layout; contiguous where there is noise.

    Returns:
        the first step whose output is not finite or above 1e150, else -1.
    """
    rates, done = steps.rates, 0
    while done < rates.size:
        now = steps.first + done
        stop = min(done + block - now % block, rates.size)
        rows = slice(done * steps.batch, stop * steps.batch)
        factors = steps.factors[rows] if len(steps.factors) else np.ones(len(y[rows]))
        failed = _advance_block(w, steps, rates[done:stop], x[rows], (y[rows], factors), unit, slope)
        if failed >= 0:
            return now + failed
        if steps.noise > 0.0:
            diffuse(w, steps.head, steps.gains, steps.noise * float(np.sqrt(rates[done])), now, key)
        done = stop
    return -1


def _advance_block(
    w: Array, steps: Steps, rates: Array, x: Array, targets: tuple[Array, Array], unit: Activation, loss_slope: Slope
) -> int:
    """One block; the first of its steps that fails, else -1. Symbols as in `kernels`."""
    (a, b), gains, batch, (y, factors) = steps.head, steps.gains, steps.batch, targets
    s, gram, c = x @ w.T, x @ x.T, np.zeros((len(x), len(w)), w.dtype)
    product, (power, strength, path) = 1.0, steps.costs
    lengths, sizes = np.zeros(len(a)), np.abs(a)
    if path > 0.0:
        lengths = np.linalg.norm(w, axis=1)
    for k, rate in enumerate(rates.tolist()):
        before, rows = k * batch, slice(k * batch, (k + 1) * batch)
        u = product * (s[rows] + gram[rows, :before] @ c[:before]) + b
        if not np.all(np.abs(u) <= LARGEST):
            return k
        value, slope = unit.value(u), unit.slope(u)
        output = value @ a / len(a)
        if not np.all(np.abs(output) <= LARGEST):
            return k
        errors = -loss_slope(output, y[rows]) * factors[rows] * (rate / batch)
        product *= 1.0 - gains[0] * rate * steps.decay[0]
        c[rows] = gains[0] * errors[:, None] / product * a * slope
        if gains[2] > 0.0:
            b[:] = (1.0 - gains[2] * rate * steps.decay[2]) * b + a * (gains[2] * errors @ slope)
        if gains[1] > 0.0:
            pull = np.sign(a) * (strength * np.abs(a) ** (power - 1.0) + path * lengths)
            a[:] = (1.0 - gains[1] * rate * steps.decay[1]) * a + gains[1] * (errors @ value - rate * pull)
    w *= product
    if path > 0.0:
        # alone in its block
        shrinking = np.divide(path * sizes, lengths, out=np.zeros_like(lengths), where=lengths > 0.0)
        w -= gains[0] * float(rates[0]) * (shrinking / product)[:, None] * w
    w += product * (c.T @ x)
    return -1


def advance_whole(
    w: Array, steps: Steps, samples: tuple[Array, Array, Array], unit: Activation, key: Key, slope: Slope
) -> int:
    """Steps on all samples x, y at once, with weights that sum to 1, in place; the first that fails, else -1."""
    (a, b), gains, (x, y, weights), (power, strength, path) = steps.head, steps.gains, samples, steps.costs
    parts = [slice(first, first + ROWS) for first in range(0, len(x), ROWS)]
    for k, rate in enumerate(steps.rates.tolist()):
        moved, a_moved, b_moved = np.zeros_like(w), np.zeros(len(a)), np.zeros(len(b))
        for part in parts:
            u = x[part] @ w.T + b
            value, gate = unit.value(u), unit.slope(u)
            output = value @ a / len(a)
            if not np.all(np.abs(output) <= LARGEST):
                return steps.first + k
            errors = -slope(output, y[part]) * weights[part]
            moved += (gate * errors[:, None]).T @ x[part]
            a_moved += errors @ value
            b_moved += errors @ gate
        lengths = np.linalg.norm(w, axis=1) if path > 0.0 else np.zeros(len(a))
        inverse = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0.0)
        pull = np.sign(a) * (strength * np.abs(a) ** (power - 1.0) + path * lengths)
        w_shrunk = (steps.decay[0] + path * np.abs(a) * inverse)[:, None] * w
        w_step, a_step, b_step = a[:, None] * moved - w_shrunk, a_moved - steps.decay[1] * a - pull, a * b_moved
        w += gains[0] * rate * w_step
        b += gains[2] * rate * (b_step - steps.decay[2] * b)
        a += gains[1] * rate * a_step
        if steps.noise > 0.0:
            diffuse(w, steps.head, gains, steps.noise * float(np.sqrt(rate)), steps.first + k, key)
    return -1
