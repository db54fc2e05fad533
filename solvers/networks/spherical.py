"""Risk and gradient of a finite network over x uniform on S^(d-1)(sqrt d), exact.

    R_N = E y^2 - (2/N) sum_i a_i E y sigma(u_i) + (1/N^2) sum_ij a_i a_j E sigma(u_i) sigma(u_j),

of which `harmonics.neurons` has the terms. Cones without offsets are those of Gaussian inputs: E_G sigma sigma' is
E |x|^2 / d = 1 times that on the sphere. Series of units with knots end, and what they leave is told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..activations.activation import Activation
from ..arrays import Array
from ..harmonics.neurons import Neurons, Slopes
from ..harmonics.targets import Target
from ..harmonics.units import ZonalUnit
from .gradient import Pairs
from .population import Measured, Population
from .risk import squared_output

ROUNDING = 1e-12


@dataclass(frozen=True)
class SphericalPopulation:
    """Exact risk and gradient of units on the sphere.

    Attributes:
        unit: sigma.
        target: y without the noise.
        noise: its standard deviation.
        gaussian: that of Gaussian inputs, where the target is a cone as well; None where it is none.
    """

    unit: Activation
    target: Target
    noise: float = 0.0
    gaussian: Population | None = None

    def risk(self, w: Array, a: Array, b: Array) -> float:
        return self.measure(w, a, b).risk

    def measure(self, w: Array, a: Array, b: Array) -> Measured:
        cone = self._cone(b)
        if cone and self.gaussian is not None:
            return self.gaussian.measure(w, a, b)
        neurons, shares = Neurons.of(self.unit, w, b), a / len(a)
        taught = float(shares @ neurons.taught(self.target).value)
        constant = self.target.second_moment + self.noise**2
        # root mean square, at most, of what f has of degrees that are left out
        left = float(np.abs(shares) @ np.sqrt(neurons.left))
        error = 2.0 * left * self.target.unseen(neurons.unit.count)
        if cone:
            square = squared_output(self.unit, w, a, b)[1]
        else:
            square = float(shares @ neurons.pulled(neurons, shares))
            error += left**2
        risk = constant - 2.0 * taught + square
        return Measured(risk, error if error > ROUNDING * constant else 0.0)

    def gradient(
        self, w: Array, a: Array, b: Array, trained_coefficients: bool = False, trained_offsets: bool = False
    ) -> tuple[Array, Array, Array]:
        cone = self._cone(b)
        if cone and self.gaussian is not None:
            return self.gaussian.gradient(w, a, b, trained_coefficients, trained_offsets)
        neurons, shares = Neurons.of(self.unit, w, b), a / len(a)
        own = self._cones(w, b, shares) if cone else neurons.slopes(neurons, shares)
        found = own.minus(neurons.taught(self.target))
        ga = found.value if trained_coefficients else np.zeros_like(a)
        return a[:, None] * found.by_weight, ga, a * found.by_offset if trained_offsets else np.zeros_like(b)

    def unit_squares(self, points: Array, b: Array) -> Array:
        return ZonalUnit.of(self.unit, self.target.dimension, 2).squares(np.linalg.norm(points, axis=1), b)

    def _cone(self, b: Array) -> bool:
        """Whether the pairs of units are those of Gaussian inputs."""
        return self.unit.homogeneity == 1.0 and not b.any()

    def _cones(self, w: Array, b: Array, shares: Array) -> Slopes:
        pairs = Pairs.of(self.unit, w, b)
        return Slopes(pairs.moments(0, 0) @ shares, pairs.pull(shares), pairs.moments(1, 0) @ shares)
