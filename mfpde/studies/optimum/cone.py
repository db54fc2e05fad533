"""The optimum of 1-homogeneous units on samples under a ridge: a finite cone program, certified by enumeration."""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from mfpde.errors import ConfigurationError
from mfpde.problem.problem import Problem
from mfpde.results.answers.optimum import AtomicOptimum
from mfpde.results.answers.signed import SignedOptimum
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.samples.outputs import SampleFeatures
from mfpde.solvers.objective.coefficient import WithCoefficient
from mfpde.solvers.objective.directed import OnCircle, OnSphere
from mfpde.solvers.objective.kinks import Kinked, kinks_of
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.optimum.sphere.fan import cells_at_most
from mfpde.solvers.optimum.sphere.homogeneous import SignedAtoms, homogeneous_optimum
from mfpde.solvers.optimum.sphere.pricing import EXACT, Priced, largest_response
from mfpde.solvers.space.box import Box

MOST_CELLS = 3e7
"""Cells and faces of the arrangement times planes, which are looked at in every round."""
MOST_PLANES = 400
"""Of an arrangement whose cells are priced without being listed: each round sweeps their square."""
TIGHT = 1e-10
"""Relative gap of what is certified."""
SAMPLES = 1441
"""Angles of one turn at which the dual polynomial is told."""


def cone_optimum(problem: Problem, objective: Objective, radius: float) -> AtomicOptimum | None:
    """The optimum where units are linear between kinks through the origin, and all parameters move.

    Ridges lambda_w and lambda_a and a path penalty cost 2 ((lambda_w lambda_a)^(1/2) + path) |a||w|, where |w| / |a| is
    (lambda_a / lambda_w)^(1/2), and all atoms are alike: |a||w| is the total variation. None where this is no such
    problem, or the box is too small for such atoms.

    Raises:
        ConfigurationError: the arrangement of the kinks has too many cells, or Clarabel is not installed.
    """
    features, strength = objective.features, _strength(problem)
    kinks = kinks_of(features)
    if kinks is None or not isinstance(features, WithCoefficient) or not strength > 0.0:
        return None
    homogeneous = problem.unit.activation.homogeneity == 1.0 and not np.any(kinks.offsets)
    if not (homogeneous and np.all(problem.geometry.mobility > 0.0)):
        return None
    found = _least(objective, cast(Kinked, features.inner), strength)
    masses = np.linalg.norm(found.vectors, axis=1)
    variation = float(masses.sum())
    decay, size = problem.flow.decay, math.sqrt(variation)
    longer = (decay.a / decay.w) ** 0.25 if decay.w > 0.0 else 1.0
    if size * max(longer, 1.0 / longer) > radius:
        return None
    places, weights = np.zeros((1, features.dimension)), np.ones(1)
    if variation > 0.0:
        units = longer * found.vectors / masses[:, None]
        places = size * np.insert(units, features.axis, found.signs / longer, axis=1)
        weights = masses / variation
    order = np.lexsort(places.T[::-1])
    return AtomicOptimum(
        names=problem.geometry.names,
        risk=objective.risk(found.outputs),
        free_energy=found.energy,
        lower_bound=min(found.lower_bound, found.energy),
        radius=radius,
        positions=places[order],
        weights=weights[order],
        boundary_mass=0.0,
        feature_error=0.0,
        certified=found.energy - found.lower_bound <= TIGHT * abs(found.energy),
        larger=(),
        limit=None,
    )


def directed_optimum(problem: Problem) -> SignedOptimum:
    """The same of neurons that are known by their directions, under a path penalty.

    Raises:
        ConfigurationError: as for `cone_optimum`.
    """
    ends, circle = np.ones(problem.geometry.dimension), problem.geometry.axes[0]
    objective, penalty = problem.represent("exact", Box(-ends, ends), TIGHT).objective, problem.flow.penalty.path
    directed = cast(OnSphere | OnCircle, cast(WithCoefficient, objective.features).inner)
    found = _least(objective, cast(Kinked, directed.inner), penalty)
    masses, gradient = np.linalg.norm(found.vectors, axis=1), objective.loss_gradient(found.outputs)
    ways = found.vectors / masses[:, None]
    places, angles, dual = ways, np.empty(0), np.empty(0)
    if circle.period is not None:
        places, angles = circle.folded(np.arctan2(ways[:, 1:], ways[:, :1])), np.linspace(0.0, circle.period, SAMPLES)
        dual = -directed.values(angles[:, None]) @ gradient / penalty
    slopes = found.signs * (directed.inner.values(ways) @ gradient) + penalty
    order = np.lexsort(places.T[::-1])
    return SignedOptimum(
        names=problem.geometry.names,
        risk=objective.risk(found.outputs),
        free_energy=found.energy,
        lower_bound=min(found.lower_bound, found.energy),
        positions=np.column_stack([places, found.signs])[order],
        weights=masses[order],
        penalty=penalty,
        certificate=found.excess,
        residual=float(np.abs(slopes).max(initial=0.0)),
        certified=found.energy - found.lower_bound <= TIGHT * abs(found.energy) and found.excess <= 1.0 + TIGHT,
        proven=True,
        angles=angles,
        dual=dual,
    )


def _least(objective: Objective, features: Kinked, strength: float) -> SignedAtoms:
    """The minimiser of 2 L + 2 strength |m|; raises ConfigurationError for too many cells, or without Clarabel."""
    kinks = kinks_of(features)
    assert kinks is not None
    planes, dimension = kinks.normals.shape
    cells = cells_at_most(planes, dimension)
    few = cells * planes <= MOST_CELLS
    priced = not few and dimension <= EXACT and planes <= MOST_PLANES and isinstance(features, SampleFeatures)
    if not (few or priced):
        words = f"the kinks of {planes} samples cut {dimension} dimensions into up to {cells:.2g} cells and faces"
        remedy = 'fewer samples, or follow the flow with time.until = "stationary"'
        raise ConfigurationError([f"data.law: {words}, all of which the certificate looks at; write {remedy}"])

    def oracle(gradient: Array) -> Priced:
        samples = cast(SampleFeatures, features)
        right, left = (float(samples.unit.slope(np.array([side]))[0]) for side in (1.0, -1.0))
        return largest_response(gradient, samples.inputs, (right, left))

    try:
        return homogeneous_optimum(objective, features, strength, None if few else oracle)
    except ModuleNotFoundError:
        words = "the optimum of homogeneous units is a cone programme, for which the library Clarabel is needed"
        raise ConfigurationError([f"{words}; install it with: pip install 'mfpde[cone]'"]) from None


def _strength(problem: Problem) -> float:
    """Half of what |a||w| costs, w with the offset where it moves; 0 where that is not all of the confinement."""
    decay, penalty, offset = problem.flow.decay, problem.flow.penalty, "b" in problem.geometry.names
    even = (decay.w > 0.0) == (decay.a > 0.0)
    if not even or penalty.strength > 0.0 or (offset and (decay.b != decay.w or penalty.path > 0.0)):
        return 0.0
    return math.sqrt(decay.w * decay.a) + penalty.path
