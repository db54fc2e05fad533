"""The equation beside SGD: fluctuations against their exact value, distances of laws, the command's output."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mfpde.command_line import main
from mfpde.configuration import parse
from mfpde.networks import build_sgd, first_state, reduced_positions
from mfpde.problem import build_problem
from mfpde.reduction.interface import Box
from mfpde.solvers.network_risk import network_risk
from mfpde.studies.compare import compare
from mfpde.studies.fluctuations import Fluctuations

KEYS = [
    "data.dims=4,8",
    "sgd.neurons=100",
    "sgd.step_size=2e-3",
    "sgd.replicas=6",
    "time.end=1.0",
    "time.save=3",
    "solver.scheme=characteristics",
]


def test_independent_draws_fluctuate_by_the_monte_carlo_value() -> None:
    """Over draws of theta^0 the mean of N E|f_N - f|^2 is K(rho_0): both sides are exact up to the draws."""
    tables = {"data": {"dims": [4, 8]}, "network": {}, "sgd": {"neurons": 60, "seed": 3}}
    configuration = parse(tables)
    problem = build_problem(configuration)
    law = problem.initial_law
    points = law.sample(20_000, 99)
    objective = problem.reduction.exact(Box(np.zeros(2), points.max(axis=0) + 0.5), 1e-9).objective
    names = problem.geometry.names
    weights = np.full(len(points), 1.0 / len(points))
    outputs = objective.outputs(points, weights)
    drawn = []
    for replica in range(300):
        network = build_sgd(configuration, replica)
        state = first_state(configuration, problem, network)
        kept = Fluctuations(objective, network.data, network.unit, names)
        risk = network_risk(network.data, network.unit, state.w, state.a, state.b)
        drawn.append(kept.scaled_variance(reduced_positions(network, state, names), risk, outputs))
    expected = kept.monte_carlo(points, weights)
    assert abs(np.mean(drawn) - expected) < 4.0 * np.std(drawn) / np.sqrt(len(drawn))
    assert np.std(drawn) / np.sqrt(len(drawn)) < 0.05 * expected


def test_second_moment_of_the_output_agrees_with_samples() -> None:
    """E f_N^2 out of R_N against 10^5 samples of x, at five standard errors."""
    configuration = parse({"data": {"dims": [3, 5]}, "network": {}, "sgd": {"neurons": 12}})
    problem, network = build_problem(configuration), build_sgd(configuration, 0)
    state = first_state(configuration, problem, network)
    positions = reduced_positions(network, state, problem.geometry.names)
    objective = problem.reduction.exact(Box(np.zeros(2), positions.max(axis=0) + 0.5), 1e-9).objective
    kept = Fluctuations(objective, network.data, network.unit, problem.geometry.names)
    risk = network_risk(network.data, network.unit, state.w, state.a, state.b)
    found = kept.scaled_variance(positions, risk, np.zeros(objective.features.rank)) / 12
    x = np.random.default_rng(11).standard_normal((100_000, 8)) * np.repeat(
        network.data.coordinate_scales, 50_000, axis=0
    )
    squared = network.unit(x @ state.w.T).mean(axis=1) ** 2
    assert abs(squared.mean() - found) < 5.0 * squared.std() / np.sqrt(len(squared))


def test_gaps_shrink_with_the_network_and_laws_agree() -> None:
    tables = {
        "data": {"dims": [4, 8]},
        "network": {},
        "time": {"end": 1.0, "save": 3},
        "solver": {"scheme": "characteristics"},
    }
    mean_gap = {}
    for neurons in (25, 400):
        options = {"neurons": neurons, "replicas": 6, "step_size": 1e-3}
        result = compare(parse({**tables, "sgd": options}), workers=1, coupled=False)
        assert result.status == "success"
        mean_gap[neurons] = result.sup_gap.mean()
    assert mean_gap[400] < 0.5 * mean_gap[25]
    assert len(result.laws) == 6
    assert all(law.kolmogorov < 0.1 and law.w2 < 0.02 for law in result.laws)


def test_the_command_writes_figures_and_one_object(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["compare", "anisotropic-relu", *(part for key in KEYS for part in ("--set", key)), "--no-coupled"]
    run, figures = tmp_path / "run.nc", tmp_path / "figures"
    assert main([*arguments, "--json", "--workers", "1", "-o", str(run), "--plot", str(figures)]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["status"] == "success"
    assert np.shape(content["risk_sgd"]) == np.shape(content["fluctuation"]) == (6, 3)
    gaps = np.abs(np.array(content["risk_sgd"]) - content["risk_pde"]).max(axis=1)
    assert np.allclose(gaps, content["sup_gap"], rtol=1e-12)
    assert content["time"] == [0.0, 0.5, 1.0]
    assert {path.name for path in figures.iterdir()} == {"compare_risk.png", "compare_law.png", "fluctuations.png"}
    assert run.exists()
    assert run.with_suffix(".pde.nc").exists()
