"""distance: the Wasserstein distance W2 between the laws of two results, or of one at two times.

W2 between symmetric laws on R^D equals W2 of the reduced laws with the Euclidean metric. In one coordinate
W2^2 = ∫_0^1 (Q_A(u) - Q_B(u))^2 du, and the quantile functions of atoms and of piecewise constant densities are
piecewise linear: the integral is exact. In two or more coordinates the laws are gathered to so few points that the
linear programme can be solved exactly (POT's network simplex: Bonneel et al., ACM TOG 30 (2011) 158).
"""

from __future__ import annotations

import heapq
import importlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack
from scipy.spatial.distance import cdist

from mfpde.errors import ConfigurationError, raise_mistakes
from mfpde.results.answers.plain.distance import Distance
from mfpde.results.answers.solve import Array, SolveResult
from mfpde.shell.progress import Progress, silent
from mfpde.solvers.space.measure import Measure

MOST_POINTS = 2000
"""Points per law that the linear programme takes: seconds and a few hundred MB; a law of more is gathered to them."""
SAME_MASS = 1e-6
"""Relative difference of two masses that are one."""
MOST_PIVOTS = 50_000_000


@dataclass(frozen=True)
class Pieces:
    """A law as boxes of uniform density with given masses; an atom is a box of no width.

    Attributes:
        masses: positive, total 1, shape (n,).
        lower, upper: corners, shape (n, D).
    """

    masses: Array
    lower: Array
    upper: Array

    @property
    def centres(self) -> Array:
        """Middles of the boxes, shape (n, D)."""
        return 0.5 * (self.lower + self.upper)


def distance(
    first: SolveResult,
    second: SolveResult,
    times: tuple[float | None, float | None] = (None, None),
    most_points: int = MOST_POINTS,
    *,
    progress: Progress = silent,
) -> Distance:
    """W2 between two results at save times of theirs (None: the last), of laws normalised to mass 1.

    Raises:
        ConfigurationError: laws in different coordinates or of unequal mass, coordinates on a circle, a time that was
            not saved, POT missing where it is needed.
        ArithmeticError: the linear programme was not solved.
    """
    problems = []
    if first.names != second.names:
        found = " and ".join(f"({', '.join(result.names)})" for result in (first, second))
        problem = f"the laws live in different coordinates, {found}: there is no distance between them"
        problems.append(f"{problem}; write two results of the same kind of network and number of blocks")
    turning = [name for name in first.names if name not in first.moment_names]
    if turning:
        words = f"{', '.join(turning)} lies on a circle, around which distances are not measured yet"
        problems.append(f"{words}; compare risks and moments")
    rows = []
    for result, time in zip((first, second), times, strict=True):
        try:
            rows.append(result.row(time))
        except ValueError as error:
            problems.append(str(error))
    raise_mistakes(problems)
    masses = [float(result.mass[row]) for result, row in zip((first, second), rows, strict=True)]
    if not (abs(masses[0] - masses[1]) <= SAME_MASS * max(masses)):
        words = f"the laws have masses of {masses[0]:.6g} and {masses[1]:.6g}: no transport takes one to the other"
        raise ConfigurationError([f"{words}; compare laws of one mass, or their risks and moments"])
    left, right = (pieces(result.law_at(row)) for result, row in zip((first, second), rows, strict=True))
    found_times = float(first.time[rows[0]]), float(second.time[rows[1]])
    if len(first.names) == 1:
        return Distance(on_the_line(left, right), 0.0, found_times, (len(left.masses), len(right.masses)))
    solver = _transport()
    (x, a, x_error), (y, b, y_error) = (_gathered(law, most_points) for law in (left, right))
    value = _between_points(solver, x, a, y, b)
    return Distance(value, x_error + y_error, found_times, (len(a), len(b)))


def pieces(law: Measure) -> Pieces:
    """The law without what has no mass, normalised."""
    masses, (lower, upper) = law.weights, law.corners
    held = masses > 0.0
    return Pieces(masses[held] / masses[held].sum(), lower[held], upper[held])


def on_the_line(left: Pieces, right: Pieces) -> float:
    """sqrt(∫(Q_A - Q_B)^2 du) of two piecewise linear quantile functions."""
    levels, ends = [], []
    for law in (left, right):
        order = np.argsort(law.lower[:, 0], kind="stable")
        cumulative = np.concatenate([[0.0], np.cumsum(law.masses[order])])
        levels.append(cumulative / cumulative[-1])
        ends.append((law.lower[order, 0], law.upper[order, 0]))
    cuts = np.union1d(*levels)
    low, high = cuts[:-1], cuts[1:]
    quantiles = []
    for cumulative, (lower, upper) in zip(levels, ends, strict=True):
        piece = np.searchsorted(cumulative, low, side="right") - 1
        start, width = cumulative[piece], cumulative[piece + 1] - cumulative[piece]
        rise = (upper - lower)[piece]
        quantiles.append([lower[piece] + rise * (side - start) / width for side in (low, high)])
    before, after = (np.subtract(*pair) for pair in zip(*quantiles, strict=True))
    square = (high - low) @ (before**2 + before * after + after**2) / 3.0
    return math.sqrt(max(float(square), 0.0))


def distance_to_atoms(law: Pieces, positions: Array, masses: Array, most_points: int = MOST_POINTS) -> float:
    """W2 between a law and a few atoms, positions (K, D) and masses (K,).

    In one coordinate, and to one atom, exact; else no gathered piece is cut, which is exact up to the pieces' own size.
    """
    if positions.shape[1] == 1:
        return on_the_line(law, Pieces(masses, positions, positions))
    points, weights, error = _gathered(law, len(law.masses) if len(masses) == 1 else most_points)
    cost = cdist(points, positions, "sqeuclidean")
    if len(masses) == 1:
        return math.sqrt(float(weights @ cost[:, 0]) + error**2)
    count = len(masses)
    # which share of each point goes to which atom: all of it, and every atom gets its mass
    rows = np.arange(weights.size * count)
    shares = csr_array((np.ones(rows.size), (rows // count, rows)))
    received = csr_array((np.repeat(weights, count), (rows % count, rows)))
    solved = linprog(
        (weights[:, None] * cost).ravel(),
        A_eq=vstack([shares, received.tocsr()[:-1]]),
        b_eq=np.concatenate([np.ones(weights.size), masses[:-1]]),
        method="highs",
    )
    if solved.status != 0:
        raise ArithmeticError(f"the transport to {count} atoms was not solved: {solved.message}")
    return math.sqrt(max(float(solved.fun), 0.0) + error**2)


def _gathered(law: Pieces, most: int) -> tuple[Array, Array, float]:
    """At most `most` points (n, D) and masses, and the W2 distance to the law that gathering costs at most.

    Sets of pieces are halved at the mean of their widest coordinate, the one that costs most first, and each becomes
    its centre of mass.
    """
    centres, masses = law.centres, law.masses
    own = ((law.upper - law.lower) ** 2).sum(axis=1) / 12.0
    if len(masses) <= most:
        return centres, masses, math.sqrt(float(masses @ own))

    def described(rows: Any) -> tuple[float, int, Any]:
        weight = masses[rows]
        mean = weight @ centres[rows] / weight.sum()
        spread = float((weight @ (centres[rows] - mean) ** 2).sum()) if len(rows) > 1 else 0.0
        return -spread, int(rows[0]), rows

    heap = [described(np.arange(len(masses)))]
    while len(heap) < most and heap[0][0] < 0.0:
        _, _, rows = heapq.heappop(heap)
        weight, places = masses[rows], centres[rows]
        mean = weight @ places / weight.sum()
        axis = int(np.argmax(weight @ (places - mean) ** 2))
        # between the extremes, so that rounding leaves no side empty
        ranked = np.argsort(places[:, axis], kind="stable")
        cut = int(np.clip(np.searchsorted(places[ranked, axis], mean[axis]), 1, len(rows) - 1))
        heapq.heappush(heap, described(rows[ranked[:cut]]))
        heapq.heappush(heap, described(rows[ranked[cut:]]))
    sets = [rows for _, _, rows in heap]
    gathered = np.array([masses[rows].sum() for rows in sets])
    points = np.array([masses[rows] @ centres[rows] / masses[rows].sum() for rows in sets])
    cost = max(-sum(spread for spread, _, _ in heap), 0.0) + float(masses @ own)
    return points, gathered / gathered.sum(), math.sqrt(cost)


def _transport() -> Any:
    """The library POT."""
    try:
        return importlib.import_module("ot")
    except ImportError:
        problem = "the distance of laws in two or more coordinates needs the library POT"
        raise ConfigurationError([f"{problem}; install it with: pip install 'mfpde[distance]'"]) from None


def _between_points(solver: Any, x: Array, a: Array, y: Array, b: Array) -> float:
    cost = cdist(x, y, "sqeuclidean")
    plan, log = solver.emd(a, b, cost, numItermax=MOST_PIVOTS, log=True)
    if log["warning"] is not None:
        raise ArithmeticError(f"the transport between {len(a)} and {len(b)} points was not solved: {log['warning']}")
    return math.sqrt(float(np.vdot(plan, cost)))
