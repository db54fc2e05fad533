"""Where the laws of a branch are the global optimum, and what the certified optimum says beside the ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mfpde.results.answers.branches import OptimalRange
from mfpde.solvers.stationary.minimum import lowest
from mfpde.studies.branches.equations import Landscapes
from mfpde.studies.branches.samples import FollowedBranch, Sample
from mfpde.studies.optimum.atoms import optimum_atoms

OPTIMAL = 1e-11
"""Excess of G on the atom over its least value, relative to max(F, |G|, 1e-2), that counts as none."""
CERTIFIED_AT = 1e-3
"""Distance from a threshold, over the range of the key, at which the certified optimum is asked for its atoms."""
SHORTEST = 1e-11
MEETING = 1e-6
"""Gap between two ranges, over that of the key, that is none."""


@dataclass(frozen=True)
class _Span:
    """A stretch of scaled parameters on which one branch is optimal."""

    branches: tuple[int, ...]
    low: float
    high: float


def optimal_ranges(branches: list[FollowedBranch]) -> tuple[OptimalRange, ...]:
    """The ranges of the key in which a one-atom law is the optimum on the box."""
    spans = sorted(
        (span for label, branch in enumerate(branches) if branch.count == 1 for span in _spans(label, branch)),
        key=lambda span: span.low,
    )
    joined: list[_Span] = []
    for span in spans:
        if joined and span.low <= joined[-1].high + MEETING:
            last = joined[-1]
            joined[-1] = replace(last, branches=(*last.branches, *span.branches), high=max(last.high, span.high))
        else:
            joined.append(span)
    return tuple(_certified(branches[0].landscapes, span) for span in joined)


def _spans(label: int, branch: FollowedBranch) -> Iterator[_Span]:
    """The stretches of one branch, their ends found by bisection."""
    begin: float | None = None
    before: Sample | None = None
    for sample in branch.samples:
        good = is_optimal(branch, sample)
        if good and begin is None:
            begin = sample.point.parameter if before is None else _change(branch, before, sample)
        elif not good and begin is not None and before is not None:
            yield _span(label, begin, _change(branch, before, sample))
            begin = None
        before = sample
    if begin is not None and before is not None:
        yield _span(label, begin, before.point.parameter)


def _span(label: int, begin: float, end: float) -> _Span:
    return _Span((label,), min(begin, end), max(begin, end))


def is_optimal(branch: FollowedBranch, sample: Sample) -> bool:
    """Whether no place of the box has less G than the one atom, nor, by the eigenvalues, any place near it."""
    if any(mode.eigenvalue < -sample.tolerance for mode in sample.modes.splitting) or np.any(sample.modes.cones < 0.0):
        return False
    landscape, feature_error = branch.site(sample.point.state)
    outputs = landscape.outputs(sample.law)
    own = float(landscape.potential(sample.law.points, outputs)[0][0])
    least, _ = lowest(landscape, outputs, branch.landscapes.lower, branch.landscapes.upper)
    scale = max(landscape.free_energy(sample.law), abs(own), 1e-2)
    return own - least <= OPTIMAL * scale + feature_error


def _change(branch: FollowedBranch, first: Sample, second: Sample) -> float:
    """The scaled parameter between two samples at which optimality begins or ends."""
    low, high = 0.0, 1.0
    begins = is_optimal(branch, first)
    while high - low > SHORTEST:
        middle = 0.5 * (low + high)
        same = is_optimal(branch, branch.middle(first, second, middle)) == begins
        low, high = (middle, high) if same else (low, middle)
    return branch.middle(first, second, 0.5 * (low + high)).point.parameter


def _certified(landscapes: Landscapes, span: _Span) -> OptimalRange:
    """The range in values of the key, with the number of atoms of the certified optimum beside its inner ends."""
    low, high = landscapes.value(span.low), landscapes.value(span.high)
    reach = CERTIFIED_AT * (landscapes.high - landscapes.low)
    inner = [end for end in (low, high) if landscapes.low < end < landscapes.high]
    beside = [value for end in inner for value in (end - reach, end + reach)]
    beside_ends = []
    for value in beside:
        if landscapes.low <= value <= landscapes.high:
            best = optimum_atoms(landscapes.family.at(value), landscapes.radius, growth=())
            beside_ends.append((value, len(best.weights), best.certified))
    return OptimalRange(span.branches, low, high, tuple(beside_ends))
