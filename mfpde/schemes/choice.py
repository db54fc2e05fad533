"""Which schemes can serve a problem, and which of them is taken where an experiment names none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mfpde.schemes.interface import SCHEMES, Refusal, SchemeKind, Unlisted, scheme_named, scheme_names
from mfpde.schemes.solver import Solver

if TYPE_CHECKING:
    from mfpde.experiment import Experiment
    from mfpde.problem.problem import Problem
    from mfpde.schemes.pair import Pair
    from mfpde.solvers.space.box import Box
    from mfpde.solvers.space.trails import Trails


def refusals_of(kind: SchemeKind, problem: Problem, experiment: Experiment) -> list[Refusal]:
    """Why a scheme cannot serve an experiment: its own reasons, and those that hold for all."""
    if problem.data.neurons_only and not kind.samples:
        words = f'"{problem.data.name}" has no reduced coordinates: only finitely many neurons are followed'
        return [Refusal("data.law", words, "", "neurons alone")]
    found = list(kind.refusals(problem, experiment))
    for name in scheme_names():
        words = "" if name == kind.name else scheme_named(name).alone(experiment)
        if words:
            found.append(Refusal("solver", words, f"[solver] without what {name} alone follows", "another flow"))
    if experiment.time.until == "stationary" and not kind.knows_dissipation:
        words = f"the scheme {kind.name} does not know its dissipation"
        found.append(Refusal('time.until = "stationary"', words, 'until = "end"', "dissipation"))
    return found


def refusal_messages(kind: SchemeKind, problem: Problem, experiment: Experiment) -> list[str]:
    """The same in one message each: the key, the reason, what to write instead, another scheme among it."""
    found = refusals_of(kind, problem, experiment)
    if not found:
        return []
    others = [f'"{name}"' for name in serving(problem, experiment) if name != kind.name]
    schemes = f"solver.scheme = {' or '.join(filter(None, (', '.join(others[:-1]), others[-1])))}" if others else ""
    messages = []
    for key, words, remedy, _ in found:
        instead = ", or ".join(filter(None, (remedy, schemes)))
        messages.append(f"{key}: {words}; write {instead}" if instead else f"{key}: {words}")
    return messages


def serving(problem: Problem, experiment: Experiment) -> tuple[str, ...]:
    """The schemes that can serve an experiment, in the order in which they are listed."""
    return tuple(name for name in scheme_names() if not refusals_of(scheme_named(name), problem, experiment))


def chosen_scheme(experiment: Experiment) -> tuple[str, str]:
    """The scheme of an experiment that names none, the one with the least against it, and why it is none before it."""
    from mfpde.problem.problem import build_problem

    names = [name for name in scheme_names() if SCHEMES[name].by_default]
    try:
        problem = build_problem(experiment)
        against = {name: _against(scheme_named(name), problem, experiment) for name in names}
    except (ArithmeticError, ValueError):
        # numbers beyond floating point, or an initial law that is none, of which others will tell
        return names[0], ""
    chosen = min(names, key=lambda name: tuple(map(len, against[name])))
    passed = names[: names.index(chosen)]
    return chosen, "; ".join(dict.fromkeys(words for name in passed for part in against[name] for words in part))


def _against(kind: SchemeKind, problem: Problem, experiment: Experiment) -> tuple[list[str], list[str]]:
    """What a scheme refuses of an experiment, and why another would do better, in words."""
    refused = [refusal.problem for refusal in refusals_of(kind, problem, experiment)]
    return refused, kind.reservations(problem)


def scheme_of(experiment: Experiment) -> SchemeKind:
    """The scheme of an experiment."""
    return scheme_named(experiment.solver.scheme or chosen_scheme(experiment)[0])


def on_scheme(experiment: Experiment, kind: SchemeKind) -> Experiment:
    """The experiment on a scheme, its other options as they are."""
    name = kind.name if kind.name in SCHEMES else Unlisted(kind.name)
    return replace(experiment, solver=replace(experiment.solver, scheme=name))


def sampling_scheme() -> str:
    """The first scheme that follows finitely many neurons."""
    return next(name for name in scheme_names() if SCHEMES[name].samples)


def oracles() -> list[SchemeKind]:
    """The schemes that others are held against, the most trusted first."""
    kinds = [scheme_named(name) for name in scheme_names()]
    return sorted((kind for kind in kinds if kind.oracle > 0), key=lambda kind: -kind.oracle)


def without_reference(problem: Problem, experiment: Experiment) -> list[str]:
    """Why no scheme that others are held against can serve an experiment; empty where one can."""
    refused = [refusals_of(kind, problem, experiment) for kind in oracles()]
    each = dict.fromkeys(refusal for refusals in refused for refusal in refusals)
    found = [
        f"no reference for a convergence study: {key}: {problem}; "
        + (f"write {remedy}" if remedy else "leave the study out")
        for key, problem, remedy, _ in each
    ]
    return found if all(refused) else []


def choice_words(experiment: Experiment) -> tuple[str, ...]:
    """That the scheme was chosen and why, in words; none where the experiment names it."""
    scheme, why = experiment.solver.scheme, experiment.solver.choice
    return () if why is None else (f"scheme {scheme}, chosen from the problem{why and ': ' + why}",)


def most_trusted(problem: Problem, experiment: Experiment, guide: Trails, box: Box) -> Pair:
    """The most trusted scheme at the experiment's tolerance, to hold a run of another one against."""
    asked = on_oracle(experiment, experiment.solver.tolerance)
    return scheme_of(asked).pair(problem, asked, guide, box)


def on_oracle(experiment: Experiment, tolerance: float) -> Experiment:
    """The experiment on the most trusted scheme at this tolerance, all else about the scheme by default."""
    return replace(experiment, solver=Solver(scheme=oracles()[0].name, tolerance=tolerance))
