"""One check, run: its rows, its figures, and where its expected values come from."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic

from validation.checks import load_all
from validation.page import Outcome
from validation.rows import CHECKS, Check, Row
from validation.table import line
from validation.workbench import Workbench


def run_named(name: str, schemes: Sequence[str], folder: Path) -> Outcome:
    """The check of that name, in a process of its own, which tells nothing by itself."""
    load_all()
    check = next(check for check in CHECKS if check.name == name)
    return run(check, schemes, folder, tell=False)


def run(check: Check, schemes: Sequence[str], folder: Path, tell: bool = True) -> Outcome:
    """Run a check, and draw its figures; its rows are printed as they come."""
    bench, begun = Workbench(), monotonic()
    rows: list[Row] = []
    for scheme in schemes:
        started = monotonic()
        for row in _guarded(check, bench, scheme):
            rows.append(row)
            if tell:
                print(line(row), flush=True)
        if tell:
            print(f"{check.name}, {scheme}: {monotonic() - started:.1f} s", file=sys.stderr)
    figures = tuple(check.draw(bench, folder)) if check.draw is not None and bench.runs else ()
    if tell:
        for path in figures:
            print(f"figure: {path}", flush=True)
    return Outcome(check.name, _source(check), tuple(rows), figures, monotonic() - begun)


def _source(check: Check) -> str:
    """Where the expected values come from: the first lines of what the check says of itself and of its module."""
    module = inspect.getmodule(check.rows)
    said = [inspect.getdoc(check.rows), inspect.getdoc(module) if module is not None else None]
    return " ".join(words.split("\n\n")[0].replace("\n", " ") for words in said if words)


def _guarded(check: Check, bench: Workbench, scheme: str) -> Iterator[Row]:
    """The rows; a check that breaks ends in a row that fails, so that the others still run."""
    try:
        yield from check.rows(bench, scheme)
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        yield Row(f"{check.name}: {type(error).__name__}", scheme, 0.0, float("nan"), 0.0, 0.0)
