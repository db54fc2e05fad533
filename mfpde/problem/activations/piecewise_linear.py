"""Piecewise linear activations: every Gaussian moment in closed form.

With sigma'' = sum_i m_i delta_{k_i} and x_i = (k_i - b) / t, integrating by parts twice gives
c_k = t sum_i m_i n(x_i) h_{k-2}(x_i) / sqrt(k (k-1)) for k >= 2, n the normal density.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from scipy import special

from mfpde.problem.activations.interface import Moments
from mfpde.problem.activations.smooth import _TINY_SCALE
from mfpde.solvers.arrays import Array

_FAR = 40.0
"""|x| beyond which the normal density is below 1e-340: moments there are exactly those of t = 0."""


@dataclass(frozen=True)
class PiecewiseLinear:
    """Continuous piecewise linear sigma(u) = left + slope u + sum_i kinks_i (u - knots_i)_+.

    Attributes:
        knots: increasing abscissae of the kinks, shape (K,).
        kinks: jumps of the slope there, shape (K,).
        left: sigma at the origin of the leftmost line.
        slope: slope of the leftmost line.
    """

    name: str
    knots: Array
    kinks: Array
    left: float = 0.0
    slope: float = 0.0

    @classmethod
    def through(cls, knots: Array, values: Array, name: str = "piecewise-linear") -> PiecewiseLinear:
        """The interpolant of (knots, values), constant outside the first and last knot.

        Raises:
            ValueError: if the knots are not at least two, finite and strictly increasing, or lengths differ.
        """
        knots, values = np.asarray(knots, dtype=float), np.asarray(values, dtype=float)
        if knots.ndim != 1 or knots.shape != values.shape or knots.size < 2:
            raise ValueError(
                f"an activation needs two or more knots and as many values, got {knots.size} and {values.size}"
            )
        if not (np.all(np.isfinite(knots)) and np.all(np.isfinite(values)) and np.all(np.diff(knots) > 0)):
            raise ValueError("activation knots must be finite and strictly increasing, values finite")
        slopes = np.concatenate(([0.0], np.diff(values) / np.diff(knots), [0.0]))
        return cls(name, knots, np.diff(slopes), left=float(values[0]))

    def __call__(self, u: Array) -> Array:
        hinges = np.maximum(np.subtract.outer(u, self.knots), 0.0)
        return np.asarray(self.left + self.slope * u + hinges @ self.kinks)

    def derivative(self, u: Array) -> Array:
        return np.asarray(self.slope + np.greater_equal.outer(u, self.knots) @ self.kinks)

    def affine(self, coefficient: float, offset: float) -> PiecewiseLinear:
        """u -> coefficient * sigma(u + offset)."""
        left = coefficient * (self.left + self.slope * offset)
        return PiecewiseLinear(self.name, self.knots - offset, coefficient * self.kinks, left, coefficient * self.slope)

    def _standardised(self, scale: Array, offset: Array) -> Array:
        distance = self.knots[None, :] - offset[:, None]
        return np.clip(distance / np.maximum(scale, _TINY_SCALE)[:, None], -_FAR, _FAR)

    def mean(self, scale: Array, offset: Array) -> Moments:
        x = self._standardised(scale, offset)
        density = np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)
        tail = special.ndtr(-x)
        hinge = scale[:, None] * density - (self.knots[None, :] - offset[:, None]) * tail
        return Moments(
            self.left + self.slope * offset + hinge @ self.kinks,
            density @ self.kinks,
            self.slope + tail @ self.kinks,
        )

    def even_hermite(self, scale: Array, offset: Array, highest: int) -> Moments:
        x = self._standardised(scale, offset)
        moments = np.zeros((3, scale.size, highest // 2))
        _piecewise_linear_hermite(scale, x, self.kinks, moments)
        return Moments(*moments)


@numba.njit(cache=True, error_model="numpy")
def _piecewise_linear_hermite(scale: Array, x: Array, kinks: Array, moments: Array) -> None:
    """Fill moments[0], [1], [2] with c_{2j+2}, its t- and its b-derivative at index j."""
    orders = moments.shape[2]
    for n in range(scale.size):
        for i in range(kinks.size):
            previous, current = 0.0, kinks[i] * np.exp(-0.5 * x[n, i] ** 2) / np.sqrt(2 * np.pi)
            for j in range(orders):
                k = 2.0 * (j + 1)
                # current = m n(x) h_{k-2}; one Hermite step gives h_{k-1}, a second h_k
                following = (x[n, i] * current - np.sqrt(k - 2.0) * previous) / np.sqrt(k - 1.0)
                norm = 1.0 / np.sqrt(k * (k - 1.0))
                moments[0, n, j] += scale[n] * current * norm
                moments[1, n, j] += (current + np.sqrt(k - 1.0) * x[n, i] * following) * norm
                moments[2, n, j] += following / np.sqrt(k)
                previous, current = following, (x[n, i] * following - np.sqrt(k - 1.0) * current) / np.sqrt(k)


def relu() -> PiecewiseLinear:
    """max(u, 0)."""
    return PiecewiseLinear("relu", np.array([0.0]), np.array([1.0]))


def truncated_relu() -> PiecewiseLinear:
    """0 below 0, u on [0, 1], 1 above 1."""
    return PiecewiseLinear.through(np.array([0.0, 1.0]), np.array([0.0, 1.0]), name="truncated-relu")
