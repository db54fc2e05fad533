"""The reported `risk_error` bounds the true error, up to a factor of three, in both schemes and when forced coarse."""

from __future__ import annotations

import numpy as np
import pytest

from mfpde.configuration import parse
from mfpde.sources import load_configuration
from mfpde.studies.solve import solve
from tests.reference import case

CASE = case("anisotropic_T_D0.8_k0.8")
COARSE = [
    ("characteristics", "solver.atoms=4"),
    ("characteristics", "solver.atoms=8"),
    ("characteristics", "solver.atoms=16"),
    ("characteristics", "solver.tolerance=1e-3"),
    ("finite-volume", "solver.cells=48"),
    ("finite-volume", "solver.cells=96"),
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
