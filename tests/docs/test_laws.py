"""The pages of docs/laws: their keys are those declared, and their commands print what stands below them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from mfpde.commands.main import main
from mfpde.keys.declaration import Key, keys_of
from mfpde.keys.reader import show
from mfpde.problem.law_kinds import LawOf
from mfpde.problem.laws.interface import LAWS

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "laws"
PAGES = sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "README")
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
CLOSE = 1e-2
"""Relative difference of two numbers that are the same: the last digits of an estimated error are the machine's."""
NOTHING = 1e-6
"""Below it a number is rounding, or an error small enough."""
SKIPPED = "..."
"""A line of a page that stands for any lines of the output."""


def text(law: str) -> str:
    return (FOLDER / f"{law}.md").read_text(encoding="utf-8")


def rows(law: str) -> list[str]:
    """The rows of the table of keys: of [data], then of [initial]."""
    return [
        _row(table, key)
        for table in ("data", "initial")
        for key in keys_of(LAWS[law] if table == "data" else LAWS[law].Initial)
    ]


def _row(table: str, key: Key) -> str:
    """Key, default, meaning, and what it takes; laws of a number have a place of their own."""
    default = "" if key.default is None else f"`{show(key.kind.plain(key.default))}`"
    accepted = key.kind.accepted
    if isinstance(key.kind, LawOf):
        accepted = f"{accepted.split(', {')[0]}, or a [law of a number](../extending.md)"
    return f"| `{table}.{key.name}` | {default} | {_cell(key.text)} | {_cell(accepted)} |"


def _cell(words: str) -> str:
    return words.replace("|", r"\|")


def test_every_law_has_its_page() -> None:
    assert set(PAGES) == set(LAWS.names())


@pytest.mark.parametrize("law", PAGES)
def test_the_keys_are_those_declared(law: str) -> None:
    page = text(law)
    found = re.findall(r"^\| `(?:data|initial)\..*$", page, flags=re.MULTILINE)
    assert found == rows(law), "write instead:\n" + "\n".join(rows(law))
    assert f"[{law}]({law}.md)" in text("README")
    headings = re.findall(r"^#+ .*$", page, flags=re.MULTILINE)
    sections = ("Keys", "The reduction", "What serves it", "An example", "Sources")
    assert headings[0] == f"# {law}"
    assert [each for each in headings if each.startswith("## ")] == [f"## {name}" for name in sections]


@pytest.mark.long
@pytest.mark.parametrize("law", PAGES)
def test_the_commands_print_what_stands_below_them(
    law: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(FOLDER)
    examples = re.findall(r"^```sh\nmfpde (.*?)\n```\n\n```text\n(.*?)^```$", text(law), re.MULTILINE | re.DOTALL)
    assert len(examples) >= 2
    for command, expected in examples:
        assert main(shlex.split(command.replace("\\\n", " "))) == 0
        found = capsys.readouterr().out
        assert _alike(expected.splitlines(), found.splitlines()), f"mfpde {command} prints\n{found}"


def _alike(expected: Sequence[str], found: Sequence[str]) -> bool:
    """Whether the lines are the same but for the last digits of numbers."""
    if not expected or not found:
        return not found and all(line == SKIPPED for line in expected)
    if expected[0] == SKIPPED:
        return any(_alike(expected[1:], found[start:]) for start in range(len(found) + 1))
    return _same(expected[0], found[0]) and _alike(expected[1:], found[1:])


def _same(expected: str, found: str) -> bool:
    """Whether two lines are, times that something took apart."""
    pair = [re.sub(r"\d+\.\d+ s( \(\S+ steps/s\))?$", "0 s", line) for line in (expected, found)]
    words = [NUMBER.sub("#", line).split() for line in pair]
    numbers = [[float(each) for each in NUMBER.findall(line)] for line in pair]
    return words[0] == words[1] and all(
        abs(one - other) <= CLOSE * abs(one) or max(abs(one), abs(other)) < NOTHING
        for one, other in zip(*numbers, strict=True)
    )


def test_lines_that_differ_are_told_apart() -> None:
    assert _alike(["...", "R 0.5 1e-9"], ["x", "R  0.5001 3e-9"])
    assert not _alike(["R 0.5"], ["R 0.51"])
    assert not _alike(["R 0.5", "done"], ["R 0.5", "failed"])
    assert not _alike(["R 0.5"], ["R 0.5", "more"])
