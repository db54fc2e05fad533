"""The design of a sweep for `generalisation`: one factor at a time, and the configuration of every run.

    n:        each n and 2 n at the largest P and the lambda of the source
    P:        each P at the largest n of the list and the lambda of the source
    lambda:   each lambda, and 0, at the largest n of the list and the largest P

A batch is a seed: of the P draws that are trained on, and of the neurons, of which there are twice the largest n. Runs
of n neurons take them in groups, so that what is linear in their law is the same on average for every n of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from mfpde.errors import raise_mistakes
from mfpde.experiment import Experiment
from mfpde.keys.samples import Samples
from mfpde.problem.initial.points import points_of
from mfpde.problem.laws.finite_data import Drawn
from mfpde.problem.problem import build_problem
from mfpde.results.answers.samples.generalisation import Setting
from mfpde.schemes.solver import Solver
from mfpde.solvers.flow.confinement import Penalty, Ridge
from mfpde.studies.bounds.design import MAXIMUM_NEURONS
from mfpde.studies.run.refusals import unsupported
from mfpde.tables.dynamics import Dynamics
from mfpde.tables.sgd import Sgd

BATCHES = 10
SCHEME = "particles"
QUARTERS = (0.25, 0.5, 1.0)
"""Shares of a factor of the source that are swept where none are named."""
MOST_SAMPLES = 10**5


@dataclass(frozen=True)
class Design:
    """What is swept.

    Attributes:
        neurons, samples, strengths: n, P and lambda, increasing; lambda = 0 is always there.
        strength: lambda of the source.
        batches: how many.
    """

    neurons: tuple[int, ...]
    samples: tuple[int, ...]
    strengths: tuple[float, ...]
    strength: float
    batches: int

    @property
    def total(self) -> int:
        """Neurons of a batch."""
        return 2 * self.neurons[-1]

    @property
    def base(self) -> Setting:
        """What the three sweeps share."""
        return Setting(self.neurons[-1], self.samples[-1], self.strength)

    @property
    def neuron_sweep(self) -> tuple[Setting, ...]:
        """The settings along n; see `doubled`."""
        return tuple(replace(self.base, neurons=count) for count in self.neurons)

    @property
    def sample_sweep(self) -> tuple[Setting, ...]:
        """The settings along P."""
        return tuple(replace(self.base, samples=count) for count in self.samples)

    @property
    def strength_sweep(self) -> tuple[Setting, ...]:
        """The settings along lambda above 0."""
        return tuple(replace(self.base, strength=value) for value in self.strengths if value > 0.0)

    @property
    def free(self) -> Setting:
        """Without ridge and penalty."""
        return replace(self.base, strength=0.0)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Every setting once."""
        twice = [doubled(setting) for setting in self.neuron_sweep]
        sweeps = self.neuron_sweep, twice, self.sample_sweep, self.strength_sweep, [self.base, self.free]
        return tuple(sorted({setting for sweep in sweeps for setting in sweep}))

    def __str__(self) -> str:
        base = self.base
        parts = [
            f"n = {', '.join(map(str, self.neurons))} and twice as many at P = {base.samples}",
            f"P = {', '.join(map(str, self.samples))} at n = {base.neurons}, both at lambda = {base.strength:g}",
            f"lambda = {', '.join(f'{value:g}' for value in self.strengths)} at n = {base.neurons}, P = {base.samples}",
        ]
        return f"{self.batches} batches: {'; '.join(parts)}"


def doubled(setting: Setting) -> Setting:
    """Of twice as many neurons."""
    return replace(setting, neurons=2 * setting.neurons)


def make_design(
    configuration: Experiment,
    neurons: Iterable[int] | None = None,
    samples: Iterable[int] | None = None,
    strengths: Iterable[float] | None = None,
    batches: int | None = None,
) -> Design:
    """The design about a configuration; quarter, half and whole of its own n, P and lambda where none are named.

    Raises:
        ConfigurationError: everything that cannot be run.
    """
    raise_mistakes(list(_refusals(configuration)), configuration)
    own, strength = getattr(configuration.data, "samples", None) or 100, strength_of(configuration.dynamics)
    counts = sorted(set(neurons or _shares(configuration.sgd.neurons)))
    sizes = sorted(set(samples or _shares(own)))
    values = sorted({0.0, *(strengths if strengths is not None else (share * strength for share in QUARTERS))})
    problems = [] if sizes[0] >= 2 and sizes[-1] <= MOST_SAMPLES else [f"--samples: write 2 to {MOST_SAMPLES} of them"]
    if not (counts[0] >= 1 and 2 * counts[-1] <= MAXIMUM_NEURONS):
        problems.append(f"--neurons: twice as many are run too, at most {MAXIMUM_NEURONS}; write fewer")
    if not all(0.0 <= value < math.inf for value in values):
        problems.append("--ridge: write numbers from 0 on")
    raise_mistakes(problems, configuration)
    design = Design(tuple(counts), tuple(sizes), tuple(values), strength, batches or BATCHES)
    run = run_configuration(configuration, design, design.base, 0)
    raise_mistakes(unsupported(run), configuration)
    problem = build_problem(run)
    assert isinstance(problem.data, Drawn)
    if problem.data.over_law(problem.unit.activation) is None:
        words = f'the exact risk of networks over the law "{configuration.data.name}" is not offered'
        raise_mistakes([f'data.law: {words}; write for example law = "single-index"'], configuration)
    return design


def _shares(most: int) -> Iterator[int]:
    return (max(1, round(share * most)) for share in QUARTERS)


def _refusals(configuration: Experiment) -> Iterator[str]:
    """What has no draws, no starts of its own, or no deterministic flow."""
    if configuration.problem is not None:
        yield "source: draws are those of a declared law; write a TOML file, or the name of a preset"
    elif not hasattr(configuration.data, "samples") or configuration.data.sampler() is None:
        words = f'"{configuration.data.name}" has no draws to train on'
        yield f'data.law: {words}; write for example law = "single-index"; `mfpde kernel` tells --ridge of a data set'
    elif isinstance(getattr(configuration.data, "samples", None), Samples):
        yield "data.samples: a file holds one batch, and every batch is drawn anew; write a number"
    if points_of(configuration.initial) is not None:
        yield "initial.points: neurons are drawn anew for every batch; write kappa, or laws of coordinates"
    if configuration.dynamics.inverse_temperature < math.inf:
        yield "dynamics.inverse_temperature: the flow is deterministic; write inverse_temperature = inf"
    if strength_of(configuration.dynamics) > 0.0 and ridge_of(configuration.dynamics).largest > 0.0:
        penalty = configuration.dynamics.penalty
        if penalty is not None and penalty.acts:
            yield "dynamics.ridge: given beside dynamics.penalty, and lambda is the strength of one; write one of them"


def ridge_of(dynamics: Dynamics) -> Ridge:
    """By coordinate."""
    ridge = dynamics.ridge
    return ridge if isinstance(ridge, Ridge) else Ridge(ridge, ridge, ridge)


def strength_of(dynamics: Dynamics) -> float:
    """lambda: of the penalty where there is one, else the ridge, that of the coordinate that has most."""
    penalty = dynamics.penalty
    return max(penalty.path, penalty.strength) if penalty is not None and penalty.acts else ridge_of(dynamics).largest


def with_strength(dynamics: Dynamics, strength: float) -> Dynamics:
    """The same with another lambda."""
    penalty, ridge = dynamics.penalty, dynamics.ridge
    if penalty is not None and penalty.acts:
        path = penalty.path > 0.0
        changed = Penalty(penalty.power, 0.0 if path else strength, strength if path else 0.0)
        return replace(dynamics, penalty=changed if changed.acts else None)
    if isinstance(ridge, Ridge) and ridge.largest > 0.0:
        share = strength / ridge.largest
        return replace(dynamics, ridge=Ridge(share * ridge.w, share * ridge.a, share * ridge.b))
    return replace(dynamics, ridge=strength)


def base_configuration(configuration: Experiment) -> Experiment:
    """What all runs of a sweep share; the swept values are replaced by defaults."""
    time = replace(configuration.time, until="end", stationary_tolerance=None)
    solver = Solver(scheme=SCHEME, tolerance=configuration.solver.tolerance)
    law: Any = configuration.data
    dynamics = with_strength(configuration.dynamics, 1.0)
    return replace(
        configuration,
        data=replace(law, samples=2),
        sgd=Sgd(seed=configuration.sgd.seed),
        solver=solver,
        time=time,
        dynamics=dynamics,
    )


def run_configuration(configuration: Experiment, design: Design, setting: Setting, batch: int) -> Experiment:
    """The flow of `solver.atoms` of the `sgd.neurons` neurons of a batch on its samples."""
    base = base_configuration(configuration)
    law: Any = base.data
    return replace(
        base,
        data=replace(law, samples=setting.samples, sample_seed=law.sample_seed + batch),
        dynamics=with_strength(configuration.dynamics, setting.strength),
        sgd=replace(base.sgd, neurons=design.total, seed=configuration.sgd.seed + batch),
        solver=base.solver.having(atoms=(setting.neurons,)),
    )
