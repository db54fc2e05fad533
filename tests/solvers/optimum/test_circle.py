"""Signed measures on the circle: the optimum against its reference, closed forms and a fine grid of angles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize

from mfpde.problem.reduction.circle.arcs import TwoSlopes
from mfpde.problem.reduction.circle.optimum import ArcProfile
from mfpde.results.answers.signed import SignedOptimum
from mfpde.solvers.arrays import Array
from mfpde.solvers.optimum.circle import CircleLaw, CircleProblem
from mfpde.studies.optimum.optimum import optimum

ENTRIES = json.loads((Path(__file__).parents[2] / "reference_circle.json").read_text())
(OPTIMUM,) = (entry["values"] for entry in ENTRIES if entry["id"] == "B.ridge_optimum")
RELU = ArcProfile(TwoSlopes(1.0, 0.0))


def test_the_ridge_optimum_of_five_teachers_is_that_of_the_reference() -> None:
    """R, TV, F, angles and weights of six atoms to 1e-11; |h| <= lambda (1 + 1e-11) on the whole circle, proven."""
    found = optimum("relu-teacher-spread", overrides=[f"dynamics.ridge={OPTIMUM['lam']}"])
    assert isinstance(found, SignedOptimum)
    assert found.risk == pytest.approx(OPTIMUM["R"], abs=1e-14)
    assert found.free_energy == pytest.approx(OPTIMUM["F"], abs=1e-14)
    assert 0.0 <= found.free_energy - found.lower_bound < 1e-12
    order = np.argsort(OPTIMUM["angles"])
    assert_allclose(found.positions[:, 0], np.array(OPTIMUM["angles"])[order], atol=1e-10)
    assert_allclose(found.weights * found.positions[:, 1], np.array(OPTIMUM["weights"])[order], atol=1e-10)
    assert found.weights.sum() == pytest.approx(OPTIMUM["TV"], abs=1e-12)
    assert found.certificate < 1.0 + 1e-11
    assert found.residual < 1e-12
    assert found.certified


@pytest.mark.parametrize("slopes", [(1.0, 0.0), (1.0, 0.5), (0.3, 1.0)])
@pytest.mark.parametrize("price", [0.2, 0.05, 0.01])
def test_no_measure_on_a_grid_is_better_and_the_bound_is_near(slopes: tuple[float, float], price: float) -> None:
    """A descent over masses on 400 angles of either sign, by another library: its F is above, and near."""
    profile = ArcProfile(TwoSlopes(*slopes))
    law = CircleLaw(profile, np.array([0.4, 1.9, 4.0]), np.array([1.0, -0.7, 0.6]))
    found = CircleProblem(law, price).solved()
    assert 0.0 <= found.free_energy - found.lower_bound <= 1e-10 * found.free_energy
    grid = 2.0 * np.pi * np.arange(400) / 400
    gram = profile.jets(grid[:, None] - grid)[0]
    pull = profile.jets(grid[:, None] - law.angles)[0] @ law.weights
    second = float(law.weights @ profile.jets(law.angles[:, None] - law.angles)[0] @ law.weights)

    def value(masses: Array) -> tuple[float, Array]:
        signed = masses[:400] - masses[400:]
        slope = 2.0 * (gram @ signed - pull)
        energy = second + float(signed @ (gram @ signed - 2.0 * pull)) + 2.0 * price * float(masses.sum())
        return energy, np.concatenate([slope, -slope]) + 2.0 * price

    best = optimize.minimize(
        value, np.zeros(800), jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * 800, options={"maxiter": 5000}
    )
    assert found.lower_bound <= best.fun
    assert found.free_energy == pytest.approx(best.fun, rel=2e-2)


def test_one_teacher_keeps_its_place_and_loses_what_the_price_takes() -> None:
    """k(0) = 1/4: c (1/4) = (1/4) b - lambda, F = E y^2 - c^2 / 4; at lambda > max |h(0)| nothing is left."""
    law = CircleLaw(RELU, np.array([2.0]), np.array([0.8]))
    found = CircleProblem(law, 0.05).solved()
    assert_allclose(found.angles, 2.0, atol=1e-9)
    assert_allclose(found.masses, 0.8 - 0.2, rtol=1e-12)
    assert found.free_energy == pytest.approx(0.25 * (0.64 - 0.36), rel=1e-12)
    nothing = CircleProblem(law, 0.3).solved()
    assert nothing.masses.size == 0
    assert nothing.free_energy == nothing.lower_bound == pytest.approx(0.16, rel=1e-15)
