"""The Monte-Carlo rate of rho_0: N E|f_N - f|^2 of independent neurons, exact, and that of networks that are drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from mfpde.experiment import Experiment
from mfpde.problem.labels import starting_atoms
from mfpde.problem.problem import build_problem
from mfpde.results.answers.samples.rates import MonteCarlo
from mfpde.solvers.sgd.state import SgdState
from mfpde.studies.bounds.fits import FAILS, HOLDS, UNDECIDED, Bootstrap
from mfpde.studies.compare.fluctuations import Fluctuations
from mfpde.studies.sgd.networks import build_sgd, first_state, reduced_positions

TOLERANCE, ACCURACY = 1e-9, 1e-8
"""Of the means over rho_0, and of U."""
CLOSE = 0.5
"""Widths of an interval by which the constant may be off it before the claim fails."""


def monte_carlo(experiment: Experiment, neurons: Iterable[int], replicas: int) -> MonteCarlo | str:
    """∫E|sigma_*|^2 drho_0 - E|f|^2, and N |f_N - f|^2 of drawn networks for every N; or why there is none."""
    problem, counts = build_problem(experiment), sorted(set(neurons))
    if experiment.law.sampler() is None:
        return experiment.data.sampler_refusal
    if problem.data.neurons_only:
        return (
            f'data.law: "{experiment.data.name}" has no reduced coordinates, in which the constant is a mean over rho_0'
        )
    sgd = build_sgd(experiment, 0)
    exact = problem.data.population(sgd.data, sgd.unit)
    about = problem.initial_law.sample(64, 0)
    squares = None if exact is None else exact.unit_squares(*problem.unit.parted(about)[::2])
    if exact is None or squares is None or problem.centred or problem.data.pointwise is not None:
        return f'data.law: "{experiment.data.name}" tells no exact E|sigma_*|^2 here, of which the constant is made'
    law, _ = starting_atoms(problem.initial_law, problem.objective_about(about, accuracy=ACCURACY).features, TOLERANCE)
    networks = [[_network(experiment, count, replica) for replica in range(replicas)] for count in counts]
    places = [[reduced_positions(sgd, state, problem.unit) for state in row] for row in networks]
    objective = problem.objective_about(law.points, *(place for row in places for place in row), accuracy=ACCURACY)
    moments, outputs = Fluctuations(objective, exact, problem.unit), law.outputs(objective.features)
    rows = [
        [
            moments.scaled_variance(place, exact.risk(state.w, state.a, state.b), outputs)
            for state, place in zip(*each, strict=True)
        ]
        for each in zip(networks, places, strict=True)
    ]
    bootstrap = Bootstrap.of(replicas)
    told = [bootstrap.interval(bootstrap.shares @ np.array(row), signed=False) for row in rows]
    value, low, high = (np.array([getattr(item, name) for item in told]) for name in ("value", "low", "high"))
    return MonteCarlo(moments.monte_carlo(law.points, law.weights), np.array(counts, dtype=float), value, low, high)


def judged(found: MonteCarlo) -> str:
    """Whether the interval of every N holds the constant."""
    if not np.all(np.isfinite(found.low)):
        return f"{UNDECIDED}: one network has no scatter; write --replicas 20"
    off = np.maximum(found.low - found.constant, found.constant - found.high) / (found.high - found.low)
    worst = int(np.argmax(off))
    word = HOLDS if off[worst] <= 0.0 else FAILS if off[worst] > CLOSE else UNDECIDED
    told = f"{found.value[worst]:.4g} [{found.low[worst]:.4g}, {found.high[worst]:.4g}] at N = {found.neurons[worst]:g}"
    return f"{word}: {told} (constant {found.constant:.6g})"


def _network(experiment: Experiment, count: int, replica: int) -> SgdState:
    """theta^0 of a replica."""
    given = replace(experiment, sgd=replace(experiment.sgd, neurons=count))
    return first_state(given, build_problem(given), build_sgd(given, replica))
