"""What takes long before a run begins, told beforehand."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mfpde.shell.progress import duration

LONG = 5.0
"""Seconds from which on it is told."""


class _Foretelling(logging.Handler):
    """Passes on what solvers log with `seconds`, an upper bound of how long it takes them."""

    def __init__(self, warn: Callable[[str], object]) -> None:
        super().__init__(logging.INFO)
        self.warn = warn

    def emit(self, record: logging.LogRecord) -> None:
        seconds = getattr(record, "seconds", 0.0)
        if seconds >= LONG:
            self.warn(f"{record.getMessage()} takes up to {duration(seconds)}, before the run begins")


@contextmanager
def foretold(warn: Callable[[str], object] | None) -> Iterator[None]:
    """Tell `warn` of what takes solvers long inside."""
    log = logging.getLogger("mfpde.solvers")
    level, handler = log.level, _Foretelling(warn or (lambda text: None))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
