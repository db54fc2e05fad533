"""What SGD cannot do, refused in words before anything is computed; no compiled loop is imported for it."""

from __future__ import annotations

import math

from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.problem.laws.interface import SQUARE_RISK
from mfpde.problem.network import activation_of
from mfpde.problem.problem import Problem, build_problem
from mfpde.schemes.choice import sampling_scheme
from mfpde.solvers.sgd.samplers import GaussianClasses, sampler_of
from mfpde.solvers.sgd.state import LARGEST_GRAM_BATCH

MAXIMUM_BYTES = 2**31 - 2**16
MOST_STEPS = 10**12
ROUGH = 1e-3
"""Accuracy of features of which only the loss is read."""


def refuse(configuration: Experiment) -> None:
    """Raise ConfigurationError with everything that SGD cannot do."""
    problem = build_problem(configuration)
    problems = _sampler_problems(problem)
    if problem.flow.fisher_rao_rate > 0.0 or not problem.flow.transport:
        remedy = f'write flow = "wasserstein", or solve it with scheme = "{sampling_scheme()}"'
        problems.append(f"dynamics.flow: SGD moves neurons and has no birth and death; {remedy}")
    last = save_steps(configuration)[-1]
    if not (last >= 1):
        problems.append("sgd.step_size: larger than time.end; write a smaller step")
    if not (last <= MOST_STEPS):
        problems.append(f"sgd.step_size: more than {MOST_STEPS:.0e} steps to time.end; write a larger step")
    if configuration.sgd.state == "gram":
        problems += _gram_problems(configuration, problem)
    size = configuration.sgd.replicas * configuration.sgd.neurons * len(configuration.time.save_times) * 4
    if not (8 * size <= MAXIMUM_BYTES):
        problems.append("time.save: the neurons at all times exceed the 2 GB of one variable; save fewer times")
    if problems:
        raise ConfigurationError(problems, configuration)


def _sampler_problems(problem: Problem) -> list[str]:
    """Why the data law cannot be drawn from, or its first draws are none."""
    sampler = sampler_of(problem.data.sampler())
    if sampler is None:
        return [problem.data.sampler_refusal]
    if "activation" not in problem.data.network_keys:
        return [f'data.law: the units of "{problem.data.name}" are its own; SGD moves those of [network]']
    own = problem.geometry.dimension - len(problem.unit.coordinates)
    try:
        sampler.check(problem.initial_law.sample(2, 0, 0)[:, :own])
    except ValueError as error:
        return [f'data.law: the sampler of "{problem.data.name}": {error}']
    return _loss_problems(problem)


def _loss_problems(problem: Problem) -> list[str]:
    """Why SGD does not learn the features of a law: their loss is another one."""
    law = problem.data
    makers = {next(base for base in type(law).__mro__ if name in vars(base)) for name in ("features", "population")}
    # whoever writes E (y - f)^2 of networks beside the features has them under that loss
    if len(makers) == 1 or problem.represent("guide", problem.geometry.box(1.0), ROUGH).objective.loss.quadratic:
        return []
    other = f"the {law.risk_name}" if law.risk_name != SQUARE_RISK else "the loss of its features"
    return [f"data.law: SGD descends {SQUARE_RISK}, not {other}; solve the equation alone"]


def _gram_problems(configuration: Experiment, problem: Problem) -> list[str]:
    problems = []
    if not isinstance(problem.data.sampler(), GaussianClasses):
        problems.append('sgd.state: inner products are enough for Gaussian blocks only; write state = "weights"')
    activation = activation_of(problem.network.activation)
    if activation.compiled(configuration.sgd.precision) is None:
        remedy = 'write state = "weights", or functions that numba compiles'
        problems.append(f'sgd.state: the activation "{activation.name}" is not compiled; {remedy}')
    if math.isfinite(problem.flow.inverse_temperature):
        remedy = 'write state = "weights", or inverse_temperature = inf'
        problems.append(f"sgd.state: noise moves the neurons out of the space they span; {remedy}")
    if not (configuration.sgd.batch <= LARGEST_GRAM_BATCH):
        remedy = f'write state = "weights", or batch = {LARGEST_GRAM_BATCH} or less'
        problems.append(f'sgd.batch: state = "gram" holds all inner products of a batch; {remedy}')
    return problems


def save_steps(configuration: Experiment) -> list[int]:
    """The steps k at which a replica is recorded: those nearest to the save times, each once."""
    return sorted({round(time / configuration.sgd.step_size) for time in configuration.time.save_times})
