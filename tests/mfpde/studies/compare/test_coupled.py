"""coupled: the gaps between the equation, ND, PD, GD and SGD, and the rates at which they fall."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest

from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.results.answers.compare import GAPS, CoupledResult
from mfpde.studies.compare import coupled as coupled_study
from mfpde.studies.compare.coupled import coupled
from mfpde.studies.solve import solve


def configuration(neurons: int = 40, step_size: float = 0.01, **tables: dict[str, Any]) -> Experiment:
    """Isotropic, d = 10, to t = 1 unless told."""
    declared: dict[str, dict[str, Any]] = {
        "data": {"dims": [10]},
        "network": {"activation": {"knots": [0.0, 1.0], "values": [-0.5, 1.0]}},
        "initial": {"kappa": 1.0},
        "time": {"end": 1.0, "save": 6},
        "sgd": {"neurons": neurons, "step_size": step_size},
    }
    for name, table in tables.items():
        declared[name] = {**declared.get(name, {}), **table}
    return parse(declared)


@pytest.fixture(scope="module")
def example() -> CoupledResult:
    return coupled(configuration(time={"save": [0.0, 0.11, 0.37, 0.5, 1.0]}))


def test_all_dynamics_start_from_one_network(example: CoupledResult) -> None:
    assert example.time[0] == 0.0
    assert all(curve[0] == 0.0 for curve in example.parameter_curves.values())
    starts = [example.risk[name][0] for name in ("nd", "pd", "gd", "sgd")]
    assert starts == pytest.approx([starts[0]] * 4, rel=1e-14)
    assert example.gap_curves["pde_nd"][0] > 1e-4


def test_the_equation_is_that_of_solve(example: CoupledResult) -> None:
    times = {"end": 1.0, "save": example.time.tolist()}
    found = solve(configuration(time=times, solver={"scheme": "characteristics", "tolerance": 1e-8}))
    np.testing.assert_allclose(example.risk["pde"], found.risk, atol=1e-6)


def test_neighbours_in_the_chain_are_close(example: CoupledResult) -> None:
    """The neurons move by .3 and more; each gap is a small part of that, SGD's the largest."""
    gaps = example.parameter_gaps
    assert 1e-4 < gaps["pd_gd"] < 0.01
    assert 1e-3 < gaps["nd_pd"] < 0.1
    assert gaps["nd_pd"] < gaps["gd_sgd"] < 0.6
    total = np.abs(example.risk["pde"] - example.risk["sgd"])
    assert np.all(total <= sum(example.gap_curves.values()) + 1e-15)


def test_json_has_gaps_rates_and_curves(example: CoupledResult) -> None:
    found = json.loads(json.dumps(example.to_json(), allow_nan=False))
    assert list(found["gaps"]) == list(found["rates"]) == list(GAPS)
    assert list(found["parameter_gaps"]) == ["nd_pd", "pd_gd", "gd_sgd"]
    for name, (one, other) in GAPS.items():
        curve = np.abs(np.array(found["risk"][one]) - np.array(found["risk"][other]))
        assert found["gaps"][name] == pytest.approx(curve.max(), rel=1e-12)
        assert found["gap_curves"][name] == pytest.approx(curve.tolist(), rel=1e-12)
    assert found["rates"]["gd_sgd"]["value"] == pytest.approx(math.sqrt(0.01 * (10 + math.log(40))))
    assert found["rates"]["nd_pd"]["value"] == pytest.approx(40**-0.5)
    assert found["rates"]["pde_nd"]["bias"] == pytest.approx(1 / 40)
    assert (found["rates"]["pd_gd"]["value"], found["stride"]) == (0.01, 1)
    text = example.table()
    assert f"{example.gaps['gd_sgd']:.3e}" in text
    assert "sqrt(eps (D + log N)) = 0.37" in text


def mean_gaps(replicas: int, declared: Experiment, stride: int | None) -> dict[str, float]:
    """Means over replicas of the largest gaps, in the risk ("risk ...") and in the parameters."""
    results = [coupled(declared, replica, stride=stride) for replica in range(replicas)]
    found = {f"risk {name}": float(np.mean([each.gaps[name] for each in results])) for name in results[0].gaps}
    for name in results[0].parameter_gaps:
        found[name] = float(np.mean([each.parameter_gaps[name] for each in results]))
    return found


@pytest.mark.long
def test_gaps_fall_with_the_number_of_neurons() -> None:
    """N^-1/2 or faster: exponents over a factor 8 of means over 5 replicas, whose error is about .15."""
    coarse, fine = (mean_gaps(5, configuration(neurons, 0.05, time={"save": 3}), None) for neurons in (20, 160))
    exponents = {name: math.log(coarse[name] / fine[name]) / math.log(8.0) for name in coarse}
    for name in ("nd_pd", "risk pde_nd", "risk nd_pd"):
        assert 0.35 < exponents[name] < 1.3, (name, exponents)
    # Euler's error does not know N; only its largest part over neurons grows, with the tails of rho_0
    assert abs(exponents["risk pd_gd"]) < 0.2


@pytest.mark.long
def test_gaps_fall_with_the_step() -> None:
    """PD-GD of order 1; GD-SGD of order 1/2, on the mean of 5 replicas over a factor 16."""
    coarse = mean_gaps(5, configuration(step_size=0.016), 2)
    fine = mean_gaps(5, configuration(step_size=0.001), 32)
    orders = {name: math.log(coarse[name] / fine[name]) / math.log(16.0) for name in coarse}
    assert orders["pd_gd"] == pytest.approx(1.0, abs=0.05)
    assert orders["risk pd_gd"] == pytest.approx(1.0, abs=0.1)
    assert orders["gd_sgd"] == pytest.approx(0.5, abs=0.1)
    assert orders["risk gd_sgd"] > 0.4
    assert fine["pd_gd"] < 1e-3


def test_longer_steps_give_the_gaps_of_short_ones() -> None:
    own, scaled = (coupled(configuration(), stride=stride) for stride in (1, 5))
    for name in ("pd_gd", "gd_sgd"):
        assert scaled.gaps[name] == pytest.approx(own.gaps[name], rel=0.05)
        assert scaled.parameter_gaps[name] == pytest.approx(own.parameter_gaps[name], rel=0.05)
    error = float(np.abs(scaled.risk["gd"] - own.risk["gd"]).max())
    assert 0.2 * scaled.descent_error[0] < error < 2.0 * scaled.descent_error[0]
    assert scaled.descent_error[1] < 0.05 * own.parameter_gaps["pd_gd"] * 5
    assert own.descent_error == (0.0, 0.0)
    assert "5 times as long" in scaled.table()
    assert f"left is an error of about {scaled.descent_error[0]:.1e} in its risk" in scaled.table()
    assert own.notes == ()


def test_the_length_of_steps_does_not_hang_on_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which every step takes a quarter of an hour, as on a machine under load, leaves every digit."""
    declared, budget = configuration(step_size=0.004), 2e6
    calm = coupled(declared, budget=budget)
    ticks = itertools.count(0.0, 1e3)
    monkeypatch.setattr(coupled_study, "monotonic", lambda: next(ticks))
    busy = coupled(declared, budget=budget)
    assert 1 < calm.stride < 5
    assert (busy.stride, busy.gaps) == (calm.stride, calm.gaps)


def test_a_short_budget_makes_steps_longer_but_not_few() -> None:
    result = coupled(configuration(step_size=0.004), budget=1e-9)
    assert result.stride == 250 // 50


@pytest.mark.long
def test_trained_coefficients_and_offsets() -> None:
    network = {"coefficients": "trained", "offsets": "trained"}
    initial = {"a": {"normal": [0.5, 0.5]}, "b": 0.1}
    declared = configuration(60, network=network, initial=initial, time={"end": 0.1, "save": 2})
    result = coupled(declared, stride=2)
    # by t = .1 the dynamics of a and b, wrong in any of the four, would part by .01 and more
    assert 0.0 < result.parameter_gaps["nd_pd"] < 0.02
    assert 0.0 < result.parameter_gaps["pd_gd"] < 1e-3
    assert result.rates["gd_sgd"]["value"] == pytest.approx(math.sqrt(0.01 * (12 + math.log(60))))


def test_the_schedule_is_that_of_sgd() -> None:
    """xi = t^-1/4: from its own steps and from longer ones GD is the same, though s_k is not ∫xi."""
    declared = configuration(dynamics={"schedule": {"power": -0.25}})
    own, scaled = (coupled(declared, stride=stride) for stride in (1, 4))
    assert scaled.gaps["pd_gd"] == pytest.approx(own.gaps["pd_gd"], rel=0.1)
    assert scaled.gaps["pde_nd"] == own.gaps["pde_nd"]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"dynamics": {"inverse_temperature": 20.0, "ridge": 0.1}}, "without noise; write inverse_temperature = inf"),
        ({"dynamics": {"flow": "wasserstein-fisher-rao", "fisher_rao_rate": 1.0}}, 'write flow = "wasserstein"'),
    ],
)
def test_what_has_no_coupling_is_refused(tables: dict[str, dict[str, Any]], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        coupled(configuration(40, 0.01, **tables))


def test_what_was_computed_is_kept() -> None:
    """The interruption comes with the second save time: two rows and a word about it are left."""

    def interrupt(text: str, fraction: float) -> None:
        if text == "coupled dynamics, t = 0.2":
            raise KeyboardInterrupt

    result = coupled(configuration(), progress=interrupt)
    assert (result.status, len(result.time), len(result.risk["sgd"])) == ("interrupted", 2, 2)
    assert result.notes == ("interrupted after t = 0.2",)
    assert result.gaps["gd_sgd"] > 0.0


@pytest.mark.long
def test_a_failure_keeps_the_times_before_it() -> None:
    """All neurons arrive at the kink at w = 0 by t = .03."""
    network = {"activation": {"knots": [0.0, 0.5, 1.5], "values": [-2.5, -4.0, 7.5]}}
    declared = configuration(
        6,
        0.001,
        data={"delta": 0.5},
        network=network,
        initial={"kappa": 0.1},
        time={"end": 0.1, "save": [0.0, 0.005, 0.1]},
    )
    result = coupled(declared)
    assert (result.status, result.time.tolist()) == ("failed", [0.0, 0.005])
    assert "neurons may be held at w = 0" in result.notes[-1]
    assert json.loads(json.dumps(result.to_json(), allow_nan=False))["status"] == "failed"


@pytest.mark.long
def test_weights_in_the_plane_follow_their_coordinates() -> None:
    """They are their coordinates: the dynamics of teacher-network ended in a NotImplementedError."""
    tables = {
        "data": {"law": "teacher-network", "angles": [0.3, 2.0], "weights": [1.0, -0.5]},
        "network": {"activation": "relu"},
        "time": {"end": 0.02, "save": 2},
        "sgd": {"neurons": 10, "step_size": 0.01, "replicas": 1},
    }
    found = coupled(parse(tables))
    assert found.status == "success"
    assert found.parameter_curves["nd_pd"][0] == 0.0
    assert 0.0 < found.parameter_gaps["pd_gd"] < found.parameter_gaps["gd_sgd"] < 0.1
