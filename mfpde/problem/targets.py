"""What a teacher computes from a projection of x: an activation, the sign, a sum of Hermite polynomials, or knots."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.polynomial import hermite_e

from mfpde.keys.kinds import Kind
from mfpde.keys.reader import SIZE, TableReader
from mfpde.problem.activations.interface import ACTIVATIONS
from mfpde.problem.network import ActivationKey, Knots, Unit, activation_of
from mfpde.solvers.arrays import Array
from mfpde.solvers.normal import REACH, projected

SIGN = "sign"
SEEN = 1e-3
"""Share of E g^2 next to the end of the rule in v above which it is not seen where it ends, if it does."""
MOST_TERMS = 20
"""Hermite coefficients of a target at most."""


@dataclass(frozen=True)
class Hermite:
    """g = sum_k coefficients_k He_k / sqrt(k!)."""

    coefficients: tuple[float, ...]


@dataclass(frozen=True)
class TargetKey(Kind):
    """The name of an activation, "sign", { hermite = [...] } or { knots, values }."""

    @property
    def accepted(self) -> str:
        names = ", ".join((*ACTIVATIONS.names(), SIGN))
        return f"one of {names}, {{ hermite = [...] }} in He_k / sqrt(k!), or {{ knots = [...], values = [...] }}"

    def read(self, reader: TableReader, name: str, default: str) -> str | Knots | Hermite:
        value = reader.raw(name)
        if not isinstance(value, Mapping):
            return reader.choice(name, default, (*ACTIVATIONS.names(), SIGN))
        if "hermite" not in value:
            return ActivationKey().read(reader, name, "erf")
        inner = TableReader(reader.dotted(name), value, ("hermite",), reader.errors)
        coefficients = inner.numbers("hermite", SIZE, "[0.0, 0.0, 1.0]") or (0.0, 1.0)
        if len(coefficients) > MOST_TERMS or not any(coefficients[1:]):
            problem = (
                f"needs 2 to {MOST_TERMS} coefficients, one of them beyond the first not 0: a constant teaches nothing"
            )
            inner.complain("hermite", problem, "for example hermite = [0.0, 0.0, 1.0]")
            return default
        return Hermite(coefficients)

    def plain(self, value: object) -> object:
        if isinstance(value, Hermite):
            return {"hermite": list(value.coefficients)}
        return ActivationKey().plain(value)


def values(target: Any, u: Array) -> Array:
    """g(u), elementwise."""
    if isinstance(target, Hermite):
        scaled = [c / math.sqrt(math.factorial(k)) for k, c in enumerate(target.coefficients)]
        return np.asarray(hermite_e.hermeval(u, scaled))
    if target == SIGN:
        return np.sign(u)
    return activation_of(target).value(u)


def breaks(target: Any) -> Array:
    """Where g or its slope jumps, increasing."""
    if isinstance(target, Hermite):
        return np.empty(0)
    return np.zeros(1) if target == SIGN else activation_of(target).knots


def hermite(target: Any) -> tuple[float, ...]:
    """Coefficients in He_k / sqrt(k!) of a target that is given by them; none of others."""
    return tuple(target.coefficients) if isinstance(target, Hermite) else ()


def moments(target: Any, sphere: int | None = None) -> tuple[float, float, float]:
    """E g(v), E g(v)^2 and E v g(v), v standard normal; infinite where g grows too fast to have them.

    Args:
        sphere: the dimension d where v is a coordinate of a uniform point of S^(d-1)(sqrt d).
    """

    def mean(power: int, factor: int, law: Callable[..., float] = projected) -> float:
        return law(lambda v: v**factor * values(target, v) ** power, breaks(target))

    with np.errstate(all="ignore"):
        if sphere is not None:
            from mfpde.solvers.harmonics.targets import mean_on_sphere

            found = [mean(*powers, partial(mean_on_sphere, sphere)) for powers in ((1, 0), (2, 0), (1, 1))]
            far = 0.0
        else:
            found = [mean(*powers) for powers in ((1, 0), (2, 0), (1, 1))]
            far = projected(lambda v: (np.abs(v) > REACH - 1.0) * values(target, v) ** 2, breaks(target))
    good = all(math.isfinite(each) for each in found) and far <= SEEN * found[1]
    return (found[0], found[1], found[2]) if good else (math.inf, math.inf, math.inf)


def as_neurons(terms: Sequence[tuple[float, Any]], unit: Unit, dimension: int) -> Array | None:
    """Neurons of equal weight whose mean is sum_k c_k g(x_k) for terms (c_k, g); None where these units are no such.

    Returns:
        Coordinates w1, ..., wd, then a and b as far as they are coordinates, shape (K, D).
    """
    heads = {"a": [len(terms) * weight for weight, _ in terms], "b": [0.0] * len(terms)}
    places = np.linspace(-REACH, REACH, 33)
    own = unit.activation.value(places)
    same = all(np.allclose(values(target, places), own, rtol=1e-12, atol=1e-12) for _, target in terms)
    if not same or not (unit.has_coefficient or heads["a"] == [1.0]):
        return None
    return np.column_stack([np.eye(dimension)[: len(terms)], *(heads[head.name] for head in unit.coordinates)])


def is_cone(target: Any) -> bool:
    """Whether g(c u) = c g(u) for c > 0."""
    if isinstance(target, Hermite):
        return not any(c for k, c in enumerate(target.coefficients) if k != 1)
    return target != SIGN and activation_of(target).homogeneity == 1.0
