"""The list of mutations fits the tree, and the runner tells killed mutants from survivors."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from validation.mutants import ROOT, main
from validation.mutations import load_all
from validation.mutations.mutation import mutations

EVERY = load_all()


def test_every_place_occurs_once_and_every_test_is_there() -> None:
    assert len(EVERY) >= 80
    assert len({(each.file, each.old, each.new) for each in EVERY}) == len(EVERY)
    for mutation in EVERY:
        compile(mutation.made(ROOT), mutation.file, "exec")
        for test in mutation.tests:
            place, _, name = test.partition("::")
            assert (ROOT / place).exists(), test
            if name:
                functions = ast.walk(ast.parse((ROOT / place).read_text(encoding="utf-8")))
                assert name in {each.name for each in functions if isinstance(each, ast.FunctionDef)}, test


def test_a_place_that_is_gone_or_not_the_only_one_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "area.py").write_text("x = 1\nx = 1\n")
    for old in ("x = 1", "y = 1"):
        with pytest.raises(SystemExit) as caught:
            main([], tmp_path, mutations("area.py", "test_area.py", ("nothing", old, "x = 2")))
        assert caught.value.code == 2
        assert "write a place that occurs once" in capsys.readouterr().err


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A checkout of one module and its test."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    quick: all\n")
    (tmp_path / "area.py").write_text(
        "def area(x: int) -> int:\n    return x * x\n\n\ndef idle(x: int) -> int:\n    return x + 0\n"
    )
    (tmp_path / "test_area.py").write_text(
        "import pytest\nfrom area import area, idle\n\n\n@pytest.mark.quick\ndef test_area():\n"
        "    assert area(2) == 4 and idle(1) == 1\n"
    )
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


@pytest.mark.long
def test_the_runner_tells_killed_mutants_from_survivors(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = mutations(
        "area.py",
        "test_area.py",
        ("a product", "x * x", "x * 3"),
        ("a square that is right at 2", "x * x", "x + x"),
        ("an idle term", "x + 0", "x - 0", "nothing is added"),
    )
    before = (package / "area.py").read_bytes()
    assert main(["--jobs", "1"], package, known) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["killed", "SURVIVED", "explained"]
    assert "area.py: a product  [test_area.py::test_area]" in lines[0]
    assert lines[-1].startswith("killed 1 of 3, explained 1, in ")
    assert (package / "area.py").read_bytes() == before
    assert main(["--only", "product|idle"], package, known) == 0
    # tests that fail by themselves, and tests that are not quick, kill nobody
    (package / "test_area.py").write_text("def test_area():\n    pass\n")
    assert main([], package, known) == 2
    assert "tests fail without any mistake (exit code 5)" in capsys.readouterr().err
