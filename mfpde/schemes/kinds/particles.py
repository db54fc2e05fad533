"""Finitely many neurons drawn from rho_0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mfpde.keys.declaration import key
from mfpde.keys.kinds import Choice, Integers
from mfpde.schemes.interface import Refined, Refusal, SchemeKind, noisy, scheme, too_many_meetings

if TYPE_CHECKING:
    from mfpde.experiment import Experiment
    from mfpde.problem.problem import Problem
    from mfpde.schemes.pair import Pair
    from mfpde.schemes.solver import Solver
    from mfpde.solvers.arrays import Array
    from mfpde.solvers.flow.time_loop import Scheme
    from mfpde.solvers.networks.order_parameters import Overlaps
    from mfpde.solvers.objective.objective import Objective
    from mfpde.solvers.space.box import Box
    from mfpde.solvers.space.trails import Trails

DEFAULT_PARTICLES = 200
COARSEST_PARTICLES = 50
MAXIMUM_PARTICLES = 10**6


@dataclass(frozen=True)
class ParticlesOptions:
    """What particles read of [solver]."""

    atoms: tuple[int, ...] = key((DEFAULT_PARTICLES,), Integers(1, 10**7, "[64]"), "the number N of particles")
    neurons: str = key(
        "law", Choice(("law", "actual")), "particles of the law, or the flow of N actual neurons by order parameters"
    )


@scheme("particles")
class ParticlesKind(SchemeKind):
    """N particles drawn from rho_0, and eight populations of N/8 drawn apart from them (`Populations`).

    The risks of these tell the bias of N, of order 1/N, and its fluctuations: R_N lies within `risk_error` of the
    mean-field law's with probability .95, and within three times it with .9998. Where rho_0 is given as atoms and
    nothing is drawn on the way, the particles are the law, and a run at a larger tolerance stands beside them.

    With `neurons = "actual"` N single neurons under the exact population risk (`OrderParameterFlow`) in their place.
    """

    Options = ParticlesOptions
    unshared = ("atoms", "neurons")
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
        if not (law.alike or problem.flow.free) and (self._actual(experiment) or problem.flow.reacts):
            which = "neurons weigh" if self._actual(experiment) else "particles that are born and die weigh"
            words = f"{which} alike, and the rows of initial.points do not; leave weight out, or repeat rows"
        numbers = [Refusal("solver.atoms", words, "", "such atoms")] if words else []
        actual = _refused_actual(problem) if self._actual(experiment) else []
        bent = [] if noisy(problem) else too_many_meetings(problem, self._count(problem, experiment))
        if problem.kinks is not None and problem.flow.reacts and not problem.flow.free:
            words = "neurons that stick to kinks are not born and do not die"
            bent = [Refusal("dynamics.flow", words, 'flow = "wasserstein", or a smooth activation', "births on kinks")]
        return super().refusals(problem, experiment) + [births] * both + numbers + actual + bent

    def alone(self, experiment: Experiment) -> str:
        words = "actual neurons have a flow of their own, not the mean-field law's, which no other scheme follows"
        return words if self._actual(experiment) else ""

    def guided(self, experiment: Experiment) -> bool:
        return not (experiment.law.explicit or self._actual(experiment))

    def _actual(self, experiment: Experiment) -> bool:
        return bool(self.options(experiment.solver).neurons == "actual")

    @staticmethod
    def _exact(problem: Problem) -> bool:
        """Whether the particles are the law, at all times: nothing is drawn."""
        drawn = noisy(problem) or (problem.flow.reacts and not problem.flow.free)
        return bool(problem.initial_law.given) and not drawn

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
        from mfpde.schemes.kinds.characteristics import ALIKE, FINER, STRIDE
        from mfpde.schemes.pair import Pair, described, dissipation_floor_of, error_floor_of
        from mfpde.solvers.particles.populations import LEVEL, POPULATIONS, Populations, size_beside

        if self._actual(experiment):
            return _actual_pair(problem, experiment, self._count(problem, experiment))
        tolerance, seed = experiment.solver.tolerance, experiment.sgd.seed
        count = self._count(problem, experiment)
        if noisy(problem):
            box = visited_box(problem, spread_guide(problem, guide))
        reduced = problem.represent("atoms", box, 0.1 * tolerance)

        def run(
            particles: int, stream: int, allowed: float = tolerance, objective: Objective = reduced.objective
        ) -> Scheme:
            law = problem.initial_law
            start = (law.sample if stream else law.neurons)(particles, seed, stream)
            weights = np.full(particles, law.mass / particles) if stream else law.weights(particles)
            return flow_of(problem, objective, start, weights, allowed, seed, stream)

        floor = error_floor_of(reduced, guide) + 0.1 * tolerance
        chosen = described(reduced, floor) | {"seed": seed}
        if self._exact(problem):
            notes = (f"{count} particles, the atoms of rho_0: risk_error is that of their steps",)
            rates = dissipation_floor_of(reduced, problem, guide, floor)
            other = problem.represent("atoms", box, 0.1 * tolerance, reduced)
            beside = run(count, 0, FINER * tolerance, other.objective)
            return Pair(run(count, 0), beside, floor, notes, chosen, None, rates, share=ALIKE, stride=STRIDE)
        few = size_beside(count)
        drawn = Populations([run(few, 1 + stream) for stream in range(POPULATIONS)])
        said = f"{count} particles: risk_error holds their distance from the mean-field law with probability {LEVEL:g}"
        notes = (f"{said}, seen from {POPULATIONS} independent populations of {few}",)
        return Pair(run(count, 0), drawn, floor, notes, chosen, apart=drawn.apart)

    def refined(self, problem: Problem, experiment: Experiment, level: int) -> Refined:
        """Four times as many, one draw each: their order of 1/2 shows only on average."""
        count = (experiment.solver.atoms or (COARSEST_PARTICLES,))[0] * 4**level
        return Refined("particles", float(count), experiment.solver.having(atoms=(count,)))


def flow_of(
    problem: Problem, objective: Objective, start: Array, weights: Array, tolerance: float, seed: int, stream: int
) -> Scheme:
    """The flow of these particles, along kinks where Psi has some; `seed` and `stream` are of their noise."""
    from mfpde.problem.initial.points import PointLaw
    from mfpde.problem.labels import label_law
    from mfpde.solvers.particles.birth_death_process import ParticleProcess

    if problem.kinks is not None and not noisy(problem):
        from mfpde.solvers.characteristics.sliding import SlidingCharacteristics

        atoms = label_law(PointLaw.of(start, weights, None, problem.initial_law.mass))
        return SlidingCharacteristics(objective, problem.geometry, problem.flow, atoms, 0.1 * tolerance)
    return ParticleProcess(objective, problem.geometry, problem.flow, start, seed, stream, tolerance, weights)


def _refused_actual(problem: Problem) -> list[Refusal]:
    """Why N actual neurons have no flow in closed form."""
    found = problem.data.committee(problem.unit)
    reasons = [found] if isinstance(found, str) else []
    if noisy(problem):
        reasons.append("order parameters have no noise; write inverse_temperature = inf")
    if problem.flow.reacts or not problem.flow.transport:
        reasons.append('actual neurons are not born and do not die; write flow = "wasserstein"')
    if problem.centred or problem.network.scale != 1.0:
        reasons.append("order parameters are those of plain outputs; write scale = 1.0 and centred = false")
    return [Refusal("solver.neurons", words, "", "order parameters") for words in reasons]


def _actual_pair(problem: Problem, experiment: Experiment, count: int) -> Pair:
    """The flow of N neurons, and that at ten times the tolerance beside it."""
    from mfpde.schemes.pair import Pair
    from mfpde.solvers.networks.order_parameters import Committee, OrderParameterFlow

    committee, moving = problem.data.committee(problem.unit), problem.flow.mobility
    assert isinstance(committee, Committee), "refused where there is none"
    unit, tolerance, start = problem.unit, experiment.solver.tolerance, _overlaps(problem, experiment, count)
    speeds = moving.w, moving.a * (unit.has_coefficient and unit.coefficient.trained)

    def run(coarser: float) -> OrderParameterFlow:
        perpendicular = "w_perp" in problem.geometry.names
        return OrderParameterFlow(
            committee, start, problem.flow, speeds, perpendicular, unit.has_coefficient, coarser * tolerance
        )

    note = f"{count} actual neurons: risk_error is that of their flow, not their distance from the mean-field law"
    return Pair(run(0.01), run(0.1), 1e-14, (note,), {"seed": experiment.sgd.seed, "neurons": "actual"})


def _overlaps(problem: Problem, experiment: Experiment, count: int) -> Overlaps:
    """The neurons of SGD with this seed, replica 0, in order parameters."""
    from mfpde.problem.initial.points import PointLaw
    from mfpde.solvers.networks.order_parameters import Overlaps
    from mfpde.solvers.sgd.samplers import sampler_of

    law, seed = problem.initial_law, experiment.sgd.seed
    w, a, _ = problem.unit.parted(law.neurons(count, seed, 0))
    teachers = sum(name != "w_perp" for name in problem.data.axes())
    sampler = sampler_of(problem.data.sampler())
    ones = a if problem.unit.has_coefficient else np.ones(count)
    if isinstance(law, PointLaw) and law.whole is not None:
        return Overlaps.of(np.tile(law.whole, (count // len(law.whole), 1)), ones, teachers)
    if sampler is None:
        return Overlaps.far(w[:, :teachers], w[:, teachers], ones)
    return Overlaps.of(sampler.embed(w, seed, 0), ones, teachers)
