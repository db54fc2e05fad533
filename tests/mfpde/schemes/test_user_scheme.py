"""A scheme in one file of a user's is named, given options, refined and refused like the built-in ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mfpde.commands.main import main
from mfpde.configuration.sources import experiment_of
from mfpde.results.answers.solve import SolveResult
from mfpde.results.reading import load
from mfpde.schemes.interface import SCHEMES
from mfpde.studies.convergence import convergence
from mfpde.studies.solve import solve

EULER = (Path(__file__).resolve().parents[3] / "docs" / "examples" / "own_scheme.py").read_text(encoding="utf-8")


MOVING = ["dynamics.flow=wasserstein", "dynamics.fisher_rao_rate=0.0", "time.end=4", "time.save=9"]


@pytest.fixture
def euler(tmp_path: Path) -> Iterator[Path]:
    """The file; what it registers is forgotten afterwards."""
    path = tmp_path / "euler.py"
    path.write_text(EULER)
    with SCHEMES.lending():
        yield path


def test_one_file_is_a_scheme_whose_error_is_known(euler: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`risk_error` covers the error against characteristics, at every time, and is at most 3 times the largest.

    The first save times lie within one step, which ends there: a companion of longer steps alone would do the same.
    """
    moving = [*MOVING[:-1], "time.save=[0.0, 0.01, 0.02, 0.5, 1.0, 2.0, 4.0]"]
    exact = solve(experiment_of("bumps-good", moving, scheme="characteristics", tolerance=1e-9))
    run = euler.with_name("run.nc")
    options = ["--use", str(euler), "--scheme", "explicit-euler", "-o", str(run), "--json"]
    options += [part for setting in (*moving, "solver.steps=100") for part in ("--set", setting)]
    assert main(["solve", "bumps-good", *options]) == 0
    seen = json.loads(capsys.readouterr().out)
    error = np.abs(np.array(seen["risk"]) - exact.risk)
    assert error.max() > 1e-5
    assert np.all(error <= seen["risk_error"])
    assert max(seen["risk_error"]) < 3.0 * error.max()
    read = load(run)
    assert isinstance(read, SolveResult)
    assert seen["scheme"] == read.scheme == "explicit-euler"
    assert "steps = 100" in str(read.attributes["configuration"])


def test_it_is_refined_beside_the_others(euler: Path) -> None:
    """Its order is 1."""
    experiment = experiment_of("bumps-good", MOVING, use=[euler], scheme="explicit-euler")
    found = convergence(experiment, levels=3)
    assert found.reference_scheme == "characteristics"
    assert [level.resolution for level in found.levels] == [50.0, 100.0, 200.0]
    assert [level.order for level in found.levels[1:]] == pytest.approx([1.0, 1.0], abs=0.1)
    assert found.levels[-1].error < 1e-3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--until", "stationary"], "the scheme explicit-euler does not know its dissipation; write until = "),
        ([], 'dynamics.fisher_rao_rate: Euler steps only move; write fisher_rao_rate = 0.0, or solver.scheme = "fini'),
        (["--set", "solver.steps=0"], "solver.steps = 0: must be an integer from 1 to 1000000"),
        (["--set", "solver.stps=3"], "solver.stps: unknown key; did you mean solver.steps?"),
    ],
)
def test_what_it_cannot_do_is_told(
    euler: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert main(["solve", "bumps-good", "--use", str(euler), "--scheme", "explicit-euler", *options]) == 2
    assert words in capsys.readouterr().err


def test_a_class_without_a_pair_is_told_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "empty.py"
    path.write_text('import mfpde\n\n\n@mfpde.scheme("nothing")\nclass Nothing:\n    pass\n')
    assert main(["solve", "bumps-good", "--use", str(path)]) == 2
    err = capsys.readouterr().err
    assert f"{path}, line 4" in err
    assert "the scheme 'nothing' lacks pair()" in err
