"""Checks of what a command was given, run one after the other so that every mistake is named at once."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mfpde.errors import ConfigurationError, OutputError, ResultFileError, all_of, raise_mistakes

if TYPE_CHECKING:
    from mfpde.configuration.families import Family
    from mfpde.experiment import Experiment
    from mfpde.results.answer import Answer

LARGEST_RADIUS = 1e6
Value = TypeVar("Value")
Number = TypeVar("Number", int, float)


class Checks:
    """The options of a command, and the mistakes found in them so far.

    Attributes:
        options: what the command was given.
        output: the path of -o.
        plots: the folder of --plot.
        given: what the options checked so far say to a study, by the names of its arguments.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.output = None if options.output is None else Path(options.output)
        self.plots = None if options.plot is None else Path(options.plot)
        self.given: dict[str, Any] = {}
        self._problems: list[str] = []
        if options.threads is not None:
            self.run(lambda: use_threads(options.threads))

    def run(self, check: Callable[[], Value]) -> Value | None:
        """What `check` returns, None where it finds a problem."""
        try:
            return check()
        except ConfigurationError as error:
            self._problems += error.messages
        except (OutputError, ResultFileError) as error:
            self._problems.append(str(error))
        return None

    def report(self) -> None:
        """Raise ConfigurationError with every problem found."""
        if self._problems:
            raise ConfigurationError(self._problems)

    def passed(self, value: Value | None) -> Value:
        """A value that a check returned, once all have passed; see `report`."""
        self.report()
        assert value is not None
        return value

    def experiment(self, solved: bool = True) -> Experiment | None:
        """What SOURCE and its overrides describe, once a scheme can do it where it is to be `solved`."""
        return self.run(lambda: experiment_of(self.options, solved))

    def family(self, count: int, most: int) -> Family | None:
        """What SOURCE, its overrides and --vary describe: `count` values where --vary gives none, at most `most`."""
        from mfpde.configuration.families import Family, read_variations

        source, use = self.options.source, self.options.use
        overrides = overrides_of(self.options)
        variations = self.run(lambda: read_variations(source, overrides, self.options.vary, count, most, use))
        return None if variations is None else self.run(lambda: Family.over(source, variations, overrides, use))

    def writable(self, kind: str = "RUN.nc", resumable: bool = True) -> None:
        """That the file of -o, called `kind` in the help, can be written, and continued where that is asked for."""
        from mfpde.studies.run.output import check_output

        resume, force = self.options.resume, self.options.force
        self.run(lambda: check_output(self.output, resume=resume, force=force, kind=kind, resumable=resumable))
        self.saves(resumable)

    def saves(self, resumable: bool = True) -> None:
        """Give -o, --force and --resume to the study."""
        self.given |= {"output": self.output, "force": self.options.force}
        self.given |= {"resume": self.options.resume} if resumable else {}

    def drawable(self, answer: type[Answer]) -> None:
        """That the figures of such an answer can be written to the folder of --plot."""
        from mfpde.shell.environment import refuse_drawing
        from mfpde.shell.files import probe_folder

        folder = self.plots
        if folder is not None:
            self.run(refuse_drawing)
            self.run(lambda: probe_folder(folder, answer.figure_files(), self.options.force or self.options.resume))

    def radius(self) -> float | None:
        """The R of --radius."""
        text = self.options.radius
        return None if text is None else self.run(lambda: radius_of(text))

    def workers(self) -> None:
        """Give the number of --workers to the study, or --scheduler, which excludes it."""
        text = self.options.workers
        if text is not None and self.options.scheduler is not None:
            self.run(lambda: refuse("--workers and --scheduler exclude each other: write one of them"))
        self.given |= {"workers": self.count("--workers", text, 10_000), "scheduler": self.options.scheduler}

    @property
    def local_workers(self) -> int | None:
        """Processes of this machine that --workers and --scheduler leave to the study."""
        return 1 if self.options.scheduler is not None else self.given.get("workers")

    def count(self, option: str, text: str | None, most: int = 10**9) -> int | None:
        """The whole number from 1 to `most` that an option was given."""
        return None if text is None else self.run(lambda: count(option, text, most))


def refuse(*messages: str) -> None:
    """Raise ConfigurationError."""
    raise ConfigurationError(list(messages))


def experiment_of(options: argparse.Namespace, solved: bool) -> Experiment:
    """The experiment that the options describe; see `Checks.experiment`."""
    from mfpde.configuration.sources import load_configuration
    from mfpde.studies.run.refusals import unsupported

    try:
        experiment = load_configuration(options.source, overrides_of(options), use=options.use)
    except ConfigurationError as error:
        problems = list(error.messages)
        # defaults stand in for the mistakes, which need not make a problem
        with suppress(Exception):
            told = {message.partition(":")[0].partition(" ")[0] for message in problems}
            more = unsupported(error.configuration) if error.configuration is not None and solved else []
            problems += [message for message in more if message.partition(":")[0] not in told]
        raise ConfigurationError(problems) from None
    problems = unsupported(experiment) if solved else []
    raise_mistakes(problems)
    if solved:
        from mfpde.schemes.choice import scheme_of

        options.less = scheme_of(experiment).less
    return experiment


def overrides_of(options: argparse.Namespace) -> list[str]:
    """What --set, --scheme and --until say, as overrides."""
    short = {"solver.scheme": options.scheme, "time.until": options.until}
    return [*options.overrides, *(f"{key}={json.dumps(value)}" for key, value in short.items() if value is not None)]


def count(option: str, text: str, most: int = 10**9) -> int:
    """The whole number from 1 to `most` that an option was given; raises ConfigurationError."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and 1 <= int(text) <= most):
        refuse(f"{named(option, text)}: is not a whole number above 0, at most {most}; write for example {option} 2")
    return int(text)


def number(option: str, text: str, good: Callable[[float], bool], remedy: str) -> float:
    """The number that an option was given, where it is `good`; raises ConfigurationError that ends in `remedy`."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not good(value):
        refuse(f"{named(option, text)}: {remedy}")
    return value


def strength(option: str, text: str) -> float:
    """The lambda that an option was given, a finite number from 0 on; raises ConfigurationError."""
    remedy = f"is not a number from 0 on; write {option} 0.001,0.01"
    return number(option, text, lambda value: 0.0 <= value < math.inf, remedy)


def radius_of(text: str) -> float:
    """The R of --radius: above 0, at most as large as the initial values that a configuration takes."""
    problem = f"is not a finite number above 0, at most {LARGEST_RADIUS:g}"
    return number("--radius", text, lambda value: 0.0 < value <= LARGEST_RADIUS, f"{problem}; write --radius 10")


def listed(option: str, text: str | None, read: Callable[[str, str], Number]) -> tuple[Number, ...] | None:
    """The numbers of a comma list, None where the option was not given; names every one that is none."""
    if text is None:
        return None
    return all_of(lambda part: read(option, part.strip()), text.split(","))


def named(option: str, text: str) -> str:
    """An option with what it was given, in a line."""
    from mfpde.keys.reader import one_line

    return f"{option} {one_line(text)}"


def use_threads(text: str) -> None:
    """Let the compiled kernels use that many threads."""
    threads = count("--threads", text)
    if "numba" not in sys.modules:
        os.environ["NUMBA_NUM_THREADS"] = str(threads)
        return
    import numba

    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
