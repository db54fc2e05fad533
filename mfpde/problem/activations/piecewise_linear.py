"""The piecewise linear activations that have names."""

from __future__ import annotations

from mfpde.problem.activations.interface import ACTIVATIONS
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear


@ACTIVATIONS.register("truncated-relu")
class TruncatedRelu(PiecewiseLinear):
    """0 below 0, u on [0, 1], 1 above 1."""

    def __init__(self) -> None:
        super().__init__([0.0, 1.0], [1.0, -1.0])


@ACTIVATIONS.register("relu")
class Relu(PiecewiseLinear):
    """max(u, 0)."""

    def __init__(self) -> None:
        super().__init__([0.0], [1.0])
