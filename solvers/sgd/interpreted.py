"""The blocked loop of SGD in NumPy, for activations that numba does not compile: steps of `kernels`, to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..activations.activation import Activation
from ..arrays import Array
from .kernels import LARGEST, diffuse


def advance_interpreted(
    w: Array,
    head: tuple[Array, Array],
    trained: tuple[bool, bool],
    first: int,
    rates: Array,
    ridge: float,
    noise: float,
    batch: int,
    x: Array,
    y: Array,
    unit: Activation,
    key: tuple[Any, Any],
    block: int,
) -> int:
    """Make len(rates) steps on the samples x, shape (len(rates) * batch, d), and y, in place.

    Blocks of `block` steps end at its multiples from step 0; with noise there is one step in each.

    Args:
        w: shape (N, d), any layout; contiguous where there is noise.

    Returns:
        the first step whose output is not finite or above 1e150, else -1.
    """
    done = 0
    while done < rates.size:
        stop = min(done + block - (first + done) % block, rates.size)
        rows = slice(done * batch, stop * batch)
        failed = _advance_block(w, head, trained, rates[done:stop], ridge, batch, x[rows], y[rows], unit)
        if failed >= 0:
            return first + done + failed
        if noise > 0.0:
            diffuse(w, head, trained, noise * float(np.sqrt(rates[done])), first + done, key)
        done = stop
    return -1


def _advance_block(
    w: Array,
    head: tuple[Array, Array],
    trained: tuple[bool, bool],
    rates: Array,
    ridge: float,
    batch: int,
    x: Array,
    y: Array,
    unit: Activation,
) -> int:
    """One block; the first of its steps that fails, else -1. Symbols as in `kernels`."""
    a, b = head
    s, gram, c = x @ w.T, x @ x.T, np.zeros((len(x), len(w)), w.dtype)
    product = 1.0
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
        shrink = 1.0 - rate * ridge
        product *= shrink
        c[rows] = errors[:, None] / product * a * slope
        if trained[1]:
            b[:] = shrink * b + a * (errors @ slope)
        if trained[0]:
            a[:] = shrink * a + errors @ value
    w *= product
    w += product * (c.T @ x)
    return -1
