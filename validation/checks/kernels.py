"""V, U and their derivatives at points, against the reference kernels.

V(r) = -sum_m omega_m y_m Phi_m(r) and U(r, r') = sum_m omega_m Phi_m(r) Phi_m(r'), so one pair of points tests features,
weights and targets at once: the exact features, and the table that the characteristics run on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mfpde.configuration import parse
from mfpde.problem import build_problem
from mfpde.reduction.gaussian_mixture import Box
from mfpde.solvers.objective import Array, Objective
from validation.reference import activation, blocks, reference
from validation.rows import Row, check, worst
from validation.workbench import Workbench, gaussian_mixture

EXPANSION, TABLE = "expansion", "table"
ALLOWED_FROM_TEN, ALLOWED_BELOW = 1e-10, 1e-8
"""Promised errors for block dimensions from 10 and from 1."""


@check("kernels", schemes=(EXPANSION, TABLE), quick=(EXPANSION,))
def kernels(bench: Workbench, source: str) -> Iterator[Row]:
    """Per point U, V and the worst of the derivatives."""
    for point in reference()["kernel_points"]:
        yield from _rows(point, source)


def _rows(point: Mapping[str, Any], source: str) -> Iterator[Row]:
    first, second = (np.atleast_1d(np.asarray(point[name], dtype=float)) for name in ("r", "rp"))
    dims = blocks(point["d"], point["s0"])
    allowed = ALLOWED_FROM_TEN if min(dims) >= 10 else ALLOWED_BELOW
    objective = _objective(point, dims, np.maximum(first, second), source, 0.1 * allowed)
    place = ",".join(f"{value:g}" for value in (*first, *second))
    label = f"kernel {point['act']} {point['Delta']:g} {dims} ({place})"
    value = _derivatives(objective, first, second)
    bar = point["U"][1]
    yield Row(f"{label} U", source, point["U"][0], float(value["U"][0]), bar, max(allowed, 3 * bar))
    yield Row(f"{label} V", source, point["V"], float(value["V"][0]), 0.0, allowed)
    yield worst(
        Row(f"{label} {name}", source, expected, float(computed), 0.0, allowed)
        for name in ("gradV", "grad1U", "dV", "d1U", "d12U")
        if name in point
        for expected, computed in zip(np.atleast_1d(point[name]).tolist(), value[name], strict=True)
    )


def _objective(point: Mapping[str, Any], dims: list[int], reach: Array, source: str, accuracy: float) -> Objective:
    tables = gaussian_mixture(activation(point["act"]), point["Delta"], dims, 1.0)
    reduction = build_problem(parse(tables)).reduction
    box = Box(np.zeros(len(dims)), 1.1 * reach)
    reduced = reduction.exact(box, accuracy) if source == EXPANSION else reduction.tabulated(box, accuracy)
    return reduced.objective


def _derivatives(objective: Objective, first: Array, second: Array) -> dict[str, Array]:
    values, gradients = objective.features.values_and_gradients(np.stack((first, second)))
    weighted, by_target = objective.weights * values[1], objective.weights * objective.targets
    slope_v, slope_u = -by_target @ gradients[0], weighted @ gradients[0]
    mixed = np.einsum("m,md,me->de", objective.weights, gradients[0], gradients[1])
    return {
        "U": np.atleast_1d(weighted @ values[0]),
        "V": np.atleast_1d(-by_target @ values[0]),
        "gradV": slope_v,
        "grad1U": slope_u,
        "dV": slope_v,
        "d1U": slope_u,
        "d12U": mixed.ravel(),
    }
