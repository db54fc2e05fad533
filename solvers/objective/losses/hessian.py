"""Symmetric positive semi-definite matrices that may be diagonal: Hessians of losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import linalg

from ...arrays import Array


class Hessian(Protocol):
    """A matrix H of shape (M, M), applied by `H @ columns` and `rows @ H`."""

    @property
    def T(self) -> Hessian:
        """The transpose."""
        ...

    def __matmul__(self, columns: Array) -> Array: ...

    def __rmatmul__(self, rows: Array) -> Array: ...

    def dense(self) -> Array:
        """The matrix itself, shape (M, M)."""
        ...

    def squares(self, rows: Array) -> Array:
        """v . H v of every row v, from shape (..., M) to (...)."""
        ...

    def inverse(self) -> Hessian:
        """H^-1."""
        ...

    def root(self) -> Hessian:
        """S with S S^T = H."""
        ...


@dataclass(frozen=True)
class Diagonal:
    """diag(d), d of shape (M,)."""

    diagonal: Array

    __array_ufunc__ = None  # rows @ self is ours

    @property
    def T(self) -> Diagonal:
        return self

    def __matmul__(self, columns: Array) -> Array:
        return np.asarray(self.diagonal * columns if columns.ndim == 1 else self.diagonal[:, None] * columns)

    def __rmatmul__(self, rows: Array) -> Array:
        return np.asarray(rows * self.diagonal)

    def dense(self) -> Array:
        return np.diag(self.diagonal)

    def squares(self, rows: Array) -> Array:
        return np.asarray(rows**2 @ self.diagonal)

    def inverse(self) -> Diagonal:
        return Diagonal(1.0 / self.diagonal)

    def root(self) -> Diagonal:
        return Diagonal(np.sqrt(self.diagonal))


@dataclass(frozen=True)
class Dense:
    """A matrix without structure, shape (M, M)."""

    matrix: Array

    __array_ufunc__ = None  # rows @ self is ours

    @property
    def T(self) -> Dense:
        return Dense(self.matrix.T)

    def __matmul__(self, columns: Array) -> Array:
        return np.asarray(self.matrix @ columns)

    def __rmatmul__(self, rows: Array) -> Array:
        return np.asarray(rows @ self.matrix)

    def dense(self) -> Array:
        return self.matrix

    def squares(self, rows: Array) -> Array:
        return np.asarray(((rows @ self.matrix) * rows).sum(axis=-1))

    def inverse(self) -> Dense:
        return Dense(np.asarray(linalg.inv(self.matrix)))

    def root(self) -> Dense:
        eigenvalues, vectors = linalg.eigh(self.matrix)
        return Dense(vectors * np.sqrt(np.maximum(eigenvalues, 0.0)))
