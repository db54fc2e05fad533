"""rho_0 given by its atoms, a row each: in the reduced coordinates, or as whole neurons w1, ..., wd."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mfpde.keys.reader import TableReader, one_line
from mfpde.keys.tables import WEIGHT, NumberTable
from mfpde.problem.initial.law import InitialLaw
from mfpde.problem.marginals import Marginal, Values, spread_atom
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.grid import Grid

if TYPE_CHECKING:
    from mfpde.problem.laws.interface import DataLaw
    from mfpde.problem.network import Network, Unit

Initial = TypeVar("Initial")
POINTS = "a CSV file of atoms, a row each, in place of the laws of their coordinates"
"""The key `points` of a law's options of [initial], in words."""
HEADS = {"a": 1.0, "b": 0.0}
"""Coefficient and offset, and what they are where nothing says so."""


@dataclass(frozen=True)
class PointLaw(InitialLaw):
    """A law of atoms: the label is their number.

    Attributes:
        rows: reduced coordinates, shape (n, D).
        whole: w of every atom, shape (n, d), where it is known.
    """

    rows: Array
    whole: Array | None

    @classmethod
    def of(cls, rows: Array, weights: Array, whole: Array | None = None, mass: float = 1.0) -> PointLaw:
        numbers = Values(tuple(range(len(rows))), tuple(weights))
        return cls((numbers,), lambda labels: rows[labels[:, 0].astype(np.int64)], None, rows, whole, mass=mass)

    def weights(self, count: int) -> Array:
        repeats = count // len(self.rows)
        masses = np.zeros(len(self.rows))
        numbers = self.labels[0]
        assert isinstance(numbers, Values)
        masses[numbers.breaks.astype(np.int64)] = numbers.masses
        return np.tile(self.mass * masses / repeats, repeats)

    @property
    def moments(self) -> tuple[Array, Array]:
        weights, rows = self._masses
        mean = weights @ rows
        return mean, np.sqrt(weights @ (rows - mean) ** 2)

    @property
    def _masses(self) -> tuple[Array, Array]:
        numbers = self.labels[0]
        assert isinstance(numbers, Values)
        return numbers.masses, self.rows[numbers.breaks.astype(np.int64)]

    @property
    def given(self) -> tuple[int, ...]:
        return (len(self.rows),)

    def neurons(self, count: int, seed: int, stream: int = 0) -> Array:
        return np.tile(self.rows, (count // len(self.rows), 1))

    @property
    def alike(self) -> bool:
        masses, _ = self._masses
        return len(masses) == len(self.rows) and bool(np.ptp(masses) <= 1e-12 * masses.max())

    def neuron_problem(self, count: int) -> str:
        most = len(self.rows)
        if count == most or (self.alike and count % most == 0):
            return ""
        words = f"{count} neurons for the {most} rows of initial.points"
        return f"{words}{'' if self.alike else ', whose weights differ'}; write {most}" + " or a multiple" * self.alike

    def cell_masses(self, grid: Grid) -> Array:
        weights, rows = self._masses
        axes = range(rows.shape[1])
        spread = [np.array([spread_atom(float(place), grid.axis(a)) for place in rows[:, a]]) for a in axes]
        weights, letters = self.mass * weights, "abcdefgh"[: len(spread)]
        operands = ",".join(f"z{letter}" for letter in letters)
        return np.asarray(np.einsum(f"z,{operands}->{letters}", weights, *spread, optimize=True))


def in_place_of(initial: Initial, reader: TableReader, rivals: tuple[str, ...]) -> Initial:
    """The options with points alone, where there are points; complains of rivals beside them."""
    if not reader.has("points"):
        return initial
    for name in rivals:
        if reader.has(name):
            reader.complain(name, "given together with initial.points", "one of the two")
    return replace(initial, **dict.fromkeys(rivals)) if initial.points is not None else initial  # type: ignore[attr-defined, type-var]


def points_of(initial: Any) -> NumberTable | None:
    """The atoms that options of [initial] give, None where they give laws."""
    found = getattr(initial, "points", None)
    return found if isinstance(found, NumberTable) else None


def head_laws(initial: Any) -> tuple[float | Marginal, float | Marginal]:
    """The laws of a and b at the start."""
    points = points_of(initial)
    if points is None:
        a, b = (getattr(initial, name, value) for name, value in HEADS.items())
        return a, b
    a, b = (Values(tuple(points.column(name))) if name in points.columns else v for name, v in HEADS.items())
    return a, b


def point_law(points: NumberTable, data: DataLaw, unit: Unit, free: bool = False) -> PointLaw:
    """rho_0 of these atoms in the reduced coordinates, of mass 1 unless it is free and weights are given."""
    whole = _whole(points, data)
    own = data.axes()
    w = np.column_stack([points.column(name) for name in (whole or own)])
    heads = [points.column(head.name) for head in unit.coordinates] if data.network_keys else []
    reduced = np.column_stack([reduced_rows(data, w) if whole else w, *heads])
    weights = points.column(WEIGHT) if WEIGHT in points.columns else np.ones(len(reduced))
    mass = float(weights.sum()) if free and WEIGHT in points.columns else 1.0
    return PointLaw.of(reduced, weights, w if whole else None, mass)


def reduced_rows(data: DataLaw, w: Array) -> Array:
    """The reduced coordinates of whole neurons, shape (n, d)."""
    from mfpde.solvers.sgd.samplers import sampler_of

    sampler = sampler_of(data.sampler())
    assert sampler is not None, "refused where the law has no whole neurons"
    return sampler.reduce(w)


def point_problems(data: DataLaw, network: Network, initial: Any) -> list[str]:
    """What is wrong with the columns and numbers of initial.points for this law and network."""
    points = points_of(initial)
    if points is None:
        return []
    whole = _whole(points, data)
    needed = list(whole or data.axes())
    trained = dict(zip(HEADS, network.trained, strict=True)) if data.network_keys else {}
    needed += [name for name, moves in trained.items() if moves]
    allowed = {*needed, WEIGHT, *(["a"] if trained else []), *(["b"] if trained and network.offsets != "none" else [])}
    found = []
    missing = [name for name in needed if name not in points.columns]
    unknown = [one_line(name) for name in points.columns if name and name not in allowed]
    if missing:
        found.append(f"lacks the column{_list(missing)}; write one for every coordinate that moves")
    if unknown:
        shown = needed if len(whole) < 5 else [whole[0], "...", *needed[len(whole) - 1 :]]
        columns = f"the columns are {', '.join(shown)} and {WEIGHT}"
        found.append(f"unknown column{_list(unknown)}; leave {'them' if len(unknown) > 1 else 'it'} out: {columns}")
    if WEIGHT in points.columns:
        weights = points.column(WEIGHT)
        if not (np.all(weights >= 0.0) and weights.sum() > 0.0):
            found.append(f"{WEIGHT}: must be >= 0, and not 0 everywhere; write such numbers")
    if not whole:
        for name, axis in data.axes().items():
            column = points.column(name) if name in points.columns else np.zeros(1)
            walls = axis.walls
            if axis.discrete and not np.all(axis.folded(column) == column):
                found.append(f"{name}: a number is no {axis.described.split()[-1]}; write 1 or -1")
            elif not (np.all(column >= walls[0]) and np.all(column <= walls[1])):
                found.append(f"{name}: a number lies outside {axis.described}; write numbers from {axis.lower:g} on")
    return [f"initial.points = {points.path}: {problem}" for problem in found]


def _whole(points: NumberTable, data: DataLaw) -> tuple[str, ...]:
    """w1, ..., wd where the rows are whole neurons; nothing where they are in the reduced coordinates."""
    own, sampler = set(data.axes()), data.sampler()
    if sampler is None:
        return ()
    names = tuple(f"w{i + 1}" for i in range(int(sampler.dimension)))
    given = set(points.columns)
    is_whole = bool(given & set(names)) and not given & (own - set(names)) and not own <= given
    return names if is_whole else ()


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:4]) + (f", ... ({len(names)} in all)" if len(names) > 4 else "")
    return f"s {shown}" if len(names) > 1 else f" {shown}"
