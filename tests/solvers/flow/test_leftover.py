"""What the ends of a grid cut off is stated: a Gaussian law under ridge, noise and births, on boxes too small."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from mfpde.solvers.arrays import Array
from mfpde.solvers.finite_volume.finite_volume import FiniteVolume, FiniteVolumeOptions
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import Observation, Scheme, integrate
from mfpde.solvers.jko.grid.jko import GridJko, GridJkoOptions
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.space.axis import Line
from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.space.grid import grid_from_edges
from tests.solvers.problems import Nothing

LINE = Geometry.of({"z": Line()})
WIDTH = 0.01
FLOWS = [
    Flow(ridge=0.5, inverse_temperature=20.0),
    Flow(ridge=0.5, inverse_temperature=20.0, fisher_rao_rate=10.0),
    Flow(ridge=0.5, inverse_temperature=20.0, fisher_rao_rate=30.0, transport=False),
]


def gaussian(edges: Array, mean: float, deviation: float) -> Array:
    """Masses of the cells, to their own relative accuracy."""
    u = np.sort(np.abs([edges[:-1] - mean, edges[1:] - mean]), axis=0) / deviation
    return np.asarray(
        np.where(edges[:-1] * edges[1:] < 0.0, np.diff(ndtr((edges - mean) / deviation)), -np.diff(ndtr(-u), axis=0)[0])
    )


def made(scheme: str, flow: Flow, reach: float, mean: float = 0.6) -> Scheme:
    """N(mean, 0.25^2) on the cells of width `WIDTH` of [-reach, reach]."""
    edges = (np.linspace(-reach, reach, round(2.0 * reach / WIDTH) + 1),)
    problem = (Objective(Nothing(1), SquareLoss(np.ones(1), np.zeros(1))), LINE, flow, grid_from_edges(edges, (False,)))
    masses = gaussian(edges[0], mean, 0.25)
    if scheme == "jko":
        return GridJko(*problem, masses, GridJkoOptions(tolerance=1e-4))
    return FiniteVolume(*problem, masses, FiniteVolumeOptions(noisy_tolerance=1e-4))


def seen(scheme: Scheme, end: float) -> Observation:
    return scheme.observe(integrate(scheme, scheme.initial_state(), [end], lambda index, state: None))


@pytest.mark.parametrize("scheme", ["finite-volume", "jko"])
@pytest.mark.parametrize("flow", FLOWS, ids=["noise", "both", "births"])
@pytest.mark.parametrize("deviations", [2.4, 3.0, 4.0])
def test_the_stated_share_is_what_the_ends_cost(scheme: str, flow: Flow, deviations: float) -> None:
    """Near its steady state the law has the variance 1/20: beyond 2.4 of its deviations lie 1.6e-2 of it, or 7e-3 at
    each end, beyond 4 6e-5. No run on the same box sees that."""
    whole, cut = (seen(made(scheme, flow, reach, mean=0.0), 2.0) for reach in (3.0, deviations * np.sqrt(0.05)))
    assert whole.leftover is None
    assert cut.leftover is not None
    error = abs(cut.free_energy - whole.free_energy)
    assert error > 1e-7
    assert error <= 3.0 * cut.leftover.errors[1]
    assert abs(cut.dissipation - whole.dissipation) <= 3.0 * cut.leftover.errors[2]
    if np.isfinite(cut.leftover.errors[1]):
        assert cut.leftover.errors[1] <= 10.0 * error


@pytest.mark.parametrize("scheme", ["finite-volume", "jko"])
def test_a_law_that_leaves_its_grid_is_refused_in_words(scheme: str) -> None:
    left = seen(made(scheme, FLOWS[0], 0.5), 0.5).leftover
    assert left is not None
    assert left.errors == (np.inf, np.inf, np.inf)
    assert left.problem.endswith("of the law lies beyond the grid along z")
    assert left.remedy == 'use more {cells} if they are few, end earlier, or use the scheme "particles"'


@pytest.mark.parametrize("scheme", ["finite-volume", "jko"])
def test_births_cannot_lift_what_underflowed(scheme: str) -> None:
    """N(0, 1e-4) underflows beyond .39; births under noise make it N(0, 1/20), of which a twelfth lies there."""
    edges = (np.linspace(-2.0, 2.0, 2001),)
    flow = Flow(ridge=0.5, inverse_temperature=20.0, fisher_rao_rate=4000.0, transport=False)
    parts = (Objective(Nothing(1), SquareLoss(np.ones(1), np.zeros(1))), LINE, flow, grid_from_edges(edges, (False,)))
    make = GridJko if scheme == "jko" else FiniteVolume
    left = seen(make(*parts, gaussian(edges[0], 0.0, 0.01)), 0.1).leftover
    assert left is not None
    assert left.errors[1] == np.inf


def test_the_end_of_a_support_is_none_of_a_grid() -> None:
    """A uniform law on half of the grid ends where it ends."""
    edges = (np.linspace(-2.0, 2.0, 401),)
    flow = Flow(ridge=0.5, fisher_rao_rate=10.0, transport=False)
    masses = np.where(np.abs(0.5 * (edges[0][1:] + edges[0][:-1])) < 1.0, 1.0, 0.0)
    parts = (Objective(Nothing(1), SquareLoss(np.ones(1), np.zeros(1))), LINE, flow, grid_from_edges(edges, (False,)))
    assert seen(FiniteVolume(*parts, masses), 1.0).leftover is None
