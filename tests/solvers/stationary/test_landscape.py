"""Blocks of the linearised flow against finite differences, the search against planted zeros, branches against both."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.characteristics import Characteristics, LabelLaw
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import integrate
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import DenseFeatures, Objective
from mfpde.solvers.space.axis import Line, Radius
from mfpde.solvers.space.geometry import Geometry
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.stationary.branches import follow, polish, split
from mfpde.solvers.stationary.landscape import Landscape, continued
from mfpde.solvers.stationary.minimum import lowest
from mfpde.solvers.stationary.search import critical_points
from mfpde.solvers.stationary.stability import stability
from tests.solvers.problems import rank_two

LINE = Geometry.of({"z": Line()})


class Waves(DenseFeatures):
    """Phi = (sin z, cos 2z, z^2 / 9): smooth, with laws of several atoms that rest."""

    dimension, rank = 1, 3

    def values(self, points: Array) -> Array:
        z = points[:, 0]
        return np.stack([np.sin(z), np.cos(2.0 * z), z**2 / 9.0], axis=1)

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        z = points[:, 0]
        slopes = np.stack([np.cos(z), -2.0 * np.sin(2.0 * z), 2.0 * z / 9.0], axis=1)
        return self.values(points), slopes[:, :, None]


WAVES = Objective(Waves(), SquareLoss(np.array([1.0, 0.5, 0.25]), np.array([0.2, -0.4, 0.3])))


def waves(rate: float = 0.0) -> Landscape:
    return Landscape(WAVES, LINE, Flow(ridge=0.01, fisher_rao_rate=rate))


def resting(landscape: Landscape, start: list[float], masses: list[float]) -> Atoms:
    """The stationary law near a start."""
    law = Atoms(np.array(start)[:, None], np.array(masses))
    found = follow(landscape, law, np.array([-4.0]), np.array([4.0]))
    assert found.law is not None, found.ending
    return found.law


def test_hessian_of_the_potential_is_exact_to_rounding() -> None:
    """Psi = c . Phi + ridge z^2 / 2 with second derivatives in closed form."""
    landscape, point = waves(), np.array([0.7])
    outputs = np.array([0.3, 0.1, -0.2])
    coefficients = WAVES.loss_gradient(outputs)
    second = np.array([-np.sin(0.7), -4.0 * np.cos(1.4), 2.0 / 9.0])
    matrix, error = landscape.hessian(point, outputs)
    assert abs(matrix[0, 0] - (coefficients @ second + 0.01)) < 1e-12
    assert error < 1e-11


def test_hessian_on_an_axis_is_that_of_the_even_continuation() -> None:
    """At r2 = 0 the derivative across is lim dG/dr2 / r2."""
    objective, geometry = rank_two()
    landscape = Landscape(objective, geometry, Flow())
    outputs = np.array([0.4, 0.2])
    matrix, error = landscape.hessian(np.array([0.9, 0.0]), outputs)
    near = landscape.potential(np.array([[0.9, 1e-5]]), outputs)[1][0, 1] / 1e-5
    assert matrix[1, 1] == pytest.approx(near, abs=1e-8)
    assert abs(matrix[0, 1]) < 1e-14
    assert error < 1e-11


def linearised(landscape: Landscape, law: Atoms) -> Array:
    """Eigenvalues of the Jacobian of (positions, masses) -> -rates, by differences of the full flow."""
    count, dimension = law.points.shape
    rate = landscape.flow.fisher_rao_rate

    def rates(state: Array) -> Array:
        positions, masses = state[: count * dimension].reshape(count, dimension), state[count * dimension :]
        now = Atoms(positions, masses)
        value, gradient = landscape.potential(positions, landscape.outputs(now))
        change = rate * masses * (value - masses @ value)
        return np.concatenate([gradient.ravel(), change]) if rate > 0.0 else gradient.ravel()

    size = count * dimension + (count if rate > 0.0 else 0)
    state = np.concatenate([law.points.ravel(), law.weights])
    step = 1e-5
    columns = [(rates(state + step * unit) - rates(state - step * unit)) / (2.0 * step) for unit in np.eye(len(state))]
    return np.sort(np.linalg.eigvals(np.array(columns[:size]).T).real)


@pytest.mark.parametrize("rate", [0.0, 0.7], ids=["wasserstein", "wasserstein-fisher-rao"])
def test_drift_eigenvalues_are_those_of_the_linearised_flow(rate: float) -> None:
    landscape = waves(rate)
    law = resting(landscape, [-1.6, 1.4], [0.4, 0.6])
    assert len(law.weights) == 2
    found = sorted(mode.eigenvalue for mode in stability(landscape, law).drift)
    expected = linearised(landscape, law)
    if rate > 0.0:
        # the direction that changes the total mass: -alpha times the common value of G
        value = float(landscape.potential(law.points, landscape.outputs(law))[0].mean())
        spare = int(np.argmin(np.abs(expected + rate * value)))
        assert expected[spare] == pytest.approx(-rate * value, abs=1e-7)
        expected = np.delete(expected, spare)
    assert_allclose(found, expected, atol=1e-7)
    assert stability(landscape, law).residual < 1e-13


class Kinked(DenseFeatures):
    """Phi = (r, r^2): continued evenly, the first has a kink at r = 0."""

    dimension, rank = 1, 2

    def values(self, points: Array) -> Array:
        return np.column_stack([points[:, 0], points[:, 0] ** 2])

    def values_and_gradients(self, points: Array) -> tuple[Array, Array]:
        return self.values(points), np.column_stack([np.ones(len(points)), 2.0 * points[:, 0]])[:, :, None]


def test_an_atom_at_a_kink_drifts_with_the_others() -> None:
    """Targets that p delta_0 + (1 - p) delta_R meets: H = 0, and the drift matrix is K^T K of one-sided slopes."""
    share, radius = 0.3, 1.7
    law = Atoms(np.array([[0.0], [radius]]), np.array([share, 1.0 - share]))
    loss = SquareLoss(np.ones(2), (1.0 - share) * np.array([radius, radius**2]))
    modes = stability(Landscape(Objective(Kinked(), loss), Geometry.of({"r": Radius(1)}), Flow()), law)
    slopes = np.sqrt(law.weights) * np.array([[1.0, 1.0], [0.0, 2.0 * radius]])
    assert_allclose([mode.eigenvalue for mode in modes.splitting], 0.0, atol=1e-12)
    assert_allclose([mode.eigenvalue for mode in modes.drift], np.linalg.eigvalsh(slopes.T @ slopes), rtol=1e-10)


def test_drift_is_stable_where_splitting_is() -> None:
    """Hess_12 U is positive semi-definite: the least drift eigenvalue is at least the least splitting one."""
    landscape = waves()
    law = resting(landscape, [-1.6, 1.4], [0.4, 0.6])
    modes = stability(landscape, law)
    least = min(mode.eigenvalue for mode in modes.splitting)
    assert min(mode.eigenvalue for mode in modes.drift) >= least - 1e-12
    assert max(mode.eigenvalue for mode in modes.drift) > least + 0.1


def two_atoms(places: Array, share: float) -> LabelLaw:
    """Two atoms as the image of one label, atom 0 for labels below `share`."""

    def embed(labels: Array) -> Array:
        return np.asarray(np.where(labels < share, places[0], places[1]))

    return LabelLaw((np.array([0.0, share, 1.0]),), lambda labels: np.ones(len(labels)), embed)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_drift_rate_of_two_atoms_is_seen_by_characteristics(sign: float) -> None:
    landscape = waves()
    law = resting(landscape, [-1.6, 1.4], [0.4, 0.6])
    mode = stability(landscape, law).drift[0]
    moved = law.points + sign * 1e-5 * mode.vector
    scheme = Characteristics(WAVES, LINE, landscape.flow, two_atoms(moved, law.weights[0]), tolerance=1e-12)
    times = [0.5, 1.0]
    seen: list[float] = []

    def note(_: int, state: object) -> None:
        found = scheme.observe(state).law.points  # type: ignore[arg-type]
        assert found is not None
        seen.append(abs(found[0, 0] - law.points[0, 0]))

    integrate(scheme, scheme.initial_state(), times, note)
    assert np.log(seen[0] / seen[1]) / 0.5 == pytest.approx(mode.eigenvalue, abs=1e-4)


def planted(points: Array) -> Array:
    """Gradient of prod (z - zeros) integrated: zeros at -2.5, 0.3, 0.31 and 1.7."""
    z = points[:, 0]
    return np.asarray(((z + 2.5) * (z - 0.3) * (z - 0.31) * (z - 1.7))[:, None])


def test_search_finds_every_zero_on_the_line() -> None:
    found = critical_points(planted, np.array([-3.0]), np.array([3.0]), np.array([False]))
    assert_allclose(np.sort(found.points[:, 0]), [-2.5, 0.3, 0.31, 1.7], atol=1e-12)
    assert found.complete
    outside = critical_points(planted, np.array([0.4]), np.array([1.6]), np.array([False]))
    assert len(outside.points) == 0
    assert outside.complete


def test_search_finds_every_zero_in_the_plane() -> None:
    """Zeros of (sin 3x cos y, sin y): a lattice, known in number."""

    def gradient(points: Array) -> Array:
        x, y = points.T
        return np.stack([np.sin(3.0 * x) * np.cos(y), np.sin(y) + 0.0 * x], axis=1)

    found = critical_points(gradient, np.array([-2.0, -4.0]), np.array([2.0, 4.0]), np.array([False, False]))
    expected = {(k, m) for k in (-1, 0, 1) for m in (-1, 0, 1)}
    assert {(round(3.0 * x / np.pi), round(y / np.pi)) for x, y in found.points} == expected
    assert len(found.points) == 9
    assert_allclose(np.sin(3.0 * found.points[:, 0]), 0.0, atol=1e-12)
    assert found.complete


def test_a_double_zero_is_not_claimed_to_be_settled() -> None:
    """(z - 1/3)^2 touches 0: neither no zero nor one zero can be shown."""
    found = critical_points(
        lambda points: (points - 1.0 / 3.0) ** 2, np.array([-1.0]), np.array([1.0]), np.array([False])
    )
    assert not found.complete
    assert found.unsettled[:, 0, 0].min() < 1.0 / 3.0 < found.unsettled[:, 1, 0].max()


def test_search_says_where_the_gradient_vanishes_to_rounding() -> None:
    """exp(-1 / z^2) is below 1e-13 for z < 0.18, where zeros mean nothing."""

    def gradient(points: Array) -> Array:
        return np.exp(-1.0 / np.maximum(points, 1e-2) ** 2) * (points - 1.0)

    found = critical_points(gradient, np.array([0.0]), np.array([2.0]), np.array([True]))
    assert_allclose(found.points[:, 0], [1.0], atol=1e-12)
    assert found.complete
    assert 0.15 < found.flat[:, 1, 0].max() < 0.2


def test_search_of_even_coordinates_leaves_out_the_faces() -> None:
    """(x^2 - 1)^2 + (y^2 - x^2 / 4)^2 on the quadrant: critical inside at (1, 1/2) only; the faces hold more."""

    def gradient(points: Array) -> Array:
        x, y = points.T
        bend = y**2 - 0.25 * x**2
        return np.stack([4.0 * x * (x**2 - 1.0) - x * bend, 4.0 * y * bend], axis=1)

    found = critical_points(gradient, np.zeros(2), np.full(2, 3.0), np.array([True, True]))
    assert_allclose(found.points, [[1.0, 0.5]], atol=1e-10)


def test_splitting_keeps_mass_and_centre() -> None:
    landscape = waves()
    law = Atoms(np.array([[0.3], [1.2]]), np.array([0.4, 0.6]))
    mode = next(mode for mode in stability(landscape, law).splitting if mode.atom == 1)
    parts = split(law, mode, 0.25, landscape)
    assert_allclose(parts.weights, [0.4, 0.15, 0.45])
    assert_allclose(parts.weights @ parts.points, law.weights @ law.points, atol=1e-15)
    assert abs(parts.points[1, 0] - parts.points[2, 0]) == pytest.approx(1.2e-3)


def test_a_branch_lowers_the_free_energy_and_rests() -> None:
    landscape = waves()
    whole = resting(landscape, [0.1], [1.0])
    modes = stability(landscape, whole)
    assert modes.splitting[0].eigenvalue < -0.1
    branch = follow(landscape, split(whole, modes.splitting[0], 0.5, landscape), np.array([-4.0]), np.array([4.0]))
    assert branch.law is not None
    assert len(branch.law.weights) == 2
    assert landscape.free_energy(branch.law) < landscape.free_energy(whole) - 0.01
    assert stability(landscape, branch.law).residual < 1e-13


def test_a_branch_that_leaves_the_box_says_so() -> None:
    landscape = waves()
    law = Atoms(np.array([[0.5]]), np.ones(1))
    branch = follow(landscape, law, np.array([0.4]), np.array([0.55]))
    assert branch.law is None
    assert "leads out of the box at flow time" in branch.ending


def test_polish_equalises_the_potential_under_birth_and_death() -> None:
    landscape = waves(1.0)
    law = resting(landscape, [-1.6, 1.4], [0.4, 0.6])
    shaken = Atoms(law.points + np.array([[1e-3], [-2e-3]]), law.weights + np.array([1e-3, -1e-3]))
    again = polish(landscape, shaken, np.array([-4.0]), np.array([4.0]))
    assert again is not None
    assert_allclose(again.points, law.points, atol=1e-10)
    assert_allclose(again.weights, law.weights, atol=1e-10)
    value, _ = landscape.potential(again.points, landscape.outputs(again))
    assert abs(value[0] - value[1]) < 1e-13


def test_lowest_finds_the_global_minimum_of_several() -> None:
    landscape, outputs = waves(), np.array([0.5, 0.3, 0.1])
    fine = np.linspace(-4.0, 4.0, 400_001)[:, None]
    values = landscape.potential(fine, outputs)[0]
    least, place = lowest(landscape, outputs, np.array([-4.0]), np.array([4.0]))
    assert least <= values.min() + 1e-14
    assert abs(place[0] - fine[values.argmin(), 0]) < 1e-4


def test_slopes_are_continued_to_the_origin_without_what_is_quadratic() -> None:
    np.testing.assert_allclose(continued(lambda reach: np.array([0.3 + 2.0 * reach - 5e3 * reach**2])), 0.3, rtol=1e-12)


def test_rates_are_those_of_coordinates_over_the_roots_of_their_mobilities() -> None:
    """The same laws rest; with mobilities m the rates are eigenvalues of sqrt(m_i m_j) Hess_ij."""
    objective, geometry = rank_two()
    law = Atoms(np.array([[0.6, 0.9], [1.4, 0.3]]), np.array([0.3, 0.7]))
    even = stability(Landscape(objective, geometry, Flow()), law)
    thrice = stability(Landscape(objective, geometry.slowed([3.0, 3.0]), Flow()), law)
    for slow, fast in ((even.splitting, thrice.splitting), (even.drift, thrice.drift)):
        assert_allclose([3.0 * mode.eigenvalue for mode in slow], [mode.eigenvalue for mode in fast], rtol=1e-9)
    mobility = np.array([0.25, 4.0])
    landscape = Landscape(objective, geometry.slowed(mobility.tolist()), Flow())
    modes, outputs = stability(landscape, law), landscape.outputs(law)
    roots = np.sqrt(mobility)
    expected = [np.linalg.eigvalsh(landscape.hessian(z, outputs)[0] * np.outer(roots, roots)) for z in law.points]
    assert_allclose([mode.eigenvalue for mode in modes.splitting], np.ravel(expected), rtol=1e-9)

    # z' = -m grad G, linearised by differences at the law: its spectrum is that of the drift
    def velocity(flat: np.ndarray) -> np.ndarray:
        now = Atoms(flat.reshape(2, 2), law.weights)
        return np.asarray((landscape.potential(now.points, landscape.outputs(now))[1] * mobility).ravel())

    step, places = 1e-5, law.points.ravel()
    jacobian = np.stack(
        [(velocity(places + step * e) - velocity(places - step * e)) / (2.0 * step) for e in np.eye(4)], axis=1
    )
    rates = np.sort(np.linalg.eigvals(jacobian).real)
    assert_allclose([mode.eigenvalue for mode in modes.drift], rates, rtol=1e-6, atol=1e-8)
