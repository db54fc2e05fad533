"""Data laws of one's own on a circle and on an interval, solved by every scheme that takes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from mfpde.configuration.sources import experiment_of
from mfpde.problem.initial.law import InitialLaw, product_law
from mfpde.problem.laws.interface import DataLaw
from mfpde.problem.marginals import Marginal, Uniform
from mfpde.problem.network import Unit
from mfpde.problem.problem import Problem
from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import DenseFeatures, Objective
from mfpde.solvers.objective.representation import Effort, Expansion
from mfpde.solvers.space.axis import Axis, Circle, Interval
from mfpde.solvers.space.box import Box
from mfpde.studies.optimum.gibbs import gibbs_optimum
from mfpde.studies.solve import solve

INPUTS, SHARES = np.polynomial.legendre.leggauss(12)


@dataclass(frozen=True)
class Waves(DenseFeatures):
    """Phi = (cos z, sin z, cos 2z, sin 2z), defined on one turn."""

    dimension: int = 1
    rank: int = 4

    def values(self, points: Array) -> Array:
        if not (points.min() >= 0.0 and points.max() <= 2.0 * math.pi):
            raise ValueError("beyond one turn")
        return self.anywhere(points[:, 0])

    @staticmethod
    def anywhere(z: Array) -> Array:
        return np.column_stack([np.cos(z), np.sin(z), np.cos(2.0 * z), np.sin(2.0 * z)])

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        values = self.values(points)
        slopes = np.column_stack([-values[:, 1], values[:, 0], -2.0 * values[:, 3], 2.0 * values[:, 2]])
        return values, slopes[:, :, None]


@dataclass(frozen=True)
class Neurons(DenseFeatures):
    """Phi_m(z) = tanh(z x_m), defined on [-1, 2]."""

    dimension: int = 1
    rank: int = len(INPUTS)

    def values(self, points: Array) -> Array:
        if not (points.min() >= -1.0 and points.max() <= 2.0):
            raise ValueError("beyond the interval")
        return np.tanh(points * INPUTS)

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        values = self.values(points)
        return values, ((1.0 - values**2) * INPUTS)[:, :, None]


class OneAxis(DataLaw):
    """A law on one axis."""

    network_keys = ()
    axis: ClassVar[Axis]
    law: ClassVar[Uniform]
    objective: ClassVar[Objective]

    def axes(self) -> Mapping[str, Axis]:
        return {"z": self.axis}

    def start(self, initial: object, heads: Sequence[Marginal | float]) -> InitialLaw:
        return product_law([self.law])

    def features(self, unit: Unit, box: Box, accuracy: float, effort: Effort) -> Expansion:
        return Expansion(self.objective, 1e-15, "as given")


@dataclass(frozen=True)
class Spike(OneAxis):
    """Units at angles that a spike at 1 draws on, from an arc across the cut of the circle."""

    name = "spike"
    axis, law = Circle(), Uniform(5.0, 8.5)
    objective = Objective(Waves(), SquareLoss(np.ones(4), Waves.anywhere(np.array([1.0]))[0]))


@dataclass(frozen=True)
class Steep(OneAxis):
    """tanh(3 x) learned by neurons whose weight cannot exceed 2."""

    name = "steep"
    axis, law = Interval(-1.0, 2.0), Uniform(-0.5, 1.0)
    objective = Objective(Neurons(), SquareLoss(0.5 * SHARES, np.tanh(3.0 * INPUTS)))


def exact(law: OneAxis, times: list[float], nodes: Array) -> list[float]:
    """Risks of atoms on the line, read at the wall they pass, or within one turn."""
    objective = law.objective

    def read(z: Array) -> Array:
        return np.asarray(law.axis.folded(z)[:, None])

    def outputs(z: Array) -> Array:
        return np.asarray(objective.features.values(read(z)).mean(axis=0))

    def velocity(_: float, z: Array) -> Array:
        return -objective.features.contract(read(z), objective.loss_gradient(outputs(z)))[1][:, 0]

    path = solve_ivp(velocity, (0.0, times[-1]), nodes, t_eval=times, rtol=1e-9, atol=1e-9).y
    return [objective.risk(outputs(z)) for z in path.T]


@pytest.mark.parametrize(
    ("law", "scheme", "tolerance"),
    [
        (Spike, "characteristics", 1e-6),
        (Spike, "particles", 1e-6),
        (Spike, "finite-volume", 2e-5),
        (Spike, "jko", 2e-5),
        (Steep, "characteristics", 1e-6),
        (Steep, "particles", 1e-6),
        (Steep, "finite-volume", 2e-6),
        (Steep, "jko", 5e-6),
    ],
)
def test_every_scheme_that_takes_an_axis_follows_the_flow(law: type[OneAxis], scheme: str, tolerance: float) -> None:
    """Against 2000 atoms at mid-quantiles; particles against those that they draw."""
    times, start = [0.0, 0.4, 1.5, 6.0], law.law
    result = solve(Problem(law()), end=6.0, save=tuple(times), scheme=scheme)
    assert result.status == "success"
    nodes = start.low + (start.high - start.low) * (np.arange(2000) + 0.5) / 2000
    if scheme == "particles":
        nodes = Problem(law()).initial_law.sample(200, seed=0)[:, 0]
    error = np.abs(result.risk - exact(law(), times, nodes))
    assert error.max() < tolerance
    assert np.all(error <= 3.0 * result.risk_error)
    last = result.law().points[result.law().weights > 0.0]
    assert law.axis.lower <= last.min()
    assert last.max() <= law.axis.upper


def test_noise_between_walls_needs_no_ridge_and_ends_at_the_gibbs_law() -> None:
    problem = Problem(Steep(), flow=Flow(inverse_temperature=5.0))
    gibbs = gibbs_optimum(experiment_of(problem))
    result = solve(problem, end=120.0, save=(0.0, 120.0), scheme="finite-volume", cells=(256,))
    assert gibbs.quadrature_change < 1e-12
    assert not gibbs.at_boundary
    assert gibbs.free_energy - gibbs.lower_bound < 1e-10
    assert result.free_energy[-1] == pytest.approx(gibbs.free_energy, abs=2e-6)
    np.testing.assert_allclose(result.mean[-1], gibbs.mean, atol=2e-5)
    np.testing.assert_allclose(result.variance[-1], gibbs.variance, atol=2e-5)
