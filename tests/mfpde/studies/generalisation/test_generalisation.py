"""generalisation: risks against closed forms and another integrator, slopes of invented worlds, sweeps that resume."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mfpde
from mfpde.commands.main import main
from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import load_configuration
from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.problem.laws.finite_data import Drawn
from mfpde.problem.problem import build_problem
from mfpde.results.answers.samples.generalisation import GeneralisationResult, Setting
from mfpde.solvers.networks.coupled import Drift, particle_dynamics
from mfpde.studies.bounds.fits import FAILS, HOLDS, UNDECIDED
from mfpde.studies.generalisation import runs as flows
from mfpde.studies.generalisation.analysis import BOUND, CLAIMS, NEURONS, SAMPLES, STRENGTH, Risks, analyse, target_norm
from mfpde.studies.generalisation.design import Design, make_design, run_configuration
from mfpde.studies.generalisation.generalisation import generalisation
from mfpde.studies.generalisation.runs import FlowSpec, Trained, compute
from mfpde.studies.sgd.networks import build_sgd, population_of

SWEEP: dict[str, Any] = {"neurons": [1, 2], "samples": [10], "strengths": [0.1], "batches": 2}


def tiny(**tables: dict[str, Any]) -> Experiment:
    given: dict[str, dict[str, Any]] = {
        "data": {"law": "single-index", "dim": 2, "target": "erf", "samples": 20, "sample_seed": 3},
        "network": {"activation": "erf", "coefficients": "trained"},
        "initial": {"kappa": 1.0, "a": {"values": [-1.0, 1.0]}},
        "dynamics": {"ridge": 0.1},
        "time": {"end": 1.0, "save": 3},
        "solver": {"tolerance": 1e-9},
        "sgd": {"neurons": 4},
    }
    return parse({name: {**given[name], **tables.get(name, {})} for name in given})


def spec_of(experiment: Experiment, neurons: int, samples: int, strength: float, kind: str = "samples") -> FlowSpec:
    design = Design((neurons,), (samples,), (0.0, strength), strength, 1)
    return FlowSpec(kind, run_configuration(experiment, design, design.base, 0), 1)


RELU = {"data": {"target": "relu"}, "network": {"activation": "relu"}}


@pytest.mark.parametrize("tables", [{}, RELU], ids=["erf", "relu"])
def test_a_run_is_the_flow_of_its_neurons_by_another_integrator(tables: dict[str, Any]) -> None:
    """The second group of the neurons on the samples, by Runge-Kutta steps of the network's own gradient."""
    spec = spec_of(tiny(**tables), 3, 12, 0.1)
    found, problem = compute(spec), build_problem(spec.configuration)
    assert isinstance(problem.data, Drawn)
    rows = problem.initial_law.neurons(6, spec.configuration.sgd.seed, 0)[3:]
    sgd = build_sgd(spec.configuration, 0)
    drift = Drift(sgd, population_of(problem, sgd, 3))
    start = sgd.start(*problem.unit.parted(rows))
    over_law = problem.data.over_law(problem.unit.activation)
    assert over_law is not None
    for index, state in enumerate(particle_dynamics(drift, start, found.time, 1e-11)):
        x, y, _ = problem.data.training
        outputs = problem.unit.activation.value(x @ state.w.T) @ state.a / 3.0
        # kinks are steps of the gradient, which the other integrator meets unprepared
        assert found.risk[index] == pytest.approx(np.mean((y - outputs) ** 2), abs=1e-8 if not tables else 1e-5)
        assert found.test_risk[index] == pytest.approx(over_law.risk(state.w, state.a, state.b), abs=1e-5)


def test_the_risk_over_the_law_at_the_start_is_that_of_the_closed_kernel() -> None:
    """kappa = [sqrt(v v' - c^2) + c (pi - theta)] / (2 pi) of rectifiers; E y^2 = 1/2."""
    spec = spec_of(tiny(**RELU), 4, 10, 0.1)
    rows = build_problem(spec.configuration).initial_law.neurons(8, spec.configuration.sgd.seed, 0)[4:]
    w, a = np.vstack([rows[:, :2], [[1.0, 0.0]]]), np.append(rows[:, 2] / 4.0, -1.0)
    gram = w @ w.T
    sizes = np.sqrt(np.outer(np.diag(gram), np.diag(gram)))
    angle = np.arccos(np.clip(gram / sizes, -1.0, 1.0))
    kernel = (sizes * np.sin(angle) + gram * (np.pi - angle)) / (2.0 * np.pi)
    assert compute(spec).test_risk[0] == pytest.approx(a @ kernel @ a, abs=1e-12)


def test_training_on_the_law_itself_has_one_risk_which_the_flow_of_samples_comes_to() -> None:
    experiment = tiny()
    law = compute(spec_of(experiment, 3, 12, 0.1, "law"))
    assert np.array_equal(law.risk, law.test_risk)
    assert law.risk[0] == pytest.approx(compute(spec_of(experiment, 3, 12, 0.1)).test_risk[0], abs=1e-13)
    many = compute(spec_of(experiment, 3, 4000, 0.1)).test_risk[-1]
    # the flow itself lowers the risk by a hundred times as much
    assert abs(many - law.risk[-1]) < 2e-3 < 0.01 * (law.risk[0] - law.risk[-1])


@pytest.mark.parametrize(
    ("dynamics", "norm"),
    [
        ({"ridge": 0.1}, 2.0),
        ({"ridge": {"w": 0.1, "a": 0.05}}, 1.5),
        ({"ridge": 0.0, "penalty": {"path": 0.1}}, 2.0),
        ({"ridge": 0.0, "penalty": {"power": 4.0, "strength": 0.1}}, 0.5),
    ],
)
def test_the_norm_of_a_target_is_what_lambda_multiplies_in_the_free_energy(
    dynamics: dict[str, Any], norm: float
) -> None:
    experiment = tiny(dynamics=dynamics)
    assert target_norm(experiment, make_design(experiment)) == pytest.approx(norm, abs=1e-13)


def test_neurons_of_the_target_have_the_risk_of_the_noise() -> None:
    several = {"law": "multi-index", "weights": [0.7, -0.4], "target": "erf", "dim": 3, "noise": 0.3, "samples": 9}
    for data in ({"law": "single-index", "dim": 2, "target": "erf", "noise": 0.3, "samples": 9}, several):
        experiment = parse({**toml_of(tiny()), "data": data})
        problem = build_problem(experiment)
        assert isinstance(problem.data, Drawn)
        rows = problem.data.represented(problem.unit)
        over_law = problem.data.over_law(problem.unit.activation)
        assert rows is not None
        assert over_law is not None
        w, a, _ = problem.unit.parted(rows)
        assert over_law.risk(w, a, np.zeros(len(a))) == pytest.approx(0.09, abs=1e-13)
    other = tiny(data={"target": "tanh"})
    assert np.isnan(target_norm(other, make_design(other)))


def toml_of(experiment: Experiment) -> dict[str, Any]:
    import tomllib

    from mfpde.configuration.toml import to_toml

    return tomllib.loads(to_toml(experiment))


WORLD = Design((5, 10, 20), (50, 100, 200), (0.0, 0.01, 0.02, 0.04), 0.02, 10)


def invented(excess: Callable[[Setting], float], noise: float = 1e-4) -> Risks:
    """R = excess + noise that grows with it; the flow over the law lacks what samples add."""
    random = np.random.default_rng(5)

    def batches(value: float, groups: int) -> dict[int, list[Trained]]:
        draws = value * (1.0 + noise * random.standard_normal((WORLD.batches, groups)))
        return {
            batch: [Trained(np.zeros(1), np.zeros(1), test_risk=np.array([each])) for each in row]
            for batch, row in enumerate(draws)
        }

    flows = {each: batches(excess(each), WORLD.total // each.neurons) for each in WORLD.settings}
    law = excess(replace(WORLD.base, samples=10**12))
    laws = {batch: [replace(run, risk=run.test_risk) for run in each] for batch, each in batches(law, 2).items()}
    first = flows[WORLD.base][0][0]
    return Risks(flows, laws, first, first)


def test_a_world_in_which_every_claim_holds() -> None:
    experiment = tiny()
    found = analyse(WORLD, invented(lambda s: 0.1 + 3.0 / s.neurons + 40.0 / s.samples + 0.9 * s.strength), experiment)
    assert {text.partition(":")[0] for text in found.verdicts.values()} == {HOLDS}
    slopes = {name: item.value for name, item in found.exponents.items()}
    # noise of a ten-thousandth moves differences of a tenth by a thousandth
    assert slopes == pytest.approx({NEURONS.name: -1.0, SAMPLES.name: -1.0, STRENGTH.name: 1.0}, abs=0.03)
    assert found.limit.value == pytest.approx(0.1 + 0.2 + 0.018, abs=1e-3)
    assert found.slope_bound.value == pytest.approx(0.9, abs=0.05)
    assert found.target_norm == 2.0


def test_a_world_in_which_none_does() -> None:
    def excess(setting: Setting) -> float:
        return float(3.0 / setting.neurons**0.5 + 4.0 / setting.samples**0.2 + 9.0 * setting.strength**0.5)

    found = analyse(WORLD, invented(excess), tiny())
    assert {text.partition(":")[0] for text in found.verdicts.values()} == {FAILS}
    assert found.exponents[NEURONS.name].value == pytest.approx(-0.5, abs=0.03)
    # against 10^12 samples in the place of infinitely many
    assert found.exponents[SAMPLES.name].value == pytest.approx(-0.2, abs=0.03)
    assert found.exponents[STRENGTH.name].value == pytest.approx(0.5, abs=0.03)


def test_a_ridge_that_lowers_the_risk_holds_whatever_its_slope() -> None:
    found = analyse(WORLD, invented(lambda s: 2.0 + 1.0 / s.neurons + 1.0 / s.samples - s.strength**0.5), tiny())
    assert found.verdicts[CLAIMS[STRENGTH][0]] == f"{HOLDS}: R(lambda) lies below R(0) at every lambda"
    assert found.verdicts[BOUND].startswith(HOLDS)


def test_one_batch_or_missing_runs_are_undecided() -> None:
    lone = replace(WORLD, batches=1)
    risks = invented(lambda s: 1.0 / s.neurons + 1.0 / s.samples + s.strength)
    words = analyse(lone, risks, tiny()).verdicts
    assert "one batch has no scatter; write --batches 10" in words[CLAIMS[NEURONS][0]]
    assert words[BOUND].startswith(UNDECIDED)
    del risks.flows[WORLD.base][4]  # type: ignore[attr-defined]
    assert "runs are missing" in analyse(WORLD, risks, tiny()).verdicts[CLAIMS[SAMPLES][0]]


def test_the_figure_of_the_page_is_that_of_its_risks() -> None:
    """The sweep of the preset, whose risks are stored: the slopes and the growth that docs/generalisation.md names."""
    stored = json.loads((Path(__file__).parents[3] / "reference_generalisation.json").read_text("utf-8"))
    design = Design((8, 16, 32), (20, 40, 80), (0.0, 0.0125, 0.025, 0.05), 0.05, 10)
    flows, laws = {}, {}
    for each in stored["settings"]:
        setting = Setting(each["neurons"], each["samples"], each["strength"])
        flows[setting] = {b: [ended(each["test_risk"][b])] for b in range(10)}
        if setting == design.base:
            laws = {b: [ended(each["law_risk"][b])] for b in range(10)}
    found = analyse(design, Risks(flows, laws, None, None), load_configuration("generalisation-relu"))
    slopes = {name: exponent.value for name, exponent in found.exponents.items()}
    assert round(slopes[NEURONS.name], 2) == -1.07
    assert round(slopes[SAMPLES.name], 2) == -0.92
    assert round(found.slope_bound.high, 2) == 0.23
    assert found.target_norm == 2.0


def ended(risk: float) -> Trained:
    """A run that is known at its end alone."""
    return Trained(np.zeros(1), np.array([risk]), test_risk=np.array([risk]))


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"dynamics": {"inverse_temperature": 10.0}}, "dynamics.inverse_temperature: the flow is deterministic"),
        ({"dynamics": {"penalty": {"path": 0.1}}}, "dynamics.ridge: given beside dynamics.penalty"),
    ],
)
def test_what_cannot_be_swept_is_refused(tables: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make_design(tiny(**tables))


def test_a_named_batch_is_that_which_was_drawn(tmp_path: Path) -> None:
    """The draws of a seed from a file, neurons given: the same flow, and the exact risk over the law beside it."""
    drawn = tiny(data={"samples": 15}, solver={"scheme": "particles", "atoms": [3]}, time={"end": 0.3, "save": 2})
    law = build_problem(drawn).data
    assert isinstance(law, Drawn)
    x, y, _ = law.training
    np.savez(tmp_path / "batch.npz", x=x, y=y)
    content = toml_of(drawn)
    del content["data"]["sample_seed"]
    content["data"]["samples"] = str(tmp_path / "batch.npz")
    named = parse(content)
    first, second = mfpde.solve(drawn), mfpde.solve(named)
    assert np.array_equal(first.risk, second.risk)
    assert np.array_equal(first.watched["test_risk"], second.watched["test_risk"])
    assert parse(toml_of(named)) == named
    with pytest.raises(ConfigurationError, match="a file holds one batch, and every batch is drawn anew"):
        make_design(named)
    content["data"]["dim"] = 5
    with pytest.raises(ConfigurationError, match=r"data\.samples: x has 2 coordinates, the law 5"):
        parse(content)


def test_laws_without_draws_are_refused() -> None:
    with pytest.raises(ConfigurationError, match='"dataset" has no draws to train on'):
        make_design(load_configuration("dataset-tanh"))


@pytest.mark.long
def test_a_sweep_resumes_with_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A batch fails, its runs alone are computed again, and all is as in a sweep that never failed."""
    asked: list[FlowSpec] = []
    failing = {1}

    def quick(spec: FlowSpec) -> Trained:
        asked.append(spec)
        if spec.configuration.sgd.seed in failing:
            raise ArithmeticError("lost on purpose")
        return compute(spec)

    monkeypatch.setattr(flows, "compute", quick)
    experiment = tiny(solver={"tolerance": 1e-4}, time={"end": 0.2, "save": 2})
    whole = tmp_path / "swept"
    first = generalisation(experiment, **SWEEP, output=whole, workers=1)
    assert first.status == "failed"
    assert "seed 1, group 0: lost on purpose" in first.message
    done = len([spec for spec in asked if spec.configuration.sgd.seed == 0])
    asked.clear()
    failing.clear()
    second = generalisation(experiment, **SWEEP, output=whole, workers=1, resume=True)
    assert {spec.configuration.sgd.seed for spec in asked} == {1}
    # the finer run is of the first batch alone
    assert len(asked) == done - 1
    never = generalisation(experiment, **SWEEP, workers=1)
    told, again = second.to_json(), never.to_json()
    assert {**told, "wall_seconds": 0.0} == {**again, "wall_seconds": 0.0}
    loaded = mfpde.load(whole)
    assert isinstance(loaded, GeneralisationResult)
    assert json.dumps(loaded.to_json()) == json.dumps(told)
    assert second.table() == loaded.table()
    assert second.flow_error < 1e-4
    loaded.plot(tmp_path / "figure.png")
    with pytest.raises(ConfigurationError, match=r"differs in time\.end"):
        generalisation(replace(experiment, time=replace(experiment.time, end=0.3)), output=whole, resume=True)
    assert main(["generalisation", "generalisation-relu", "--neurons", "x", "--batches", "0", "--ridge", "-1"]) == 2
    told_errors = capsys.readouterr().err
    assert all(f"{option} " in told_errors for option in ("--neurons", "--batches", "--ridge"))
