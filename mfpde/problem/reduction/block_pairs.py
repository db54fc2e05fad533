"""The exact pair interaction of one small isotropic block and piecewise linear units, by quadrature in |x| alone.

With g(s) = E_n sigma(s n), n the first coordinate of a uniform point of S^(p-1), tau_± = s_± r and rho ~ chi(p),

    U(r, r') = (1/2) sum_± E_rho[ g(tau rho) g(tau' rho) ],    V(r) = -(1/2) (q(tau_+) - q(tau_-)),

and g is analytic but at the knots, where powers of (s - |k|)^(1/2) begin: Gauss rules on panels split at |k| / tau and
|k| / tau', with the substitution rho = a + (b - a) v^2, converge to rounding. g'' is not needed: the derivative along
log tau + log tau' falls on the law of rho, so that with D = tau d/dtau

    tau^2 d_11 U = (1/2) sum_± E_rho[ (rho^2 - p - 1) Dg(tau rho) g(tau' rho) - Dg(tau rho) Dg(tau' rho) ].

Features cannot replace this in small blocks: U has the singularity |tau - tau'|^(p+2) on the diagonal, and what n of
them leave falls like n^-(p+2) in U, but like n^-p in d_11 U, which decides on stability.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np
from scipy import special

from mfpde.problem.reduction.mixture import BlockMixture
from mfpde.problem.reduction.sphere import Ramps, ramps_of, sphere_mean
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array

LARGEST = 4
"""Largest p with the closed forms of g below; features are exact enough beyond."""
ORDER = 16
"""Gauss nodes of a panel; the error is measured against half as many more."""
PANELS = np.concatenate([[0.0], 2.0 ** np.arange(-14, 1), [1.5, 2.0, 2.5, 3.0, 3.75, 4.5, 5.25, 6.0, 7.0, 8.0, 9.5]])
"""Ends of the panels in rho before they are split."""


@dataclass(frozen=True)
class BlockPairs:
    """U, V and their derivatives in r; see `mfpde.solvers.stationary.pair_landscape.Pairs`.

    Attributes:
        unit: sigma.
        dimension: p, from 1 to 4.
        scales: (s_+, s_-).
    """

    unit: PiecewiseLinear
    dimension: int
    scales: tuple[float, float]

    def psi(self, points: Array, positions: Array, masses: Array) -> tuple[Array, Array, Array]:
        """Psi, its gradient (n, 1) and Hessian (n, 1, 1) at points (n, 1); the Hessian is NaN at r = 0."""
        value, slope, bend = self._external(points[:, 0])
        integrals = self._integrals(points, positions, masses, ORDER)
        value, slope, bend = value + integrals[:, 0], slope + integrals[:, 1], bend + integrals[:, 2]
        return value, slope[:, None], bend[:, None, None]

    def hessian_error(self, points: Array, positions: Array, masses: Array) -> float:
        """Error of the Hessian of Psi, from a finer rule."""
        rules = [self._integrals(points, positions, masses, order)[:, 2] for order in (ORDER, ORDER + ORDER // 2)]
        return float(np.max(np.abs(rules[1] - rules[0])))

    def own_gradient(self, points: Array) -> Array:
        """grad Psi(z; delta_z), shape (n, 1)."""
        slope = self._external(points[:, 0])[1]
        one = np.ones(1)
        for n, point in enumerate(points):
            slope[n] += self._integrals(point[None], point[None], one, ORDER)[0, 1]
        return np.asarray(slope[:, None])

    def gram(self, positions: Array) -> tuple[Array, Array, Array]:
        """U(z_i, z_j), d_1 U(z_i, z_j) and d_1 d_2 U(z_i, z_j), shapes (K, K), (K, 1, K) and (K, 1, K, 1)."""
        count = len(positions)
        found = np.empty((count, count, 4))
        for j in range(count):
            found[:, j] = self._integrals(positions, positions[j : j + 1], np.ones(1), ORDER)
        return found[..., 0], found[:, None, :, 1], found[:, None, :, None, 3]

    def risk(self, positions: Array, masses: Array) -> float:
        """R of an atomic law."""
        external = self._external(positions[:, 0])[0]
        pairs = self._integrals(positions, positions, masses, ORDER)[:, 0]
        return max(1.0 + float(masses @ (2.0 * external + pairs)), 0.0)

    def _external(self, radius: Array) -> tuple[Array, Array, Array]:
        """V and its first two derivatives."""
        found = np.zeros((3, radius.size))
        for scale, sign in zip(self.scales, (-0.5, 0.5), strict=True):
            tau = scale * radius
            mean = self.unit.mean(tau, np.zeros_like(tau))
            found[0] += sign * mean.value
            found[1] += sign * scale * mean.by_scale
            found[2] += sign * scale**2 * self.unit.mean_curvature(tau)
        return found[0], found[1], found[2]

    def _integrals(self, points: Array, positions: Array, masses: Array, order: int) -> Array:
        """∫U(z, .) drho, its first two derivatives in z, and ∫d_1 d_2 U(z, .) drho, shape (n, 4)."""
        found = np.zeros((len(points), 4))
        nodes, weights = self._rules[order]
        density = np.exp((1.0 - 0.5 * self.dimension) * np.log(2.0) - special.gammaln(0.5 * self.dimension))
        for scale in self.scales:
            moved, law = (np.ascontiguousarray(scale * part[:, 0]) for part in (points, positions))
            one = np.empty_like(found)
            _pair_integrals(
                moved,
                law,
                np.ascontiguousarray(masses),
                self._ramps,
                self.dimension,
                PANELS,
                nodes,
                weights,
                density,
                one,
            )
            found += 0.5 * np.array([1.0, scale, scale**2, scale**2]) * one
        return found

    @cached_property
    def _ramps(self) -> Ramps:
        return ramps_of(self.unit)

    @cached_property
    def _rules(self) -> dict[int, tuple[Array, Array]]:
        """Gauss rules on [0, 1]."""
        rules = {}
        for order in (ORDER, ORDER + ORDER // 2):
            v, w = np.polynomial.legendre.leggauss(order)
            rules[order] = (0.5 * (v + 1.0), 0.5 * w)
        return rules


def block_pairs(activation: Activation, mixture: BlockMixture) -> BlockPairs | None:
    """The exact interaction of one block of at most four dimensions and a piecewise linear unit, None otherwise."""
    unit = activation.linear
    if mixture.infinite or len(mixture.dimensions) != 1 or unit is None:
        return None
    if unit.first_slope != 0.0 or not (mixture.dimensions[0] <= LARGEST and float(mixture.dimensions[0]).is_integer()):
        return None
    plus, minus = mixture.scales[0]
    return BlockPairs(unit, int(mixture.dimensions[0]), (float(plus), float(minus)))


@numba.njit(cache=True, error_model="numpy")
def _pair_integrals(
    points: Array,
    law: Array,
    masses: Array,
    ramps: Ramps,
    dimension: int,
    panels: Array,
    nodes: Array,
    weights: Array,
    density: float,
    out: Array,
) -> None:
    """Fill out[i] with E[g f], d/dtau and d^2/dtau^2 of it, and E[rho g' f'] at tau = points[i].

    f = sum_j masses_j g(law_j rho) and f' = sum_j masses_j rho g'(law_j rho).
    """
    level, low, high, rise, slopes = ramps
    knots = np.unique(np.concatenate((low[low > 0.0], high[high < np.inf])))
    count = panels.size + knots.size * (law.size + 1)
    edges = np.empty(count)
    end = panels[-1]
    for i in range(points.size):
        tau = points[i]
        edges[: panels.size] = panels
        place = panels.size
        for m in range(knots.size):
            k = knots[m]
            edges[place] = min(k / tau, end) if tau > 0.0 else end
            place += 1
            for j in range(law.size):
                edges[place] = min(k / law[j], end) if law[j] > 0.0 else end
                place += 1
        edges.sort()
        value, slope, bend, cross = 0.0, 0.0, 0.0, 0.0
        for e in range(count - 1):
            width = edges[e + 1] - edges[e]
            if not width > 0.0:
                continue
            for q in range(nodes.size):
                rho = edges[e] + width * nodes[q] * nodes[q]
                w = 2.0 * width * nodes[q] * weights[q] * density * rho ** (dimension - 1) * np.exp(-0.5 * rho * rho)
                own, own_slope = sphere_mean(tau * rho, level, low, high, rise, slopes, dimension)
                f, moved, scaled = 0.0, 0.0, 0.0
                for j in range(law.size):
                    other, other_slope = sphere_mean(law[j] * rho, level, low, high, rise, slopes, dimension)
                    f += masses[j] * other
                    moved += masses[j] * rho * other_slope
                    scaled += masses[j] * law[j] * rho * other_slope
                value += w * own * f
                slope += w * rho * own_slope * f
                cross += w * rho * own_slope * moved
                bend += w * rho * own_slope * ((rho * rho - dimension - 1.0) * f - scaled)
        out[i, 0] = value
        out[i, 1] = slope
        out[i, 2] = bend / tau if tau > 0.0 else np.nan
        out[i, 3] = cross
