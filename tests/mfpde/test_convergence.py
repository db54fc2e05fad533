"""convergence: the observed order of a scheme whose order is known."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from mfpde.configuration import Configuration, parse
from mfpde.studies.convergence import convergence
from tests.mfpde.fake_problem import DecayingAtoms, fake_problem


def install_refinable(monkeypatch: pytest.MonkeyPatch, fail_from: int = 10**9) -> None:
    """Steps of 0.8 / cells for finite volumes, and steps small enough to be exact for characteristics."""

    def make(problem: object, configuration: Configuration, progress: object = None) -> SimpleNamespace:
        solver = configuration.solver
        assert solver.scheme == "finite-volume" or solver.cells is None
        step = 1e-3 if solver.cells is None else 0.8 / solver.cells[0]
        failing = 0.5 if solver.cells is not None and solver.cells[0] >= fail_from else float("inf")
        main, companion = (DecayingAtoms(size, fail_after=failing) for size in (step, 2.0 * step))
        return SimpleNamespace(main=main, companion=companion, error_floor=0.0, notes=(), attributes={})

    monkeypatch.setattr("mfpde.studies.solve.build_problem", fake_problem)
    monkeypatch.setattr("mfpde.studies.solve.make_schemes", make)


def test_second_order_is_observed(monkeypatch: pytest.MonkeyPatch) -> None:
    install_refinable(monkeypatch)
    result = convergence(parse({"data": {}, "network": {}, "time": {"end": 1.0, "save": 3}}), levels=4)
    assert [level.resolution for level in result.levels] == [32.0, 64.0, 128.0, 256.0]
    assert [level.order for level in result.levels[2:]] == pytest.approx([2.0, 2.0], abs=0.1)
    assert result.levels[-1].error < 3e-5
    for level in result.levels:
        assert level.error <= level.estimate <= 5.0 * level.error
    assert len(result.table().splitlines()) == 6
    assert json.loads(json.dumps(result.to_json(), allow_nan=False))["levels"][0]["order"] is None


def test_a_failing_level_ends_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    install_refinable(monkeypatch, fail_from=128)
    result = convergence(parse({"data": {}, "network": {}, "time": {"end": 1.0, "save": 3}}), levels=4)
    assert (len(result.levels), result.status) == (2, "failed")
    assert "the step collapsed" in result.message
