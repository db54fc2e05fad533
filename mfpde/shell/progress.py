"""A progress bar on standard error, shown only on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from time import monotonic

from mfpde.shell.process import told

Progress = Callable[[str, float], None]
"""Called with a line of text and the fraction done."""
WIDTH = 30
SECONDS_BETWEEN = 0.1


def silent(text: str, fraction: float = 0.0) -> None:
    """Progress that nobody watches."""


class ProgressBar:
    """Called with a line of text and the fraction done; `close` leaves the line clean."""

    def __init__(self, quiet: bool = False) -> None:
        self._shown = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._last = -SECONDS_BETWEEN
        self._drawn = False

    def __call__(self, text: str, fraction: float = 0.0) -> None:
        now = monotonic()
        if not self._shown or now - self._last < SECONDS_BETWEEN:
            return
        self._last, self._drawn = now, True
        share = min(max(fraction, 0.0), 1.0)
        columns = _columns()
        width = min(WIDTH, max(columns - 20, 0))
        filled = round(width * share)
        full, empty = _marks()
        line = f"{full * filled}{empty * (width - filled)} {100 * share:3.0f} %  {text}".lstrip()
        # A line that wraps could not be taken back.
        told(f"\r\x1b[K{line[: columns - 1]}")

    def close(self) -> None:
        """Remove the bar."""
        if self._drawn:
            told("\r\x1b[K")


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80


def _marks() -> tuple[str, str]:
    """The signs for done and to do, as far as the terminal's encoding has them."""
    try:
        "█·".encode(sys.stderr.encoding)
    except UnicodeEncodeError:
        return "#", "."
    return "█", "·"
