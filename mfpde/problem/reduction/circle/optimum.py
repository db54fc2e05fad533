"""The kernel of two angles, for the optimum over measures on the circle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mfpde.problem.reduction.circle.arcs import Teachers, TwoSlopes
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.arrays import Array
from mfpde.solvers.optimum.circle import CircleLaw


@dataclass(frozen=True)
class ArcProfile:
    """k(delta) = U of two unit vectors at this angle, with its derivatives.

    Attributes:
        slopes: of the unit.
    """

    slopes: TwoSlopes

    @property
    def bend(self) -> float:
        """max |k''|: (pi - delta) cos delta and sin delta are at most pi together."""
        total, product = self.slopes.right + self.slopes.left, self.slopes.right * self.slopes.left
        return 0.25 * total**2 + 0.5 * abs(product)

    def jets(self, apart: Array) -> tuple[Array, Array, Array]:
        delta = np.mod(apart + np.pi, 2.0 * np.pi) - np.pi
        size, cosine, sine = np.abs(delta), np.cos(delta), np.sin(delta)
        both, product = (
            (self.slopes.right + self.slopes.left) ** 2 / (4.0 * np.pi),
            self.slopes.right * self.slopes.left,
        )
        turned = np.pi - size
        value = both * (np.sin(size) + turned * cosine) - 0.5 * product * cosine
        slope = -both * turned * sine + 0.5 * product * sine
        return value, slope, both * (np.sin(size) - turned * cosine) + 0.5 * product * cosine


def circle_law(unit: Activation, teacher: Activation, teachers: Teachers) -> CircleLaw | None:
    """The kernel of two angles and the teachers as such units; None where they are others."""
    slopes, theirs = TwoSlopes.of(unit), TwoSlopes.of(teacher)
    factor = None if slopes is None or theirs is None else slopes.multiple(theirs)
    if slopes is None or factor is None:
        return None
    return CircleLaw(ArcProfile(slopes), teachers.angles, factor * teachers.weights)
