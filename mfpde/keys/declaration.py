"""The declaration of a key, on the field of the frozen dataclass that holds its value.

    @dataclass(frozen=True)
    class Time(Checked):
        table = "time"
        end: float = key(10.0, Number(DURATION), "the time at which the run ends")

`read_table` makes such an object of a TOML table, `plain_table` is its inverse, `keys_of` lists what is declared. One
that is made in Python is held to the same: `Checked` reads its values as those of a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, ClassVar, TypeVar

from mfpde.errors import raise_mistakes
from mfpde.keys.kinds import Kind
from mfpde.keys.reader import TableReader, show

Table = TypeVar("Table")


@dataclass(frozen=True)
class Key:
    """A key of a table.

    Attributes:
        name: as in the file.
        default: what stands for it where it is left out; None where that is chosen from the problem.
        kind: how it is read and spelled, and what it accepts.
        text: one line that says what it is.
        attribute: the field that holds it, called like the key unless something else has that name.
    """

    name: str
    default: Any
    kind: Kind
    text: str
    attribute: str


def key(default: Any, kind: Kind, text: str, name: str = "") -> Any:
    """The field of a key with its default, kind and one line of text; `name` where the field cannot have the key's."""
    return field(default=default, metadata={"kind": kind, "text": text, "name": name})


def keys_of(table: type[object] | object) -> tuple[Key, ...]:
    """The keys that a dataclass declares, in the order of its fields, and then those that others declare for it.

    The latter are what its class method `further(given)` returns, where it has one; `given` are values of its own.
    """
    own = _own_keys(table if isinstance(table, type) else type(table))
    further = getattr(table, "further", None)
    if further is None:
        return own
    return (
        *own,
        *further({} if isinstance(table, type) else {each.name: getattr(table, each.attribute) for each in own}),
    )


@cache
def _own_keys(table: type[object]) -> tuple[Key, ...]:
    """The keys on the fields of a dataclass."""
    return tuple(
        Key(item.metadata["name"] or item.name, item.default, item.metadata["kind"], item.metadata["text"], item.name)
        for item in fields(table)  # type: ignore[arg-type]
        if "kind" in item.metadata
    )


def names_of(table: type[object] | object) -> tuple[str, ...]:
    """The names of those keys."""
    return tuple(declared.name for declared in keys_of(table))


class Checked:
    """Base of the dataclasses that hold keys: one that exists holds what a file could say, spelled alike.

    Attributes:
        table: the table, as messages name it.

    Raises:
        ConfigurationError: naming every mistake.
    """

    table: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if _TRUSTING.get():
            return
        errors: list[str] = []
        read = checked(self, self.table, errors)
        raise_mistakes(errors)
        for item in fields(self):  # type: ignore[arg-type]
            object.__setattr__(self, item.name, getattr(read, item.name))


_TRUSTING: ContextVar[bool] = ContextVar("trusting", default=False)


@contextmanager
def trusting() -> Iterator[None]:
    """While it lasts objects are not checked when they are made: their maker knows what is wrong with them."""
    token = _TRUSTING.set(True)
    try:
        yield
    finally:
        _TRUSTING.reset(token)


def is_trusting() -> bool:
    """Whether objects are not checked now."""
    return _TRUSTING.get()


def checked(table: Table, where: str, errors: list[str]) -> Table:
    """The object as it is read from the table that its values make; `errors` receives what is wrong with them.

    A value that is the default counts as left out; what only Python can say (a function, one's own scheme) is kept.
    """
    declared = {each.name: each for each in keys_of(table)}
    fields_of_keys = {each.attribute for each in declared.values()}
    values = {name: getattr(table, each.attribute) for name, each in declared.items()} | dict(
        getattr(table, "options", ())
    )
    told = {name: value for name, value in values.items() if value is not None and not _default(declared, name, value)}
    held = {name: value for name, value in told.items() if name in declared and _beyond(declared[name].kind, value)}
    beyond = {declared[name].attribute: value for name, value in held.items()}
    spelled = {name: _spelled(declared, name, value) for name, value in told.items() if name not in held}
    read_apart = {"options"} if hasattr(table, "having") else set()
    others = (item.name for item in fields(table) if item.init and item.name not in {*fields_of_keys, *read_apart})  # type: ignore[arg-type]
    beyond |= {name: getattr(table, name) for name in others}
    reader = TableReader(where, spelled, tuple(declared), errors)
    read = read_table(type(table), reader, beyond)
    for name, each in declared.items():
        if values[name] is None and each.default is not None and getattr(read, each.attribute) is not None:
            reader.complain(name, "is missing", f"for example {name} = {show(each.kind.plain(each.default))}")
    return read


def _default(declared: Mapping[str, Key], name: str, value: object) -> bool:
    default = declared[name].default if name in declared else None
    return type(value) is type(default) and bool(value == default)


def _beyond(kind: Kind, value: object) -> bool:
    """Whether a value is one that no file can say."""
    beyond = getattr(kind, "beyond", None)
    return beyond is not None and bool(beyond(value))


def _spelled(declared: Mapping[str, Key], name: str, value: Any) -> object:
    """A value as TOML spells it; as it is where it has no such spelling, which its reader then says."""
    with suppress(TypeError, ValueError, AttributeError):
        value = declared[name].kind.plain(value) if name in declared else value
    return value.tolist() if hasattr(value, "tolist") else value


def read_table(table: type[Table], reader: TableReader, held: Mapping[str, Any] | None = None) -> Table:
    """The object that a table describes, defaults standing in for mistakes, which go to `reader.errors`.

    Args:
        held: values of fields that are taken as they are.

    A dataclass with rules that tie its keys together has a method `settled(reader)`, which complains and returns the
    object to go on with. Keys that others declare for it go through its method `having`, as far as they are given.
    """
    with trusting():
        names = {item.name for item in fields(table)}  # type: ignore[arg-type]
        own = {
            each.attribute: each.kind.read(reader, each.name, each.default)
            for each in keys_of(table)
            if each.attribute in names
        }
        made = table(**{**own, **(held or {})})
        further = [each for each in keys_of(made) if each.attribute not in names and reader.has(each.name)]
        if further:
            made = made.having(**{each.name: each.kind.read(reader, each.name, each.default) for each in further})  # type: ignore[attr-defined]
        settle = getattr(made, "settled", None)
        return made if settle is None else settle(reader)


def plain_table(table: object, names: tuple[str, ...] | None = None) -> dict[str, object]:
    """The values of an object's keys (those in `names`) as TOML spells them; keys that are None are left out."""
    values = {each.name: (each.kind, getattr(table, each.attribute)) for each in keys_of(table)}
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
