"""Gaussian means of activations by plain quadrature, and risks that follow: without the package's own moments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.integrate import solve_ivp

Array = NDArray[np.float64]
REACH = 12.0
"""|g| beyond which the normal density is below 1e-31."""
NODES = 100
ANGLES = 40


@dataclass(frozen=True)
class Mean:
    """q(t) = E sigma(tG) and its derivative q'(t) = E[G sigma'(tG)], of arrays t > 0."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]


def piecewise_linear_mean(knots: Sequence[float], values: Sequence[float]) -> Mean:
    """q of the interpolant of (knots, values), constant outside: Gauss-Legendre between the kinks k / t."""
    inner, levels = np.asarray(knots, dtype=float), np.asarray(values, dtype=float)
    slopes = np.concatenate(([0.0], np.diff(levels) / np.diff(inner), [0.0]))
    nodes, weights = np.polynomial.legendre.leggauss(NODES)

    def integral(t: Array, of: Callable[[Array, Array, int], Array]) -> Array:
        t = np.asarray(t, dtype=float)[..., None]
        # keeps k / t finite: such kinks lie beyond REACH anyway
        kinks = np.clip(inner / np.maximum(t, 1e-9), -REACH, REACH)
        full = np.full((*t.shape[:-1], 1), REACH)
        ends = np.concatenate((-full, kinks, full), axis=-1)
        total = np.zeros(t.shape[:-1])
        for piece in range(len(slopes)):
            low, half = ends[..., piece, None], 0.5 * (ends[..., piece + 1, None] - ends[..., piece, None])
            g = low + half * (nodes + 1.0)
            density = np.exp(-0.5 * g * g) / np.sqrt(2.0 * np.pi)
            total += np.sum(half * weights * density * of(t, g, piece), axis=-1)
        return total

    return Mean(
        lambda t: integral(t, lambda scale, g, piece: np.interp(scale * g, inner, levels)),
        lambda t: integral(t, lambda scale, g, piece: slopes[piece] * g),
    )


@dataclass(frozen=True)
class SingleAtom:
    """The flow of one atom r at d = infinity: r' = -(1/2) grad R(delta_r).

    R(delta_r) = (1/2) (1 - q(tau_+))^2 + (1/2) (1 + q(tau_-))^2, tau_± = (sum_j s_{±,j}^2 r_j^2)^(1/2).

    Attributes:
        mean: q.
        scales: s_{±,j}, shape (2, B), y = +1 first.
    """

    mean: Mean
    scales: Array

    def risk(self, r: Array) -> float:
        """R(delta_r)."""
        plus, minus = self.mean.value(self._tau(r))
        return float(0.5 * (1.0 - plus) ** 2 + 0.5 * (1.0 + minus) ** 2)

    def velocity(self, r: Array) -> Array:
        """-(1/2) grad R, shape (B,)."""
        tau = self._tau(r)
        value, slope = self.mean.value(tau), self.mean.slope(tau)
        by_tau = np.array([value[0] - 1.0, value[1] + 1.0]) * slope / np.maximum(tau, 1e-300)
        return np.asarray(-0.5 * (by_tau @ self.scales**2) * r)

    def positions(self, start: Array, times: Sequence[float]) -> Array:
        """The atom at the times, shape (T, B), to about 1e-11."""
        done = solve_ivp(
            lambda _, r: self.velocity(r),
            (0.0, times[-1]),
            start,
            method="DOP853",
            t_eval=times,
            rtol=1e-12,
            atol=1e-13,
        )
        return np.asarray(done.y.T)

    def _tau(self, r: Array) -> Array:
        return np.asarray(np.sqrt(self.scales**2 @ np.asarray(r) ** 2))


def initial_risk(mean: Mean, kappa: float, dims: Sequence[int], scales: Array) -> float:
    """R(rho_0) for w ~ N(0, kappa^2 Id / d), where the network is f(x) = q(kappa |x| / sqrt(d)).

    R = (1/2) sum_± E (±1 - f)^2 with |x|^2 = sum_j s_{±,j}^2 chi(p_j)^2: a Gauss rule over the chi laws.
    """
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    risk = 0.0
    for sign, per_class in zip((1.0, -1.0), scales, strict=True):
        squares, mass = np.zeros(()), np.ones(())
        for p, scale in zip(dims, per_class, strict=True):
            law = stats.chi(p)
            low, high = float(law.ppf(1e-18)), float(law.isf(1e-18))
            points = low + 0.5 * (high - low) * (nodes + 1.0)
            squares = np.add.outer(squares, (scale * points) ** 2)
            mass = np.multiply.outer(mass, 0.5 * (high - low) * weights * law.pdf(points))
        output = mean.value(kappa * np.sqrt(squares.ravel() / sum(dims)))
        risk += 0.5 * float(mass.ravel() @ (sign - output) ** 2)
    return risk


def two_class_scales(delta: float, blocks: int) -> Array:
    """s_{±,j}, shape (2, B): 1 ± delta on the first block, 1 on the others."""
    scales = np.ones((2, blocks))
    scales[:, 0] = 1.0 + delta, 1.0 - delta
    return scales


def sphere_mean(knots: Array, values: Array, radius: Array, dimension: int) -> Array:
    """g(s) = E_n sigma(s n), n a coordinate of a uniform point of S^(p-1): Gauss rules in the angle between kinks."""
    if dimension == 1:
        return np.asarray(0.5 * (np.interp(radius, knots, values) + np.interp(-radius, knots, values)))
    nodes, weights = np.polynomial.legendre.leggauss(ANGLES)
    inner = np.arccos(np.clip(-knots / np.maximum(radius, 1e-12)[:, None], -1.0, 1.0))
    ends = np.concatenate((np.zeros((len(radius), 1)), inner, np.full((len(radius), 1), np.pi)), axis=1)
    total, mass = np.zeros(len(radius)), np.zeros(len(radius))
    for low, high in zip(ends.T[:-1], ends.T[1:], strict=True):
        half = 0.5 * (high - low)[:, None]
        angle = low[:, None] + half * (nodes + 1.0)
        share = half * weights * np.sin(angle) ** (dimension - 2)
        total += np.sum(share * np.interp(-radius[:, None] * np.cos(angle), knots, values), axis=1)
        mass += np.sum(share, axis=1)
    return total / mass


def uniform_radius_risk(
    knots: Sequence[float], values: Sequence[float], radii: tuple[float, float], dimension: int, scales: Sequence[float]
) -> float:
    """R(rho_0) of one block, |w| uniform on an interval and a = 1, by rules split where the units' kinks come in."""
    inner, levels = np.asarray(knots, dtype=float), np.asarray(values, dtype=float)
    away = np.unique(np.abs(inner[inner != 0.0]))
    law, risk = stats.chi(dimension), 0.0
    for sign, scale in zip((1.0, -1.0), scales, strict=True):
        top = float(law.isf(1e-18))
        cuts = np.concatenate([away / (scale * end) for end in radii])
        rho, mass = _graded(np.unique(np.append(np.linspace(0.0, top, 9), cuts[cuts < top])))
        output = np.empty(len(rho))
        for index, distance in enumerate(scale * rho):
            cuts = away / distance
            inside = cuts[(cuts > radii[0]) & (cuts < radii[1])]
            r, share = _graded(np.concatenate(([radii[0]], inside, [radii[1]])))
            output[index] = float(share @ sphere_mean(inner, levels, r * distance, dimension)) / (radii[1] - radii[0])
        risk += 0.5 * float((mass * law.pdf(rho)) @ (sign - output) ** 2)
    return risk


def _graded(ends: Array) -> tuple[Array, Array]:
    """A Gauss rule on panels, its nodes graded as x = a + (b - a) sin(pi u / 2)^2 against half powers at the ends."""
    nodes, weights = np.polynomial.legendre.leggauss(16)
    turn = 0.25 * np.pi * (nodes + 1.0)
    length = np.diff(ends)[:, None]
    points = ends[:-1, None] + length * np.sin(turn) ** 2
    return points.ravel(), (length * 0.25 * np.pi * weights * np.sin(2.0 * turn)).ravel()
