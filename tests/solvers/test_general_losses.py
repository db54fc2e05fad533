"""Every scheme under losses that are not quadratic: one nodal problem on the line, held against plain integrations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import expit

from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.characteristics import Characteristics, LabelLaw
from mfpde.solvers.finite_volume.finite_volume import FiniteVolume, FiniteVolumeOptions
from mfpde.solvers.flow.confinement import Confinement
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import Observation, Scheme, integrate
from mfpde.solvers.jko.atoms.jko import Jko
from mfpde.solvers.jko.atoms.options import JkoOptions
from mfpde.solvers.jko.grid.jko import GridJko
from mfpde.solvers.jko.grid.options import GridJkoOptions
from mfpde.solvers.objective.compression import compress
from mfpde.solvers.objective.losses.pointwise import PointwiseLoss, nodal_loss
from mfpde.solvers.objective.losses.square import Square, SquareLoss
from mfpde.solvers.objective.losses.through import LossThrough
from mfpde.solvers.objective.objective import DenseFeatures, Objective
from mfpde.solvers.objective.table.feature_table import FeatureTable, build_table
from mfpde.solvers.optimum.gibbs import gibbs_law
from mfpde.solvers.optimum.newton import SearchBox
from mfpde.solvers.optimum.search import optimal_law
from mfpde.solvers.particles.birth_death_process import ParticleProcess
from mfpde.solvers.space.grid import grid_from_edges
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.stationary.landscape import Landscape
from mfpde.solvers.stationary.stability import stability
from tests.solvers.problems import bump, line

INPUTS = np.linspace(-1.5, 2.0, 12)
WEIGHTS = np.full(12, 1.0 / 12.0)
CLASSES = np.sign(np.sin(2.5 * INPUTS) + 0.1)
END = 2.0


@pytest.fixture(autouse=True)
def _strict_arithmetic() -> Iterator[None]:
    with np.errstate(all="raise", under="ignore"):
        yield


@dataclass(frozen=True)
class Units(DenseFeatures):
    """phi_p(z) = 3 tanh(z x_p), a neuron with one weight on the inputs of a data set."""

    dimension: int = 1
    rank: int = len(INPUTS)

    def values(self, points: Array) -> Array:
        return np.asarray(3.0 * np.tanh(points * INPUTS))

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        tangent = np.tanh(points * INPUTS)
        return 3.0 * tangent, (3.0 * INPUTS * (1.0 - tangent**2))[:, :, None]


class HalfSquareRoot:
    """sqrt(1 + (f - y)^2), as a user writes it: by its value and slope."""

    def value(self, f: Array, y: Array) -> Array:
        return np.hypot(1.0, f - y)

    def slope(self, f: Array, y: Array) -> Array:
        return np.asarray((f - y) / np.hypot(1.0, f - y))


LOSSES = {
    "logistic": nodal_loss("logistic", WEIGHTS, CLASSES),
    "log-cosh": nodal_loss("log-cosh", WEIGHTS, 2.0 * CLASSES),
    "of a user": PointwiseLoss(WEIGHTS, 2.0 * CLASSES, HalfSquareRoot()),
}
SLOPES = {
    "logistic": lambda f: -CLASSES * expit(-CLASSES * f),
    "log-cosh": lambda f: np.tanh(f - 2.0 * CLASSES),
    "of a user": lambda f: (f - 2.0 * CLASSES) / np.sqrt(1.0 + (f - 2.0 * CLASSES) ** 2),
}
VALUES = {
    "logistic": lambda f: np.mean(np.log(1.0 + np.exp(-CLASSES * f))),
    "log-cosh": lambda f: np.mean(np.log(np.cosh(f - 2.0 * CLASSES))),
    "of a user": lambda f: np.mean(np.sqrt(1.0 + (f - 2.0 * CLASSES) ** 2)),
}
EVERY = pytest.mark.parametrize("name", LOSSES)


def objective(name: str) -> Objective:
    return Objective(Units(), LOSSES[name])


def gaussian() -> LabelLaw:
    """N(0.3, 0.5^2)."""

    def density(labels: Array) -> Array:
        return np.asarray(np.exp(-0.5 * (labels**2).sum(axis=1)))

    return LabelLaw((np.linspace(-8.5, 8.5, 4),), density, lambda labels: 0.3 + 0.5 * labels)


@cache
def table() -> FeatureTable:
    return build_table(Units(), [np.array([-5.0, 6.0])], degree=8, tolerance=1e-9)


@cache
def followed(name: str, flow: Flow, nodes: int = 1500) -> tuple[float, float, float, float]:
    """R, F, mean and variance at END by a plain integration of atoms z_i and actions A_i, w_i ∝ w_i(0) exp(-alpha A_i).

    Equispaced atoms of rho_0, spectrally accurate; the equations are written out here.
    """
    x = np.linspace(-8.5, 8.5, nodes)
    start, masses = 0.3 + 0.5 * x, np.exp(-0.5 * x**2) / np.exp(-0.5 * x**2).sum()

    def law(state: Array) -> tuple[Array, Array, Array]:
        z, action = np.split(state, 2)
        weights = masses * np.exp(-flow.fisher_rao_rate * (action - action.min()))
        weights = weights / weights.sum()
        return z, weights, weights @ (3.0 * np.tanh(np.outer(z, INPUTS)))

    def rates(_: float, state: Array) -> Array:
        z, weights, f = law(state)
        slopes = SLOPES[name](f) / len(INPUTS)
        tangent = np.tanh(np.outer(z, INPUTS))
        psi = 3.0 * tangent @ slopes + 0.5 * flow.decay.w * z**2
        velocity = -(3.0 * (1.0 - tangent**2) * INPUTS) @ slopes - flow.decay.w * z
        return np.concatenate([velocity * flow.transport, psi - weights @ psi])

    first = np.concatenate([start, np.zeros(nodes)])
    z, weights, f = law(solve_ivp(rates, (0.0, END), first, method="DOP853", rtol=1e-11, atol=1e-11).y[:, -1])
    mean, risk = float(weights @ z), float(VALUES[name](f))
    return risk, 2.0 * risk + flow.decay.w * float(weights @ z**2), mean, float(weights @ (z - mean) ** 2)


def seen(scheme: Scheme, times: list[float]) -> list[Observation]:
    found: list[Observation] = []
    integrate(scheme, scheme.initial_state(), times, lambda index, state: found.append(scheme.observe(state)))
    return found


def numbers(observation: Observation) -> tuple[float, float, float, float]:
    return observation.risk, observation.free_energy, float(observation.mean[0]), float(observation.variance[0])


FLOWS = {
    "transport": Flow(ridge=0.05),
    "birth and death": Flow(ridge=0.05, fisher_rao_rate=1.0, transport=False),
    "both": Flow(ridge=0.05, fisher_rao_rate=1.0),
}
EVERY_FLOW = pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)


@EVERY
@EVERY_FLOW
def test_characteristics_follow_the_atoms_of_any_loss(name: str, flow: Flow) -> None:
    first, last = seen(Characteristics(objective(name), line(1), flow, gaussian(), 1e-9), [0.0, END])
    np.testing.assert_allclose(numbers(last), followed(name, flow), rtol=0.0, atol=2e-8)
    assert last.free_energy - first.free_energy + last.dissipated == pytest.approx(0.0, abs=1e-7)


def on_grid(name: str, flow: Flow, cells: int) -> FiniteVolume:
    edges = np.linspace(-4.0, 5.0, cells + 1)
    options = FiniteVolumeOptions(tolerance=0.1 / cells, noisy_tolerance=1.0 / cells**1.5)
    grid = grid_from_edges((edges,), (False,))
    return FiniteVolume(objective(name), line(1), flow, grid, bump((edges,), (0.3,), 0.5), options)


@pytest.mark.long
@EVERY
@EVERY_FLOW
def test_finite_volumes_converge_to_the_atoms_of_any_loss(name: str, flow: Flow) -> None:
    """The risk, the energy and the moments with order 2; births and deaths keep the energy's account to rounding."""
    exact = np.array(followed(name, flow))
    errors = []
    for cells in (150, 300):
        first, last = seen(on_grid(name, flow, cells), [0.0, END])
        errors.append(float(np.abs(np.array(numbers(last)) - exact).max()))
        balance = abs(last.free_energy - first.free_energy + last.dissipated)
        assert balance < (3e-6 if flow.transport else 3e-11)
    assert errors[1] < 2.5e-4
    assert errors[0] / errors[1] > 2.7


@pytest.mark.long
@EVERY
@EVERY_FLOW
@pytest.mark.parametrize(("formula", "ceiling"), [("plain", 3e-3), ("bdf2", 5e-5)])
def test_minimising_movements_converge_to_the_atoms_of_any_loss(
    name: str, flow: Flow, formula: str, ceiling: float
) -> None:
    """Plain steps of 0.05, and adaptive ones of order 2; every dual is solved, whatever the loss."""
    fixed = formula == "plain"
    options = JkoOptions(order=1 if fixed else 2, step=0.05 if fixed else None, tolerance=1e-6)
    scheme = Jko(objective(name), table(), line(1), flow, gaussian(), options)
    first, last = seen(scheme, [0.0, END])
    np.testing.assert_allclose(numbers(last), followed(name, flow), rtol=0.0, atol=ceiling)
    assert last.residual is not None
    assert last.residual < 1e-12
    assert last.free_energy < first.free_energy


@EVERY
def test_with_noise_grids_agree_and_end_at_the_gibbs_law(name: str) -> None:
    """Finite volumes and minimising movements on one grid; the Gibbs law is a fixed point and has no duality gap."""
    flow = Flow(ridge=0.2, inverse_temperature=20.0)
    edges = np.linspace(-6.0, 6.5, 401)
    grid, masses = grid_from_edges((edges,), (False,)), bump((edges,), (0.3,), 0.5)
    fine = FiniteVolume(objective(name), line(1), flow, grid, masses, FiniteVolumeOptions(noisy_tolerance=1e-4))
    moved = GridJko(objective(name), line(1), flow, grid, masses, GridJkoOptions(tolerance=1e-4))
    first, then, late = seen(fine, [0.0, END, 60.0])
    other = seen(moved, [0.0, END])[1]
    np.testing.assert_allclose(numbers(then), numbers(other), rtol=0.0, atol=3e-5)
    assert then.free_energy - first.free_energy + then.dissipated == pytest.approx(0.0, abs=3e-7)
    x, w = np.polynomial.legendre.leggauss(400)
    nodes, log_weights = 0.25 + 6.25 * x, np.log(6.25 * w)
    found = gibbs_law(objective(name), Units().values(nodes[:, None]), log_weights, 0.1 * nodes**2, 20.0)
    exponent = log_weights - 40.0 * (
        Units().values(nodes[:, None]) @ SLOPES[name](found.outputs) / 12.0 + 0.1 * nodes**2
    )
    expected = np.exp(exponent - exponent.max())
    np.testing.assert_allclose(found.masses, expected / expected.sum(), rtol=0.0, atol=1e-13)
    assert 0.0 <= found.half_free_energy - found.half_lower_bound + 1e-15 < 1e-12
    assert -1e-8 < late.free_energy - 2.0 * found.half_free_energy < 3e-5


@EVERY
def test_the_optimum_of_any_loss_is_certified(name: str) -> None:
    """Its atoms are global minimisers of Psi on the box: F - F* <= 2 (∫Psi drho - min Psi)."""
    box = SearchBox(np.array([-3.0]), np.array([3.0]), Confinement.even(0.2, 1))
    law = optimal_law(objective(name), box)
    outputs, grid = law.outputs(objective(name).features), np.linspace(-3.0, 3.0, 6001)[:, None]
    potential = box.potential(objective(name), outputs, law.points)
    least = float(box.potential(objective(name), outputs, grid).min())
    assert 2.0 * (float(law.weights @ potential) - least) < 1e-6
    np.testing.assert_allclose(potential, potential[0], rtol=0.0, atol=1e-12)


@EVERY
def test_particles_follow_any_loss(name: str) -> None:
    """Twenty particles without births are the atoms of the equation."""
    places = np.linspace(-1.0, 1.5, 20)

    def velocity(_: float, z: Array) -> Array:
        tangent = np.tanh(np.outer(z, INPUTS))
        slopes = SLOPES[name](3.0 * tangent.mean(axis=0)) / len(INPUTS)
        return np.asarray(-(3.0 * (1.0 - tangent**2) * INPUTS) @ slopes)

    end = solve_ivp(velocity, (0.0, END), places, rtol=1e-10, atol=1e-10).y[:, -1]
    scheme = ParticleProcess(objective(name), line(1), Flow(), places[:, None], 0, tolerance=1e-8)
    law = seen(scheme, [END])[0].law
    np.testing.assert_allclose(law.points[:, 0], end, rtol=0.0, atol=1e-6)


@EVERY
def test_drift_modes_are_those_of_the_linearised_equation(name: str) -> None:
    """Eigenvalues of -dv/dz of three atoms under their own velocities, by differences, at a law that rests."""
    masses = np.array([0.2, 0.5, 0.3])

    def velocity(z: Array) -> Array:
        tangent = np.tanh(np.outer(z, INPUTS))
        slopes = SLOPES[name](masses @ (3.0 * tangent)) / len(INPUTS)
        return np.asarray(-(3.0 * (1.0 - tangent**2) * INPUTS) @ slopes - 0.2 * z)

    rest = solve_ivp(lambda _, z: velocity(z), (0.0, 400.0), np.array([-1.0, 0.2, 2.0]), rtol=1e-11, atol=1e-13).y[
        :, -1
    ]
    shifts = 1e-5 * np.eye(3)
    jacobian = np.stack([(velocity(rest + shift) - velocity(rest - shift)) / 2e-5 for shift in shifts], axis=1)
    landscape = Landscape(objective(name), line(1), Flow(ridge=0.2))
    law = Atoms(rest[:, None], masses)
    expected = np.sort(np.linalg.eigvals(-jacobian).real)
    found = [mode.eigenvalue for mode in stability(landscape, law).drift]
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e-7)
    ahead, behind = (landscape.free_energy(Atoms(np.full((1, 1), 0.7 + h), np.ones(1))) for h in (1e-5, -1e-5))
    slope = float(landscape.own_gradient(np.full((1, 1), 0.7))[0, 0])
    assert slope == pytest.approx(0.5 * (ahead - behind) / 2e-5, abs=1e-8)


@EVERY
def test_compressed_features_carry_any_loss_along(name: str) -> None:
    """The loss through the basis tells risks and schemes the same as the nodes do, to the accuracy asked for."""
    small = compress(Units(), LOSSES[name], np.array([-4.0]), np.array([4.0]), 2e-3)
    assert small.features.rank <= 6
    assert 0.0 < small.error <= 2e-3
    assert isinstance(small.loss, LossThrough)
    reduced = Objective(small.features, small.loss)
    np.testing.assert_allclose(small.loss.metric, 1.0, rtol=1e-12)
    points = np.random.default_rng(3).uniform(-4.0, 4.0, (50, 6))
    gaps = [
        abs(form[0] - form[1])
        for row in points
        if (form := [each.risk(each.outputs(row[:, None], np.full(6, 1 / 6))) for each in (reduced, objective(name))])
    ]
    assert 1e-5 < max(gaps) <= small.error
    flow = FLOWS["both"]
    scheme = Characteristics(reduced, line(1), flow, gaussian(), 1e-7)
    last = seen(scheme, [END])[0]
    np.testing.assert_allclose(numbers(last), followed(name, flow), rtol=0.0, atol=1e-3)
    edges = np.linspace(-4.0, 5.0, 151)
    grid, masses = grid_from_edges((edges,), (False,)), bump((edges,), (0.3,), 0.5)
    whole = seen(FiniteVolume(reduced, line(1), flow, grid, masses), [0.0, 0.5])
    assert whole[1].risk == pytest.approx(seen(on_grid(name, flow, 150), [0.5])[0].risk, abs=2e-4)
    assert whole[1].free_energy - whole[0].free_energy + whole[1].dissipated == pytest.approx(0.0, abs=1e-5)


@EVERY
def test_features_that_do_not_compress_stay(name: str) -> None:
    kept = compress(Units(), LOSSES[name], np.array([-4.0]), np.array([4.0]), 1e-12)
    assert kept.features == Units()
    assert kept.loss is LOSSES[name]
    assert kept.error == 0.0


def test_the_square_loss_by_value_and_slope_is_the_square_loss() -> None:
    """SquareLoss and the general code on (f - y)^2 / 2 agree through every scheme with a dual."""
    square, general = nodal_loss("square", WEIGHTS, 2.0 * CLASSES), PointwiseLoss(WEIGHTS, 2.0 * CLASSES, Square())
    flow = FLOWS["both"]
    risks = []
    for loss, factor in ((square, 1.0), (general, 2.0)):
        each = Objective(Units(), loss)
        edges = np.linspace(-4.0, 5.0, 151)
        grid, masses = grid_from_edges((edges,), (False,)), bump((edges,), (0.3,), 0.5)
        schemes: list[Scheme] = [
            FiniteVolume(each, line(1), flow, grid, masses),
            Jko(each, table(), line(1), flow, gaussian(), JkoOptions(step=0.05)),
            GridJko(each, line(1), Flow(ridge=0.2, inverse_temperature=20.0), grid, masses, GridJkoOptions(step=0.05)),
        ]
        risks.append([factor * seen(scheme, [1.0])[0].risk for scheme in schemes])
    np.testing.assert_allclose(risks[0], risks[1], rtol=0.0, atol=1e-8)


class Rising(SquareLoss):
    """A loss whose flow need not lower its energy, as that of a game."""

    @property
    def descends(self) -> bool:
        return False


def test_schemes_that_accept_steps_by_their_energy_refuse_a_loss_that_may_rise() -> None:
    each = Objective(Units(), Rising(WEIGHTS, CLASSES))
    edges = np.linspace(-4.0, 5.0, 31)
    grid, masses = grid_from_edges((edges,), (False,)), bump((edges,), (0.3,), 0.5)
    noisy = Flow(ridge=0.2, inverse_temperature=20.0)
    words = "take only steps that lower the energy, which this loss may raise; use characteristics or particles"
    with pytest.raises(ValueError, match=f"finite volumes {words}"):
        FiniteVolume(each, line(1), Flow(), grid, masses)
    with pytest.raises(ValueError, match=f"minimising movements {words}"):
        GridJko(each, line(1), noisy, grid, masses)
    with pytest.raises(ValueError, match=f"minimising movements {words}"):
        Jko(each, table(), line(1), Flow(), gaussian())
    assert len(seen(Characteristics(each, line(1), Flow(), gaussian(), 1e-5), [0.1])) == 1
