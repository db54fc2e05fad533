"""How far the neurons of all replicas are from rho_t in each coordinate, and how well rho_t is known there.

The nodes of a quadrature show the distribution of a single coordinate coarsely, those of three labels and more to .1:
distances are from points that lie evenly in rho_0, carried by the flow of rho_t, where there are such, and from the law
of the run elsewhere. A second law, which shares no point with the first, tells the error: by the triangle inequality a
distance is off by no more than the two laws are apart.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mfpde.results.answers.compare import LawDistance
from mfpde.results.answers.sgd import SgdResult
from mfpde.results.answers.solve import Array, SolveResult
from mfpde.solvers.space.distribution import distribution, kolmogorov, repeated, sampled, unlike, wasserstein
from mfpde.solvers.space.measure import Measure
from mfpde.studies.compare.beside import Beside

LAW_TIMES = 5
NARROW, SMEARED = 4.0, 40.0
"""Cells that the bulk of the neurons must span: with fewer a straight line in a cell is off by .02 and more, and a grid
smears an atom of rho_0 over some ten of them."""
UNKNOWN = "there is no second run of the equation that tells how far its law is off: distances of laws have no error"


class Known(NamedTuple):
    """Kolmogorov's distance and W2, each with its error."""

    kolmogorov: float
    kolmogorov_error: float
    w2: float
    w2_error: float


def law_rows(count: int) -> NDArray[np.int64]:
    """At which of so many save times laws are held against one another."""
    return np.unique(np.linspace(0, count - 1, LAW_TIMES).astype(np.int64))


def law_distances(pde: SolveResult, runs: SgdResult, beside: Beside) -> tuple[LawDistance, ...]:
    """Distances of the marginals of all replicas' neurons from those of rho_t, at a few times."""
    names, found = runs.names, []
    for index in law_rows(len(runs.time)).tolist():
        law, neurons = pde.law_at(index), runs.position[:, index].reshape(-1, len(names))
        for axis, name in enumerate(names):
            least = SMEARED if np.ptp(runs.position[:, 0, :, axis]) == 0.0 else NARROW
            places, own = neurons[:, axis], law.marginal(axis)
            even = [(points[:, axis], weights) for points, weights in beside.even.get(index, ())]
            known = _from_points(places, even) if even else _from_laws(places, own, beside.joined(index, axis))
            if _cells(own, places) < least:
                known = known._replace(kolmogorov=math.nan, kolmogorov_error=math.nan)
            time, noise = float(runs.time[index]), 1.36 / math.sqrt(len(places))
            found.append(LawDistance(time, name, noise=noise, **known._asdict()))
    return tuple(found)


def _from_points(neurons: Array, even: list[tuple[Array, Array]]) -> Known:
    """Distances from even points, of which there are two sets."""
    points, weights = (np.concatenate(parts) for parts in zip(*even, strict=True))
    law, (one, other) = sampled(points, weights), (sampled(*each) for each in even)
    told = sampled(neurons)
    return Known(kolmogorov(told, law), kolmogorov(one, other), wasserstein(told, law), wasserstein(one, other))


def _from_laws(neurons: Array, law: Measure, other: Measure | None) -> Known:
    """Distances from the law of the run, and one beside it."""
    told, shared = sampled(neurons), repeated(neurons)
    spread = distribution(law, shared)
    apart, far = kolmogorov(told, spread), wasserstein(told, spread)
    if other is None:
        return Known(apart, math.nan, far, math.nan)
    beside = distribution(other, shared)
    return Known(apart, unlike(spread, beside, neurons), far, wasserstein(spread, beside))


def _cells(law: Measure, neurons: Array) -> float:
    """How many cells of a grid the bulk of the neurons spans; any number of them where the law is on atoms."""
    if law.edges is None:
        return math.inf
    low, high = np.quantile(neurons, [0.05, 0.95])
    edges = law.edges[0]
    first, last = np.clip(np.searchsorted(edges, [low, high], side="right") - 1, 0, len(edges) - 2)
    return float(high - low) / float(np.diff(edges)[first : last + 1].max())
