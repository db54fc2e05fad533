"""Smooth activations: Gaussian moments by quadrature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from mfpde.problem.activations.interface import Moments
from mfpde.solvers.arrays import Array

_TINY_SCALE = 1e-30


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


def sigmoid() -> Smooth:
    """1 / (1 + exp(-u)); poles at ±i pi."""
    return Smooth("sigmoid", lambda u: np.asarray(special.expit(u)), _sigmoid_slope, strip=np.pi)


def tanh() -> Smooth:
    """tanh(u); poles at ±i pi / 2."""
    return Smooth("tanh", lambda u: np.asarray(np.tanh(u)), _tanh_slope, strip=np.pi / 2)


def erf() -> Smooth:
    """erf(u), entire; the strip is where it stays of order one."""
    return Smooth("erf", lambda u: np.asarray(special.erf(u)), _erf_slope, strip=1.0)
