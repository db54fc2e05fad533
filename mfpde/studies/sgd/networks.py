"""Finite networks: the particle dynamics of an experiment, their first parameters, their risk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import numba
import numpy as np

from mfpde.experiment import Experiment
from mfpde.problem.initial.points import PointLaw
from mfpde.problem.network import Unit, scaled_activation
from mfpde.problem.problem import Problem, build_problem
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.population import CentredPopulation, Population, SampledPopulation
from mfpde.solvers.sgd.devices import ensembles_on
from mfpde.solvers.sgd.engine import Sgd, SgdState
from mfpde.solvers.sgd.ensemble import Ensemble
from mfpde.solvers.sgd.samplers import sampler_of
from mfpde.solvers.sgd.sources.centred import Centred
from mfpde.solvers.sgd.sources.finite import REPLACEMENT
from mfpde.solvers.threads.processors import processors

Found = TypeVar("Found")
REHEARSED = 10**6
"""Weights of a network at most whose steps another process rehearses."""


def build_sgd(configuration: Experiment, replica: int, overlap: bool = False) -> Sgd:
    """Stochastic gradient descent of one replica; `overlap` draws samples on a second processor, if one is free."""
    problem, options = build_problem(configuration), configuration.sgd
    samples = sampler_of(problem.data.sampler())
    assert samples is not None, "refused where the law draws no samples"
    if options.sampling != REPLACEMENT:
        samples = samples.sampled(options.sampling)
    plain = Sgd(
        samples,
        scaled_activation(problem.network),
        options.step_size,
        problem.flow.schedule,
        problem.flow.ridge,
        problem.flow.inverse_temperature,
        options.first_batch,
        *problem.network.trained,
        options.seed,
        replica,
        gram=options.state == "gram",
        precision=options.precision,
        overlap=overlap,
        mobility=problem.flow.mobility,
        penalty=problem.flow.penalty,
        loss=problem.data.pointwise,
        batches=options.batches,
    )
    return _centred(configuration, problem, plain) if problem.centred else plain


def build_ensemble(configuration: Experiment, replicas: Sequence[int], overlap: bool = False) -> Ensemble:
    """These replicas, to be advanced together, by what `sgd.device` says."""
    members = tuple(build_sgd(configuration, replica, overlap) for replica in replicas)
    return ensembles_on(configuration.sgd.device)(members)


def each(configuration: Experiment, function: Callable[..., Found], *of: Iterable[Any]) -> list[Found]:
    """A function of each replica's: on as many threads as there are processors, where one process makes all steps."""
    if not ensembles_on(configuration.sgd.device).alone:
        return list(map(function, *of))

    def quietly(*own: Any) -> Found:
        with np.errstate(all="ignore"):
            return function(*own)

    # each of them alone: a replica's blocks of pairs would ask for as many again
    with ThreadPoolExecutor(processors(), initializer=numba.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(quietly, *of))


def _centred(configuration: Experiment, problem: Problem, plain: Sgd) -> Sgd:
    """SGD of f_N - f_0, f_0 the first output of the very neurons: that of rho_0 would leave it f_N - f = O(N^-1/2)."""
    return replace(plain, data=Centred(plain.data, plain.unit, first_state(configuration, problem, plain)))


def rehearse_steps(configuration: Experiment) -> None:
    """A step of one replica of weights that are zero, by which what makes steps is compiled; none of many weights."""
    made, neurons = build_sgd(configuration, 0), configuration.sgd.neurons
    places = np.zeros((neurons, made.data.dimension))
    if places.size <= REHEARSED:
        made.advance(SgdState(0, places, np.ones(neurons), np.zeros(neurons)), 1)


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
    held = sgd.coordinates(neurons)
    sampler = held.inner if isinstance(held, Centred) else held
    exact = problem.data.population(sampler, sgd.unit)
    found = SampledPopulation(sampler, sgd.unit, sgd.seed) if exact is None else exact
    return CentredPopulation(found, held.first) if isinstance(held, Centred) else found
