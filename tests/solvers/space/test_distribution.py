"""Distribution functions with atoms: exact Kolmogorov distances of laws that can be summed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mfpde.solvers.space.distribution import (
    Distribution,
    distribution,
    kolmogorov,
    repeated,
    sampled,
    unlike,
    wasserstein,
)
from mfpde.solvers.space.grid import Grid
from mfpde.solvers.space.measure import Atoms, Cells


def atoms(places: list[float], weights: list[float]) -> Atoms:
    return Atoms(np.array(places)[:, None], np.array(weights))


@pytest.mark.parametrize("place", [1.0, -2.5, 1e6, 1e-9, 0.0])
@pytest.mark.parametrize("rounding", [0.0, 1e-15, -1e-15])
def test_equal_dirac_masses_have_distance_zero(place: float, rounding: float) -> None:
    """100 neurons in the place of 7 nodes, each off by rounding: .5 where F is taken in the middle of its jump."""
    neurons = np.asarray(place * (1.0 + rounding * np.arange(100)), dtype=np.float64)
    law = distribution(atoms([place * (1.0 - rounding * k) for k in range(7)], [1.0 / 7.0] * 7), repeated(neurons))
    assert kolmogorov(sampled(neurons), law) == pytest.approx(0.0, abs=1e-14)
    assert law.quantile(np.array([0.1, 0.5, 0.9])) == pytest.approx([place] * 3, rel=1e-13)


def test_dirac_masses_apart_have_distance_one() -> None:
    neurons = np.full(50, 1.0)
    for place in (1.0 + 1e-6, 1.0 - 1e-6, -1.0):
        assert kolmogorov(sampled(neurons), distribution(atoms([place], [1.0]), repeated(neurons))) == 1.0


def test_two_atoms_of_other_masses_differ_by_the_mass_that_is_misplaced() -> None:
    """.3 and .7 at -1 and 1 against 40 and 60 of 100 neurons: .1; as many as the masses: 0."""
    law = atoms([-1.0, 1.0], [0.3, 0.7])
    for count, expected in ((40, 0.1), (30, 0.0), (100, 0.7)):
        neurons = np.repeat([-1.0, 1.0], [count, 100 - count])
        assert kolmogorov(sampled(neurons), distribution(law, repeated(neurons))) == pytest.approx(expected, abs=1e-13)


def test_light_atoms_that_neurons_share_are_jumps() -> None:
    """Ten equal atoms, none of them heavy: only the neurons tell that they are no nodes of a quadrature."""
    places = np.linspace(-1.0, 1.0, 10)
    neurons = np.repeat(places, 20)
    law = distribution(atoms(places.tolist(), [0.1] * 10), repeated(neurons))
    assert kolmogorov(sampled(neurons), law) == pytest.approx(0.0, abs=1e-13)


def test_an_atom_at_the_origin_beside_a_density() -> None:
    """Mass .2 at r = 0 and the rest uniform on [1, 2], against the quantiles of the same law: 1 / (2 n)."""
    nodes, weights = np.polynomial.legendre.leggauss(80)
    law = atoms([0.0, *(1.5 + 0.5 * nodes)], [0.2, *(0.4 * weights)])
    shares = (np.arange(1000) + 0.5) / 1000
    neurons = np.where(shares < 0.2, 0.0, 1.0 + (shares - 0.2) / 0.8)
    spread = distribution(law, repeated(neurons))
    assert kolmogorov(sampled(neurons), spread) < 0.01
    # neurons that only come near the origin have not arrived: the whole jump is missing just there
    near = np.where(shares < 0.2, 1e-4 * (1.0 + shares), neurons)
    assert kolmogorov(sampled(near), distribution(law, repeated(near))) == pytest.approx(0.2, abs=1e-6)


def test_a_smooth_law_on_few_nodes_is_not_made_of_jumps() -> None:
    """40 nodes of a Gaussian law, masses up to .06, against its quantiles: half a node would be .03."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    law = distribution(atoms(nodes.tolist(), (weights / weights.sum()).tolist()))
    neurons = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    assert kolmogorov(sampled(neurons), law) < 0.02


def test_cells_of_no_width_are_jumps() -> None:
    """Mass .25 in the origin cell, the rest uniform on (0, 1]."""
    grid = Grid((np.array([0.0, 0.0, 0.5, 1.0]),), (np.array([0.0, 0.25, 0.75]),))
    law = distribution(Cells(grid, np.array([0.25, 0.375, 0.375])))
    assert law.below(np.array([0.0, 0.5])).tolist() == [0.0, 0.625]
    assert law.up_to(np.array([-1.0, 0.0, 0.5, 1.0])).tolist() == [0.0, 0.25, 0.625, 1.0]
    shares = (np.arange(400) + 0.5) / 400
    neurons = np.where(shares < 0.25, 0.0, (shares - 0.25) / 0.75)
    assert kolmogorov(sampled(neurons), law) == pytest.approx(1.0 / 800.0, rel=1e-9)


def test_the_w2_distance_of_few_points_from_a_density_is_exact() -> None:
    """(1/3 - x + x^2)^(1/2) of one point at x from the uniform law on [0, 1]; medians of equal parts have |x - 1/2|."""
    uniform = Distribution(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    for place in (0.5, -1.0, 0.3):
        far = wasserstein(sampled(np.array([place])), uniform)
        assert far == pytest.approx(np.sqrt(1.0 / 3.0 - place + place**2), rel=1e-13)
    # thirds of the mass at 0 and 1 against a third at 0: what is moved is a third, over 1
    one, other = (sampled(np.array([1.0, 0.0]), np.array(weights)) for weights in ([1.0, 2.0], [2.0, 1.0]))
    assert wasserstein(one, other) == pytest.approx(np.sqrt(1.0 / 3.0), rel=1e-13)
    assert kolmogorov(one, other) == pytest.approx(1.0 / 3.0, rel=1e-13)


def test_laws_that_jump_a_little_apart_are_alike_where_no_neuron_lies_between() -> None:
    one, other = (distribution(atoms([place], [1.0])) for place in (1.0, 1.0 + 1e-6))
    assert unlike(one, other, np.array([0.9, 1.1])) == 0.0
    assert unlike(one, other, np.array([0.9, 1.0 + 5e-7])) == 1.0
    # densities are held against one another at their own points too
    first, second = (Distribution(np.array(places), np.array([0.0, 0.5, 1.0])) for places in ([0, 1, 2], [0, 1.5, 2]))
    assert unlike(first, second, np.array([-1.0])) == pytest.approx(0.25, rel=1e-12)


def test_masses_as_small_as_floats_have_quantiles() -> None:
    """Tails of 1e-310 and 1e-17 at the ends of a law: slopes that no float holds."""
    law = Distribution(np.array([-9.0, -5.0, 0.0, 1.0, 9.0]), np.array([0.0, 1e-310, 1e-17, 1.0, 1.0]))
    assert law.quantile(np.array([0.0, 0.25, 0.75])) == pytest.approx([-9.0, 0.25, 0.75], rel=1e-13)
    assert wasserstein(law, law) == 0.0
