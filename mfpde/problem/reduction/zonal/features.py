"""The features R_{l,m}(tau) Y_l(u_1^2) of neurons, with their gradients."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from mfpde.problem.reduction.zonal.harmonics import invariant_harmonics
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.objective import DenseFeatures
from mfpde.solvers.objective.table.feature_table import FeatureTable


@dataclass(frozen=True)
class ZonalFeatures(DenseFeatures):
    """The features (q_+, q_-, R_{l,m} Y_l of class +, of class -).

    Attributes:
        unit: sigma.
        scales: s_{±,j}, shape (2, B).
        dimensions: p_j, shape (B,).
        degrees: l of each radial function, shape (n,), even.
        radial: the R_{l,m} as functions of log tau, rank n, the weight 1/2 of a class included.
    """

    unit: PiecewiseLinear
    scales: Array
    dimensions: Array
    degrees: Array
    radial: FeatureTable

    @property
    def dimension(self) -> int:
        return int(self.scales.shape[1])

    @property
    def rank(self) -> int:
        return 2 + 2 * len(self.degrees)

    def values(self, points: Array) -> Array:
        return self._evaluate(points, gradients=False)[0]

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        return self._evaluate(points, gradients=True)

    def _evaluate(self, points: Array, gradients: bool) -> tuple[Array, Array]:
        n, count, blocks = len(points), len(self.degrees), self.dimension
        values = np.empty((n, self.rank))
        slopes = np.empty((n, self.rank if gradients else 0, blocks))
        for sign in (0, 1):
            scales = self.scales[sign]
            tau = np.sqrt(((points * scales) ** 2).sum(axis=1))
            at_origin = tau == 0.0
            safe = np.where(at_origin, 1.0, tau)
            unit = points * scales / safe[:, None]
            mean = self.unit.mean(tau, np.zeros(n))
            radial, radial_slope = self._radial(tau, gradients)
            angular, angular_slope = self._angular(unit[:, 0] ** 2)
            part = slice(2 + sign * count, 2 + (sign + 1) * count)
            values[:, sign] = mean.value
            _multiply(radial, angular, self.degrees, values[:, part])
            if not gradients:
                continue
            # at the origin, one-sided along each axis
            along = np.where(at_origin[:, None], scales, scales * unit)
            slopes[:, sign] = mean.by_scale[:, None] * along
            share = 2.0 * scales * unit / safe[:, None] * (np.eye(blocks)[0] - unit[:, :1] ** 2)
            ends = self._angular(np.eye(blocks)[0])[0]
            parts = (radial, radial_slope, angular, angular_slope)
            _differentiate(*parts, self.degrees, along, share, ends, at_origin, slopes[:, part])
        return values, slopes

    def _radial(self, tau: Array, gradients: bool) -> tuple[Array, Array]:
        """R_{l,m}(tau) and derivative; linear in tau below the table, where only a knot at 0 acts."""
        lowest, highest = np.exp(self.radial.edges[0][[0, -1]])
        inside = np.clip(tau, lowest, highest)
        log_tau = np.clip(np.log(inside), *self.radial.edges[0][[0, -1]])[:, None]
        if not gradients:
            values = self.radial.values(log_tau)
            return values * np.minimum(tau / lowest, 1.0)[:, None], np.empty((0, 0))
        values, slopes = self.radial.values_and_gradients(log_tau)
        below = (tau < lowest)[:, None]
        slope = np.where(below, values / lowest, slopes[:, :, 0] / inside[:, None])
        return values * np.minimum(tau / lowest, 1.0)[:, None], slope

    def _angular(self, square: Array) -> tuple[Array, Array]:
        """Y_l / max |Y_l| and its derivative in u_1^2 for l = 0, 2, ... up to the highest degree, each (n, count)."""
        if self.dimension == 1:
            return np.ones((len(square), 1)), np.zeros((len(square), 1))
        return invariant_harmonics(square, int(self.degrees.max(initial=0)) // 2, *self.dimensions)


@numba.njit(cache=True)
def _multiply(radial: Array, angular: Array, degrees: Array, out: Array) -> None:
    """out[n, f] = radial[n, f] angular[n, degrees[f] / 2]."""
    for n in range(out.shape[0]):
        for f in range(out.shape[1]):
            out[n, f] = radial[n, f] * angular[n, degrees[f] // 2]


@numba.njit(cache=True)
def _differentiate(
    radial: Array,
    radial_slope: Array,
    angular: Array,
    angular_slope: Array,
    degrees: Array,
    along: Array,
    share: Array,
    ends: Array,
    at_origin: Array,
    out: Array,
) -> None:
    """The gradient of radial[n, f] angular[n, degrees[f] / 2], tau moving by `along` and u_1^2 by `share` per axis.

    At the origin, where u_1^2 has no value, each axis takes its own end, a row of `ends`.
    """
    for n in range(out.shape[0]):
        for f in range(out.shape[1]):
            k = degrees[f] // 2
            grown, turned = radial_slope[n, f], radial[n, f] * angular_slope[n, k]
            for j in range(out.shape[2]):
                here = ends[j, k] if at_origin[n] else angular[n, k]
                out[n, f, j] = grown * here * along[n, j] + turned * share[n, j]
