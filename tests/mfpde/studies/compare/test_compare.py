"""The equation beside SGD: fluctuations against their exact value, distances of laws, the command's output."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, stats

from mfpde.commands.driver import EXIT_CODES
from mfpde.commands.main import main
from mfpde.configuration.parsing import parse
from mfpde.problem.problem import build_problem
from mfpde.results.answers.compare import CompareResult
from mfpde.results.figures.style import drawing
from mfpde.results.reading import load
from mfpde.solvers.sgd.samplers import GaussianClasses
from mfpde.solvers.space.box import Box
from mfpde.studies.compare import coupled as coupled_study
from mfpde.studies.compare.compare import GRID_NOTE, compare
from mfpde.studies.compare.fluctuations import Fluctuations
from mfpde.studies.sgd.networks import build_sgd, first_state, population_of, reduced_positions

KEYS = [
    "data.dims=12",
    "sgd.neurons=100",
    "sgd.step_size=2e-3",
    "sgd.replicas=6",
    "time.end=1.0",
    "time.save=3",
    "solver.scheme=characteristics",
]


@pytest.mark.long
def test_independent_draws_fluctuate_by_the_monte_carlo_value() -> None:
    """Over draws of theta^0 the mean of N E|f_N - f|^2 is K(rho_0): both sides are exact up to the draws."""
    tables = {"data": {"dims": [12]}, "network": {}, "sgd": {"neurons": 60, "seed": 3}}
    configuration = parse(tables)
    problem = build_problem(configuration)
    law = problem.initial_law
    points = law.sample(20_000, 99)
    objective = problem.represent("exact", Box(np.zeros(1), points.max(axis=0) + 0.5), 1e-9).objective
    weights = np.full(len(points), 1.0 / len(points))
    outputs = objective.outputs(points, weights)
    drawn = []
    for replica in range(300):
        network = build_sgd(configuration, replica)
        state = first_state(configuration, problem, network)
        population = population_of(problem, network, state.neurons)
        kept = Fluctuations(objective, population, problem.unit)
        risk = population.risk(state.w, state.a, state.b)
        drawn.append(kept.scaled_variance(reduced_positions(network, state, problem.unit), risk, outputs))
    expected = kept.monte_carlo(points, weights)
    assert abs(np.mean(drawn) - expected) < 4.0 * np.std(drawn) / np.sqrt(len(drawn))
    assert np.std(drawn) / np.sqrt(len(drawn)) < 0.05 * expected


def test_second_moment_of_the_output_agrees_with_samples() -> None:
    """E f_N^2 out of R_N against 10^5 samples of x, at five standard errors."""
    configuration = parse({"data": {"dims": [3, 5]}, "network": {}, "sgd": {"neurons": 12}})
    problem, network = build_problem(configuration), build_sgd(configuration, 0)
    state = first_state(configuration, problem, network)
    positions = reduced_positions(network, state, problem.unit)
    objective = problem.represent("exact", Box(np.zeros(2), positions.max(axis=0) + 0.5), 1e-9).objective
    population = population_of(problem, network, state.neurons)
    kept = Fluctuations(objective, population, problem.unit)
    risk = population.risk(state.w, state.a, state.b)
    found = kept.scaled_variance(positions, risk, np.zeros(objective.features.rank)) / 12
    assert isinstance(network.data, GaussianClasses)
    scales = network.data.coordinate_scales
    x = np.random.default_rng(11).standard_normal((100_000, 8)) * np.repeat(scales, 50_000, axis=0)
    squared = network.unit(x @ state.w.T).mean(axis=1) ** 2
    assert abs(squared.mean() - found) < 5.0 * squared.std() / np.sqrt(len(squared))


@pytest.mark.long
def test_gaps_shrink_with_the_network_and_laws_agree() -> None:
    tables = {
        "data": {"dims": [12]},
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
    assert len(result.laws) == 3
    assert all(law.kolmogorov < 0.1 and law.w2 < 0.02 for law in result.laws)


@pytest.mark.parametrize(
    ("network", "initial"), [({"coefficients": "trained"}, {"a": 0.7}), ({"offsets": "trained"}, {"b": -0.3})]
)
def test_a_head_that_starts_at_a_constant_is_at_distance_zero(
    network: dict[str, str], initial: dict[str, float]
) -> None:
    """a = .7, or b = -.3, for all neurons and in rho_0: .5 where a jump of F is taken in its middle."""
    tables = {
        "data": {"dims": [6]},
        "network": network,
        "initial": initial,
        "time": {"end": 0.01, "save": 2},
        "solver": {"scheme": "characteristics", "tolerance": 1e-2, "atoms": 8},
        "sgd": {"neurons": 50, "replicas": 2, "step_size": 1e-2},
    }
    result = compare(parse(tables), workers=1, coupled=False)
    first = {law.name: law for law in result.laws if law.time == 0.0}
    (name,) = initial
    assert (first[name].kolmogorov, first[name].w2) == (0.0, 0.0)
    assert (first[name].kolmogorov_error, first[name].w2_error) == (0.0, 0.0)
    assert 0.0 < first["r1"].kolmogorov < 0.5
    # the statistics: risk, then mean and deviation of r1 and of the head; SGD's mean first, the equation's last
    with drawing():
        panels = result.figures()["compare_statistics"]().axes
    assert [axes.get_ylabel() for axes in panels] == ["risk", "$r_{1}$", f"${name}$"]
    for axis, axes in enumerate(panels[1:]):
        assert_allclose(
            np.asarray(axes.lines[0].get_ydata()), result.sgd.position[..., axis].mean(axis=(0, 2)), rtol=1e-14
        )
        mean, deviation = result.pde.mean[:, axis], np.sqrt(result.pde.variance[:, axis])
        for line, expected in zip(axes.lines[1:], (mean - deviation, mean + deviation, mean), strict=True):
            assert_allclose(np.asarray(line.get_ydata()), expected, rtol=1e-14)
        assert result.pde.mean_error is not None
        error, band = result.pde.mean_error[:, axis], axes.collections[-1].get_paths()[0].get_extents()
        assert_allclose([band.y0, band.y1], [(mean - error).min(), (mean + error).max()], rtol=1e-14)
    # the flow of actual neurons is not the equation's
    actual = replace(result, pde=replace(result.pde, attributes={**result.pde.attributes, "neurons": "actual"}))
    assert [each.table().split()[2] for each in (result, actual)] == ["PDE", "flow"]
    with drawing():
        shown = [each.figures()["compare_risk"]().axes[0].lines[-1].get_label() for each in (result, actual)]
    assert shown == ["PDE", "flow"]
    # a law on atoms: distribution functions, here steps at the constant, in the last row at t = 0
    with drawing():
        neurons, law = result.figures()["compare_law"]().axes[2].lines
    for line in (neurons, law):
        x, level = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        assert_allclose(np.diff(level) @ x[1:], initial[name], rtol=1e-12)
    # the spread of two replicas, of which one alone has none
    one = replace(result.sgd, risk=result.sgd.risk[:1], position=result.sgd.position[:1])
    spread = np.abs(np.diff(result.sgd.risk[:, 0]))[0] / np.sqrt(2.0)
    assert f"{spread:.1e}" in result.table().splitlines()[1].split()
    alone = replace(result, sgd=one, fluctuation=result.fluctuation[:1])
    assert [answer.table().splitlines()[1].split()[place] for answer, place in ((alone, 3), (one, 2))] == ["-", "-"]


@pytest.mark.long
def test_the_neurons_of_a_committee_are_as_far_from_its_law_as_its_marginals_say() -> None:
    """Normal coordinates and a radius of chi law at t = 0: eight Gauss nodes of each were off by .1."""
    tables = {
        "data": {"law": "multi-index", "dim": 6, "weights": [0.5, -0.5], "target": "erf"},
        "network": {"activation": "erf"},
        "initial": {"kappa": 0.7},
        "time": {"end": 0.01, "save": 2},
        "solver": {"scheme": "characteristics", "tolerance": 1e-2},
        "sgd": {"neurons": 3, "replicas": 2, "step_size": 1e-2},
    }
    result = compare(parse(tables), workers=1, coupled=False)
    scale = 0.7 / np.sqrt(6.0)
    fine = (np.arange(400_000) + 0.5) / 400_000
    assert result.sgd.names == ("w1", "w2", "w_perp")
    for axis, told in enumerate(result.laws[:3]):
        places = np.sort(result.sgd.position[:, 0, :, axis].ravel())
        law = stats.chi(4, scale=scale) if told.name == "w_perp" else stats.norm(0.0, scale)
        exact = stats.kstest(places, law.cdf).statistic
        assert abs(told.kolmogorov - exact) <= told.kolmogorov_error < 0.003
        far = float(np.sqrt(np.mean((places[(fine * len(places)).astype(int)] - law.ppf(fine)) ** 2)))
        assert abs(told.w2 - far) <= told.w2_error < 0.02
    assert all(0.0 < told.kolmogorov_error < 0.02 for told in result.laws)


def test_a_grid_does_not_tell_the_distance_of_an_atom_that_it_smears() -> None:
    tables = {
        "data": {"dims": [6]},
        "network": {"coefficients": "trained"},
        "time": {"end": 0.01, "save": 2},
        "solver": {"scheme": "finite-volume", "tolerance": 1e-2, "cells": [32, 32]},
        "sgd": {"neurons": 50, "step_size": 1e-2},
    }
    result = compare(parse(tables), workers=1, coupled=False)
    told = {law.name: law.kolmogorov for law in result.laws if law.time == 0.0}
    assert np.isnan(told["a"])
    assert 0.0 < told["r1"] < 0.3
    assert GRID_NOTE in result.table()
    assert next(law["kolmogorov"] for law in result.to_json()["laws"] if law["name"] == "a") is None


@pytest.mark.long
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
    names = ("compare_risk", "compare_statistics", "compare_law", "fluctuations")
    assert {path.name for path in figures.iterdir()} == {name + end for name in names for end in (".png", ".pdf")}
    assert run.exists()
    assert run.with_suffix(".pde.nc").exists()


def test_the_monte_carlo_value_is_exact_at_kinks() -> None:
    """K of one atom: E sigma(r x_1)^2 by quadrature split at the kinks, less E f^2 from R = 1 - 2 E y f + E f^2."""
    knots, values, radius, delta = [0.5, 1.5], [-2.5, 7.5], 1.3, 0.6
    tables = {"data": {"dims": [40], "delta": delta}, "network": {"activation": {"knots": knots, "values": values}}}
    configuration = parse(tables)
    problem, network = build_problem(configuration), build_sgd(configuration, 0)
    objective = problem.represent("exact", Box(np.zeros(1), np.full(1, 3.0)), 1e-13).objective
    population = population_of(problem, network, 1)
    kept = Fluctuations(objective, population, problem.unit)
    place = np.array([[radius]])
    second = 0.0
    for scale in (1.0 + delta, 1.0 - delta):
        tau = scale * radius
        kinks = [-12.0, *(k / tau for k in knots), 12.0]
        for low, high in itertools.pairwise(kinks):

            def square(g: float, tau: float = tau) -> float:
                return float(np.interp(tau * g, knots, values) ** 2 * stats.norm.pdf(g))

            second += 0.5 * integrate.quad(square, low, high, epsabs=1e-13, epsrel=1e-13)[0]
    outputs = objective.outputs(place, np.ones(1))
    mean_square = objective.risk(outputs) - 1.0 - 2.0 * float(objective.loss_gradient(np.zeros_like(outputs)) @ outputs)
    assert kept.monte_carlo(place, np.ones(1)) == pytest.approx(second - mean_square, rel=1e-11)


K_RUN = {
    "data": {"dims": [20]},
    "network": {"activation": {"knots": [0.5, 1.5], "values": [-2.5, 7.5]}},
    "initial": {"radius": {"uniform": [0.4, 1.4]}},
    "time": {"end": 0.02, "save": 2},
    "sgd": {"neurons": 20, "step_size": 1e-2},
}


@pytest.mark.parametrize(
    "solver",
    [
        {"scheme": "characteristics", "tolerance": 1e-2, "atoms": 2},
        {"scheme": "finite-volume", "tolerance": 1e-2, "cells": [24]},
        {"scheme": "particles", "tolerance": 1e-2, "atoms": 64},
    ],
    ids=lambda solver: solver["scheme"],
)
def test_the_monte_carlo_value_of_a_coarse_law_has_its_error(solver: dict[str, object]) -> None:
    """K(rho_0) by Gauss's rule over the radii; particles keep to three errors but for a chance of 2e-4."""
    configuration = parse({**K_RUN, "solver": solver})
    result = compare(configuration, workers=1, coupled=False)
    problem = build_problem(configuration)
    objective = problem.represent("exact", Box(np.zeros(1), np.full(1, 2.0)), 1e-11).objective
    kept = Fluctuations(objective, population_of(problem, build_sgd(configuration, 0), 1), problem.unit)
    nodes, weights = np.polynomial.legendre.leggauss(80)
    exact = kept.monte_carlo(0.9 + 0.5 * nodes[:, None], 0.5 * weights)
    off = abs(result.monte_carlo[0] - exact)
    assert 1e-6 * exact < off <= 3.0 * result.monte_carlo_error[0] < exact
    assert result.to_json()["monte_carlo_error"] == result.monte_carlo_error.tolist()


def test_the_state_of_inner_products_is_compared_without_the_coupled_dynamics(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sets = ["data.dims=200", "sgd.neurons=20", "sgd.step_size=0.005", "time.end=0.5", "time.save=2", "sgd.state=gram"]
    arguments = ["compare", "isotropic-gaussians", *(part for key in sets for part in ("--set", key)), "--workers", "1"]
    assert main([*arguments, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["gaps"] is None
    assert any('left out (sgd.state): the weights of state = "gram"' in note for note in content["notes"])
    # N E|f_N - f|^2 of independent neurons is K(rho_0) in the mean; one replica scatters by about itself
    ratio = content["fluctuation"][0][0] / content["monte_carlo"][0]
    assert 0.1 < ratio < 10.0


@pytest.mark.long
def test_with_noise_the_coupled_dynamics_are_left_out_with_a_note() -> None:
    """What is defined is compared: risks, laws, fluctuations."""
    tables = {
        "data": {"dims": [6]},
        "network": {},
        "dynamics": {"inverse_temperature": 50.0, "ridge": 0.1},
        "time": {"end": 0.02, "save": 2},
        "solver": {"tolerance": 1e-2, "cells": [32]},
        "sgd": {"neurons": 10, "step_size": 1e-2},
    }
    result = compare(parse(tables), workers=1)
    assert (result.status, result.coupled) == ("success", None)
    assert np.isfinite(result.sup_gap).all()
    assert "note: coupled dynamics left out (dynamics.inverse_temperature): the coupled dynamics are" in result.table()
    assert not any("left out" in note for note in compare(parse(tables), workers=1, coupled=False).notes)


CHAIN = {
    "data": {"dims": [20]},
    "network": {},
    "time": {"end": 0.4, "save": [0.0, 0.1, 0.2, 0.4]},
    "solver": {"scheme": "characteristics", "tolerance": 1e-2, "atoms": 16},
    "sgd": {"neurons": 20, "step_size": 1e-2},
}


def stopping(error: BaseException, at: str) -> Callable[[str, float], None]:
    """Progress that raises an error at the first line that begins with `at`."""

    def say(text: str, fraction: float) -> None:
        if text.startswith(at):
            raise error

    return say


@pytest.fixture(scope="module")
def whole() -> CompareResult:
    return compare(parse(CHAIN), workers=1)


@pytest.mark.parametrize(
    ("error", "status", "code"), [(KeyboardInterrupt(), "interrupted", 130), (ArithmeticError("split"), "failed", 3)]
)
@pytest.mark.parametrize(("at", "reached"), [("coupled dynamics, t = 0.2", 3), ("coupled dynamics: equation", 0)])
def test_what_ends_the_coupled_dynamics_ends_the_comparison(
    error: BaseException, status: str, code: int, at: str, reached: int, tmp_path: Path, whole: CompareResult
) -> None:
    """The whole is not called success, keeps its own times, and says up to when the gaps are known."""
    path = tmp_path / "run.nc"
    result = compare(parse(CHAIN), path, workers=1, progress=stopping(error, at))
    assert (whole.status, result.status, EXIT_CODES[result.status]) == ("success", status, code)
    content = result.to_json()
    assert (content["status"], content["time"]) == (status, [0.0, 0.1, 0.2, 0.4])
    assert content["time"] == whole.to_json()["time"]
    assert content["risk_sgd"] == whole.to_json()["risk_sgd"]
    assert (content["coupled"]["status"], content["coupled"]["time"]) == (status, [0.0, 0.1, 0.2][:reached])
    assert (content["gaps"] is None) == (reached == 0)
    assert result.message.startswith(f"coupled dynamics: {status} ")
    assert any(status in note for note in content["notes"])
    assert "R_N mean" in result.table()
    assert load(path).status == status


@pytest.mark.long
def test_coupled_dynamics_that_were_interrupted_are_made_again(tmp_path: Path, whole: CompareResult) -> None:
    path = tmp_path / "run.nc"
    compare(parse(CHAIN), path, workers=1, progress=stopping(KeyboardInterrupt(), "coupled dynamics, t = 0.2"))
    again = compare(parse(CHAIN), path, workers=1, resume=True)
    assert again.status == "success"
    assert again.to_json()["gaps"] == whole.to_json()["gaps"]


def test_an_interrupted_equation_has_no_gap() -> None:
    """R(0) alone is known: it is not what R_N of later times is held against."""
    result = compare(parse(CHAIN), workers=1, coupled=False, progress=stopping(KeyboardInterrupt(), "t = "))
    assert result.status == result.to_json()["status"] == "interrupted"
    assert result.to_json()["sup_gap"] == [None]


def test_what_is_to_be_known_of_gradient_descent_is_told(monkeypatch: pytest.MonkeyPatch, whole: CompareResult) -> None:
    """Steps made longer say so in the notes of the whole, and in its table."""
    assert (whole.to_json()["stride"], any("gradient descent" in note for note in whole.notes)) == (1, False)
    monkeypatch.setattr(coupled_study, "FEWEST_STEPS", 20)
    monkeypatch.setattr(coupled_study.coupled, "__kwdefaults__", {"stride": None, "budget": 1.0})
    result = compare(parse({**CHAIN, "sgd": {"neurons": 20, "step_size": 4e-3}}), workers=1)
    assert result.to_json()["stride"] == 5
    assert any("steps 5 times as long" in note for note in result.to_json()["notes"])
    assert "note: gradient descent was found from steps 5 times as long" in result.table()


def test_the_distance_from_a_law_is_quadratic_in_its_outputs() -> None:
    """f twice the symmetrised f_N is as far from f_N as f = 0, and the law of the network itself by E |f|^2 nearer."""
    problem = build_problem(parse({"data": {"dims": [10]}, "network": {}}))
    objective = problem.represent("exact", Box(np.zeros(1), np.full(1, 3.0)), 1e-8).objective
    network = np.array([[0.4], [1.1], [2.0]])
    own, kept = objective.features.values(network).mean(axis=0), Fluctuations(objective, None, problem.unit)  # type: ignore[arg-type]
    risk = objective.risk(own) + 0.05
    far, near, zero = (kept.scaled_variance(network, risk, share * own) for share in (2.0, 1.0, 0.0))
    assert far == pytest.approx(zero, rel=1e-12)
    assert near == pytest.approx(3.0 * 0.05, rel=1e-9)
    assert zero - near == pytest.approx(3.0 * float(objective.loss.metric @ own**2), rel=1e-9)
