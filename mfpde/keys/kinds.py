"""Kinds of keys: how a value is read from a table, how it is spelled again, and what it accepts, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mfpde.keys.reader import Range, TableReader


class Kind(Protocol):
    """What the values of a key are."""

    @property
    def accepted(self) -> str:
        """What is accepted, in words: "a number in [0, 1)"."""

    def read(self, reader: TableReader, name: str, default: Any) -> Any:
        """The value of a key of the table, the default where it is absent or (with a complaint) where it is wrong."""

    def plain(self, value: Any) -> object:
        """The value as TOML spells it: numbers, strings, lists, tables."""
        return value


@dataclass(frozen=True)
class Number(Kind):
    """A number of an interval.

    Attributes:
        interval: what is accepted.
        example: what a message says to write; the default where it is empty.
        fallback: what stands for a mistake where the default is None.
    """

    interval: Range
    example: str = ""
    fallback: float | None = None

    @property
    def accepted(self) -> str:
        return f"a number, {self.interval}"

    def read(self, reader: TableReader, name: str, default: float | None) -> float | None:
        if not reader.has(name):
            return default
        return reader.number(name, _instead(default, self.fallback), self.interval, self.example)


@dataclass(frozen=True)
class Integer(Kind):
    """An integer from `low` to `high`; `fallback` stands for a mistake where the default is None."""

    low: int
    high: int
    fallback: int | None = None

    @property
    def accepted(self) -> str:
        return f"an integer from {self.low} to {self.high}"

    def read(self, reader: TableReader, name: str, default: int | None) -> int | None:
        if not reader.has(name):
            return default
        return reader.integer(name, _instead(default, self.fallback), self.low, self.high)


@dataclass(frozen=True)
class Choice(Kind):
    """One of several names, listed or given by a function (names that a user may add to)."""

    options: Sequence[str] | Callable[[], Sequence[str]]

    @property
    def names(self) -> tuple[str, ...]:
        """The names at this moment."""
        return tuple(self.options() if callable(self.options) else self.options)

    @property
    def accepted(self) -> str:
        return f"one of {', '.join(self.names)}"

    def read(self, reader: TableReader, name: str, default: str | None) -> str | None:
        if not reader.has(name):
            return default
        names = self.names
        return reader.choice(name, names[0] if default is None else default, names)


@dataclass(frozen=True)
class Numbers(Kind):
    """A list of numbers of an interval; one number counts as a list."""

    interval: Range
    example: str

    @property
    def accepted(self) -> str:
        return f"a list of numbers, each {self.interval}"

    def read(self, reader: TableReader, name: str, default: tuple[float, ...] | None) -> tuple[float, ...] | None:
        return reader.numbers(name, self.interval, self.example) or default

    def plain(self, value: Sequence[float]) -> object:
        return list(value)


@dataclass(frozen=True)
class Integers(Kind):
    """A list of integers from `low` to `high`; one integer counts as a list."""

    low: int
    high: int
    example: str

    @property
    def accepted(self) -> str:
        return f"a list of integers from {self.low} to {self.high}"

    def read(self, reader: TableReader, name: str, default: tuple[int, ...] | None) -> tuple[int, ...] | None:
        return reader.integers(name, self.low, self.high, self.example) or default

    def plain(self, value: Sequence[int]) -> object:
        return list(value)


@dataclass(frozen=True)
class Flag(Kind):
    """true or false."""

    @property
    def accepted(self) -> str:
        return "true or false"

    def read(self, reader: TableReader, name: str, default: bool) -> bool:
        value = reader.raw(name)
        if not reader.has(name) or isinstance(value, bool):
            return default if value is None else bool(value)
        reader.complain(name, "must be true or false", f"{name} = {str(not default).lower()}")
        return default


def _instead(default: Any, fallback: Any) -> Any:
    return fallback if default is None else default
