"""The least risk over the coefficients of given units, where the target is a sum of such units itself; exact.

With G the kernel E sigma(u_i) sigma(u_j) of the features and the target's neurons, and f* = sum_k c_k sigma(u_k),
min over a of E (f* - sum_i a_i sigma(u_i))^2 is what is left of f* beside the features in the order of a factorisation
of G: one factorisation tells it for the first n features at every n.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..activations.activation import Activation
from ..arrays import Array
from .gradient import Pairs

DEPENDENT = 1e-14
"""What is left of a feature beside those before it, over its second moment, that is rounding."""


def least_risks(unit: Activation, features: Array, teachers: Array, weights: Array, counts: Sequence[int]) -> Array:
    """The risk of the best combination of the first n features, for every n of `counts`, for x ~ N(0, Id).

    Args:
        unit: sigma, without offset; homogeneous ones have the same risk on the sphere of radius sqrt(d).
        features, teachers: w, shapes (N, d) and (K, d).
        weights: c, shape (K,).
    """
    rows = np.vstack([features, teachers])
    kernel, count = Pairs.of(unit, rows, np.zeros(len(rows))).moments(0, 0), len(features)
    left = np.empty((count, count + 1))
    left[:, :count] = kernel[:count, :count]
    left[:, count] = kernel[:count, count:] @ weights
    size = float(weights @ kernel[count:, count:] @ weights)
    sizes, found = np.diag(kernel)[:count].copy(), [size]
    for place in range(count):
        pivot = left[place, place]
        row = np.zeros(count + 1)
        if pivot > DEPENDENT * sizes[place]:
            row[place:] = left[place, place:] / np.sqrt(pivot)
            left[place + 1 :, place + 1 :] -= np.outer(row[place + 1 : count], row[place + 1 :])
        found.append(found[-1] - row[count] ** 2)
    return np.array([found[n] for n in counts])
