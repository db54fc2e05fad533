"""What SGD cannot do, refused in words before anything is computed; no compiled loop is imported for it."""

from __future__ import annotations

import math
from itertools import pairwise

from mfpde.errors import raise_mistakes
from mfpde.experiment import Experiment
from mfpde.problem.laws.interface import SQUARE_RISK
from mfpde.problem.network import scaled_activation
from mfpde.problem.problem import Problem, build_problem
from mfpde.schemes.choice import sampling_scheme
from mfpde.shell.workers import Workers
from mfpde.solvers.sgd.devices import ensembles_on
from mfpde.solvers.sgd.samplers import GaussianBlocks, Sampler, sampler_of
from mfpde.solvers.sgd.sources.finite import FULL, REPLACEMENT
from mfpde.solvers.sgd.state import LARGEST_GRAM_BATCH
from mfpde.studies.sgd.memory import memory_problems
from mfpde.tables.time import LogSave

MAXIMUM_BYTES = 2**31 - 2**16
MOST_STEPS = 10**12
LARGEST_STEP = 1.0
"""eps D above which one step may overshoot what it learns from: |x|^2 is of size d."""
ROUGH = 1e-3
"""Accuracy of features of which only the loss is read."""


def refuse(
    configuration: Experiment,
    step_key: str = "sgd.step_size",
    *,
    workers: Workers | None = None,
    saved: bool = False,
    coupled: bool = False,
) -> None:
    """Raise ConfigurationError with everything that SGD cannot do, or has no memory for.

    Args:
        step_key: what the user calls the step size.
        workers: processes that run at once, as `sgd` takes them.
        saved: whether the states go to a file.
        coupled: whether the coupled dynamics are run too.
    """
    problem = build_problem(configuration)
    problems = _sampler_problems(problem)
    drawn = sampler_of(problem.data.sampler())
    problems += [] if drawn is None else _sampling_problems(configuration, drawn)
    if problem.flow.fisher_rao_rate > 0.0 or not problem.flow.transport:
        remedy = f'write flow = "wasserstein", or solve it with scheme = "{sampling_scheme()}"'
        problems.append(f"dynamics.flow: SGD moves neurons and has no birth and death; {remedy}")
    problems += problem.kept_mass("SGD is")
    if problem.clock != "flow":
        problems.append('time.clock: SGD counts its steps, t = k eps; write clock = "flow"')
    words = "" if drawn is None else problem.initial_law.neuron_problem(configuration.sgd.neurons)
    problems += [f"sgd.neurons: {words}"] if words else []
    problems += _step_problems(configuration, step_key)
    if configuration.sgd.state == "gram":
        problems += _gram_problems(configuration, problem)
    problems = problems or _device_problems(configuration)
    size = configuration.sgd.replicas * configuration.sgd.neurons * len(configuration.time.save_times) * 4
    if not (8 * size <= MAXIMUM_BYTES):
        problems.append("time.save: the neurons at all times exceed the 2 GB of one variable; save fewer times")
    sampler = sampler_of(problem.data.sampler())
    state = 8.0 * configuration.sgd.neurons * (0 if sampler is None else sampler.dimension)
    if saved and configuration.sgd.state != "gram" and not (state <= MAXIMUM_BYTES):
        remedy = 'write fewer sgd.neurons, state = "gram", or leave out -o'
        problems.append(f"sgd.neurons: the weights exceed the 2 GB of one variable of a result file; {remedy}")
    if not problems:
        problems = memory_problems(configuration, problem, workers, int(coupled))
    raise_mistakes(problems, configuration)


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


def _sampling_problems(configuration: Experiment, sampler: Sampler) -> list[str]:
    """Why samples are not drawn as they are asked for."""
    options = configuration.sgd
    if options.sampling == REPLACEMENT:
        return []
    if options.sampling == FULL and options.batch != 1:
        return ['sgd.batch: sampling = "full" takes every sample in every step; leave batch out']
    try:
        sampler.sampled(options.sampling)
    except ValueError as error:
        return [f'{error}; write sampling = "{REPLACEMENT}", or law = "dataset"']
    return []


def _loss_problems(problem: Problem) -> list[str]:
    """Why SGD does not learn the features of a law: their loss is another one."""
    law = problem.data
    makers = {next(base for base in type(law).__mro__ if name in vars(base)) for name in ("features", "population")}
    # whoever writes E (y - f)^2 of networks beside the features has them under that loss
    if len(makers) == 1 or problem.represent("guide", problem.geometry.box(1.0), ROUGH).objective.loss.quadratic:
        return []
    other = f"the {law.risk_name}" if law.risk_name != SQUARE_RISK else "the loss of its features"
    return [f"data.law: SGD descends {SQUARE_RISK}, not {other}; solve the equation alone"]


def _step_problems(configuration: Experiment, key: str) -> list[str]:
    """The steps must end in time, be of a number that can be made, and tell the save times apart."""
    time, step = configuration.time, configuration.sgd.step_size
    if not (step <= time.end):
        return [f"{key}: {step:g} is larger than time.end = {time.end:g}; write a smaller step"]
    if not (time.end / step <= MOST_STEPS):
        return [f"{key}: more than {MOST_STEPS:.0e} steps of {step:g} to time.end; write a larger step"]
    pairs = _merged(configuration)
    if not pairs or isinstance(time.save, LogSave):
        return []
    first, second = pairs[0]
    more = f", and {len(pairs) - 1} more pairs" if len(pairs) > 1 else ""
    problem = f"time.save: {first:g} and {second:g}{more} are closer than a step of {key} = {step:g}"
    return [f"{problem}, and would be recorded as one; write times a step apart, or a smaller step"]


def _merged(configuration: Experiment) -> list[tuple[float, float]]:
    """The neighbouring save times that are recorded at the same step."""
    pairs = pairwise(_step_and_time(configuration))
    return [(first[1], second[1]) for first, second in pairs if first[0] == second[0]]


def save_notes(configuration: Experiment) -> tuple[str, ...]:
    """What becomes of the first times of a progression, which crowd there."""
    pairs = _merged(configuration)
    text = f"{len(pairs)} of the {len(configuration.time.save_times)} save times are within a step of the one before"
    return (f"{text} (t = {pairs[0][1]:g} the first), and recorded with it",) if pairs else ()


def step_notes(configuration: Experiment) -> tuple[str, ...]:
    """Where a step, in the mean over schedule and batch, is not small beside 1/D: what that does to the theorems."""
    options, end = configuration.sgd, configuration.time.end
    sampler = sampler_of(build_problem(configuration).data.sampler())
    parameters = (sampler.dimension if sampler else 0) + sum(configuration.network.trained)
    factor = configuration.dynamics.schedule.flow_time(end) / (end * options.first_batch)
    size = options.step_size * factor * parameters
    if size <= LARGEST_STEP:
        return ()
    what = f"eps D = {size:.3g}{'' if factor == 1.0 else ' in the mean'}, with D = {parameters} parameters of a neuron"
    theory = "SGD is proven near the equation where eps D is small: their distance is of order sqrt(eps (D + log N))"
    return (f"{what}: {theory}; write sgd.step_size far below {options.step_size / size:.2g}",)


def start_notes(configuration: Experiment) -> tuple[str, ...]:
    """Where the neurons do not stand for rho_0."""
    if build_problem(configuration).initial_law.alike:
        return ()
    words = "row i of initial.points is neuron i, and neurons weigh alike: their law is not that of the weighted rows"
    return (f"{words}; leave the column weight out, or repeat rows",)


def _device_problems(configuration: Experiment) -> list[str]:
    """Why the device that is asked for does not make the steps."""
    options, usual = configuration.sgd, type(configuration.sgd)().device
    if options.device == usual:
        return []
    from mfpde.studies.sgd.networks import build_sgd

    found = ensembles_on(options.device).refusals(build_sgd(configuration, 0), options.neurons)
    return [f'sgd.device: {words} write device = "{usual}"' for words in found]


def _gram_problems(configuration: Experiment, problem: Problem) -> list[str]:
    problems = []
    if not isinstance(problem.data.sampler(), GaussianBlocks):
        problems.append('sgd.state: inner products are enough for Gaussian blocks only; write state = "weights"')
    if problem.centred:
        problems.append('network.centred: what is subtracted needs the weights themselves; write state = "weights"')
    if problem.flow.penalty.path > 0.0:
        problems.append('sgd.state: a path penalty needs the weights themselves; write state = "weights"')
    activation = scaled_activation(problem.network)
    if activation.compiled(configuration.sgd.precision) is None:
        remedy = 'write state = "weights", or functions that numba compiles'
        problems.append(f'sgd.state: the activation "{activation.name}" is not compiled; {remedy}')
    if getattr(problem.initial_law, "whole", None) is not None:
        problems.append('sgd.state: the neurons of initial.points are whole; write state = "weights"')
    if math.isfinite(problem.flow.inverse_temperature):
        remedy = 'write state = "weights", or inverse_temperature = inf'
        problems.append(f"sgd.state: noise moves the neurons out of the space they span; {remedy}")
    if not (configuration.sgd.largest_batch <= LARGEST_GRAM_BATCH):
        remedy = f'write state = "weights", or batch = {LARGEST_GRAM_BATCH} or less'
        problems.append(f'sgd.batch: state = "gram" holds all inner products of a batch; {remedy}')
    return problems


def save_steps(configuration: Experiment) -> list[int]:
    """The steps k at which a replica is recorded: those nearest to the save times, each once."""
    return sorted({step for step, _ in _step_and_time(configuration)})


def _step_and_time(configuration: Experiment) -> list[tuple[int, float]]:
    """The step at which each save time is recorded, and that time."""
    return [(round(time / configuration.sgd.step_size), time) for time in configuration.time.save_times]
