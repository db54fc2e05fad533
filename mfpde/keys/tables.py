"""A table of numbers in a CSV file: a header of names, a row of numbers each; every mistake in it is told at once."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mfpde.keys.reader import SIZE, one_line

MOST_BYTES = 100_000_000
WEIGHT = "weight"
"""The column of the weights of rows."""
TOLD = 3
"""Mistakes of one kind that are told one by one."""


@dataclass(frozen=True)
class NumberTable:
    """The content of a file; what counts is its content, not where it lies.

    Attributes:
        path: absolute.
        digest: SHA-256 of the file, in hexadecimal.
        columns: names of the header.
        rows: shape (n, number of columns).
    """

    path: str = field(compare=False)
    digest: str
    columns: tuple[str, ...]
    rows: NDArray[np.float64] = field(compare=False, repr=False)

    def column(self, name: str) -> NDArray[np.float64]:
        """The numbers below a name, shape (n,)."""
        return np.asarray(self.rows[:, self.columns.index(name)])


def read_number_table(path: Path, errors: list[str]) -> NumberTable | None:
    """The table in a file, zeros standing in for what is no number; `errors` receives what is wrong.

    None where there is no header.
    """
    where = one_line(str(path))
    try:
        with path.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except OSError as error:
        errors.append(f"{where}: cannot be read ({error.strerror or error}); write the path of a readable CSV file")
        return None
    if len(raw) > MOST_BYTES:
        errors.append(f"{where}: larger than {MOST_BYTES} bytes; write fewer rows")
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        errors.append(f"{where}: not a text file (byte {error.start} is not UTF-8); write a CSV file in UTF-8")
        return None
    try:
        lines = [row for row in csv.reader(io.StringIO(text)) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        errors.append(f"{where}: is no CSV file ({error}); write a header of names and rows of numbers")
        return None
    if not lines:
        errors.append(f"{where}: is empty; write a header of names and a row of numbers below it")
        return None
    columns = tuple(name.strip() for name in lines[0])
    mistakes = _header_mistakes(columns)
    if len(lines) == 1:
        mistakes.append("has no rows; write one of numbers below the header")
    rows = np.zeros((max(1, len(lines) - 1), len(columns)))
    cells: list[str] = []
    for index, line in enumerate(lines[1:]):
        if len(line) != len(columns):
            cells.append(f"row {index + 1} has {len(line)} cells for {len(columns)} columns; write one for each")
            continue
        for place, (name, cell) in enumerate(zip(columns, line, strict=True)):
            value = _number(cell)
            if value is None:
                cells.append(
                    f'row {index + 1}, {one_line(name)}: "{one_line(cell.strip())}" is not a number; write one {SIZE}'
                )
            rows[index, place] = value or 0.0
    more = (
        [f"and {len(cells) - TOLD} more mistakes of this kind; write a number in every cell"]
        if len(cells) > TOLD
        else []
    )
    errors += [f"{where}: {problem}" for problem in [*mistakes, *cells[:TOLD], *more]]
    return NumberTable(str(path), hashlib.sha256(raw).hexdigest(), columns, rows)


def _header_mistakes(columns: tuple[str, ...]) -> list[str]:
    twice = sorted({name for name in columns if columns.count(name) > 1})
    found = [f'the column "{one_line(name)}" is there twice; write each once' for name in twice if name]
    if "" in columns:
        found.append("a column has no name; write a header of names")
    return found


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and value in SIZE else None


@dataclass(frozen=True)
class TableKey:
    """The path of a CSV file; in what is written again its digest stands beside it, which it must still have then."""

    FORM: ClassVar[str] = "a CSV file"
    EXAMPLE: ClassVar[str] = "start.csv"

    @property
    def accepted(self) -> str:
        return f'the path of {self.FORM}, "{self.EXAMPLE}", or {{ file = "{self.EXAMPLE}", sha256 = "..." }}'

    def load(self, path: Path, errors: list[str]) -> Any:
        """The content of a file, None where there is nothing to go on with."""
        return read_number_table(path, errors)

    def read(self, reader: Any, name: str, default: None) -> Any:
        value = reader.raw(name)
        if not reader.has(name):
            return default
        given = value if isinstance(value, dict) else {"file": value}
        place, digest = given.get("file"), given.get("sha256")
        if not isinstance(place, str) or not place or not set(given) <= {"file", "sha256"}:
            reader.complain(name, f"must be the path of {self.FORM}", f'for example {name} = "{self.EXAMPLE}"')
            return default
        errors: list[str] = []
        found = self.load(Path(place).absolute(), errors)
        if found is not None and digest is not None and digest != found.digest:
            errors.append(f"{one_line(place)}: has changed since; write {name} without sha256 to take it as it is now")
        reader.errors += [f"{reader.dotted(name)}: {problem}" for problem in errors]
        return found

    def plain(self, value: Any) -> object:
        return {"file": value.path, "sha256": value.digest} if hasattr(value, "digest") else value

    @staticmethod
    def located(value: object, folder: Path) -> object:
        """The value with a path relative to a folder."""
        if isinstance(value, str) and value:
            return str(folder / value)
        if isinstance(value, dict) and isinstance(value.get("file"), str):
            return {**value, "file": str(folder / value["file"])}
        return value
