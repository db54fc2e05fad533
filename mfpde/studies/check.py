"""check: an experiment read as a whole, and what can be asked of it; nothing is computed but the cost on demand."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from mfpde.configuration.sources import Source, experiment_of
from mfpde.configuration.toml import to_toml
from mfpde.errors import ConfigurationError, raise_mistakes
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.plain.check import Checked, Coordinate, Service
from mfpde.schemes.choice import choice_words, refusal_messages, scheme_of, without_reference
from mfpde.schemes.interface import scheme_named, scheme_names
from mfpde.shell.progress import Progress, silent
from mfpde.studies.bounds.design import make_design
from mfpde.studies.optimum.optimum import refuse_optimum
from mfpde.studies.run.refusals import refuse_unsupported, setting_up
from mfpde.studies.sgd.refusals import refuse as refuse_sgd
from mfpde.studies.stationary.point import refuse_stationary


def check(source: Source, *, cost: bool = False, progress: Progress = silent, **given: Any) -> Checked:
    """Read an experiment, and say which schemes and commands serve it.

    Args:
        source: a preset's name, the path of a TOML file, "-", an experiment, or a problem made in Python.
        cost: whether to set `solve` up and take a few steps, to say what it takes.
        given: overrides=, use=, and keys of [time], [solver] and [sgd], as `experiment_of` takes them.

    Raises:
        ConfigurationError: naming every mistake.
    """
    experiment = experiment_of(source, **given)
    problem = build_problem(experiment)
    geometry = problem.geometry
    return Checked(
        configuration=to_toml(experiment),
        coordinates=tuple(
            Coordinate(name, axis.described, moves)
            for name, axis, moves in zip(geometry.names, geometry.axes, geometry.mobile, strict=True)
        ),
        risk=problem.data.risk_name,
        scheme=scheme_of(experiment).name,
        schemes=tuple(
            Service(name, tuple(refusal_messages(scheme_named(name), problem, experiment))) for name in scheme_names()
        ),
        commands=tuple(Service(name, _refusals(asked, experiment)) for name, asked in COMMANDS.items()),
        use=tuple(map(str, experiment.uses)),
        chosen=choice_words(experiment),
        seconds=_seconds(experiment, progress) if cost else None,
    )


def _seconds(experiment: Experiment, progress: Progress) -> float:
    """What `solve` takes, its set-up as measured."""
    from mfpde.schemes.pair import make_pair
    from mfpde.studies.run.arithmetic import strict_arithmetic
    from mfpde.studies.run.cost import foretold

    refuse_unsupported(experiment)
    begun, problem = monotonic(), build_problem(experiment)
    with strict_arithmetic(), setting_up(experiment):
        pair = make_pair(problem, experiment, lambda text: progress(text, 0.0))
        made = monotonic()
        return made - begun + foretold(pair, problem, experiment)


def _convergence(experiment: Experiment) -> None:
    refuse_unsupported(experiment)
    raise_mistakes(without_reference(build_problem(experiment), experiment), experiment)


def _compare(experiment: Experiment) -> None:
    refuse_sgd(experiment)
    refuse_unsupported(experiment)


def _bounds(experiment: Experiment) -> None:
    make_design(experiment)


def _stationary(experiment: Experiment) -> None:
    refuse_stationary(build_problem(experiment))


def _basins(experiment: Experiment) -> None:
    refuse_unsupported(experiment)
    _stationary(experiment)


COMMANDS: dict[str, Callable[[Experiment], None]] = {
    "solve": refuse_unsupported,
    "convergence": _convergence,
    "sgd": refuse_sgd,
    "compare": _compare,
    "bounds": _bounds,
    "optimum": refuse_optimum,
    "stationary": _stationary,
    "basins": _basins,
    "branches": _stationary,
}
"""What each command that takes a source refuses, before it computes anything."""


def _refusals(asked: Callable[[Experiment], None], experiment: Experiment) -> tuple[str, ...]:
    try:
        asked(experiment)
    except ConfigurationError as error:
        return tuple(error.messages)
    return ()
