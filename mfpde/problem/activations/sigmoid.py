"""The logistic activation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from mfpde.problem.activations.interface import ACTIVATIONS
from mfpde.solvers.activations.logistic import Logistic
from mfpde.solvers.arrays import Array


@ACTIVATIONS.register("sigmoid")
class Sigmoid(Logistic):
    """1 / (1 + exp(-u)); poles at ±i pi."""

    strip = math.pi
    limits = (0.0, 1.0)
    steepest = 0.25
    sharpest = 1.0 / (6.0 * math.sqrt(3.0))
    variation = 0.5
    turns = (-2.0 * math.atanh(1.0 / math.sqrt(3.0)), 2.0 * math.atanh(1.0 / math.sqrt(3.0)))

    def value(self, u: Array) -> Array:
        return np.asarray(special.expit(u))

    def slope(self, u: Array) -> Array:
        value = special.expit(u)
        return np.asarray(value * (1.0 - value))

    def bend(self, u: Array) -> Array:
        value = special.expit(u)
        return np.asarray(value * (1.0 - value) * (1.0 - 2.0 * value))

    @staticmethod
    def loop(u: Any, value: Any, gate: Any, count: int) -> None:
        for i in range(count):
            tail = math.exp(-abs(u[i]))
            value[i] = (1.0 if u[i] >= 0.0 else tail) / (1.0 + tail)
            gate[i] = tail / (1.0 + tail) ** 2
