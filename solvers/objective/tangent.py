"""The kernel limit of an objective with the square loss: the flow of its outputs with the kernel of the start.

    F' = -K Omega (F - y),    K = ∫ sum_i m_i d_i Phi d_i Phi^T drho_0,    i over the coordinates that move

(docs/mathematics.md, section 7). With e = Omega^1/2 (y - F) and A = Omega^1/2 K Omega^1/2, e(s) = exp(-A s) e(0):

    R_K(s) = c + sum_k (v_k . e(0))^2 exp(-2 lambda_k s).

Rounding moves eigenvalues by eps lambda_1, and so R_K(s) by no more than about eps (1 + lambda_1 s) R_K(0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from ..arrays import Array
from ..space.measure import Atoms
from .losses.square import SquareLoss
from .objective import FeatureMap

ROUNDING = 1e-15
"""Share of the largest eigenvalue below which the direction of an eigenvector is not told."""
NOISE = 1e-13
"""Eigenvalues below this share of the largest are not told from 0: those of smooth kernels fall into rounding."""
CHUNK = 4_000_000
"""Entries of gradients that are formed at once."""


@dataclass(frozen=True)
class TangentFlow:
    """The decomposition of R_K.

    Attributes:
        eigenvalues: of A, descending, shape (M,).
        shares: (v_k . e(0))^2, shape (M,).
        constant: c.
    """

    eigenvalues: Array
    shares: Array
    constant: float

    def risk(self, times: Sequence[float] | Array) -> Array:
        """R_K at flow times."""
        decay = np.exp(np.maximum(-2.0 * np.outer(np.asarray(times, dtype=float), self.eigenvalues), -700.0))
        return np.asarray(self.constant + decay @ self.shares)

    @property
    def resolved(self) -> int:
        """Number of eigenvalues above `NOISE` of the largest."""
        return int((self.eigenvalues > NOISE * self.eigenvalues.max(initial=0.0)).sum())

    @property
    def last(self) -> float:
        """R_K at infinity, by the eigenvalues that are resolved: what lies off them is never learned."""
        return self.constant + float(self.shares[self.resolved :].sum())

    @property
    def last_of_all(self) -> float:
        """The same by all eigenvalues that are not 0 in floating point."""
        return self.constant + float(self.shares[self.eigenvalues <= 0.0].sum())


@dataclass(frozen=True)
class TangentRegression:
    """What is learned of outputs at samples, and said at other inputs, with the kernel K of the start.

    With e = sum_k e_k v_k, the eigenvectors of A, and a filter q: f = K(., X) Omega^1/2 sum_k q(lambda_k) e_k v_k. The
    filter of the least (norm and) mean square error is 1 / (lambda_k + ridge), that of the flow at flow time s is
    (1 - exp(-lambda_k s)) / lambda_k; none says anything along eigenvalues that are not told from 0.

    Attributes:
        eigenvalues: of A, descending, those that are told from 0, shape (k,).
        vectors: v_k, shape (M, k).
        error: e(0), shape (M,).
        weights: omega, shape (M,).
        cross: K between other inputs and the samples, shape (n, M).
    """

    eigenvalues: Array
    vectors: Array
    error: Array
    weights: Array
    cross: Array

    @classmethod
    def of(cls, kernel: Array, weights: Array, targets: Array) -> TangentRegression:
        """From K between the samples, then other inputs, and the samples, shape (M + n, M)."""
        root, count = np.sqrt(weights), len(weights)
        values, vectors = linalg.eigh(root[:, None] * kernel[:count] * root, driver="evd")
        told = values > NOISE * values.max(initial=0.0)
        return cls(values[told][::-1], vectors[:, told][:, ::-1], root * targets, weights, kernel[count:])

    def ridge(self, strength: float) -> tuple[Array, Array, float]:
        """Outputs at the samples and at other inputs, and |f|_H, of least sum omega (y - f)^2 + strength |f|_H^2."""
        return self._filtered(1.0 / (self.eigenvalues + strength))

    def flow(self, time: float) -> tuple[Array, Array, float]:
        """The same of the flow at a flow time."""
        return self._filtered(-np.expm1(-np.minimum(self.eigenvalues * time, 700.0)) / self.eigenvalues)

    def _filtered(self, factors: Array) -> tuple[Array, Array, float]:
        along = factors * (self.vectors.T @ self.error)
        root = np.sqrt(self.weights)
        own = self.vectors @ (self.eigenvalues * along) / root
        norm = float(np.sqrt(self.eigenvalues @ along**2))
        return np.asarray(own), np.asarray(self.cross @ (root * (self.vectors @ along))), norm


def kernel_flow(loss: SquareLoss, kernel: Array) -> TangentFlow:
    """R_K from F(0) = 0 and K itself, shape (M, M)."""
    root = np.sqrt(loss.weights)
    values, vectors = linalg.eigh(root[:, None] * kernel * root, driver="evd")
    shares = (vectors.T @ (root * loss.targets)) ** 2
    return TangentFlow(np.maximum(values[::-1], 0.0), shares[::-1], loss.constant)


def tangent_flow(loss: SquareLoss, outputs: Array, factor: Array) -> TangentFlow:
    """R_K from outputs F(0), shape (M,), and a factor of K = factor^T factor, shape (n, M).

    The eigenvalues are found from its smaller side.
    """
    rows = factor * np.sqrt(loss.weights)
    error = np.sqrt(loss.weights) * (loss.targets - outputs)
    wide = len(rows) < len(error)
    eigenvalues, vectors = linalg.eigh(rows @ rows.T if wide else rows.T @ rows, overwrite_a=True, driver="evd")
    eigenvalues = np.maximum(eigenvalues[::-1], 0.0)
    if not wide:
        return TangentFlow(eigenvalues, ((vectors.T @ error) ** 2)[::-1], loss.constant)
    # directions of length 0 but for rounding are none
    held = eigenvalues > ROUNDING * eigenvalues.max(initial=0.0)
    along = (vectors[:, ::-1].T @ (rows @ error))[held] ** 2 / eigenvalues[held]
    shares = np.append(along, max(float(error @ error) - float(along.sum()), 0.0))
    return TangentFlow(np.append(eigenvalues[held], 0.0), shares, loss.constant)


def tangent_factor(features: FeatureMap, law: Atoms, rates: Array) -> Array:
    """sqrt(rates_i weights_n) d_i Phi(z_n), a row for each atom and coordinate that moves; rates of shape (D,)."""
    moving, step = np.flatnonzero(rates > 0.0), max(1, CHUNK // (features.rank * len(rates)))
    rows = []
    for first in range(0, len(law.weights), step):
        part = slice(first, first + step)
        gradients = features.values_and_gradients(law.points[part])[1]
        rows += [np.sqrt(rates[i] * law.weights[part])[:, None] * gradients[:, :, i] for i in moving]
    return np.vstack(rows)


@dataclass(frozen=True)
class TangentSquares:
    """Phi and sum_i rates_i (d_i Phi)^2 as features: where their means are resolved, so are F(0) and the kernel."""

    inner: FeatureMap
    rates: Array

    @property
    def dimension(self) -> int:
        return self.inner.dimension

    @property
    def rank(self) -> int:
        return 2 * self.inner.rank

    def values(self, points: Array) -> Array:
        values, gradients = self.inner.values_and_gradients(points)
        return np.hstack([values, gradients**2 @ self.rates])

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        raise NotImplementedError("no gradient is asked for")

    def outputs(self, points: Array, masses: Array) -> Array:
        return np.asarray(masses @ self.values(points))

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        raise NotImplementedError("no gradient is asked for")
