"""The canonical TOML text of an experiment: every table, every default, one spelling."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from mfpde.experiment import Experiment
from mfpde.keys.declaration import plain_table

Tables = dict[str, dict[str, object]]


def to_tables(experiment: Experiment) -> Tables:
    """The tables that `parse` turns back into this experiment; keys that are None are left out."""
    law = experiment.data
    tables: Tables = {
        "data": {"law": law.name, **plain_table(law)},
        "network": plain_table(experiment.network, law.network_keys),
    }
    for name in ("initial", "dynamics", "time", "solver", "sgd"):
        tables[name] = plain_table(getattr(experiment, name))
    return tables


def to_toml(experiment: Experiment) -> str:
    """The experiment as TOML text."""
    lines: list[str] = []
    for name, table in to_tables(experiment).items():
        lines += [f"[{name}]", *(f"{key} = {spelled(value)}" for key, value in table.items()), ""]
    return "\n".join(lines)


def differing_keys(first: Experiment, second: Experiment) -> tuple[str, ...]:
    """The dotted keys at which two experiments differ."""
    left, right = to_tables(first), to_tables(second)
    found = []
    for name in left:
        for key in sorted(set(left[name]) | set(right[name])):
            if _content(left[name].get(key)) != _content(right[name].get(key)):
                found.append(f"{name}.{key}")
    return tuple(found)


def _content(value: object) -> object:
    """A value; of a file what it contains."""
    return value["sha256"] if isinstance(value, Mapping) and "sha256" in value else value


def spelled(value: object) -> str:
    """A value of a table as TOML."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {spelled(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(spelled(item) for item in value) + "]"
    if isinstance(value, float):
        return "inf" if value == math.inf else repr(value)
    return json.dumps(value)
