"""The kernel limit of a problem: the kernel of rho_0 for each choice of what is trained, its spectrum and its curve."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mfpde.errors import raise_mistakes
from mfpde.problem.labels import MOST_ATOMS, label_law, starting_atoms
from mfpde.problem.laws.finite_data import FiniteData
from mfpde.problem.laws.interface import DataLaw
from mfpde.problem.problem import Problem
from mfpde.results.answers.kernel import KernelMode
from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.panels import LabelLaw
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.objective.losses.interface import Loss
from mfpde.solvers.objective.losses.square import SquareLoss
from mfpde.solvers.objective.objective import Objective
from mfpde.solvers.objective.representation import ReducedObjective
from mfpde.solvers.objective.tangent import TangentFlow, TangentSquares, kernel_flow, tangent_factor, tangent_flow
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.measure import Atoms
from mfpde.studies.kernel.closed import closed_kernels, moving

ACCURACY, TOLERANCE = 1e-10, 1e-7
"""Error of U, and of the means of features and squared gradients over rho_0, that are asked for."""
ROUGH, MANY = 1e-7, 1500
"""Error of U that is enough where so many features come of it: the kinks of small blocks."""
COARSER = 100.0
"""How much larger they are in the companion, beside what the features reach: their error shows in the difference."""
LEAST_ATOMS, MOST_ENTRIES = 1000, 8_000_000
"""Atoms of rho_0 that there may be at least, and these times features."""
NODES, OTHER_NODES = 10, 7
"""Gauss nodes of a panel of rho_0, and of one of the companion."""
VANISHING = 1e-4
"""f_0 below this share of the mean norm of a unit is 0 but for rounding and quadrature."""
AUDITS = np.geomspace(1e-2, 1.0, 9)
"""Shares of a time at which the errors are taken that count for it: differences cross zero."""
ROUNDING = 1e-14
"""Of a risk of 1."""
Flows = dict[str, TangentFlow]


class Left(NamedTuple):
    """What atoms of rho_0 leave: the norm of what they leave of F(0), and the trace of what they leave of A.

    exp(-A s) contracts: the error of f at s changes by no more than s |dA| |e(0)|, and by what F(0) does.
    """

    start: float
    kernel: float

    def of(self, risk: Array, times: Array, first: float) -> Array:
        """What R_K may be off by at flow times, from R_K there and R_K(0)."""
        moved = times * self.kernel * math.sqrt(first) + self.start
        return moved * (2.0 * np.sqrt(risk) + moved)


def kernel_modes(problem: Problem, times: Array) -> dict[str, KernelMode]:
    """What the kernel of rho_0 learns by these flow times, by what is trained: "w", "a", "all" as far as it is.

    Raises:
        ConfigurationError: there is no such limit.
    """
    plain = replace(problem, network=replace(problem.network, centred=False))
    refuse_flow(problem)
    data = problem.data
    closed = closed_kernels(problem, data) if isinstance(data, FiniteData) else None
    if closed is not None and isinstance(data, FiniteData):
        return {name: _closed_mode(data, kernel, times) for name, kernel in closed.items()}
    labels = label_law(plain.initial_law)
    box = _box(plain, labels)
    rough = plain.represent("exact", box, ROUGH)
    reduced = rough if rough.rank > MANY else plain.represent("exact", box, ACCURACY)
    coarser = plain.represent(
        "exact", box, float(np.clip(COARSER * reduced.error, COARSER * ACCURACY, COARSER * ROUGH))
    )
    main, left = _flows(plain, problem.centred, reduced, labels, NODES, TOLERANCE)
    companion, _ = _flows(plain, problem.centred, coarser, labels.cut_elsewhere(), OTHER_NODES, COARSER * TOLERANCE)
    return {name: _mode(flow, companion[name], times, left) for name, flow in main.items()}


def refuse_flow(problem: Problem) -> None:
    """Raise ConfigurationError with the terms of the flow that the exponentials of a kernel do not hold."""
    asked = "the kernel limit is"
    raise_mistakes([*_refusals(problem.flow), *problem.kept_mass(asked), *problem.reduced(asked)])


def _refusals(flow: Flow) -> Iterator[str]:
    if math.isfinite(flow.inverse_temperature):
        yield "dynamics.inverse_temperature: the kernel limit has no noise; write inverse_temperature = inf"
    if flow.confines:
        key = "penalty" if flow.penalty.acts else "ridge"
        words = f"dynamics.{key}: it moves neurons as far as the data do, the kernel limit has none"
        yield f"{words}; write ridge = 0.0 and no penalty"
    if flow.fisher_rao_rate > 0.0 or not flow.transport:
        yield 'dynamics.flow: the kernel limit has no birth and death; write flow = "wasserstein"'


def _box(problem: Problem, labels: LabelLaw) -> Box:
    """What holds rho_0."""
    corners = labels.corners
    lower, upper = corners.min(axis=0), corners.max(axis=0)
    margin = 0.01 * np.maximum(upper - lower, 1.0)
    return problem.geometry.cut(Box(lower - margin, upper + margin))


def _flows(
    problem: Problem, centred: bool, reduced: ReducedObjective, labels: LabelLaw, nodes: int, tolerance: float
) -> tuple[Flows, Left]:
    """The decomposition for each choice of what is trained, and what atoms of rho_0 leave of it."""
    objective, rates = reduced.objective, np.asarray(problem.geometry.mobility, dtype=float)
    loss = _square(problem.data, objective.loss)
    squares = TangentSquares(objective.features, rates)
    law, left = starting_atoms(problem.initial_law, squares, tolerance, labels, nodes, most_atoms(reduced.rank))
    start, diagonal = np.split(left, 2)
    unsure = Left(0.0 if centred else float(np.sqrt(loss.weights @ start**2)), float(loss.weights @ diagonal))
    outputs = law.outputs(objective.features)
    if centred:
        outputs = np.zeros_like(outputs)
    else:
        _refuse_start(problem, objective, loss, law, outputs)
    flows = {
        name: tangent_flow(loss, outputs, tangent_factor(objective.features, law, part))
        for name, part in moving(problem).items()
    }
    return flows, unsure


def most_atoms(rank: int) -> int:
    """Atoms of rho_0 for so many features at most."""
    return int(np.clip(MOST_ENTRIES / rank, LEAST_ATOMS, MOST_ATOMS))


def _square(data: DataLaw, loss: Loss) -> SquareLoss:
    if not isinstance(loss, SquareLoss):
        words = f'the kernel limit is that of the square loss, which that of "{data.name}" is not'
        raise_mistakes([f"data.law: {words}; solve the equation at a large network.scale instead"])
    assert isinstance(loss, SquareLoss)
    return loss


def _refuse_start(problem: Problem, objective: Objective, loss: SquareLoss, law: Atoms, outputs: Array) -> None:
    """Raise ConfigurationError where f_0 is not 0."""
    sizes = law.weights @ (objective.features.values(law.points) ** 2 @ loss.weights)
    size = float(np.sqrt(loss.weights @ outputs**2))
    if size <= VANISHING * float(np.sqrt(sizes)):
        return
    words = f"the network begins at f_0 of norm {size:.3g}, which diverges with its scale"
    if "centred" in problem.data.network_keys:
        remedy = "write network.centred = true, or initial.a = { values = [-1, 1] }"
        raise_mistakes([f"network.centred: {words}; {remedy}"])
    raise_mistakes([f'data.law: {words}, and "{problem.data.name}" has no coefficients whose signs could cancel it'])


def _closed_mode(data: FiniteData, kernel: Array, times: Array) -> KernelMode:
    """That of a kernel which is known to rounding, on samples."""
    flow = kernel_flow(_square(data, data.objective_loss), kernel[: len(data.training[1])])
    return _mode(flow, flow, times, Left(0.0, 0.0))


def _mode(flow: TangentFlow, other: TangentFlow, times: Array, left: Left) -> KernelMode:
    """A curve with its errors: the differences from the companion up to each time, what atoms leave, and rounding."""
    audits = np.outer(times, AUDITS)
    gaps = np.abs(flow.risk(audits.ravel()) - other.risk(audits.ravel())).reshape(audits.shape).max(axis=1)
    first, risk = float(flow.risk([0.0])[0]), flow.risk(times)
    floor = ROUNDING * (1.0 + times * flow.eigenvalues.max(initial=0.0)) * first + left.of(risk, times, first)
    last = abs(flow.last - other.last)
    return KernelMode(
        risk=risk,
        risk_error=np.maximum.accumulate(gaps) + floor,
        eigenvalues=flow.eigenvalues,
        resolved=flow.resolved,
        risk_infinity=flow.last,
        risk_infinity_error=last + ROUNDING * first + left.start * (2.0 * math.sqrt(first) + left.start),
        risk_infinity_all=flow.last_of_all,
    )
