"""Campaigns of runs of which each is kept in a file of its own: what is finished is not computed again."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import ClassVar, Generic, TypeVar

from mfpde.errors import OutputError, RunOutputError
from mfpde.results.answer import Answer
from mfpde.shell.progress import Progress
from mfpde.shell.tasks import reason
from mfpde.shell.workers import Workers
from mfpde.studies.bounds.runs import Curve, RunSpec, Store
from mfpde.studies.run.campaign import Pooled

SCATTER = 0.02
"""By how much shares of the work that are foretold from few runs scatter."""
Answered = TypeVar("Answered", bound=Answer)
Ran = TypeVar("Ran", bound=Curve)


class StoredRuns(Pooled[Answered, RunSpec, Ran], Generic[Answered, Ran]):
    """Runs that a store keeps, the longest first.

    Attributes:
        store: what is finished.
        messages: why runs are missing, a line each.
        LESS: what to write where memory runs out.

    Args:
        specs: the runs.
        result: the name of the file of the answer, in the folder of the store.
        progress, workers, scheduler: as `Pooled` takes them.
    """

    PIECES = "runs"
    PLACE = "folder"
    LESS: ClassVar[str] = "fewer --workers"

    def __init__(
        self,
        specs: Sequence[RunSpec],
        store: Store[Ran],
        result: str,
        progress: Progress,
        workers: Workers | None,
        scheduler: str | None,
    ) -> None:
        super().__init__(None if store.folder is None else store.folder / result, progress, workers, scheduler)
        self.store = store
        self.messages: list[str] = []
        self._left = [spec for spec in specs if not store.read(spec)]
        self._seconds: dict[tuple[str, float], list[float]] = {}
        self._share = 0.0
        self._finished, self._count = len(specs) - len(self._left), len(specs)

    def tasks(self) -> list[RunSpec]:
        """One of each sort, by which the others are foretold; then the longest first."""
        longest = sorted(self._left, key=lambda spec: -spec.cost)
        first = {_sort(spec): spec for spec in reversed(longest)}
        return [*reversed(first.values()), *(spec for spec in longest if first[_sort(spec)] is not spec)]

    def place(self, spec: RunSpec) -> str:
        """What a run is, in words."""
        raise NotImplementedError

    def done(self) -> tuple[int, int]:
        """Runs."""
        return self._finished, self._count

    def keep(self, task: RunSpec, part: Ran) -> None:
        """A finished run, in its own file."""
        try:
            self.store.put(task, part)
        except OutputError as error:
            raise RunOutputError(str(error)) from None
        self._seconds.setdefault(_sort(task), []).append(part.wall_seconds)
        self._tell(task)

    def fail(self, task: RunSpec, error: Exception) -> None:
        """A run that is missing."""
        self.messages.append(f"{self.place(task)}: {reason(error, self.LESS)}")
        self._tell(task)

    def last_word(self, status: str, message: str) -> tuple[str, str]:
        """Status and message: a sweep of which a run failed has failed."""
        said = [*self.messages, *([message] if message else [])]
        return "failed" if said and status == "success" else status, "\n".join(said)

    def _tell(self, spec: RunSpec) -> None:
        self._left.remove(spec)
        self._finished += 1
        spent = sum(sum(seconds) for seconds in self._seconds.values())
        share = spent / max(spent + sum(map(self._foretold, self._left)), 1e-9)
        # a fall begins another count of the time that is left: of what is no more than scatter it does not tell
        self._share = share if share < self._share - SCATTER else max(share, self._share)
        self.progress(f"run {self._finished} of {self._count}", self._share)

    def _foretold(self, spec: RunSpec) -> float:
        """Seconds that a run will take: as those of its sort, else by its cost, of its kind if one is finished."""
        sort = _sort(spec)
        if sort in self._seconds:
            return mean(self._seconds[sort])
        known = [known for known in self._seconds if known[0] == spec.kind] or list(self._seconds)
        costs = sum(cost * len(self._seconds[kind, cost]) for kind, cost in known)
        return spec.cost / costs * sum(sum(self._seconds[each]) for each in known) if known else spec.cost


def _sort(spec: RunSpec) -> tuple[str, float]:
    """What runs that take about as long as one another have in common."""
    return spec.kind, spec.cost
