"""One minimising movement against brute force: the dual with J on fine grids, and the best split of an atom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.optimize import minimize

from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.characteristics import LabelLaw
from mfpde.solvers.flow.confinement import Confinement
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.jko.atoms import dual as jko_dual
from mfpde.solvers.jko.atoms.dual import DualStep, Movement, NoConvergence
from mfpde.solvers.jko.atoms.jko import Jko
from mfpde.solvers.jko.atoms.options import JkoOptions
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import DenseFeatures, Objective
from mfpde.solvers.objective.table.feature_table import build_table
from tests.solvers.problems import line

EDGE = 3.0


@dataclass(frozen=True)
class Waves(DenseFeatures):
    """Phi(z) = (sin 2z, cos 3z / 2): potentials with several wells."""

    dimension: int = 1
    rank: int = 2

    def values(self, points: Array) -> Array:
        z = points[:, 0]
        return np.stack([np.sin(2.0 * z), 0.5 * np.cos(3.0 * z)], axis=1)

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        z = points[:, 0]
        gradients = np.stack([2.0 * np.cos(2.0 * z), -1.5 * np.sin(3.0 * z)], axis=1)
        return self.values(points), gradients[:, :, None]


@pytest.fixture(autouse=True)
def _strict_arithmetic() -> Iterator[None]:
    with np.errstate(all="raise", under="ignore"):
        yield


WEIGHTS, TARGETS = np.array([1.0, 2.0]), np.array([0.3, -0.2])
OBJECTIVE = Objective(Waves(), SquareLoss(WEIGHTS, TARGETS))
TABLE = build_table(Waves(), [np.linspace(-EDGE, EDGE, 5)], degree=10, tolerance=1e-11)
FINE = np.linspace(-EDGE, EDGE, 24_001)
STEPS = (0.05, 0.3, 2.0, 50.0)
"""J is convex up to tau = .2 or so; the last step all but forgets where the law was."""


def law(count: int, seed: int) -> tuple[Array, Array]:
    """Atoms of random places and masses, total mass 1."""
    generator = np.random.default_rng(seed)
    masses = generator.uniform(0.2, 1.0, count)
    return generator.uniform(-1.5, 1.5, (count, 1)), masses / masses.sum()


def moved(centres: Array, masses: Array, step: float, ridge: float = 0.0) -> Movement:
    """The global solution, from a poor guess."""
    dual = DualStep(OBJECTIVE, TABLE, line(1), Confinement.even(ridge, 1))
    return dual.globally(centres, masses, step, centres.copy(), np.zeros(2))


def energy(found: Movement, centres: Array, masses: Array, step: float, ridge: float = 0.0) -> float:
    """W2^2 / (2 tau) + L + ridge, of the movement's own places, masses and exact features."""
    shares = masses.copy()
    shares[found.tied] -= masses[found.tied] * found.fractions
    places = np.concatenate([found.places, found.rivals.reshape(-1, 1)])[:, 0]
    starts = np.concatenate([centres, centres[found.tied]])[:, 0]
    shares = np.concatenate([shares, masses[found.tied] * found.fractions])
    assert shares.min() >= 0.0
    outputs = shares @ Waves().values(places[:, None])
    return float(shares @ ((places - starts) ** 2 / (2.0 * step) + 0.5 * ridge * places**2)) + OBJECTIVE.loss.value(
        outputs
    )


def brute_dual(centres: Array, masses: Array, step: float, points: Array = FINE, ridge: float = 0.0) -> float:
    """max_g of the m-dimensional dual with J minimised on a grid, by a simplex search from several starts."""
    values = Waves().values(points[:, None])
    costs = (points - centres) ** 2 / (2.0 * step) + 0.5 * ridge * points**2
    weights, targets = WEIGHTS, TARGETS

    def negative(g: Array) -> float:
        least = (costs + values @ g).min(axis=1)
        return float(g @ targets + 0.5 * g @ (g / weights) - masses @ least)

    tight = {"xatol": 1e-11, "fatol": 1e-14, "maxiter": 400}
    best = min((minimize(negative, start, method="Nelder-Mead", options=tight) for start in (np.zeros(2), -targets)),
               key=lambda found: found.fun)  # fmt: skip
    again = minimize(negative, best.x, method="Nelder-Mead", options=tight)
    return -float(again.fun)


@pytest.mark.long
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("ridge", [0.0, 0.2])
def test_a_movement_is_the_global_minimum(step: float, ridge: float) -> None:
    """Its energy meets the brute-force dual, which bounds every movement from below (5e-8: the spacing of the grid)."""
    centres, masses = law(7, 3)
    found = moved(centres, masses, step, ridge)
    reached, bound = energy(found, centres, masses, step, ridge), brute_dual(centres, masses, step, ridge=ridge)
    spacing = FINE[1] - FINE[0]
    above = spacing**2 / 8.0 * (1.0 / step + ridge + 20.0)
    assert reached >= bound - above - 1e-10
    assert reached <= bound + 1e-9
    assert reached - bound <= found.gap + 1e-9


def brute_split(place: float, step: float, first: Array, second: Array) -> tuple[float, float, float, float]:
    """The best law on one point of each grid, by its convex energy in the share: energy, both points, second share."""
    weights, targets = WEIGHTS, TARGETS
    starts, ends = (Waves().values(points[:, None]) for points in (first, second))
    costs, others = ((points - place) ** 2 / (2.0 * step) for points in (first, second))
    jump = ends[None] - starts[:, None]
    residual = (targets - starts)[:, None]
    rise = others[None] - costs[:, None]
    slope = (weights * residual * jump).sum(axis=-1) - rise
    share = np.clip(slope / np.maximum((weights * jump**2).sum(axis=-1), 1e-30), 0.0, 1.0)
    miss = residual - share[..., None] * jump
    energies = costs[:, None] + share * rise + 0.5 * (weights * miss**2).sum(axis=-1)
    at = np.unravel_index(int(energies.argmin()), energies.shape)
    return float(energies[at]), float(first[at[0]]), float(second[at[1]]), float(share[at])


@pytest.mark.parametrize(("place", "step"), [(0.4, 5.0), (-1.1, 5.0), (-0.5, 5.0), (-0.5, 20.0)])
def test_a_dirac_mass_is_split_as_brute_force_splits_it(place: float, step: float) -> None:
    """Positions and masses within 1e-3, energy within 1e-8, of the best of all pairs on a grid refined twice.

    The brute-force dual says that no other law is better, of however many points.
    """
    centres, masses = np.array([[place]]), np.ones(1)
    coarse = np.linspace(-EDGE, EDGE, 601)
    best, one, other, share = brute_split(place, step, coarse, coarse)
    for width in (3.6e-2, 7.2e-4):
        window = np.linspace(-width, width, 241)
        best, one, other, share = brute_split(place, step, one + window, other + window)
    assert best == pytest.approx(brute_dual(centres, masses, step), abs=1e-7)
    found = moved(centres, masses, step)
    assert found.tied.tolist() == [0]
    fraction = float(found.fractions[0])
    reached = sorted([(float(found.places[0, 0]), 1.0 - fraction), (float(found.rivals[0, 0]), fraction)])
    expected = sorted([(one, 1.0 - share), (other, share)])
    assert 0.05 < share < 0.95
    assert energy(found, centres, masses, step) == pytest.approx(best, abs=1e-8)
    assert np.array(reached) == pytest.approx(np.array(expected), abs=1e-3)


@pytest.mark.parametrize(("place", "step"), [(0.0, 5.0), (-1.1, 20.0)])
def test_a_split_that_is_not_found_is_refused(place: float, step: float) -> None:
    """Nearly symmetric wells, and a law whose best image has three points: solved, or NoConvergence, never wrong."""
    centres, masses = np.array([[place]]), np.ones(1)
    try:
        found = moved(centres, masses, step)
    except NoConvergence:
        return
    assert energy(found, centres, masses, step) == pytest.approx(brute_dual(centres, masses, step), abs=1e-6)


def test_the_scheme_splits_the_atom_and_keeps_its_mass() -> None:
    """A law without labels: the state carries both parts, and the gap certifies them."""
    start = LabelLaw((), lambda labels: np.ones(len(labels)), lambda labels: np.full((len(labels), 1), 0.4))
    scheme = Jko(OBJECTIVE, TABLE, line(1), Flow(), start, JkoOptions(order=1, step=5.0))
    seen = scheme.observe(scheme.advance(scheme.initial_state(), 5.0))
    found = moved(np.array([[0.4]]), np.ones(1), 5.0)
    assert sorted(seen.law.weights) == pytest.approx(sorted([found.fractions[0], 1.0 - found.fractions[0]]), abs=1e-8)
    assert seen.mass == pytest.approx(1.0, abs=1e-15)
    assert seen.residual is not None
    assert seen.residual < 1e-10


def test_a_law_with_a_density_is_torn_where_the_brute_force_tears_it() -> None:
    """Uniform on [-2, 0] by the scheme's panels, against 200 equal atoms by the dual on grids: energies to 2e-6.

    The 200 atoms stand for the density up to their spacing squared, 1e-4 / 24 times the envelope's mean curvature.
    """
    step = 5.0
    flat = LabelLaw((np.array([-2.0, 0.0]),), lambda labels: np.ones(len(labels)), lambda labels: labels.copy())
    scheme = Jko(OBJECTIVE, TABLE, line(1), Flow(), flat, JkoOptions(order=1, step=step, resolution=1e-5))
    state = scheme.advance(scheme.initial_state(), step)
    seen = scheme.observe(state)
    travelled = seen.law.points - state.arrays["previous"].reshape(-1, 1)
    reached = float(seen.law.weights @ (travelled**2)[:, 0]) / (2.0 * step) + 0.5 * seen.risk
    assert np.diff(np.sort(seen.law.points[:, 0])).max() > 1.0
    count = 200
    centres = (-2.0 + (2.0 * np.arange(count) + 1.0) / count)[:, None]
    assert reached == pytest.approx(brute_dual(centres, np.full(count, 1.0 / count), step, FINE[::8]), abs=2e-6)


@pytest.mark.parametrize("step", [0.02, 0.1])
def test_the_gap_bounds_the_distance_to_the_optimum(step: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Movements left unfinished, far above rounding: the optimum of a finished one lies within their gap."""
    centres, masses = law(6, 5)
    dual = DualStep(OBJECTIVE, TABLE, line(1), Confinement.even(0.0, 1))
    identity = np.diag(1.0 / WEIGHTS)
    exact = energy(moved(centres, masses, step), centres, masses, step)
    for accepted in (0.3, 0.03, 1e-3):
        monkeypatch.setattr(jko_dual, "RESIDUAL", accepted)
        monkeypatch.setattr(jko_dual, "MOVE", accepted)
        rough = dual.local(centres, masses, step, centres.copy(), np.zeros(2), identity)
        above = energy(rough, centres, masses, step) - exact
        assert -1e-12 <= above <= rough.gap + 1e-12
