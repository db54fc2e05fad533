"""The risk of a finite network over the law of its data: exact where the law allows it, or measured on samples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from ..activations.activation import Activation
from ..arrays import Array
from ..sgd.samplers import Sampler
from ..sgd.state import SgdState

TEST_SAMPLES = 20_000
"""Samples that a risk is measured on: its standard error is then near a hundredth of the spread of (y - f)^2."""
TEST_REPLICA = 2**32 - 1
"""The stream of them, which no replica trains on; one for all replicas, so that they can be compared."""
TEST_CHUNK = 2**22
"""Coordinates and pre-activations of samples that are held at once."""


class Measured(NamedTuple):
    """A risk and its standard error, 0 where it is exact."""

    risk: float
    error: float


class Population(Protocol):
    """Risk and gradient of a finite network over the law of the data."""

    def measure(self, w: Array, a: Array, b: Array) -> Measured:
        """R_N of a network with parameters w (N, d), a (N,), b (N,), and its standard error."""
        ...

    def risk(self, w: Array, a: Array, b: Array) -> float:
        """R_N alone."""
        ...

    def gradient(
        self, w: Array, a: Array, b: Array, trained_coefficients: bool = False, trained_offsets: bool = False
    ) -> tuple[Array, Array, Array]:
        """grad Psi(theta_i; rho_N) = (N/2) dR_N/dtheta_i: for w (N, d), a (N,), b (N,); 0 for what is not trained."""
        ...

    def unit_squares(self, points: Array, b: Array) -> Array | None:
        """E sigma(<w, x> + b)^2 at reduced coordinates of w (n, D) and offsets b (n,); None where it is not known."""
        ...


@dataclass(frozen=True)
class CentredPopulation:
    """Risk and gradient of f_N - f_0: those of 2 N neurons, half of them the first ones with the opposite sign.

    Attributes:
        inner: that of networks as they are.
        first: the state at step 0, whose output is f_0.
    """

    inner: Population
    first: SgdState

    def measure(self, w: Array, a: Array, b: Array) -> Measured:
        return self.inner.measure(*self._doubled(w, a, b))

    def risk(self, w: Array, a: Array, b: Array) -> float:
        return self.measure(w, a, b).risk

    def gradient(
        self, w: Array, a: Array, b: Array, trained_coefficients: bool = False, trained_offsets: bool = False
    ) -> tuple[Array, Array, Array]:
        doubled = self._doubled(w, a, b)
        gw, ga, gb = (part[: len(w)] for part in self.inner.gradient(*doubled, trained_coefficients, trained_offsets))
        return 0.5 * gw, ga, 0.5 * gb

    def unit_squares(self, points: Array, b: Array) -> Array | None:
        return self.inner.unit_squares(points, b)

    def _doubled(self, w: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
        first = self.first
        return np.vstack([w, first.w]), 2.0 * np.concatenate([a, -first.a]), np.concatenate([b, first.b])


@dataclass(frozen=True)
class SampledPopulation:
    """Means over fixed samples in the place of the law, the same at every call.

    Attributes:
        sampler: the law of the data.
        unit: sigma.
        seed: of the samples.
        count: how many.
    """

    sampler: Sampler
    unit: Activation
    seed: int = 0
    count: int = TEST_SAMPLES

    def measure(self, w: Array, a: Array, b: Array) -> Measured:
        losses = np.concatenate([(y - self.unit.value(x @ w.T + b) @ a / len(a)) ** 2 for x, y in self._parts(w)])
        return Measured(float(losses.mean()), float(losses.std(ddof=1)) / math.sqrt(self.count))

    def risk(self, w: Array, a: Array, b: Array) -> float:
        return self.measure(w, a, b).risk

    def gradient(
        self, w: Array, a: Array, b: Array, trained_coefficients: bool = False, trained_offsets: bool = False
    ) -> tuple[Array, Array, Array]:
        gw, ga, gb = np.zeros_like(w), np.zeros_like(a), np.zeros_like(b)
        for x, y in self._parts(w):
            u = x @ w.T + b
            value, slope = self.unit.value(u), self.unit.slope(u)
            excess = (value @ a / len(a) - y) / self.count
            gw += a[:, None] * ((excess[:, None] * slope).T @ x)
            if trained_coefficients:
                ga += excess @ value
            if trained_offsets:
                gb += a * (excess @ slope)
        return gw, ga, gb

    def unit_squares(self, points: Array, b: Array) -> None:
        del points, b

    def _parts(self, w: Array) -> Iterator[tuple[Array, Array]]:
        step = max(1, TEST_CHUNK // max(w.shape))
        for start in range(0, self.count, step):
            yield self.sampler.samples(start, min(step, self.count - start), self.seed, TEST_REPLICA)
