"""Gauss rules of a label's own density: exact to their degree on every stretch, and others beside them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.panels import LabelLaw, fill_panels, initial_panels
from mfpde.solvers.characteristics.rules import FittedRules, Rule

NORMAL = special.ndtri(1e-30) * np.array([1.0, -1.0])


def normal(x: Array) -> Array:
    return np.asarray(np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi))


def rule_of(rules: FittedRules, low: float, high: float) -> tuple[Rule, Array, Array]:
    """The rule of a stretch, its nodes and its weights in the label."""
    rule, _ = next(iter(rules.stretches(0, np.array([low]), np.array([high]))))
    half = 0.5 * (high - low)
    return rule, low + half * (rule.nodes + 1.0), half * rule.weights


def moment(degree: int) -> float:
    """E |G|^degree."""
    return float(2.0 ** (0.5 * degree) * special.gamma(0.5 * (degree + 1)) / np.sqrt(np.pi))


@pytest.mark.parametrize("order", [3, 7, 10])
def test_the_rule_of_a_normal_law_is_that_of_hermite(order: int) -> None:
    _, nodes, weights = rule_of(FittedRules((normal,), order), *NORMAL)
    exact, masses = special.roots_hermitenorm(order)
    assert_allclose(nodes, exact, atol=1e-12)
    assert_allclose(weights, masses / np.sqrt(2.0 * np.pi), rtol=1e-10)


@pytest.mark.parametrize(("turned", "lost"), [(False, 1), (True, 2)])
def test_degree_on_the_line_and_on_half_of_it(turned: bool, lost: int) -> None:
    """Fails by a quarter of the moment where the degree is one less; odd ones vanish on the line."""
    rules = FittedRules((normal,), 6, 0.5, turned)
    _, nodes, weights = rule_of(rules, *NORMAL)
    _, right, masses = rule_of(rules, 0.0, NORMAL[1])
    for degree in range(2 * 6 - lost + 1):
        assert_allclose(weights @ nodes**degree, moment(degree) * (degree % 2 == 0), atol=1e-11 * moment(degree))
        assert_allclose(masses @ right**degree, 0.5 * moment(degree), rtol=1e-11)
    assert abs(masses @ right ** (2 * 6 - lost + 1) / (0.5 * moment(2 * 6 - lost + 1)) - 1.0) > 1e-4


def test_the_rules_of_a_companion_share_no_node_and_no_cut() -> None:
    law = LabelLaw((NORMAL,), lambda x: np.ones(len(x)), lambda x: x, own=(normal,))
    for order in (6, 7, 8):
        main, own, _ = rule_of(law.rules(8), *NORMAL)  # type: ignore[arg-type]
        other, others, _ = rule_of(law.cut_elsewhere().rules(order), *NORMAL)  # type: ignore[arg-type]
        assert np.abs(own[:, None] - others).min() > 0.02
        # neither lies alike on both sides of the middle, where laws have their separatrices
        assert np.abs(others[:, None] + others).min() > 0.02
        assert abs(main.cut - other.cut) > 0.02


def test_halving_keeps_polynomials_and_masses() -> None:
    """Of two labels with rules of their own and one value beside them."""
    law = LabelLaw(
        (NORMAL, np.array([0.0, 2.0])),
        lambda x: np.where(x[:, 2] > 0.0, 0.25, 0.75),
        lambda x: np.stack([x[:, 0] ** 5 * x[:, 1], x[:, 1] ** 5 + x[:, 2]], axis=1),
        places=(np.array([-1.0, 1.0]),),
        own=(normal, lambda x: 0.5 * x),
    )
    rules = law.rules(6)
    panels = initial_panels(law, rules, 1e-8, 10_000)
    assert panels.masses.size == 2 * 36
    # E x^2, E y, E y^2 of the density y/2 on [0, 2]
    positions, masses = panels.atoms
    assert_allclose(masses @ positions[:, 1], 2.0**7 / 14.0 - 0.5, rtol=1e-12)
    for axis in (0, 1, 0):
        which = np.arange(len(panels.lower)) % 2 == 0
        panels = panels.halved(which, axis, rules)
        fresh = fill_panels(panels.lower, panels.upper, law.density, law.embed, rules)
        assert_allclose(panels.masses, fresh.masses, rtol=1e-9, atol=1e-16)
        assert_allclose(panels.positions, fresh.positions, rtol=1e-9, atol=1e-7)


def test_a_stretch_without_mass_has_none() -> None:
    """The density of Legendre's rule on it is 0, and so it is on its halves."""
    law = LabelLaw(
        (np.array([0.0, 1.0, 2.0]),),
        lambda x: np.ones(len(x)),
        lambda x: x,
        own=(lambda x: np.where(x > 1.0, 1.0, 0.0),),
    )
    panels = initial_panels(law, law.rules(4), 1e-8, 1000)
    panels = panels.halved(np.ones(2, dtype=bool), 0, law.rules(4))
    assert_allclose(panels.masses.sum(axis=1), [0.0, 0.0, 0.5, 0.5], atol=1e-15)
