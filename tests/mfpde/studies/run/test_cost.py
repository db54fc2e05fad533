"""What is told of the time that a run takes, before it is made."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import pytest

from mfpde.configuration.sources import experiment_of
from mfpde.problem.problem import build_problem
from mfpde.schemes.pair import Pair
from mfpde.shell.progress import ProgressBar
from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.time_loop import Observation, State, StepFailure
from mfpde.solvers.space.measure import Atoms
from mfpde.studies.check import check
from mfpde.studies.run import cost
from mfpde.studies.run.cost import Costs, foretold, told
from mfpde.studies.solve import solve

SMALL: dict[str, Any] = {"overrides": ["solver.cells=32", "time.end=0.5", "time.save=[0.0, 0.5]"]}


@dataclass
class Steady:
    """A scheme of this many atoms, at steps that grow to `length`, and fails beyond `last`."""

    atoms: int
    length: float
    last: float = np.inf

    def initial_state(self) -> State:
        return State(0.0, 0.5 * self.length, {})

    def advance(self, state: State, until: float) -> State:
        if state.flow_time > self.last:
            raise StepFailure("no step", state.flow_time, "none")
        return State(min(state.flow_time + state.step, until), self.length, {})

    def observe(self, state: State) -> Observation:
        places: Array = np.zeros((self.atoms, 1))
        law = Atoms(places, np.full(self.atoms, 1.0 / self.atoms))
        return Observation(0.0, 0.0, 1.0, np.zeros(1), np.zeros(1), law)


@pytest.mark.parametrize("last", [np.inf, 30.0])
def test_steps_of_the_coarsest_scheme_times_their_seconds(monkeypatch: pytest.MonkeyPatch, last: float) -> None:
    """Cells 16 and 4 in two coordinates: twice the steps; one and two seconds a step, the slower first one apart."""
    clock = iter([0.0, 9.0, 9.0, 11.0, 11.0, 13.0, 20.0, 27.0, 27.0, 28.0, 28.0, 29.0])
    costs, schemes = Costs(2), {"main": Steady(16, 0.25), "companion": Steady(4, 0.5, last)}
    with monkeypatch.context() as patched:
        patched.setattr(cost, "monotonic", lambda: next(clock))
        for role in schemes:
            for _ in range(cost.SEEN):
                assert not costs.known(schemes)
                costs.begin()
                costs.step(role)
    assert costs.known(schemes)
    states = {role: scheme.initial_state() for role, scheme in schemes.items()}
    # 0.25, then 0.5 each to 100.25
    steps = 201
    assert costs.left(schemes, states, 100.25) == pytest.approx(2.0 * 2 * steps + 1.0 * steps, rel=1e-12)
    assert costs.left(schemes, states, 0.25) == pytest.approx(2.0 * 2 + 1.0)
    halved = costs.left(schemes, states, 100.25, longest=0.25)
    assert halved == pytest.approx((2.0 * 2 + 1.0) * 401, rel=1e-12)


def test_only_a_long_run_is_told_with_what_makes_it_shorter() -> None:
    assert told(29.0, "fewer solver.cells") == ""
    assert told(400.0, "fewer solver.cells") == "this run takes about 7 min; less with fewer solver.cells"


@pytest.mark.long
@pytest.mark.parametrize("least", [0.0, 30.0])
def test_a_run_tells_it_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], least: float) -> None:
    """The numbers are those of a run of which nobody asks how long it takes."""
    monkeypatch.setattr(cost, "LONG", least)
    with ProgressBar() as bar:
        watched = solve("anisotropic-relu", progress=bar, **SMALL)
    assert capsys.readouterr().err.count("this run takes about") == (least == 0.0)
    if least == 0.0:
        np.testing.assert_array_equal(watched.risk, solve("anisotropic-relu", **SMALL).risk)


@pytest.mark.long
def test_check_tells_it_on_demand() -> None:
    found = check("anisotropic-relu", cost=True, **SMALL)
    assert found.seconds is not None
    assert 0.0 < found.seconds < 60.0
    assert "solve takes about" in found.table()
    assert check("anisotropic-relu", **SMALL).seconds is None


@pytest.mark.parametrize(("seconds", "taken"), [(2.0, 2), (0.01, 3)])
def test_slow_steps_are_taken_twice_only(seconds: float, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An estimate costs less than what it estimates: one step that loads what is compiled, and one that is measured."""
    calls: list[int] = []

    class Counted(Steady):
        def advance(self, state: State, until: float) -> State:
            calls.append(self.atoms)
            return super().advance(state, until)

    clock = count(0.0, seconds)
    monkeypatch.setattr(cost, "monotonic", lambda: next(clock))
    experiment = experiment_of("isotropic-gaussians", ["time.end=100"])
    pair = Pair(Counted(16, 30.0), Counted(4, 30.0))
    assert foretold(pair, build_problem(experiment), experiment) > 0.0
    assert (calls.count(16), calls[:taken]) == (taken, [16] * taken)


@pytest.mark.parametrize("quiet", [True, False])
def test_nobody_is_foretold_what_nobody_reads(quiet: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps that are rehearsed for it may take a second of every long run."""
    asked: list[float] = []

    def left(*arguments: object) -> float:
        asked.append(0.0)
        return 0.0

    monkeypatch.setattr(Costs, "left", left)
    solve("isotropic-gaussians", **SMALL, progress=ProgressBar(quiet))
    assert len(asked) == (0 if quiet else 1)
