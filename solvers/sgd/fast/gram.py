"""SGD in the coordinates that N neurons span, where they are fewer than those of x: O(N^2) a step for any d.

The law of a trajectory depends on the weights only through their inner products on every isotropic block. Of a block
of p coordinates with p >= N + B, where B samples are drawn at a time, the state keeps L, N x N, with L L^T = W W^T.
In an orthonormal basis that begins with N vectors whose span holds the rows of W, the next B samples are

    x_k = s_k (z_k, t_k),     z_k ~ N(0, Id_N),    the rest t_k in R^{p - N}, with T T^T ~ Wishart(p - N, Id_B),

T lower triangular: T_kk = chi(p - N - k), k = 0 .. B - 1, and normals below (Bartlett 1933; Muirhead, Aspects of
Multivariate Statistical Theory, Theorem 3.2.14). The steps are those of `kernels` in N + B coordinates. Then
W' = (L P + C^T Z, C^T T) (P, C as there) is turned back to N coordinates by W'^T = Q R, L' = R^T. This is exact in law,
not path by path: a block of samples is another draw where it begins at another step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.special import gammaincinv

from ...activations.activation import Compiled
from ...arrays import Array
from ..blas import DGEMM, SGEMM
from ..kernels import Key, Steps, advance_samples
from ..philox import FIRST_LENGTHS, REST, REST_LENGTHS, fill_normals, fill_uniforms
from ..samplers import GaussianBlocks, direction_normals


@dataclass(frozen=True)
class GramCoordinates:
    """Which blocks of coordinates are reduced, and where they lie.

    Attributes:
        data: the data law.
        neurons, rows: N, and B samples drawn at a time.
    """

    data: GaussianBlocks
    neurons: int
    rows: int

    @property
    def reduced(self) -> tuple[bool, ...]:
        """Whether a block is held in N coordinates, that is p_j >= N + B; the others keep their own."""
        return tuple(p >= self.neurons + self.rows for p in self.data.dimensions)

    @property
    def held(self) -> GaussianBlocks:
        """The data law in the coordinates of the state: N in a reduced block, p_j in another."""
        pairs = zip(self.data.dimensions, self.reduced, strict=True)
        return self.data.with_dimensions(tuple(self.neurons if less else p for p, less in pairs))

    @property
    def places(self) -> list[tuple[int, int, int]]:
        """(j, its first coordinate in the state, first of the B coordinates outside) of every reduced block."""
        starts = np.concatenate(([0], np.cumsum(self.held.dimensions)))
        blocks = [j for j, less in enumerate(self.reduced) if less]
        return [(j, int(starts[j]), int(starts[-1]) + i * self.rows) for i, j in enumerate(blocks)]

    def embed(self, radii: Array, seed: int, replica: int) -> Array:
        """Weights of the state, shape (N, held d), with |w_j| = radii[:, j] and uniform directions in R^{p_j}.

        In a reduced block these are the rows of Bartlett's factor of N normal vectors, brought to their lengths.
        """
        w = direction_normals(self.neurons, self.held.dimension, seed, replica)
        for j, start, _ in self.places:
            uniforms = np.empty(self.neurons)
            fill_uniforms(uniforms, j, FIRST_LENGTHS, 0, np.uint64(seed), np.uint64(replica))
            part = w[:, start : start + self.neurons]
            part[:] = np.tril(part, -1)
            np.fill_diagonal(part, chi(uniforms, self.data.dimensions[j] - np.arange(self.neurons)))
        self.held.scale(w, radii)
        return w


def chi(uniforms: Array, freedom: NDArray[np.int64]) -> Array:
    """Chi variates with these degrees of freedom, by the inverse of their distribution function."""
    return np.asarray(np.sqrt(2.0 * gammaincinv(0.5 * freedom, uniforms)))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fill_rest(x: Array, y: Array, column: int, lengths: Array, scales: Array, place: int, step: int, key: Key) -> None:
    """Fill x[:, column : column + rows] with the rows of s_y T, lower triangular.

    Args:
        lengths: the diagonal of T.
        scales: s_y of the block, that of y = 1 first.
        place: number of the block, which names its counters.
        step: the first sample.
    """
    for r in range(x.shape[0]):
        fill_normals(x[r, column : column + r], place << 20, REST, step + r, key[0], key[1])
        x[r, column + r] = lengths[r]
        for i in range(column, column + r + 1):
            x[r, i] *= scales[0 if y[r] > 0.0 else 1]


class GramBlocks:
    """The loop over blocks of samples: draw, step, turn back.

    Args:
        coordinates: N, B and the data law.
        w: weights of the state, transposed to shape (held d, N), float64 or float32, which is what steps are made in.
        key: (seed, replica).
    """

    def __init__(self, coordinates: GramCoordinates, w: Array, key: Key) -> None:
        self.coordinates = coordinates
        self.key = key
        self.held, outside = len(w), coordinates.rows * len(coordinates.places)
        self.w = np.zeros((self.held + outside, coordinates.neurons), w.dtype)
        self.w[: self.held] = w
        self._x, self._y = np.zeros((coordinates.rows, len(self.w)), w.dtype), np.empty(coordinates.rows)
        self._law = coordinates.held
        neurons = coordinates.neurons if coordinates.places else 0
        self._tall = np.empty((neurons + coordinates.rows, neurons), w.dtype, order="F")
        double = w.dtype == np.float64
        self._gemm, self._factorise = (DGEMM, lapack.dgeqrf) if double else (SGEMM, lapack.sgeqrf)
        self._room = int(lapack.dgeqrf_lwork(*self._tall.shape)[0]) if neurons else 0

    def samples(self, first: int, count: int) -> tuple[Array, Array]:
        """The samples first <= n < first + count, at most B, in the coordinates of the state and those outside."""
        x, y, data = self._x[:count], self._y[:count], self.coordinates.data
        self._law.fill(x, y, first, self.coordinates.rows, self.key)
        uniforms = np.empty(count)
        for j, _, outside in self.coordinates.places:
            fill_uniforms(uniforms, j, REST_LENGTHS, first, *self.key)
            lengths = chi(uniforms, data.dimensions[j] - self.coordinates.neurons - np.arange(count))
            fill_rest(x, y, outside, lengths, np.array(data.scales[j]), j, first, self.key)
        return x, y

    def turn_back(self) -> None:
        """Bring the weights of every reduced block from N + B coordinates to N, their inner products kept."""
        neurons, rows = self.coordinates.neurons, self.coordinates.rows
        for _, start, outside in self.coordinates.places:
            self._tall[:neurons] = self.w[start : start + neurons]
            self._tall[neurons:] = self.w[outside : outside + rows]
            factor = self._factorise(self._tall, lwork=self._room, overwrite_a=1)[0]
            self.w[start : start + neurons] = np.triu(factor[:neurons])
            self.w[outside : outside + rows] = 0.0

    def advance(self, steps: Steps, unit: Compiled, blocks: tuple[int, int]) -> int:
        """Make steps in place; the one that fails, else -1, as `advance_samples`."""
        first, batch = steps.first, steps.batch
        for begin, stop in _pieces(first, first + len(steps.rates), blocks[0]):
            x, y = self.samples(begin * batch, (stop - begin) * batch)
            piece = steps._replace(first=begin, rates=steps.rates[begin - first : stop - first])
            failed = advance_samples(self._gemm, self.w, piece, x, y, self.held, unit, 0.0, blocks)
            if failed >= 0:
                return int(failed)
            self.turn_back()
        return -1


def _pieces(first: int, stop: int, block: int) -> Iterator[tuple[int, int]]:
    """The blocks from `first` to `stop`, which end at multiples of `block`."""
    while first < stop:
        end = min(stop, (first // block + 1) * block)
        yield first, end
        first = end
