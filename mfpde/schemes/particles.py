"""Finitely many neurons drawn from rho_0."""

from __future__ import annotations

import numpy as np

from mfpde.experiment import Experiment
from mfpde.problem.problem import Problem
from mfpde.schemes.guide import spread_guide, visited_box
from mfpde.schemes.pair import Schemes, described, error_floor_of
from mfpde.solvers.particles.birth_death_process import ParticleProcess
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.grid import Guide

DEFAULT_PARTICLES = 200


def particles(problem: Problem, configuration: Experiment, guide: Guide, box: Box) -> Schemes:
    """N particles drawn from rho_0, and half as many drawn apart from them.

    The risks of N and N/2 particles differ by the bias of N, which is of order 1/N, and by fluctuations sqrt(3) times
    those of N: their difference estimates the distance from the mean-field law.
    """
    tolerance, seed = configuration.solver.tolerance, configuration.sgd.seed
    (count,) = configuration.solver.atoms or (DEFAULT_PARTICLES,)
    if np.isfinite(problem.flow.inverse_temperature):
        box = visited_box(problem, spread_guide(problem, guide))
    reduced = problem.represent("tabulated", box, 0.1 * tolerance)

    def run(particles: int, stream: int) -> ParticleProcess:
        start = problem.initial_law.sample(particles, seed, stream)
        return ParticleProcess(reduced.objective, problem.geometry, problem.flow, start, seed, stream, tolerance)

    floor = error_floor_of(reduced, guide) + 0.1 * tolerance
    notes = (f"{count} particles: risk_error is their distance from the mean-field law, seen from half as many",)
    return Schemes(run(count, 0), run(max(1, count // 2), 1), floor, notes, described(reduced) | {"seed": seed})
