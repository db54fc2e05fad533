"""Gradient of the population risk of a finite network on Gaussian classes, exact.

With u_i = <w_i, x> + b_i, x ~ N(0, S^2) in each class, (u_i, u_j) is a Gaussian pair of deviations tau_i, tau_j and
correlation rho, and everything is made of the moments E[sigma^(p)(u_i) sigma^(q)(u_j)]:

    R_N = E y^2 - (2/N) sum_i a_i E[y sigma(u_i)] + (1/N^2) sum_ij a_i a_j E[sigma(u_i) sigma(u_j)],
    E[x sigma'(u_i) sigma(u_j)] = S^2 (E[sigma'(u_i) sigma'(u_j)] w_j + E[sigma''(u_i) sigma(u_j)] w_i)   (Stein).

Where |rho| is at most SERIES_LIMIT a moment is the sum over k of h_k^(p)(i) h_k^(q)(j) rho^k, h_k^(p) = E[sigma^(p)(u)
He_k(G)] / sqrt(k!); beyond, and on the diagonal, it is found in closed form for piecewise linear sigma (Owen's T for
P(X > h, Y > k)) and by the trapezoidal rule for smooth sigma.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import special

from ..arrays import Array
from ..sgd.engine import GaussianClasses
from ..sgd.unit import Unit
from .gaussian import STRIPS
from .risk import network_risk

SERIES_LIMIT = 0.7
TERMS = 64
"""Terms of the series: at correlation .7 the next ones are below 1e-11 of E sigma^2."""
SPACING = 32.0
"""Exponent of the error of the trapezoidal rule for smooth activations: e^-32 is 1e-14."""
_FAR = 40.0
ROUNDING = 1e-15
PANELS, PANEL_NODES, REACH = 24, 16, 12.0
"""Gauss-Legendre panels on [-REACH, REACH] for a standard Gaussian under a smooth activation, however steep."""
GAUSSIAN_REACH = 8.6
"""Standard deviations that the trapezoidal rule covers: the density beyond is rounding."""
CHUNK = 2**22
SQRT_2PI = np.sqrt(2.0 * np.pi)


@dataclass(frozen=True)
class Population:
    """Risk and gradient over the law of the data.

    Attributes:
        data: the Gaussian classes.
        unit: sigma.
    """

    data: GaussianClasses
    unit: Unit

    def risk(self, w: Array, a: Array, b: Array) -> float:
        """R_N of a network with parameters w (N, d), a (N,), b (N,)."""
        return network_risk(self.data, self.unit, w, a, b)

    def gradient(
        self, w: Array, a: Array, b: Array, trained_coefficients: bool = False, trained_offsets: bool = False
    ) -> tuple[Array, Array, Array]:
        """grad Psi(theta_i; rho_N) = (N/2) dR_N/dtheta_i: for w (N, d), a (N,), b (N,); 0 for what is not trained."""
        gw, ga, gb = np.zeros_like(w), np.zeros_like(a), np.zeros_like(b)
        share = a / len(a)
        for label, scales in zip((1.0, -1.0), self.data.coordinate_scales, strict=True):
            scaled = w * scales
            pairs = _Pairs.of(self.unit, scaled, b)
            along = pairs.moments(2, 0) @ share - label * pairs.mean(2)
            pulled = along[:, None] * scaled + (pairs.moments(1, 1) * share) @ scaled
            gw += 0.5 * a[:, None] * pulled * scales
            if trained_coefficients:
                ga += 0.5 * (pairs.moments(0, 0) @ share - label * pairs.mean(0))
            if trained_offsets:
                gb += 0.5 * a * (pairs.moments(1, 0) @ share - label * pairs.mean(1))
        return gw, ga, gb


@dataclass(frozen=True)
class _Pairs:
    """The Gaussian pairs of one class.

    Attributes:
        unit: sigma.
        deviations: tau, shape (N,).
        offsets: b, shape (N,).
        correlations: rho, shape (N, N), 1 on the diagonal.
        near: rows and columns of the pairs too strongly correlated for the series, the diagonal among them.
    """

    unit: Unit
    deviations: Array
    offsets: Array
    correlations: Array
    near: tuple[NDArray[np.int64], NDArray[np.int64]]

    @classmethod
    def of(cls, unit: Unit, scaled: Array, offsets: Array) -> _Pairs:
        """Pairs of neurons with weights S w, shape (N, d), and offsets b."""
        products = scaled @ scaled.T
        deviations = np.maximum(np.sqrt(np.diag(products)), 1e-150)
        correlations = np.clip(products / deviations / deviations[:, None], -1.0, 1.0)
        np.fill_diagonal(correlations, 1.0)
        rows, columns = np.nonzero(np.abs(correlations) > SERIES_LIMIT)
        return cls(unit, deviations, offsets, correlations, (rows, columns))

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
        pair = tau[rows], b[rows], tau[columns], b[columns], self.correlations[rows, columns]
        exact = _smooth_moments if self.unit.smooth else _linear_moments
        found[rows, columns] = exact(self.unit, p, q, *pair)
        return np.asarray(found)

    def _coefficients(self, order: int) -> Array:
        """h_k^(order) of every neuron, shape (TERMS, N)."""
        if self.unit.smooth:
            nodes, weights = gaussian_rule()
            u = self.deviations[:, None] * nodes + self.offsets[:, None]
            return np.asarray((_normalised_hermite(nodes, TERMS) * weights) @ _derivative(self.unit, order, u).T)
        return _linear_coefficients(self.unit, order, self.deviations, self.offsets)


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


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _normalised_hermite(points: Array, terms: int) -> Array:
    """He_k / sqrt(k!) at the points, shape (terms, n), terms >= 2."""
    found = np.ones((terms, points.size))
    found[1] = points
    for k in range(1, terms - 1):
        lower, scale = math.sqrt(k), 1.0 / math.sqrt(k + 1.0)
        for i in range(points.size):
            found[k + 1, i] = (points[i] * found[k, i] - lower * found[k - 1, i]) * scale
    return found


def _linear_coefficients(unit: Unit, order: int, tau: Array, b: Array) -> Array:
    """h_k^(order) of a piecewise linear sigma, shape (TERMS, N), by E[f'(G)] = E[G f(G)]."""
    found = np.zeros((TERMS, len(tau)))
    k = np.arange(TERMS)
    if order < 2:
        found[0] = unit.slope if order else unit.left + unit.slope * b
        found[1] += 0.0 if order else unit.slope * tau
    for knot, kink in zip(unit.knots, unit.kinks, strict=True):
        z = (knot - b) / tau
        density = np.exp(-0.5 * z * z) / SQRT_2PI
        # beyond, the density is 0 and the polynomials of a tiny tau would overflow
        hermite = _normalised_hermite(np.clip(z, -_FAR, _FAR), TERMS) * density
        upper = special.ndtr(-z)
        if order == 2:
            found += kink / tau * hermite
        elif order == 1:
            found[0] += kink * upper
            found[1:] += kink * hermite[:-1] / np.sqrt(k[1:, None])
        else:
            found[0] += kink * tau * (density - z * upper)
            found[1] += kink * tau * upper
            found[2:] += kink * tau * hermite[:-2] / np.sqrt(k[2:, None] * (k[2:, None] - 1.0))
    return found


def _linear_moments(unit: Unit, p: int, q: int, ti: Array, bi: Array, tj: Array, bj: Array, rho: Array) -> Array:
    """E[sigma^(p)(u) sigma^(q)(v)] in closed form for a piecewise linear sigma, shape (n,)."""
    found = np.zeros_like(rho)
    kinks = list(zip(unit.knots, unit.kinks, strict=True))
    if p == 2:
        root = np.sqrt(np.maximum(1.0 - rho * rho, 0.0))
        for knot, kink in kinks:
            z = (knot - bi) / ti
            mean, spread = bj + rho * tj * z, tj * root
            found += kink / ti * np.exp(-0.5 * z * z) / SQRT_2PI * _conditional(unit, q, mean, spread)
        return found
    ui, uj = _line(unit, p, ti, bi), _line(unit, q, tj, bj)
    found += ui[0] * uj[0] + ui[1] * uj[1] * rho
    for knot, kink in kinks:
        found += kink * _hinge_with_line(p, (knot - bi) / ti, ti, uj, rho)
        found += kink * _hinge_with_line(q, (knot - bj) / tj, tj, ui, rho)
        for other, factor in kinks:
            h, k = (knot - bi) / ti, (other - bj) / tj
            scale = (ti if p == 0 else 1.0) * (tj if q == 0 else 1.0)
            found += kink * factor * scale * _hinges(p, q, h, k, rho)
    return found


def _line(unit: Unit, order: int, tau: Array, b: Array) -> tuple[Array, Array]:
    """sigma's line as c + s G, or its derivative's constant."""
    if order == 1:
        return np.full_like(tau, unit.slope), np.zeros_like(tau)
    return unit.left + unit.slope * b, unit.slope * tau


def _hinge_with_line(order: int, h: Array, tau: Array, line: tuple[Array, Array], rho: Array) -> Array:
    """E[hinge(X) (c + s Y)], the hinge tau (X - h)_+ or its step."""
    density, upper = np.exp(-0.5 * h * h) / SQRT_2PI, special.ndtr(-h)
    if order == 1:
        return np.asarray(line[0] * upper + line[1] * rho * density)
    return np.asarray(tau * (line[0] * (density - h * upper) + line[1] * rho * upper))


def _conditional(unit: Unit, order: int, mean: Array, spread: Array) -> Array:
    """E sigma^(order)(N(mean, spread^2)), spread >= 0."""
    found = unit.left + unit.slope * mean if order == 0 else np.full_like(mean, unit.slope)
    safe = np.maximum(spread, 1e-300)
    for knot, kink in zip(unit.knots, unit.kinks, strict=True):
        above = mean - knot
        with np.errstate(over="ignore", under="ignore"):
            z = np.clip(above / safe, -40.0, 40.0)
        upper = np.where(spread > 0.0, special.ndtr(z), 0.5 * (1.0 + np.sign(above)))
        if order == 1:
            found = found + kink * upper
        else:
            found = found + kink * (above * upper + spread * np.exp(-0.5 * z * z) / SQRT_2PI)
    return np.asarray(found)


def _hinges(p: int, q: int, h: Array, k: Array, rho: Array) -> Array:
    """E[f(X) g(Y)] of standard X, Y with correlation rho: f = (x - h)_+ for p = 0 or 1(x > h) for p = 1, g likewise."""
    root = np.sqrt(np.maximum(1.0 - rho * rho, 0.0))
    orthant = upper_orthant(h, k, rho)
    if p == q == 1:
        return orthant
    at_h, at_k = np.exp(-0.5 * h * h) / SQRT_2PI, np.exp(-0.5 * k * k) / SQRT_2PI
    beyond_k = at_h * _step((rho * h - k), root)  # phi(h) P(Y > k | X = h)
    beyond_h = at_k * _step((rho * k - h), root)
    if p == 0 and q == 1:
        return np.asarray(beyond_k + rho * beyond_h - h * orthant)
    if p == 1:
        return np.asarray(beyond_h + rho * beyond_k - k * orthant)
    safe = np.maximum(root, 1e-300)
    with np.errstate(over="ignore", under="ignore"):
        exponent = np.minimum(np.abs((k - rho * h) / safe), 1e3)
    both = at_h * np.exp(-0.5 * exponent**2) / SQRT_2PI
    return np.asarray((rho + h * k) * orthant - k * beyond_k - h * beyond_h + root * both)


def _step(excess: Array, root: Array) -> Array:
    """P(N(excess, root^2) > 0)."""
    with np.errstate(over="ignore", under="ignore"):
        z = np.clip(excess / np.maximum(root, 1e-300), -40.0, 40.0)
    return np.asarray(np.where(root > 0.0, special.ndtr(z), 0.5 * (1.0 + np.sign(excess))))


def upper_orthant(h: Array, k: Array, rho: Array) -> Array:
    """P(X > h, Y > k) of a standard Gaussian pair, by Owen's T function.

    D. B. Owen, Ann. Math. Statist. 27 (1956) 1075.
    """
    x, y = -np.asarray(h, dtype=float), -np.asarray(k, dtype=float)
    root = np.sqrt(np.maximum((1.0 - rho) * (1.0 + rho), 0.0))
    x, y = np.where(x == 0.0, 1e-200, x), np.where(y == 0.0, 1e-200, y)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore", under="ignore"):
        first = np.clip((y - rho * x) / (x * root), -1e300, 1e300)
        second = np.clip((x - rho * y) / (y * root), -1e300, 1e300)
    found = 0.5 * (special.ndtr(x) + special.ndtr(y)) - special.owens_t(x, first) - special.owens_t(y, second)
    found = found - np.where(np.sign(x) * np.sign(y) < 0.0, 0.5, 0.0)
    same, opposite = np.minimum(special.ndtr(x), special.ndtr(y)), np.maximum(special.ndtr(x) - special.ndtr(-y), 0.0)
    found = np.where(rho >= 1.0, same, np.where(rho <= -1.0, opposite, found))
    return np.asarray(np.clip(found, 0.0, 1.0))


def _derivative(unit: Unit, order: int, u: Array) -> Array:
    """sigma, sigma' or sigma'' of a smooth activation."""
    value, slope = unit.values(u)
    if order < 2:
        return value if order == 0 else slope
    if unit.smooth == "sigmoid":
        return np.asarray(slope * (1.0 - 2.0 * value))
    if unit.smooth == "tanh":
        return np.asarray(-2.0 * value * slope)
    return np.asarray(-2.0 * u * slope)


@cache
def gaussian_rule() -> tuple[Array, Array]:
    """Nodes and weights of a composite rule for a standard Gaussian, good to rounding for functions not too steep."""
    points, weights = np.polynomial.legendre.leggauss(PANEL_NODES)
    ends = np.linspace(-REACH, REACH, PANELS + 1)
    half = 0.5 * np.diff(ends)
    nodes = (ends[:-1, None] + half[:, None] * (points + 1.0)).ravel()
    return nodes, (half[:, None] * weights).ravel() * np.exp(-0.5 * nodes * nodes) / SQRT_2PI


def _trapezoidal_rule(unit: Unit, steepest: float) -> tuple[Array, Array]:
    """Nodes and weights for a standard Gaussian times functions of `unit` at slopes up to `steepest`.

    In a strip of half-width a in which the function is analytic the error is about exp(a^2/2 - 2 pi a / h).
    """
    strip = min(0.8 * STRIPS[unit.smooth or "erf"] / max(steepest, 1e-3), np.sqrt(2.0 * SPACING))
    half = int(np.ceil(GAUSSIAN_REACH * (SPACING + 0.5 * strip**2) / (2.0 * np.pi * strip)))
    nodes = np.linspace(-GAUSSIAN_REACH, GAUSSIAN_REACH, 2 * half + 1)
    return nodes, np.exp(-0.5 * nodes * nodes) * (GAUSSIAN_REACH / half) / SQRT_2PI


def _smooth_moments(unit: Unit, p: int, q: int, ti: Array, bi: Array, tj: Array, bj: Array, rho: Array) -> Array:
    """E[sigma^(p)(u) sigma^(q)(v)] over X of u and what of v is independent of it."""
    found = np.empty_like(rho)
    if not len(rho):
        return found
    root = np.sqrt(np.maximum((1.0 - rho) * (1.0 + rho), 0.0))
    nodes, weights = _trapezoidal_rule(unit, float(max(ti.max(), tj.max())))
    # pairs of like needs go together, and those whose u and v agree need no inner nodes
    spread = tj * root
    order = np.argsort(spread)
    count = max(1, CHUNK // len(nodes) ** 2)
    equal = int((spread == 0.0).sum())
    for part in np.split(order, [equal, *range(equal + count, len(order), count)]):
        if not len(part):
            continue
        inner_nodes, inner_weights = np.zeros(1), np.ones(1)
        if spread[part[-1]] > 0.0:
            inner_nodes, inner_weights = _trapezoidal_rule(unit, float(spread[part[-1]]))
        left = _derivative(unit, p, ti[part, None] * nodes + bi[part, None]) * weights
        inner = rho[part, None, None] * nodes[:, None] + root[part, None, None] * inner_nodes
        right = _derivative(unit, q, tj[part, None, None] * inner + bj[part, None, None]) @ inner_weights
        found[part] = (left * right).sum(axis=1)
    return found
