"""Finite networks: the particle dynamics of an experiment, their first parameters, their risk."""

from __future__ import annotations

import numpy as np

from mfpde.experiment import Experiment
from mfpde.problem.initial import PointLaw
from mfpde.problem.network import Unit, activation_of
from mfpde.problem.problem import Problem, build_problem
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.population import Population, SampledPopulation
from mfpde.solvers.sgd.engine import Sgd, SgdState
from mfpde.solvers.sgd.samplers import sampler_of


def build_sgd(configuration: Experiment, replica: int, overlap: bool = False) -> Sgd:
    """Stochastic gradient descent of one replica; `overlap` draws samples on a second processor, if one is free."""
    problem, options = build_problem(configuration), configuration.sgd
    samples = sampler_of(problem.data.sampler())
    assert samples is not None, "refused where the law draws no samples"
    return Sgd(
        samples,
        activation_of(problem.network.activation),
        options.step_size,
        problem.flow.schedule,
        problem.flow.ridge,
        problem.flow.inverse_temperature,
        options.batch,
        *problem.network.trained,
        options.seed,
        replica,
        gram=options.state == "gram",
        precision=options.precision,
        overlap=overlap,
        mobility=problem.flow.mobility,
    )


def first_state(configuration: Experiment, problem: Problem, sgd: Sgd) -> SgdState:
    """theta^0: N independent draws of rho_0, embedded in R^d by the data law, others per replica; or its atoms."""
    law, count = problem.initial_law, configuration.sgd.neurons
    w, a, b = problem.unit.parted(law.neurons(count, sgd.seed, sgd.replica))
    whole = law.whole if isinstance(law, PointLaw) else None
    return sgd.start(sgd.embed(w) if whole is None else np.tile(whole, (count // len(whole), 1)), a, b)


def reduced_positions(sgd: Sgd, state: SgdState, unit: Unit) -> Array:
    """The neurons in the reduced coordinates, shape (N, D): those of w, then a and b as far as they are among them."""
    heads = {"a": state.a, "b": state.b}
    columns = [heads[head.name] for head in unit.coordinates]
    return np.column_stack([sgd.coordinates(state.neurons).reduce(state.w), *columns])


def population_of(problem: Problem, sgd: Sgd, neurons: int) -> Population:
    """Risk and gradient of N neurons over the law of the data: exact, or measured where the law offers no more."""
    sampler = sgd.coordinates(neurons)
    exact = problem.data.population(sampler, sgd.unit)
    return SampledPopulation(sampler, sgd.unit, sgd.seed) if exact is None else exact
