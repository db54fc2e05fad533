"""The table, the figures, the verdict and one page of them all: `python -m validation [--quick] [--only PATTERN]`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from time import monotonic

from mfpde.errors import OutputError
from mfpde.shell.files import make_folder, write_text
from mfpde.shell.workers import executor
from mfpde.solvers.threads.processors import processors
from validation.checks import load_all
from validation.page import Outcome, validation_page
from validation.rows import CHECKS, Check
from validation.running import run, run_named
from validation.table import HEAD, line, summary

DEFAULT_OUTPUT = Path("out") / "validation"
PAGE = "validation.html"


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
    print(HEAD, flush=True)
    try:
        make_folder(options.output)
        outcomes = list(_outcomes(chosen, options.output, min(options.jobs, len(chosen))))
        page = options.output / PAGE
        write_text(page, validation_page(outcomes, monotonic() - started))
    except OutputError as error:
        print(f"validation: {error}", file=sys.stderr)
        return 2
    rows = [row for outcome in outcomes for row in outcome.rows]
    print(summary(rows, monotonic() - started))
    print(f"page: {page}")
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


def _outcomes(chosen: Sequence[tuple[Check, tuple[str, ...]]], folder: Path, jobs: int) -> Iterator[Outcome]:
    """What becomes of the checks, in their order; in several processes each is told when it is done."""
    if jobs == 1:
        yield from (run(check, schemes, folder) for check, schemes in chosen)
        return
    with executor(jobs) as pool:
        waiting = {pool.submit(run_named, check.name, schemes, folder): check.name for check, schemes in chosen}
        done: dict[str, Outcome] = {}
        for future in as_completed(waiting):
            outcome = future.result()
            done[outcome.name] = outcome
            _tell(outcome)
            print(f"{len(done)} of {len(waiting)} checks: {outcome.name}, {outcome.seconds:.1f} s", file=sys.stderr)
    yield from (done[check.name] for check, _ in chosen)


def _tell(outcome: Outcome) -> None:
    """Print what a process found."""
    for row in outcome.rows:
        print(line(row), flush=True)
    for path in outcome.figures:
        print(f"figure: {path}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m validation", description="Expected and computed values.")
    parser.add_argument("--quick", action="store_true", help="the subset that takes less than 20 s")
    parser.add_argument("--only", metavar="PATTERN", default="", help="checks whose name matches, as in re.search")
    parser.add_argument("--scheme", metavar="NAME", help="characteristics, finite-volume or reduction")
    parser.add_argument("--output", metavar="FOLDER", type=Path, default=DEFAULT_OUTPUT, help="of page and figures")
    parser.add_argument("--jobs", metavar="N", type=int, default=processors(), help="processes (default: one per core)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
