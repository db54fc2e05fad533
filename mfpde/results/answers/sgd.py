"""The curves of replicas of stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mfpde.results.answers.solve import Array, Attribute, numbers


@dataclass(frozen=True)
class SgdResult:
    """Trajectories of one-pass SGD.

    Attributes:
        time: t = k eps at the save times, shape (T,).
        risk: exact population risk R_N of every replica, shape (R, T); NaN where it is not computed yet.
        position: the neurons in the reduced coordinates, shape (R, T, N, D).
        names: the D coordinates.
        steps: k at the last save time.
        status: "success", "interrupted", "failed" or "running".
        wall_seconds: time spent, over all resumed parts.
        attributes: provenance.
    """

    time: Array
    risk: Array
    position: Array
    names: tuple[str, ...]
    steps: int
    status: str
    wall_seconds: float
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    @property
    def mean(self) -> Array:
        """Mean of each coordinate over the neurons, shape (R, T, D)."""
        return np.asarray(self.position.mean(axis=2))

    @property
    def variance(self) -> Array:
        """Variance of each coordinate over the neurons, shape (R, T, D)."""
        return np.asarray(self.position.var(axis=2))

    def to_json(self) -> dict[str, Any]:
        """The time series as JSON values, replicas x time; a number that is not finite becomes None."""
        moments = {
            key: {name: [numbers(row) for row in values[:, :, axis]] for axis, name in enumerate(self.names)}
            for key, values in (("mean", self.mean), ("variance", self.variance))
        }
        return {
            "time": numbers(self.time),
            "risk": [numbers(row) for row in self.risk],
            **moments,
            "steps": self.steps,
            "wall_seconds": self.wall_seconds,
            "status": self.status,
        }
