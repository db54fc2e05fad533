"""The hyperbolic tangent."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mfpde.problem.activations.interface import ACTIVATIONS
from mfpde.solvers.activations.logistic import Logistic
from mfpde.solvers.arrays import Array


@ACTIVATIONS.register("tanh")
class Tanh(Logistic):
    """tanh(u); poles at ±i pi / 2."""

    strip = math.pi / 2
    limits = (-1.0, 1.0)
    steepest = 1.0
    sharpest = 4.0 / (3.0 * math.sqrt(3.0))
    variation = 2.0
    turns = (-math.atanh(1.0 / math.sqrt(3.0)), math.atanh(1.0 / math.sqrt(3.0)))

    def value(self, u: Array) -> Array:
        return np.asarray(np.tanh(u))

    def slope(self, u: Array) -> Array:
        return np.asarray(1.0 - np.tanh(u) ** 2)

    def bend(self, u: Array) -> Array:
        value = np.tanh(u)
        return np.asarray(-2.0 * value * (1.0 - value**2))

    @staticmethod
    def loop(u: Any, value: Any, gate: Any, count: int) -> None:
        for i in range(count):
            value[i] = math.tanh(u[i])
            gate[i] = 1.0 - value[i] * value[i]
