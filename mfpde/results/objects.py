"""Answers as JSON objects, and back: what is told of a dataclass, key by key.

A part of an answer is a frozen dataclass. Its JSON object has a key for every field, in order, unless its `JSON` lists
the keys: by name, where the value of that name is written as it is, or as one of the forms below. Numbers that are not
finite become null, arrays and tuples lists. Reading goes the same way back; the types of the fields say what null and
lists were, and a value of another type raises TypeError.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, ClassVar, Self, get_args, get_origin, get_type_hints

import numpy as np

from mfpde.solvers.arrays import Array

Names = Sequence[str]
"""The reduced coordinates."""


@dataclass(frozen=True)
class Key:
    """One key of a JSON object.

    Attributes:
        name: the key; empty where the value is an object whose keys stand here.
        write: the value, of a part and the names of the coordinates.
        read: the fields of the part that the value tells.
        optional: whether the key is left out where the value is None.
    """

    name: str
    write: Callable[[Any, Names], Any]
    read: Callable[[Any], Mapping[str, Any]]
    optional: bool = False


def told(name: str, attribute: str | None = None, optional: bool = False) -> Key:
    """An attribute, or that of a part ("sgd.time"), as it is."""
    value_of = attrgetter(attribute or name)
    return Key(name, lambda part, names: value_of(part), lambda value: {attribute or name: value}, optional)


def computed(name: str, function: Callable[[Any, Names], Any]) -> Key:
    """What is worked out from a part and the names, and not read back."""
    return Key(name, function, lambda value: {})


def by_name(name: str, names_of: str = "") -> Key:
    """An array over the coordinates, its last axis, as an object with a key for each.

    Args:
        names_of: the attribute that names what the axis is over, where that is not the coordinates.
    """

    def write(part: Any, names: Names) -> Any:
        names, value = getattr(part, names_of) if names_of else names, getattr(part, name)
        return None if value is None else dict(zip(names, np.moveaxis(value, -1, 0), strict=True))

    def read(value: Any) -> Mapping[str, Any]:
        return {name: None if value is None else np.stack([array(item) for item in value.values()], axis=-1)}

    return Key(name, write, read)


def atom_list(positions: str, masses: str, name: str = "atoms", told_if: str = "", optional: bool = False) -> Key:
    """Atoms, shapes (n, D) and (n,), as a list of objects with "position" and "weight"; none where not `told_if`."""

    def write(part: Any, names: Names) -> Any:
        if told_if and not getattr(part, told_if):
            return None if optional else []
        pairs = zip(getattr(part, positions).tolist(), getattr(part, masses).tolist(), strict=True)
        return [{"position": dict(zip(names, place, strict=True)), "weight": mass} for place, mass in pairs]

    def read(value: Any) -> Mapping[str, Any]:
        places = [list(atom["position"].values()) for atom in value]
        return {positions: places, masses: [atom["weight"] for atom in value]} if value else {}

    return Key(name, write, read, optional)


def group(name: str, *attributes: str) -> Key:
    """Several attributes as one object."""

    def write(part: Any, names: Names) -> Any:
        return {attribute: getattr(part, attribute) for attribute in attributes}

    return Key(name, write, lambda value: {attribute: value[attribute] for attribute in attributes})


def several(name: str, *attributes: str) -> Key:
    """Several attributes as one list."""

    def write(part: Any, names: Names) -> Any:
        return [getattr(part, attribute) for attribute in attributes]

    return Key(name, write, lambda value: dict(zip(attributes, value, strict=True)))


def labelled(name: str, labels: Sequence[str], attribute: str | None = None) -> Key:
    """A tuple as an object with these keys; or a tuple of such tuples as a list of objects."""
    place = attribute or name

    def write(part: Any, names: Names) -> Any:
        value = getattr(part, place)
        if value is None:
            return None
        nested = not value or isinstance(value[0], tuple)
        objects = [dict(zip(labels, item, strict=True)) for item in (value if nested else [value])]
        return objects if nested else objects[0]

    def read(value: Any) -> Mapping[str, Any]:
        items = [[item[label] for label in labels] for item in (value if isinstance(value, list) else [value]) if item]
        return {place: items if isinstance(value, list) else next(iter(items), None)}

    return Key(name, write, read)


class Part:
    """A frozen dataclass that is told as a JSON object.

    Attributes:
        JSON: its keys; empty for all fields.
    """

    JSON: ClassVar[tuple[str | Key, ...]] = ()

    def to_json(self, names: Names | None = None) -> dict[str, Any]:
        """As a JSON object; `names` are the reduced coordinates, those of the part itself where it has some."""
        own: Names = getattr(self, "names", ()) if names is None else names
        content: dict[str, Any] = {}
        for each in self._keys():
            value = plain(each.write(self, own), own)
            if not each.name:
                content |= value
            elif not (each.optional and value is None):
                content[each.name] = value
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """From a JSON object.

        Raises:
            TypeError, ValueError, LookupError, AttributeError: it is none of this part.
        """
        values = dict(cls.untold(content))
        for each in cls._keys():
            if each.name in content:
                values |= each.read(content[each.name])
        return cls.made(values)

    @classmethod
    def made(cls, values: Mapping[str, Any]) -> Self:
        """From values of strict JSON by the names of the fields; see `from_json`."""
        hints = get_type_hints(cls)
        named = [field.name for field in fields(cls) if field.init]  # type: ignore[arg-type]
        return cls(**{name: typed(values[name], hints[name]) for name in named if name in values})

    @classmethod
    def untold(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """Fields that no key tells, from the whole object."""
        return {}

    @classmethod
    def recognises(cls, content: Mapping[str, Any]) -> bool:
        """Whether an object has every key of this part."""
        return all(each.name in content for each in cls._keys() if each.name and not each.optional)

    @classmethod
    def _keys(cls) -> tuple[Key, ...]:
        listed = cls.JSON or tuple(field.name for field in fields(cls))  # type: ignore[arg-type]
        return tuple(told(each) if isinstance(each, str) else each for each in listed)


def plain(value: Any, names: Names) -> Any:
    """A value as strict JSON can hold it."""
    if isinstance(value, Part):
        return value.to_json(names)
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: plain(item, names) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, names) for item in value]
    return value


def typed(value: Any, hint: Any) -> Any:
    """A value of strict JSON as the type of a field says; raises TypeError, ValueError or LookupError."""
    kind, kinds = get_origin(hint), get_args(hint)
    if hint is Any or isinstance(value, Part):
        return value
    if kind is UnionType:
        return None if value is None and NoneType in kinds else _either(value, kinds)
    if kind is tuple:
        each = [kinds[0]] * len(value) if kinds[-1] is Ellipsis else kinds
        return tuple(typed(item, form) for item, form in zip(value, each, strict=True))
    if kind in (dict, Mapping):
        return {name: typed(item, kinds[1]) for name, item in value.items()}
    if kind is np.ndarray:
        return array(value)
    if issubclass(hint, Part):
        return hint.from_json(value)
    if hint is float and not isinstance(value, bool | str):
        return math.nan if value is None else float(value)
    if not isinstance(value, hint):
        raise TypeError(f"{value!r} is no {hint.__name__}")
    return value


def _either(value: Any, kinds: Sequence[Any]) -> Any:
    """A value as the first of these types that takes it."""
    for hint in kinds:
        try:
            return typed(value, hint)
        except (TypeError, ValueError, LookupError, AttributeError):
            continue
    raise TypeError(f"{value!r} is none of {kinds}")


def array(value: Any) -> Array:
    """Nested lists as an array, null as NaN."""
    return np.array(value, dtype=np.float64)


def coordinate_names(content: Any) -> tuple[str, ...]:
    """The reduced coordinates, from the first place that is given by their names somewhere in an object."""
    if isinstance(content, Mapping):
        for name in ("position", "mean"):
            if isinstance(content.get(name), Mapping):
                return tuple(content[name])
    items = content.values() if isinstance(content, Mapping) else content if isinstance(content, list) else ()
    return next((names for item in items if (names := coordinate_names(item))), ())
