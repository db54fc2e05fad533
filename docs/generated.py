"""Pages that are made of the program itself: the command line, the keys, the public names, and the notebooks."""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import mfpde
from mfpde.commands.main import commands_by_name, parser_of
from mfpde.results.answers.plain.keys import Entry
from mfpde.studies.keys import keys

PLACE = "reference"
MARKS = re.compile(r"([*`|\\]|_\b)")


def write_pages(folder: Path) -> None:
    """Write them below a folder of pages."""
    place = folder / PLACE
    place.mkdir(exist_ok=True)
    _write(place / "commands.md", "\n".join(_commands()))
    _write(place / "keys.md", "\n".join(_keys()))
    _write(place / "api.md", "\n".join(_names()))
    _copy_notebooks(folder.parent / "notebooks", folder / "notebooks")


def docstring_as_markup(app: object, what: str, name: str, item: object, options: object, lines: list[str]) -> None:
    """Escape what reStructuredText would take for markup in a docstring, and set indented formulas as they are."""
    made: list[str] = []
    literal = False
    for line in lines:
        indented = line.startswith("    ")
        if indented and not literal and (not made or not made[-1].strip()) and not _is_listed(made):
            made += ["::", ""]
            literal = True
        elif line.strip() and not indented:
            literal = False
        made.append(line if literal else MARKS.sub(r"\\\1", line))
    lines[:] = made


def notebooks_within(app: object, page: str, source: list[str]) -> None:
    """Links to notebooks lead to their copies in the site."""
    up = "../" * page.count("/")
    source[0] = source[0].replace(f"{up}../notebooks/", f"{up}notebooks/")


def _is_listed(made: list[str]) -> bool:
    """Whether the lines before are the entries of a section of a docstring, such as attributes."""
    return any(line.startswith((":param", ":ivar", ":raises", ":returns", ".. ")) for line in made[-12:])


def _write(place: Path, text: str) -> None:
    """Write a page where it has changed, so that builds stay incremental."""
    if not place.exists() or place.read_text(encoding="utf-8") != text:
        place.write_text(text, encoding="utf-8")


def _commands() -> Iterator[str]:
    """The help of every command."""
    yield "# Command line\n\nExit codes: 0 done, 2 bad input (every mistake named at once), 3 the run failed,"
    yield "130 interrupted.\n"
    commands = dict(commands_by_name())
    parser = parser_of(commands)
    subparsers = next(each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    for name, command in commands.items():
        each = subparsers.choices[name]
        each.formatter_class = _Wide
        yield f"## mfpde {name}\n\n{command.HELP[0].upper()}{command.HELP[1:]}.\n\n```text\n{each.format_help()}```\n"


class _Wide(argparse.HelpFormatter):
    """Help of one width, whatever the terminal."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100, max_help_position=30)


def _keys() -> Iterator[str]:
    """Every key, a table for each table of the file and each law that declares keys."""
    yield "# All keys\n\nWhat `mfpde keys` prints. A key without a default is left out unless given."
    yield "`mfpde new FILE --law NAME` writes a file with all of a law's keys to begin with.\n"
    title = ""
    for entry in keys().keys:
        law = f" of {entry.law}" if entry.law else ""
        if title != f"{entry.table}{law}":
            title = f"{entry.table}{law}"
            yield f"\n## [{entry.table}]{law}\n\n| key | default | what it is | what it may be |\n|---|---|---|---|"
        yield _row(entry)


def _row(entry: Entry) -> str:
    cells = (f"`{entry.key}`", f"`{entry.default}`" if entry.default else "", entry.told, entry.accepted)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _names() -> Iterator[str]:
    """The public names with their docstrings."""
    yield "# Python\n\n`import mfpde` is all that a script needs; every name below is an attribute of it.\n"
    for name in sorted(mfpde.__all__):
        item = getattr(mfpde, name)
        if callable(item):
            kind = "autoclass" if isinstance(item, type) else "autofunction"
            yield f"## {name}\n\n```{{eval-rst}}\n.. {kind}:: mfpde.{name}\n```\n"


def _copy_notebooks(source: Path, place: Path) -> None:
    """The notebooks as they are stored, outputs and all."""
    place.mkdir(exist_ok=True)
    titles = []
    for notebook in sorted(source.glob("*.ipynb")):
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        if not cells[0]["source"]:
            continue
        titles.append(notebook.stem)
        shutil.copy(notebook, place / notebook.name)
    toc = "\n".join(["```{toctree}", ":maxdepth: 1", "", *titles, "```", ""])
    _write(
        place / "index.md",
        f"# Notebooks\n\nEach stored with its outputs; the tests run it and compare the numbers.\n\n{toc}",
    )
