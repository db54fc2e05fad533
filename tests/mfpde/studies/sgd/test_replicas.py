"""Replicas of SGD as a study: exact times, resumption, workers, refusals, and the noise that pins the factor 2."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
import pytest

import mfpde.studies.sgd.replicas as study
from mfpde.commands.main import main
from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.sgd import SgdResult
from mfpde.shell.workers import InlineExecutor
from mfpde.solvers.sgd.ensemble import Ensemble
from mfpde.studies.sgd.networks import build_sgd, first_state, reduced_positions
from mfpde.studies.sgd.refusals import save_steps, step_notes
from mfpde.studies.sgd.replicas import sgd


def small(**tables: dict[str, Any]) -> Experiment:
    """Two blocks, 30 neurons, 100 steps, three replicas."""
    return parse(
        {
            "data": {"dims": [4, 8]},
            "network": {},
            "time": {"end": 0.1, "save": 3},
            "sgd": {"neurons": 30, "step_size": 1e-3, "replicas": 3, "seed": 5},
            **tables,
        }
    )


def test_time_is_steps_times_step_size_exactly() -> None:
    configuration = small(time={"end": 0.1, "save": [0.0, 0.0333, 0.1]})
    assert save_steps(configuration) == [0, 33, 100]
    result = sgd(configuration, workers=1)
    assert result.time.tolist() == [0.0, 33 * 1e-3, 100 * 1e-3]
    assert result.steps == 100
    assert result.status == "success"
    assert len({tuple(row) for row in result.risk}) == 3, "replicas must differ"


@pytest.mark.parametrize(
    ("time", "step", "words"),
    [
        ({"end": 0.1, "save": 2}, 0.11, ["sgd.step_size: 0.11 is larger than time.end = 0.1"]),
        ({"end": 0.1, "save": 2}, 0.19, ["sgd.step_size: 0.19 is larger than time.end = 0.1"]),
        ({"end": 0.1, "save": [0.0, 0.05, 0.0504, 0.1]}, 1e-3, ["time.save: 0.05 and 0.0504", "sgd.step_size = 0.001"]),
        ({"end": 0.1, "save": [0.0, 0.0004, 0.1]}, 1e-3, ["time.save: 0 and 0.0004", "sgd.step_size = 0.001"]),
        ({"end": 0.1, "save": [0.08, 0.1]}, 0.03, ["time.save: 0.08 and 0.1 ", "sgd.step_size = 0.03"]),
        ({"end": 0.1, "save": 101}, 2e-3, ["time.save: 0 and 0.001, and 49 more pairs", "sgd.step_size = 0.002"]),
    ],
)
def test_steps_that_do_not_fit_the_times_are_refused(time: dict[str, Any], step: float, words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        sgd(small(time=time, sgd={"step_size": step}))
    (message,) = refused.value.messages
    assert all(each in message for each in words), message


def test_the_crowded_times_of_a_progression_are_told() -> None:
    """1e-4, 1e-3, ... 0.1 in steps of 1e-3: 1e-4 is recorded with 0."""
    result = sgd(small(time={"end": 0.1, "save": {"log": 4, "first": 1e-4}}), workers=1)
    assert result.time.tolist() == [0.0, 1e-3, 1e-2, 0.1]
    assert "1 of the 5 save times are within a step of the one before (t = 0.0001 the first)" in result.table()


def test_neurons_begin_where_the_initial_law_was_drawn() -> None:
    """Embedded in R^12 and reduced again: radii, coefficients and offsets of the replica's own stream."""
    configuration = small(
        network={"coefficients": "trained", "offsets": "trained"},
        initial={"a": {"normal": [1.0, 0.2]}, "b": {"normal": [-0.5, 0.1]}},
    )
    problem = build_problem(configuration)
    sgd = build_sgd(configuration, 2)
    found = reduced_positions(sgd, first_state(configuration, problem, sgd), problem.unit)
    assert problem.geometry.names == ("r1", "r2", "a", "b")
    np.testing.assert_allclose(found, problem.initial_law.sample(30, 5, 2), rtol=1e-12)


@pytest.mark.long
def test_processes_give_the_numbers_of_one() -> None:
    configuration = small()
    alone, together = sgd(configuration, workers=1), sgd(configuration, workers=2)
    assert np.array_equal(alone.risk, together.risk)
    assert np.array_equal(alone.position, together.position)
    assert len({tuple(row) for row in alone.risk}) == 3, "replicas must differ"


def test_what_one_process_advances_is_recorded_on_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    configuration, kept = small(), study.record
    threads: set[int] = set()
    expected = sgd(configuration, workers=1)

    def watched(*arguments: Any) -> Any:
        threads.add(get_ident())
        return kept(*arguments)

    monkeypatch.setattr(study, "record", watched)
    monkeypatch.setattr(Ensemble, "alone", True)
    found = sgd(configuration, workers=3)
    assert threads
    assert get_ident() not in threads
    assert np.array_equal(found.risk, expected.risk)
    assert np.array_equal(found.position, expected.position)


def test_an_interrupted_run_goes_on_bit_for_bit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configuration = small()
    whole = sgd(configuration, workers=1)
    path, advance = tmp_path / "run.nc", study.advance_replicas
    calls = 0

    def interrupted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return advance(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(study, "advance_replicas", interrupted)
        # one by one, so that they go on from different places, those at the same one together
        assert sgd(configuration, path, workers=InlineExecutor()).status == "interrupted"
    part, arrays = SgdResult.read(path)
    assert np.isfinite(part.risk).sum() < whole.risk.size
    replace(part, wall_seconds=1000.0).save(path, arrays)
    resumed = sgd(configuration, path, resume=True, workers=1)
    assert np.array_equal(resumed.risk, whole.risk)
    assert np.array_equal(resumed.position, whole.position)
    assert 1000.0 < resumed.wall_seconds < 1900.0
    with pytest.raises(ConfigurationError, match=r"sgd\.seed"):
        sgd(small(sgd={"neurons": 30, "step_size": 1e-3, "replicas": 3, "seed": 6}), path, resume=True)


def test_a_long_stretch_between_saves_is_cut_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = small()
    whole = sgd(configuration, workers=1)
    monkeypatch.setattr(study, "OWN_SECONDS", 1e-5)
    assert np.array_equal(sgd(configuration, workers=1).risk, whole.risk)


def test_noise_and_ridge_alone_give_the_variance_of_ornstein_and_uhlenbeck() -> None:
    """w_{k+1} = (1 - eps) w_k + sqrt(eps / beta) g has the variance 1 / (beta (2 - eps)) in the end."""
    beta, eps = 4.0, 0.05
    configuration = small(
        network={"activation": {"knots": [0.0, 1.0], "values": [0.0, 0.0]}},
        dynamics={"ridge": 1.0, "inverse_temperature": beta},
        initial={"kappa": 0.1},
        time={"end": 10.0, "save": 2},
        sgd={"neurons": 1500, "step_size": eps, "replicas": 1},
    )
    squares = (sgd(configuration, workers=1).position[0, -1] ** 2).mean(axis=0)
    expected = np.array([4, 8]) / (beta * (2.0 - eps))
    deviation = expected * np.sqrt(2.0 / (1500 * np.array([4, 8])))
    assert np.all(np.abs(squares - expected) < 4.0 * deviation)


def test_what_sgd_cannot_do_is_named_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        sgd(
            parse(
                {
                    "data": {"dims": "infinite", "fractions": [0.5, 0.5]},
                    "network": {},
                    "dynamics": {"flow": "fisher-rao", "fisher_rao_rate": 1.0},
                }
            )
        )
    assert [message.split(":")[0] for message in caught.value.messages] == ["data.dims", "dynamics.flow"]
    assert main(["sgd", "anisotropic-relu", "--workers", "0", "--set", "sgd.neurons=-1"]) == 2
    errors = capsys.readouterr().err
    assert "--workers" in errors
    assert "sgd.neurons" in errors


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        # SGD learned y + f_0 under l(f, y + f_0), which is l(f - f_0, y) for losses of f - y only
        ({"network": {"activation": "tanh", "coefficients": "trained", "centred": True}}, "network.centred: f_0 is"),
        # compare held the flow in ds = L dt against steps in t
        ({"time": {"clock": "loss", "end": 0.01}}, "time.clock: SGD counts its steps"),
    ],
)
def test_what_sgd_would_take_for_another_problem_is_refused(tables: dict[str, Any], words: str) -> None:
    data = {"law": "dataset", "points": [[-1.0], [0.5], [1.0]], "values": [1.0, -1.0, 1.0], "loss": "logistic"}
    network = {"activation": "tanh", "coefficients": "trained"}
    with pytest.raises(ConfigurationError, match=words):
        sgd(parse({"data": data, "network": network, "sgd": {"step_size": 0.005}, **tables}))


def test_the_command_prints_one_object(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    sets = ["data.dims=4,8", "sgd.neurons=20", "sgd.replicas=2", "sgd.step_size=0.01", "time.end=0.1", "time.save=3"]
    arguments = ["sgd", "anisotropic-relu", *(part for key in sets for part in ("--set", key)), "--workers", "1"]
    assert main([*arguments, "--json", "-o", str(path)]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["status"] == "success"
    assert content["steps"] == 10
    assert np.shape(content["risk"]) == np.shape(content["variance"]["r2"]) == (2, 3)
    assert np.array_equal(SgdResult.read(path)[0].risk, content["risk"])
    assert main([*arguments, "-o", str(path)]) == 2
    assert "--force" in capsys.readouterr().err


def test_the_state_of_inner_products_runs_in_a_hundred_thousand_dimensions(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "run.nc"
    sets = ["data.dims=100000,3", "sgd.neurons=20", "sgd.state=gram", "sgd.step_size=0.001", "time.end=1.0"]
    arguments = ["sgd", "anisotropic-relu", *(part for key in sets for part in ("--set", key)), "--workers", "1"]
    assert main([*arguments, "--json", "--set", "time.save=3", "-o", str(path)]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["status"] == "success"
    assert content["wall_seconds"] < 20.0
    assert SgdResult.read(path)[1]["w_0"].shape == (20, 23)
    # |w|^2 = kappa^2 p / d in the mean, .8^2 and almost all of it in the first block
    assert content["mean"]["r1"][0][0] == pytest.approx(0.8, abs=1e-2)


@pytest.mark.parametrize("options", [{"state": "gram"}, {"precision": "float32"}])
def test_other_states_go_on_bit_for_bit(
    options: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    common = {"neurons": 30, "step_size": 1e-3}
    configuration = small(data={"dims": [60, 8]}, sgd={**common, **options})
    whole = sgd(configuration, workers=1)
    monkeypatch.setattr(study, "OWN_SECONDS", 1e-6)
    path, calls, advance = tmp_path / "run.nc", 0, study.advance_replicas

    def interrupted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return advance(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(study, "advance_replicas", interrupted)
        assert sgd(configuration, path, workers=1).status == "interrupted"
    resumed = sgd(configuration, path, resume=True, workers=1)
    assert np.array_equal(resumed.risk, whole.risk)
    with pytest.raises(ConfigurationError, match=rf"sgd\.{next(iter(options))}"):
        sgd(small(data={"dims": [60, 8]}, sgd=common), path, resume=True)


def test_what_the_state_of_inner_products_cannot_do() -> None:
    noisy = {"inverse_temperature": 10.0, "ridge": 0.1}
    with pytest.raises(ConfigurationError) as caught:
        sgd(small(dynamics=noisy, sgd={"state": "gram", "batch": 2000, "step_size": 1e-3}))
    words = (
        'write state = "weights", or inverse_temperature = inf',
        'write state = "weights", or batch = 1024 or less',
    )
    assert all(word in message for word, message in zip(words, caught.value.messages, strict=True))
    with pytest.raises(ConfigurationError, match=r'sgd.state = "kernel": must be one of "weights", "gram"'):
        small(sgd={"state": "kernel"})


def test_single_precision_changes_the_risk_by_rounding() -> None:
    options = {"neurons": 30, "step_size": 1e-3}
    single, double = (sgd(small(sgd={**options, "precision": p}), workers=1).risk for p in ("float32", "float64"))
    # exact risks of weights that are off by 6e-8 and more
    assert 0.0 < np.abs(single - double).max() < 1e-5


@pytest.mark.parametrize(("available", "free"), [(1, False), (2, True)])
def test_samples_are_drawn_ahead_where_a_processor_is_free(
    available: int, free: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def stopped(*arguments: Any) -> Any:
        asked.append(arguments[-1])
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "processors", lambda: available)
    monkeypatch.setattr(study, "advance_replicas", stopped)
    assert sgd(small(), workers=1).status == "interrupted"
    assert asked == [free]


def test_replicas_take_any_executor_and_give_the_same_bits() -> None:
    whole = sgd(small(), workers=1)
    with ThreadPoolExecutor(2) as pool:
        assert np.array_equal(sgd(small(), workers=pool).risk, whole.risk)


def test_an_interruption_says_how_far_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "advance_replicas", stopped)
    found = sgd(small(), workers=1)
    assert found.message.startswith(f"interrupted after 0 of {found.risk.size} save times of the replicas; nothing")


@pytest.mark.parametrize(
    ("sgd_options", "network", "schedule", "told"),
    [
        ({"step_size": 0.1}, {}, 1.0, ""),
        ({"step_size": 0.11}, {}, 1.0, "eps D = 1.1, with D = 10 parameters"),
        ({"step_size": 0.1}, {"coefficients": "trained"}, 1.0, "eps D = 1.1, with D = 11 parameters"),
        ({"step_size": 0.3, "batch": 4}, {}, 1.0, ""),
        ({"step_size": 0.6, "batch": 4}, {}, 1.0, "eps D = 1.5 in the mean"),
        ({"step_size": 0.1}, {}, 3.0, "write sgd.step_size far below 0.033"),
        ({"step_size": 0.1}, {}, {"power": -0.5}, "eps D = 2 in the mean"),
    ],
)
def test_steps_that_are_no_small_part_of_one_over_the_dimension_are_told(
    sgd_options: dict[str, Any], network: dict[str, str], schedule: Any, told: str
) -> None:
    """d = 10 to t = 1: the bound sqrt(eps (D + log N)) is no bound above eps D = 1; the mean of t^(-1/2) is 2."""
    tables = {
        "data": {"dims": [10]},
        "network": network,
        "dynamics": {"schedule": schedule},
        "time": {"end": 1.0, "save": 2},
        "sgd": sgd_options,
    }
    notes = " ".join(step_notes(parse(tables)))
    assert told in notes
    assert bool(told) == bool(notes)


def test_a_note_on_steps_is_in_the_table_and_in_json() -> None:
    result = sgd(small(sgd={"step_size": 0.25}, data={"dims": [10]}, time={"end": 0.5, "save": 2}), workers=1)
    (note,) = result.to_json()["notes"]
    assert note.startswith("eps D = 2.5, with D = 10 parameters of a neuron")
    assert f"note: {note}" in result.table()
