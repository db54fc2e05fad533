"""Second-order cone programmes over vectors in polyhedral cones, solved by Clarabel.

    min  L(f) + lambda sum_j |v_j|,    f = sum_j A_j v_j,    C_j v_j >= 0.

A quadratic L enters as it is. One that is sum_m omega_m log sum_i exp(s_im f_m + c_im), as the logistic loss is, enters
through exponential cones: r_m is at least the logarithm iff sum_i u_im <= 1 for some u_im above exp(s_im f_m + c_im -
r_m). Any other enters as its quadratic model. (Goulart, Chen: Clarabel, an interior-point solver for conic programs
with quadratic objectives, arXiv:2405.12762.)
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from ...arrays import Array
from ...objective.losses.interface import Loss

TOLERANCE = 1e-12
"""Asked of the programme: what it reaches in double precision is less, and enough to tell what is 0."""
REACHED = ("Solved", "AlmostSolved", "InsufficientProgress")


@dataclass(frozen=True)
class Cone:
    """Where a vector v lies, and what it does.

    Attributes:
        outputs: A, shape (M, r).
        sides: C of C v >= 0, shape (k, r).
    """

    outputs: Array
    sides: Array


@dataclass(frozen=True)
class _Part:
    """Of a programme min x.P x / 2 + q.x, B x + s = b, s in a cone: costs or constraints by the names of variables.

    Attributes:
        quadratic: P of one variable by its name.
        linear: q.
        rows: B, b and the cones, each a kind and a dimension.
    """

    quadratic: Mapping[str, Any]
    linear: Mapping[str, Array]
    rows: Sequence[tuple[Mapping[str, Any], Array, Sequence[tuple[str, int]]]]


def least_loss(cones: Sequence[Cone], loss: Loss, strength: float, near: Array) -> list[Array]:
    """The vectors of least L + strength sum |v_j|, L quadratic or by exponentials; else its model at outputs `near`.

    Raises:
        ModuleNotFoundError: Clarabel is not installed.
        ArithmeticError: the programme fails.
    """
    exponents = loss.exponents
    if exponents is not None:
        worth = float(loss.metric.max())
        return _solved(cones, _by_exponentials(loss.metric / worth, *exponents), strength / worth, 1.0)
    hessian, pull = loss.model(near)
    matrix = hessian.dense()
    bend = max(float(np.abs(matrix).max()), 1e-300)
    size = max(float(np.abs(pull).max()) / bend, 1e-300)
    part = _Part({"f": matrix / bend}, {"f": -pull / (bend * size)}, [])
    return _solved(cones, part, strength / (bend * size), size)


def _by_exponentials(weights: Array, slopes: Array, constants: Array) -> _Part:
    """sum_m weights_m log sum_i exp(slopes_im f_m + constants_im), slopes and constants of shape (I, M)."""
    count, eye = len(weights), sparse.eye(len(weights))
    # rows of one sample after the other: s = (s f + c - r, 1, u) lies in the cone of exp(x) <= z at y = 1
    first, last = (sparse.kron(eye, np.eye(3)[:, [i]]) for i in (0, 2))
    rows: list[Any] = [({f"u{i}": eye for i in range(len(slopes))}, np.ones(count), [("NonnegativeConeT", count)])]
    for i, (slope, constant) in enumerate(zip(slopes, constants, strict=True)):
        right = np.stack([constant, np.ones(count), np.zeros(count)], axis=1).ravel()
        entries = {"f": -first @ sparse.diags(slope), "r": first, f"u{i}": -last}
        rows.append((entries, right, [("ExponentialConeT", 3)] * count))
    return _Part({}, {"r": weights}, rows)


def _solved(cones: Sequence[Cone], part: _Part, strength: float, size: float) -> list[Array]:
    """The vectors. Outputs are scaled by `size`, vectors by what makes as much."""
    longest = max((float(np.abs(cone.outputs).max(initial=0.0)) for cone in cones), default=0.0) or 1.0
    ranks, count = [cone.outputs.shape[1] for cone in cones], len(cones)
    outputs = np.hstack([cone.outputs for cone in cones]) / longest
    sides = sparse.block_diag([cone.sides for cone in cones])
    ends = np.cumsum([0, *(rank + 1 for rank in ranks)])
    lengths = sparse.csr_matrix((-np.ones(count), (ends[:-1], np.arange(count))), shape=(ends[-1], count))
    places = np.delete(np.arange(ends[-1]), ends[:-1])
    vectors = sparse.csr_matrix((-np.ones(len(places)), (places, np.arange(len(places)))), (ends[-1], len(places)))
    rows = [
        ({"f": sparse.eye(len(outputs)), "v": -outputs}, np.zeros(len(outputs)), [("ZeroConeT", len(outputs))]),
        ({"v": -sides}, np.zeros(sides.shape[0]), [("NonnegativeConeT", sides.shape[0])]),
        ({"t": lengths, "v": vectors}, np.zeros(ends[-1]), [("SecondOrderConeT", rank + 1) for rank in ranks]),
        *part.rows,
    ]
    costs = {"t": np.full(count, strength / longest), **part.linear}
    found = _answered(rows, part.quadratic, costs)["v"] * size / longest
    return np.split(found, np.cumsum(ranks)[:-1])


def _answered(rows: Sequence[Any], quadratic: Mapping[str, Any], linear: Mapping[str, Array]) -> dict[str, Array]:
    """Clarabel's solution by the names of variables."""
    clarabel = importlib.import_module("clarabel")
    widths = {name: entry.shape[1] for entries, _, _ in rows for name, entry in entries.items()}
    names = sorted(widths)
    matrix = sparse.bmat([[entries.get(name) for name in names] for entries, _, _ in rows], format="csc")
    squares = [quadratic.get(name, sparse.csc_matrix((widths[name], widths[name]))) for name in names]
    costs = np.concatenate([linear.get(name, np.zeros(widths[name])) for name in names])
    settings = clarabel.DefaultSettings()
    settings.verbose, settings.max_threads = False, 1
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = TOLERANCE
    kinds = [(getattr(clarabel, kind), size) for _, _, group in rows for kind, size in group]
    shapes = [kind() if kind is clarabel.ExponentialConeT else kind(size) for kind, size in kinds]
    right = np.concatenate([b for _, b, _ in rows])
    upper = sparse.triu(sparse.block_diag(squares), format="csc")
    solution = clarabel.DefaultSolver(upper, costs, matrix, right, shapes, settings).solve()
    if str(solution.status) not in REACHED:
        raise ArithmeticError(f"the cone programme fails: {solution.status}")
    ends = np.cumsum([widths[name] for name in names])[:-1]
    return dict(zip(names, np.split(np.asarray(solution.x), ends), strict=True))
