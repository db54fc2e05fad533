"""What every data law holds: V, U, R and their gradients against draws in full dimension, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

import mfpde
from mfpde.configuration.parsing import parse
from mfpde.errors import ConfigurationError
from mfpde.problem.activations.interface import ACTIVATIONS
from mfpde.problem.laws.interface import LAWS
from mfpde.problem.problem import Problem, build_problem
from mfpde.solvers.arrays import Array
from mfpde.solvers.sgd.samplers import sampler_of
from mfpde.solvers.space.box import Box
from tests.laws import PROBLEMS, problem_of, tables_of

COUNT = 120_000
SIGMAS = 4.0
"""Of a mean over draws: one of all the comparisons fails by chance once in four hundred seeds, which are fixed."""
STEP = 1e-4
ACCURACY = 1e-5
"""Of U, a hundredth of what draws know of it."""

Draws = Callable[[Array, int], Array]
"""Outputs of a neuron, shape (COUNT,), turned at random by a key, on inputs that are always the same."""


def test_every_law_has_its_problems() -> None:
    assert set(PROBLEMS) == set(LAWS.names())


class Redrawn:
    """Draws of a finite set of samples."""

    def __init__(self, x: Array, y: Array, weights: Array) -> None:
        self.x, self.y, self.weights, self.dimension = x, y, weights, x.shape[1]

    def draw(self, count: int, generator: np.random.Generator) -> tuple[Array, Array]:
        chosen = generator.choice(len(self.y), count, p=self.weights)
        return self.x[chosen], self.y[chosen]


def drawn(problem: Problem) -> tuple[Array, Draws]:
    """Targets, and outputs of neurons in full dimension: of SGD's samples, weights and directions."""
    law: Any = problem.data
    if law.name == "gaussian-bumps":
        return drawn_bumps(law)
    if law.name == "spikes":
        return drawn_spikes(law)
    sampler = sampler_of(law.sampler() or Redrawn(*law.samples))
    assert sampler is not None
    x, y = sampler.samples(0, COUNT, 1, 0)
    unit, names = problem.unit, problem.geometry.names
    bare = len(names) - len(unit.coordinates)

    @cache
    def projected(place: tuple[float, ...], key: int) -> Array:
        return np.asarray((sampler.embed(np.tile(place, (COUNT, 1)), 7, key) * x).sum(axis=1))

    def outputs(z: Array, key: int) -> Array:
        heads = dict(zip(names[bare:], z[bare:], strict=True))
        inner = projected(tuple(z[:bare].tolist()), key)
        return np.asarray(heads.get("a", 1.0) * unit.activation.value(inner + heads.get("b", 0.0)))

    return y, outputs


def drawn_bumps(data: Any) -> tuple[Array, Draws]:
    """The integral over the line is a mean over [-9, 9]: outputs and target times sqrt(18)."""
    x = np.random.default_rng(2).uniform(-9.0, 9.0, COUNT)

    def bump(z: Any, key: int = 0) -> Array:
        return np.asarray(np.exp(-0.5 * ((x - z) / data.width) ** 2) * np.sqrt(18.0 / (2.0 * np.pi)) / data.width)

    return np.asarray(sum(w * bump(m) for w, m in zip(data.shares, data.centres, strict=True))), bump


def drawn_spikes(data: Any) -> tuple[Array, Draws]:
    """Products of functions on the circle are means over white noise."""
    order, noise = data.seen_by.order, np.random.default_rng(3).standard_normal((COUNT, 2 * data.seen_by.order + 1))
    k = np.arange(1, order + 1)

    def seen(angle: float) -> Array:
        waves = np.concatenate([[1.0], np.sqrt(2.0) * np.cos(k * angle), np.sqrt(2.0) * np.sin(k * angle)])
        return np.asarray(noise @ waves / np.sqrt(2.0 * order + 1.0))

    target = np.asarray(sum(w * seen(place) for w, place in zip(data.weights, data.positions, strict=True)))
    return target, lambda z, key: np.asarray(z[1] * seen(z[0]))


@pytest.mark.long
@pytest.mark.parametrize("law", PROBLEMS)
def test_features_hold_what_neurons_and_data_have_in_common(law: str) -> None:
    """V, U, R and their gradients against independent turns of neurons, those of gradients by common random numbers."""
    problem = problem_of(law, 0, heads=True)
    points = problem.initial_law.sample(2, 3)
    for name, heads in {"a": [1.2, -0.7], "b": [0.3, -0.2]}.items():
        if name in problem.geometry.names:
            points[:, problem.geometry.names.index(name)] = heads
    objective = problem.represent("guide", _about(problem, points), ACCURACY).objective
    y, outputs = drawn(problem)
    first, second = (outputs(z, key) for key, z in enumerate(points))
    again = outputs(points[0], 2), outputs(points[1], 3)

    def potential(*masses: float) -> tuple[Array, Array]:
        gradient = objective.loss.gradient(objective.outputs(points, np.array(masses)))
        return objective.features.contract(points[:1], gradient)

    pull, slope = potential(0.0, 0.0)
    pair, pair_slope = (with_it - without for with_it, without in zip(potential(0.0, 1.0), (pull, slope), strict=True))
    _near(-y * first, pull[0])
    _near(second * first, pair[0])
    risk = objective.risk(objective.outputs(points, np.array([0.3, 0.7])))
    _near((y - 0.3 * first - 0.7 * second) * (y - 0.3 * again[0] - 0.7 * again[1]), risk)
    for axis, shift in enumerate(STEP * np.eye(points.shape[1])):
        moved = (outputs(points[0] + shift, 0) - outputs(points[0] - shift, 0)) / (2.0 * STEP)
        _near(-y * moved, slope[0, axis])
        _near(second * moved, pair_slope[0, axis])


def _about(problem: Problem, points: Array) -> Box:
    return Box(np.maximum(points.min(axis=0) - 0.05, problem.geometry.lower_bounds), points.max(axis=0) + 0.05)


def _near(draws: Array, exact: float) -> None:
    assert abs(draws.mean() - exact) < SIGMAS * draws.std() / np.sqrt(COUNT) + 10.0 * ACCURACY


@pytest.mark.parametrize("law", [law for law in PROBLEMS if LAWS[law].network_keys])
def test_rectifiers_conserve_what_homogeneity_says(law: str) -> None:
    """sigma(s u) = s sigma(u): a d_a Psi = sum_j z_j d_j Psi + b d_b Psi, whose flow keeps a^2 - |w|^2 - b^2."""
    tables = tables_of(law, 0, heads=True)
    made = build_problem(parse({**tables, "network": {**tables["network"], "activation": "relu"}}))
    points = made.initial_law.sample(6, 5) + 0.1
    objective = made.represent("guide", _about(made, points), ACCURACY).objective
    outputs = objective.outputs(points[:3], np.array([0.2, 0.5, 0.3]))
    slopes = objective.features.contract(points, objective.loss_gradient(outputs))[1]
    place = made.geometry.names.index("a")
    along = (points * slopes).sum(axis=1) - points[:, place] * slopes[:, place]
    np.testing.assert_allclose(points[:, place] * slopes[:, place], along, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("law", ["single-index", "multi-index"])
def test_targets_without_second_moment_and_inputs_without_reduction_are_refused(law: str) -> None:
    """E exp(v^2 / 2) is infinite; both mistakes are told at once."""
    with ACTIVATIONS.lending():

        @mfpde.activation("steep")
        class Steep:
            def value(self, u: Array) -> Array:
                return np.exp(0.25 * u * u)

            def slope(self, u: Array) -> Array:
                return 0.5 * u * np.exp(0.25 * u * u)

        with pytest.raises(ConfigurationError) as caught:
            parse({"data": {"law": law, "target": "steep", "inputs": "torus"}, "network": {"activation": "erf"}})
    text = "\n".join(caught.value.messages)
    assert 'data.target = "steep": it has no second moment under the law of x; write one that grows' in text
    assert 'data.inputs = "torus": must be' in text
