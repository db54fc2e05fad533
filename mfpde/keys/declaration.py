"""The declaration of a key, on the field of the frozen dataclass that holds its value.

    @dataclass(frozen=True)
    class Time:
        end: float = key(10.0, Number(DURATION), "the time at which the run ends")

`read_table` makes such an object of a TOML table, `plain_table` is its inverse, `keys_of` lists what is declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from mfpde.keys.kinds import Kind
from mfpde.keys.reader import TableReader

Table = TypeVar("Table")


@dataclass(frozen=True)
class Key:
    """A key of a table.

    Attributes:
        name: as in the file.
        default: what stands for it where it is left out; None where that is chosen from the problem.
        kind: how it is read and spelled, and what it accepts.
        text: one line that says what it is.
    """

    name: str
    default: Any
    kind: Kind
    text: str


def key(default: Any, kind: Kind, text: str) -> Any:
    """The field of a key with its default, kind and one line of text."""
    return field(default=default, metadata={"kind": kind, "text": text})


def keys_of(table: type[object] | object) -> tuple[Key, ...]:
    """The keys that a dataclass declares, in the order of its fields, and then those that others declare for it.

    The latter are what its class method `further(given)` returns, where it has one; `given` are values of its own.
    """
    own = tuple(
        Key(item.name, item.default, item.metadata["kind"], item.metadata["text"])
        for item in fields(table)  # type: ignore[arg-type]
        if "kind" in item.metadata
    )
    further = getattr(table, "further", None)
    if further is None:
        return own
    return (*own, *further({} if isinstance(table, type) else {each.name: getattr(table, each.name) for each in own}))


def names_of(table: type[object] | object) -> tuple[str, ...]:
    """The names of those keys."""
    return tuple(declared.name for declared in keys_of(table))


def read_table(table: type[Table], reader: TableReader) -> Table:
    """The object that a table describes, defaults standing in for mistakes, which go to `reader.errors`.

    A dataclass with rules that tie its keys together has a method `settled(reader)`, which complains and returns the
    object to go on with. Keys that others declare for it go through its method `having`, as far as they are given.
    """
    names = {item.name for item in fields(table)}  # type: ignore[arg-type]
    own = {each.name: each.kind.read(reader, each.name, each.default) for each in keys_of(table) if each.name in names}
    made = table(**own)
    further = [each for each in keys_of(made) if each.name not in names and reader.has(each.name)]
    if further:
        made = made.having(**{each.name: each.kind.read(reader, each.name, each.default) for each in further})  # type: ignore[attr-defined]
    settle = getattr(made, "settled", None)
    return made if settle is None else settle(reader)


def plain_table(table: object, names: tuple[str, ...] | None = None) -> dict[str, object]:
    """The values of an object's keys (those in `names`) as TOML spells them; keys that are None are left out."""
    values = {each.name: (each.kind, getattr(table, each.name)) for each in keys_of(table)}
    chosen = values if names is None else {name: values[name] for name in values if name in names}
    return {name: kind.plain(value) for name, (kind, value) in chosen.items() if value is not None}


def foreign_keys(reader: TableReader, own: tuple[str, ...], others: Mapping[str, str], chosen: str) -> None:
    """Complain of the keys of a table that are not its `own` but belong to another choice.

    Args:
        others: for each such key the choice it belongs to, 'data.law = "..."'.
        chosen: the choice made, in the same words.
    """
    for name, choice in others.items():
        if name not in own and reader.has(name):
            reader.complain(name, f"unused by {chosen}", f"{choice}, or leave {name} out")
