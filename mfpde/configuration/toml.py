"""The canonical TOML text of a configuration: every table, every default, one spelling."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields

from mfpde.experiment import (
    Experiment,
    LogSave,
    Normal,
    PiecewiseLinear,
    TableRadius,
    UniformPosition,
    UniformRadius,
)
from mfpde.solvers.flow.flow import Schedule

Tables = dict[str, dict[str, object]]


def to_tables(configuration: Experiment) -> Tables:
    """The tables that `parse` turns back into this configuration; keys that are None are left out."""
    tables: Tables = {}
    for section in fields(configuration):
        table = getattr(configuration, section.name)
        values = {item.name: _plain(getattr(table, item.name)) for item in fields(table)}
        tables[section.name] = {key: value for key, value in values.items() if value is not None}
    if configuration.data.infinite:
        tables["data"]["dims"] = "infinite"
    if configuration.data.law == "gaussian-bumps":
        tables["network"] = {}
        tables["initial"] = {"position": tables["initial"]["position"]}
    return tables


def to_toml(configuration: Experiment) -> str:
    """The configuration as TOML text."""
    lines: list[str] = []
    for name, table in to_tables(configuration).items():
        lines += [f"[{name}]", *(f"{key} = {_spell(value)}" for key, value in table.items()), ""]
    return "\n".join(lines)


def differing_keys(first: Experiment, second: Experiment) -> tuple[str, ...]:
    """The dotted keys at which two configurations differ."""
    left, right = to_tables(first), to_tables(second)
    found = []
    for name in left:
        for key in sorted(set(left[name]) | set(right[name])):
            if left[name].get(key) != right[name].get(key):
                found.append(f"{name}.{key}")
    return tuple(found)


def _plain(value: object) -> object:
    match value:
        case PiecewiseLinear(knots, values):
            return {"knots": list(knots), "values": list(values)}
        case Normal(mean, std):
            return {"normal": [mean, std]}
        case UniformRadius(low, high) | UniformPosition(low, high):
            return {"uniform": [low, high]}
        case TableRadius(radii, densities):
            return {"table": [list(radii), list(densities)]}
        case LogSave(count, first):
            return {"log": count, "first": first}
        case Schedule(scale, power):
            return scale if power == 0.0 else {"scale": scale, "power": power}
        case tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def _spell(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_spell(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_spell(item) for item in value) + "]"
    if isinstance(value, float):
        return "inf" if value == math.inf else repr(value)
    return json.dumps(value)
