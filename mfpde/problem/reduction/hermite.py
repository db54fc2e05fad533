"""Features of a Gaussian mixture with isotropic blocks by the Hermite moment expansion.

In class ± the pre-activation of a neuron w is tau G + b with tau = sqrt(sum_j s_j^2 r_j^2), and two neurons averaged
over the rotations of every block have correlation sum_j u_j u'_j n_j with u_j = s_j r_j / tau and n_j the first
coordinate of a uniform point of S^{p_j - 1}. Expanding the unit in Hermite polynomials of G,

    E_±[phi phi'] = sum_{k even} c_k(tau, b) c_k(tau', b') E (sum_j u_j u'_j n_j)^k
                  = sum_{k even} sum_{|i| = k/2} psi_i(z) psi_i(z'),
    psi_i(z)      = c_k(tau, b) A_i prod_j u_j^{2 i_j},    A_i^2 = k! prod_j E n_j^{2 i_j} / (2 i_j)!,

so the psi_i are features with unit weight and target 0, while k = 0 is q(tau, b) itself, with target ±1: the limit
d -> infinity is the first term. The moments of a block of dimension p decay like (k/p)^{k/2} for k < p and like
k^{-(p-1)/2} afterwards: small blocks use the zonal harmonics of `zonal` instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import special

from mfpde.problem.reduction.mixture import BlockMixture
from mfpde.solvers.activations.activation import Activation, Moments
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.objective import DenseFeatures

NEGLIGIBLE = 1e-18
"""Squared features below this, relative to the largest unit, are dropped: they are under rounding in U."""
ENTRIES = 2**16
"""Features times points of which a sum is taken at a time."""
FEW = 2**11
"""So many are formed to be contracted with a vector: the loop that does without costs a first run more."""


def log_amplitude_squared(exponents: Array, dimensions: Array) -> Array:
    """log A_i^2 for multi-indices `exponents` (n, B) and block dimensions (B,)."""
    order = 2.0 * exponents.sum(axis=1)
    highest = int(exponents.max(initial=0))
    rising = np.stack([log_rising(p / 2, highest)[exponents[:, j]] for j, p in enumerate(dimensions)], axis=1)
    per_block = -rising - special.gammaln(exponents + 1) - 2 * exponents * np.log(2.0)
    return np.asarray(special.gammaln(order + 1) + per_block.sum(axis=1))


def multi_indices(half_order: int, blocks: int) -> Array:
    """All i in N^blocks with |i| = half_order, shape (n, blocks)."""
    bars = combinations_with_replacement(range(blocks), half_order)
    return np.array([np.bincount(choice, minlength=blocks) for choice in bars], dtype=np.int64)


def angular_moment(order: NDArray[np.int64], dimension: float) -> Array:
    """E n^order for even `order`, n the first coordinate of a uniform point of S^(dimension - 1)."""
    half = order // 2
    highest = int(half.max(initial=0))
    return np.asarray(np.exp(log_rising(0.5, highest)[half] - log_rising(dimension / 2, highest)[half]))


def log_rising(x: float, highest: int) -> Array:
    """log of x (x+1) ... (x+i-1) for i = 0 ... highest: sums, since log Gamma cancels at x in the tens of thousands."""
    return np.concatenate([[0.0], np.cumsum(np.log(x + np.arange(highest)))])


@dataclass(frozen=True)
class HermiteFeatures(DenseFeatures):
    """The features (q_+, q_-, psi_i of class +, psi_i of class -): rank 2 + 2 n_raw.

    Attributes:
        activation: sigma.
        scales: s_{±,j}, shape (2, B), class + first.
        has_offset: whether b is the last coordinate of the points; b = 0 otherwise.
        exponents: multi-indices of the psi_i, shape (n_raw, B), sorted by order.
        amplitudes: A_i / sqrt(2), the weight 1/2 of a class included, shape (n_raw,).
    """

    activation: Activation
    scales: Array
    has_offset: bool
    exponents: Array
    amplitudes: Array

    @property
    def dimension(self) -> int:
        return int(self.scales.shape[1]) + int(self.has_offset)

    @property
    def rank(self) -> int:
        return 2 + 2 * len(self.exponents)

    @property
    def highest(self) -> int:
        """Highest order k kept; 0 when d is infinite."""
        return 2 * int(self.exponents.sum(axis=1).max(initial=0))

    def values(self, points: Array) -> Array:
        features = np.empty((len(points), self.rank))
        self._fill(points, features, np.empty((0, 0, 0)))
        return features

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        features = np.empty((len(points), self.rank))
        gradients = np.zeros((len(points), self.rank, self.dimension))
        self._fill(points, features, gradients)
        return features, gradients

    def outputs(self, points: Array, masses: Array) -> Array:
        """Phi rho, shape (M,), with the features of some points at a time."""
        total = np.zeros(self.rank)
        size = max(1, ENTRIES // self.rank)
        for first in range(0, len(points), size):
            total += masses[first : first + size] @ self.values(points[first : first + size])
        return total

    def contract(self, points: Array, coefficients: Array) -> tuple[Array, Array]:
        """coefficients . Phi, shape (n,), and its gradient, shape (n, D), without forming many n x M features."""
        if len(points) * self.rank <= FEW:
            return super().contract(points, coefficients)
        value = np.zeros(len(points))
        gradient = np.zeros((len(points), self.dimension))
        for sign, radii, _, tau, mean, hermite in self._classes(points):
            scales = self.scales[sign]
            unit = _directions(radii, scales, tau)
            raw = coefficients[self._raw(sign)] * self.amplitudes
            value += coefficients[sign] * mean.value
            by_scale = coefficients[sign] * mean.by_scale
            by_offset = coefficients[sign] * mean.by_offset
            blocks = gradient[:, : scales.size]
            _contract_raw(
                unit, tau, scales, *hermite, self.exponents, self._half_orders, raw, value, by_scale, by_offset, blocks
            )
            if self.has_offset:
                gradient[:, -1] += by_offset
        return value, gradient

    @cached_property
    def _half_orders(self) -> NDArray[np.int64]:
        return np.asarray(self.exponents.sum(axis=1))

    def _raw(self, sign: int) -> slice:
        count = len(self.exponents)
        return slice(2 + sign * count, 2 + (sign + 1) * count)

    def _classes(self, points: Array) -> list[tuple[int, Array, Array, Array, Moments, Moments]]:
        blocks = self.scales.shape[1]
        radii = np.ascontiguousarray(points[:, :blocks])
        offset = np.ascontiguousarray(points[:, -1]) if self.has_offset else np.zeros(len(points))
        classes = []
        for sign in (0, 1):
            tau = np.sqrt(((radii * self.scales[sign]) ** 2).sum(axis=1))
            mean, hermite = self.activation.expansion(tau, offset, self.highest)
            classes.append((sign, radii, offset, tau, mean, hermite))
        return classes

    def _fill(self, points: Array, features: Array, gradients: Array) -> None:
        for sign, radii, _, tau, mean, hermite in self._classes(points):
            scales = self.scales[sign]
            unit = _directions(radii, scales, tau)
            features[:, sign] = mean.value
            if len(gradients):
                gradients[:, sign, : scales.size] = mean.by_scale[:, None] * _scale_gradient(unit, scales, tau)
                if self.has_offset:
                    gradients[:, sign, -1] = mean.by_offset
            first = self._raw(sign).start
            known = self.exponents, self._half_orders, self.amplitudes
            _fill_raw(unit, tau, scales, *hermite, *known, first, features, gradients)


def _directions(radii: Array, scales: Array, tau: Array) -> Array:
    """u_j = s_j r_j / tau, shape (n, B); 0 at the origin."""
    return np.asarray(radii * scales / np.where(tau > 0, tau, 1.0)[:, None])


def _scale_gradient(unit: Array, scales: Array, tau: Array) -> Array:
    """d tau / d r_j = s_j u_j; at the origin, one-sided along each axis, s_j."""
    return np.where(tau[:, None] > 0, unit * scales, scales)


@numba.njit(cache=True, error_model="numpy")
def _fill_raw(
    unit: Array,
    tau: Array,
    scales: Array,
    hermite: Array,
    by_scale: Array,
    by_offset: Array,
    exponents: Array,
    order: NDArray[np.int64],
    amplitudes: Array,
    first: int,
    values: Array,
    gradients: Array,
) -> None:
    """The psi_i into values, shape (n, M), from feature `first` on; the same of gradients (n, M, D) unless empty.

    c(tau) P(u_1^2, ..., u_B^2) with P homogeneous of degree `half` has the r-gradient
    s_j (c' u_j P + (2 c / tau) (i_j P / u_j - half u_j P)).
    """
    count, blocks = exponents.shape
    table = np.ones((blocks, hermite.shape[1] + 1))
    for n in range(unit.shape[0]):
        for j in range(blocks):
            for i in range(1, table.shape[1]):
                table[j, i] = table[j, i - 1] * (unit[n, j] * unit[n, j])
        for f in range(count):
            half, value = order[f], amplitudes[f]
            for j in range(blocks):
                value *= table[j, exponents[f, j]]
            values[n, first + f] = value * hermite[n, half - 1]
            if gradients.shape[0] == 0:
                continue
            along, turning = by_scale[n, half - 1] * value, 0.0
            if tau[n] > 0.0:
                turning = 2.0 * hermite[n, half - 1] / tau[n] * value
            for j in range(blocks):
                u, slope = unit[n, j], 0.0
                if u != 0.0:
                    slope = u * along + (turning * exponents[f, j] / u - turning * half * u)
                elif tau[n] == 0.0 and exponents[f, j] == half:
                    slope = amplitudes[f] * by_scale[n, half - 1]
                gradients[n, first + f, j] = scales[j] * slope
            if gradients.shape[2] > blocks and tau[n] > 0.0:
                gradients[n, first + f, blocks] = value * by_offset[n, half - 1]


@numba.njit(cache=True, error_model="numpy")
def _contract_raw(
    unit: Array,
    tau: Array,
    scales: Array,
    hermite: Array,
    by_scale: Array,
    by_offset: Array,
    exponents: Array,
    order: NDArray[np.int64],
    coefficients: Array,
    value: Array,
    mean_by_scale: Array,
    mean_by_offset: Array,
    gradient: Array,
) -> None:
    """Add sum_f coefficients_f c_k(tau) P_f(u^2) and its gradient, with those of q given by its t-derivative."""
    count, blocks = exponents.shape
    orders = hermite.shape[1]
    table = np.ones((blocks, orders + 1))
    totals, sideways = np.empty(orders), np.empty(blocks)
    for n in range(unit.shape[0]):
        if tau[n] == 0.0:
            for j in range(blocks):
                gradient[n, j] += mean_by_scale[n] * scales[j]
                for f in range(count):
                    if exponents[f, j] == order[f]:
                        gradient[n, j] += coefficients[f] * by_scale[n, order[f] - 1] * scales[j]
            continue
        for k in range(orders):
            totals[k] = 0.0
        for j in range(blocks):
            sideways[j] = 0.0
            for i in range(1, orders + 1):
                table[j, i] = table[j, i - 1] * (unit[n, j] * unit[n, j])
        for f in range(count):
            k = order[f] - 1
            term = coefficients[f]
            for j in range(blocks):
                term *= table[j, exponents[f, j]]
            totals[k] += term
            term *= hermite[n, k]
            for j in range(blocks):
                sideways[j] += exponents[f, j] * term
        along, turning = mean_by_scale[n], 0.0
        for k in range(orders):
            value[n] += hermite[n, k] * totals[k]
            along += by_scale[n, k] * totals[k]
            turning += (k + 1) * hermite[n, k] * totals[k]
            mean_by_offset[n] += by_offset[n, k] * totals[k]
        for j in range(blocks):
            if unit[n, j] != 0.0:
                turned = 2.0 / tau[n] * (sideways[j] / unit[n, j] - unit[n, j] * turning)
                gradient[n, j] += scales[j] * (unit[n, j] * along + turned)


def squared_tail(activation: Activation, mixture: BlockMixture, scale: Array, offset: float, highest: int) -> Array:
    """Bound on sum_{k > K} c_k^2 E[cos^k] for K = 2, 4, ..., highest, the error in U of stopping at K.

    Uses the worst direction, all weight on the smallest block, and the largest c_k over the scales given.
    """
    orders = np.arange(2, highest + 1, 2)
    hermite = activation.even_hermite(scale, np.full_like(scale, offset), highest).value
    terms = np.max(hermite**2, axis=0) * angular_moment(orders, min(mixture.dimensions))
    return np.asarray(np.concatenate((np.cumsum(terms[::-1])[-2::-1], [terms[-1]])))


def hermite_features(
    activation: Activation, mixture: BlockMixture, has_offset: bool, highest: int, largest: float = 1.0
) -> HermiteFeatures:
    """Features up to order `highest` (0 for d = infinity), without those that stay under rounding.

    Args:
        largest: the largest |c_k| the unit takes, to judge what is negligible.
    """
    blocks = len(mixture.dimensions)
    scales = np.asarray(mixture.scales, dtype=float).T.copy()
    if highest < 2:
        return HermiteFeatures(activation, scales, has_offset, np.empty((0, blocks), dtype=np.int64), np.empty(0))
    exponents = np.concatenate([multi_indices(half, blocks) for half in range(1, highest // 2 + 1)])
    log_squares = log_amplitude_squared(exponents, np.asarray(mixture.dimensions, dtype=float))
    # prod_j u_j^(2 i_j) is largest at u_j^2 = i_j / |i|
    share = exponents / exponents.sum(axis=1, keepdims=True)
    log_peak = log_squares + 2 * special.xlogy(exponents, share).sum(axis=1)
    kept = log_peak > np.log(NEGLIGIBLE)
    return HermiteFeatures(
        activation, scales, has_offset, exponents[kept], np.exp(0.5 * log_squares[kept]) * np.sqrt(0.5)
    )
