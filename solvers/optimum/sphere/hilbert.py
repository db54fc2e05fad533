"""The margin in the reproducing kernel Hilbert space of homogeneous units: the nearest point of a polytope.

gamma_2 = max over |f|_H <= 1 of min_p y_p f(X_p) = min over q in the simplex of |sum_p q_p y_p K(X_p, .)|_H, a least
squares problem with q >= 0 whose row of ones only scales the answer: min |F q|^2 + (q.1 - 1)^2, F'F = (y K y'). Any q
bounds gamma_2 from above, and f = sum_p q_p y_p K(X_p, .) of norm 1 reaches a margin that bounds it from below.
(B. E. Boser, I. M. Guyon, V. N. Vapnik, COLT 1992; nnls: Lawson, Hanson, Solving Least Squares Problems, 1974.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import optimize

from ...arrays import Array

NOTHING = 1e-7
"""A margin, over the norm of the largest sample, that is rounding: its square is that of the kernel."""
STEPS = 30
"""Steps of nnls, over the number of samples."""


class KernelMargin(NamedTuple):
    """The largest margin of a function of norm 1.

    Attributes:
        lower: what the function reaches; 0 where that is not more than rounding.
        upper: no function reaches more.
        weights: c of f = sum_p c_p K(X_p, .), of norm 1, shape (P,); 0 where nothing is reached.
    """

    lower: float
    upper: float
    weights: Array


def kernel_margin(kernel: Array, classes: Array) -> KernelMargin:
    """gamma_2 for K at the samples, shape (P, P), and y_p = +-1."""
    size = float(np.sqrt(np.diag(kernel).max()))
    gram = kernel * np.outer(classes, classes) / size**2
    values, axes = np.linalg.eigh(gram)
    factor = np.sqrt(np.maximum(values, 0.0))[:, None] * axes.T
    rows = np.vstack([factor, np.ones(len(classes))])
    q = optimize.nnls(rows, np.append(np.zeros(len(classes)), 1.0), maxiter=STEPS * len(classes))[0]
    q /= q.sum()
    norm = float(np.sqrt(max(q @ gram @ q, 0.0)))
    reached = float((gram @ q).min()) / max(norm, 1e-300)
    if not (reached > NOTHING):
        return KernelMargin(0.0, size * norm, np.zeros(len(classes)))
    return KernelMargin(size * reached, size * norm, classes * q / (norm * size))
