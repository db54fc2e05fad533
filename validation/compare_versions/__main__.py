"""The same commands with two versions of mfpde, and whether they say the same.

    python -m validation.compare_versions record --python PYTHON --folder CHECKOUT -o BEFORE
    python -m validation.compare_versions record --python PYTHON --folder OTHER_CHECKOUT -o AFTER
    python -m validation.compare_versions compare BEFORE AFTER
    python -m validation.compare_versions handover BEFORE --python PYTHON --folder OTHER_CHECKOUT -o HANDED

`record` runs every case with `PYTHON -m mfpde` from the folder of a checkout, so that the package of this checkout is
imported, and keeps what each said: exit codes, both outputs, and the files it wrote, read back as numbers. `compare`
tells every difference. `handover` lets the second version read, draw and continue the files that the first one wrote,
and compares that with what the first made of them. `cases` prints the cases. This script imports neither version.

A case is one or more commands in a temporary folder, which their arguments call FOLDER. Commands to `prepare` it write
the files that the others read; in a handover these files come from the first version.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from validation.compare_versions.cases import chosen_cases
from validation.compare_versions.cases.case import Case
from validation.compare_versions.comparing import compare
from validation.compare_versions.recording import Version, files_of, place_of, record


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, compare, hand over or list; 0 if nothing differs, 1 if something does."""
    options = parser().parse_args(arguments)
    cases = chosen_cases(options.only)
    if not cases:
        sys.exit(f"--only {options.only}: no case has such a name; `cases` prints them")
    if options.action == "cases":
        for case in cases:
            print(case.name, *(f"\n    mfpde {shlex.join(command)}" for command in (*case.prepare, *case.commands)))
        return 0
    if options.action == "compare":
        names = recorded_names(cases, options.before, options.after)
        return compare(options.before, options.after, names, options.tolerance, options.allow)
    version = Version(options.python, options.folder.resolve(), options.timeout)
    if options.action == "record":
        record(cases, version, options.output, options.jobs)
        return 0
    handed = [case for case in cases if case.prepare and files_of(case, options.before).is_dir()]
    record(handed, version, options.output, options.jobs, options.before)
    return compare_handed(handed, options)


def recorded_names(cases: Sequence[Case], before: Path, after: Path) -> list[str]:
    """The names of the files of cases that at least one record has."""
    names = [place_of(case, Path()).name for case in cases]
    found = [name for name in names if (before / name).is_file() or (after / name).is_file()]
    return found or sys.exit(f"{before}, {after}: hold no record of these cases")


def compare_handed(cases: Sequence[Case], options: argparse.Namespace) -> int:
    """Compare what the second version made of the files with what the first made of them."""
    whole = options.output / "before"
    whole.mkdir(exist_ok=True)
    for case in cases:
        stored = json.loads(place_of(case, options.before).read_text(encoding="utf-8"))
        stored["commands"] = stored["commands"][len(case.prepare) :]
        place_of(case, whole).write_text(json.dumps(stored), encoding="utf-8")
    names = [place_of(case, Path()).name for case in cases]
    return compare(whole, options.output, names, options.tolerance, options.allow)


def parser() -> argparse.ArgumentParser:
    """The options of the four actions."""
    top = argparse.ArgumentParser(
        prog="python -m validation.compare_versions", description="Two versions, side by side."
    )
    actions = top.add_subparsers(dest="action", required=True)
    record_it = actions.add_parser("record", help="run every case with one version and keep what it said")
    compare_them = actions.add_parser("compare", help="tell every difference of two records")
    hand_over = actions.add_parser("handover", help="let a second version read and continue the files of a record")
    list_them = actions.add_parser("cases", help="print the cases")
    for action in (compare_them, hand_over):
        action.add_argument("before", type=Path, metavar="BEFORE", help="the record of the first version")
        action.add_argument("--tolerance", type=float, default=1e-12, help="largest relative difference of numbers")
        action.add_argument("--allow", metavar="REGEX", help="cases that may differ, for example ^help/")
    compare_them.add_argument("after", type=Path, metavar="AFTER", help="the record of the second version")
    for action in (record_it, hand_over):
        add_version(action)
    for action in (record_it, compare_them, hand_over, list_them):
        action.add_argument("--only", metavar="REGEX", default="", help="cases whose name matches, as in re.search")
    return top


def add_version(action: argparse.ArgumentParser) -> None:
    """The options that say what runs, and where the record goes."""
    action.add_argument("--python", required=True, help="an interpreter that has what mfpde needs")
    action.add_argument("--folder", required=True, type=Path, metavar="CHECKOUT", help="the checkout to import from")
    action.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="where the record goes")
    action.add_argument("--jobs", type=int, default=1, help="cases that run at the same time (default 1)")
    action.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS", help="longest time of a command")


if __name__ == "__main__":
    sys.exit(main())
