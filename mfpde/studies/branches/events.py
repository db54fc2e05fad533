"""Where the flow around a branch of stationary laws changes: sign changes of its eigenvalues, located."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mfpde.results.answers.branches import BranchEvent
from mfpde.results.words import place_text
from mfpde.solvers.arrays import Array
from mfpde.solvers.space.measure import Atoms
from mfpde.solvers.stationary.continuation import locate
from mfpde.solvers.stationary.stability import Stability, stability
from mfpde.studies.branches.samples import FollowedBranch, Sample

SAME_PLACE = 1e-8
"""Distance along the branch, in samples, within which two events are one."""


def events(branch: FollowedBranch) -> tuple[BranchEvent, ...]:
    """Every event of a branch, in order along it; across r_j = 0 an atom splits and drifts at once, in one event."""
    changes = (event for test in _tests(branch) for event in _changes(branch, test))
    merged: list[BranchEvent] = []
    for event in sorted(changes, key=lambda event: event.place):
        if merged and event.place - merged[-1].place < SAME_PLACE:
            last = merged[-1]
            kinds = dict.fromkeys([*last.kind.split("+"), event.kind])
            merged[-1] = replace(last, kind="+".join(kinds), text=f"{last.text}; {event.text}")
        else:
            merged.append(event)
    return tuple(merged)


@dataclass(frozen=True)
class _Test:
    """A test function along a branch.

    Attributes:
        kind: "splitting", "drift" or "cone".
        atom: which atom, -1 for a drift.
        rank: which eigenvalue, by size.
    """

    kind: str
    atom: int
    rank: int

    def value(self, modes: Stability) -> float:
        """The test function, NaN where it does not exist."""
        if self.kind == "cone":
            return float(modes.cones[self.atom])
        if self.kind == "drift":
            values = [mode.eigenvalue for mode in modes.drift]
        else:
            values = [mode.eigenvalue for mode in modes.splitting if mode.atom == self.atom]
        return sorted(values)[self.rank] if self.rank < len(values) else np.nan

    def text(self, law: Atoms, names: tuple[str, ...], grows: bool) -> str:
        """What the sign change means, going along the branch."""
        begins = "begins" if grows else "ceases"
        if self.kind == "drift":
            return f"a drift of the law {begins} to grow"
        place = place_text(names, law.points[self.atom])
        if self.kind == "cone":
            return f"the cone at {place} {'ceases' if grows else 'begins'} to hold the atom"
        return f"the atom at {place} {begins} to split"


def _tests(branch: FollowedBranch) -> list[_Test]:
    """Every test function that exists somewhere along a branch."""
    atoms = range(branch.count)
    splitting = max(sum(mode.atom == 0 for mode in sample.modes.splitting) for sample in branch.samples)
    drift = max(len(sample.modes.drift) for sample in branch.samples)
    tests = [_Test("splitting", atom, rank) for atom in atoms for rank in range(splitting)]
    tests += [_Test("drift", -1, rank) for rank in range(drift)]
    return tests + [_Test("cone", atom, 0) for atom in atoms]


def _changes(branch: FollowedBranch, test: _Test) -> Iterator[BranchEvent]:
    """Sign changes of one test function, between neighbours or over samples at which rounding hides its sign."""
    before: int | None = None
    for index, sample in enumerate(branch.samples):
        value = test.value(sample.modes)
        if np.isnan(value):
            before = None
        elif abs(value) > sample.tolerance:
            if before is not None and value * test.value(branch.samples[before].modes) < 0.0:
                yield _located(branch, before, index, test)
            before = index


def _located(branch: FollowedBranch, before: int, after: int, test: _Test) -> BranchEvent:
    """One sign change between two samples, as near as it can be placed."""
    first, second = branch.samples[before], branch.samples[after]
    exact = _crossing(branch, first, second, test) if after == before + 1 else None
    state, error = exact if exact is not None else (branch.samples[(before + after) // 2].point.state, np.inf)
    law, landscape = branch.equations.law(state), branch.site(state).landscape
    turns = first.point.tangent[-1] * second.point.tangent[-1] < 0.0
    values = [branch.value(sample.point.state) for sample in branch.samples[before : after + 1]]
    widest = max(abs(value - branch.value(state)) for value in values)
    passed = float(np.linalg.norm(state - first.point.state) / np.linalg.norm(second.point.state - first.point.state))
    return BranchEvent(
        kind="fold" if turns and test.kind == "drift" else test.kind,
        parameter=branch.value(state),
        error=min(error, widest),
        place=before + passed if exact is not None else 0.5 * (before + after),
        positions=law.points,
        masses=law.weights,
        risk=landscape.risk(landscape.outputs(law)),
        text=test.text(law, branch.landscapes.names, test.value(second.modes) < 0.0),
    )


def _crossing(branch: FollowedBranch, first: Sample, second: Sample, test: _Test) -> tuple[Array, float] | None:
    """The state between neighbours at which a test function vanishes, and the error of the key's value there.

    None where the curve is lost on the way. The error is that of the eigenvalue over its slope in the key; least at a
    fold, where the key stands still.
    """

    def function(state: Array) -> float:
        value = test.value(stability(branch.site(state).landscape, branch.equations.law(state)))
        return 0.0 if np.isnan(value) else value

    try:
        state = locate(branch.equations, first.point, second.point, function)
    except ArithmeticError:
        return None
    change = abs(test.value(second.modes) - test.value(first.modes))
    travel = abs(branch.value(second.point.state) - branch.value(first.point.state))
    return state, float(max(first.tolerance, second.tolerance) / change * travel)
