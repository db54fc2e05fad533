"""The spherical 3-spin: f(x) = (1/d) sum A_pqr x_p x_q x_r on S^(d-1)(sqrt d), by its harmonics of degree 3 and 1.

With S the symmetrised A, t_p = sum_q S_pqq its trace and v = 3 t / (d + 2), S0 = S - sym(v x Id) has no trace, so that
on |x|^2 = d

    f = f_3 + f_1,   f_3(sqrt(d) e) = sqrt(d) S0(e, e, e),   f_1(sqrt(d) e) = sqrt(d) <v, e>,
    E f^2 = 6 |S0|^2 / ((d + 2)(d + 4)) + |v|^2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

import numba
import numpy as np

from ..arrays import Array
from .polynomials import harmonics


@dataclass(frozen=True, eq=False)
class SpinTarget:
    """f, a target of `harmonics.targets`.

    Attributes:
        tensor: A, shape (d, d, d).
    """

    tensor: Array

    @property
    def dimension(self) -> int:
        return len(self.tensor)

    @cached_property
    def symmetric(self) -> Array:
        """S."""
        turned = [self.tensor.transpose(order) for order in permutations(range(3))]
        return np.ascontiguousarray(np.asarray(sum(turned)) / 6.0)

    @cached_property
    def vector(self) -> Array:
        """v."""
        return np.asarray(3.0 * np.einsum("pqq->p", self.symmetric) / (self.dimension + 2.0))

    @cached_property
    def traceless(self) -> Array:
        """S0."""
        sides = np.multiply.outer(self.vector, np.eye(self.dimension))
        return np.asarray(self.symmetric - (sides + sides.transpose(1, 0, 2) + sides.transpose(1, 2, 0)) / 3.0)

    @property
    def second_moment(self) -> float:
        d = self.dimension
        return float(6.0 * (self.traceless**2).sum() / ((d + 2.0) * (d + 4.0)) + self.vector @ self.vector)

    def values(self, x: Array) -> Array:
        """f, shape (n,), at x of shape (n, d): no value hangs on the rows beside it."""
        found = np.empty(len(x))
        _fill(np.ascontiguousarray(x), self.symmetric, found)
        return found / self.dimension

    @cached_property
    def _scale(self) -> float:
        """sqrt(d / N_3)."""
        return math.sqrt(self.dimension / harmonics(self.dimension, 3))

    def _bent(self, directions: Array) -> Array:
        """S0(e, e, .), shape (n, d)."""
        d = self.dimension
        once = (directions @ self.traceless.reshape(d, d * d)).reshape(len(directions), d, d)
        return np.asarray(np.einsum("nqr,nq->nr", once, directions))

    def parts(self, directions: Array, count: int) -> Array:
        found = np.zeros((len(directions), count))
        found[:, 1] = directions @ self.vector
        found[:, 3] = self._scale * np.einsum("nd,nd->n", self._bent(directions), directions)
        return found

    def unseen(self, count: int) -> float:
        return 0.0 if count > 3 else math.sqrt(self.second_moment)

    def slopes(self, directions: Array, coefficients: Array) -> Array:
        slopes = 3.0 * self._scale * coefficients[:, 3:4] * self._bent(directions)
        slopes = slopes + coefficients[:, 1:2] * self.vector
        return np.asarray(slopes - np.einsum("nd,nd->n", slopes, directions)[:, None] * directions)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fill(x: Array, symmetric: Array, out: Array) -> None:
    """sum_pqr S_pqr x_p x_q x_r."""
    d = x.shape[1]
    for n in range(len(x)):
        total = 0.0
        for p in range(d):
            for q in range(p + 1):
                inner = 0.0
                for r in range(q + 1):
                    # 6 orders of three places, 3 of two, 1 of one
                    share = 6.0 if r < q < p else (1.0 if r == p else 3.0)
                    inner += share * symmetric[p, q, r] * x[n, r]
                total += inner * x[n, p] * x[n, q]
        out[n] = total
