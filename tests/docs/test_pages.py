"""The pages of the site: what they show is read, run and found as they say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import xarray

import mfpde
from mfpde.commands.main import commands_by_name, main, parser_of

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted({*DOCS.glob("*.md"), *(DOCS / "schemes").glob("*.md"), *(DOCS / "laws").glob("*.md")})
COMMAND = re.compile(r"^(?:`|\.venv/bin/)?(mfpde [a-z]+ [^`\n]*)`?$", flags=re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]+\.(?:md|png|ipynb))(?:#[^)]*)?\)")
MADE = ("reference/", "notebooks/index.md")


def blocks(name: str, kind: str) -> list[str]:
    """The fenced blocks of a kind on a page."""
    text = (DOCS / name).read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_the_pages_are_commands(page: Path) -> None:
    parser = parser_of(dict(commands_by_name()))
    for command in COMMAND.findall(page.read_text(encoding="utf-8")):
        if command.isascii() and not re.search(r"[A-Z]{4,}|\|", command):
            parser.parse_args(shlex.split(command, comments=True)[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_pages_that_there_are(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists() or target.startswith(MADE), target


def test_files_of_ten_lines_are_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine, data = blocks("own_problem.md", "toml")
    (tmp_path / "mine.toml").write_text(mine, encoding="utf-8")
    assert main(["check", str(tmp_path / "mine.toml")]) == 0
    told = capsys.readouterr().out
    assert "#   w_par: a line\n#   w_perp: a radius\n#   a: a line\n" in told
    (tmp_path / "data.csv").write_text("x1,y\n-1.0,-0.5\n0.5,0.8\n1.0,0.6\n", encoding="utf-8")
    (tmp_path / "own.toml").write_text(data, encoding="utf-8")
    assert main(["check", str(tmp_path / "own.toml")]) == 0


def test_what_the_quickstart_and_the_page_of_files_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (script,) = blocks("quickstart.md", "python")
    exec(compile(script, "quickstart.md", "exec"), {})
    assert (tmp_path / "risk.png").stat().st_size > 10_000
    result = mfpde.solve("isotropic-gaussians", end=2.0, save=3, output="isotropic.nc")
    for column in ("t", "risk", "error", "mean r1", "var r1"):
        assert column in result.table().splitlines()[0]
    monkeypatch.setattr(xarray.DataArray, "plot", lambda array: array.load(), raising=False)
    (script,) = blocks("files.md", "python")
    exec(compile(script, "files.md", "exec"), {})
    with xarray.open_dataset("isotropic.nc") as run:
        assert {"risk", "risk_error", "mean_r1", "variance_r1", "density", "r1_edges"} <= set(run.variables)
        assert "checksum" in run.attrs
