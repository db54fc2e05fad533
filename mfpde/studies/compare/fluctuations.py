"""The dynamical central limit theorem: N E|f_N - f|^2 against its Monte-Carlo value.

For neurons drawn independently from rho, N E|f_N(x) - f(x; rho)|^2 has the mean

    K(rho) = E_x [ ∫sigma_*(x; theta)^2 rho(dtheta) - f(x; rho)^2 ],

with the unaveraged unit sigma_*, whose orientation varies too. Along training the fluctuations stay at or below it at
late times (Rotskoff, Vanden-Eijnden, Comm. Pure Appl. Math. 75 (2022) 1889; Chen et al., NeurIPS 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mfpde.problem.network import Unit
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.population import Population
from mfpde.solvers.objective.objective import Objective


@dataclass(frozen=True)
class Fluctuations:
    """Second moments of network outputs on one problem.

    Attributes:
        objective: the reduced objective, positions in the coordinates `names`.
        population: moments over the law of the data.
        unit: which of a and b are coordinates, after those of w, and the values of those that are none.

    Raises:
        ValueError: a loss that is not quadratic.
    """

    objective: Objective
    population: Population
    unit: Unit

    def __post_init__(self) -> None:
        if not self.objective.loss.quadratic:
            raise ValueError("fluctuations are told from the mean square error; use the square loss")

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
        w, a, b = self.unit.parted(positions)
        squares = self.population.unit_squares(w, b)
        assert squares is not None, "asked for where the law offers no exact moments"
        return np.asarray(a**2 * squares)
