"""A teacher network on the circle: x uniform on the unit circle of the plane, y = sum_k c_k sigma(<v_k, x>), |v_k| = 1.

The teachers' sigma is that of the network. Nothing is reduced: the coordinates of a neuron are w1, w2 (and a, b).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mfpde.keys.declaration import Checked, key
from mfpde.keys.kinds import Choice, Integer, Kind, Number, Numbers
from mfpde.keys.reader import POSITIVE_SIZE, SIZE, Range, TableReader
from mfpde.keys.tables import NumberTable, TableKey
from mfpde.problem.initial.law import InitialLaw, product_law
from mfpde.problem.initial.points import POINTS, PointLaw, head_laws, in_place_of
from mfpde.problem.law_kinds import LawOf
from mfpde.problem.laws.finite_data import drawn, samples_key, seed_key
from mfpde.problem.laws.interface import LAWS, DataLaw
from mfpde.problem.marginals import Marginal, Normal, settled
from mfpde.problem.network import Network, Unit, activation_of
from mfpde.solvers.space.axis import Axis, Line

if TYPE_CHECKING:
    from mfpde.keys.samples import Samples
    from mfpde.problem.reduction.circle.arcs import Teachers
    from mfpde.solvers.activations.activation import Activation
    from mfpde.solvers.arrays import Array
    from mfpde.solvers.networks.population import Population
    from mfpde.solvers.objective.representation import Effort, Expansion
    from mfpde.solvers.optimum.circle import CircleLaw
    from mfpde.solvers.space.box import Box

FIVE = (-1.2, 2.64, 0.1, 3.84, 1.3)
"""Angles of teachers whose signed directions c_k v_k lie in an open half plane: no other network of their norm is y."""
LAWS_OF_W = ("kappa", "w1", "w2", "equispaced", "arc")
TURN = 2.0 * math.pi


@dataclass(frozen=True)
class Arc:
    """Angles within width / 2 of a centre."""

    centre: float = 0.0
    width: float = TURN


@dataclass(frozen=True)
class ArcKey(Kind):
    """{ centre, width }."""

    @property
    def accepted(self) -> str:
        return "{ centre = c, width = w } in radians, 0 < w <= 2 pi"

    def read(self, reader: TableReader, name: str, default: None) -> Arc | None:
        if not reader.has(name):
            return default
        table = TableReader(reader.dotted(name), reader.raw(name), ("centre", "width"), reader.errors)
        return Arc(table.number("centre", 0.0, SIZE), table.number("width", TURN, Range(0.0, TURN, low_open=True)))

    def plain(self, value: object) -> object:
        return {"centre": value.centre, "width": value.width} if isinstance(value, Arc) else value


@dataclass(frozen=True)
class CircleInitial(Checked):
    """The law of a neuron at t = 0."""

    table = "initial"

    kappa: float | None = key(0.8, Number(POSITIVE_SIZE), "w ~ N(0, kappa^2 Id / 2)")
    w1: float | Marginal | None = key(None, LawOf(constant=0.1), "<e_1, w> in place of that of kappa")
    w2: float | Marginal | None = key(None, LawOf(constant=0.1), "<e_2, w> likewise")
    equispaced: int | None = key(
        None, Integer(1, 10**5), "that many angles, midpoints of equal arcs, |w| = 1, each with a = 1 and a = -1"
    )
    arc: Arc | None = key(None, ArcKey(), "the arc of the equispaced angles, the whole circle where left out")
    a: float | Marginal = key(1.0, LawOf(), "the coefficients, a constant or a law")
    b: float | Marginal = key(0.0, LawOf(), "the offsets, likewise")
    points: NumberTable | None = key(None, TableKey(), POINTS)

    def settled(self, reader: TableReader) -> CircleInitial:
        """Points or equispaced angles in place of the others."""
        if reader.has("arc") and not reader.has("equispaced"):
            reader.complain("arc", "of what", "equispaced = 50 beside it")
        if self.equispaced is None or reader.has("points"):
            return in_place_of(self, reader, (*LAWS_OF_W, "a", "b"))
        rivals = [name for name in ("kappa", "w1", "w2") if reader.has(name)]
        rivals += [name for name, usual in (("a", 1.0), ("b", 0.0)) if getattr(self, name) != usual]
        for name in rivals:
            reader.complain(name, "given together with initial.equispaced", "one of the two")
        return replace(self, kappa=None, w1=None, w2=None, a=1.0, b=0.0)

    @staticmethod
    def replaced_by(name: str, value: object) -> tuple[str, ...]:
        """The keys that an override of another one takes away."""
        if name == "points":
            return (*LAWS_OF_W, "a", "b")
        return ("points", "kappa", "w1", "w2", "a", "b") if name == "equispaced" else ("points",)

    @property
    def settings(self) -> CircleInitial:
        """What of it the stationary laws depend on: constants that are part of the unit."""
        a, b = head_laws(self)
        return replace(CircleInitial(), a=a, b=b)

    @property
    def angles(self) -> Array:
        """The equispaced angles."""
        arc, count = self.arc or Arc(math.pi), self.equispaced or 0
        return arc.centre + arc.width * ((np.arange(count) + 0.5) / max(count, 1) - 0.5)


@LAWS.register("teacher-network")
@dataclass(frozen=True)
class TeacherNetwork(DataLaw):
    """y = sum_k c_k sigma(<v_k, x>) with x uniform on the unit circle.

    Attributes:
        sigma: the teachers' activation, as a network declares it; that of the network once there is one.
    """

    inputs: str = key("circle", Choice(("circle",)), "the law of x: uniform on the unit circle, d = 2")
    angles: tuple[float, ...] = key(FIVE, Numbers(SIZE, "[0.0, 2.0]"), "of the teachers' directions v_k")
    weights: tuple[float, ...] = key((1.0, -0.8, 1.2, -1.0, 0.7), Numbers(SIZE, "[1.0, -0.5]"), "c_k, one for each")
    samples: int | Samples | None = samples_key()
    sample_seed: int = seed_key()
    sigma: Any = None

    Initial = CircleInitial

    def settled(self, reader: TableReader) -> TeacherNetwork:
        """As many weights as angles, and something to learn."""
        if words := reader.unlike(weights=self.weights, angles=self.angles):
            reader.complain("weights", words, "one weight for each angle")
        elif not any(self.weights):
            reader.complain("weights", "all are 0: nothing to learn", "for example weights = [1.0, -0.5]")
        alike = len(self.angles) == len(self.weights)
        return self if alike else replace(self, angles=FIVE[:1], weights=(1.0,))

    def of_network(self, network: Network) -> DataLaw:
        return drawn(replace(self, sigma=network.activation), self.samples, self.sample_seed)

    @property
    def formulas(self) -> tuple[str, ...]:
        return (
            r"x \sim \mathrm{Unif}(S^1),\qquad y = \sum_k c_k\,\sigma(\langle v_k, x\rangle),\qquad |v_k| = 1",
            r"f(x;\rho) = \int a\,\sigma(\langle w, x\rangle + b)\,\rho(dz)",
        )

    @property
    def dimension(self) -> float:
        return 2.0

    @property
    def teachers(self) -> Teachers:
        """Angles and weights."""
        from mfpde.problem.reduction.circle.arcs import Teachers

        return Teachers(np.array(self.angles), np.array(self.weights))

    @property
    def _activation(self) -> Activation:
        assert self.sigma is not None, "known once there is a network"
        return activation_of(self.sigma)

    def axes(self) -> Mapping[str, Axis]:
        return {"w1": Line(), "w2": Line()}

    def start(self, initial: CircleInitial, heads: Sequence[Marginal | float]) -> InitialLaw:
        if initial.equispaced is None:
            scale = (initial.kappa or 0.0) / math.sqrt(2.0)
            along = [Normal(0.0, scale) if law is None else settled(law) for law in (initial.w1, initial.w2)]
            return product_law([*along, *heads])
        angles = np.tile(initial.angles, 1 + (len(heads) > 0))
        columns = [np.cos(angles), np.sin(angles), np.repeat([1.0, -1.0], initial.equispaced), np.zeros(len(angles))]
        columns = [column[: len(angles)] for column in columns][: 2 + len(heads)]
        return PointLaw.of(np.column_stack(columns), np.ones(len(angles)))

    def features(self, unit: Unit, box: Box, accuracy: float, effort: Effort) -> Expansion:
        from mfpde.problem.reduction.circle.expansion import expand

        return expand(unit.activation, unit.has_offset, self._activation, self.teachers, box, accuracy)

    def circle(self, unit: Unit) -> CircleLaw | None:
        from mfpde.problem.reduction.circle.optimum import circle_law

        return None if unit.has_offset else circle_law(unit.activation, self._activation, self.teachers)

    def problems(self, experiment: Any) -> list[str]:
        if getattr(experiment.initial, "equispaced", None) is None or experiment.network.coefficients == "trained":
            return []
        words = 'initial.equispaced: it starts both signs of a, which is not trained; write coefficients = "trained"'
        return [f"{words} in [network]"]

    def remarks(self, unit: Unit, initial: CircleInitial) -> Mapping[str, str | int | float]:
        """The teachers, as figures draw them."""
        pairs = zip(self.angles, self.weights, strict=True)
        return {"rays": " ".join(f"{angle!r}:{weight!r}" for angle, weight in pairs)} if unit.has_coefficient else {}

    def sampler(self) -> Any:
        return CircleSampler(self)

    def targets(self, x: Array) -> Array:
        """y at inputs x, shape (n, 2)."""
        return np.asarray(self._activation.value(x @ self.teachers.directions.T) @ self.teachers.weights)

    def population(self, sampler: Any, activation: Activation) -> Population | None:
        from mfpde.problem.reduction.circle.population import CirclePopulation

        return CirclePopulation.of(activation, self._activation, self.teachers)


@dataclass(frozen=True)
class CircleSampler:
    """Draws of (x, y)."""

    law: TeacherNetwork
    dimension: int = 2

    def draw(self, count: int, generator: np.random.Generator) -> tuple[Array, Array]:
        """x of shape (count, 2) and y of shape (count,)."""
        angles = TURN * generator.random(count)
        x = np.column_stack([np.cos(angles), np.sin(angles)])
        return x, self.law.targets(x)
