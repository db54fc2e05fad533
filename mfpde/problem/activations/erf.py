"""The error function."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from mfpde.problem.activations.interface import ACTIVATIONS
from mfpde.solvers.activations.smooth import Smooth
from mfpde.solvers.arrays import Array


@ACTIVATIONS.register("erf")
class Erf(Smooth):
    """erf(u), entire; the strip is where it stays of order one."""

    strip = 1.0
    limits = (-1.0, 1.0)
    steepest = 2.0 / math.sqrt(math.pi)
    sharpest = math.sqrt(8.0 / (math.pi * math.e))
    variation = 4.0 / math.sqrt(math.pi)

    def value(self, u: Array) -> Array:
        return np.asarray(special.erf(u))

    def slope(self, u: Array) -> Array:
        return np.asarray(2.0 / np.sqrt(np.pi) * np.exp(-np.minimum(u * u, 700.0)))

    def bend(self, u: Array) -> Array:
        return np.asarray(-2.0 * u * self.slope(u))

    @staticmethod
    def loop(u: Any, value: Any, gate: Any, count: int) -> None:
        for i in range(count):
            value[i] = math.erf(u[i])
            gate[i] = 2.0 / math.sqrt(math.pi) * math.exp(-u[i] * u[i])
