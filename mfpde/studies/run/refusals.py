"""What an experiment can say but its scheme cannot do: refused in words before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mfpde.errors import ConfigurationError, raise_mistakes
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.schemes.choice import refusal_messages, scheme_of
from mfpde.schemes.interface import SchemeKind
from mfpde.studies.run.arithmetic import ARITHMETIC, strict_arithmetic


@contextmanager
def setting_up(experiment: Experiment) -> Iterator[None]:
    """While it lasts, a number that leaves the range of floating point is an error, told as the experiment's.

    Raises:
        ConfigurationError: there was such a number.
    """
    try:
        with strict_arithmetic():
            yield
    except ARITHMETIC as error:
        message = f"the problem cannot be set up in floating point ({error})"
        remedy = "write scales, activation, initial law and dynamics of moderate size"
        raise ConfigurationError([f"{message}; {remedy}"], experiment) from error


def unsupported(experiment: Experiment, scheme: SchemeKind | None = None) -> list[str]:
    """One message for every part of the experiment that its scheme (or `scheme`) cannot do."""
    with setting_up(experiment):
        kind = scheme_of(experiment) if scheme is None else scheme
        return refusal_messages(kind, build_problem(experiment), experiment)


def refuse_unsupported(experiment: Experiment, scheme: SchemeKind | None = None) -> None:
    """Raise ConfigurationError with every part of the experiment that its scheme (or `scheme`) cannot do."""
    messages = unsupported(experiment, scheme)
    raise_mistakes(messages, experiment)
