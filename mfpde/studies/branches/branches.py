"""branches: stationary atomic laws followed in a parameter, with their folds, exchanges of stability and optimality.

At the given values of the key every stationary law on few atoms is searched for (`mfpde stationary`); each is followed
both ways by pseudo-arclength, its masses held under the Wasserstein flow, until it leaves the range of the key or the
box, meets r_j = 0 or another atom. Along a branch the eigenvalues of the splitting and drift blocks are test functions:
where one changes sign between two points, that place is located. A branch of one-atom laws is *optimal* where no point
of the box has less G than the atom: R is convex in the law, so that the atom then is the optimum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from mfpde.configuration.families import Family
from mfpde.configuration.sources import Source
from mfpde.errors import ConfigurationError, raise_mistakes
from mfpde.problem.problem import build_problem
from mfpde.results.answers.branches import Branches, BranchLaw, OptimalRange, StationaryBranch
from mfpde.shell.progress import Progress, silent
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.stationary.continuation import CurvePoint, Trace, correct, locate, tangent_at, trace
from mfpde.solvers.stationary.minimum import lowest
from mfpde.studies.branches.equations import Landscapes, LawEquations
from mfpde.studies.branches.events import events
from mfpde.studies.branches.file import Found, Question, earlier_search, write
from mfpde.studies.branches.optimum import optimal_ranges
from mfpde.studies.branches.samples import FollowedBranch, Sample, sample
from mfpde.studies.run.campaign import Campaign
from mfpde.studies.run.output import output_file
from mfpde.studies.stationary.point import refuse_stationary
from mfpde.studies.stationary.stationary import RADIUS, stationary
from mfpde.studies.stationary.words import judge

MOST_ATOMS = 2
SAME = 1e-6
"""Distance over the box at which a law found by a search is one that a branch passes through."""


def branches(
    source: Source,
    vary: Mapping[str, Sequence[float]],
    *,
    overrides: Sequence[str] = (),
    use: Sequence[str | Path] = (),
    radius: float | None = None,
    most_atoms: int = MOST_ATOMS,
    output: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Progress = silent,
) -> Branches:
    """The branches of stationary laws of a source over the range of one key.

    Args:
        source: a preset's name, the path of a TOML file, or an experiment.
        vary: increasing values of one dotted key, {"data.delta": (0.1, 0.5, 0.9)}: laws are searched for there, and
            followed from the first to the last.
        overrides: as `--set` takes them.
        use: Python files that register what the source names.
        radius: R of the box 0 <= r_j <= R, -R <= a, b <= R; None for 10.
        most_atoms: laws of more atoms are not followed.
        output: JSON file, also the checkpoint; an existing one is kept unless `force` or `resume`.
        resume: go on from `output`, which must come from the same question.
        progress: called with a line of text and the fraction of the work done.

    Raises:
        ConfigurationError: a key that changes no stationary law, or what `stationary` refuses.
        ArithmeticError: a curve that cannot be followed.
        OutputError: `output` cannot be written.
    """
    family = Family.of(source, vary, overrides, use)
    refuse(family)
    with output_file(output, resume=resume, force=force, kind="OUT.json") as path:
        landscapes = Landscapes(family, RADIUS if radius is None else radius)
        question = Question.of(family, landscapes.radius, most_atoms)
        search = _Search(landscapes, question, path, progress)
        if resume and path is not None:
            earlier, found = earlier_search(path, question, landscapes)
            if earlier.status == "success":
                return earlier
            search.restore(earlier, found)
        return search.complete()


def refuse(family: Family) -> None:
    """Raise ConfigurationError with everything that cannot be followed: keys, values, problems."""
    problems = []
    for variation in family.variations:
        table, _, key = variation.key.partition(".")
        idle = table in ("time", "solver", "sgd") or variation.key.startswith("dynamics.schedule")
        if idle or (table == "initial" and key.partition(".")[0] not in ("a", "b")):
            problem = f"--vary {variation.key}: does not change the stationary laws"
            problems.append(f"{problem}; write a key of [data], [network] or [dynamics], or use `mfpde basins`")
    if len(family.variations) != 1:
        problems.append("--vary: branches are followed in one key; write it once")
    else:
        # a value inside the range tells a key of whole numbers, which cannot be followed
        low, high = family.variations[0].values[0], family.variations[0].values[-1]
        for values in ((low, high), (low + (high - low) / math.e,)):
            if not problems:
                problems += dict.fromkeys(text for value in values for text in _mistakes(family, value))
    raise_mistakes(problems)


def _mistakes(family: Family, value: float) -> list[str]:
    """What is wrong with a value of the varied key."""
    try:
        refuse_stationary(build_problem(family.at(value)))
    except ConfigurationError as error:
        return list(error.messages)
    return []


class _Search(Campaign[Branches]):
    """The branches found so far."""

    PIECES = "values"

    def __init__(self, landscapes: Landscapes, question: Question, path: Path | None, progress: Progress) -> None:
        super().__init__(path, progress)
        self.landscapes, self.question, self.most_atoms = landscapes, question, question.most_atoms
        self.followed: list[FollowedBranch] = []
        self.branches: list[StationaryBranch] = []
        self.optimal: tuple[OptimalRange, ...] = ()
        self.words: list[str] = []
        self._searched = self._said = 0

    def restore(self, earlier: Branches, found: Found) -> None:
        """Go on from what an earlier search found."""
        self.followed, self.branches = list(found.followed), list(earlier.branches[: len(found.followed)])
        self.words, self._searched, self._said = list(found.words), found.searched, len(found.words)

    def work(self) -> None:
        """Search at every value of the key, follow what is found, and say where one atom is optimal."""
        values = self.landscapes.variation.values
        for index, value in enumerate(values[self._searched :], self._searched):
            self.progress(f"laws at {value:g}", index / len(values))
            self.add_laws_at(value)
            self._searched, self._said = self._searched + 1, len(self.words)
            self.checkpoint(piece=True)
        self.progress("where one atom is optimal", 1.0)
        self.optimal = optimal_ranges(self.followed)

    def done(self) -> tuple[int, int]:
        """Values of the key."""
        return self._searched, len(self.landscapes.variation.values)

    def interruption(self) -> str:
        """What is then not known."""
        return f"{super().interruption()}; there may be more branches, and where one atom is optimal is not known"

    def write(self, path: Path, answer: Branches) -> None:
        """Write it with the curves; what was said at a value that is not done is said again."""
        write(path, answer, self.question, Found(self._searched, tuple(self.words[: self._said]), tuple(self.followed)))

    def answer(self, status: str, message: str) -> Branches:
        """The branches so far."""
        return Branches(
            key=self.landscapes.variation.key,
            low=self.landscapes.low,
            high=self.landscapes.high,
            names=self.landscapes.names,
            radius=self.landscapes.radius,
            branches=tuple(self.branches),
            optimal=self.optimal,
            words=(*self.words, *([message] if message else [])),
            status=status,
        )

    def add_laws_at(self, value: float) -> None:
        """Search for the laws at one value of the key, and follow those that no branch passes through."""
        landscapes, share = self.landscapes, self.landscapes.share(value)
        known = stationary(landscapes.family.at(value), landscapes.radius, branches=self.most_atoms > 1)
        self.words += [f"at {value:g}: {text}" for text in known.completeness if ", all found" not in text]
        for point in known.points:
            law = Atoms(point.positions, point.masses)
            if len(law.weights) <= self.most_atoms and not any(_passes(b, law, share) for b in self.followed):
                self._follow(law, share)

    def _follow(self, law: Atoms, share: float) -> None:
        """Follow a law both ways, and keep the branch from its one end to the other."""
        equations = LawEquations(self.landscapes, law, share)
        guess = equations.state(law, share)
        up = np.eye(guess.size)[-1]
        exact = correct(equations, guess, up)
        tangent = None if exact is None else tangent_at(equations, exact[0], up)
        if exact is None or tangent is None:
            value = self.landscapes.value(share)
            self.words.append(f"a law on {len(law.weights)} atoms at {value:g} is not isolated and was not followed")
            return
        start = CurvePoint(exact[0], tangent)
        forward = trace(equations, start)
        closed = forward.ending == "closed"
        backward = Trace((start,), "closed") if closed else trace(equations, replace(start, tangent=-tangent))
        turned = [CurvePoint(point.state, -point.tangent) for point in backward.points[:0:-1]]
        samples = tuple(sample(equations, point) for point in (*turned, *forward.points))
        branch = FollowedBranch(equations, samples)
        self.branches.append(
            StationaryBranch(
                label=len(self.followed),
                laws=tuple(_law(branch, each) for each in samples),
                begins=_ending(branch, backward),
                ends=_ending(branch, forward),
                events=events(branch),
            )
        )
        self.followed.append(branch)
        self.checkpoint()


def _passes(branch: FollowedBranch, law: Atoms, share: float) -> bool:
    """Whether a branch passes through a law at a scaled parameter."""
    equations, landscapes = branch.equations, branch.landscapes
    if not np.array_equal(equations.free, LawEquations(landscapes, law, share).free):
        return False
    for first, second in pairwise(branch.samples):
        ends = sorted((first.point.parameter, second.point.parameter))
        if ends[0] <= share <= ends[1]:
            try:
                passed = _at_parameter(branch, first, second, share)
            except ArithmeticError:
                continue
            near = np.max(np.abs(passed.points - law.points)) < SAME * landscapes.radius
            if near and np.max(np.abs(passed.weights - law.weights)) < SAME:
                return True
    return False


def _at_parameter(branch: FollowedBranch, first: Sample, second: Sample, share: float) -> Atoms:
    """The law between two samples at a scaled parameter."""
    for each in (first, second):
        if each.point.parameter == share:
            return each.law
    state = locate(branch.equations, first.point, second.point, lambda state: float(state[-1]) - share)
    return branch.equations.law(state)


def _ending(branch: FollowedBranch, part: Trace) -> str:
    """What is at the last point of one direction."""
    landscapes = branch.landscapes
    value = landscapes.value(part.points[-1].parameter)
    if part.ending == "bound":
        return f"{branch.equations.bound_text(part.bound)} at {landscapes.variation.key} = {value:.8g}"
    words = {"parameter": "end of the range", "closed": "closes", "lost": "could not be followed further"}
    return f"{words[part.ending]} at {value:.8g}"


def _law(branch: FollowedBranch, each: Sample) -> BranchLaw:
    """What is told of a sample."""
    landscape, feature_error = branch.site(each.point.state)
    landscapes, law = branch.landscapes, each.law
    outputs = landscape.outputs(law)
    least, place = lowest(landscape, outputs, landscapes.lower, landscapes.upper)
    values = landscape.potential(law.points, outputs)[0]
    births = landscape.flow.fisher_rao_rate > 0.0
    better = (float(values.max()) - least, place) if births else None
    return BranchLaw(
        parameter=branch.value(each.point.state),
        positions=law.points,
        masses=law.weights,
        risk=landscape.risk(outputs),
        free_energy=landscape.free_energy(law),
        gap_bound=2.0 * max(float(law.weights @ values) - least, 0.0),
        stable=judge(landscape, law, each.modes, better, landscapes.names, feature_error).stable,
        splitting=tuple(mode.eigenvalue for mode in each.modes.splitting),
        drift=tuple(mode.eigenvalue for mode in each.modes.drift),
    )
