"""The reported `risk_error` bounds the true error, up to a factor of three, in both schemes and when forced coarse."""

from __future__ import annotations

import pytest

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
