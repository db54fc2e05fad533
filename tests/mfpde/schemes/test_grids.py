"""Schemes on grids: errors that two grids share are seen by others, and what a grid smears is told and measured."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import experiment_of, load_configuration
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.problem.reduction.zonal.features import ZonalFeatures
from mfpde.schemes.grids import cell_counts, laid_out
from mfpde.schemes.guide import starting_guide
from mfpde.schemes.pair import make_pair
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.grid import graded_grid
from mfpde.studies.solve import solve

ALIKE = {
    "data": {"dims": [40, 100], "scales": [[1.9, 0.5], [1.0, 0.8]]},
    "network": {"activation": "sigmoid", "offsets": "fixed"},
    "initial": {"radius": {"uniform": [0.3, 1.1]}, "a": 2.5, "b": 0.7},
    "time": {"end": 2.0, "save": [0.0, 0.5, 2.0]},
}
QUIET = {
    "data": {"dims": [10], "scales": [[1.62, 1.52]]},
    "network": {
        "activation": {"knots": [-1.41, 1.51, 1.71], "values": [-0.38, -0.09, -2.61]},
        "offsets": "fixed",
    },
    "initial": {"kappa": 0.828, "a": -2.96, "b": 0.66},
    "dynamics": {"ridge": 0.181, "inverse_temperature": 945.1},
    "time": {"end": 0.77, "save": [0.0, 0.02435, 0.77]},
}
SMEARED = {
    "data": {"dims": [20]},
    "network": {"coefficients": "trained"},
    "time": {"end": 0.5, "save": [0.0, 0.1, 0.5]},
}


def told(tables: dict[str, Any], **solver: object) -> Experiment:
    return parse({**tables, "solver": solver})


@pytest.mark.long
def test_the_error_is_seen_where_two_grids_err_alike() -> None:
    """R(2) of 128 cells is off by 6.2e-6, that of 64 by 7.3e-6: their difference is 4 times too small."""
    result = solve(told(ALIKE, scheme="finite-volume"))
    error = abs(result.risk[-1] - 3.6357035347)
    assert 4e-6 < error < 3.0 * result.risk_error[-1]
    assert result.risk_error.max() < 30.0 * error


@pytest.mark.long
def test_the_error_of_coarse_steps_is_not_shared() -> None:
    """On 256 cells, as on half of them, the bound of a step is at its largest: it must be a coarser one there."""
    fine = solve(told(QUIET, scheme="finite-volume", cells=[1280]))
    coarse = solve(told(QUIET, scheme="jko", cells=[256]))
    error = np.abs(coarse.risk - fine.risk)
    assert error[1:].min() > 5e-5
    assert np.all(error < 3.0 * coarse.risk_error)
    assert np.all(fine.risk_error < 1e-4)
    for kind in ("jko", "finite-volume"):
        experiment = told(QUIET, scheme=kind, cells=[256])
        pair = make_pair(build_problem(experiment), experiment)
        beside = [pair.companion, *(scheme for scheme, _ in pair.further)]
        name = "tolerance" if kind == "jko" else "noisy_tolerance"
        bounds = [getattr(scheme.options, name) for scheme in (pair.main, *beside)]  # type: ignore[union-attr]
        np.testing.assert_allclose(bounds, bounds[0] * np.array([1.0, 4.0, 16.0]))


@pytest.mark.parametrize("cells", [2, 5, 8, 13, 31, 64])
def test_no_number_of_cells_is_held_against_itself(cells: int) -> None:
    """The runs beside have other numbers of cells, and see the error at the start, where it is known."""
    experiment = told(
        {"data": {"dims": [20]}, "network": {}, "time": {"end": 1e-3, "save": [0.0, 1e-3]}}, cells=[cells]
    )
    result = solve(experiment)
    exact = solve(replace(experiment, solver=replace(experiment.solver, scheme="characteristics", tolerance=1e-8)))
    error = np.abs(result.risk - exact.risk)
    assert np.all(error < 3.0 * result.risk_error)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"network": {"coefficients": "trained"}}, "a grid smears rho_0, which is a point (or nearly one) in a"),
        ({"network": {"offsets": "trained"}}, "a grid smears rho_0, which is a point (or nearly one) in b"),
        ({"network": {"coefficients": "trained"}, "initial": {"a": {"normal": [1.0, 1e-9]}}}, "in a"),
        ({"data": {"dims": "infinite", "fractions": [1.0]}}, "in r1"),
        (
            {
                "data": {"dims": "infinite", "fractions": [0.4, 0.6], "scales": [[1.8, 0.2], [1.0, 1.0]]},
                "initial": {"radius": {"uniform": [0.2, 1.0]}},
            },
            "which has no density in (r1, r2)",
        ),
        (
            {"data": {"dims": [20, 30]}, "network": {"coefficients": "trained", "offsets": "trained"}},
            "at most 3 reduced coordinates",
        ),
    ],
)
def test_characteristics_are_chosen_where_grids_smear(changed: dict[str, Any], words: str) -> None:
    experiment = parse({"data": {"dims": [20]}, "network": {}, **changed})
    assert experiment.solver.scheme == "characteristics"
    assert words in str(experiment.solver.choice)
    asked = parse({"data": {"dims": [20]}, "network": {}, **changed, "solver": {"scheme": "particles"}})
    assert asked.solver.choice is None


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"network": {"coefficients": "trained"}, "initial": {"a": {"normal": [1.0, 0.3]}}},
        {"network": {"offsets": "fixed"}, "initial": {"b": 0.3}},
        {"network": {"coefficients": "trained"}, "dynamics": {"inverse_temperature": 20.0, "ridge": 0.1}},
    ],
)
def test_finite_volumes_stay_the_choice_where_the_law_has_a_density_or_noise(changed: dict[str, Any]) -> None:
    experiment = parse({"data": {"dims": [20]}, "network": {}, **changed})
    assert (experiment.solver.scheme, experiment.solver.choice) == ("finite-volume", "")


@pytest.mark.long
def test_the_choice_is_told_and_made_anew_with_other_options() -> None:
    result = solve(parse(SMEARED), save=2)
    assert result.scheme == "characteristics"
    words = (
        "scheme characteristics, chosen from the problem: a grid smears rho_0, which is a point (or nearly one) in a"
    )
    assert result.notes == (words,)
    assert f"note: {words}" in result.table().splitlines()
    named = solve(parse(SMEARED), scheme="characteristics", save=2)
    assert named.notes == ()


@pytest.mark.long
def test_what_a_grid_smears_is_told_and_held_against_characteristics() -> None:
    """A grid asked for is taken: its error is the distance from characteristics, whatever the other grids say."""
    exact = solve(told(SMEARED, scheme="characteristics", tolerance=1e-8))
    result = solve(told(SMEARED, scheme="finite-volume", cells=[40]))
    assert result.notes == ("the grid smears rho_0, which is a point or narrower than a cell in a",)
    error = np.abs(result.risk - exact.risk)
    assert error.max() > 5e-5
    assert np.all(error < 1.01 * result.risk_error + 1e-6)
    assert result.risk_error.max() < 1.01 * error.max() + 1e-3


@pytest.mark.long
def test_the_free_energy_of_a_point_is_not_known_with_noise() -> None:
    """F(0) is infinite, and what a grid says of it is its width; later the law has forgotten it."""
    noise = {"dynamics": {"inverse_temperature": 20.0, "ridge": 0.1}}
    result = solve(told({**SMEARED, **noise, "time": {"end": 1.0, "save": 2}}, cells=[48]))
    assert result.free_energy_error[0] == math.inf
    assert np.isfinite(result.free_energy_error[1])
    assert result.to_json()["free_energy_error"][0] is None
    assert any("its free energy is not known" in note for note in result.notes)


def test_the_error_of_the_features_is_the_one_in_the_estimate() -> None:
    """What the file says of them is the floor of `risk_error`, not the largest error anywhere in a box."""
    experiment = experiment_of("bumps-good", end=0.1, save=2, scheme="finite-volume", cells=[64])
    pair = make_pair(build_problem(experiment), experiment)
    assert pair.attributes["feature_error"] == pair.error_floor


def test_features_on_a_grid_are_asked_for_at_its_cells_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of them cost more than the cells of three grids, and all the more where blocks are small."""
    asked = []
    evaluate = ZonalFeatures._evaluate

    def counted(features: ZonalFeatures, points: Array, gradients: bool) -> tuple[Array, Array]:
        asked.append((len(points), gradients))
        return evaluate(features, points, gradients)

    monkeypatch.setattr(ZonalFeatures, "_evaluate", counted)
    experiment = told(
        {"data": {"dims": [1, 2]}, "network": {}, "time": {"end": 0.5}},
        scheme="finite-volume",
        cells=64,
        tolerance=1e-3,
    )
    make_pair(build_problem(experiment), experiment)
    cells, laws, law = 64**2 + 32**2 + 16**2, 6 * 2000, 500
    # 2048 for the numerical rank, laws twice for what the features do to R, one with gradients
    assert sum(count for count, _ in asked) <= cells + 2048 + 2 * (laws + law)
    assert sum(count for count, gradients in asked if gradients) <= 2 * law


def test_signs_have_two_cells_whatever_is_asked_for() -> None:
    """As many of a sign as of a circle, 4096 then, were 98 GiB of features that no grid has."""
    problem = build_problem(load_configuration("relu-teacher-arc"))
    counts = cell_counts(problem, None)
    shape = graded_grid(starting_guide(problem), problem.geometry, counts).shape
    assert laid_out(problem, counts) == shape == (512, 2)
