"""The table, the figures and the verdict: `python -m validation [--quick] [--only PATTERN] [--scheme NAME]`."""

from __future__ import annotations

import argparse
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic

from mfpde.errors import OutputError
from validation.checks import load_all
from validation.rows import CHECKS, Check, Row
from validation.table import HEAD, line, summary
from validation.workbench import Workbench

DEFAULT_OUTPUT = Path("out") / "validation"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the selected checks; 0 if every row holds, 1 if one does not, 2 if nothing could be run."""
    load_all()
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        chosen = selected(options.only, options.scheme, options.quick)
    except re.error as error:
        parser.error(f"--only {options.only}: not a regular expression ({error}); write for example --only infinite")
    if not chosen:
        names = ", ".join(check.name for check in CHECKS)
        parser.error(f"nothing matches --only {options.only} --scheme {options.scheme}; the checks are {names}")
    started = monotonic()
    rows: list[Row] = []
    print(HEAD, flush=True)
    try:
        for check, schemes in chosen:
            rows += run(check, schemes, options.output)
    except OutputError as error:
        print(f"validation: {error}", file=sys.stderr)
        return 2
    print(summary(rows, monotonic() - started))
    return 0 if all(row.holds for row in rows) else 1


def selected(only: str, scheme: str | None, quick: bool) -> list[tuple[Check, tuple[str, ...]]]:
    """The checks whose name matches the regular expression, each with the schemes to run it with."""
    chosen = []
    for check in CHECKS:
        offered = check.quick if quick else check.schemes
        schemes = tuple(name for name in offered if scheme in (None, name))
        if schemes and re.search(only, check.name):
            chosen.append((check, schemes))
    return chosen


def run(check: Check, schemes: Sequence[str], folder: Path) -> list[Row]:
    """Print a check's rows as they come, then draw its figures."""
    bench = Workbench()
    rows: list[Row] = []
    for scheme in schemes:
        started = monotonic()
        for row in _guarded(check, bench, scheme):
            print(line(row), flush=True)
            rows.append(row)
        print(f"{check.name}, {scheme}: {monotonic() - started:.1f} s", file=sys.stderr)
    if check.draw is not None and bench.runs:
        for path in check.draw(bench, folder):
            print(f"figure: {path}", flush=True)
    return rows


def _guarded(check: Check, bench: Workbench, scheme: str) -> Iterator[Row]:
    """The rows; a check that breaks ends in a row that fails, so that the others still run."""
    try:
        yield from check.rows(bench, scheme)
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        yield Row(f"{check.name}: {type(error).__name__}", scheme, 0.0, float("nan"), 0.0, 0.0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m validation", description="Expected and computed values.")
    parser.add_argument("--quick", action="store_true", help="the subset that takes less than 20 s")
    parser.add_argument("--only", metavar="PATTERN", default="", help="checks whose name matches, as in re.search")
    parser.add_argument("--scheme", metavar="NAME", help="characteristics, finite-volume or reduction")
    parser.add_argument("--output", metavar="FOLDER", type=Path, default=DEFAULT_OUTPUT, help="where the figures go")
    return parser


if __name__ == "__main__":
    sys.exit(main())
