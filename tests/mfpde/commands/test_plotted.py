"""Figures of --plot are files like that of -o: kept unless --force says otherwise, and named before any work."""

from __future__ import annotations

from importlib import import_module
from inspect import getsource
from pathlib import Path
from typing import Any

import pytest

from mfpde.commands.main import main
from mfpde.results.answer import Answer

COMMANDS = {
    "solve anisotropic-relu": ("studies.solve", "solve", "SolveResult"),
    "compare isotropic-gaussians": ("studies.compare.compare", "compare", "CompareResult"),
    "bounds isotropic-gaussians": ("studies.bounds.bounds", "bounds", "BoundsResult"),
    "basins isotropic-gaussians --vary initial.kappa=1:2:2": ("studies.basins.basins", "basins", "BasinsResult"),
    "branches isotropic-gaussians --vary data.delta=0.2:0.4": ("studies.branches.branches", "branches", "Branches"),
}


class Begun(Exception):
    """A study was asked to compute."""


def begin(*given: Any, **named: Any) -> None:
    raise Begun


def answer_of(command: str) -> type[Answer]:
    name, answer = command.split()[0], COMMANDS[command][2]
    found: type[Answer] = getattr(import_module(f"mfpde.results.answers.{name}"), answer)
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_every_figure_there_is_is_named_before_anything_is_computed(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, name, _ = COMMANDS[command]
    monkeypatch.setattr(import_module(f"mfpde.{module}"), name, begin)
    names = answer_of(command).figure_files()
    assert names
    (tmp_path / "other.png").write_text("another's")
    arguments = [*command.split(), "--plot", str(tmp_path)]
    with pytest.raises(Begun):
        main(arguments)
    for kept in names:
        (tmp_path / kept).write_text("kept")
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert all(f"{tmp_path / kept}: exists; add --force to replace it" in told for kept in names)
    assert "other.png" not in told
    assert all((tmp_path / kept).read_text() == "kept" for kept in names)
    with pytest.raises(Begun):
        main([*arguments, "--force"])
    (tmp_path / names[0]).unlink()
    (tmp_path / names[0]).mkdir()
    assert main([*arguments, "--force"]) == 2
    assert f"{tmp_path / names[0]}: is a directory" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_figures_have_the_names_that_are_looked_for(command: str) -> None:
    name, answer = command.split()[0], answer_of(command)
    source = getsource(import_module(f"mfpde.results.figures.{name}").figures)
    assert all(f'"{figure}"' in source for figure in answer.FIGURES)
    assert source.count("lambda") == len(answer.FIGURES)


def test_figures_of_different_commands_share_a_folder() -> None:
    files = [name for command in COMMANDS for name in answer_of(command).figure_files()]
    assert len(files) == len(set(files))


@pytest.mark.long
def test_a_run_and_its_figures_are_replaced_or_continued_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, folder = tmp_path / "run.nc", tmp_path / "figures"
    small = ["--set", "data.dims=10", "--set", "time.end=0.1", "--set", "time.save=2", "--set", "solver.cells=16"]
    arguments = ["solve", "isotropic-gaussians", "--quiet", *small, "--plot", str(folder), "-o", str(run)]
    assert main(arguments) == 0
    written = sorted(path.name for path in folder.iterdir())
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert [f"{place}: exists" in told for place in (run, *(folder / name for name in written))] == [True] * 5
    for option in ("--resume", "--force"):
        assert main([*arguments, option]) == 0
    assert sorted(path.name for path in folder.iterdir()) == written
