"""Reading one TOML table key by key, with every complaint collected instead of raised."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Range:
    """The numbers a key accepts; NaN lies in no interval, and infinity only where `infinite` says so."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    infinite: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below and (self.infinite or math.isfinite(value))

    def __str__(self) -> str:
        if math.isinf(self.low) and math.isinf(self.high):
            return "finite"
        if math.isinf(self.high):
            bound = f"{'above' if self.low_open else 'at least'} {self.low:g}"
            return bound if self.infinite else f"finite and {bound}"
        left, right = "(" if self.low_open else "[", ")" if self.high_open else "]"
        return f"in {left}{self.low:g}, {self.high:g}{right}"


POSITIVE = Range(low=0.0, low_open=True)
NON_NEGATIVE = Range(low=0.0)


SPELLING = "a number without quotes, with a point and a digit before it"


def nearest(word: str, valid: Sequence[str]) -> str:
    """The valid word closest to `word`, one that begins with it first; always one of them."""
    lowered = word.lower()
    candidates = [choice for choice in valid if choice.startswith(lowered)] or list(valid)
    return difflib.get_close_matches(lowered, candidates, n=1, cutoff=0.0)[0]


def known_name(value: object, options: Sequence[str]) -> str | None:
    """The option that a value names, in whatever case and with _ for -; None where it names none."""
    if not isinstance(value, str):
        return None
    alike = (option for option in options if _folded(option) == _folded(value))
    return value if value in options else next(alike, None)


def _folded(name: str) -> str:
    return name.strip().casefold().replace("_", "-").replace(" ", "-")


def meant_number(value: object) -> float | None:
    """The number that a value stands for: one in quotes (".8"), or with a comma, which a list of 0 and 8 is."""
    if isinstance(value, list | tuple) and len(value) == 2 and all(type(part) is int for part in value):
        value = f"{value[0]}.{value[1]}"
    try:
        return float(value.replace(",", ".")) if isinstance(value, str) else None
    except ValueError:
        return None


def show(value: object) -> str:
    """A value as TOML would spell it, on one line, cut to a readable length."""
    text = _spelled(value)
    return text if len(text) <= 60 else text[:57] + "..."


def printable(text: str) -> str:
    """Text of the user with line breaks and control characters escaped."""
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text)


def one_line(text: str) -> str:
    """Text of the user for a message: line breaks and control characters escaped, cut to a readable length."""
    escaped = printable(text)
    return escaped if len(escaped) <= 80 else escaped[:77] + "..."


def _spelled(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            # Python refuses to spell integers of thousands of digits.
            return str(value) if value.bit_length() <= 512 else f"{'-' * (value < 0)}{hex(abs(value))[:24]}..."
        case str():
            return f'"{one_line(value)}"'
        case Mapping():
            return "{" + ", ".join(f"{one_line(str(key))} = {_spelled(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(_spelled(item) for item in value) + "]"
        case _:
            return str(value)


class TableReader:
    """Reads the keys of one table; a bad value adds a message to `errors` and yields the default.

    A message names the dotted key, what was found, what is accepted and a line to write instead.
    """

    def __init__(
        self,
        where: str,
        table: object,
        valid: Sequence[str],
        errors: list[str],
        homes: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`homes` tells of keys of other tables where they belong."""
        self.where = where
        self.errors = errors
        self.table: Mapping[str, object] = {}
        if not isinstance(table, Mapping):
            title = where or "the file"
            errors.append(f"{title} = {show(table)}: must be a table; write [{where}] and its keys below")
            return
        self.table = table
        for key in table:
            if key not in valid:
                hint, keys = self.dotted(nearest(key, valid)), ", ".join(valid)
                unknown, there = f"{self.dotted(one_line(key))}: unknown key", homes.get(key)
                place = f"stands {f'below [{where}]' if where else 'above all tables'}"
                errors.append(
                    f"{unknown}; did you mean {hint}? Valid here: {keys}"
                    if there is None
                    else f"{self.dotted(key)} = {show(table[key])}: {place}; write it below [{there}]"
                )

    def dotted(self, key: str) -> str:
        """The full name of a key of this table."""
        return f"{self.where}.{key}" if self.where else key

    def complain(self, key: str, problem: str, remedy: str) -> None:
        """Record one message about a key."""
        found = f" = {show(self.table[key])}" if key in self.table else ""
        self.errors.append(f"{self.dotted(key)}{found}: {problem}; write {remedy}")

    def has(self, key: str) -> bool:
        """Whether the table gives this key."""
        return key in self.table

    def raw(self, key: str) -> object:
        """The value as TOML gave it, None where the key is absent."""
        return self.table.get(key)

    def count(self, key: str, default: Sequence[object] | None = ()) -> int:
        """How many entries a list has as it is written, whatever is wrong with them."""
        return len(as_list(self.table[key]) if key in self.table else default or ())

    def unlike(self, **lists: Sequence[object] | None) -> str:
        """ "3 weights for 2 values" where two lists, or these where they are not given, differ in length; "" else."""
        (one, few), (other, many) = ((name, self.count(name, default)) for name, default in lists.items())
        return f"{few} {one} for {many} {other}" if few != many and few and many else ""

    def number(self, key: str, default: float, accepted: Range, example: str = "") -> float:
        """A real number (not a boolean) in `accepted`."""
        if key not in self.table:
            return default
        value = as_number(self.table[key])
        if value is None or value not in accepted:
            meant = meant_number(self.table[key])
            remedy = f"for example {key} = {example or default}"
            if meant is not None and meant in accepted:
                remedy = f"{key} = {meant:.12g} ({SPELLING})"
            self.complain(key, f"must be a number, {accepted}", remedy)
            return default
        return value

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        """An integer (not a boolean, not 3.0) with low <= value <= high."""
        if key not in self.table:
            return default
        value = self.table[key]
        if isinstance(value, bool) or not isinstance(value, int) or not (low <= value <= high):
            meant = value if isinstance(value, float) else meant_number(value)
            whole = meant is not None and meant.is_integer() and low <= meant <= high
            remedy = f"{key} = {int(meant)}" if whole and meant is not None else f"for example {key} = {default}"
            self.complain(key, f"must be an integer from {low} to {high}", remedy)
            return default
        return value

    def choice(self, key: str, default: str, options: Sequence[str], otherwise: str = "") -> str:
        """One of the named options, in any case; `otherwise` is what else a message says to write."""
        if key not in self.table:
            return default
        value = self.table[key]
        name = known_name(value, options)
        if name not in options:
            best = nearest(value, options) if isinstance(value, str) else default
            named = ", ".join(f'"{option}"' for option in options)
            self.complain(key, f"must be one of {named}", f'for example {key} = "{best}"{otherwise}')
            return default
        return str(name)

    def numbers(self, key: str, accepted: Range, example: str) -> tuple[float, ...] | None:
        """A list of numbers in `accepted` (one number counts as a list), None where absent or bad."""
        if key not in self.table:
            return None
        values = [as_number(item) for item in as_list(self.table[key])]
        good = tuple(value for value in values if value is not None and value in accepted)
        if not values or len(good) != len(values):
            meant = [as_number(item) if meant_number(item) is None else meant_number(item) for item in values]
            understood = values and all(item is not None and item in accepted for item in meant)
            remedy = f"{key} = {show(meant)} ({SPELLING})" if understood else f"for example {key} = {example}"
            self.complain(key, f"must be a list of numbers, each {accepted}", remedy)
            return None
        return good

    def integers(self, key: str, low: int, high: int, example: str) -> tuple[int, ...] | None:
        """A list of integers from low to high (one integer counts as a list), None where absent or bad."""
        if key not in self.table:
            return None
        values = as_list(self.table[key])
        good = tuple(
            item for item in values if isinstance(item, int) and not isinstance(item, bool) and low <= item <= high
        )
        if not values or len(good) != len(values):
            accepted = f"must be a list of integers from {low} to {high}"
            self.complain(key, accepted, f"for example {key} = {example}")
            return None
        return good


def as_number(value: object) -> float | None:
    """A TOML integer or float as a float; None for everything else, booleans included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def as_list(value: object) -> list[object]:
    """A list as it is, anything else as the list of itself."""
    return list(value) if isinstance(value, list | tuple) else [value]


# Beyond these sizes products of the numbers leave floating point, or the flow is too stiff to follow.
SIZE = Range(-1e6, 1e6)
NON_NEGATIVE_SIZE = Range(0.0, 1e6)
POSITIVE_SIZE = Range(1e-6, 1e6)
DURATION = Range(1e-9, 1e9)


def increasing(values: tuple[float, ...]) -> bool:
    """Whether each value lies above the one before."""
    return all(low < high for low, high in itertools.pairwise(values))
