"""An activation of one's own: softplus. `value` and `slope` on arrays are enough.

mfpde solve anisotropic-relu --use docs/examples/own_activation.py --set network.activation=softplus
"""

import numpy as np

import mfpde


@mfpde.activation("softplus")
class Softplus:
    """log(1 + exp(u)); Gaussian moments come from quadrature, and SGD compiles both functions."""

    def value(self, u):
        return np.logaddexp(0.0, u)

    def slope(self, u):
        return 1.0 / (1.0 + np.exp(-u))
