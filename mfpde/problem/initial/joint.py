"""rho_0 by any density on a box, which is no product."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mfpde.problem.initial.law import InitialLaw
from mfpde.problem.marginals import Uniform
from mfpde.solvers.arrays import Array


def joint_law(density: Callable[[Array], Array], lower: Sequence[float], upper: Sequence[float]) -> InitialLaw:
    """rho_0 with any density on the box [lower, upper] of the reduced coordinates; it is normalised to mass 1.

    Args:
        density: not negative, smooth on the box; points of shape (n, D) -> shape (n,).
        lower, upper: corners, D numbers each.

    Raises:
        ValueError: a density that is negative, not finite or zero at all the nodes of its quadrature.
    """
    labels = tuple(Uniform(low, high) for low, high in zip(lower, upper, strict=True))
    return _JointLaw(labels, np.positive, None, density)


@dataclass(frozen=True)
class _JointLaw(InitialLaw):
    """A law with a density that is no product; the labels are the coordinates, uniform on a box."""

    function: Callable[[Array], Array]

    @property
    def independent(self) -> bool:
        return False

    @functools.cached_property
    def _summary(self) -> tuple[float, float]:
        """The mass, and the largest density at the nodes of the rule."""
        mass = highest = 0.0
        for places, weights in super()._fine_rule(panels=48 if len(self.labels) < 3 else 12):
            values = np.asarray(self.function(places))
            if not (np.all(np.isfinite(values)) and np.all(values >= 0.0)):
                raise ValueError("the density of an initial law must be finite and not negative on its box")
            mass += float(weights @ values)
            highest = max(highest, float(values.max()))
        if not (mass > 0.0):
            raise ValueError("the density of an initial law is zero on its box")
        return mass * self._volume, highest

    @property
    def _volume(self) -> float:
        return math.prod(float(np.ptp(marginal.breaks)) for marginal in self.labels)

    def density(self, labels: Array) -> Array:
        return np.asarray(self.function(labels)) / self._summary[0]

    def sample(self, count: int, seed: int, stream: int = 0) -> Array:
        """As that of `InitialLaw`, by rejection from the box."""
        random = np.random.Generator(np.random.Philox(key=(seed, stream)))
        lower, upper = (np.array([marginal.breaks[end] for marginal in self.labels]) for end in (0, -1))
        most = 1.5 * self._summary[1]
        kept: list[Array] = []
        while sum(map(len, kept)) < count:
            places = lower + (upper - lower) * random.random((max(count, 64), len(self.labels)))
            values = np.asarray(self.function(places))
            if not (values.max() <= most):
                raise ValueError("the density of an initial law is far from smooth: its largest value was not seen")
            kept.append(places[random.random(len(places)) * most < values])
        return np.concatenate(kept)[:count]

    def even(self, count: int, seed: int) -> tuple[Array, Array]:
        """As those of `InitialLaw`, of the box, with the density as their shares."""
        places, shares = super().even(count, seed)
        shares = shares * np.asarray(self.function(places))
        return places, shares / shares.sum()

    def _fine_rule(self, panels: int = 48, nodes: int = 8) -> Iterator[tuple[Array, Array]]:
        for places, weights in super()._fine_rule(panels, nodes):
            yield places, weights * np.asarray(self.function(places))
