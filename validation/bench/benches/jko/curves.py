"""Seconds at equal error.

The runs of a scheme that no other run of it beats in both error and seconds form its curve; between them log(seconds)
is linear in log(error).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from validation.bench.interface import Ratio


class Run(NamedTuple):
    """A run: its label, error and seconds."""

    label: str
    error: float
    seconds: float


def front(runs: Sequence[Run]) -> list[Run]:
    """The runs that no other beats in both error and seconds, by rising seconds."""
    kept: list[Run] = []
    for run in sorted(runs, key=lambda run: (run.seconds, run.error)):
        if not kept or run.error < kept[-1].error:
            kept.append(run)
    return kept


def seconds_at(runs: Sequence[Run], error: float) -> float:
    """Seconds to this error; those of the cheapest run where that is more accurate, inf where no run is."""
    curve = front(runs)[::-1]
    if not (error >= curve[0].error):
        return float("inf")
    logs = np.log([[run.error, run.seconds] for run in curve])
    return float(np.exp(np.interp(np.log(error), logs[:, 0], logs[:, 1])))


def at_equal_error(
    work: str, curves: Mapping[str, Sequence[Run]], levels: Sequence[float], goals: Mapping[tuple[str, float], float]
) -> Iterator[Ratio]:
    """Seconds of minimising movements to common errors beside those of the other curves, as far as both come."""
    for level in levels:
        own = seconds_at(curves["jko"], level)
        for name, runs in curves.items():
            theirs = seconds_at(runs, level)
            if name != "jko" and np.isfinite(own + theirs):
                yield Ratio(f"{work}, error {level:.1e}", own, name, theirs, goal=goals.get((name, level)))
