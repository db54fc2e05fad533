"""The result of `keys`: the reference of the keys of a configuration."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from mfpde.results.answer import ANSWERS, Whole
from mfpde.results.objects import Part

WIDTH = 118
INDENT = " " * 6


@dataclass(frozen=True)
class Entry(Part):
    """A key of the reference.

    Attributes:
        table, key: `table.key` is its full name.
        default: as TOML spells it; empty where it is left out unless given.
        accepted: what it may be, in words.
        text: one line that says what it is.
        law: the data law that declares it; empty for one of every law.
        schemes: those that read it, of a key of [solver] that not all do.
        begun: a value to begin with, of a key that a file must give.
    """

    table: str
    key: str
    default: str
    accepted: str
    text: str
    law: str = ""
    schemes: tuple[str, ...] = ()
    begun: str = ""

    @property
    def name(self) -> str:
        """Its dotted name."""
        return f"{self.table}.{self.key}"

    @property
    def told(self) -> str:
        """What it is, and for whom."""
        return f"{self.text}{f' (scheme {_either(self.schemes)})' if self.schemes else ''}"


@ANSWERS.register("keys")
@dataclass(frozen=True)
class Keys(Whole):
    """Keys of a configuration, in the order of a file.

    Attributes:
        keys: of them.
    """

    keys: tuple[Entry, ...]

    def table(self) -> str:
        """Each with what it is, what it may be and what stands for it where it is left out."""
        lines: list[str] = []
        for before, entry in zip((None, *self.keys), self.keys, strict=False):
            if before is None or (before.table, before.law) != (entry.table, entry.law):
                lines += ["", _title(entry)] if lines else [_title(entry)]
            lines += _lines(entry)
        return "\n".join(lines)


def _title(entry: Entry) -> str:
    return f"[{entry.table}]{f'  of the data law {entry.law}' if entry.law else ''}"


def _lines(entry: Entry) -> Iterator[str]:
    yield f"  {entry.key}{f' = {entry.default}' if entry.default else ''}"
    for text in (entry.told, entry.accepted):
        yield from textwrap.wrap(text, WIDTH, initial_indent=INDENT, subsequent_indent=f"{INDENT}  ")


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(names)
