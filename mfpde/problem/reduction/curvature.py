"""Proven bounds on the derivatives of Psi(z; rho), without any expansion, for the certificate of the optimum.

In class ± a neuron of scale tau sees the pre-activation tau G + b, and moving it along a unit vector v of block j
changes that by s_j (u_j G + (1 - u_j^2)^{1/2} G'), u_j = s_j r_j / tau, G and G' independent standard normal. Hence

    d_jj Psi = (1/2) sum_± E[ (f - y) a sigma''(tau G + b) s_j^2 (u_j G + (1 - u_j^2)^{1/2} G')^2 ],

and with sigma'' = sum_i m_i delta_{k_i}, x_i = (k_i - b) / tau, n the normal density,

    d_jj Psi <= (1/2) sum_± sum_i sup (a m_i (f - y))_+ s_j^2 n(x_i) / tau (u_j^2 x_i^2 + 1 - u_j^2).

A smooth unit has the total variation of sigma' in the place of sum |m_i|, at the worst x, or sup |sigma''|. By
Cauchy-Schwarz |d_j Psi|^2 <= R E|d_j sigma_*|^2, and likewise for second derivatives where sigma'' is bounded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mfpde.problem.reduction.mixture import BlockMixture
from mfpde.solvers.activations.activation import Bounds
from mfpde.solvers.arrays import Array


@dataclass(frozen=True)
class MixtureCurvature:
    """Derivative bounds of Psi(.; rho) for a Gaussian mixture.

    Attributes:
        unit: bounds of the activation, constants folded in.
        mixture: the data law.
        has_coefficient, has_offset: whether a and b are coordinates, after the radii in this order.
        positions, weights: the atoms of rho, shapes (K, D) and (K,).
        outputs: Phi rho; the class means of f come first.
        risk: R(rho).
    """

    unit: Bounds
    mixture: BlockMixture
    has_coefficient: bool
    has_offset: bool
    positions: Array
    weights: Array
    outputs: Array
    risk: float

    @property
    def _blocks(self) -> int:
        return len(self.mixture.dimensions)

    def _others(self, lower: Array, upper: Array) -> tuple[Array, Array, Array, Array]:
        """Ranges of a and b on the cells, constants where they are no coordinates."""
        one, zero, axis = np.ones(len(lower)), np.zeros(len(lower)), self._blocks
        a = (lower[:, axis], upper[:, axis]) if self.has_coefficient else (one, one)
        b = (lower[:, -1], upper[:, -1]) if self.has_offset else (zero, zero)
        return *a, *b

    def slopes(self, lower: Array, upper: Array) -> Array:
        a_low, a_high, b_low, b_high = self._others(lower, upper)
        largest = np.maximum(np.abs(a_low), np.abs(a_high))
        scales = np.asarray(self.mixture.scales)
        root = math.sqrt(self.risk)
        bounds = np.empty_like(lower)
        for j in range(self._blocks):
            bounds[:, j] = root * largest * self.unit.slope * math.sqrt(0.5 * float(np.sum(scales[j] ** 2)))
        if self.has_coefficient:
            reach = 0.5 * ((upper[:, : self._blocks] ** 2) @ scales**2).sum(axis=1)
            offset = np.maximum(np.abs(b_low), np.abs(b_high))
            grown = abs(self.unit.at_zero) + self.unit.slope * np.sqrt(reach + offset**2)
            bounds[:, self._blocks] = root * np.minimum(grown, max(abs(self.unit.low), abs(self.unit.high)))
        if self.has_offset:
            bounds[:, -1] = root * largest * self.unit.slope
        return bounds

    def second_derivatives(self, lower: Array, upper: Array) -> Array:
        """Psi is linear in a: 0 there."""
        total = sum((self._of_class(sign, lower, upper) for sign in (0, 1)), np.zeros_like(lower))
        if math.isfinite(self.unit.bend):
            a_low, a_high, *_ = self._others(lower, upper)
            largest = np.maximum(np.abs(a_low), np.abs(a_high)) * self.unit.bend * math.sqrt(self.risk)
            fourth = np.sqrt(1.5 * np.sum(np.asarray(self.mixture.scales) ** 4, axis=1))
            total[:, : self._blocks] = np.minimum(total[:, : self._blocks], largest[:, None] * fourth)
            if self.has_offset:
                total[:, -1] = np.minimum(total[:, -1], largest)
        return total

    def _of_class(self, sign: int, lower: Array, upper: Array) -> Array:
        """The part of class + (0) or - (1)."""
        a_low, a_high, b_low, b_high = self._others(lower, upper)
        scales = np.asarray(self.mixture.scales)[:, sign]
        squares = [(scales * bound[:, : self._blocks]) ** 2 for bound in (lower, upper)]
        tau_low, tau_high = (np.sqrt(part.sum(axis=1)) for part in squares)
        along, across = _shares(*squares)
        constant, growing, residual_low, residual_high = self._residuals(sign)
        factors = np.stack([a * f for a in (a_low, a_high) for f in (residual_low, residual_high)])
        total = np.zeros_like(lower)
        bends = []
        for knot, kink in zip(self.unit.knots, self.unit.kinks, strict=True):
            strength = np.maximum(np.max(kink * factors, axis=0), 0.0)
            ends = np.abs(np.stack([knot - b_low, knot - b_high]))
            near = np.where((knot - b_low) * (knot - b_high) <= 0.0, 0.0, ends.min(axis=0))
            bends.append((strength, near, ends.max(axis=0)))
        if self.unit.variation > 0.0:
            strength = self.unit.variation * np.max(np.abs(factors), axis=0)
            bends.append((strength, np.zeros(len(lower)), np.full(len(lower), np.inf)))
        for strength, near, far in bends:
            parts = [_largest(q, near, far, tau_low, tau_high, constant, growing) for q in (0, 2)]
            blocks = scales**2 * (_product(along, parts[1][:, None]) + _product(across, parts[0][:, None]))
            total[:, : self._blocks] += 0.5 * _product(strength[:, None], blocks)
            if self.has_offset:
                total[:, -1] += 0.5 * _product(strength, parts[0])
        return total

    def _residuals(self, sign: int) -> tuple[float, float, float, float]:
        """(A, B, low, high) with f - y in (A + B |x|) [low, high], in the mean over the rest given G = x.

        At d = infinity f is its class mean. A bounded unit bounds f. Otherwise |f| <= E_rho |a| (|sigma(0)| +
        slope (sum_j r_j^2 |x_j|^2 / p_j + b^2)^{1/2}), whose mean square given G = x is at most that of
        sum_j s_j^2 r_j^2 (1 + x^2 / p_j), and Cauchy-Schwarz with E(u x + (1 - u^2)^{1/2} G')^4 costs 3^{1/2}.
        """
        label = 1.0 - 2.0 * sign
        if self.mixture.infinite:
            residual = float(self.outputs[sign]) - label
            return 1.0, 0.0, residual, residual
        axis = self._blocks
        a = np.abs(self.positions[:, axis]) if self.has_coefficient else np.ones(len(self.weights))
        if math.isfinite(self.unit.high):
            signed = self.positions[:, axis] if self.has_coefficient else a
            ends = np.sort(np.outer(signed, [self.unit.low, self.unit.high]), axis=1)
            return 1.0, 0.0, float(self.weights @ ends[:, 0]) - label, float(self.weights @ ends[:, 1]) - label
        squares = (self.positions[:, :axis] * np.asarray(self.mixture.scales)[:, sign]) ** 2
        offset = self.positions[:, -1] ** 2 if self.has_offset else 0.0
        fixed = abs(self.unit.at_zero) + self.unit.slope * np.sqrt(squares.sum(axis=1) + offset)
        moving = self.unit.slope * np.sqrt(squares @ (1.0 / np.asarray(self.mixture.dimensions)))
        root = math.sqrt(3.0)
        return root * (1.0 + float(self.weights @ (a * fixed))), root * float(self.weights @ (a * moving)), -1.0, 1.0


def _shares(low: Array, high: Array) -> tuple[Array, Array]:
    """Largest u_j^2 and 1 - u_j^2 on cells with (s_j r_j)^2 in [low, high], shape (n, B) each."""
    rest_low = low.sum(axis=1, keepdims=True) - low
    rest_high = high.sum(axis=1, keepdims=True) - high
    along = high / np.where(high + rest_low > 0.0, high + rest_low, 1.0)
    across = rest_high / np.where(low + rest_high > 0.0, low + rest_high, 1.0)
    return along, across


def _peak(power: int, low: Array, high: Array) -> Array:
    """Maximum of x^power n(x) over low <= x <= high: it rises up to sqrt(power) and falls afterwards."""
    x = np.minimum(np.clip(math.sqrt(power), low, high), 40.0)
    return np.asarray(x**power * np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi))


def _largest(
    power: int, near: Array, far: Array, tau_low: Array, tau_high: Array, constant: float, growing: float
) -> Array:
    """Largest (A + B x) x^power n(x) / tau over x = kappa / tau, kappa in [near, far], tau in [tau_low, tau_high]."""
    safe_low, safe_high = np.where(tau_low > 0.0, tau_low, 1.0), np.where(tau_high > 0.0, tau_high, 1.0)
    x_low = near / safe_high
    x_high = np.where(tau_low > 0.0, far / safe_low, np.where(far > 0.0, np.inf, 0.0))
    peaks = [_peak(power + shift, x_low, x_high) for shift in (0, 1, 2)]
    over_tau = np.where(tau_low > 0.0, (constant * peaks[0] + growing * peaks[1]) / safe_low, np.inf)
    over_tau = np.where((x_high == 0.0) & (power > 0), 0.0, over_tau)
    # 1 / tau = x / kappa
    safe_near = np.where(near > 0.0, near, 1.0)
    over_knot = np.where(near > 0.0, (constant * peaks[1] + growing * peaks[2]) / safe_near, np.inf)
    return np.minimum(over_tau, over_knot)


def _product(first: Array, second: Array) -> Array:
    """first * second with 0 * inf = 0."""
    first, second = np.broadcast_arrays(first, second)
    nothing = (first == 0.0) | (second == 0.0)
    return np.where(nothing, 0.0, np.where(nothing, 1.0, first) * np.where(nothing, 1.0, second))


@dataclass(frozen=True)
class BumpCurvature:
    """Derivative bounds for Gaussian bumps: |d^k Psi| <= |grad L|_{L2} |d^k N(.; z, s^2)|_{L2}.

    Attributes:
        width: s.
        risk: |grad L|^2, R(rho) for the square loss.
    """

    width: float
    risk: float

    def second_derivatives(self, lower: Array, upper: Array) -> Array:
        norm = math.sqrt(3.0 / (8.0 * math.sqrt(math.pi) * self.width**5))
        return np.full_like(lower, math.sqrt(self.risk) * norm)

    def slopes(self, lower: Array, upper: Array) -> Array:
        norm = math.sqrt(1.0 / (4.0 * math.sqrt(math.pi) * self.width**3))
        return np.full_like(lower, math.sqrt(self.risk) * norm)
