"""A data law of one's own: a sine on an interval, learned by neurons a tanh(z x) whose slope z is the coordinate.

    mfpde solve docs/examples/own_law.toml --use docs/examples/own_law.py --scheme characteristics

A law has keys (the fields of a frozen dataclass), axes, an initial law, and features under a loss.
"""

from dataclasses import dataclass

import numpy as np

import mfpde


@dataclass(frozen=True)
class SineInitial:
    """The keys of [initial]."""

    width: float = mfpde.key(1.0, mfpde.Number(mfpde.POSITIVE), "standard deviation of z at t = 0")


@dataclass(frozen=True)
class Tanh(mfpde.DenseFeatures):
    """Phi_m(z) = tanh(z x_m): the outputs of a neuron at the nodes x_m."""

    nodes: np.ndarray

    @property
    def dimension(self):
        return 1

    @property
    def rank(self):
        return len(self.nodes)

    def values(self, points):
        return np.tanh(points * self.nodes)

    def values_and_gradients(self, points):
        values = self.values(points)
        return values, ((1.0 - values**2) * self.nodes)[:, :, None]


@mfpde.data_law("sine")
@dataclass(frozen=True)
class Sine(mfpde.DataLaw):
    """y = sin(frequency x), x uniform on [-1, 1]."""

    frequency: float = mfpde.key(2.0, mfpde.Number(mfpde.POSITIVE), "of the sine")
    nodes: int = mfpde.key(24, mfpde.Integer(2, 200), "Gauss nodes in x")

    Initial = SineInitial
    network_keys = ()

    def axes(self):
        return {"z": mfpde.Line()}

    def start(self, initial, heads):
        return mfpde.product_law([mfpde.Normal(0.0, initial.width), *heads])

    def features(self, unit, box, accuracy, effort):
        x, w = np.polynomial.legendre.leggauss(self.nodes)
        loss = mfpde.SquareLoss(0.5 * w, np.sin(self.frequency * x))
        return mfpde.Expansion(mfpde.Objective(Tanh(x), loss), 1e-15, "Gauss rule in x")
