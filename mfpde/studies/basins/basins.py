"""basins: which value of one or two keys leads to which stationary law.

Every point of the grid of values is one task: solve with the configuration's scheme up to `time.end`, then ask where
that ends. Points share the optimum and the search for one-atom laws where the keys do not change the problem.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from time import monotonic
from typing import Any

from mfpde.configuration.families import EXAMPLE, Family, distinct, without_repetition
from mfpde.configuration.sources import Source
from mfpde.configuration.toml import to_toml
from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.basins import BasinPoint, BasinsResult
from mfpde.shell.progress import Progress, silent
from mfpde.shell.tasks import reason
from mfpde.shell.workers import Workers
from mfpde.studies.basins.file import earlier_points
from mfpde.studies.basins.labels import boundaries, labelled
from mfpde.studies.ending.ending import ending
from mfpde.studies.ending.search import problem_alone
from mfpde.studies.run.campaign import Pooled
from mfpde.studies.run.output import output_file
from mfpde.studies.run.refusals import unsupported
from mfpde.studies.solve import solve
from mfpde.studies.stationary.point import refuse_stationary

MOST_KEYS = 2


@dataclass(frozen=True)
class Task:
    """One point of the grid."""

    values: tuple[float, ...]
    configuration: Experiment
    radius: float | None


def compute(task: Task) -> dict[str, Any]:
    """Where the run from one point ends, as JSON values; raises ArithmeticError or ValueError where it has no end."""
    started = monotonic()
    result = solve(task.configuration)
    if result.status == "interrupted":
        raise KeyboardInterrupt
    if result.status != "success":
        raise ArithmeticError(str(result.attributes.get("message", result.status)))
    try:
        end = ending(result, task.radius).to_json()
    except ConfigurationError as error:
        raise ValueError("; ".join(error.messages)) from None
    kept = ("time", "risk", "gap_to_optimum", "at_rest", "dissipation", "clusters", "dust", "nearest", "note")
    near = end["nearest"] is not None and end["nearest"]["near"]
    distance = None if end["nearest"] is None else end["nearest"]["distance"]
    extra = {"near": near, "distance": distance, "wall_seconds": monotonic() - started}
    return {**{key: end[key] for key in kept}, **extra}


def basins(
    source: Source,
    vary: Mapping[str, Sequence[float]],
    output: str | Path | None = None,
    *,
    overrides: Sequence[str] = (),
    use: Sequence[str | Path] = (),
    radius: float | None = None,
    workers: Workers | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Progress = silent,
) -> BasinsResult:
    """Solve from every value of one or two keys, and label the values by the law that their run ends at.

    Args:
        source: a preset's name, the path of a TOML file, or an experiment.
        vary: increasing values of one or two dotted keys, {"initial.kappa": [0.1, 0.2, 0.4]}.
        output: JSON file, also the checkpoint; an existing one is kept unless `force` or `resume`.
        overrides: as `--set` takes them.
        use: Python files that register what the source names.
        radius: of the box, see `ending`.
        workers: processes of this machine, one thread each, None for one per processor; or an executor.
        scheduler: address of a dask scheduler whose workers take the runs instead.
        resume: compute only the points that `output` does not hold, or that failed.

    Raises:
        ConfigurationError: keys or values without a configuration, problems that cannot be solved or have no atoms at
            rest, another sweep in the file to resume.
        OutputError: `output` cannot be written (RunOutputError: during the sweep).
    """
    family = Family.of(source, vary, overrides, use)
    tasks = tasks_of(family, radius)
    with output_file(output, resume=resume, force=force, kind="OUT.json") as path:
        sweep = _Sweep(family, tasks, radius, path, progress, workers, scheduler)
        if resume and path is not None:
            sweep.restore(*earlier_points(path, family, tasks[0].configuration, radius))
        return sweep.complete()


def tasks_of(family: Family, radius: float | None) -> list[Task]:
    """One task per point of the grid; raises ConfigurationError with everything that is wrong with any of them."""
    distinct(family.variations)
    if not 1 <= len(family.variations) <= MOST_KEYS:
        raise ConfigurationError([f"--vary: {len(family.variations)} keys; vary one or two, {EXAMPLE}"])
    unordered = [variation.key for variation in family.variations if not _increasing(variation.values)]
    if unordered:
        raise ConfigurationError([f"--vary {key}: needs two or more increasing values; {EXAMPLE}" for key in unordered])
    wrong: dict[str, list[str]] = {}
    tasks = []
    for values in product(*(variation.values for variation in family.variations)):
        where = ", ".join(f"{v.key} = {value:.10g}" for v, value in zip(family.variations, values, strict=True))
        try:
            configuration = family.at(*values)
            messages = unsupported(configuration)
            if not messages:
                refuse_stationary(build_problem(configuration))
            tasks.append(Task(values, configuration, radius))
        except ConfigurationError as error:
            messages = list(error.messages)
        for message in messages:
            wrong.setdefault(message, []).append(where)
    if wrong:
        count = math.prod(len(variation.values) for variation in family.variations)
        keys = tuple(variation.key for variation in family.variations)
        told = without_repetition(list(wrong), family)
        raise ConfigurationError([_told(message, wrong[message], count, keys) + more for message, more in told])
    return tasks


def _increasing(values: Sequence[float]) -> bool:
    return len(values) > 1 and all(low < high for low, high in pairwise(values))


def _told(message: str, places: Sequence[str], count: int, keys: tuple[str, ...]) -> str:
    """A message, and at which points it holds where that is neither everywhere nor said by it."""
    if len(places) == count or message.startswith(keys):
        return message
    more = f" and {len(places) - 1} more points" if len(places) > 1 else ""
    return f"at {places[0]}{more}: {message}"


class _Sweep(Pooled[BasinsResult, Task, dict[str, Any]]):
    """The finished points of a sweep."""

    PIECES = "points"

    def __init__(
        self,
        family: Family,
        tasks: list[Task],
        radius: float | None,
        path: Path | None,
        progress: Progress,
        workers: Workers | None,
        scheduler: str | None,
    ) -> None:
        super().__init__(path, progress, workers, scheduler)
        self.family, self.every, self.radius = family, tasks, radius
        problem = build_problem(tasks[0].configuration)
        self.names, self.masses_move = problem.geometry.names, problem.flow.fisher_rao_rate > 0.0
        self.one_problem = len({problem_alone(task.configuration) for task in tasks}) == 1
        self.points: dict[tuple[float, ...], BasinPoint] = {}

    def restore(self, points: Sequence[BasinPoint], seconds: float) -> None:
        """Keep the points of an earlier part."""
        self.points = {point.values: point for point in points}
        self.earlier_seconds = seconds

    def tasks(self) -> list[Task]:
        """The points that are not there."""
        self._tell()
        return [task for task in self.every if task.values not in self.points]

    @property
    def function(self) -> Callable[[Task], dict[str, Any]]:
        """Where the run from a point ends."""
        return compute

    def done(self) -> tuple[int, int]:
        """Points."""
        return len(self.points), len(self.every)

    def keep(self, task: Task, part: dict[str, Any]) -> None:
        """A point with its ending."""
        self._add(BasinPoint(task.values, None, part))

    def fail(self, task: Task, error: Exception) -> None:
        """A point without."""
        self._add(BasinPoint(task.values, None, {}, reason(error, "fewer --workers, solver.cells or solver.atoms")))

    def _add(self, point: BasinPoint) -> None:
        self.points[point.values] = point
        self._tell()
        self.checkpoint(piece=True)

    def _tell(self) -> None:
        done, count = self.done()
        self.progress(f"point {done} of {count}", done / count)

    def answer(self, status: str, message: str) -> BasinsResult:
        """The points so far with their labels; a sweep of which a run failed has failed."""
        finished = [self.points[task.values] for task in self.every if task.values in self.points]
        points, laws = labelled(finished, self.masses_move, self.one_problem)
        keys = tuple(variation.key for variation in self.family.variations)
        values = tuple(variation.values for variation in self.family.variations)
        failures = [
            f"{', '.join(f'{k} = {v:.10g}' for k, v in zip(keys, point.values, strict=True))}: {point.message}"
            for point in points
            if point.message
        ]
        return BasinsResult(
            keys=keys,
            values=values,
            names=self.names,
            points=points,
            laws=laws,
            boundaries=boundaries(points, keys, values),
            status="failed" if failures and status == "success" else status,
            configuration=to_toml(self.every[0].configuration),
            radius=self.radius,
            wall_seconds=self.seconds,
            message="\n".join([*failures, *([message] if message else [])]),
        )
