"""Bounds of derivatives of Psi seen at sample points: good enough to steer a search, no proof."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..objective.compression import sample_box
from ..objective.objective import Objective
from ..space.box import Box

SAMPLES = 4096
STEP = 1e-5
"""Step of the differences of grad Psi, relative to the sides of the box."""
SLACK = 1.5
"""What the largest sampled derivative is multiplied by."""


class SampledCurvature:
    """One bound for the whole box, `SLACK` times the largest derivative at `SAMPLES` points of it."""

    def __init__(self, objective: Objective, outputs: Array, box: Box) -> None:
        sides = box.upper - box.lower
        inner = STEP * sides
        points = np.clip(sample_box(box.lower, box.upper, SAMPLES), box.lower + inner, box.upper - inner)
        coefficients = objective.loss_gradient(outputs)

        def gradient(places: Array) -> Array:
            return objective.features.contract(places, coefficients)[1]

        self._slopes = SLACK * np.abs(gradient(points)).max(axis=0)
        self._bends = np.zeros(len(sides))
        for axis, step in enumerate(inner):
            moved = np.zeros(len(sides))
            moved[axis] = step
            rise = (gradient(points + moved) - gradient(points - moved))[:, axis] / (2.0 * step)
            self._bends[axis] = SLACK * max(float(rise.max()), 0.0)

    def second_derivatives(self, lower: Array, upper: Array) -> Array:
        """Upper bounds of d_jj psi on cells, shape (n, D)."""
        return np.broadcast_to(self._bends, lower.shape)

    def slopes(self, lower: Array, upper: Array) -> Array:
        """Upper bounds of |d_j psi| on cells, shape (n, D)."""
        return np.broadcast_to(self._slopes, lower.shape)
