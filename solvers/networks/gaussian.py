"""Expectations of an activation over one and over two jointly Gaussian pre-activations.

For u = b + tau X, v = b' + tau' Y with (X, Y) standard normal of correlation rho,

    E sigma(u) sigma(v) = sum_k c_k c'_k rho^k,      c_k = E[sigma(b + tau X) h_k(X)],  h_k = He_k / sqrt(k!)

(Mehler). What K terms leave out is at most |rho|^K sqrt(t t') with t = E sigma(u)^2 - sum_{k<K} c_k^2, a bound that is
computed. Beyond it, hinges have the closed form, with h, k the knots in standard units and s^2 = 1 - rho^2,

    E (X - h)_+ (Y - k)_+ = (rho + h k) L - k n(h) Q((k - rho h)/s) - h n(k) Q((h - rho k)/s) + s n(h) n((k - rho h)/s),

L = P(X > h, Y > k) by Owen's T function, Q and n the normal tail and density; smooth functions are summed on a
two-dimensional trapezoidal rule, which converges exponentially.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from scipy import special

from ..arrays import Array
from ..sgd.unit import Unit

STRIPS = {"sigmoid": math.pi, "tanh": 0.5 * math.pi, "erf": 1.0}
"""Half-width of the strip about the real line in which the function is analytic and of order one."""

TINY_SCALE = 1e-30
_FAR = 40.0
_NUDGE = 1e-20
_REACH = 12.5
_REACH_PAIRS = 9.0
_CHUNK = 2_000_000


def hermite_coefficients(unit: Unit, scale: Array, offset: Array, terms: int) -> Array:
    """c_0, ..., c_{terms - 1} at tau and b of shape (n,), as an array of shape (n, terms), terms >= 2."""
    if unit.smooth is not None:
        return _smooth_coefficients(unit, scale, offset, terms)
    knots, kinks = np.array(unit.knots), np.array(unit.kinks)
    distance = knots - offset[:, None]
    x = np.clip(distance / np.maximum(scale, TINY_SCALE)[:, None], -_FAR, _FAR)
    density, tail = _density(x), special.ndtr(-x)
    coefficients = np.zeros((len(scale), terms))
    coefficients[:, 0] = unit.left + unit.slope * offset + (scale[:, None] * density - distance * tail) @ kinks
    coefficients[:, 1] = scale * (unit.slope + tail @ kinks)
    _kink_coefficients(scale, x, density * kinks, coefficients)
    return coefficients


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _kink_coefficients(scale: Array, x: Array, weights: Array, coefficients: Array) -> None:
    """Add tau sum_p weights_p h_{k-2}(x_p) / sqrt(k (k - 1)) to the columns k >= 2."""
    for n in range(scale.size):
        for p in range(x.shape[1]):
            previous, current = 0.0, scale[n] * weights[n, p]
            for k in range(2, coefficients.shape[1]):
                coefficients[n, k] += current / math.sqrt(k * (k - 1.0))
                order = k - 2.0
                following = (x[n, p] * current - math.sqrt(order) * previous) / math.sqrt(order + 1.0)
                previous, current = current, following


def _smooth_coefficients(unit: Unit, scale: Array, offset: Array, terms: int) -> Array:
    nodes, weights = _rule(unit, scale, _REACH)
    table = np.empty((nodes.size, terms))
    # h_k against half of the density at a time, so that no order overflows
    half = np.sqrt(weights)
    previous, current = np.zeros_like(nodes), half
    for k in range(terms):
        table[:, k] = current * half
        previous, current = current, (nodes * current - math.sqrt(k) * previous) / math.sqrt(k + 1.0)
    return _against(unit, scale, offset, nodes, table)


def second_moments(unit: Unit, scale: Array, offset: Array) -> Array:
    """E sigma(b + tau X)^2 at tau and b of shape (n,)."""
    if unit.smooth is not None:
        nodes, weights = _rule(unit, scale, _REACH)
        return _against(unit, scale, offset, nodes, weights[:, None], square=True)[:, 0]
    knots, kinks = np.array(unit.knots), np.array(unit.kinks)
    distance = knots - offset[:, None]
    x = np.clip(distance / np.maximum(scale, TINY_SCALE)[:, None], -_FAR, _FAR)
    density, tail = _density(x), special.ndtr(-x)
    affine = unit.left + unit.slope * offset
    hinges = scale[:, None] * density - distance * tail
    moments = affine**2 + (unit.slope * scale) ** 2
    moments = moments + 2.0 * (affine * (hinges @ kinks) + unit.slope * scale**2 * (tail @ kinks))
    for p in range(knots.size):
        for q in range(p + 1):
            # q's knot lies below p's: the product is (u - k_p)_+^2 + (k_p - k_q) (u - k_p)_+
            square = (scale**2 + distance[:, p] ** 2) * tail[:, p] - scale * distance[:, p] * density[:, p]
            product = square + (knots[p] - knots[q]) * hinges[:, p]
            moments = moments + (1.0 if p == q else 2.0) * kinks[p] * kinks[q] * product
    return np.asarray(moments)


def pair_expectations(
    unit: Unit, scales: tuple[Array, Array], offsets: tuple[Array, Array], correlation: Array
) -> Array:
    """E sigma(u) sigma(v) of n pairs without expansion; |rho| <= 1, tau > 0, all of shape (n,)."""
    if unit.smooth is not None:
        return _smooth_pairs(unit, scales, offsets, correlation)
    knots = np.array(unit.knots)
    affine = [unit.left + unit.slope * offset for offset in offsets]
    x = [(knots - offset[:, None]) / scale[:, None] for scale, offset in zip(scales, offsets, strict=True)]
    covariance = scales[0] * scales[1] * correlation
    total = affine[0] * affine[1] + unit.slope**2 * covariance
    for p, kink in enumerate(unit.kinks):
        for side in range(2):
            tail = special.ndtr(-x[side][:, p])
            hinge = scales[side] * (_density(x[side][:, p]) - x[side][:, p] * tail)
            total = total + kink * (affine[1 - side] * hinge + unit.slope * covariance * tail)
        for q, other in enumerate(unit.kinks):
            hinges = hinge_products(x[0][:, p], x[1][:, q], correlation)
            total = total + kink * other * scales[0] * scales[1] * hinges
    return np.asarray(total)


def hinge_products(h: Array, k: Array, correlation: Array) -> Array:
    """E (X - h)_+ (Y - k)_+ at the given correlations in [-1, 1], elementwise."""
    h = np.where(np.abs(h) < _NUDGE, _NUDGE, h)
    k = np.where(np.abs(k) < _NUDGE, _NUDGE, k)
    sign = np.where(correlation >= 0.0, 1.0, -1.0)
    gap = 1.0 - np.abs(correlation)
    width = np.sqrt(np.maximum(gap * (2.0 - gap), 1e-300))
    # k - rho h without cancellation where rho is near ±1
    first = np.clip(((k - sign * h) + sign * gap * h) / width, -1e100, 1e100)
    second = np.clip(((h - sign * k) + sign * gap * k) / width, -1e100, 1e100)
    both = _joint_tail(h, k, first, second)
    ends = k * _density(h) * special.ndtr(-first) + h * _density(k) * special.ndtr(-second)
    return np.asarray((correlation + h * k) * both - ends + width * _density(h) * _density(first))


def _joint_tail(h: Array, k: Array, first: Array, second: Array) -> Array:
    """P(X > h, Y > k), from first = (k - rho h)/s and second = (h - rho k)/s."""
    tails = 0.5 * (special.ndtr(-h) + special.ndtr(-k))
    owen = special.owens_t(h, first / h) + special.owens_t(k, second / k)
    return np.asarray(np.maximum(tails - owen - np.where(h * k > 0.0, 0.0, 0.5), 0.0))


def _density(x: Array) -> Array:
    return np.asarray(np.exp(-0.5 * np.minimum(np.abs(x), 1e100) ** 2) / math.sqrt(2.0 * math.pi))


def _rule(unit: Unit, scale: Array, reach: float) -> tuple[Array, Array]:
    """Trapezoidal nodes on [-reach, reach] with weights of the normal density, fine enough for the largest scale."""
    assert unit.smooth is not None
    steepest = max(float(np.max(scale, initial=0.0)), 1e-3)
    spacing = min(0.05, 2.0 * math.pi * STRIPS[unit.smooth] / (38.0 * steepest))
    nodes = np.linspace(-reach, reach, 2 * math.ceil(reach / spacing) + 1)
    return nodes, _density(nodes) * (nodes[1] - nodes[0])


def _against(unit: Unit, scale: Array, offset: Array, nodes: Array, table: Array, square: bool = False) -> Array:
    """sum_m sigma(b + tau x_m) table[m], of shape (n, columns); with sigma^2 if `square`."""
    out = np.empty((scale.size, table.shape[1]))
    chunk = max(1, _CHUNK // nodes.size)
    for start in range(0, scale.size, chunk):
        part = slice(start, start + chunk)
        values = unit(scale[part, None] * nodes + offset[part, None])
        out[part] = (values * values if square else values) @ table
    return out


def _smooth_pairs(unit: Unit, scales: tuple[Array, Array], offsets: tuple[Array, Array], correlation: Array) -> Array:
    nodes, weights = _rule(unit, np.concatenate(scales), _REACH_PAIRS)
    width = np.sqrt(np.maximum(1.0 - correlation**2, 0.0))
    out = np.empty(correlation.size)
    for n in range(correlation.size):
        first = unit(offsets[0][n] + scales[0][n] * nodes) * weights
        tilted = correlation[n] * nodes[:, None] + width[n] * nodes
        out[n] = first @ (unit(offsets[1][n] + scales[1][n] * tilted) @ weights)
    return out
