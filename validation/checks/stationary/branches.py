"""Branches of stationary laws: folds and thresholds against their own equations, with kernels by plain quadrature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import optimize, special, stats

from mfpde.results.answers.branches import Branches, BranchEvent
from mfpde.studies.branches.branches import branches
from validation.expected.quadrature import NODES, Array, Mean, piecewise_linear_mean
from validation.expected.reference import activation
from validation.rows import Row, check
from validation.workbench import Workbench

PROMISE, RADIUS, DIMENSION = 1e-6, 10.0, 40
LOW, HIGH = 0.3, 0.9
LIMIT = ("data.dims=infinite", "data.fractions=[1.0]")
STEP = 1e-3
"""Of the fourth-order differences in r."""


@check("branches", ("stationary",))
def thresholds(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Activation M: where one atom has zero risk, where it ceases to be optimal and stable, where two laws fold."""
    del bench
    found = _found(*LIMIT)
    split, fold = _event(found, "splitting"), _event(found, "fold")
    delta, r = _threshold()
    yield Row("branches d=inf splitting Delta", scheme, delta, split.parameter, 1e-12, PROMISE)
    yield Row("branches d=inf splitting r", scheme, r, float(split.positions[0, 0]), 1e-12, PROMISE)
    yield Row("branches d=inf one atom optimal until Delta", scheme, delta, found.optimal[0].high, 1e-12, PROMISE)
    expected = _fold(float(fold.positions[0, 0]), fold.parameter)
    yield Row("branches d=inf fold Delta", scheme, expected, fold.parameter, 1e-9, PROMISE)
    found = _found(f"data.dims={DIMENSION}")
    split = _event(found, "splitting")
    expected = optimize.brentq(lambda delta: Isotropic(delta).bend(), split.parameter - 0.01, split.parameter + 0.01)
    yield Row(f"branches d={DIMENSION} splitting Delta", scheme, expected, split.parameter, 1e-9, PROMISE)
    high = found.optimal[0].high
    expected = optimize.brentq(lambda delta: Isotropic(delta).excess(), high - 0.01, high + 0.005, xtol=1e-11)
    yield Row(f"branches d={DIMENSION} one atom optimal until Delta", scheme, expected, high, 1e-9, PROMISE)


def _found(*overrides: str) -> Branches:
    values = np.linspace(LOW, HIGH, 5).tolist()
    return branches("isotropic-gaussians", {"data.delta": values}, overrides=overrides, most_atoms=1)


def _event(found: Branches, kind: str) -> BranchEvent:
    """The first event of a kind."""
    return min((e for b in found.branches for e in b.events if e.kind == kind), key=lambda event: event.parameter)


def _mean() -> Mean:
    table = activation("M")
    return piecewise_linear_mean(table["knots"], table["values"])


def _threshold() -> tuple[float, float]:
    """Delta and r with q((1 + Delta) r) = 1 and q((1 - Delta) r) = -1."""
    mean = _mean()

    def miss(unknowns: Array) -> Array:
        delta, r = unknowns
        return np.asarray(mean.value(np.array([(1.0 + delta) * r, (1.0 - delta) * r])) - np.array([1.0, -1.0]))

    delta, r = map(float, optimize.fsolve(miss, [0.5, 1.7], xtol=1e-13))
    return delta, r


def _fold(r: float, near: float) -> float:
    """At d = infinity, the extreme of the Delta at which r is a critical point of R(delta_r), near r."""
    mean = _mean()

    def slope(r: float, delta: float) -> float:
        tau = np.array([(1.0 + delta) * r, (1.0 - delta) * r])
        residual = mean.value(tau) - np.array([1.0, -1.0])
        return float(residual * mean.slope(tau) @ np.array([1.0 + delta, 1.0 - delta]))

    def critical(r: float) -> float:
        return float(optimize.brentq(lambda delta: slope(r, delta), near - 0.01, near + 0.01, xtol=1e-14))

    return float(optimize.minimize_scalar(critical, bracket=(r - 0.05, r, r + 0.05), tol=1e-10).fun)


@dataclass(frozen=True)
class Isotropic:
    """One block of 40 dimensions: x = s R n, R = chi, n the first coordinate of a point of the sphere; activation M.

    Attributes:
        delta: s_± = 1 ± delta.
    """

    delta: float

    @cached_property
    def nodes(self) -> tuple[Array, Array]:
        """Radii |x| and weights of the two classes, shape (2, n)."""
        law = stats.chi(DIMENSION)
        low, high = float(law.ppf(1e-18)), float(law.isf(1e-18))
        points, weights = np.polynomial.legendre.leggauss(NODES)
        radii = low + 0.5 * (high - low) * (points + 1.0)
        mass = 0.5 * (high - low) * weights * law.pdf(radii)
        scales = np.array([[1.0 + self.delta], [1.0 - self.delta]])
        return scales * radii, 0.5 * np.stack([mass, mass])

    def unit(self, r: float) -> Array:
        """E sigma(r |x| n) at the nodes: moments of the density prop. to (1 - n^2)^((p-3)/2) by incomplete betas."""
        table = activation("M")
        knots, values = np.array(table["knots"]), np.array(table["values"])
        slopes = np.diff(values) / np.diff(knots)
        kinks = np.diff(np.concatenate([[0.0], slopes, [0.0]]))
        reach = r * self.nodes[0]
        total = np.full(reach.shape, values[0])
        half = 0.5 * (DIMENSION - 1.0)
        first = np.exp(special.gammaln(0.5 * DIMENSION) - special.gammaln(half)) / np.sqrt(np.pi) / (2.0 * half)
        for knot, kink in zip(knots, kinks, strict=True):
            cut = np.minimum(knot / reach, 1.0)
            tail = 0.5 * special.betainc(half, 0.5, 1.0 - cut**2)
            total += kink * (reach * first * (1.0 - cut**2) ** half - knot * tail)
        return np.asarray(total)

    def psi(self, z: float, r: float) -> float:
        """Psi(z; delta_r)."""
        targets = np.array([[1.0], [-1.0]])
        return float(np.sum(self.nodes[1] * (self.unit(r) - targets) * self.unit(z)))

    def best(self) -> float:
        """The r near 1.7 at which R(delta_r) is least."""
        return float(optimize.brentq(lambda r: self._difference(lambda z: self.psi(z, r), r), 1.2, 2.2, xtol=1e-13))

    def bend(self) -> float:
        """H0 = d^2 Psi(z; delta_r) / dz^2 at z = r."""
        r = self.best()
        return self._difference(lambda z: self._difference(lambda y: self.psi(y, r), z), r)

    def excess(self) -> float:
        """Psi at the atom over its value at the end of the box, where it is least away from the atom."""
        r = self.best()
        return self.psi(r, r) - self.psi(RADIUS, r)

    @staticmethod
    def _difference(function: object, z: float) -> float:
        assert callable(function)
        ends = [function(z + k * STEP) for k in (-2, -1, 1, 2)]
        return float((ends[0] - 8.0 * ends[1] + 8.0 * ends[2] - ends[3]) / (12.0 * STEP))
