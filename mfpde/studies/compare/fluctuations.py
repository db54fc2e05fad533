"""The dynamical central limit theorem: N E|f_N - f|^2 against its Monte-Carlo value.

For neurons drawn independently from rho, N E|f_N(x) - f(x; rho)|^2 has the mean

    K(rho) = E_x [ ∫sigma_*(x; theta)^2 rho(dtheta) - f(x; rho)^2 ],

with the unaveraged unit sigma_*, whose orientation varies too. Along training the fluctuations stay at or below it at
late times (Rotskoff, Vanden-Eijnden, Comm. Pure Appl. Math. 75 (2022) 1889; Chen et al., NeurIPS 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.sgd.engine import GaussianClasses


@dataclass(frozen=True)
class Fluctuations:
    """Second moments of network outputs on one problem.

    Attributes:
        objective: the reduced objective, positions in the coordinates `names`.
        data, unit: law of the data, activation.
        names: (r1, ..., a, b), those that there are.
        a, b: values of the coefficient and the offset where they are no coordinates.
    """

    objective: Objective
    data: GaussianClasses
    unit: Activation
    names: tuple[str, ...]
    a: float = 1.0
    b: float = 0.0

    def monte_carlo(self, positions: Array, weights: Array) -> float:
        """K(rho) of the law sum_i weights_i delta_{positions_i}."""
        outputs = self.objective.outputs(positions, weights)
        return float(weights @ self._second_moment(positions)) - self._square(outputs)

    def scaled_variance(self, network: Array, risk: float, outputs: Array) -> float:
        """N E|f_N - f|^2 of a network with neurons at `network`, shape (N, D), exact risk R_N, against outputs Phi rho.

        E f_N^2 comes from R_N; the terms with f or y need the symmetrised unit only, because these are symmetric.
        """
        own = self.objective.features.values(network).mean(axis=0)
        squared = risk - self.objective.risk(own) + self._square(own)
        mixed = float(self.objective.loss.metric @ (own * outputs))
        return len(network) * (squared - 2.0 * mixed + self._square(outputs))

    def _square(self, outputs: Array) -> float:
        """E f^2."""
        return float(self.objective.loss.metric @ outputs**2)

    def _second_moment(self, positions: Array) -> Array:
        """E_x sigma_*(x; theta)^2, shape (n,)."""
        blocks = len(self.data.dimensions)
        radii = positions[:, :blocks]
        a = positions[:, self.names.index("a")] if "a" in self.names else np.full(len(positions), self.a)
        b = positions[:, self.names.index("b")] if "b" in self.names else np.full(len(positions), self.b)
        total = np.zeros(len(positions))
        for scales in np.array(self.data.scales).T:
            total += 0.5 * self.unit.second_moments(np.sqrt((radii**2) @ scales**2), b)
        return np.asarray(a**2 * total)
