"""compare: the solved equation beside replicas of SGD from the same rho_0, and the dynamics coupled between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from mfpde.configuration.sources import Source, experiment_of
from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.problem.problem import Problem, build_problem
from mfpde.results.answers.compare import CompareResult, LawDistance, beside
from mfpde.results.answers.sgd import SgdResult
from mfpde.results.answers.solve import Array, SolveResult
from mfpde.shell.files import reserved
from mfpde.shell.progress import Progress, silent
from mfpde.shell.workers import Workers
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.space.box import Box
from mfpde.studies.compare.fluctuations import Fluctuations
from mfpde.studies.run.output import check_output, earlier_run
from mfpde.studies.run.refusals import refuse_unsupported
from mfpde.studies.sgd.networks import build_sgd
from mfpde.studies.sgd.refusals import refuse, save_steps
from mfpde.studies.sgd.replicas import sgd
from mfpde.studies.solve import solve

LAW_TIMES = 5
ACCURACY = 1e-9
GROUP = 5e-3
ATOMS_NOTE = "rho_t is on the atoms of a quadrature: Kolmogorov distances below .02 need finite volumes"


def compare(
    source: Source,
    output: str | Path | None = None,
    *,
    resume: bool = False,
    force: bool = False,
    workers: Workers | None = None,
    scheduler: str | None = None,
    coupled: bool = True,
    progress: Progress = silent,
    **given: Any,
) -> CompareResult:
    """Solve the equation, run SGD, and say how far they are apart.

    The equation is solved at the very times t = k eps at which SGD is recorded.

    Args:
        source: a preset's name, the path of a TOML file, an experiment, or a problem made in Python.
        output: result file of the replicas, also their checkpoint; that of the equation lies beside it as *.pde.nc.
        resume, force: as in `sgd`.
        workers, scheduler: for the replicas, as in `sgd`.
        coupled: whether to run the four coupled dynamics of the first replica too.
        progress: called with a line of text and the fraction of the work done.
        given: overrides=, use=, and keys of [time], [solver] and [sgd], as `experiment_of` takes them.

    Raises:
        ConfigurationError, ResultFileError, OutputError: as `solve` and `sgd`.
    """
    started = monotonic()
    configuration = experiment_of(source, **given)
    refuse(configuration)
    refuse_unsupported(configuration)
    if coupled:
        _refuse_coupled(configuration)
    path = None if output is None else Path(output)
    place = None if path is None else beside(path)
    check_output(path, resume=resume, force=force)
    if resume and path is not None and path.exists():
        earlier_run(path, configuration, SgdResult)  # before the equation is solved into the file beside it
    times = tuple(step * configuration.sgd.step_size for step in save_steps(configuration))
    timed = replace(configuration, time=replace(configuration.time, end=max(times), save=times))
    equation = timed
    pde = solve(equation, place, resume=resume and place is not None and place.exists(), force=force, progress=progress)
    runs = sgd(
        configuration,
        path,
        resume=resume,
        force=force,
        workers=workers,
        scheduler=scheduler,
        progress=progress,
    )
    apart = CompareResult(pde, runs, (), np.full(runs.risk.shape, math.nan), np.full(len(times), math.nan))
    if apart.status != "success":
        return replace(apart, wall_seconds=monotonic() - started)
    problem = build_problem(configuration)
    fluctuation, monte_carlo = _fluctuations(configuration, problem, pde, runs)
    extra: dict[str, Any] | None = None
    if coupled:
        from mfpde.studies.compare.coupled import coupled as run_coupled

        extra = run_coupled(timed, progress=progress).to_json()
    compared = replace(
        apart,
        laws=law_distances(pde, runs),
        fluctuation=fluctuation,
        monte_carlo=monte_carlo,
        coupled=extra,
        notes=tuple(_notes(pde, runs)),
        wall_seconds=monotonic() - started,
    )
    if path is not None:
        with reserved(path):
            compared.save(path, SgdResult.read(path)[1], SolveResult.read(beside(path))[1])
    return compared


def _refuse_coupled(configuration: Experiment) -> None:
    from mfpde.studies.compare.coupled import refuse_coupled

    if configuration.sgd.state == "gram":
        message = 'sgd.state: the weights of state = "gram" are those of SGD up to rotations, which cannot be compared'
        raise ConfigurationError([f'{message} with the coupled dynamics; write --no-coupled, or state = "weights"'])
    refuse_coupled(configuration)


def _notes(pde: SolveResult, runs: SgdResult) -> Iterator[str]:
    if pde.density is None:
        yield ATOMS_NOTE
    yield from runs.notes


def law_distances(pde: SolveResult, runs: SgdResult) -> tuple[LawDistance, ...]:
    """Distances of the marginals of all replicas' neurons from those of rho_t, at a few times."""
    chosen = np.unique(np.linspace(0, len(runs.time) - 1, LAW_TIMES).astype(int))
    distances = []
    for index in chosen:
        for axis, name in enumerate(runs.names):
            neurons = np.sort(runs.position[:, index, :, axis].ravel())
            cumulative, quantile = marginal_functions(pde, int(index), axis)
            levels = np.arange(len(neurons) + 1) / len(neurons)
            law = cumulative(neurons)
            kolmogorov = float(np.maximum(np.abs(law - levels[1:]), np.abs(law - levels[:-1])).max())
            middle = 0.5 * (levels[1:] + levels[:-1])
            w2 = float(np.sqrt(np.mean((neurons - quantile(middle)) ** 2)))
            distances.append(LawDistance(float(runs.time[index]), name, kolmogorov, w2, 1.36 / math.sqrt(len(neurons))))
    return tuple(distances)


def marginal_functions(
    pde: SolveResult, index: int, axis: int
) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """Distribution and quantile function of one coordinate of rho_t, piecewise linear in between.

    Atoms are the nodes of a quadrature, many of them in one place of an axis: they are gathered to groups, and the
    cumulative masses are taken at the middle of each group's jump.
    """
    law = pde.law_at(index).marginal(axis)
    if law.edges is not None:
        places, levels = law.edges[0], np.append(0.0, np.cumsum(law.weights))
        levels = levels / levels[-1]
    else:
        places, weight = _gathered(law.points[:, 0], law.weights)
        levels = np.cumsum(weight) - 0.5 * weight

    def cumulative(points: Array) -> Array:
        return np.asarray(np.interp(points, places, levels, left=0.0, right=1.0))

    def quantile(shares: Array) -> Array:
        return np.asarray(np.interp(shares, levels, places))

    return cumulative, quantile


def _gathered(places: Array, weights: Array) -> tuple[Array, Array]:
    """Means and masses of groups of neighbours, of mass GROUP or more where that does not part equal places."""
    order = np.argsort(places)
    places, weights = places[order], weights[order]
    apart = np.append(True, np.diff(places) > 1e-9 * max(float(np.ptp(places)), 1e-300))
    start, begun = [0], 0.0
    for index in range(1, len(places)):
        begun += weights[index - 1]
        if apart[index] and begun >= GROUP:
            start.append(index)
            begun = 0.0
    masses = np.add.reduceat(weights, start)
    return np.add.reduceat(weights * places, start) / masses, masses


def law_points(pde: SolveResult, index: int) -> tuple[Array, Array]:
    """rho_t as points (n, D) and weights (n,): the atoms, or the middles of the cells."""
    law = pde.law_at(index)
    if law.edges is None:
        return law.points, law.weights
    lower, upper = law.corners
    held = law.weights > 1e-14 * law.mass
    return 0.5 * (lower + upper)[held], law.weights[held] / law.weights[held].sum()


def _fluctuations(
    configuration: Experiment, problem: Problem, pde: SolveResult, runs: SgdResult
) -> tuple[Array, Array]:
    """N E|f_N - f|^2, shape (R, T), and K(rho_t), shape (T,); NaN where the law of the data has no exact moments."""
    network = build_sgd(configuration, 0)
    exact = problem.data.population(network.data, network.unit)
    if exact is None:
        return np.full(runs.risk.shape, np.nan), np.full(len(pde.time), np.nan)
    laws = [law_points(pde, index) for index in range(len(pde.time))]
    neurons = runs.position.reshape(-1, len(pde.names))
    visited = np.vstack([*(points for points, _ in laws), neurons])
    lower, upper = visited.min(axis=0), visited.max(axis=0)
    objective: Objective = problem.represent("exact", Box(lower, upper), ACCURACY).objective
    kept = Fluctuations(objective, exact, problem.unit)
    monte_carlo = np.array([kept.monte_carlo(points, weights) for points, weights in laws])
    fluctuation = np.empty(runs.risk.shape)
    for index, (points, weights) in enumerate(laws):
        outputs = objective.outputs(points, weights)
        for replica in range(len(runs.risk)):
            risk = float(runs.risk[replica, index])
            fluctuation[replica, index] = kept.scaled_variance(runs.position[replica, index], risk, outputs)
    return fluctuation, monte_carlo
