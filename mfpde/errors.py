"""What goes wrong for a user: a configuration, a result file, an output."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mfpde.experiment import Experiment
    from mfpde.results.answer import Answer

Item = TypeVar("Item")
Made = TypeVar("Made")


def in_keys(error: Exception) -> str:
    """An error in words; that of a step calls the options of the scheme by their keys."""
    from mfpde.solvers.flow.time_loop import StepFailure

    return error.said("solver.") if isinstance(error, StepFailure) else str(error)


class ConfigurationError(Exception):
    """The configuration cannot be used.

    Attributes:
        messages: every mistake found, one line each: the key, what is wrong, what to write.
        configuration: what was read, defaults in place of the mistakes; None where nothing could be read.
    """

    def __init__(self, messages: list[str], configuration: Experiment | None = None) -> None:
        super().__init__("\n".join(messages))
        self.messages = tuple(messages)
        self.configuration = configuration


def raise_mistakes(messages: list[str], configuration: Experiment | None = None) -> None:
    """Raise ConfigurationError with these messages, if there are any."""
    if messages:
        raise ConfigurationError(messages, configuration)


def all_of(make: Callable[[Item], Made], items: Iterable[Item]) -> tuple[Made, ...]:
    """What is made of each item; raises ConfigurationError with what is wrong with all of them."""
    made: list[Made] = []
    messages: list[str] = []
    for item in items:
        try:
            made.append(make(item))
        except ConfigurationError as error:
            messages += error.messages
    raise_mistakes(messages)
    return tuple(made)


class ResultFileError(Exception):
    """A result file cannot be read: truncated, foreign, or of another version."""


class EarlierFileWarning(UserWarning):
    """A result file was written before there was a checksum over everything in it."""


class OutputError(Exception):
    """An output cannot be written: read-only folder, full disk, existing file."""


class RunOutputError(OutputError):
    """An output could not be written while the run was under way; what was written before it is whole.

    Attributes:
        result: what was computed, with status "failed"; None where it is not known.
    """

    def __init__(self, message: str, result: Answer | None = None) -> None:
        super().__init__(message)
        self.result = result
