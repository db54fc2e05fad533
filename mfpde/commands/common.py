"""What the commands share: exit codes, checks that collect every mistake, options, and how answers are delivered."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from mfpde.experiment import Experiment

EXIT_DONE, EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 0, 2, 3, 130, 141
EXIT_CODES = {"success": EXIT_DONE, "failed": EXIT_FAILED, "interrupted": EXIT_INTERRUPTED}
LARGEST_RADIUS = 1e6
Value = TypeVar("Value")
Number = TypeVar("Number", int, float)


class Checks:
    """Runs checks of the input one after the other, so that every problem is named at once."""

    def __init__(self) -> None:
        self._problems: list[str] = []

    def run(self, check: Callable[[], Value]) -> Value | None:
        """What `check` returns, None where it finds a problem."""
        from mfpde.errors import ConfigurationError, OutputError, ResultFileError

        try:
            return check()
        except ConfigurationError as error:
            self._problems += error.messages
        except (OutputError, ResultFileError) as error:
            self._problems.append(str(error))
        return None

    def report(self) -> None:
        """Raise ConfigurationError with every problem found."""
        from mfpde.errors import ConfigurationError

        if self._problems:
            raise ConfigurationError(self._problems)


def refuse(*messages: str) -> None:
    """Raise ConfigurationError."""
    from mfpde.errors import ConfigurationError

    raise ConfigurationError(list(messages))


def configuration_of(options: argparse.Namespace, solved: bool = True) -> Experiment:
    """The configuration that the options describe, once a scheme can do it where it is to be `solved`."""
    from mfpde.configuration.sources import load_configuration
    from mfpde.errors import ConfigurationError
    from mfpde.studies.run.refusals import unsupported

    problems: list[str] = []
    try:
        configuration = load_configuration(options.source, overrides_of(options))
    except ConfigurationError as error:
        problems += error.messages
        found = error.configuration
    else:
        found = configuration
    problems += unsupported(found) if found is not None and solved else []
    if problems:
        raise ConfigurationError(problems)
    return configuration


def overrides_of(options: argparse.Namespace) -> list[str]:
    """What --set, --scheme and --until say, as overrides."""
    short = {"solver.scheme": options.scheme, "time.until": getattr(options, "until", None)}
    return [*options.overrides, *(f"{key}={json.dumps(value)}" for key, value in short.items() if value is not None)]


def count(option: str, text: str, most: int = 10**9) -> int:
    """The whole number from 1 to `most` that an option was given."""
    from mfpde.errors import ConfigurationError
    from mfpde.keys.reader import one_line

    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and 1 <= int(text) <= most):
        message = f"{option} {one_line(text)}: is not a whole number above 0"
        raise ConfigurationError([f"{message}, at most {most}; write for example {option} 2"])
    return int(text)


def radius_of(text: str) -> float:
    """The R of --radius: above 0, at most as large as the initial values that a configuration takes."""
    from mfpde.errors import ConfigurationError
    from mfpde.keys.reader import one_line

    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (0.0 < value <= LARGEST_RADIUS):
        problem = f"is not a finite number above 0, at most {LARGEST_RADIUS:g}"
        raise ConfigurationError([f"--radius {one_line(text)}: {problem}; write --radius 10"])
    return value


def use_threads(text: str) -> None:
    """Let the compiled kernels use that many threads."""
    threads = count("--threads", text)
    if "numba" not in sys.modules:
        os.environ["NUMBA_NUM_THREADS"] = str(threads)
        return
    import numba

    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))


def path_of(text: str | None) -> Path | None:
    """The path that an option was given, if it was."""
    return None if text is None else Path(text)


def check_plots(options: argparse.Namespace, checks: Checks) -> Path | None:
    """The folder of --plot, once figures can be written there."""
    from mfpde.results.files.output import probe_folder

    folder = path_of(options.plot)
    if folder is not None:
        checks.run(lambda: probe_folder(folder))
    return folder


def check_workers(options: argparse.Namespace, checks: Checks) -> int | None:
    """The number of --workers, which excludes --scheduler."""
    if options.workers is not None and getattr(options, "scheduler", None) is not None:
        checks.run(lambda: refuse("--workers and --scheduler exclude each other: write one of them"))
    return None if options.workers is None else checks.run(lambda: count("--workers", options.workers, 10_000))


class Answer(Protocol):
    """What a study finds."""

    def to_json(self) -> dict[str, Any]:
        """As one JSON object."""

    def table(self) -> str:
        """In words."""


def show(found: Answer, options: argparse.Namespace) -> None:
    """An answer on the screen: one JSON object, or in words."""
    if options.json:
        print_json(found.to_json())
    elif not options.quiet:
        print(found.table())


def print_json(content: dict[str, Any]) -> None:
    """One strict JSON object in a line."""
    print(json.dumps(content, allow_nan=False))


def draw(save: Callable[[], Iterable[Path]], options: argparse.Namespace) -> None:
    """Write figures and say where they are; raises RunOutputError."""
    from mfpde.errors import OutputError, RunOutputError

    try:
        written: Sequence[Path] = tuple(save())
    except OutputError as error:
        raise RunOutputError(str(error)) from None
    if not options.json and not options.quiet:
        print(f"figures: {', '.join(str(path) for path in written)}")
