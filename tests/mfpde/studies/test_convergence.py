"""convergence: the observed order of a scheme whose order is known."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from mfpde.commands.main import main
from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import load_configuration
from mfpde.experiment import Experiment
from mfpde.problem.problem import Problem, build_problem
from mfpde.schemes.interface import SCHEMES, Refined, SchemeKind, scheme_named
from mfpde.schemes.pair import Pair
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.trails import Trails
from mfpde.studies.convergence import _level, convergence
from tests.mfpde.decaying import DecayingAtoms


class Refinable(SchemeKind):
    """Steps of 0.8 / cells; with `fail_from` cells or more they fail at 0.5."""

    needs_guide = False
    fail_from: ClassVar[int] = 10**9

    def pair(self, problem: Problem, experiment: Experiment, guide: Trails, box: Box) -> Pair:
        (cells,) = experiment.solver.cells or (32,)
        failing = 0.5 if cells >= self.fail_from else math.inf
        return Pair(DecayingAtoms(0.8 / cells, fail_after=failing), DecayingAtoms(1.6 / cells, fail_after=failing))

    def refined(self, problem: Problem, experiment: Experiment, level: int) -> Refined:
        cells = 32 * 2**level
        return Refined("cells", float(cells), experiment.solver.having(cells=(cells,)))


class Failing(Refinable):
    """The same, which fails from 128 cells on."""

    fail_from = 128


class Fine(SchemeKind):
    """Steps small enough to be exact; trusted more than any other scheme."""

    needs_guide = False
    oracle = 10

    def pair(self, problem: Problem, experiment: Experiment, guide: Trails, box: Box) -> Pair:
        assert experiment.solver.cells is None
        return Pair(DecayingAtoms(1e-3), DecayingAtoms(2e-3))


@pytest.fixture
def refinable() -> Iterator[None]:
    """The schemes "refinable", "failing" and "fine"."""
    with SCHEMES.lending({"refinable": Refinable, "failing": Failing, "fine": Fine}):
        yield


def configured(scheme: str) -> Experiment:
    """A short run on one of these schemes."""
    return parse({"data": {}, "network": {}, "time": {"end": 1.0, "save": 3}, "solver": {"scheme": scheme}})


@pytest.mark.usefixtures("refinable")
def test_second_order_is_observed() -> None:
    result = convergence(configured("refinable"), levels=4)
    assert [level.resolution for level in result.levels] == [32.0, 64.0, 128.0, 256.0]
    assert [level.order for level in result.levels[2:]] == pytest.approx([2.0, 2.0], abs=0.1)
    assert result.levels[-1].error < 3e-5
    for level in result.levels:
        assert level.error <= level.estimate <= 5.0 * level.error
    assert len(result.table().splitlines()) == 6
    assert json.loads(json.dumps(result.to_json(), allow_nan=False))["levels"][0]["order"] is None


@pytest.mark.usefixtures("refinable")
def test_a_failing_level_ends_the_table() -> None:
    result = convergence(configured("failing"), levels=4)
    assert (len(result.levels), result.status) == (2, "failed")
    assert "the step collapsed" in result.message


NAMES = ("finite-volume", "jko", "characteristics", "particles")
ISOTROPIC: dict[str, Any] = {"data": {"dims": [40]}, "network": {}, "time": {"end": 2.0}, "solver": {"step": 0.125}}


@pytest.mark.long
def test_one_table_for_all_schemes() -> None:
    """Steps halve the error of JKO by four at order 2; characteristics at 1e-6 are better than 1e-6; one oracle."""
    found = convergence(parse(ISOTROPIC), 3, schemes=NAMES)
    assert found.status == "success"
    assert found.refused == {}
    by_scheme = {name: [level for level in found.levels if level.scheme == name] for name in NAMES}
    assert [level.refined for level in found.levels[::3]] == ["cells", "step", "tolerance", "particles"]
    assert all(len(levels) == 3 for levels in by_scheme.values())
    assert [level.resolution for level in by_scheme["jko"]] == pytest.approx([0.125, 0.0625, 0.03125])
    assert [level.resolution for level in by_scheme["particles"]] == [50.0, 200.0, 800.0]
    assert by_scheme["jko"][1].order == pytest.approx(2.0, abs=0.1)
    assert by_scheme["jko"][0].error < 1e-5
    assert by_scheme["finite-volume"][-1].error < 2e-3
    assert by_scheme["characteristics"][-1].error < 1e-6
    assert by_scheme["particles"][-1].error < 0.02


@pytest.mark.long
def test_a_scheme_that_cannot_do_the_problem_is_named_under_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """With noise the oracle is the finest grid refined once more, and the table says so."""
    settings = ["data.dims=10", "dynamics.inverse_temperature=10", "dynamics.ridge=0.1", "time.end=0.5"]
    options = [part for setting in settings for part in ("--set", setting)]
    chosen = ["--schemes", "finite-volume,characteristics,jko", "--levels", "2"]
    assert main(["convergence", "isotropic-gaussians", *options, *chosen]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("reference: finite-volume, 512 cells (noise: no characteristics; the finest grid")
    assert [line.split()[:3] for line in lines[2:6]] == [
        ["finite-volume", "cells", "128"],
        ["finite-volume", "cells", "256"],
        ["jko", "cells", "128"],
        ["jko", "cells", "256"],
    ]
    assert float(lines[3].split()[3]) < 1e-3
    assert float(lines[5].split()[3]) < 1e-3
    assert lines[6].startswith("characteristics: not run: dynamics.inverse_temperature: characteristics have no noise")


NOISE = ["dynamics.inverse_temperature=10", "dynamics.ridge=0.1", "time.end=0.1", "solver.scheme=finite-volume"]


def test_the_reference_with_noise_is_finer_than_every_level_of_bumps() -> None:
    moving = ["dynamics.flow=wasserstein", "dynamics.fisher_rao_rate=0.0"]
    found = convergence(load_configuration("bumps-bad", [*moving, *NOISE]), levels=2)
    assert found.reference.startswith("finite-volume, 512 cells (noise: no characteristics;")
    assert [level.resolution for level in found.levels] == [128.0, 256.0]


def test_a_frozen_coefficient_with_a_law_of_its_own_is_a_coordinate_of_the_reference() -> None:
    experiment = load_configuration("isotropic-gaussians", ["initial.a={ normal = [1.0, 0.1] }", *NOISE])
    problem, kind = build_problem(experiment), scheme_named("finite-volume")
    assert problem.geometry.names == ("r1", "a")
    levels = [kind.refined(problem, experiment, level).resolution for level in range(3)]
    assert levels == [32.0, 64.0, 128.0]
    assert kind.reference(problem, experiment, 2, True).solver.cells == (128,)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--schemes", "jok"], "--schemes jok: no such scheme; did you mean jko?"),
        (["--schemes", "jko", "--scheme", "jko"], "write only one of them"),
        (
            ["--schemes", "characteristics", "--set", "dynamics.inverse_temperature=10", "--set", "dynamics.ridge=0.1"],
            "characteristics have no noise",
        ),
    ],
)
def test_schemes_that_cannot_be_used_exit_2(options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convergence", "isotropic-gaussians", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err


@pytest.mark.usefixtures("refinable")
def test_the_levels_of_the_other_schemes_survive_a_failure() -> None:
    result = convergence(configured("refinable"), levels=4, schemes=("failing", "fine"))
    assert [level.refined for level in result.levels] == ["cells"] * 2 + ["tolerance"] * 4
    assert result.status == "failed"
    assert result.message.startswith("failing: ")


@pytest.mark.parametrize("ratio", [2.0, 4.0, 100.0])
def test_the_order_counts_in_the_ratio_of_resolutions(ratio: float) -> None:
    """Errors that fall like the resolution to the power 3/2, whether it is doubled, fourfold or a hundredth."""

    def of_error(error: float) -> Any:
        return SimpleNamespace(risk=np.array([1.0, 2.0 - error]), risk_error=np.ones(2), scheme="own", wall_seconds=0.0)

    coarse = _level(of_error(0.1), of_error(0.0), "cells", 10.0, None)
    for resolution in (10.0 * ratio, 10.0 / ratio):
        fine = _level(of_error(0.1 * ratio**-1.5), of_error(0.0), "cells", resolution, coarse)
        assert fine.order == pytest.approx(1.5, rel=1e-9)
    assert math.isnan(coarse.order)
