"""Energy, gradient and dissipation of atomic laws on a feature table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...arrays import Array
from ...flow.confinement import Confinement
from ...flow.flow import Flow
from ...objective.objective import Objective
from ...objective.table.feature_table import FeatureTable
from ...space.geometry import Geometry


@dataclass(frozen=True)
class AtomicEnergy:
    """F and its slopes for laws sum_i weights_i delta_{positions_i}, positions of shape (n, D) inside the table's box.

    Attributes:
        objective: the loss.
        table: its features.
        geometry, flow: bounds, mobility, confinement, birth and death.
    """

    objective: Objective
    table: FeatureTable
    geometry: Geometry
    flow: Flow

    @property
    def mobile(self) -> Array:
        """1 where a coordinate moves, shape (D,)."""
        return (self.geometry.mobility > 0.0).astype(float)

    @cached_property
    def confinement(self) -> Confinement:
        """V."""
        return self.flow.confinement(self.geometry)

    def summary(self, positions: Array, masses: Array, outputs: Array) -> Array:
        """sqrt(omega) outputs, means and deviations: what the error of a step is measured in."""
        mean = masses @ positions
        deviation = np.sqrt(masses @ (positions - mean) ** 2)
        return np.concatenate([np.sqrt(self.objective.loss.metric) * outputs, mean, deviation])

    def gradient(self, positions: Array, outputs: Array) -> Array:
        """The velocity, reversed: mobilities times the gradient of the potential, 0 where a bound holds an atom."""
        gradient = self.table.contract(positions, self.objective.loss_gradient(outputs))[1]
        gradient = (gradient + self.confinement.gradient(positions)) * self.geometry.mobility
        return np.where((positions <= self.table.box[0]) & (gradient > 0.0), 0.0, gradient)

    def dissipation(self, positions: Array, weights: Array, outputs: Array) -> float:
        """D = 2 (∫ sum_a m_a (d_a G)^2 drho + alpha Var_rho G), with kappa ∫G^2 drho where the mass is free."""
        found = 0.0
        if self.flow.transport:
            found += 2.0 * float(weights @ (self.gradient(positions, outputs) ** 2 @ self.geometry.inertia))
        if self.flow.rate > 0.0:
            potential = self.table.values(positions) @ self.objective.loss_gradient(outputs)
            potential += self.confinement.value(positions)
            found += 2.0 * self.flow.rate * float(weights @ self.flow.excess(potential, weights) ** 2)
        return found

    def free_energy(self, positions: Array, masses: Array, outputs: Array) -> float:
        """F."""
        return self.objective.energy(outputs) + self.confinement.energy(positions, masses)
