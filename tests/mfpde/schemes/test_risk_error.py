"""The reported `risk_error` bounds the true error, up to a factor of three, in both schemes and when forced coarse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss
from scipy import stats

from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import load_configuration
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.studies.solve import solve
from tests.reference import case

CASE = case("anisotropic_T_D0.8_k0.8")
COARSE = [
    ("characteristics", "solver.atoms=4"),
    ("characteristics", "solver.atoms=16"),
    ("characteristics", "solver.tolerance=1e-3"),
    ("finite-volume", "solver.cells=48"),
]


@pytest.mark.parametrize(("scheme", "choice"), COARSE)
def test_the_true_error_is_below_three_times_the_estimate(scheme: str, choice: str) -> None:
    expected = {row["t"]: row["R"][0] for row in CASE["rows"] if row["t"] <= 3.0}
    settings = [f"solver.scheme={scheme}", choice, "time.end=3.0", f"time.save={list(expected)}"]
    result = solve(load_configuration("anisotropic-relu", settings))
    for time, risk, estimate in zip(result.time, result.risk, result.risk_error, strict=True):
        assert abs(risk - expected[float(time)]) <= 3.0 * estimate
    # an estimate that is large everywhere would hold too
    assert result.risk_error.max() < 0.1


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["finite-volume", "jko"])
def test_the_estimate_of_the_free_energy_bounds_its_error_with_noise(scheme: str) -> None:
    """A unit of no size leaves the Ornstein-Uhlenbeck process: w stays Gaussian, with its variance known."""
    ridge, beta, kappa, dims = 0.5, 20.0, 0.8, (6, 10)
    tables = {
        "data": {"dims": list(dims), "delta": 0.5},
        "network": {"activation": {"knots": [0.0, 1.0], "values": [0.0, 1e-9]}},
        "initial": {"kappa": kappa},
        "dynamics": {"ridge": ridge, "inverse_temperature": beta},
        "time": {"end": 2.0, "save": 5},
        "solver": {"scheme": scheme, "cells": [48]},
    }
    result = solve(parse(tables))
    d = sum(dims)
    final = 1.0 / (2.0 * ridge * beta)
    variance = final + (kappa**2 / d - final) * np.exp(-2.0 * ridge * result.time)
    entropy = -0.5 * d * np.log(2.0 * np.pi * np.e * variance)
    exact = 1.0 + ridge * d * variance + entropy / beta
    errors = np.abs(result.free_energy - exact)
    assert np.all(errors < 3.0 * result.free_energy_error)
    assert result.free_energy_error.max() < 30.0 * errors.max()
    assert result.risk_error.max() < 1e-8 < errors.max()


SMALL = [
    (3, (0.5, 1.5), (-2.5, 7.5), 0.6, 0.8),
    (1, (0.0, 0.5, 1.5), (-2.5, -4.0, 7.5), 0.5, 0.9),
    (2, (0.0, 0.5, 1.5), (-2.5, -4.0, 7.5), 0.5, 0.9),
]
TOLERANCES = {"characteristics": 1e-9, "jko": 1e-6}


def risk_at_start(unit: PiecewiseLinear, dimension: int, delta: float, kappa: float) -> float:
    """R(rho_0), w ~ N(0, kappa^2 Id / p): there the network is q(kappa |x| / p^(1/2), 0), smooth in |x|."""
    node, weight = leggauss(40)
    ends = np.linspace(0.0, 12.0, 61)
    half = 0.5 * np.diff(ends)[:, None]
    radius = (ends[:-1, None] + half * (node + 1.0)).ravel()
    mass = (half * weight).ravel() * stats.chi.pdf(radius, dimension)
    risk = 0.0
    for scale, label in ((1.0 + delta, 1.0), (1.0 - delta, -1.0)):
        network = unit.mean(kappa * scale * radius / np.sqrt(dimension), np.zeros_like(radius)).value
        risk += 0.5 * float(mass @ (label - network) ** 2)
    return risk


@pytest.mark.long
@pytest.mark.parametrize(
    ("scheme", "dimension", "knots", "values", "delta", "kappa"),
    # what movements begin with is made by the same means: one problem shows it
    [("characteristics", *problem) for problem in SMALL] + [("jko", *SMALL[1])],
)
def test_the_first_risk_of_small_blocks_is_as_exact_as_stated(
    scheme: str, dimension: int, knots: tuple[float, ...], values: tuple[float, ...], delta: float, kappa: float
) -> None:
    tolerance = TOLERANCES[scheme]
    settings = [
        "data.law=gaussian-mixture",
        f"data.dims=[{dimension}]",
        f"data.delta={delta}",
        f"network.activation={{knots={list(knots)}, values={list(values)}}}",
        f"initial.kappa={kappa}",
        f"solver.scheme={scheme}",
        f"solver.tolerance={tolerance}",
        "time.end=0.001",
        "time.save=[0.0, 0.001]",
    ]
    result = solve(load_configuration("isotropic-gaussians", settings))
    unit = PiecewiseLinear.through(np.array(knots), np.array(values))
    error = abs(result.risk[0] - risk_at_start(unit, dimension, delta, kappa))
    assert error <= 3.0 * result.risk_error[0]
    assert error <= tolerance


@pytest.mark.long
def test_the_error_of_the_dissipation_counts_what_the_features_leave() -> None:
    """Nothing that runs on the same features shows it: off by 3e-8 where 2e-9 was stated."""
    tables = {
        "data": {"dims": [40], "scales": [[1.47, 0.93]]},
        "network": {"activation": {"knots": [-0.5, 0.3, 1.2], "values": [0.2, -1.1, 0.9]}, "offsets": "fixed"},
        "initial": {"kappa": 0.84, "b": {"uniform": [-0.59, -0.07]}},
        "dynamics": {"ridge": 0.12},
        "time": {"end": 1e-3, "save": [0.0]},
    }
    exact, found = (
        solve(parse({**tables, "solver": {"scheme": "characteristics", "tolerance": tolerance}}))
        for tolerance in (1e-7, 1e-5)
    )
    error = abs(found.dissipation - exact.dissipation)
    assert np.all(error > 1e-9)
    assert np.all(error <= 3.0 * found.dissipation_error)


@pytest.mark.parametrize("scheme", ["characteristics", "jko"])
def test_the_error_of_the_dissipation_counts_steps_that_the_companion_shares(scheme: str, tmp_path: Path) -> None:
    """Given atoms have no labels, and between these save times both runs step alike: D was off by fourteen bars."""
    start = tmp_path / "start.csv"
    start.write_text("w1,a,weight\n0.4,0.6,.2\n-0.4,0.2,.2\n0.8,0.7,.2\n-1.0,1.2,.2\n-1.1,0.0,.2")
    tables = {
        "data": {
            "law": "dataset",
            "points": [[0.0], [1.3], [-1.0], [-0.7], [0.02], [-0.5], [-1.2]],
            "values": [0.0, 0.8, 0.9, -0.2, 1.1, -0.4, 0.8],
        },
        "network": {"activation": "sigmoid", "coefficients": "trained"},
        "initial": {"points": str(start)},
        "time": {"end": 6.3, "save": [0.0, 0.4, 1.9, 6.3]},
    }
    exact = solve(parse({**tables, "solver": {"scheme": "characteristics", "tolerance": 1e-10}}))
    found = solve(parse({**tables, "solver": {"scheme": scheme}}))
    errors = np.abs(found.dissipation - exact.dissipation)
    assert np.all(errors <= 3.0 * found.dissipation_error)
