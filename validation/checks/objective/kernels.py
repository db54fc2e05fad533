"""V, U and their derivatives at points, against the reference kernels.

V(r) = -sum_m omega_m y_m Phi_m(r) and U(r, r') = sum_m omega_m Phi_m(r) Phi_m(r'), so a pair of points tests
features, weights and targets at once: of the reduction itself, and as each scheme has them, at the accuracy it asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from mfpde.configuration.parsing import parse
from mfpde.problem.problem import build_problem
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.objective.representation import ReducedObjective
from mfpde.solvers.space.box import Box
from validation.expected.reference import activation, blocks, reference
from validation.rows import CHARACTERISTICS, FINITE_VOLUME, Row, check, worst
from validation.workbench import TOLERANCES, Workbench, gaussian_mixture

REDUCTION = "reduction"
SCHEME_SHARE = 1e-3
"""Accuracy of the features over the tolerance of the scheme that runs on them."""


@check("kernels", schemes=(REDUCTION, CHARACTERISTICS, FINITE_VOLUME), quick=(REDUCTION,))
def kernels(bench: Workbench, source: str) -> Iterator[Row]:
    """Per point U, V and the worst of the derivatives; the finite volumes use none."""
    for learned, points in groupby(reference()["kernel_points"], _learned):
        yield from _rows(learned, list(points), source)


def _learned(point: Mapping[str, Any]) -> tuple[str, float, tuple[int, ...]]:
    """Activation, Delta and block dimensions of a point: those that share them share their features."""
    return point["act"], point["Delta"], tuple(blocks(point["d"], point["s0"]))


def _rows(
    learned: tuple[str, float, tuple[int, ...]], points: Sequence[Mapping[str, Any]], source: str
) -> Iterator[Row]:
    letter, delta, dims = learned
    pairs = [tuple(np.atleast_1d(np.asarray(point[name], dtype=float)) for name in ("r", "rp")) for point in points]
    reduced = _reduced(learned, np.max([np.maximum(*pair) for pair in pairs], axis=0), source)
    value_allowed, slope_allowed = _allowed(dims, reduced, source)
    for point, (first, second) in zip(points, pairs, strict=True):
        place = ",".join(f"{value:g}" for value in (*first, *second))
        label = f"kernel {letter} {delta:g} {list(dims)} ({place})"
        found = _values(reduced.objective, first, second)
        expected = {"U": point["U"][0], "V": point["V"]}
        bar = point["U"][1]
        for name, value in expected.items():
            yield Row(f"{label} {name}", source, value, float(found[name][0]), bar, value_allowed + 3.0 * bar)
        if source != FINITE_VOLUME:
            yield worst(_slopes(point, found, label, source, slope_allowed))


def _slopes(
    point: Mapping[str, Any], found: Mapping[str, Array], label: str, source: str, allowed: float
) -> Iterator[Row]:
    """Every derivative that the reference has."""
    for name in ("gradV", "grad1U", "dV", "d1U", "d12U"):
        if name in point:
            for expected, computed in zip(np.atleast_1d(point[name]).tolist(), found[name], strict=True):
                yield Row(f"{label} {name}", source, expected, float(computed), 0.0, allowed)


def _promise(dims: Sequence[int]) -> float:
    """Error promised of V, U and their gradients: 1e-10 for blocks of 10 dimensions or more, 1e-8 below."""
    return 1e-10 if min(dims) >= 10 else 1e-8


def _reduced(learned: tuple[str, float, tuple[int, ...]], reach: Array, source: str) -> ReducedObjective:
    """The features of `source` on the box from 0 that holds `reach`."""
    letter, delta, dims = learned
    tables = gaussian_mixture(activation(letter), delta, dims, 1.0)
    problem = build_problem(parse(tables))
    box = Box(np.zeros(len(dims)), 1.1 * reach)
    if source == REDUCTION:
        return problem.represent("exact", box, 0.1 * _promise(dims))
    accuracy = SCHEME_SHARE * TOLERANCES[source]
    if source == CHARACTERISTICS:
        return problem.represent("tabulated", box, accuracy)
    return problem.represent("compressed", box, accuracy)


def _allowed(dims: Sequence[int], reduced: ReducedObjective, source: str) -> tuple[float, float]:
    """Of values and of derivatives: the promise; for a scheme's features its tolerance, and the error they state."""
    promise = _promise(dims)
    if source == REDUCTION:
        return promise, promise
    return min(max(reduced.error, 1e-13), TOLERANCES[source]), TOLERANCES[source]


def _values(objective: Objective, first: Array, second: Array) -> dict[str, Array]:
    """V, U at the first point and the pair, with derivatives in the first point and, mixed, in both."""
    values, gradients = objective.features.values_and_gradients(np.stack((first, second)))
    weights, by_target = objective.loss.metric, -objective.loss_gradient(np.zeros(objective.features.rank))
    weighted = weights * values[1]
    slope_v, slope_u = -by_target @ gradients[0], weighted @ gradients[0]
    mixed = np.einsum("m,md,me->de", weights, gradients[0], gradients[1])
    return {
        "U": np.atleast_1d(weighted @ values[0]),
        "V": np.atleast_1d(-by_target @ values[0]),
        "gradV": slope_v,
        "grad1U": slope_u,
        "dV": slope_v,
        "d1U": slope_u,
        "d12U": mixed.ravel(),
    }
