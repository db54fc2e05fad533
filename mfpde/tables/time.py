"""The table [time]: the interval of a run, the times it is recorded at, and what ends it before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mfpde.keys.declaration import Checked, key
from mfpde.keys.kinds import Choice, Number
from mfpde.keys.reader import DURATION, NON_NEGATIVE, POSITIVE, Range, TableReader, as_number, increasing, known_name
from mfpde.solvers.flow.flow import BY_LOSS

STATIONARY_TOLERANCE = 1e-6
UNTIL = ("end", "stationary", "margin")


@dataclass(frozen=True)
class LogSave:
    """t = 0 and then `count` times in geometric progression from `first` to the end."""

    count: int
    first: float


@dataclass(frozen=True)
class SaveTimes:
    """A count, a list of times, or { log = count, first = t }; times lie in [0, end]."""

    @property
    def accepted(self) -> str:
        return "an integer from 2 to 1000000, a list of times, or { log = count, first = t }"

    def read(self, reader: TableReader, name: str, default: int) -> int | tuple[float, ...] | LogSave:
        value, end = reader.raw(name), as_number(reader.raw("end"))
        end = Time.end if end is None or end not in DURATION else end
        if isinstance(value, Mapping):
            table = TableReader(reader.dotted(name), value, ("log", "first"), reader.errors)
            count = table.integer("log", 50, 2, 10**6)
            first = table.number("first", end / 10_000.0, Range(0.0, end, low_open=True, high_open=True))
            return LogSave(count, first)
        if not isinstance(value, list | tuple):
            return reader.integer(name, default, 2, 10**6)
        times = reader.numbers(name, NON_NEGATIVE, "[0.0, 1.0, 10.0]")
        if times is None:
            return default
        if not increasing(times):
            reader.complain(name, "the times must increase strictly", "each time once, in increasing order")
            return default
        if not (times[-1] <= end):
            problem = f"the last time lies beyond time.end = {end:g}"
            reader.complain(name, problem, f"times up to {end:g} or a later end")
        return times

    def plain(self, value: int | tuple[float, ...] | LogSave) -> object:
        if isinstance(value, LogSave):
            return {"log": value.count, "first": value.first}
        return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class StationaryTolerance:
    """A positive number, beside until = "stationary" only."""

    @property
    def accepted(self) -> str:
        return f'a number, {POSITIVE}, beside until = "stationary"'

    def read(self, reader: TableReader, name: str, default: None) -> float | None:
        until = known_name(reader.raw("until"), UNTIL)
        if until == "stationary":
            return reader.number(name, STATIONARY_TOLERANCE, POSITIVE)
        if reader.has(name) and (until in UNTIL or not reader.has("until")):
            reader.complain(
                name, f'unused by until = "{until or "end"}"', 'until = "stationary", or leave stationary_tolerance out'
            )
        return default

    def plain(self, value: float) -> object:
        return value


@dataclass(frozen=True)
class Time(Checked):
    """The interval [0, end] and when to save: a count (equally spaced), a list, or a progression.

    With `until` = "stationary" the run stops before the end once the dissipation D = -dF/ds per unit of flow time
    s = ∫xi falls to `stationary_tolerance`, an absolute number (None: not asked for); the end is then a save time. With
    "margin" it stops at a save time where the normalised margin is positive and moved by less than 1e-3 of it over the
    last tenth of the time.
    """

    table = "time"

    end: float = key(10.0, Number(DURATION), "the time t at which the run ends")
    save: int | tuple[float, ...] | LogSave = key(101, SaveTimes(), "the times at which the law is recorded")
    until: str = key(
        "end",
        Choice(UNTIL),
        "whether the run stops where it has come to rest, or where the normalised margin of classes has",
    )
    clock: str = key(
        "flow", Choice(("flow", BY_LOSS)), "what time counts: flow time, or ds = L dt of a loss that falls for ever"
    )
    stationary_tolerance: float | None = key(
        None, StationaryTolerance(), "the dissipation at which it has (default 1e-06)"
    )

    @property
    def save_times(self) -> tuple[float, ...]:
        """The increasing times at which the law is recorded."""
        if isinstance(self.save, int):
            last = self.save - 1
            return (*(self.end * (index / last) for index in range(last)), self.end)
        if isinstance(self.save, LogSave):
            last, first = self.save.count - 1, self.save.first
            inner = (first * (self.end / first) ** (index / last) for index in range(last))
            return (0.0, *inner, self.end)
        if self.until != "end" and self.save[-1] < self.end:
            return (*self.save, self.end)
        return self.save
