"""Finitely many neurons drawn from rho_0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mfpde.keys.declaration import key
from mfpde.keys.kinds import Integers
from mfpde.schemes.interface import Refined, Refusal, SchemeKind, noisy, scheme

if TYPE_CHECKING:
    from mfpde.experiment import Experiment
    from mfpde.problem.problem import Problem
    from mfpde.schemes.pair import Pair
    from mfpde.schemes.solver import Solver
    from mfpde.solvers.space.box import Box
    from mfpde.solvers.space.trails import Trails

DEFAULT_PARTICLES = 200
COARSEST_PARTICLES = 50
MAXIMUM_PARTICLES = 10**6


@dataclass(frozen=True)
class ParticlesOptions:
    """What particles read of [solver]."""

    atoms: tuple[int, ...] = key((DEFAULT_PARTICLES,), Integers(1, 10**7, "[64]"), "the number N of particles")


@scheme("particles")
class ParticlesKind(SchemeKind):
    """N particles drawn from rho_0, and eight populations of N/8 drawn apart from them (`Populations`).

    The risks of these tell the bias of N, of order 1/N, and its fluctuations: R_N lies within `risk_error` of the
    mean-field law's with probability .95, and within three times it with .9998.
    """

    Options = ParticlesOptions
    unshared = ("atoms",)
    place = 4
    less = "fewer solver.atoms"
    by_default = True
    samples = True
    knows_dissipation = True

    def refusals(self, problem: Problem, experiment: Experiment) -> list[Refusal]:
        births = Refusal(
            "dynamics.fisher_rao_rate",
            "birth and death with noise needs log rho, which particles do not have",
            "inverse_temperature = inf, or fisher_rao_rate = 0.0",
            "births with noise",
        )
        both = noisy(problem) and problem.flow.fisher_rao_rate > 0.0
        law = problem.initial_law
        words = law.neuron_problem(self._count(problem, experiment))
        if not law.alike:
            words = "particles weigh alike, and the rows of initial.points do not; leave weight out, or repeat rows"
        numbers = [Refusal("solver.atoms", words, "", "such atoms")] if words else []
        return super().refusals(problem, experiment) + [births] * both + numbers

    def _count(self, problem: Problem, experiment: Experiment) -> int:
        """N: what is asked for, or one for each atom that rho_0 gives."""
        asked = experiment.solver.atoms or problem.initial_law.given or self.options(experiment.solver).atoms
        return int(asked[0])

    def mistakes(self, solver: Solver) -> list[str]:
        atoms = self.options(solver).atoms
        if len(atoms) == 1 and atoms[0] <= MAXIMUM_PARTICLES:
            return []
        problem = f"solver.atoms = {list(atoms)}: particles take one number, at most {MAXIMUM_PARTICLES}"
        return [f"{problem}; write for example atoms = {DEFAULT_PARTICLES}"]

    def pair(self, problem: Problem, experiment: Experiment, guide: Trails, box: Box) -> Pair:
        from mfpde.schemes.guide import spread_guide, visited_box
        from mfpde.schemes.pair import Pair, described, error_floor_of
        from mfpde.solvers.particles.birth_death_process import ParticleProcess
        from mfpde.solvers.particles.populations import LEVEL, POPULATIONS, Populations, size_beside

        tolerance, seed = experiment.solver.tolerance, experiment.sgd.seed
        count = self._count(problem, experiment)
        if noisy(problem):
            box = visited_box(problem, spread_guide(problem, guide))
        reduced = problem.represent("tabulated", box, 0.1 * tolerance)

        def run(particles: int, stream: int) -> ParticleProcess:
            law = problem.initial_law
            start = (law.sample if stream else law.neurons)(particles, seed, stream)
            return ParticleProcess(reduced.objective, problem.geometry, problem.flow, start, seed, stream, tolerance)

        floor = error_floor_of(reduced, guide) + 0.1 * tolerance
        few = size_beside(count)
        beside = Populations([run(few, 1 + stream) for stream in range(POPULATIONS)])
        said = f"{count} particles: risk_error holds their distance from the mean-field law with probability {LEVEL:g}"
        notes = (f"{said}, seen from {POPULATIONS} independent populations of {few}",)
        chosen = described(reduced, floor) | {"seed": seed}
        return Pair(run(count, 0), beside, floor, notes, chosen, apart=beside.apart)

    def refined(self, problem: Problem, experiment: Experiment, level: int) -> Refined:
        """Four times as many, one draw each: their order of 1/2 shows only on average."""
        count = (experiment.solver.atoms or (COARSEST_PARTICLES,))[0] * 4**level
        return Refined("particles", float(count), experiment.solver.having(atoms=(count,)))
