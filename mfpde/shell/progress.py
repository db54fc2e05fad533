"""How far the work is, on standard error: a bar on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from threading import Event, RLock, Thread
from time import monotonic
from typing import Self

from mfpde.shell.process import told

Progress = Callable[[str, float], None]
"""Called with a line of text and the fraction done."""
WIDTH = 30
SECONDS_BETWEEN = 0.1
SECONDS_BETWEEN_LINES = 60.0
SETTLED_SECONDS, SETTLED_SHARE = 2.0, 0.01
"""What must have been seen of a part of the work before the rest of it is foretold."""


def silent(text: str, fraction: float = 0.0) -> None:
    """Progress that nobody watches."""


def heard(progress: Progress) -> bool:
    """Whether it is shown to a person."""
    return isinstance(progress, ProgressBar) and progress.shown


def say(progress: Progress, text: str) -> None:
    """A line that stays, where the progress is shown to a person."""
    if text and isinstance(progress, ProgressBar):
        progress.say(text)


class Pace:
    """How long the work has taken, and what is left of its present part by the pace of that part.

    A part begins where the first word of the text changes or the fraction falls: what was done before it, in an earlier
    run perhaps, says nothing about its pace.
    """

    def __init__(self, now: float) -> None:
        self._started = now
        self._kind, self._begun, self._now = "", (now, 0.0), (now, 0.0)

    def seen(self, now: float, text: str, fraction: float) -> None:
        """Take note of a fraction done."""
        kind = text.partition(" ")[0]
        if kind != self._kind or fraction < self._now[1]:
            self._kind, self._begun = kind, (now, fraction)
        self._now = (now, fraction)

    def text(self, now: float) -> str:
        """Time so far and time left, the latter once it can be told; what is overdue is taken to last as long again."""
        seconds, share = (last - first for last, first in zip(self._now, self._begun, strict=True))
        so_far = f"{duration(now - self._started)} so far"
        if seconds < SETTLED_SECONDS or share < SETTLED_SHARE or self._now[1] >= 1.0:
            return so_far
        left = seconds * (1.0 - self._now[1]) / share - (now - self._now[0])
        return f"{so_far}, about {duration(max(abs(left), 1.0))} left"


def duration(seconds: float) -> str:
    """A time in words: 12 s, 3 min, 2 h 5 min."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60.0)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class ProgressBar:
    """Called with a line of text and the fraction done; as a context it also speaks while nobody calls it.

    Args:
        quiet: whether to say nothing.
        clock: what tells the time, in seconds.
    """

    def __init__(self, quiet: bool = False, clock: Callable[[], float] = monotonic) -> None:
        self.shown = not quiet and sys.stderr is not None
        self._terminal = self.shown and sys.stderr.isatty()
        self._clock, self._pace = clock, Pace(clock())
        self._text, self._share = "at work", 0.0
        self._last = float("-inf") if self._terminal else clock()
        self._drawn = False
        self._turn, self._closed = RLock(), Event()

    def __call__(self, text: str, fraction: float = 0.0) -> None:
        self._text, self._share = text, min(max(fraction, 0.0), 1.0)
        self._pace.seen(self._clock(), text, self._share)
        self.beat(SECONDS_BETWEEN)

    def __enter__(self) -> Self:
        if self.shown:
            Thread(target=self._keep_beating, daemon=True).start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def beat(self, seconds: float = 1.0) -> None:
        """Say how far the work is, unless that was said in the last `seconds` on a terminal, a minute elsewhere."""
        with self._turn:
            now = self._clock()
            if not self.shown or now - self._last < (seconds if self._terminal else SECONDS_BETWEEN_LINES):
                return
            self._last = now
            told(self._bar(now) if self._terminal else self._line(now))

    def say(self, text: str) -> None:
        """A line that stays, above the bar where there is one."""
        with self._turn:
            if self.shown:
                told(("\r\x1b[K" if self._drawn else "") + f"mfpde: {text}\n")
                self._last = float("-inf") if self._terminal else self._last

    def close(self) -> None:
        """Remove the bar."""
        with self._turn:
            self.shown = False
            self._closed.set()
            if self._drawn:
                self._drawn = False
                told("\r\x1b[K")

    def _keep_beating(self) -> None:
        while not self._closed.wait(1.0):
            self.beat()

    def _line(self, now: float) -> str:
        done = f"{100 * self._share:.0f} %, " if self._share > 0.0 else ""
        return f"mfpde: {done}{self._text}, {self._pace.text(now)}\n"

    def _bar(self, now: float) -> str:
        self._drawn = True
        columns = _columns()
        text = f"{self._text}, {self._pace.text(now)}"
        width = min(WIDTH, max(columns - 9 - len(text), 0))
        filled = round(width * self._share)
        full, empty = _marks()
        bar = f"{full * filled}{empty * (width - filled)} {100 * self._share:3.0f} %  {text}".lstrip()
        # A line that wraps could not be taken back.
        return f"\r\x1b[K{bar[: columns - 1]}"


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _marks() -> tuple[str, str]:
    """The signs for done and to do, as far as the terminal's encoding has them."""
    try:
        "█·".encode(sys.stderr.encoding)
    except UnicodeEncodeError:
        return "#", "."
    return "█", "·"
