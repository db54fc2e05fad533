"""compare: the solved equation beside replicas of SGD from the same rho_0, and the dynamics coupled between them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from mfpde.configuration.sources import Source, experiment_of
from mfpde.errors import in_keys
from mfpde.experiment import Experiment
from mfpde.problem.problem import Problem, build_problem
from mfpde.results.answers.compare import CompareResult, LawDistance, beside
from mfpde.results.answers.sgd import SgdResult
from mfpde.results.answers.solve import Array, SolveResult
from mfpde.shell.files import reserved
from mfpde.shell.memory import out_of_memory
from mfpde.shell.progress import Progress, silent
from mfpde.shell.workers import Workers
from mfpde.solvers.flow.time_loop import StepFailure
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.distribution import distribution, kolmogorov, repeated, sampled
from mfpde.solvers.space.measure import Measure
from mfpde.studies.compare.beside import apart, laws_beside
from mfpde.studies.compare.fluctuations import Fluctuations
from mfpde.studies.kernel.limit import kernel_limit
from mfpde.studies.run.continuation import earlier_run
from mfpde.studies.run.output import check_output, refuse_missing
from mfpde.studies.run.refusals import refuse_unsupported
from mfpde.studies.run.trajectory import estimated_error
from mfpde.studies.sgd.networks import build_sgd
from mfpde.studies.sgd.refusals import refuse, save_steps
from mfpde.studies.sgd.replicas import Replicas, sgd
from mfpde.studies.solve import solve

LAW_TIMES = 5
ACCURACY = 1e-9
NARROW, SMEARED = 4.0, 40.0
"""Cells that the bulk of the neurons must span: with fewer a straight line in a cell is off by .02 and more, and a grid
smears an atom of rho_0 over some ten of them."""
GRID_NOTE = "Kolmogorov distances are left out where the law is too narrow for the cells of the grid"
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
    kernel: bool = False,
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
        coupled: whether to run the four coupled dynamics of the first replica too; where they are not defined a note
            says why they are left out.
        kernel: whether to compute the kernel limit too.
        progress: called with a line of text and the fraction of the work done.
        given: overrides=, use=, and keys of [time], [solver] and [sgd], as `experiment_of` takes them.

    Raises:
        ConfigurationError, ResultFileError, OutputError: as `solve` and `sgd`.
    """
    started = monotonic()
    configuration = experiment_of(source, **given)
    here = 1 if scheduler else workers
    refuse(configuration, workers=here, saved=output is not None)
    refuse_unsupported(configuration)
    left_out = tuple(_left_out(configuration)) if coupled else ()
    if coupled and not left_out:
        refuse(configuration, workers=here, saved=output is not None, coupled=True)
    path = None if output is None else Path(output)
    place = None if path is None else beside(path)
    check_output(path, resume=resume, force=force)
    begun = [file is not None and file.exists() for file in (path, place)]
    if resume and path is not None and place is not None:
        refuse_missing(path, place)
    if resume and path is not None and begun[0]:
        # before the equation is solved into the file beside it
        configuration = earlier_run(path, configuration, SgdResult).configuration
    times = tuple(step * configuration.sgd.step_size for step in save_steps(configuration))
    timed = replace(configuration, time=replace(configuration.time, end=max(times), save=times))
    limit = kernel_limit(timed, progress) if kernel else None
    pde = solve(timed, place, resume=resume and begun[1], force=force, progress=progress)
    if pde.status == "success":
        runs = sgd(
            configuration,
            path,
            resume=resume and begun[0],
            force=force,
            workers=workers,
            scheduler=scheduler,
            progress=progress,
        )
    else:
        runs = Replicas(configuration, None, silent).answer(pde.status, "")
    unknown = np.full(len(times), math.nan)
    parted = CompareResult(pde, runs, (), np.full(runs.risk.shape, math.nan), unknown, unknown, kernel=limit)
    if parted.status != "success":
        return replace(parted, wall_seconds=monotonic() - started)
    problem = build_problem(configuration)
    fluctuation, monte_carlo, error = _fluctuations(timed, problem, pde, runs)
    extra = _coupled(timed, progress) if coupled and not left_out else None
    laws = law_distances(pde, runs)
    compared = replace(
        parted,
        laws=laws,
        fluctuation=fluctuation,
        monte_carlo=monte_carlo,
        monte_carlo_error=error,
        coupled=extra,
        notes=(*_notes(pde, runs, laws), *left_out, *([] if extra is None else extra["notes"])),
        wall_seconds=monotonic() - started,
    )
    if path is not None:
        with reserved(path):
            compared.save(path, SgdResult.read(path)[1], SolveResult.read(beside(path))[1])
    return compared


def _coupled(configuration: Experiment, progress: Progress) -> dict[str, Any]:
    """The four coupled dynamics as JSON; where there is nothing of them, their status and why."""
    from mfpde.studies.compare.coupled import coupled

    try:
        return coupled(configuration, progress=progress).to_json()
    except KeyboardInterrupt:
        status, words = "interrupted", "interrupted before the first save time after 0"
    except (StepFailure, ArithmeticError, MemoryError) as error:
        reason = out_of_memory(error, "fewer sgd.neurons") if isinstance(error, MemoryError) else in_keys(error)
        status, words = "failed", f"failed before the first save time after 0: {reason}"
    return {"gaps": None, "time": [], "notes": [words], "status": status, "wall_seconds": 0.0}


def _left_out(configuration: Experiment) -> Iterator[str]:
    """Why the coupled dynamics are left out, a note each."""
    from mfpde.studies.compare.coupled import against_coupled

    for key, reason, remedy in against_coupled(configuration):
        yield f"coupled dynamics left out ({key}): {reason}; for them {remedy}"
    if configuration.sgd.state == "gram":
        reason = 'the weights of state = "gram" are those of SGD up to rotations'
        yield f'coupled dynamics left out (sgd.state): {reason}; for them write state = "weights"'


def _notes(pde: SolveResult, runs: SgdResult, laws: Sequence[LawDistance]) -> Iterator[str]:
    yield from pde.notes
    if pde.density is None:
        yield ATOMS_NOTE
    if not all(math.isfinite(law.kolmogorov) for law in laws):
        yield GRID_NOTE
    yield from runs.notes


def law_distances(pde: SolveResult, runs: SgdResult) -> tuple[LawDistance, ...]:
    """Distances of the marginals of all replicas' neurons from those of rho_t, at a few times."""
    chosen = np.unique(np.linspace(0, len(runs.time) - 1, LAW_TIMES).astype(int))
    cells = [SMEARED if np.ptp(runs.position[:, 0, :, axis]) == 0.0 else NARROW for axis in range(len(runs.names))]
    return tuple(
        _distance(pde.law_at(int(index)).marginal(axis), runs.position[:, index, :, axis].ravel(), time, name, least)
        for index, time in zip(chosen, runs.time[chosen].tolist(), strict=True)
        for axis, (name, least) in enumerate(zip(runs.names, cells, strict=True))
    )


def _distance(law: Measure, neurons: Array, time: float, name: str, cells: float) -> LawDistance:
    """Neurons against a law of one coordinate; Kolmogorov's distance is NaN where they span fewer cells of a grid."""
    count = len(neurons)
    spread = distribution(law, repeated(neurons))
    w2 = float(np.sqrt(np.mean((np.sort(neurons) - spread.quantile((np.arange(count) + 0.5) / count)) ** 2)))
    apart = kolmogorov(sampled(neurons), spread) if _cells(law, neurons) >= cells else math.nan
    return LawDistance(time, name, apart, w2, 1.36 / math.sqrt(count))


def _cells(law: Measure, neurons: Array) -> float:
    """How many cells of a grid the bulk of the neurons spans; any number of them where the law is on atoms."""
    if law.edges is None:
        return math.inf
    low, high = np.quantile(neurons, [0.05, 0.95])
    edges = law.edges[0]
    first, last = np.clip(np.searchsorted(edges, [low, high], side="right") - 1, 0, len(edges) - 2)
    return float(high - low) / float(np.diff(edges)[first : last + 1].max())


def law_points(law: Measure) -> tuple[Array, Array]:
    """A law as points (n, D) and weights (n,): the atoms, or the middles of the cells."""
    if law.edges is None:
        return law.points, law.weights
    lower, upper = law.corners
    held = law.weights > 1e-14 * law.mass
    return 0.5 * (lower + upper)[held], law.weights[held] / law.weights[held].sum()


def _fluctuations(
    configuration: Experiment, problem: Problem, pde: SolveResult, runs: SgdResult
) -> tuple[Array, Array, Array]:
    """N E|f_N - f|^2, shape (R, T), K(rho_t) and its error, shape (T,); NaN where there are no exact moments."""
    network = build_sgd(configuration, 0)
    exact = problem.data.population(network.data, network.unit)
    # E f_N^2 is told from the mean square error
    if exact is None or problem.centred or problem.data.pointwise is not None:
        unknown = np.full(len(pde.time), np.nan)
        return np.full(runs.risk.shape, np.nan), unknown, unknown
    laws = [law_points(pde.law_at(index)) for index in range(len(pde.time))]
    beside = [[law_points(law) for law in each] for each in laws_beside(configuration, problem)]
    neurons = runs.position.reshape(-1, len(pde.names))
    visited = np.vstack([*(points for points, _ in itertools.chain(laws, *beside)), neurons])
    lower, upper = visited.min(axis=0), visited.max(axis=0)
    objective: Objective = problem.represent("exact", Box(lower, upper), ACCURACY).objective
    kept = Fluctuations(objective, exact, problem.unit)
    monte_carlo = np.array([kept.monte_carlo(points, weights) for points, weights in laws])
    others = [np.array([kept.monte_carlo(points, weights) for points, weights in each]) for each in beside]
    ratios = [len(weights) / len(each[0][1]) for (_, weights), each in zip(laws, beside, strict=True)]
    gaps = [apart(*each) for each in zip(monte_carlo.tolist(), others, ratios, strict=True)]
    times = [problem.flow.schedule.flow_time(time) for time in pde.time.tolist()]
    error = estimated_error(times, list(zip(times, gaps, strict=True)), ACCURACY)
    fluctuation = np.empty(runs.risk.shape)
    for index, (points, weights) in enumerate(laws):
        outputs = objective.outputs(points, weights)
        for replica in range(len(runs.risk)):
            risk = float(runs.risk[replica, index])
            fluctuation[replica, index] = kept.scaled_variance(runs.position[replica, index], risk, outputs)
    return fluctuation, monte_carlo, error
