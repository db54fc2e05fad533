"""Homogeneous units by their directions: what neurons a sigma(<w, x>) with a^2 = |w|^2 are, as signed masses.

With sigma(c u) = c sigma(u) for c > 0 a neuron acts through c = |a| |w|, u = w/|w| and s = sign a. Where a^2 = |w|^2 at
the start it stays so, s never changes, and with h = Psi/a on the sphere of directions

    c' = -2 (s h(u) + lambda) c,    u' = -s grad h(u),

the flow of free mass, growth 2, of G = s h + lambda: f = ∫ s sigma(<u, x>) dnu, F = R + 2 lambda nu, for lambda |z|^2
is 2 lambda c. An offset b counts as one more coordinate of w, whose input is 1. In two coordinates u is an angle, in
others a unit vector u1, u2, ... Noise has no such form: it moves |w| and a apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.keys.tables import WEIGHT
from mfpde.problem.initial.law import InitialLaw
from mfpde.problem.initial.points import PointLaw, point_law, points_of
from mfpde.problem.laws.interface import DataLaw, LawWithin
from mfpde.solvers.flow.confinement import Penalty
from mfpde.solvers.space.axis import Axis, Circle, Component, Sign
from mfpde.solvers.space.geometry import Geometry

if TYPE_CHECKING:
    from mfpde.keys.tables import NumberTable
    from mfpde.problem.laws.interface import Predict
    from mfpde.problem.marginals import Marginal
    from mfpde.problem.network import Network, Unit
    from mfpde.solvers.arrays import Array
    from mfpde.solvers.flow.flow import Flow
    from mfpde.solvers.objective.losses.interface import Pointwise
    from mfpde.solvers.objective.objective import FeatureMap
    from mfpde.solvers.objective.representation import Effort, Expansion
    from mfpde.solvers.optimum.circle import CircleLaw
    from mfpde.solvers.space.box import Box
    from mfpde.solvers.space.measure import Measure

DIRECTIONS = "directions"
"""The value of network.reduction."""
BALANCED = 1e-9
"""Relative difference of a^2 and |w|^2 that is rounding."""
UNIT = 1e-6
"""By how much the length of a direction may miss 1."""
GROWTH = 2.0
TURN = 2.0 * np.pi


@dataclass(frozen=True)
class Directions(LawWithin):
    """A law of data as the directions of homogeneous neurons meet it.

    Attributes:
        inner: the law of the data, as the network meets it.
        has_offset: whether there are offsets.
    """

    has_offset: bool = False

    network_keys = ()

    @property
    def explicit(self) -> bool:  # type: ignore[override]
        return self.inner.explicit

    @property
    def risk_name(self) -> str:
        return self.inner.risk_name

    @property
    def recedes(self) -> bool:
        return self.inner.recedes

    @property
    def pointwise(self) -> Pointwise | None:
        return self.inner.pointwise

    @property
    def growth(self) -> float | None:
        return GROWTH

    @property
    def freed(self) -> tuple[str, str]:
        return f'network.reduction: masses on "{DIRECTIONS}" are free', 'reduction = "none"'

    @property
    def coordinates(self) -> int:
        """Of w, with its offset."""
        return len(self.inner.axes()) + self.has_offset

    def axes(self) -> Mapping[str, Axis]:
        along = {f"u{place}": Component() for place in range(1, self.coordinates + 1)}
        return {**({"angle": Circle()} if self.coordinates == 2 else along), "sign": Sign()}

    def unit(self, network: Network, initial: Any) -> Unit:
        return self.inner.unit(self._whole(network), initial)

    def _whole(self, network: Network) -> Network:
        """Of neurons that move as their directions do: offsets do, too."""
        return replace(network, offsets="trained") if self.has_offset else network

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
            own = "initial.equispaced = 50, or " * (hasattr(initial, "equispaced") and not self.explicit)
            raise ValueError(f"neurons of a spread law have a^2 != |w|^2; write {own}points")
        return self._projected(found)

    def point_start(self, points: NumberTable, unit: Unit, free: bool) -> PointLaw:
        if not set(self.axes()) & set(points.columns):
            return self._projected(point_law(points, self.inner, unit, free))
        law = point_law(points, self, unit, free)
        if self.coordinates == 2:
            return law
        lengths = np.linalg.norm(law.rows[:, :-1], axis=1)
        if not np.all(np.abs(lengths - 1.0) <= UNIT):
            row = int(np.argmax(np.abs(lengths - 1.0)))
            raise ValueError(f"direction {row + 1} of initial.points has length {lengths[row]:g}; write unit vectors")
        rows = np.column_stack([law.rows[:, :-1] / lengths[:, None], law.rows[:, -1]])
        return PointLaw.of(rows, law.weights(len(rows)), None, law.mass)

    def _projected(self, law: PointLaw) -> PointLaw:
        """Masses |a| |w| on the directions of w, and the signs of a."""
        own = len(self.inner.axes())
        if law.rows.shape[1] != self.coordinates + 1:
            raise ValueError("neurons without a coefficient that moves have no such form")
        w, a = np.delete(law.rows, own, axis=1), law.rows[:, own]
        lengths = np.linalg.norm(w, axis=1)
        apart = np.abs(a**2 - lengths**2) > BALANCED * (a**2 + lengths**2)
        if apart.any():
            row, length = int(np.argmax(apart)), "|(w, b)|" if self.has_offset else "|w|"
            words = f"has |a| = {abs(a[row]):g} and {length} = {lengths[row]:g}"
            raise ValueError(f"neuron {row + 1} {words}; write equal ones")
        masses = law.weights(len(law.rows)) * np.abs(a) * lengths
        # a neuron of no mass stays so, whatever its direction
        w[lengths == 0.0] = np.eye(self.coordinates)[0]
        rows = np.column_stack([self._placed(w), np.where(a < 0.0, -1.0, 1.0)])
        return PointLaw.of(rows, masses, None, float(masses.sum()))

    def _placed(self, w: Array) -> Array:
        """The directions of w in the coordinates of the law."""
        if self.coordinates != 2:
            return np.asarray(w / np.linalg.norm(w, axis=1, keepdims=True))
        angle = np.mod(np.arctan2(w[:, 1], w[:, 0]), TURN)
        return np.where(angle < TURN, angle, 0.0)[:, None]

    def features(self, unit: Unit, box: Box, accuracy: float, effort: Effort) -> Expansion:
        from mfpde.problem.reduction.circle.angles import by_angle
        from mfpde.solvers.space.box import Box as Corners

        ends = np.ones(self.coordinates)
        found = self.inner.features(unit, Corners(-ends, ends), accuracy, effort)
        if not self.explicit:
            return by_angle(found)
        return replace(found, objective=replace(found.objective, features=self._directed(found.objective.features)))

    def _directed(self, features: FeatureMap) -> FeatureMap:
        from mfpde.solvers.objective.directed import OnCircle, OnSphere

        return (OnCircle if self.coordinates == 2 else OnSphere)(features)

    def units_at(self, unit: Unit, x: Array) -> FeatureMap | None:
        found = self.inner.units_at(unit, x)
        return None if found is None else self._directed(found)

    def worth(self, y: Array, weights: Array, outputs: Array) -> dict[str, float]:
        return self.inner.worth(y, weights, outputs)

    def circle(self, unit: Unit) -> CircleLaw | None:
        return self.inner.circle(unit)

    def remarks(self, unit: Unit, initial: Any) -> Mapping[str, str | int | float]:
        found = dict(self.inner.remarks(unit, initial))
        if self.explicit:
            found["note"] = f"neurons are known by their directions: the coordinates are {', '.join(self.axes())}"
        return found

    def watches(self, unit: Unit, predict: Predict) -> Mapping[str, Callable[[Measure], float]]:
        """Those of the law, of neurons with a = 1 or -1 and |w| = 1 that weigh as much."""
        from mfpde.solvers.objective.coefficient import WithCoefficient
        from mfpde.solvers.space.measure import Atoms

        own = len(self.inner.axes())

        def whole(law: Measure, x: Array) -> Array:
            units = self.inner.units_at(unit, x)
            assert units is not None, "refused where the law does not tell f at x"
            return law.outputs(WithCoefficient(units, own))

        def told(of: Callable[[Measure], float], law: Measure) -> float:
            angle, w = law.points[:, 0], law.points[:, :-1]
            w = np.column_stack([np.cos(angle), np.sin(angle)]) if self.coordinates == 2 else w
            return of(Atoms(np.insert(w, own, law.points[:, -1], axis=1), law.weights))

        known = self.inner.watches(unit, whole) if self.explicit else {}
        return {name: partial(told, of) for name, of in known.items()}

    def sampler(self) -> Any:
        return None

    @property
    def sampler_refusal(self) -> str:
        return 'network.reduction: SGD moves whole neurons, not their directions; write reduction = "none"'

    def point_problems(self, network: Network, initial: Any) -> list[str]:
        points, own = initial.points, self.axes()
        if not set(own) & set(points.columns):
            return self.inner.point_problems(self._whole(network), initial)
        wrong = [f"unknown column {name}" for name in points.columns if name not in {*own, WEIGHT}]
        wrong += [f"lacks the column {name}" for name in own if name not in points.columns]
        return [f"initial.points = {points.path}: {words}; write {', '.join(own)}, {WEIGHT}" for words in wrong]

    def problems(self, experiment: Any) -> list[str]:
        network, dynamics, key = experiment.network, experiment.dynamics, f'network.reduction = "{DIRECTIONS}"'
        found = self.inner.problems(experiment)
        known = len(found)
        if list(self.inner.axes()) != [f"w{place}" for place in range(1, len(self.inner.axes()) + 1)]:
            words = "it takes whole neurons w1, w2, ..., as those of data sets, of draws and of inputs in the plane are"
            found.append(f'{key}: {words}; write reduction = "none"')
        elif self.has_offset and not self.explicit:
            found.append(f'{key}: with offsets it takes data sets and draws; write offsets = "none", or data.samples')
        if self.inner.unit(network, experiment.initial).activation.homogeneity != 1.0:
            words = "it needs units with sigma(c u) = c sigma(u) for c > 0"
            found.append(f'{key}: {words}; write activation = "relu", or reduction = "none"')
        if network.coefficients != "trained":
            found.append(f'{key}: a must move; write coefficients = "trained"')
        if network.scale != 1.0 or network.centred:
            found.append(f"{key}: not defined beside scale and centred; leave them out")
        if math.isfinite(dynamics.inverse_temperature):
            found.append(f"{key}: noise moves |w| and a apart; write dynamics.inverse_temperature = inf")
        if dynamics.growth not in (None, GROWTH) or dynamics.mobility is not None or dynamics.flow != "wasserstein":
            found.append(f"{key}: its growth is 2; leave dynamics.growth, dynamics.mobility and dynamics.flow out")
        decay, penalty = dynamics.held.decay, dynamics.penalty
        uneven = decay.w != decay.a or (self.has_offset and decay.b != decay.a)
        if uneven or (penalty is not None and penalty.strength > 0.0):
            words = f"a^2 = |w|^2 is kept by one ridge for w{', b' * self.has_offset} and a, and a path, only"
            found.append(f"{key}: {words}; write ridge = {max(decay.w, decay.a, decay.b):g} and no power")
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
    if network.reduction != DIRECTIONS or "reduction" not in law.network_keys:
        return law
    return Directions(law, network.offsets != "none")
