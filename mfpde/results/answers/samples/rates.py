"""The result of `rates`: norms of data and of a run, the Monte-Carlo constant, slopes of random features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mfpde.results.answer import ANSWERS, Whole
from mfpde.results.answers.bounds import Exponent
from mfpde.results.objects import Part, atom_list, coordinate_names
from mfpde.results.words import place_text
from mfpde.solvers.arrays import Array

HEAVIEST = 8
"""Atoms that the table names."""


@dataclass(frozen=True)
class DataNorms(Part):
    """Least norms of functions that interpolate data; infinite where none does.

    Attributes:
        rkhs: H_data, in the space of the kernel E sigma(<u, X>) sigma(<u, X'>) of uniform directions.
        variation: Omega_data, the total variation of the atoms, which interpolate.
        lower: no measure that interpolates has less, if `certified`.
        positions, weights: atoms by direction and sign, shapes (K, D + 1) and (K,).
    """

    JSON = ("rkhs", "variation", "lower", "certified", atom_list("positions", "weights"))

    rkhs: float
    variation: float
    lower: float
    certified: bool
    positions: Array
    weights: Array
    names: tuple[str, ...] = ()

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """The coordinates of a direction, and its sign."""
        return {"names": coordinate_names(content)}


@dataclass(frozen=True)
class PathNorm(Part):
    """The path norm of a law of neurons beside the variation norm of what it learned.

    Attributes:
        time: of the law.
        norm: "l2" or "l1", of w in `value`.
        value, euclidean: ∫|a| |w| drho, and with |w|_2.
        variation, lower: the least variation with its outputs at the samples, and a lower end if `certified`.
    """

    time: float
    norm: str
    value: float
    euclidean: float
    variation: float
    lower: float
    certified: bool


@dataclass(frozen=True)
class MonteCarlo(Part):
    """N E|f_N - f|^2 for N independent neurons of rho_0.

    Attributes:
        constant: ∫E|sigma_*|^2 drho_0 - E|f|^2, its value for every N.
        neurons: N of networks that were drawn, shape (P,).
        value, low, high: the mean of N |f_N - f|^2 over them with its 95 % interval, shape (P,).
    """

    constant: float
    neurons: Array
    value: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class RandomFeatures(Part):
    """The least risk over the outputs of n units with uniform directions.

    Attributes:
        neurons: n, shape (P,).
        median, low, high: over draws, with its 95 % interval, shape (P,).
        exponent: the slope of the median in n.
        reference: that of the theory, -3 / (d - 1) for rectifiers; NaN where none is known.
        dimension: d.
        teachers, trained: neurons of the target, and the least risk over the outputs of units in their places.
    """

    neurons: Array
    median: Array
    low: Array
    high: Array
    exponent: Exponent
    reference: float
    dimension: int
    teachers: int
    trained: float


@ANSWERS.register("rates")
@dataclass(frozen=True)
class Rates(Whole):
    """Norms and rates of a problem, as far as it has them.

    Attributes:
        data: norms of the data; None where it has none.
        path: of a run; None without one.
        monte_carlo, random_features: None where they are not told.
        verdicts: for every claim "holds", "does not hold" or "undecided within the data", with the numbers.
        notes: why something is missing.
    """

    FIGURES = ("rates",)
    NOTHING = "random features or networks of several N have slopes to draw; write several --neurons"

    data: DataNorms | None
    path: PathNorm | None
    monte_carlo: MonteCarlo | None
    random_features: RandomFeatures | None
    verdicts: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The coordinates of the atoms of the data."""
        return () if self.data is None else self.data.names

    def table(self) -> str:
        """The result as text."""
        lines: list[str] = []
        if self.data is not None:
            lines += _of_data(self.data)
        if self.path is not None:
            path = self.path
            both = f"{path.value:.8g} ({path.norm}), with |w|_2 {path.euclidean:.8g}"
            lines.append(f"path norm {both} at t = {path.time:g}")
            lines.append(f"variation norm of its outputs {path.variation:.8g} (at least {path.lower:.8g})")
        if self.monte_carlo is not None:
            found = self.monte_carlo
            lines.append(f"Monte-Carlo constant {found.constant:.10g} = N E|f_N - f|^2 of independent neurons of rho_0")
            lines += _rows("N", found.neurons, found.value, found.low, found.high)
        if self.random_features is not None:
            each = self.random_features
            lines.append(f"least risk over the outputs of n random features in d = {each.dimension}, medians")
            lines += _rows("n", each.neurons, each.median, each.low, each.high)
        lines += [f"{claim}: {text}" for claim, text in self.verdicts.items()]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """Everything is told."""
        return {}


def _of_data(data: DataNorms) -> list[str]:
    sure = "certified" if data.certified else "found by ascents, not certified"
    lines = [f"H_data      {data.rkhs:.10g}", f"Omega_data  {data.variation:.10g} (at least {data.lower:.10g}, {sure})"]
    for position, weight in list(zip(data.positions, data.weights, strict=True))[:HEAVIEST]:
        lines.append(f"atom        weight {weight:.8g} at {place_text(data.names, position, 8)}")
    more = len(data.weights) - HEAVIEST
    return [*lines, f"and {more} lighter atoms"] if more > 0 else lines


def _rows(name: str, x: Array, value: Array, low: Array, high: Array) -> list[str]:
    ends = zip(x, value, low, high, strict=True)
    return [f"{name} = {n:>6g} {v:>12.6g}   [{a:.4g}, {b:.4g}]" for n, v, a, b in ends if np.isfinite(v)]
