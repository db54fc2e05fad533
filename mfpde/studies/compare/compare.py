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
from mfpde.solvers.space.measure import Measure
from mfpde.studies.compare.beside import Beside, apart, laws_beside
from mfpde.studies.compare.distances import UNKNOWN, law_distances, law_rows
from mfpde.studies.compare.fluctuations import Fluctuations
from mfpde.studies.kernel.scales import kernel_limit
from mfpde.studies.run.continuation import earlier_run
from mfpde.studies.run.output import check_output, refuse_missing
from mfpde.studies.run.refusals import refuse_unsupported
from mfpde.studies.run.trajectory import estimated_error
from mfpde.studies.sgd.networks import build_sgd
from mfpde.studies.sgd.refusals import refuse, save_steps
from mfpde.studies.sgd.replicas import Replicas, sgd
from mfpde.studies.solve import solve

ACCURACY = 1e-9
GRID_NOTE = "Kolmogorov distances are left out where the law is too narrow for the cells of the grid"


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
    others = laws_beside(timed, problem, law_rows(len(times)), progress)
    fluctuation, monte_carlo, error = _fluctuations(timed, problem, pde, runs, others)
    extra = _coupled(timed, progress) if coupled and not left_out else None
    laws = law_distances(pde, runs, others)
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
    if not all(math.isfinite(law.w2_error) for law in laws):
        yield UNKNOWN
    if not all(math.isfinite(law.kolmogorov) for law in laws):
        yield GRID_NOTE
    yield from runs.notes


def law_points(law: Measure) -> tuple[Array, Array]:
    """A law as points (n, D) and weights (n,): the atoms, or the middles of the cells."""
    if law.edges is None:
        return law.points, law.weights
    lower, upper = law.corners
    held = law.weights > 1e-14 * law.mass
    return 0.5 * (lower + upper)[held], law.weights[held] / law.weights[held].sum()


def _fluctuations(
    configuration: Experiment, problem: Problem, pde: SolveResult, runs: SgdResult, others: Beside
) -> tuple[Array, Array, Array]:
    """N E|f_N - f|^2, shape (R, T), K(rho_t) and its error, shape (T,); NaN where there are no exact moments."""
    network = build_sgd(configuration, 0)
    exact = problem.data.population(network.data, network.unit)
    # E f_N^2 is told from the mean square error, and f of the law is made of features
    featured = not (problem.centred or problem.data.neurons_only)
    if exact is None or not featured or problem.data.pointwise is not None:
        unknown = np.full(len(pde.time), np.nan)
        return np.full(runs.risk.shape, np.nan), unknown, unknown
    laws = [law_points(pde.law_at(index)) for index in range(len(pde.time))]
    beside = [[law_points(law) for law in each] for each in others.laws]
    neurons = runs.position.reshape(-1, len(pde.names))
    visited = np.vstack([*(points for points, _ in itertools.chain(laws, *beside)), neurons])
    lower, upper = visited.min(axis=0), visited.max(axis=0)
    objective: Objective = problem.represent("exact", Box(lower, upper), ACCURACY).objective
    kept = Fluctuations(objective, exact, problem.unit)
    monte_carlo = np.array([kept.monte_carlo(points, weights) for points, weights in laws])
    found = [np.array([kept.monte_carlo(points, weights) for points, weights in each]) for each in beside]
    ratios = [len(weights) / len(each[0][1]) for (_, weights), each in zip(laws, beside, strict=True)]
    gaps = [apart(*each) for each in zip(monte_carlo.tolist(), found, ratios, strict=True)]
    times = [problem.flow.schedule.flow_time(time) for time in pde.time.tolist()]
    error = estimated_error(times, np.array(times), np.array(gaps)[:, None], np.array([ACCURACY]))[:, 0]
    fluctuation = np.empty(runs.risk.shape)
    for index, (points, weights) in enumerate(laws):
        outputs = objective.outputs(points, weights)
        for replica in range(len(runs.risk)):
            risk = float(runs.risk[replica, index])
            fluctuation[replica, index] = kept.scaled_variance(runs.position[replica, index], risk, outputs)
    return fluctuation, monte_carlo, error
