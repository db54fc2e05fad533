"""The kernels F_l of the radial functions, by the rule in log rho and the recurrence in the degree."""

from __future__ import annotations

import numba
import numpy as np
from scipy import special

from mfpde.problem.reduction.hermite import log_rising
from mfpde.problem.reduction.sphere import mean_on_sphere
from mfpde.problem.reduction.zonal.harmonics import log_pole
from mfpde.problem.reduction.zonal.rules import chi_rule, split_chi_rule
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array

RADIAL_NODES = {2: 2_000, 3: 1_000}
"""Nodes of the trapezoidal rule in log rho for two blocks, by sum_j p_j; 400 in more dimensions."""
HIGHEST = 1200
STEP = 1e-4
"""Width of a ramp over s below which it is a mean of steps."""
STEP_SHARES = 0.5 + np.array([-0.5, 0.5]) / np.sqrt(3.0)
"""Where on a ramp they are: Gauss's rule of two nodes."""


class RadialKernels:
    """max Y_l^2 F_l / 2 at pairs of the scales tau: F_0 without q q' once, then l = 2, 4, ..., one call each.

    Args:
        finer: factor on the nodes in log rho of two blocks; the rule of one block is exact.
    """

    def __init__(self, unit: PiecewiseLinear, dimensions: Array, tau: Array, finer: int) -> None:
        self._unit, self._tau, self._total = unit, tau, float(dimensions.sum())
        if len(dimensions) == 1:
            distances = np.abs(unit.knots[unit.knots != 0.0])
            self._rule = split_chi_rule(self._total, np.divide.outer(distances, tau).ravel())
        else:
            self._rule = chi_rule(self._total, finer * RADIAL_NODES.get(int(self._total), 400))
            self._harmonics = _Gegenbauer(unit, dimensions, tau, self._rule[0])

    def centred(self) -> Array:
        """That of l = 0, shape (n, n)."""
        return 0.5 * _centred_kernel(self._unit, self._total, self._tau, *self._rule)

    def root(self) -> Array:
        """A root of the next one, shape (n, nodes)."""
        return self._harmonics.next() * np.sqrt(0.5 * self._rule[1])

    def kernel(self) -> Array:
        """The next one, shape (n, n)."""
        root = self.root()
        return np.asarray(root @ root.T)


def _centred_kernel(unit: PiecewiseLinear, total: float, tau: Array, rho: Array, weights: Array) -> Array:
    """F_0 minus q q': the covariance over rho of g_0(tau rho), with q in closed form."""
    chunks = np.array_split(np.arange(len(rho)), max(1, len(rho) * len(tau) // 4_000_000))
    second = np.zeros((len(tau), len(tau)))
    for part in chunks:
        radius = np.outer(tau, rho[part])
        samples = mean_on_sphere(unit, radius.ravel(), total).reshape(radius.shape)
        second += (samples * weights[part]) @ samples.T
    mean = unit.mean(tau, np.zeros_like(tau)).value - unit(np.zeros(1))
    return second - np.outer(mean, mean)


class _Gegenbauer:
    """g_l(tau rho) max |Y_l| for l = 2, 4, ..., one call of `next` each, by the recurrence in the degree.

    Where a ramp is narrow against s its two kinks would cancel: it is a mean of steps, each integrated by parts once,
    E[1{n > x} C^_l(n)] = (1 - x^2)_+^{(p-1)/2} C^_{l-1}^(p/2)(x) / ((p - 1) W).
    """

    def __init__(self, unit: PiecewiseLinear, dimensions: Array, tau: Array, rho: Array) -> None:
        total, pieces = float(dimensions.sum()), unit.pieces
        radius = np.outer(tau, rho)
        poles = log_pole(HIGHEST // 2 + 1, *dimensions)[1:]
        norm = (total - 1) * special.beta(0.5, (total - 1) / 2)
        narrow = pieces.widths[:, None, None] < STEP * radius
        slopes = np.broadcast_to(pieces.slopes[:, None, None], (len(pieces.slopes), *radius.shape)).copy()
        slopes[1:-1][narrow] = 0.0
        x = _within(pieces.knots[:, None, None] / radius)
        hinges = np.diff(slopes, axis=0) * radius / ((total + 1) * norm)
        self._series = [_Series(x, hinges, total / 2 + 1, 0, poles)]
        if narrow.any():
            for share in STEP_SHARES:
                x = _within((pieces.knots[:-1] + share * pieces.widths)[:, None, None] / radius)
                steps = np.where(narrow, pieces.rises[:, None, None] / (len(STEP_SHARES) * norm), 0.0)
                self._series.append(_Series(x, steps, total / 2, 1, poles))

    def next(self) -> Array:
        """g_l max |Y_l| on the (tau, rho) grid for the next even l."""
        samples = np.zeros(self._series[0].x.shape[1:])
        for series in self._series:
            series.add(samples)
        return samples


class _Series:
    """Sums of weights times (1 - x^2)^(index - 1/2) C^_k^(index)(x) in the degrees k = first, first + 2, ...

    The polynomials are carried orthonormal and with their weight, as Hermite functions are: at p in the tens of
    thousands neither g_l nor Y_l alone is a floating-point number.

    Args:
        x: shape (K, n, q), within [-1, 1].
        weights: of that shape.
        index: of the polynomials.
        first: 0 or 1.
        poles: log max |Y_l| of the degrees.
    """

    def __init__(self, x: Array, weights: Array, index: float, first: int, poles: Array) -> None:
        self.x, self.degree = x, first
        k = np.arange(HIGHEST + 2, dtype=float)
        # 1 / N_k is the squared norm of C^_k
        log_count = np.log1p(k / index) + log_rising(2 * index, HIGHEST + 1) - log_rising(1.0, HIGHEST + 1)
        self.ratio = np.exp(poles - 0.5 * log_count[first::2])
        # off the diagonal of the Jacobi matrix of the orthonormal Gegenbauer polynomials of this index
        k = np.arange(1, HIGHEST + 4, dtype=float)
        self.off = np.append(0.0, np.sqrt(k * (k + 2 * index - 1) / (4 * (k + index) * (k + index - 1))))
        start = weights * np.exp(special.xlog1py(index - 0.5, -(x**2)))
        self.previous, self.current = np.zeros_like(x), start
        if first == 1:
            self.previous, self.current = start, x * start / self.off[1]

    def add(self, samples: Array) -> None:
        """Add the sum in the next degree to the samples, shape (n, q)."""
        offs = self.off[self.degree : self.degree + 3]
        _advance(self.x, self.previous, self.current, offs, self.ratio[self.degree // 2], samples)
        self.degree += 2


def _within(x: Array) -> Array:
    return np.asarray(np.clip(x, -1.0, 1.0))


@numba.njit(cache=True)
def _advance(x: Array, previous: Array, current: Array, off: Array, ratio: float, samples: Array) -> None:
    """Add ratio current[i] to the samples, and take two steps of off_{j+1} C_{j+1} = x C_j - off_j C_{j-1}."""
    for i in range(x.shape[0]):
        for n in range(x.shape[1]):
            for q in range(x.shape[2]):
                before, now = previous[i, n, q], current[i, n, q]
                if before == 0.0 and now == 0.0:
                    continue
                samples[n, q] += ratio * now
                middle = (x[i, n, q] * now - off[0] * before) / off[1]
                previous[i, n, q] = middle
                current[i, n, q] = (x[i, n, q] * middle - off[1] * now) / off[2]
