"""The design of a sweep for `bounds`: one factor at a time, and the configuration of every run.

    N:    each N at the smallest eps and the dimension of the source
    eps:  each eps at the largest N and the dimension of the source
    d:    each d at the largest N, the blocks' shares p_j / d fixed, eps d fixed at its largest

To every (N, d) also belongs the gradient flow of the N neurons from the same theta^0 (no steps), which separates what
is due to N from what is due to steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mfpde.errors import ConfigurationError, raise_mistakes
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.bounds import Point
from mfpde.schemes.choice import on_oracle
from mfpde.schemes.solver import Solver
from mfpde.shell.workers import Workers, number_of
from mfpde.studies.run.refusals import unsupported
from mfpde.studies.sgd.memory import memory_problems
from mfpde.studies.sgd.refusals import refuse, save_steps
from mfpde.tables.sgd import Sgd
from mfpde.tables.time import Time

MAXIMUM_NEURONS = 20_000
"""Above, the N^2 pairs of neurons in the exact risk exceed some gigabytes."""
SAME_TIME = 1e-9
"""Times nearer to one another than this share of the end are one."""
PDE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Design:
    """What is swept.

    Attributes:
        neurons, step_sizes, dims: values of each factor, increasing.
        replicas: runs at every point.
        base_dim: d of the source, at which N and eps are swept.
    """

    neurons: tuple[int, ...]
    step_sizes: tuple[float, ...]
    dims: tuple[int, ...]
    replicas: int
    base_dim: int

    @property
    def neuron_sweep(self) -> tuple[Point, ...]:
        """The points along N."""
        return tuple(Point(count, self.step_sizes[0], self.base_dim) for count in self.neurons)

    @property
    def step_sweep(self) -> tuple[Point, ...]:
        """The points along eps."""
        return tuple(Point(self.neurons[-1], step, self.base_dim) for step in self.step_sizes)

    @property
    def dim_sweep(self) -> tuple[Point, ...]:
        """The points along d."""
        step = self.step_sizes[-1]
        return tuple(Point(self.neurons[-1], step * (self.base_dim / dim), dim) for dim in self.dims)

    @property
    def points(self) -> tuple[Point, ...]:
        """Every point once."""
        return tuple(sorted({*self.neuron_sweep, *self.step_sweep, *self.dim_sweep}))

    def __str__(self) -> str:
        smallest, largest, most = self.step_sizes[0], self.step_sizes[-1], self.neurons[-1]
        parts = [
            f"N = {', '.join(map(str, self.neurons))} at eps = {smallest:g}, d = {self.base_dim}",
            f"eps = {', '.join(f'{step:g}' for step in self.step_sizes)} at N = {most}, d = {self.base_dim}",
            f"d = {', '.join(map(str, self.dims))} at N = {most}, eps d = {largest * self.base_dim:g}",
        ]
        return f"{self.replicas} replicas: {'; '.join(parts)}"


def make_design(
    configuration: Experiment,
    neurons: Iterable[int] | None = None,
    step_sizes: Iterable[float] | None = None,
    dims: Iterable[int] | None = None,
    replicas: int | None = None,
    workers: Workers | None = None,
) -> Design:
    """The design about a configuration, whose own values stand where a factor is not swept.

    Args:
        workers: processes that run at once, as `bounds` takes them.

    Raises:
        ConfigurationError: everything that cannot be run.
    """
    problems = unsupported(on_oracle(configuration, configuration.solver.tolerance))
    if configuration.solver.scheme is not None and configuration.solver.choice is None:
        problems += [text for text in unsupported(configuration) if text not in problems]
    if configuration.data.sampler() is None:
        try:
            refuse(configuration)
        except ConfigurationError as error:
            problems += [text for text in error.messages if text not in problems]
        raise ConfigurationError(problems, configuration)
    base = int(configuration.data.dimension)
    counts = sorted(set(neurons or (configuration.sgd.neurons,)))
    steps = sorted(set(step_sizes or (configuration.sgd.step_size,)))
    sizes = sorted(set(dims or (base,)))
    for count in counts:
        if not (1 <= count <= MAXIMUM_NEURONS):
            problems.append(f"--neurons {count}: the exact risk is for 1 to {MAXIMUM_NEURONS} neurons; write fewer")
    for dim in sizes:
        problems += [f"--dims {dim}: {problem}" for problem in configuration.data.dimension_problems(dim)]
    if not problems:
        design = Design(tuple(counts), tuple(steps), tuple(sizes), replicas or configuration.sgd.replicas, base)
        coarsest = max(design.points, key=lambda point: point.step_size)
        scaled_to = "" if coarsest.step_size in steps else f" at --dims {coarsest.dim} (eps d is kept)"
        problems += _sgd_problems(configuration, coarsest.step_size, f"--step-sizes{scaled_to}")
        runs = len(design.points) * design.replicas
        largest = replace(configuration, sgd=replace(configuration.sgd, neurons=max(counts), replicas=runs))
        processes = number_of(workers, runs)
        here = processes if isinstance(processes, int) else 0
        problems += memory_problems(largest, build_problem(largest), here, here, kept=False, neurons_key="--neurons")
    raise_mistakes(problems, configuration)
    return design


def _sgd_problems(configuration: Experiment, step: float, key: str) -> list[str]:
    """What SGD cannot do, each message once; `key` is what the user calls the step."""
    try:
        refuse(replace(configuration, sgd=replace(configuration.sgd, neurons=1, step_size=step, replicas=1)), key)
    except ConfigurationError as error:
        return list(error.messages)
    return []


def scaled(configuration: Experiment, dim: int) -> Experiment:
    """The configuration with blocks of the same shares in dimension `dim`."""
    return replace(configuration, data=configuration.data.in_dimension(dim))


def base_configuration(configuration: Experiment) -> Experiment:
    """What all runs of a sweep share; the swept values are replaced by defaults."""
    swept = Sgd()
    sgd = replace(configuration.sgd, neurons=swept.neurons, step_size=swept.step_size, replicas=swept.replicas)
    time = replace(configuration.time, until="end", stationary_tolerance=None)
    return replace(configuration, sgd=sgd, solver=Solver(), time=time)


def sgd_configuration(configuration: Experiment, point: Point) -> Experiment:
    """SGD at one point."""
    base = scaled(base_configuration(configuration), point.dim)
    return replace(base, sgd=replace(base.sgd, neurons=point.neurons, step_size=point.step_size))


def sgd_times(configuration: Experiment, point: Point) -> tuple[float, ...]:
    """t = k eps of the save times at one point."""
    return tuple(step * point.step_size for step in save_steps(sgd_configuration(configuration, point)))


def flow_configuration(configuration: Experiment, neurons: int, dim: int, points: Iterable[Point]) -> Experiment:
    """The gradient flow of N neurons in dimension d, recorded at the times of SGD at these points."""
    chosen = [point for point in points if (point.neurons, point.dim) == (neurons, dim)]
    base = _recorded(configuration, dim, chosen)
    return replace(base, sgd=replace(base.sgd, neurons=neurons, precision=Sgd().precision, device=Sgd().device))


def pde_configuration(configuration: Experiment, dim: int, points: Iterable[Point]) -> Experiment:
    """The PDE in dimension d by characteristics, recorded at the times of SGD at these points."""
    tolerance = min(PDE_TOLERANCE, configuration.solver.tolerance)
    base = _recorded(configuration, dim, [point for point in points if point.dim == dim])
    return replace(on_oracle(base, tolerance), sgd=Sgd())


def _recorded(configuration: Experiment, dim: int, points: list[Point]) -> Experiment:
    """The configuration in dimension d with the save times of all these points."""
    times = sorted({time for point in points for time in sgd_times(configuration, point)})
    kept: list[float] = []
    for time in times:
        if not kept or time - kept[-1] > SAME_TIME * times[-1]:
            kept.append(time)
    base = scaled(base_configuration(configuration), dim)
    return replace(base, time=Time(end=kept[-1], save=tuple(kept)))
