"""Births under noise widen a law beyond what noise does: grids follow it, or say that floating point does not.

A unit of no size leaves a Gaussian law, ds/dt = 1/beta - 2 lambda s + alpha s (1 / (2 beta) - lambda s) for its
variance s, the first two terms with transport only.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import experiment_of
from mfpde.problem.problem import build_problem
from mfpde.results.answers.solve import SolveResult
from mfpde.schemes.grids import past_the_ends, starting_masses
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.grid import Grid, grid_from_edges
from mfpde.studies.solve import solve

RIDGE = 0.5


def exact_energy(dim: int, kappa: float, beta: float, rate: float, transport: bool, times: Array) -> Array:
    def slope(_: float, s: Array) -> Array:
        moved = 1.0 / beta - 2.0 * RIDGE * s if transport else 0.0 * s
        return np.asarray(moved + rate * s * (0.5 / beta - RIDGE * s))

    s = solve_ivp(slope, (0.0, times[-1]), [kappa**2 / dim], t_eval=times, rtol=1e-11, atol=1e-14).y[0]
    return np.asarray(1.0 + RIDGE * dim * s - 0.5 * dim * np.log(2.0 * np.pi * np.e * s) / beta)


def run(dim: int, kappa: float, beta: float, rate: float, flow: str, end: float, scheme: str) -> SolveResult:
    tables = {
        "data": {"dims": [dim]},
        "network": {"activation": {"knots": [0.0, 1.0], "values": [0.0, 1e-12]}},
        "initial": {"kappa": kappa},
        "dynamics": {"flow": flow, "fisher_rao_rate": rate, "ridge": RIDGE, "inverse_temperature": beta},
        "time": {"end": end, "save": [0.0, 0.1 * end, 0.5 * end, end]},
        "solver": {"scheme": scheme, "cells": [256 if scheme == "finite-volume" else 128]},
    }
    return solve(parse(tables))


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["finite-volume", "jko"])
@pytest.mark.parametrize("flow", ["fisher-rao", "wasserstein-fisher-rao"])
def test_grids_reach_as_far_as_births_under_noise(flow: str, scheme: str) -> None:
    """From .045 to .6 in standard deviation within a tenth of the time that noise takes: off by .04 on noise's box."""
    case = (2, 0.25, 1.0, 1000.0)
    result = run(*case, flow, 0.05, scheme)
    exact = exact_energy(*case, flow != "fisher-rao", result.time)
    assert result.status == "success", result.message
    assert np.all(np.abs(result.free_energy - exact) <= 3.0 * result.free_energy_error)
    assert np.abs(result.free_energy - exact)[-1] < 5e-3


@pytest.mark.parametrize("scheme", ["finite-volume", "jko"])
def test_births_beyond_what_floating_point_holds_are_refused(scheme: str) -> None:
    """The law was cut off at two deviations, with an error of 3.3 beside an estimate of .06."""
    result = run(2, 0.01, 1.0, 100.0, "fisher-rao", 0.5, scheme)
    assert result.status == "failed"
    assert "of the law lies beyond the grid along r1" in result.message
    assert result.message.endswith("end earlier, or lower the rate of birth and death")


def test_tails_past_the_ends_of_a_grid_count() -> None:
    """Grids beside end where it does: R of rho_0 without its tails from 3 deviations on was off and said 1e-14."""
    problem = build_problem(experiment_of("single-index-relu"))
    reduced = problem.represent("compressed", problem.geometry.cut(Box(np.full(2, -9.0), np.full(2, 9.0))), 1e-9)
    mean, deviation = problem.initial_law.moments

    def grid(reach: float) -> Grid:
        ends = [(m - reach * s, m + reach * s) for m, s in zip(mean, deviation, strict=True)]
        return grid_from_edges([np.linspace(*end, round(80 * reach)) for end in ends], (False, False))

    def risk(grid: Grid) -> float:
        masses = starting_masses(problem, grid).ravel()
        return reduced.objective.risk(reduced.objective.outputs(grid.points, masses))

    def told_by(grid: Grid, most: float) -> float:
        return past_the_ends(problem, reduced, grid, starting_masses(problem, grid), most)

    error = abs(risk(grid(3.0)) - risk(grid(6.0)))
    told = told_by(grid(3.0), 0.0)
    assert 1e-6 < error < told < 100.0 * error
    assert told_by(grid(6.0), 1e-7) == 0.0
