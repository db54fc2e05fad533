"""A scheme of one's own: explicit Euler steps of the quadrature atoms that the guide starts from.

    mfpde solve isotropic-gaussians --use docs/examples/own_scheme.py --scheme explicit-euler --set solver.steps=400

A scheme is an initial state, one accepted step and a reading of a state. Its kind brings it with a coarser companion,
whose difference is the estimated error; refusals, options and refinement have defaults.
"""

from dataclasses import dataclass

import mfpde


class Euler:
    """z <- z - tau (grad Psi + lambda z), of order 1: a step, which ends at save times, in equal parts tau."""

    def __init__(self, problem, objective, guide, step, parts):
        self.problem, self.objective, self.step, self.parts = problem, objective, step, parts
        self.start, self.weights = guide.positions[0], guide.weights

    def initial_state(self):
        return mfpde.State(0.0, self.step, {"position": self.start})

    def advance(self, state, until):
        position, length = state.arrays["position"], min(self.step, until - state.flow_time)
        for _ in range(self.parts):
            slope = self.objective.loss_gradient(self.objective.outputs(position, self.weights))
            _, gradient = self.objective.features.contract(position, slope)
            position = position - length / self.parts * (gradient + self.problem.flow.ridge * position)
        end = until if length < self.step else state.flow_time + length
        return mfpde.State(min(end, until), self.step, {"position": position})

    def observe(self, state):
        position = state.arrays["position"]
        risk = self.objective.risk(self.objective.outputs(position, self.weights))
        mean = self.weights @ position
        energy = risk + self.problem.flow.ridge * float(self.weights @ (position**2).sum(axis=1))
        law = mfpde.Atoms(position, self.weights)
        return mfpde.Observation(risk, energy, 1.0, mean, self.weights @ (position - mean) ** 2, law)


@dataclass(frozen=True)
class EulerOptions:
    """The keys of [solver] that the scheme reads."""

    steps: int = mfpde.key(200, mfpde.Integer(1, 10**6), "steps of the whole run, in three parts each")


@mfpde.scheme("explicit-euler")
class ExplicitEuler(mfpde.SchemeKind):
    """What the program asks of the scheme by its name."""

    Options = EulerOptions

    def refusals(self, problem, experiment):
        births = mfpde.Refusal("dynamics.fisher_rao_rate", "Euler steps only move", "fisher_rao_rate = 0.0")
        return super().refusals(problem, experiment) + [births] * (problem.flow.fisher_rao_rate > 0.0)

    def pair(self, problem, experiment, guide, box):
        step = problem.flow.schedule.flow_time(experiment.time.end) / self.options(experiment.solver).steps
        reduced = problem.represent("tabulated", box, 0.1 * experiment.solver.tolerance)
        # of order 1: parts three times as long, however close save times are, differ by twice the error
        main, companion = (Euler(problem, reduced.objective, guide, step, parts) for parts in (3, 1))
        return mfpde.Pair(main, companion, error_floor=reduced.error)

    def refined(self, problem, experiment, level):
        steps = 50 * 2**level
        return mfpde.Refined("steps", float(steps), experiment.solver.having(steps=steps))
