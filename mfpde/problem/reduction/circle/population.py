"""Exact risk and gradient of finite networks on the circle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mfpde.problem.reduction.circle.arcs import Teachers, TwoSlopes
from mfpde.problem.reduction.circle.features import ArcKernel
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.population import Measured
from mfpde.solvers.objective.kernel import KernelLoss


@dataclass(frozen=True)
class CirclePopulation:
    """Exact risk and gradient of finite networks of two slopes.

    Attributes:
        kernel: that of the units.
        rows: (c_k, v_k) of the teachers as such units.
    """

    kernel: ArcKernel
    rows: Array

    @classmethod
    def of(cls, unit: Activation, teacher: Activation, teachers: Teachers) -> CirclePopulation | None:
        """None where the units are others."""
        slopes, theirs = TwoSlopes.of(unit), TwoSlopes.of(teacher)
        factor = None if slopes is None or theirs is None else slopes.multiple(theirs)
        if slopes is None or factor is None:
            return None
        return cls(ArcKernel(slopes), np.column_stack([factor * teachers.weights, teachers.directions]))

    def measure(self, w: Array, a: Array, b: Array) -> Measured:
        return Measured(self.risk(w, a, b), 0.0)

    def risk(self, w: Array, a: Array, b: Array) -> float:
        _without_offsets(b)
        return KernelLoss(self.kernel, self.rows).risk(np.column_stack([a / len(a), w]))

    def gradient(
        self, w: Array, a: Array, b: Array, trained_coefficients: bool = False, trained_offsets: bool = False
    ) -> tuple[Array, Array, Array]:
        _without_offsets(b)
        rows = KernelLoss(self.kernel, self.rows).gradient(np.column_stack([a / len(a), w]))
        value, slope = self.kernel.potential(w, rows[:, 1:], rows[:, 0])
        return a[:, None] * slope, value * trained_coefficients, np.zeros_like(b)

    def unit_squares(self, points: Array, b: Array) -> Array:
        slopes = self.kernel.slopes
        share = 0.25 * (slopes.right + slopes.left) ** 2 - 0.5 * slopes.right * slopes.left
        return np.asarray(share * (points**2).sum(axis=1))


def _without_offsets(b: Array) -> None:
    if np.any(b):
        raise ValueError("kernels of the circle are those without offsets")
