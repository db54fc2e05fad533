"""A loss of one's own: Huber's, quadratic near the target and linear far from it.

mfpde solve bumps-bad --use docs/examples/own_loss.py --set data.loss=huber --scheme characteristics
"""

import numpy as np

import mfpde

WIDTH = 0.05


@mfpde.loss("huber")
class Huber:
    """l(f, y), convex in f. Its conjugate, which minimising movements need, is found by Newton's method."""

    def value(self, f, y):
        far = np.abs(f - y)
        return np.where(far <= WIDTH, 0.5 * far**2, WIDTH * (far - 0.5 * WIDTH))

    def slope(self, f, y):
        return np.clip(f - y, -WIDTH, WIDTH)
