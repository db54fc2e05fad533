"""The blocked loop of SGD in NumPy, for activations that numba does not compile: steps of `kernels`, to rounding."""

from __future__ import annotations

import numpy as np

from ..activations.activation import Activation
from ..arrays import Array
from .kernels import LARGEST, Key, Steps, diffuse


def advance_interpreted(w: Array, steps: Steps, x: Array, y: Array, unit: Activation, key: Key, block: int) -> int:
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
        failed = _advance_block(w, steps, rates[done:stop], x[rows], y[rows], unit)
        if failed >= 0:
            return now + failed
        if steps.noise > 0.0:
            diffuse(w, steps.head, steps.gains, steps.noise * float(np.sqrt(rates[done])), now, key)
        done = stop
    return -1


def _advance_block(w: Array, steps: Steps, rates: Array, x: Array, y: Array, unit: Activation) -> int:
    """One block; the first of its steps that fails, else -1. Symbols as in `kernels`."""
    (a, b), gains, batch = steps.head, steps.gains, steps.batch
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
        errors = (y[rows] - output) * (rate / batch)
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
