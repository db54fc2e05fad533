"""Gradient of the population risk of a finite network on Gaussian classes, exact.

With u_i = <w_i, x> + b_i, x ~ N(0, S^2) in each class, (u_i, u_j) is a Gaussian pair of deviations tau_i, tau_j and
correlation rho, and everything is made of the moments E[sigma^(p)(u_i) sigma^(q)(u_j)]:

    R_N = E y^2 - (2/N) sum_i a_i E[y sigma(u_i)] + (1/N^2) sum_ij a_i a_j E[sigma(u_i) sigma(u_j)],
    E[x sigma'(u_i) sigma(u_j)] = S^2 (E[sigma'(u_i) sigma'(u_j)] w_j + E[sigma''(u_i) sigma(u_j)] w_i)   (Stein).

Along w_i that is E[X sigma'(u_i) sigma(u_j)] and across it E[sigma'(u_i) sigma'(u_j)] times what w_j has there, which
is how the pull of neurons that are nearly parallel is summed: of steep units the parts above are large and cancel.
Where |rho| is at most SERIES_LIMIT a moment is the sum over k of h_k^(p)(i) h_k^(q)(j) rho^k, h_k^(p) = E[sigma^(p)(u)
He_k(G)] / sqrt(k!); beyond, and on the diagonal, the activation's own way without expansion is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np
from numpy.typing import NDArray

from ..activations.activation import Activation
from ..arrays import Array
from ..sgd.samplers import GaussianClasses
from .population import Measured
from .risk import CHUNK, CLOSE, apart, gaps, network_risk

SERIES_LIMIT, TERMS = 0.7, 100
"""The largest correlation that the series is taken for, and its terms: the next ones are below its power, 3e-16."""
ROUNDING = 1e-15
"""Where all correlations are smaller the series ends at terms below it."""


@dataclass(frozen=True)
class GaussianPopulation:
    """Exact risk and gradient over Gaussian classes.

    Attributes:
        data: the Gaussian classes.
        unit: sigma.
    """

    data: GaussianClasses
    unit: Activation

    def risk(self, w: Array, a: Array, b: Array) -> float:
        return network_risk(self.data, self.unit, w, a, b)

    def measure(self, w: Array, a: Array, b: Array) -> Measured:
        return Measured(self.risk(w, a, b), 0.0)

    def unit_squares(self, points: Array, b: Array) -> Array:
        total = np.zeros(len(points))
        for scales in np.array(self.data.scales).T:
            total += 0.5 * self.unit.second_moments(np.sqrt((points**2) @ scales**2), b)
        return total

    def gradient(
        self, w: Array, a: Array, b: Array, trained_coefficients: bool = False, trained_offsets: bool = False
    ) -> tuple[Array, Array, Array]:
        gw, ga, gb = np.zeros_like(w), np.zeros_like(a), np.zeros_like(b)
        share = a / len(a)
        for label, scales in zip((1.0, -1.0), self.data.coordinate_scales, strict=True):
            scaled = w * scales
            pairs = Pairs.of(self.unit, scaled, b)
            pulled = pairs.pull(share) - label * pairs.mean(2)[:, None] * scaled
            gw += 0.5 * a[:, None] * pulled * scales
            if trained_coefficients:
                ga += 0.5 * (pairs.moments(0, 0) @ share - label * pairs.mean(0))
            if trained_offsets:
                gb += 0.5 * a * (pairs.moments(1, 0) @ share - label * pairs.mean(1))
        return gw, ga, gb


@dataclass(frozen=True)
class Pairs:
    """The pairs of neurons on Gaussian x, of one class.

    Attributes:
        unit: sigma.
        scaled: weights S w, shape (N, d).
        deviations: tau, shape (N,).
        offsets: b, shape (N,).
        correlations: rho, shape (N, N), 1 on the diagonal.
        near: rows and columns of the pairs too strongly correlated for the series, the diagonal among them.
    """

    unit: Activation
    scaled: Array
    deviations: Array
    offsets: Array
    correlations: Array
    near: tuple[NDArray[np.int64], NDArray[np.int64]]

    @classmethod
    def of(cls, unit: Activation, scaled: Array, offsets: Array) -> Pairs:
        """Pairs of neurons with weights S w, shape (N, d), and offsets b."""
        products = scaled @ scaled.T
        deviations = np.maximum(np.sqrt(np.diag(products)), 1e-150)
        correlations = np.clip(products / deviations / deviations[:, None], -1.0, 1.0)
        np.fill_diagonal(correlations, 1.0)
        rows, columns = np.nonzero(np.abs(correlations) > SERIES_LIMIT)
        return cls(unit, scaled, deviations, offsets, correlations, (rows, columns))

    def pull(self, share: Array) -> Array:
        """sum_j share_j (E[sigma''(u_i) sigma(u_j)] S w_i + E[sigma'(u_i) sigma'(u_j)] S w_j), shape (N, d)."""
        bent, risen = self.moments(2, 0), self.moments(1, 1)
        rows, columns = (part[self._close] for part in self.near)
        bent[rows, columns] = risen[rows, columns] = 0.0
        found, along = (risen * share) @ self.scaled, bent @ share * self.deviations
        tau, b = self.deviations, self.offsets
        for part in np.array_split(np.arange(rows.size), 1 + rows.size * self.scaled.shape[1] // CHUNK):
            i, j, rho = rows[part], columns[part], self.correlations[rows[part], columns[part]]
            gap, others = np.zeros(i.size), np.flatnonzero(i != j)
            chord = apart(self.scaled, tau, i[others], j[others], rho[others])
            gap[others] = 0.5 * np.einsum("nd,nd->n", chord, chord)
            pair = (tau[i], tau[j]), (b[i], b[j]), rho, gap
            across = self.unit.pair_moments(1, 1, *pair) * tau[j] * share[j]
            pulls = self.unit.tilted_moments(*pair) * share[j] + across * np.copysign(gap, rho)
            along += np.bincount(i, pulls, len(along))
            np.add.at(found, i[others], across[others, None] * chord)
        found += (along / tau)[:, None] * self.scaled
        return np.asarray(found)

    @cached_property
    def _close(self) -> NDArray[np.bool_]:
        """Which of the pairs that are near are nearly parallel."""
        return np.asarray(1.0 - np.abs(self.correlations[self.near]) < CLOSE)

    def mean(self, order: int) -> Array:
        """E sigma^(order)(u_i), shape (N,)."""
        return np.asarray(self._coefficients(order)[0])

    def moments(self, p: int, q: int) -> Array:
        """E[sigma^(p)(u_i) sigma^(q)(u_j)], shape (N, N)."""
        left = self._coefficients(p)
        right = left if p == q else self._coefficients(q)
        size = np.abs(self.correlations)
        strongest = max(float(np.max(size, where=size <= SERIES_LIMIT, initial=0.0)), 1e-3)
        terms = min(TERMS, 3 + int(np.log(ROUNDING) / np.log(strongest)))
        found = _series(left[:terms], right[:terms], self.correlations, SERIES_LIMIT)
        rows, columns = self.near
        tau, b = self.deviations, self.offsets
        pair = (tau[rows], tau[columns]), (b[rows], b[columns]), self.correlations[rows, columns]
        gap = gaps(self.scaled, tau, rows, columns, pair[2])
        found[rows, columns] = self.unit.pair_moments(p, q, *pair, gap)
        return np.asarray(found)

    def _coefficients(self, order: int) -> Array:
        """h_k^(order) of every neuron, shape (TERMS, N)."""
        found = self.unit.coefficients(self.deviations, self.offsets, TERMS, order)
        return np.ascontiguousarray(found.T)


@numba.njit(cache=True)
def _series(left: Array, right: Array, correlations: Array, limit: float) -> Array:
    """sum_k left_ki right_kj rho_ij^k where |rho| <= limit, by Horner's rule; 0 elsewhere."""
    terms, count = left.shape
    found = np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            found[i, j] = left[terms - 1, i] * right[terms - 1, j]
        for k in range(terms - 2, -1, -1):
            scale = left[k, i]
            for j in range(count):
                found[i, j] = found[i, j] * correlations[i, j] + scale * right[k, j]
        for j in range(count):
            if not abs(correlations[i, j]) <= limit:
                found[i, j] = 0.0
    return found
