"""Laws of one number: how they are written, discrete ones summed exactly by every scheme, mistakes told at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mfpde.configuration.parsing import parse
from mfpde.configuration.toml import to_tables
from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.problem.initial.law import product_law
from mfpde.problem.initial.radial import radial_law
from mfpde.problem.labels import label_law
from mfpde.problem.law_kinds import MARGINALS, marginal
from mfpde.problem.laws.gaussian_mixture import GaussianMixture, MixtureInitial
from mfpde.problem.marginals import Density, Marginal, Normal, ScaledChi, Uniform, Values
from mfpde.problem.network import Network
from mfpde.problem.problem import build_problem
from mfpde.solvers.characteristics.panels import initial_panels
from mfpde.solvers.characteristics.rules import Rule
from mfpde.solvers.space.axis import Line
from mfpde.solvers.space.geometry import Geometry
from mfpde.studies.sgd.networks import build_sgd, first_state
from mfpde.studies.solve import solve
from tests.solvers.grids import uniform_grid

SIGNS = Values((1.5, -1.0, 0.0, 1.5), (1.0, 2.0, 0.0, 1.0))
"""-1 and 1.5 with probability 1/2 each."""
TABLES = {"data": {"dims": [8]}, "network": {"coefficients": "trained"}, "time": {"end": 1.0, "save": [0.0, 1.0]}}


def start(**initial: Any) -> dict[str, Any]:
    return {**TABLES, "initial": initial}


def test_a_discrete_law_is_the_sum_of_its_values() -> None:
    assert_array_equal(SIGNS.breaks, [-1.0, 1.5])
    assert_array_equal(SIGNS.density(np.array([-1.0, 0.0, 1.5, 1.6])), [0.5, 0.0, 0.5, 0.0])
    assert_array_equal(SIGNS.cumulative(np.array([-1.1, -1.0, 1.4, 1.5])), [0.0, 0.5, 0.5, 1.0])
    law = product_law([Values((-1.0, 2.0), (3.0, 1.0)), ScaledChi(5.0, 0.3), 0.5])
    mean, deviation = law.moments
    assert_allclose(mean[[0, 2]], [-0.25, 0.5], rtol=1e-14)
    assert_allclose(deviation[0] ** 2, 9.0 * 3.0 / 16.0, rtol=1e-13)
    assert (law.spread, law.atomic.tolist()) == (1, [True, False, True])
    masses = law.cell_masses(uniform_grid([-2.0, 0.01, 0.0], [3.0, 2.0, 1.0], [40, 30, 1], LINES))
    assert_allclose(masses.sum(axis=(1, 2))[:20].sum(), 0.75, rtol=1e-9)


LINES = Geometry.of({"a": Line(), "r": Line(), "b": Line()})


@pytest.mark.parametrize("first", [True, False])
def test_labels_that_take_single_values_are_summed_and_not_integrated(first: bool) -> None:
    """Moments of a law of r and a on ten nodes of r for every value of a, whichever comes first."""
    sources: list[Marginal | float] = [SIGNS, Uniform(0.2, 1.0)] if first else [Uniform(0.2, 1.0), SIGNS]
    law = label_law(product_law(sources))
    panels = initial_panels(law, Rule.of_order(10), 1e-6, 40_000)
    places, weights = panels.atoms
    a, r = places.T if first else places.T[::-1]
    assert (len(weights), panels.axes) == (20, 1)
    assert_array_equal(np.unique(a), [-1.0, 1.5])
    assert_allclose([weights.sum(), weights @ a, weights @ (a * r)], [1.0, 0.25, 0.25 * 0.6], rtol=1e-14)
    assert_array_equal(np.unique(law.corners), [-1.0, 0.2, 1.0, 1.5])


def test_a_radius_may_be_one_number_or_few() -> None:
    law = radial_law(Values((0.5, 1.0)), [3.0, 5.0], [0.375, 0.625], [Values((-1.0, 1.0))])
    drawn = law.sample(400, seed=3)
    lengths = np.hypot(drawn[:, 0], drawn[:, 1])
    assert_allclose(np.where(lengths > 0.75, 1.0, 0.5), lengths, rtol=1e-14)
    assert_array_equal(np.unique(drawn[:, 2]), [-1.0, 1.0])
    mean, deviation = law.moments
    assert_allclose(mean[:2] ** 2 + deviation[:2] ** 2, np.array([0.375, 0.625]) * 0.625, rtol=1e-10)
    assert_allclose(radial_law(0.7, [4.0], [1.0]).embed(np.empty((1, 0))), [[0.7]])


def test_two_signs_of_infinite_dimension_are_two_atoms_of_any_scheme() -> None:
    """A law without a density is its values: two atoms, whose masses are kept, and R(0) in closed form."""
    law = GaussianMixture(delta=0.8, dims="infinite", fractions=(1.0,))
    for scheme in ("characteristics", "jko"):
        found = solve(
            Experiment(law, Network("relu", "trained"), MixtureInitial(a=Values((-1.0, 2.0), (2.0, 1.0)))),
            scheme=scheme,
            end=0.5,
            save=2,
        )
        end = found.law(0.5)
        assert_allclose(np.sort(end.weights), [1.0 / 3.0, 2.0 / 3.0], rtol=1e-14)
        # ∫a drho = 0 and every neuron has one radius: f = 0
        assert_allclose(found.risk[0], 1.0, rtol=1e-12)


def test_sgd_draws_the_values_by_counter() -> None:
    experiment = parse({**start(a={"values": [-1.0, 1.5], "weights": [1, 2]}), "sgd": {"neurons": 300}})
    problem, sgd = build_problem(experiment), build_sgd(experiment, 0)
    first, again = (first_state(experiment, problem, sgd) for _ in range(2))
    assert_array_equal(first.a, again.a)
    assert set(first.a) == {-1.0, 1.5}
    # five standard deviations of 300 draws
    assert abs(np.mean(first.a == 1.5) - 2.0 / 3.0) < 5.0 * np.sqrt(2.0 / 9.0 / 300)


WRITTEN = [
    {"a": {"values": [-1.0, 1.0]}},
    {"a": {"values": [-1.0, 1.0], "weights": [1.0, 3.0]}, "radius": {"values": [0.5, 1.0]}},
    {"a": {"uniform": [-1.0, 2.0]}, "radius": 0.5},
    {"a": {"table": [[-1.0, 0.0, 2.0], [0.0, 1.0, 0.0]]}, "radius": {"normal": [1.0, 0.1]}},
]


@pytest.mark.parametrize("initial", WRITTEN)
def test_what_is_written_is_read_and_written_again(initial: dict[str, Any]) -> None:
    experiment = parse(start(**initial))
    tables = to_tables(experiment)
    assert {name: tables["initial"][name] for name in initial} == initial
    assert parse(tables) == experiment


REFUSED = [
    ({"values": [-1.0, 1.0], "weights": [1.0]}, "weights = [1.0]: 1 weights for 2 values"),
    ({"values": [-1.0, 1.0], "weights": [1.0, -1.0]}, "weights = [1.0, -1.0]: must be a list of numbers, each in [0"),
    ({"values": [-1.0, 1.0], "weights": [0.0, 0.0]}, "sum to 0"),
    ({"values": [np.nan, 1.0]}, "values = [nan, 1.0]: must be a list of numbers"),
    ({"values": []}, "values = []: must be a list of numbers"),
    ({"values": [0.1] * 1001}, "more than 1000 values"),
    ({"weights": [1.0]}, "write one of { normal"),
    ({"normal": [0.0, 1.0], "weights": [1.0]}, "write one of { normal"),
    ({"normal": [0.0, 1.0], "uniform": [0.0, 1.0]}, "write one of { normal"),
    ({"normal": [0.0, -1.0]}, "a standard deviation >= 0"),
    ({"normal": [0.0, np.inf]}, "must be a list of numbers"),
    ({"uniform": [1.0, -1.0]}, "must be two numbers, low < high"),
    ({"table": [[0.0, 1.0], [1.0]]}, "as many densities"),
    ({"table": [[1.0, 0.0], [1.0, 1.0]]}, "strictly increasing places"),
    ({"value": [1.0]}, "did you mean"),
    ("unheard-of", "no law has this name; write a number, { values = [-1.0, 1.0] }, or --use FILE.py"),
]


def test_every_mistake_in_a_law_is_told_at_once() -> None:
    for given, words in REFUSED:
        with pytest.raises(ConfigurationError) as refused:
            parse({**start(a=given, kappa=-1.0)})
        told = str(refused.value)
        assert words in told, (given, told)
        assert "initial.kappa" in told
    for given, words in [
        ({"values": [-0.5, 1.0]}, "each in [0, 1e+06]"),
        ({"normal": [1.0, 0.5]}, "is not positive: the mean must be 9 standard deviations or more"),
        (-1.0, "must be a number, in [0, 1e+06]"),
    ]:
        with pytest.raises(ConfigurationError, match=r"initial\.radius") as refused:
            parse(start(radius=given))
        assert words in str(refused.value)


@pytest.mark.parametrize("values", [((), None), ((1.0,), (1.0, 2.0)), ((1.0,), (-1.0,)), ((np.inf,), None)])
def test_discrete_laws_of_nothing_are_refused_in_python(values: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="a discrete law needs"):
        Values(*values)


class Humps:
    """The density |x| on [-1, 2], not normalised."""

    breaks = (-1.0, 0.0, 2.0)

    def density(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(np.abs(x))


def test_a_law_of_ones_own_is_known_by_its_name() -> None:
    """E a = (8/3 - 1/3) / (5/2) of the density |x| on [-1, 2], with its kink at 0 a break."""
    with MARGINALS.lending():
        marginal("humps")(Humps)
        experiment = parse(start(a="humps"))
        assert to_tables(experiment)["initial"]["a"] == "humps"
        with pytest.raises(ConfigurationError, match=r"the law lies in \[-1, 2\]"):
            parse(start(radius="humps"))
    law = build_problem(experiment).initial_law
    assert_allclose(law.moments[0][1], 7.0 / 3.0 / 2.5, rtol=1e-12)
    given: Any
    for given in (Humps(), Density(np.abs, -1.0, 2.0, (0.0,))):
        made = build_problem(Experiment(initial=MixtureInitial(a=given), network=Network(coefficients="trained")))
        assert_allclose(made.initial_law.moments[0][-1], 7.0 / 3.0 / 2.5, rtol=1e-12)


def test_a_constant_law_is_a_constant() -> None:
    for given in (Normal(0.5, 0.0), Values((0.5,))):
        problem = build_problem(Experiment(initial=MixtureInitial(a=given), network=Network(coefficients="trained")))
        assert problem.initial_law.spread == 2
        assert_array_equal(problem.initial_law.atomic, [False, False, True])
