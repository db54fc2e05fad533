"""Kinds of keys that hold the law of one number: a coefficient, a radius, a position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mfpde.keys.kinds import Kind
from mfpde.keys.reader import (
    NON_NEGATIVE,
    NON_NEGATIVE_SIZE,
    POSITIVE_SIZE,
    SIZE,
    TableReader,
    as_list,
    increasing,
    show,
)
from mfpde.problem.marginals import Normal, Tabulated, Uniform


class LawKind(Kind):
    """What the laws of one number have in common."""

    def plain(self, value: object) -> object:
        """A constant or a law as TOML spells it."""
        match value:
            case Normal(mean, std):
                return {"normal": [mean, std]}
            case Uniform(low, high):
                return {"uniform": [low, high]}
            case Tabulated(points, values):
                return {"table": [list(points), list(values)]}
            case _:
                return value


def _one_of(reader: TableReader, name: str, keys: tuple[str, str], example: str) -> tuple[TableReader, str] | None:
    """The table of a law that takes exactly one of two keys, and which it takes; None where it is not one."""
    value = reader.raw(name)
    law = TableReader(reader.dotted(name), value, keys, reader.errors)
    given = [key for key in keys if law.has(key)]
    if len(given) == 1:
        return law, given[0]
    if isinstance(value, Mapping):
        reader.errors.append(f"{reader.dotted(name)} = {show(value)}: write either {example}")
    return None


@dataclass(frozen=True)
class Parameter(LawKind):
    """A constant, or { normal = [mean, std] }."""

    @property
    def accepted(self) -> str:
        return f"a number, {SIZE}, or {{ normal = [mean, standard deviation] }}"

    def read(self, reader: TableReader, name: str, default: float) -> float | Normal:
        value = reader.raw(name)
        if not isinstance(value, Mapping):
            return reader.number(name, default, SIZE)
        law = TableReader(reader.dotted(name), value, ("normal",), reader.errors)
        pair = law.numbers("normal", SIZE, "[0.0, 1.0]")
        if pair is None or len(pair) != 2 or pair[1] not in NON_NEGATIVE:
            problem = "must be a mean and a standard deviation >= 0"
            law.complain("normal", problem, f"for example {name} = {{ normal = [{default}, 0.5] }}")
            return default
        return Normal(pair[0], pair[1])


@dataclass(frozen=True)
class Position(LawKind):
    """{ normal = [mean, std] } or { uniform = [low, high] }."""

    @property
    def accepted(self) -> str:
        return "{ normal = [mean, standard deviation] } or { uniform = [low, high] }"

    def read(self, reader: TableReader, name: str, default: Normal | Uniform) -> Normal | Uniform:
        either = "{ normal = [0.0, 2.0] } or { uniform = [-3.0, 3.0] }"
        found = _one_of(reader, name, ("normal", "uniform"), either) if reader.has(name) else None
        if found is None:
            return default
        law, key = found
        example = "[0.0, 2.0]" if key == "normal" else "[-3.0, 3.0]"
        pair = law.numbers(key, SIZE, example)
        if pair is None:
            return default
        extent = pair[-1] if key == "normal" else pair[-1] - pair[0]
        if len(pair) != 2 or extent not in POSITIVE_SIZE:
            kind = "a mean and a standard deviation" if key == "normal" else "two places, low < high, their distance"
            law.complain(key, f"must be {kind} in [1e-06, 1e+06]", f"for example {key} = {example}")
            return default
        return Normal(pair[0], pair[1]) if key == "normal" else Uniform(pair[0], pair[1])


@dataclass(frozen=True)
class RadiusLaw(LawKind):
    """{ uniform = [low, high] } or { table = [[radii], [densities]] }."""

    @property
    def accepted(self) -> str:
        return "{ uniform = [low, high] } or { table = [[radii], [densities]] }"

    def read(self, reader: TableReader, name: str, default: None) -> Uniform | Tabulated | None:
        either = "{ uniform = [0.2, 1.0] } or { table = [[radii], [densities]] }"
        found = _one_of(reader, name, ("uniform", "table"), either) if reader.has(name) else None
        if found is None:
            return default
        law, key = found
        return _uniform_radius(law) if key == "uniform" else _tabulated_radius(law)


def _uniform_radius(law: TableReader) -> Uniform | None:
    ends = law.numbers("uniform", NON_NEGATIVE_SIZE, "[0.2, 1.0]")
    if ends and (len(ends) != 2 or not (ends[0] < ends[1] and ends[1] in POSITIVE_SIZE)):
        problem = "must be two radii, low < high and high in [1e-06, 1e+06]"
        law.complain("uniform", problem, "for example uniform = [0.2, 1.0]")
        return None
    return Uniform(ends[0], ends[1]) if ends else None


def _tabulated_radius(law: TableReader) -> Tabulated | None:
    rows = as_list(law.raw("table"))
    if len(rows) != 2:
        law.complain("table", "must be two lists", "table = [[radii], [densities]]")
        return None
    columns = TableReader(law.dotted("table"), dict(zip(("0", "1"), rows, strict=True)), ("0", "1"), law.errors)
    radii = columns.numbers("0", NON_NEGATIVE_SIZE, "[0.2, 0.6, 1.0]")
    densities = columns.numbers("1", NON_NEGATIVE_SIZE, "[0.0, 1.0, 0.0]")
    if radii is None or densities is None:
        return None
    weighs = sum(densities) >= 1e-6 and radii[-1] in POSITIVE_SIZE
    if len(radii) != len(densities) or len(radii) < 2 or not increasing(radii) or not weighs:
        problem = (
            "needs two or more strictly increasing radii, up to 1e-06 or more, with as many densities, not all zero"
        )
        law.complain("table", problem, "for example table = [[0.2, 0.6, 1.0], [0.0, 1.0, 0.0]]")
        return None
    return Tabulated(radii, densities)
