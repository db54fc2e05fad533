"""Homogeneous units by their directions: what neurons a sigma(<w, x>) with a^2 = |w|^2 are, as signed masses.

With sigma(c u) = c sigma(u) for c > 0 a neuron acts through c = |a| |w|, u = w/|w| and s = sign a. Where a^2 = |w|^2 at
the start it stays so, s never changes, and with h = Psi/a on the circle of directions

    c' = -2 (s h(u) + lambda) c,    u' = -s grad h(u),

the flow of free mass, growth 2, of G = s h + lambda: f = ∫ s sigma(<u, x>) dnu, F = R + 2 lambda nu, for lambda |z|^2
is 2 lambda c. Noise has no such form: it moves |w| and a apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.keys.tables import WEIGHT
from mfpde.problem.initial import InitialLaw, PointLaw
from mfpde.problem.laws.interface import DataLaw, LawWithin
from mfpde.problem.points import point_law, points_of
from mfpde.solvers.flow.confinement import Penalty
from mfpde.solvers.space.axis import Axis, Circle, Sign
from mfpde.solvers.space.geometry import Geometry

if TYPE_CHECKING:
    from mfpde.keys.tables import NumberTable
    from mfpde.problem.marginals import Marginal
    from mfpde.problem.network import Network, Unit
    from mfpde.solvers.flow.flow import Flow
    from mfpde.solvers.objective.representation import Effort, Expansion
    from mfpde.solvers.optimum.circle import CircleLaw
    from mfpde.solvers.space.box import Box

DIRECTIONS = "directions"
"""The value of network.reduction."""
BALANCED = 1e-9
"""Relative difference of a^2 and |w|^2 that is rounding."""
GROWTH = 2.0
TURN = 2.0 * np.pi


@dataclass(frozen=True)
class Directions(LawWithin):
    """A law of data in the plane as the directions of homogeneous neurons meet it.

    Attributes:
        inner: the law of the data, as the network meets it.
    """

    network_keys = ()

    @property
    def risk_name(self) -> str:
        return self.inner.risk_name

    @property
    def growth(self) -> float | None:
        return GROWTH

    @property
    def freed(self) -> tuple[str, str]:
        return f'network.reduction: masses on "{DIRECTIONS}" are free', 'reduction = "none"'

    def axes(self) -> Mapping[str, Axis]:
        return {"angle": Circle(), "sign": Sign()}

    def space(self, unit: Unit) -> Geometry:
        return Geometry.of(self.axes(), ["sign"])

    def confines(self, unit: Unit) -> bool:
        return True

    def flow(self, flow: Flow) -> Flow:
        """Of free mass, with the ridge as a path."""
        return replace(flow, ridge=0.0, penalty=Penalty(path=flow.penalty.path + flow.decay.w), growth=GROWTH)

    def start(self, initial: Any, heads: Sequence[Marginal | float]) -> InitialLaw:
        # atoms with both signs of a have no use for its law
        found = self.inner.start(initial, [1.0])
        if not isinstance(found, PointLaw):
            raise ValueError("neurons of a spread law have a^2 != |w|^2; write initial.equispaced = 50, or points")
        return self._projected(found)

    def point_start(self, points: NumberTable, unit: Unit, free: bool) -> PointLaw:
        if "angle" in points.columns:
            return point_law(points, self, unit, free)
        return self._projected(point_law(points, self.inner, unit, free))

    def _projected(self, law: PointLaw) -> PointLaw:
        """Masses |a| |w| on the directions of w, and the signs of a."""
        if law.rows.shape[1] != 3:
            raise ValueError("neurons without a coefficient that moves have no such form")
        w, a = law.rows[:, :2], law.rows[:, 2]
        lengths = np.hypot(*w.T)
        apart = np.abs(a**2 - lengths**2) > BALANCED * (a**2 + lengths**2)
        if apart.any():
            row = int(np.argmax(apart))
            raise ValueError(f"neuron {row + 1} has |a| = {abs(a[row]):g} and |w| = {lengths[row]:g}; write equal ones")
        masses = law.weights(len(law.rows)) * np.abs(a) * lengths
        angle = np.mod(np.arctan2(w[:, 1], w[:, 0]), TURN)
        rows = np.column_stack([np.where(angle < TURN, angle, 0.0), np.where(a < 0.0, -1.0, 1.0)])
        return PointLaw.of(rows, masses, None, float(masses.sum()))

    def features(self, unit: Unit, box: Box, accuracy: float, effort: Effort) -> Expansion:
        from mfpde.problem.reduction.circle import by_angle
        from mfpde.solvers.space.box import Box as Corners

        return by_angle(self.inner.features(unit, Corners(-np.ones(2), np.ones(2)), accuracy, effort))

    def circle(self, unit: Unit) -> CircleLaw | None:
        return self.inner.circle(unit)

    def remarks(self, unit: Unit, initial: Any) -> Mapping[str, str | int | float]:
        return self.inner.remarks(unit, initial)

    def sampler(self) -> Any:
        return None

    @property
    def sampler_refusal(self) -> str:
        return 'network.reduction: SGD moves whole neurons, not their directions; write reduction = "none"'

    def point_problems(self, network: Network, initial: Any) -> list[str]:
        points = initial.points
        if "angle" in points.columns:
            known = {*self.axes(), WEIGHT}
            wrong = [f"unknown column {name}" for name in points.columns if name not in known]
            wrong += ["lacks the column sign"] * ("sign" not in points.columns)
            return [f"initial.points = {points.path}: {words}; write angle, sign, {WEIGHT}" for words in wrong]
        return self.inner.point_problems(network, initial)

    def problems(self, experiment: Any) -> list[str]:
        network, dynamics, key = experiment.network, experiment.dynamics, f'network.reduction = "{DIRECTIONS}"'
        found = self.inner.problems(experiment)
        known = len(found)
        if tuple(self.inner.axes()) != ("w1", "w2"):
            found.append(f'{key}: it takes inputs in the plane; write reduction = "none"')
        if self.inner.unit(network, experiment.initial).activation.homogeneity != 1.0:
            words = "it needs units with sigma(c u) = c sigma(u) for c > 0"
            found.append(f'{key}: {words}; write activation = "relu", or reduction = "none"')
        if network.coefficients != "trained" or network.offsets != "none":
            found.append(f'{key}: a must move and there be no b; write coefficients = "trained", offsets = "none"')
        if network.scale != 1.0 or network.centred:
            found.append(f"{key}: not defined beside scale and centred; leave them out")
        if math.isfinite(dynamics.inverse_temperature):
            found.append(f"{key}: noise moves |w| and a apart; write dynamics.inverse_temperature = inf")
        if dynamics.growth not in (None, GROWTH) or dynamics.mobility is not None or dynamics.flow != "wasserstein":
            found.append(f"{key}: its growth is 2; leave dynamics.growth, dynamics.mobility and dynamics.flow out")
        decay, penalty = dynamics.held.decay, dynamics.penalty
        if decay.w != decay.a or (penalty is not None and penalty.strength > 0.0):
            words = "a^2 = |w|^2 is kept by one ridge for w and a, and a path, only"
            found.append(f"{key}: {words}; write ridge = {max(decay.w, decay.a):g} and no power")
        return found if len(found) > known else found + self._unbalanced(experiment)

    def _unbalanced(self, experiment: Any) -> list[str]:
        """Starts that are no atoms, or whose neurons have a^2 != |w|^2."""
        initial, points = experiment.initial, points_of(experiment.initial)
        if points is not None and self.point_problems(experiment.network, initial):
            return []
        try:
            if points is None:
                self.start(initial, [])
            else:
                self.point_start(points, self.unit(experiment.network, initial), True)
        except ValueError as error:
            return [f'network.reduction = "{DIRECTIONS}": {error}']
        return []


def met(data: DataLaw, network: Network) -> DataLaw:
    """A law of data as a network meets it."""
    law = data.of_network(network)
    return Directions(law) if network.reduction == DIRECTIONS and "reduction" in law.network_keys else law
