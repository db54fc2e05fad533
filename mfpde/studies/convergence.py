"""convergence: refine schemes, and hold every level against one oracle.

The oracle is a fine run of the most trusted scheme that can serve the problem: characteristics where there is no
noise, otherwise the finest grid of finite volumes refined once more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mfpde.configuration.sources import Source, experiment_of
from mfpde.errors import ConfigurationError, raise_mistakes
from mfpde.experiment import Experiment
from mfpde.problem.problem import Problem, build_problem
from mfpde.results.answers.plain.convergence import ConvergenceResult, Level
from mfpde.results.answers.solve import SolveResult
from mfpde.schemes.choice import oracles, refusal_messages, refusals_of, scheme_of, without_reference
from mfpde.schemes.interface import Refined, SchemeKind, scheme_named, scheme_names
from mfpde.schemes.solver import Solver
from mfpde.shell.progress import Progress, silent
from mfpde.studies.run.refusals import setting_up
from mfpde.studies.solve import solve

SHARED_TIMES = 5
"""Save times, equally spaced in flow time, where steps are refined: no save time cuts a step."""


def chosen_schemes(text: str) -> tuple[str, ...]:
    """The schemes of a comma list, or of "all"; raises ConfigurationError."""
    from mfpde.keys.reader import nearest, one_line

    names = scheme_names()
    if text.strip() == "all":
        return names
    chosen = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    problems = [
        f"--schemes {one_line(name)}: no such scheme; did you mean {nearest(name, names)}? write all, or some of "
        f"{', '.join(names)}"
        for name in chosen
        if name not in names
    ]
    raise_mistakes(problems)
    return chosen


def convergence(
    source: Source,
    levels: int = 4,
    progress: Progress = silent,
    schemes: Sequence[str] | None = None,
    **given: Any,
) -> ConvergenceResult:
    """Refine the scheme of a source, or each of `schemes`, `levels` times against one reference.

    What is refined is the scheme's to say (`SchemeKind.refined`).

    Args:
        source: a preset's name, the path of a TOML file, an experiment, or a problem made in Python.
        given: overrides=, use=, and keys of [time], [solver] and [sgd], as `experiment_of` takes them.

    Raises:
        ConfigurationError: no scheme of them can do the problem.
    """
    configuration = experiment_of(source, **given)
    kinds = [scheme_named(name) for name in schemes] if schemes else [scheme_of(configuration)]
    configuration = _with_times(configuration, few=schemes is not None or kinds[0].refines_steps)
    with setting_up(configuration):
        problem = build_problem(configuration)
    refused = _refused(problem, configuration, kinds)
    words, solver = _reference(problem, configuration, kinds, levels)
    reference = solve(replace(configuration, solver=solver), progress=progress)
    done: list[Level] = []
    status, messages = reference.status, [str(reference.attributes.get("message", ""))]
    for kind in kinds if status == "success" else ():
        if kind.name in refused or status == "interrupted":
            continue
        own = _on_scheme(configuration, kind)
        ladder = [kind.refined(problem, own, level) for level in range(levels)]
        try:
            ended, message = _refine(own, ladder, reference, done, progress)
        except ConfigurationError as error:
            if schemes is None:
                raise
            refused[kind.name] = "; ".join(error.messages)
            continue
        if ended != "success":
            status = ended
            messages.append(message if schemes is None else f"{kind.name}: {message}")
    return ConvergenceResult(
        tuple(done),
        words,
        reference.scheme,
        float(reference.risk[-1]) if len(reference.risk) else math.nan,
        float(reference.risk_error.max(initial=0.0)),
        reference.wall_seconds,
        status,
        "\n".join(filter(None, messages)) if status != "success" else "",
        refused,
    )


def _refine(
    configuration: Experiment,
    ladder: Sequence[Refined],
    reference: SolveResult,
    done: list[Level],
    progress: Progress,
) -> tuple[str, str]:
    """Append the levels of one scheme; the status and message of the run that ends them."""
    coarser: Level | None = None
    for refined, resolution, solver in ladder:
        result = solve(replace(configuration, solver=solver), progress=progress)
        if result.status != "success":
            return result.status, str(result.attributes.get("message", ""))
        coarser = _level(result, reference, refined, resolution, coarser)
        done.append(coarser)
    return "success", ""


def _refused(problem: Problem, configuration: Experiment, kinds: Sequence[SchemeKind]) -> dict[str, str]:
    """The schemes that cannot do the problem, each with the reason; raises ConfigurationError where none can."""
    each = {kind.name: refusal_messages(kind, problem, _on_scheme(configuration, kind)) for kind in kinds}
    refused = {name: "; ".join(messages) for name, messages in each.items() if messages}
    if len(refused) == len(kinds):
        raise ConfigurationError(list(dict.fromkeys(refused.values())))
    return refused


def _with_times(configuration: Experiment, few: bool) -> Experiment:
    """The configuration to its end at save times all levels share; `few` where fixed steps are refined."""
    time, schedule = (
        replace(configuration.time, until="end", stationary_tolerance=None),
        configuration.dynamics.schedule,
    )
    end = schedule.flow_time(time.end)
    if few and end > 0.0:
        inner = (schedule.time(end * index / (SHARED_TIMES - 1)) for index in range(1, SHARED_TIMES - 1))
        time = replace(time, save=(0.0, *inner, time.end))
    return replace(configuration, time=time)


def _on_scheme(configuration: Experiment, kind: SchemeKind) -> Experiment:
    """The configuration on a scheme, with those options of another that both share."""
    if kind.name == configuration.solver.scheme:
        return configuration
    shared = configuration.solver.having(**dict.fromkeys(kind.unshared))
    return replace(configuration, solver=replace(shared, scheme=kind.name))


def _reference(
    problem: Problem, configuration: Experiment, kinds: Sequence[SchemeKind], levels: int
) -> tuple[str, Solver]:
    """What the reference is, in words, and its solver."""
    reasons: list[str] = []
    for kind in oracles():
        refusals = refusals_of(kind, problem, configuration)
        if not refusals:
            among = kind.name in [each.name for each in kinds]
            words, detail, solver = kind.reference(problem, _on_scheme(configuration, kind), levels, among)
            details = "; ".join(filter(None, (*reasons, detail)))
            return f"{words} ({details})" if details else words, solver
        reasons += [f"{refusal.subject}: no {kind.name}" for refusal in refusals]
    raise ConfigurationError(without_reference(problem, configuration))


def _level(
    result: SolveResult, reference: SolveResult, refined: str, resolution: float, coarser: Level | None
) -> Level:
    error = float(np.max(np.abs(result.risk - reference.risk)))
    order = math.nan
    if coarser is not None and error > 0.0 and coarser.error > 0.0:
        order = math.log(coarser.error / error) / abs(math.log(resolution / coarser.resolution))
    estimate = float(result.risk_error.max())
    return Level(result.scheme, refined, resolution, error, estimate, order, result.wall_seconds)
