"""Activations by name."""

from __future__ import annotations

from collections.abc import Callable

from mfpde.problem.activations.interface import Activation
from mfpde.problem.activations.piecewise_linear import relu, truncated_relu
from mfpde.problem.activations.smooth import erf, sigmoid, tanh

BY_NAME: dict[str, Callable[[], Activation]] = {
    "relu": relu,
    "truncated-relu": truncated_relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "erf": erf,
}
