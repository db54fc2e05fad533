"""Gaussian bumps under a loss that is not the square one: integrals, schemes against one another, the optimum."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from mfpde.configuration.sources import load_configuration
from mfpde.problem.laws.gaussian_bumps import GaussianBumps
from mfpde.problem.problem import Problem
from mfpde.results.answers.solve import SolveResult
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.box import Box
from mfpde.studies.optimum.atoms import optimum_atoms
from mfpde.studies.optimum.gibbs import gibbs_optimum
from mfpde.studies.solve import solve

LAW = GaussianBumps((-1.0, 0.4, 3.0), (0.2, 0.5, 0.3), 0.4, "log-cosh")
BOX = Box(np.array([-9.0]), np.array([9.0]))
START = "initial.position={ normal = [0.5, 1.0] }"
PLAIN = ["data.loss=log-cosh", "dynamics.flow=wasserstein", "dynamics.fisher_rao_rate=0", START]


def density(x: float, places: Array, masses: Array) -> float:
    return float(masses @ np.exp(-0.5 * ((x - places) / 0.4) ** 2)) / (0.4 * math.sqrt(2.0 * math.pi))


def test_the_risk_is_the_integral_of_the_loss() -> None:
    objective = Problem(LAW).represent("exact", BOX, 1e-12).objective
    places, masses = np.array([-2.0, 0.3, 1.7]), np.array([0.5, 0.3, 0.2])
    targets = np.array(LAW.centres), np.array(LAW.shares)

    def loss(x: float) -> float:
        return float(np.log(np.cosh(density(x, places, masses) - density(x, *targets))))

    expected = sum(quad(loss, low, low + 1.0, epsabs=1e-13)[0] for low in range(-6, 7))
    assert objective.risk(objective.outputs(places[:, None], masses)) == pytest.approx(expected, abs=1e-11)


def test_a_bump_far_from_the_target_does_not_feel_the_nodes() -> None:
    """Its loss is constant there; with the step of the square loss its slope is 2e-6."""
    objective = Problem(LAW).represent("exact", BOX, 1e-12).objective
    places = np.linspace(-9.0, -7.5, 40)[:, None]
    values, gradients = objective.features.values_and_gradients(places)
    slopes = np.einsum("nm,nmd->nd", objective.loss_gradient(values), gradients)
    assert np.abs(slopes).max() < 1e-12


def solved(scheme: str, *more: str) -> SolveResult:
    times = ["time.end=1.0", "time.save=2", f"solver.scheme={scheme}"]
    return solve(load_configuration("bumps-good", [*PLAIN, *times, *more]))


@pytest.mark.parametrize("scheme", ["finite-volume", "jko"])
def test_schemes_agree_within_their_estimates(scheme: str) -> None:
    reference, other = solved("characteristics"), solved(scheme)
    assert 0.01 < reference.risk[1] < 0.9 * reference.risk[0]
    np.testing.assert_array_less(np.abs(other.risk - reference.risk), 3.0 * (other.risk_error + reference.risk_error))
    energies = np.abs(other.free_energy - reference.free_energy)
    np.testing.assert_array_less(energies, 3.0 * (other.free_energy_error + reference.free_energy_error))
    np.testing.assert_allclose(reference.free_energy, 2.0 * reference.risk, rtol=1e-12)


def test_the_optimum_with_a_ridge_is_certified() -> None:
    """The bound, by |grad L| of this loss, lies within 1e-9 of the energy that the atoms reach."""
    configuration = load_configuration("bumps-good", [*PLAIN, "dynamics.ridge=0.01"])
    found = optimum_atoms(configuration, 6.0, growth=())
    assert found.proven
    assert found.certified
    assert 0.0 <= found.free_energy - found.lower_bound <= 1e-9 * found.free_energy
    assert found.free_energy > 0.01
    ridge = 0.01 * float(found.weights @ found.positions[:, 0] ** 2)
    assert found.free_energy == pytest.approx(2.0 * found.risk + ridge, rel=1e-12)


def test_the_gibbs_law_has_no_duality_gap() -> None:
    noise = ["dynamics.inverse_temperature=100", "dynamics.ridge=0.1"]
    found = gibbs_optimum(load_configuration("bumps-good", [*PLAIN, *noise]))
    assert 0.0 <= found.free_energy - found.lower_bound <= 1e-11
    late = solved("finite-volume", *noise, "time.end=200.0")
    assert late.free_energy[1] == pytest.approx(found.free_energy, abs=3.0 * late.free_energy_error[1] + 1e-4)
