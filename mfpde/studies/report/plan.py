"""The parts of a report: which commands, in which order, with which settings, and which of them do not apply."""

from __future__ import annotations

from dataclasses import dataclass

from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.plain.check import Service
from mfpde.schemes.choice import oracles, sampling_scheme, scheme_of
from mfpde.schemes.interface import scheme_named
from mfpde.studies.check import check

PROBLEM = "problem.toml"
LOOSEST = 1e-4
"""The tolerance of a quick report, unless the problem's own is larger."""
STEPS = 20_000
"""Steps of SGD in a quick report at most."""
FEW, MANY = 4, 10
"""Replicas of a quick report and of a full one."""


@dataclass(frozen=True)
class Step:
    """A command of a report.

    Attributes:
        name: of the part.
        title: what it finds.
        arguments: of `mfpde`, but for what tells it to be silent.
        file: that it writes.
        needs: the part whose file it reads.
        refusal: why it does not apply; empty where it does.
    """

    name: str
    title: str
    arguments: tuple[str, ...]
    file: str
    needs: str = ""
    refusal: str = ""

    @property
    def command(self) -> str:
        """As one would type it."""
        return " ".join(("mfpde", *self.arguments, "-o", self.file))


def plan(experiment: Experiment, full: bool) -> tuple[Step, ...]:
    """The steps, the most telling first."""
    checked = check(experiment)
    serving = [service.name for service in checked.schemes if not service.refusals]
    first, alone = str(experiment.solver.scheme), scheme_of(experiment).alone(experiment)
    second = "" if alone else _second(first, serving, experiment)
    tolerance = () if full else ("--set", f"solver.tolerance={max(experiment.solver.tolerance, LOOSEST):g}")
    commands = {service.name: _words(service) for service in checked.commands}
    steps = [
        Step("first", f"the trajectory by {first}", _solve(first, tolerance), "first.nc", refusal=commands["solve"]),
        Step(
            *("second", f"the trajectory by {second or 'a second scheme'}", _solve(second, tolerance), "second.nc"),
            refusal=commands["solve"] or alone or ("" if second else "no second scheme serves the problem"),
        ),
        Step(
            "sgd",
            "SGD beside the equation",
            _compare(experiment, full, tolerance),
            "sgd.nc",
            refusal=commands["compare"],
        ),
        Step(
            "ending",
            "where the run ends",
            ("stationary", "--from", "first.nc"),
            "ending.json",
            "first",
            commands["stationary"],
        ),
        Step("optimum", "the certified optimum", ("optimum", PROBLEM), "optimum.json", refusal=commands["optimum"]),
        Step(
            "stationary", "stationary laws", ("stationary", PROBLEM), "stationary.json", refusal=commands["stationary"]
        ),
    ]
    return tuple(steps)


def _solve(scheme: str, tolerance: tuple[str, ...]) -> tuple[str, ...]:
    return ("solve", PROBLEM, "--scheme", scheme, *tolerance)


def _second(first: str, serving: list[str], experiment: Experiment) -> str:
    """The most trusted scheme besides the first, what has something against it or samples last; empty where none is."""
    trusted = [kind.name for kind in oracles()]
    order = [*trusted, *(name for name in serving if name not in trusted)]
    left = [name for name in order if name in serving and name != first]
    if len(left) < 2:
        return "".join(left)
    problem = build_problem(experiment)

    def last(name: str) -> tuple[bool, bool]:
        return name == sampling_scheme(), bool(scheme_named(name).reservations(problem))

    return min(left, key=last)


def _compare(experiment: Experiment, full: bool, tolerance: tuple[str, ...]) -> tuple[str, ...]:
    """SGD of the problem's own settings; in a quick report few replicas and steps."""
    settings = {"sgd.replicas": max(experiment.sgd.replicas, MANY if full else FEW)}
    words = [f"--set=sgd.replicas={settings['sgd.replicas']}"]
    if not full and experiment.time.end / experiment.sgd.step_size > STEPS:
        words.append(f"--set=sgd.step_size={experiment.time.end / STEPS:.6g}")
    return ("compare", PROBLEM, "--no-coupled", *words, *tolerance)


def _words(service: Service) -> str:
    return "; ".join(service.refusals)
