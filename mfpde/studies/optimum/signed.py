"""The optimum of signed neurons of free mass on a circle: the measure of least risk and total variation."""

from __future__ import annotations

import numpy as np

from mfpde.errors import raise_mistakes
from mfpde.experiment import Experiment
from mfpde.problem.problem import Problem, build_problem
from mfpde.results.answers.signed import SignedOptimum
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.optimum.circle import CircleLaw, CircleProblem
from mfpde.solvers.optimum.sampled import SLACK
from mfpde.solvers.optimum.signed import signed_optimum
from mfpde.solvers.space.box import Box
from mfpde.studies.optimum.cone import SAMPLES, directed_optimum

ACCURACY = 1e-15
"""Error of U asked of the features; what they reach enters the bound."""
TOLERANCE = 1e-10
"""Relative gap, and how far the certificate may pass 1."""


def is_signed(problem: Problem) -> bool:
    """Whether neurons of free mass have a place on a circle or a sphere and a sign, and nothing else."""
    *places, sign = problem.geometry.axes
    closed = all(axis.unit for axis in places) or (len(places) == 1 and places[0].period is not None)
    return problem.flow.free and bool(places) and closed and sign.discrete


def refuse_signed(problem: Problem, radius: float | None) -> None:
    """Raise ConfigurationError with what leaves no optimum, or no box, on the circle."""
    messages = []
    if not (problem.flow.penalty.path > 0.0):
        words = "without one every measure of the same outputs is optimal"
        messages.append(f"dynamics.penalty: {words}; write penalty = {{ path = 0.01 }}")
    if radius is not None:
        name = problem.geometry.names[0]
        messages.append(
            f"--radius: {name} lies on {problem.geometry.axes[0].described}, which is searched as a whole; leave it out"
        )
    messages += [f"dynamics.ridge: {text}" for text in problem.geometry.refusals(ridge=problem.flow.decay.w > 0.0)]
    raise_mistakes(messages)


def optimum_on_a_circle(configuration: Experiment, radius: float | None = None) -> SignedOptimum:
    """The optimum of a configuration whose neurons are signed masses on a circle, with its dual.

    Raises:
        ConfigurationError: without a path penalty, with a ridge, or with a radius.
    """
    problem = build_problem(configuration)
    refuse_signed(problem, radius)
    if problem.kinks is not None:
        return directed_optimum(problem)
    known = problem.data.circle(problem.unit)
    if known is not None:
        return _by_kernel(problem, known)
    circle = problem.geometry.axes[0]
    turn = Box(np.zeros(1), np.array([circle.upper]))
    expansion = problem.data.features(problem.unit, turn, ACCURACY, "finest")
    objective, unit, proven = expansion.objective, problem.unit, True

    def bend(gradient: Array) -> float:
        nonlocal proven
        bound = problem.data.bend(unit, gradient)
        proven = bound is not None
        return bound if bound is not None else _sampled_bend(objective, gradient, circle.upper)

    penalty = problem.flow.penalty.path
    found = signed_optimum(objective, penalty, bend, circle.upper)
    risk = objective.risk(found.outputs)
    energy = risk + 2.0 * penalty * float(found.weights.sum())
    lower = min(2.0 * found.dual - expansion.error, energy)
    angles = np.linspace(0.0, circle.upper, SAMPLES)
    return SignedOptimum(
        names=problem.geometry.names,
        risk=risk,
        free_energy=energy,
        lower_bound=lower,
        positions=np.column_stack([found.places, found.signs]),
        weights=found.weights,
        penalty=penalty,
        certificate=found.certificate,
        residual=found.residual,
        certified=proven and energy - lower <= TOLERANCE * energy and found.certificate <= 1.0 + TOLERANCE,
        proven=proven,
        angles=angles,
        dual=-(objective.features.values(circle.folded(angles)[:, None]) @ found.gradient) / penalty,
    )


def _by_kernel(problem: Problem, known: CircleLaw) -> SignedOptimum:
    """The same where the kernel of two angles is known: nothing is left out by features."""
    penalty = problem.flow.penalty.path
    asked = CircleProblem(known, penalty)
    found = asked.solved()
    angles, gap = np.linspace(0.0, 2.0 * np.pi, SAMPLES), found.free_energy - found.lower_bound
    return SignedOptimum(
        names=problem.geometry.names,
        risk=found.risk,
        free_energy=found.free_energy,
        lower_bound=found.lower_bound,
        positions=np.column_stack([found.angles, found.signs]),
        weights=found.masses,
        penalty=penalty,
        certificate=found.largest / penalty,
        residual=found.residual / penalty,
        certified=gap <= TOLERANCE * found.free_energy and found.largest <= (1.0 + TOLERANCE) * penalty,
        proven=True,
        angles=angles,
        dual=-asked.slopes(angles, found)[0] / penalty,
    )


def _sampled_bend(objective: Objective, gradient: Array, period: float) -> float:
    """`SLACK` times the steepest rise of the slope of <phi, g> between neighbouring places: no proof."""
    places = np.linspace(0.0, period, 8 * SAMPLES, endpoint=False)
    slopes = objective.features.contract(places[:, None], gradient)[1][:, 0]
    rises = np.abs(np.diff(slopes, append=slopes[:1]))
    return SLACK * float(rises.max()) * len(places) / period
