"""Energy accounting: dissipation and balance of every run, the warning, and runs that stop where the law is at rest."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mfpde import presets
from mfpde.commands.main import main
from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import load_configuration
from mfpde.configuration.toml import differing_keys, to_toml
from mfpde.errors import ConfigurationError, ResultFileError
from mfpde.experiment import Experiment
from mfpde.results.answers.solve import SolveResult
from mfpde.solvers.characteristics.characteristics import Characteristics
from mfpde.solvers.flow.flow import Schedule
from mfpde.solvers.flow.time_loop import Observation, State
from mfpde.studies.run.energy import balance_warning
from mfpde.studies.solve import solve
from tests.mfpde.decaying import MASSES, START, Chosen, DecayingAtoms

QUICK = ["--set", "time.end=2.0", "--set", "time.save=5", "--scheme", "decaying"]
MEAN = MASSES @ START
SQUARE = float(MEAN @ MEAN)


@dataclass
class DissipatingAtoms(DecayingAtoms):
    """z' = -z is the flow of R = |mean|^2: D = 2 |mean|^2 and ∫D = |mean(0)|^2 - |mean|^2, both times `factor`."""

    factor: float = 1.0
    residual: float | None = None

    def observe(self, state: State) -> Observation:
        seen = super().observe(state)
        dissipated = self.factor * (SQUARE - seen.risk)
        return replace(seen, dissipation=2.0 * self.factor * seen.risk, dissipated=dissipated, residual=self.residual)


def configured(dynamics: dict[str, Any] | None = None, scheme: str = "decaying", **time: Any) -> Experiment:
    tables = {"data": {}, "network": {}, "dynamics": dynamics or {}, "time": {"end": 2.0, "save": 5, **time}}
    return parse(tables | {"solver": {"scheme": scheme}})


def test_the_schedule_enters_the_dissipation_per_unit_of_time(decaying: Chosen) -> None:
    """R = |mean(0)|^2 exp(-2 s), s = 3 t^2 / 2: -dR/dt = 6 t R, and xi(0) is infinite for a negative power."""
    decaying.use(DissipatingAtoms(0.001))
    result = solve(configured({"schedule": {"scale": 3.0, "power": 1.0}}))
    np.testing.assert_allclose(result.dissipation, 6.0 * result.time * result.risk, rtol=1e-14)
    exact = SQUARE * np.exp(-3.0 * result.time**2)
    np.testing.assert_allclose(result.dissipated, SQUARE - exact, atol=1e-6)
    assert np.all(result.balance < 1e-14)
    slowed = solve(configured({"schedule": {"power": -0.5}}))
    assert slowed.to_json()["dissipation"][0] is None
    np.testing.assert_allclose(slowed.dissipation[1:], 2.0 * slowed.risk[1:] / np.sqrt(slowed.time[1:]), rtol=1e-14)
    assert (Schedule(2.0, -0.5).rate(0.0), Schedule(2.0, 0.0).rate(0.0)) == (np.inf, 2.0)


def test_the_balance_starts_at_time_0_though_the_first_save_time_is_later(decaying: Chosen) -> None:
    decaying.use(DissipatingAtoms(0.01, factor=0.9))
    result = solve(configured(save=[1.5, 2.0]))
    np.testing.assert_allclose(result.balance, 0.1 * (SQUARE - result.risk), rtol=1e-12)


def test_files_and_json_carry_the_energy(decaying: Chosen, tmp_path: Path) -> None:
    decaying.use(DissipatingAtoms(0.01, residual=3e-9))
    result = solve(configured(), tmp_path / "run.nc")
    read = SolveResult.load(tmp_path / "run.nc")
    for key in ("dissipation", "dissipated", "balance", "residual"):
        np.testing.assert_array_equal(getattr(read, key), getattr(result, key))
        assert read.to_json()[key] == getattr(result, key).tolist()
    assert read.to_json()["residual"] == [3e-9] * 5
    decaying.use(DecayingAtoms(0.01))
    unknown = solve(configured(), tmp_path / "unknown.nc")
    assert unknown.to_json()["balance"] == unknown.to_json()["dissipation"] == [None] * 5
    assert SolveResult.load(tmp_path / "unknown.nc").residual is None
    assert "residual" not in unknown.to_json()
    assert "message" not in unknown.attributes


def test_files_of_the_format_without_energy_are_refused(
    monkeypatch: pytest.MonkeyPatch, decaying: Chosen, tmp_path: Path
) -> None:
    decaying.use(DissipatingAtoms(0.01))
    with monkeypatch.context() as earlier:
        earlier.setattr(SolveResult, "LAYOUT", replace(SolveResult.LAYOUT, form="mfpde solve 1"))
        solve(configured(), tmp_path / "run.nc")
    with pytest.raises(ResultFileError, match="made by another version"):
        SolveResult.load(tmp_path / "run.nc")


@pytest.mark.parametrize(("factor", "off"), [(1.0, False), (0.995, False), (1.02, True), (0.95, True), (-1.0, True)])
def test_a_wrong_dissipation_is_noticed(decaying: Chosen, factor: float, off: bool) -> None:
    decaying.use(DissipatingAtoms(0.01, factor=factor))
    result = solve(configured())
    assert result.status == "success"
    assert ("energy balance" in str(result.attributes["notes"])) == off
    assert str(result.attributes["notes"]).startswith("a note")
    assert ("energy balance" in str(result.attributes.get("message", ""))) == off


def test_the_errors_of_the_run_excuse_the_balance(decaying: Chosen) -> None:
    decaying.use(DissipatingAtoms(0.01, factor=0.95), floor=0.1 * SQUARE)
    assert balance_warning(solve(configured())) is None


def test_the_command_line_prints_the_balance_and_warns(decaying: Chosen, capsys: pytest.CaptureFixture[str]) -> None:
    decaying.use(DissipatingAtoms(0.01, residual=2e-10))
    assert main(["solve", "anisotropic-relu", *QUICK]) == 0
    out, err = capsys.readouterr()
    lines = [line for line in out.splitlines() if not line.startswith("note: ")]
    assert lines[-3].startswith(f"F = {SQUARE * np.exp(-4.0):.3g}")
    assert "|F - F(0) + dissipated| up to" in lines[-3]
    assert lines[-2] == "largest duality gap of a step: 2.0e-10"
    assert err == ""
    decaying.use(DissipatingAtoms(0.01, factor=2.0))
    assert main(["solve", "anisotropic-relu", *QUICK, "--json"]) == 0
    out, err = capsys.readouterr()
    balance = json.loads(out)["balance"][-1]
    assert balance == pytest.approx(SQUARE * (1.0 - np.exp(-4.0)), rel=1e-3)
    assert f"the energy balance |F(t) - F(0) + ∫D| is off by {balance:.2g} at t = 2" in err
    assert "write a smaller solver.tolerance" in err


def test_a_wrong_dissipation_of_characteristics_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Characteristics._move

    def wrong(scheme: Characteristics, *arguments: Any) -> tuple[Any, float]:
        weights, dissipation = right(scheme, *arguments)
        return weights, 1.03 * dissipation

    monkeypatch.setattr(Characteristics, "_move", wrong)
    result = solve(load_configuration("nonmonotone-success", ["solver.scheme=characteristics"]))
    assert "energy balance" in str(result.attributes["message"])


OTHER_LAWS = ("single-index", "phase-retrieval", "committee", "dataset", "margin", "generalisation", "three-spin")
MIXTURES = [name for name in presets.names() if not name.startswith(OTHER_LAWS)]
"""Presets on mixtures, bumps and circles; other laws have trajectories of their own."""
SERVED = [(name, "characteristics") for name in MIXTURES] + [
    # four coordinates; circles take more than 5 s to the end: their cells have tests of their own on fewer
    (name, "finite-volume")
    for name in MIXTURES
    if not name.startswith(("anisotropic-relu-trained", "relu-teacher", "spikes"))
]


ENDS = {
    "bumps": 5.0,
    "isotropic": 20.0,
    "anisotropic": 3.0,
    "anisotropic-relu-trained": 0.5,
    "relu-teacher": 100.0,
    "spikes": 30.0,
}
"""How far presets are followed here: dissipation that is wrong is so from the start. `python -m validation --only
balance` follows them to their ends."""


@pytest.mark.long
@pytest.mark.parametrize(("name", "scheme"), SERVED)
def test_the_balance_of_every_preset_closes(name: str, scheme: str) -> None:
    """To a few estimated errors of the risk, and 3e-6; without a warning."""
    ends = [f"time.end={end}" for start, end in ENDS.items() if name.startswith(start)]
    result = solve(load_configuration(name, [f"solver.scheme={scheme}", *ends]))
    assert "message" not in result.attributes
    assert result.dissipated[-1] > 0.01
    assert np.all(result.balance <= 3.0 * np.maximum.accumulate(result.risk_error))
    assert result.balance.max() < 3e-6


class Interruption:
    """Raises KeyboardInterrupt at the n-th step."""

    def __init__(self, step: int) -> None:
        self.left = step

    def __call__(self, flow_time: float) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


STATIONARY: dict[str, Any] = {"until": "stationary", "stationary_tolerance": 0.1, "end": 50.0, "save": [0.0, 0.5, 40.0]}


def test_a_run_stops_where_it_is_stationary(decaying: Chosen, tmp_path: Path) -> None:
    """D = 2 |mean(0)|^2 exp(-2 s) falls below .1 at s = log(20 |mean(0)|^2) / 2 = 1.38, found to 4 % of it."""
    decaying.use(DissipatingAtoms(0.01), DissipatingAtoms(0.02))
    result = solve(configured(**STATIONARY), tmp_path / "run.nc")
    exact = 0.5 * np.log(20.0 * SQUARE)
    np.testing.assert_array_equal(result.time[:2], [0.0, 0.5])
    assert exact * (1.0 - 1e-4) <= result.time[2] <= 1.04 * exact
    assert len(result.time) == len(result.risk_error) == 3
    assert abs(result.risk[2] - SQUARE * np.exp(-2.0 * result.time[2])) <= result.risk_error[2] < 1e-3
    assert result.dissipation[2] <= 0.1
    assert result.status == SolveResult.load(tmp_path / "run.nc").status == "success"
    said = f"stationary at t = {result.time[2]:.6g}: D = {result.dissipation[2]:.3g} per unit of flow time"
    assert str(result.attributes["message"]).startswith(said)
    again = solve(configured(**STATIONARY), tmp_path / "run.nc", resume=True)
    np.testing.assert_array_equal(again.time, result.time)


@pytest.mark.parametrize("who", ["main", "companion"])
@pytest.mark.parametrize("at_step", [1, 60, 140])
def test_an_interrupted_run_until_stationary_goes_on_bit_for_bit(
    decaying: Chosen, tmp_path: Path, who: str, at_step: int
) -> None:
    decaying.use(DissipatingAtoms(0.01), DissipatingAtoms(0.02))
    whole = solve(configured(**STATIONARY))
    stop = {who: Interruption(at_step)}
    main, companion = (
        DissipatingAtoms(step, on_step=stop.get(role, lambda time: None))
        for role, step in (("main", 0.01), ("companion", 0.02))
    )
    decaying.use(main, companion)
    assert solve(configured(**STATIONARY), tmp_path / "run.nc").status == "interrupted"
    resumed = solve(configured(**STATIONARY), tmp_path / "run.nc", resume=True)
    for key in ("time", "risk", "risk_error", "dissipation", "dissipated", "balance", "position"):
        assert getattr(resumed, key).tobytes() == getattr(whole, key).tobytes()
    assert resumed.attributes["message"] == whole.attributes["message"]


def test_the_end_is_the_upper_limit(decaying: Chosen) -> None:
    decaying.use(DissipatingAtoms(0.01))
    result = solve(configured(until="stationary", end=3.0, save=[0.0, 1.0]))
    np.testing.assert_array_equal(result.time, [0.0, 1.0, 3.0])
    message = str(result.attributes["message"])
    assert message.startswith("not stationary by t = 3: D = 0.0039")
    assert message.endswith("above time.stationary_tolerance = 1e-06; write a later time.end, or a larger tolerance")


def test_stationarity_is_judged_in_flow_time(decaying: Chosen) -> None:
    """A slow clock makes dF/dt small at once, but not D = -dF/ds."""
    decaying.use(DissipatingAtoms(1e-3))
    slowed = {"schedule": 1e-3}
    result = solve(configured(slowed, until="stationary", stationary_tolerance=0.1, end=3000.0))
    assert result.time[-1] == pytest.approx(500.0 * np.log(20.0 * SQUARE), rel=0.04)


def test_a_scheme_that_does_not_know_its_dissipation_is_refused(decaying: Chosen) -> None:
    decaying.use(DecayingAtoms(0.01))
    with pytest.raises(ConfigurationError, match='does not know its dissipation; write until = "end"'):
        solve(configured(until="stationary"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--until", "never"], ['must be one of "end", "stationary"']),
        (
            ["--until", "stationary", "--set", "time.stationary_tolerance=0"],
            ["a number, finite and above 0; write for"],
        ),
        (["--until", "stationary", "--set", "time.stationary_tolerance=nan"], ["finite and above 0"]),
        (["--set", "time.stationary_tolerance=1e-3"], ['unused by until = "end"; write until = "stationary", or']),
        (["--until", "never", "--set", "time.end=0"], ["must be one of", "time.end"]),
    ],
)
def test_nonsense_names_the_remedy(capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]) -> None:
    assert main(["solve", "anisotropic-relu", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == len(words)
    assert all(word in err for word in words)


def test_the_command_line_stops_where_it_is_stationary(
    decaying: Chosen, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    decaying.use(DissipatingAtoms(0.01))
    options = ["--until", "stationary", "--set", "time.end=50", "--set", "time.stationary_tolerance=0.1", "--json"]
    options += ["--scheme", "decaying"]
    run = str(tmp_path / "run.nc")
    assert main(["solve", "anisotropic-relu", *options, "-o", run]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["dissipation"][-1] <= 0.1
    assert err.startswith("mfpde: stationary at t = 1.4")
    assert main(["solve", "anisotropic-relu", *options, "-o", run, "--resume"]) == 0
    again, repeated = capsys.readouterr()
    assert repeated == err
    assert {**json.loads(again), "wall_seconds": 0.0} == {**found, "wall_seconds": 0.0}


def test_stationarity_is_part_of_the_configuration() -> None:
    plain = configured(scheme="jko")
    stationary = configured(scheme="jko", until="stationary")
    assert stationary.time.stationary_tolerance == 1e-6
    assert differing_keys(plain, stationary) == ("time.stationary_tolerance", "time.until")
    for configuration in (plain, stationary):
        assert parse(tomllib.loads(to_toml(configuration))) == configuration
