"""Activations and their Gaussian moments, the only thing the reduction asks of them.

For a pre-activation t G + b with G standard normal,

    q(t, b)   = E sigma(t G + b)
    c_k(t, b) = E[sigma(t G + b) h_k(G)],      h_k = He_k / sqrt(k!), the normalised Hermite polynomial.

Piecewise linear functions have both in closed form: with sigma'' = sum_i m_i delta_{k_i} and x_i = (k_i - b) / t,
integrating by parts twice gives c_k = t sum_i m_i n(x_i) h_{k-2}(x_i) / sqrt(k (k-1)) for k >= 2, n the normal density.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numba
import numpy as np
from scipy import special

from mfpde.solvers.objective import Array

_TINY_SCALE = 1e-30
_FAR = 40.0
"""|x| beyond which the normal density is below 1e-340: moments there are exactly those of t = 0."""


class Moments(NamedTuple):
    """Gaussian moments at n scales: value and derivatives in t and b, each of shape (n,) or (n, orders)."""

    value: Array
    by_scale: Array
    by_offset: Array


class Activation(Protocol):
    """A unit's activation, seen through its values and Gaussian moments."""

    @property
    def name(self) -> str:
        """The name in configurations."""
        ...

    def __call__(self, u: Array) -> Array:
        """sigma(u), elementwise."""
        ...

    def derivative(self, u: Array) -> Array:
        """sigma'(u), elementwise; at a knot the slope to its right."""
        ...

    def mean(self, scale: Array, offset: Array) -> Moments:
        """q(t, b) with its derivatives, at scales t >= 0 and offsets b of shape (n,)."""
        ...

    def even_hermite(self, scale: Array, offset: Array, highest: int) -> Moments:
        """c_2, c_4, ..., c_highest with their derivatives, each of shape (n, highest // 2)."""
        ...


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


@dataclass(frozen=True)
class Smooth:
    """A sigmoidal activation, analytic in a strip of the given half-width; moments by the trapezoidal rule.

    The rule converges like exp(-2 pi strip / (t h)): h is chosen for double precision at the largest scale.
    """

    name: str
    function: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    strip: float

    def __call__(self, u: Array) -> Array:
        return self.function(u)

    def derivative(self, u: Array) -> Array:
        return self.slope(u)

    def _rule(self, scale: Array) -> tuple[Array, Array]:
        # h_k n decays like exp(-x^2 / 4) only
        reach = 12.5
        spacing = min(0.05, 2 * np.pi * self.strip / (38.0 * max(float(np.max(scale, initial=0.0)), 1e-3)))
        half = np.linspace(0.0, reach, int(np.ceil(reach / spacing)) + 1)
        # exact mirror images, so that what is odd integrates to 0 exactly
        nodes = np.concatenate([-half[:0:-1], half])
        weights = np.exp(-0.5 * nodes**2) / np.sqrt(2 * np.pi) * (nodes[1] - nodes[0])
        return nodes, weights

    def _against(self, scale: Array, offset: Array, nodes: Array, table: Array) -> Moments:
        """Integrals of sigma and its two derivatives against the even columns of `table` (nodes x orders)."""
        shape = (scale.size, table.shape[1])
        moments = Moments(np.empty(shape), np.empty(shape), np.empty(shape))
        chunk = max(1, 4_000_000 // nodes.size)
        for start in range(0, scale.size, chunk):
            part = slice(start, start + chunk)
            u = scale[part, None] * nodes + offset[part, None]
            value, slope = self.function(u), self.slope(u)
            # the even parts in the nodes: the others integrate to 0
            moments.value[part] = 0.5 * (value + value[:, ::-1]) @ table
            moments.by_scale[part] = 0.5 * (slope - slope[:, ::-1]) @ (nodes[:, None] * table)
            moments.by_offset[part] = 0.5 * (slope + slope[:, ::-1]) @ table
        return moments

    def mean(self, scale: Array, offset: Array) -> Moments:
        nodes, weights = self._rule(scale)
        moments = self._against(scale, offset, nodes, weights[:, None])
        return Moments(*(part[:, 0] for part in moments))

    def even_hermite(self, scale: Array, offset: Array, highest: int) -> Moments:
        nodes, weights = self._rule(scale)
        table = np.empty((nodes.size, highest // 2))
        # scaled by n(x)^(1/2), so that no order overflows
        previous, current = np.zeros_like(nodes), np.sqrt(weights)
        for k in range(1, highest + 1):
            previous, current = current, (nodes * current - np.sqrt(k - 1.0) * previous) / np.sqrt(k)
            if k % 2 == 0:
                table[:, k // 2 - 1] = current * np.sqrt(weights)
        return self._against(scale, offset, nodes, table)


def _sigmoid_slope(u: Array) -> Array:
    value = special.expit(u)
    return np.asarray(value * (1.0 - value))


def _tanh_slope(u: Array) -> Array:
    return np.asarray(1.0 - np.tanh(u) ** 2)


def _erf_slope(u: Array) -> Array:
    return np.asarray(2.0 / np.sqrt(np.pi) * np.exp(-np.minimum(u * u, 700.0)))


def relu() -> PiecewiseLinear:
    """max(u, 0)."""
    return PiecewiseLinear("relu", np.array([0.0]), np.array([1.0]))


def truncated_relu() -> PiecewiseLinear:
    """0 below 0, u on [0, 1], 1 above 1."""
    return PiecewiseLinear.through(np.array([0.0, 1.0]), np.array([0.0, 1.0]), name="truncated-relu")


def sigmoid() -> Smooth:
    """1 / (1 + exp(-u)); poles at ±i pi."""
    return Smooth("sigmoid", lambda u: np.asarray(special.expit(u)), _sigmoid_slope, strip=np.pi)


def tanh() -> Smooth:
    """tanh(u); poles at ±i pi / 2."""
    return Smooth("tanh", lambda u: np.asarray(np.tanh(u)), _tanh_slope, strip=np.pi / 2)


def erf() -> Smooth:
    """erf(u), entire; the strip is where it stays of order one."""
    return Smooth("erf", lambda u: np.asarray(special.erf(u)), _erf_slope, strip=1.0)


BY_NAME: dict[str, Callable[[], Activation]] = {
    "relu": relu,
    "truncated-relu": truncated_relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "erf": erf,
}
