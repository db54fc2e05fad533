"""A data law of one's own: a sine on an interval, learned by neurons sigma(w x) whose weight w is the coordinate.

    mfpde solve docs/examples/own_law.toml --use docs/examples/own_law.py --scheme characteristics
    mfpde compare docs/examples/own_law.toml --use docs/examples/own_law.py --no-coupled

A law has keys (the fields of a frozen dataclass), axes, an initial law, and features under a loss. The sampler is for
SGD; a law without one is refused there in words.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

import mfpde


@dataclass(frozen=True)
class SineInitial:
    """The keys of [initial]."""

    width: float = mfpde.key(1.0, mfpde.Number(mfpde.POSITIVE), "standard deviation of w at t = 0")


@dataclass(frozen=True)
class Outputs(mfpde.DenseFeatures):
    """Phi_m(w) = sigma(w x_m): the outputs of a neuron at the nodes x_m."""

    activation: Any
    nodes: np.ndarray

    @property
    def dimension(self):
        return 1

    @property
    def rank(self):
        return len(self.nodes)

    def values(self, points):
        return self.activation.value(points * self.nodes)

    def values_and_gradients(self, points):
        slopes = self.activation.slope(points * self.nodes) * self.nodes
        return self.values(points), slopes[:, :, None]


@dataclass(frozen=True)
class Samples:
    """x uniform on [-1, 1], y = sin(frequency x)."""

    frequency: float
    dimension: int = 1

    def draw(self, count, generator):
        x = generator.uniform(-1.0, 1.0, (count, 1))
        return x, np.sin(self.frequency * x[:, 0])


@mfpde.data_law("sine")
@dataclass(frozen=True)
class Sine(mfpde.DataLaw):
    """y = sin(frequency x), x uniform on [-1, 1]."""

    frequency: float = mfpde.key(2.0, mfpde.Number(mfpde.POSITIVE), "of the sine")
    nodes: int = mfpde.key(24, mfpde.Integer(2, 200), "Gauss nodes in x")

    Initial = SineInitial
    network_keys = ("activation",)

    def axes(self):
        return {"w": mfpde.Line()}

    def start(self, initial, heads):
        return mfpde.product_law([mfpde.Normal(0.0, initial.width), *heads])

    def features(self, unit, box, accuracy, effort):
        x, weights = np.polynomial.legendre.leggauss(self.nodes)
        loss = mfpde.SquareLoss(0.5 * weights, np.sin(self.frequency * x))
        return mfpde.Expansion(mfpde.Objective(Outputs(unit.activation, x), loss), 1e-15, "Gauss rule in x")

    def sampler(self):
        return Samples(self.frequency)
