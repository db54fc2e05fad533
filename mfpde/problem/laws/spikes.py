"""Sparse spikes on the circle: a signed measure recovered from its low frequencies by signed neurons of free mass.

The unit at the angle theta is phi(theta), the Fourier features of a filter g with |phi| = 1; nu_+ and nu_- are the laws
of the neurons of either sign, mu = nu_+ - nu_-, and with y = Phi of the true spikes and dynamics.penalty.path = lambda

    R = |Phi mu - y|^2,     F = R + 2 lambda |mu|_TV,     G_s = s <phi, Phi mu - y> + lambda.

(Chizat: Sparse optimization on measures with over-parameterized gradient descent, Math. Program. 194 (2022) 487.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from mfpde.keys.declaration import Checked, key
from mfpde.keys.kinds import Integer, Kind, Numbers
from mfpde.keys.reader import POSITIVE_SIZE, SIZE, TableReader
from mfpde.keys.tables import NumberTable, TableKey
from mfpde.problem.initial.law import InitialLaw, product_law
from mfpde.problem.initial.points import POINTS, PointLaw, in_place_of
from mfpde.problem.law_kinds import LawOf
from mfpde.problem.laws.interface import LAWS, DataLaw
from mfpde.problem.marginals import Marginal, Values, settled
from mfpde.problem.network import Unit
from mfpde.solvers.space.axis import Axis, Circle, Sign

if TYPE_CHECKING:
    from mfpde.solvers.arrays import Array
    from mfpde.solvers.objective.representation import Effort, Expansion
    from mfpde.solvers.space.box import Box

MOST_SPIKES, MOST_ORDER, MOST_ANGLES = 1000, 1000, 100_000
ROUNDING = 1e-15
"""Error of U."""
APART = 1e-9
"""Distance on the circle below which two spikes are one."""
FULL_TURN = 2.0 * math.pi
EQUISPACED = 64


@dataclass(frozen=True)
class LowPass:
    """g_k = 1 up to an order."""

    order: int

    @property
    def gains(self) -> tuple[float, ...]:
        """g_0, ..., g_order."""
        return (1.0,) * (self.order + 1)


@dataclass(frozen=True)
class GaussianFilter:
    """g_k = exp(-k^2 sigma^2 / 2) up to an order."""

    sigma: float
    order: int

    @property
    def gains(self) -> tuple[float, ...]:
        """g_0, ..., g_order."""
        return tuple(math.exp(-0.5 * (k * self.sigma) ** 2) for k in range(self.order + 1))


@dataclass(frozen=True)
class FilterKey(Kind):
    """{ low-pass = order } or { gaussian = [sigma, order] }."""

    @property
    def accepted(self) -> str:
        return f"{{ low-pass = order }} or {{ gaussian = [sigma, order] }}, sigma > 0, an order from 1 to {MOST_ORDER}"

    def read(self, reader: TableReader, name: str, default: LowPass) -> LowPass | GaussianFilter:
        if not reader.has(name):
            return default
        table = TableReader(reader.dotted(name), reader.raw(name), ("low-pass", "gaussian"), reader.errors)
        if table.has("low-pass") == table.has("gaussian"):
            reader.complain(name, "must be one filter", "{ low-pass = 12 } or { gaussian = [0.1, 30] }")
            return default
        if table.has("low-pass"):
            return LowPass(table.integer("low-pass", default.order, 1, MOST_ORDER))
        pair = table.numbers("gaussian", POSITIVE_SIZE, "[0.1, 30]")
        if pair is None:
            return default
        if len(pair) != 2 or pair[1] != int(pair[1]) or not (1 <= pair[1] <= MOST_ORDER):
            table.complain("gaussian", f"must be sigma > 0 and an order from 1 to {MOST_ORDER}", "[0.1, 30]")
            return default
        return GaussianFilter(pair[0], int(pair[1]))

    def plain(self, value: object) -> object:
        if isinstance(value, LowPass):
            return {"low-pass": value.order}
        return {"gaussian": [value.sigma, value.order]} if isinstance(value, GaussianFilter) else value


@dataclass(frozen=True)
class SpikesInitial(Checked):
    """The law of the signed neurons at t = 0, of mass 1 where nothing else is said."""

    table = "initial"

    equispaced: int | None = key(
        None,
        Integer(1, MOST_ANGLES, EQUISPACED),
        f"this many equal angles, with both signs ({EQUISPACED} where left out)",
    )
    angle: float | Marginal | None = key(None, LawOf(), "the law of the angles in their place, with both signs equally")
    points: NumberTable | None = key(None, TableKey(), POINTS)

    def settled(self, reader: TableReader) -> SpikesInitial:
        """One way to start."""
        if reader.has("equispaced") and reader.has("angle"):
            reader.complain("angle", "given together with initial.equispaced", "one of the two")
        return in_place_of(self, reader, ("equispaced", "angle"))

    @staticmethod
    def replaced_by(name: str, value: object) -> tuple[str, ...]:
        """The keys that an override of another one takes away."""
        return tuple(other for other in ("equispaced", "angle", "points") if other != name)

    @property
    def settings(self) -> SpikesInitial:
        """What of it the stationary laws depend on: nothing."""
        return SpikesInitial()


def equispaced_law(count: int) -> PointLaw:
    """Equal angles from 0 on with both signs, of mass 1."""
    import numpy as np

    angles = np.repeat(FULL_TURN / count * np.arange(count), 2)
    return PointLaw.of(np.column_stack([angles, np.tile([1.0, -1.0], count)]), np.ones(2 * count))


@LAWS.register("spikes")
@dataclass(frozen=True)
class Spikes(DataLaw):
    """sum_k weights_k delta_{positions_k} on the circle, seen through a filter."""

    positions: tuple[float, ...] = key((0.7, 2.3, 4.6), Numbers(SIZE, "[0.7, 2.3, 4.6]"), "angles of the true spikes")
    weights: tuple[float, ...] = key(
        (1.0, -0.8, 0.6), Numbers(SIZE, "[1.0, -0.8, 0.6]"), "their weights, of either sign"
    )
    seen_by: LowPass | GaussianFilter = key(
        LowPass(12), FilterKey(), "the filter: g_k = 1 up to an order, or exp(-k^2 sigma^2 / 2)", name="features"
    )

    Initial = SpikesInitial
    network_keys = ()

    def settled(self, reader: TableReader) -> Spikes:
        """As many weights as positions, none of them 0, no two spikes in one place."""
        positions, weights, known = self.positions, self.weights, len(reader.errors)
        if len(positions) > MOST_SPIKES:
            reader.complain("positions", f"more than {MOST_SPIKES} spikes", f"at most {MOST_SPIKES} positions")
        if words := reader.unlike(weights=weights, positions=positions):
            reader.complain("weights", words, "one weight each")
        if not all(weights):
            reader.complain("weights", "a spike of weight 0 is none", "weights other than 0, or leave its position out")
        for first, second in dict.fromkeys(_doubled(positions)):
            words = f"{first:g} and {second:g} are one place on the circle"
            reader.complain("positions", words, "each position once, the weights of the same place added up")
        good = len(reader.errors) == known and len(weights) == len(positions)
        return self if good else replace(self, positions=(0.0,), weights=(1.0,))

    @property
    def formulas(self) -> tuple[str, ...]:
        return (
            r"y = \Phi\mu_\ast = \sum_k w_k\,\varphi(\theta_k),\qquad "
            r"\varphi(\theta) \propto (g_0,\ \sqrt{2}\,g_k\cos k\theta,\ \sqrt{2}\,g_k\sin k\theta)_k,\qquad "
            r"|\varphi| = 1",
            r"R(\mu) = |\Phi\mu - y|^2,\qquad \mu = \nu_+ - \nu_-",
        )

    @property
    def growth(self) -> float:
        """Neurons are the masses of the measure."""
        return 1.0

    @property
    def risk_name(self) -> str:
        return "|Phi mu - y|^2"

    def axes(self) -> Mapping[str, Axis]:
        return {"angle": Circle(), "sign": Sign()}

    def start(self, initial: SpikesInitial, heads: Sequence[Marginal | float]) -> InitialLaw:
        if initial.angle is not None:
            return product_law([settled(initial.angle), Values((-1.0, 1.0)), *heads])
        return equispaced_law(initial.equispaced or EQUISPACED)

    def features(self, unit: Unit, box: Box, accuracy: float, effort: Effort) -> Expansion:
        import numpy as np

        from mfpde.problem.reduction.fourier import FourierFeatures
        from mfpde.solvers.objective.losses.square import SquareLoss
        from mfpde.solvers.objective.objective import Objective
        from mfpde.solvers.objective.representation import Expansion

        features = FourierFeatures(self.seen_by.gains)
        targets = features.outputs(np.array(self.positions)[:, None], np.array(self.weights))
        loss = SquareLoss(np.ones(features.rank), targets)
        return Expansion(Objective(features, loss), ROUNDING, "Fourier coefficients", explicit=True, scale=1.0)

    def remarks(self, unit: Unit, initial: SpikesInitial) -> Mapping[str, str | int | float]:
        pairs = zip(self.positions, self.weights, strict=True)
        return {"spikes": " ".join(f"{place!r}:{weight!r}" for place, weight in pairs)}

    def bend(self, unit: Unit, gradient: Array) -> float:
        from mfpde.problem.reduction.fourier import FourierFeatures

        return FourierFeatures(self.seen_by.gains).bend(gradient)


def _doubled(positions: Sequence[float]) -> list[tuple[float, float]]:
    """Neighbours on the circle that are in one place."""
    turned = sorted((math.fmod(math.fmod(place, FULL_TURN) + FULL_TURN, FULL_TURN), place) for place in positions)
    around = [*turned, (turned[0][0] + FULL_TURN, turned[0][1])] if len(turned) > 1 else turned
    return [(one[1], other[1]) for one, other in pairwise(around) if other[0] - one[0] < APART]
