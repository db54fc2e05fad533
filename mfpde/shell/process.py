"""The process around a command: its standard streams, its signals, and where compiled code is cached."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TextIO

from mfpde.errors import EarlierFileWarning


def complain(*messages: str) -> None:
    """Print one line per message on standard error, if there is one that takes it."""
    told("".join(f"mfpde: {message}\n" for message in messages))


def told(text: str) -> None:
    """Write on standard error; one that is full, closed or gone is written to no more."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        _abandon(sys.stderr)


@contextmanager
def earlier_files_told() -> Iterator[None]:
    """Say in a line what is warned of a file of an earlier version."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def tell(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, EarlierFileWarning):
                complain(str(message))
            else:
                show(message, category, *place, **more)

        warnings.showwarning = tell
        yield


def accept_any_text() -> None:
    """Let standard output escape what its encoding lacks instead of failing on it."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def abandon_output() -> None:
    """Send the rest of standard output nowhere, so that the interpreter does not fail on it at exit."""
    if sys.stdout is not None:
        _abandon(sys.stdout)


def _abandon(stream: TextIO) -> None:
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


@contextmanager
def termination_interrupts() -> Iterator[None]:
    """Make SIGTERM and SIGHUP act as Ctrl-C does, so that what was computed is kept."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A signal that the parent chose to ignore (nohup) stays ignored.
    chosen = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in chosen:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in chosen:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def interruptions() -> Iterator[None]:
    """Tell an interruption that came while compiled code handed back its arrays, which makes a SystemError of it."""
    try:
        yield
    except SystemError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back interruptions for the short time of a last write."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
