"""The network: its activation, and which parameters of a neuron besides w there are and move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from mfpde.keys.declaration import Checked, key
from mfpde.keys.kinds import Choice, Flag, Number
from mfpde.keys.reader import POSITIVE_SIZE, SIZE, TableReader, increasing
from mfpde.problem.activations.interface import ACTIVATIONS, made_activation
from mfpde.problem.marginals import Marginal, settled
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.arrays import Array

ANY_OTHER = ", { knots = [...], values = [...] } for a piecewise linear one, or --use FILE.py with one of your own"
"""What else to write for an activation that there is not."""
STEEPEST = 1e9
"""Largest slope between two knots of an activation: steeper ones are jumps."""


@dataclass(frozen=True)
class Knots:
    """sigma linear between `knots` (increasing) with these `values`, constant outside."""

    knots: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class ActivationKey:
    """The name of an activation, or { knots, values }."""

    @property
    def accepted(self) -> str:
        return f"one of {', '.join(ACTIVATIONS.names())}, or {{ knots = [...], values = [...] }}"

    def read(self, reader: TableReader, name: str, default: str) -> str | Knots:
        value = reader.raw(name)
        if not isinstance(value, Mapping):
            return _working(reader, name, reader.choice(name, default, ACTIVATIONS.names(), ANY_OTHER), default)
        return _read_knots(TableReader(reader.dotted(name), value, ("knots", "values"), reader.errors))

    def beyond(self, value: object) -> bool:
        """Made in Python."""
        return not isinstance(value, str | Knots)

    def plain(self, value: object) -> object:
        if isinstance(value, Knots):
            return {"knots": list(value.knots), "values": list(value.values)}
        return value if isinstance(value, str) else str(getattr(value, "name", value))


def _working(reader: TableReader, name: str, chosen: str, default: str) -> str:
    """The chosen activation, where its functions are those of one."""
    try:
        made_activation(chosen)
    except ValueError as error:
        reader.errors.append(f"{reader.dotted(name)}: {error}")
        return default
    return chosen


def _read_knots(reader: TableReader) -> Knots:
    known = len(reader.errors)
    lists = {}
    for key_, example in (("knots", "[0.5, 1.5]"), ("values", "[-2.5, 7.5]")):
        lists[key_] = reader.numbers(key_, SIZE, example)
        if not reader.has(key_):
            reader.complain(key_, "missing", f"for example {key_} = {example}")
    knots, values = lists["knots"], lists["values"]
    if knots and not increasing(knots):
        reader.complain("knots", "must increase strictly", "each knot once, in increasing order")
    if knots and len(knots) < 2:
        reader.complain("knots", "an activation needs two or more", "for example knots = [0.5, 1.5]")
    if words := reader.unlike(values=(), knots=()):
        reader.complain("values", words, "one value per knot")
    elif knots and values and increasing(knots) and not (_steepest(knots, values) <= STEEPEST):
        reader.complain("knots", f"a slope between them exceeds {STEEPEST:g}", "knots farther apart")
    wrong = len(reader.errors) > known or not knots or not values
    return Knots((0.0, 1.0), (0.0, 1.0)) if wrong else Knots(knots or (), values or ())


def _steepest(knots: tuple[float, ...], values: tuple[float, ...]) -> float:
    pairs = pairwise(zip(knots, values, strict=True))
    return max((abs(high[1] - low[1]) / (high[0] - low[0]) for low, high in pairs), default=0.0)


@dataclass(frozen=True)
class Network(Checked):
    """A neuron a sigma(<w, x> + b) and which of its parameters move; w always does.

    Attributes:
        activation: a name, `Knots`, or one made in Python: an `mfpde.Activation`, any object with `value(u)` and
            `slope(u)` on arrays, or a function.
    """

    table = "network"

    activation: Any = key("truncated-relu", ActivationKey(), "sigma, applied to <w, x> + b")
    coefficients: str = key("fixed", Choice(("fixed", "trained")), "whether the coefficients a move")
    offsets: str = key("none", Choice(("none", "fixed", "trained")), "whether there are offsets b, and they move")
    scale: float = key(1.0, Number(POSITIVE_SIZE), "alpha: f = (alpha/N) sum_i, and steps of eps/alpha")
    reduction: str = key(
        "none",
        Choice(("none", "directions")),
        "whether neurons of homogeneous units with a^2 = |w|^2 are masses on the directions of w",
    )
    centred: bool = key(False, Flag(), "whether f_0, the output at the start, is subtracted from f")

    def __post_init__(self) -> None:
        if not isinstance(self.activation, str | Knots):
            object.__setattr__(self, "activation", made_activation(self.activation))
        super().__post_init__()

    @property
    def trained(self) -> tuple[bool, bool]:
        """Whether a and b move."""
        return self.coefficients == "trained", self.offsets == "trained"


@dataclass(frozen=True)
class Head:
    """The coefficient or the offset of a neuron.

    Attributes:
        name: "a" or "b".
        law: its law at the start, or its value.
        trained: whether it moves.
    """

    name: str
    law: float | Marginal
    trained: bool

    @property
    def is_coordinate(self) -> bool:
        """Whether it varies: a constant that stays is part of the unit instead."""
        return self.trained or not isinstance(self.law, int | float)

    @property
    def value(self) -> float:
        """Its value where it is a constant."""
        return float(self.law)  # type: ignore[arg-type]

    @property
    def marginal(self) -> float | Marginal:
        """Its law at the start; a number where it does not vary then."""
        return settled(self.law)


@dataclass(frozen=True)
class Unit:
    """What a data law averages over its symmetries: alpha a sigma(<w, x> + b) with what is constant folded in.

    Attributes:
        activation: sigma, with the scale alpha, and the coefficient and the offset that are constants, in it.
        coefficient, offset: a and b.
    """

    activation: Activation
    coefficient: Head
    offset: Head

    @property
    def has_coefficient(self) -> bool:
        """Whether a is a coordinate."""
        return self.coefficient.is_coordinate

    @property
    def has_offset(self) -> bool:
        """Whether b is a coordinate, the last one."""
        return self.offset.is_coordinate

    @property
    def is_cone(self) -> bool:
        """Whether sigma(c u) = c sigma(u) for c > 0, without offsets."""
        return not self.has_offset and self.activation.homogeneity == 1.0

    @property
    def coordinates(self) -> tuple[Head, ...]:
        """Those of a and b that are coordinates, in this order."""
        return tuple(head for head in (self.coefficient, self.offset) if head.is_coordinate)

    def parted(self, points: Array) -> tuple[Array, Array, Array]:
        """The coordinates of w, shape (n, D'), a and b, shape (n,) each, at points (n, D)."""
        own = points.shape[1] - len(self.coordinates)
        columns = {head.name: points[:, own + i] for i, head in enumerate(self.coordinates)}
        heads = (self.coefficient, self.offset)
        a, b = (columns[h.name] if h.is_coordinate else np.full(len(points), h.value) for h in heads)
        return points[:, :own], a, b


def unit_of(network: Network, a: float | Marginal = 1.0, b: float | Marginal = 0.0) -> Unit:
    """The unit of a network whose coefficients and offsets start with these laws."""
    moving_a, moving_b = network.trained
    coefficient = Head("a", a, moving_a)
    offset = Head("b", b if network.offsets != "none" else 0.0, moving_b)
    activation = activation_of(network.activation).affine(
        network.scale * (1.0 if coefficient.is_coordinate else coefficient.value),
        0.0 if offset.is_coordinate else offset.value,
    )
    return Unit(activation, coefficient, offset)


def scaled_activation(network: Network) -> Activation:
    """alpha sigma, of which finite networks are made."""
    return activation_of(network.activation).affine(network.scale, 0.0)


def activation_of(declared: Any) -> Activation:
    """The activation named, given by its knots, or made of what is given: an activation, an object, a function."""
    if isinstance(declared, Knots):
        from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear

        return PiecewiseLinear.through(declared.knots, declared.values)
    return made_activation(declared)
