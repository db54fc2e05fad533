"""Basins of the non-monotone problem, maps of two keys, sweeps that are interrupted, wrong or of something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mfpde import basins
from mfpde.commands.main import main
from mfpde.configuration.sources import load_configuration
from mfpde.errors import ConfigurationError, OutputError, ResultFileError
from mfpde.results.answers.basins import BasinPoint, BasinsResult
from mfpde.studies.basins import basins as study
from mfpde.studies.basins.labels import boundaries, labelled
from mfpde.studies.ending.ending import ending
from mfpde.studies.run import campaign
from mfpde.studies.solve import solve

QUICK = ("solver.scheme=characteristics", "solver.tolerance=1e-4", "time.save=2", "time.end=20")
KAPPA: dict[str, tuple[float, ...]] = {"initial.kappa": (0.05, 0.15, 0.2, 0.25, 0.6, 1.0)}


@pytest.fixture(scope="module")
def swept() -> BasinsResult:
    return basins("nonmonotone-success", KAPPA, overrides=QUICK, workers=1)


@pytest.mark.long
def test_collapse_and_success_of_the_nonmonotone_problem(swept: BasinsResult) -> None:
    """Up to kappa = .15 all mass falls to the origin, R = 7.25; from .25 on it gathers at r* = 2.0881845, R = .0143."""
    assert [point.label for point in swept.points] == [0, 0, 1, 2, 2, 2]
    assert [law.name for law in swept.laws] == [
        "atom at r1 = 0 held by a cone, stable",
        "2 atoms, one at 0 held by a cone, stable",
        "atom at r1 = 2.08818, unstable",
    ]
    assert [law.stable for law in swept.laws] == [True, True, False]
    for point in swept.points:
        if point.label == 0:
            assert point.ending["risk"] == pytest.approx(7.25, abs=1e-6)
            assert point.ending["at_rest"] is True
        elif point.label == 2:
            assert point.ending["risk"] == pytest.approx(0.0143, abs=5e-5)
            assert point.ending["at_rest"] is False
    assert [(b.low, b.high, b.labels) for b in swept.boundaries] == [(0.15, 0.2, (0, 1)), (0.2, 0.25, (1, 2))]
    assert swept.laws[2].eigenvalues is not None
    assert swept.laws[2].eigenvalues["splitting"][0][0] == pytest.approx(-0.0178446, abs=1e-6)


def test_points_are_those_of_solve_and_ending(swept: BasinsResult) -> None:
    direct = ending(solve(load_configuration("nonmonotone-success", [*QUICK, "initial.kappa=0.6"])))
    point = next(point for point in swept.points if point.values == (0.6,))
    assert point.ending["risk"] == direct.risk
    assert point.ending["distance"] == direct.distance
    assert point.ending["gap_to_optimum"] == direct.gap_to_optimum
    content = json.loads(json.dumps(swept.to_json(), allow_nan=False))
    assert content["vary"] == ["initial.kappa"]
    assert content["points"][4]["values"] == {"initial.kappa": 0.6}
    assert content["points"][4]["clusters"][0]["position"]["r1"] == pytest.approx(2.088, abs=2e-3)
    assert set(content["laws"][0]) == {"label", "name", "stable", "eigenvalues", "risk", "count"}
    assert content["boundaries"][0] == {"key": "initial.kappa", "low": 0.15, "high": 0.2, "labels": [0, 1], "at": None}
    table = swept.table()
    assert "label 0: atom at r1 = 0 held by a cone, stable (2 runs, risk 7.25)" in table
    assert "0 -> 1 between initial.kappa = 0.15 and 0.2" in table


@pytest.mark.long
def test_a_map_of_two_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The one-atom law turns unstable at Delta = .474: a label of its own on either side, whatever kappa > .25."""
    options = [part for override in QUICK for part in ("--set", override)]
    vary = ["--vary", "initial.kappa=0.1,0.4", "--vary", "data.delta=0.4:0.5:2", "--workers", "2"]
    place, figures = tmp_path / "out.json", tmp_path / "figures"
    arguments = ["basins", "nonmonotone-success", *options, *vary, "-o", str(place), "--plot", str(figures)]
    assert main([*arguments, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    written = json.loads(place.read_text(encoding="utf-8"))
    assert {**content, "format": "mfpde basins 1", "checksum": written["checksum"]} == written
    assert [point["label"] for point in content["points"]] == [0, 0, 1, 2]
    assert [law["stable"] for law in content["laws"]] == [True, True, False]
    assert {"key": "data.delta", "low": 0.4, "high": 0.5, "labels": [1, 2], "at": {"initial.kappa": 0.4}} in content[
        "boundaries"
    ]
    assert len(content["boundaries"]) == 3
    assert (figures / "basins.png").stat().st_size > 20_000
    assert (figures / "basins.pdf").stat().st_size > 5_000
    assert main(arguments) == 2
    assert "--force" in capsys.readouterr().err


def test_the_figure_of_one_key(swept: BasinsResult, tmp_path: Path) -> None:
    from mfpde.results.figures.basins import basins_figure
    from mfpde.results.files.drawn import save_figures

    assert [path.name for path in save_figures(swept, tmp_path)] == ["basins.png", "basins.pdf"]
    figure = basins_figure(swept)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[2] == "Atom at $r_{1}$ = 2.08818, unstable"
    risk, below = figure.axes
    assert risk.get_yscale() == "log"
    assert below.get_xlabel() == r"initial width $\kappa$"


class Interruption:
    """Progress during which Ctrl-C is pressed."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, text: str, fraction: float) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def comparable(result: BasinsResult) -> dict[str, Any]:
    content = result.to_json()
    for part in (content, *content["points"]):
        part.pop("wall_seconds")
    return content


def test_an_interrupted_sweep_resumes(swept: BasinsResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "out.json"
    monkeypatch.setattr(campaign, "CHECKPOINT_SECONDS", 0.0)
    stopped = basins("nonmonotone-success", KAPPA, place, overrides=QUICK, workers=1, progress=Interruption(3))
    assert (stopped.status, len(stopped.points)) == ("interrupted", 3)
    assert "interrupted after 3 of 6 points; continue with --resume" in stopped.message
    assert len(json.loads(place.read_text(encoding="utf-8"))["points"]) == 3
    computed: list[tuple[float, ...]] = []
    compute = study.compute

    def watched(task: study.Task) -> Any:
        computed.append(task.values)
        return compute(task)

    monkeypatch.setattr(study, "compute", watched)
    resumed = basins("nonmonotone-success", KAPPA, place, overrides=QUICK, workers=1, resume=True)
    assert computed == [(0.25,), (0.6,), (1.0,)]
    assert comparable(resumed) == comparable(swept)
    with pytest.raises(OutputError, match="--resume to continue it"):
        basins("nonmonotone-success", KAPPA, place, overrides=QUICK)


def test_another_sweep_is_not_resumed(swept: BasinsResult, tmp_path: Path) -> None:
    place = tmp_path / "out.json"
    swept.save(place)

    def resume(vary: dict[str, tuple[float, ...]], *overrides: str, radius: float | None = None) -> None:
        basins("nonmonotone-success", vary, place, overrides=[*QUICK, *overrides], resume=True, radius=radius)

    with pytest.raises(ConfigurationError, match=r"another problem, which differs in data\.dims"):
        resume(KAPPA, "data.dims=40")
    with pytest.raises(ConfigurationError, match=r"other values of initial\.kappa"):
        resume({"initial.kappa": (0.1, 0.2)})
    with pytest.raises(ConfigurationError, match=r"other keys, initial\.kappa"):
        resume({"data.delta": (0.4, 0.5)})
    with pytest.raises(ConfigurationError, match="another --radius, None"):
        resume(KAPPA, radius=20.0)
    place.write_text("{}", encoding="utf-8")
    with pytest.raises(ResultFileError, match="damaged sweep"):
        resume(KAPPA)
    place.write_text("no json", encoding="utf-8")
    with pytest.raises(ResultFileError, match="replace this one with --force"):
        resume(KAPPA)


def test_interruption_exits_with_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    compute = study.compute

    def interrupted(task: study.Task) -> dict[str, Any]:
        if task.values == (0.15,):
            raise KeyboardInterrupt
        return compute(task)

    monkeypatch.setattr(study, "compute", interrupted)
    options = [part for override in QUICK for part in ("--set", override)]
    vary = ["--vary", "initial.kappa=0.1:0.2:3", "--workers", "1", "-o", str(tmp_path / "out.json"), "--quiet"]
    assert main(["basins", "nonmonotone-success", *options, *vary]) == 130
    assert "interrupted after 1 of 3 points; continue with --resume" in capsys.readouterr().err
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["status"] == "interrupted"


def test_a_run_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    compute = study.compute

    def fragile(task: study.Task) -> dict[str, Any]:
        if task.values == (0.1,):
            raise ArithmeticError("t = 0.5: a step could not be taken; write a smaller solver.step")
        return compute(task)

    monkeypatch.setattr(study, "compute", fragile)
    found = basins("nonmonotone-success", {"initial.kappa": (0.05, 0.1, 0.15)}, overrides=QUICK, workers=1)
    assert found.status == "failed"
    assert [point.label for point in found.points] == [0, None, 0]
    assert "initial.kappa = 0.1: t = 0.5: a step could not be taken; write a smaller solver.step" in found.message
    assert "failed: t = 0.5" in found.table()
    assert found.boundaries == ()


def test_every_mistake_is_named_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ["--vary", "initial.kappa=1:0", "--radius", "x", "--workers", "0", "--resume", "--threads", "none"]
    assert main(["basins", "nonmonotone-success", *wrong, "--scheduler", "tcp://127.0.0.1:1"]) == 2
    lines = capsys.readouterr().err.splitlines()
    for words in (
        "--vary initial.kappa=1:0: needs two or more finite numbers, increasing; write for example --vary",
        "--radius x: is not a finite number above 0",
        "--workers 0: is not a whole number above 0",
        "--workers and --scheduler exclude each other",
        "--resume: there is no file to continue; name it with -o OUT.json",
        "--threads none: is not a whole number above 0",
    ):
        assert sum(words in line for line in lines) == 1, words
    assert main(["basins", "nonmonotone-success"]) == 2
    assert "--vary: 0 keys; vary one or two, write for example --vary" in capsys.readouterr().err
    assert main(["basins", "nonmonotone-success", "--vary", "initial.kapa=0.1:0.2:2"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "did you mean initial.kappa" in lines[0]
    assert main(["basins", "nonmonotone-success", "--vary", "data.delta=0.4:1.6:4"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": must be")[0] for line in lines] == ["mfpde: data.delta = 1.2", "mfpde: data.delta = 1.6"]
    noisy = ["--set", "dynamics.inverse_temperature=10", "--set", "dynamics.ridge=0.1"]
    assert main(["basins", "nonmonotone-success", *noisy, "--vary", "initial.kappa=0.1:0.2:2"]) == 2
    assert "with noise the only stationary law is the Gibbs law" in capsys.readouterr().err
    with pytest.raises(ConfigurationError, match=r"--vary initial\.kappa: needs two or more increasing values"):
        basins("nonmonotone-success", {"initial.kappa": [0.2, 0.1]})


def law(position: float, weight: float = 1.0, *others: tuple[float, float], stable: bool = True) -> dict[str, Any]:
    atoms = [{"position": {"r1": place}, "weight": mass} for place, mass in ((position, weight), *others)]
    nearest = {"atoms": atoms, "stable": stable, "note": "", "eigenvalues": {}}
    return {"near": True, "nearest": nearest, "risk": position, "clusters": []}


def test_families_and_branches_of_laws_are_matched() -> None:
    """Masses are free in a family; isolated laws move with the problem, and births and deaths isolate every law."""
    one = [BasinPoint((float(k),), None, law(x)) for k, x in enumerate((2.0, 2.5, 3.2, 0.2))]
    assert [p.label for p in labelled(one, masses_move=False, one_problem=False)[0]] == [0, 0, 0, 1]
    assert [p.label for p in labelled(one, masses_move=False, one_problem=True)[0]] == [0, 1, 2, 3]
    two = [BasinPoint((float(k),), None, law(0.0, m, (3.0 + m, 1.0 - m))) for k, m in enumerate((0.1, 0.5, 0.9))]
    points, laws = labelled(two, masses_move=False, one_problem=True)
    assert [p.label for p in points] == [0, 0, 0]
    assert laws[0].name == "2 atoms, one at 0, stable"
    assert [p.label for p in labelled(two, masses_move=True, one_problem=True)[0]] == [0, 1, 2]
    changed = [BasinPoint((float(k),), None, law(2.0, stable=stable)) for k, stable in enumerate((True, False))]
    found, _ = labelled(changed, masses_move=False, one_problem=True)
    (boundary,) = boundaries(found, ["data.delta"], [[0.0, 1.0]])
    assert (boundary.low, boundary.high, boundary.labels) == (0.0, 1.0, (0, 1))
