"""A progress bar on standard error, shown only on a terminal."""

from __future__ import annotations

import sys
from time import monotonic

WIDTH = 30
SECONDS_BETWEEN = 0.1


class ProgressBar:
    """Called with a line of text and the fraction done; `close` leaves the line clean."""

    def __init__(self, quiet: bool = False) -> None:
        self._shown = not quiet and sys.stderr.isatty()
        self._last = -SECONDS_BETWEEN
        self._drawn = False

    def __call__(self, text: str, fraction: float = 0.0) -> None:
        now = monotonic()
        if not self._shown or now - self._last < SECONDS_BETWEEN:
            return
        self._last, self._drawn = now, True
        share = min(max(fraction, 0.0), 1.0)
        filled = round(WIDTH * share)
        bar = "█" * filled + "·" * (WIDTH - filled)
        print(f"\r\x1b[K{bar} {100 * share:3.0f} %  {text[:60]}", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Remove the bar."""
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
