"""Kernel regression on a data set with the kernels of rho_0: the end of the flow, under a ridge too, test errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mfpde.problem.labels import label_law, starting_atoms
from mfpde.problem.laws.finite_data import FiniteData
from mfpde.problem.problem import Problem
from mfpde.results.answers.kernel import KernelMode, Regression
from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.panels import LabelLaw
from mfpde.solvers.networks.samples.outputs import SampleFeatures
from mfpde.solvers.objective.coefficient import WithCoefficient
from mfpde.solvers.objective.objective import FeatureMap
from mfpde.solvers.objective.tangent import TangentRegression, TangentSquares, tangent_factor
from mfpde.studies.kernel.closed import all_inputs, closed_kernels, moving
from mfpde.studies.kernel.limit import COARSER, NODES, OTHER_NODES, TOLERANCE, most_atoms

Kernels = Mapping[str, Array]
ROUNDED = 2e-15
"""Relative errors of closed kernels."""


class Worth(NamedTuple):
    """Risks on the samples and on those held out, |f|_H, and outputs at the latter."""

    risk: float
    test_risk: float
    norm: float
    outputs: Array


def with_regressions(
    modes: Mapping[str, KernelMode], problem: Problem, times: Array, ridges: Iterable[float]
) -> dict[str, KernelMode]:
    """The modes with regressions under these ridges, and none, and the test risk of the flow at flow times.

    Errors are differences from a second rule of rho_0, which shares no node with the first; of kernels in closed form,
    from those that rounding may have made of them.
    """
    data = problem.data
    if not isinstance(data, FiniteData):
        return dict(modes)
    _, y, weights = data.training
    both = _kernels(problem, data)
    main, other = ({name: TangentRegression.of(each[name], weights, y) for name in modes} for each in both)
    found = {}
    for name, mode in modes.items():
        told = []
        for ridge in sorted({0.0, *ridges}):
            own, beside = (_worth(data, *each[name].ridge(ridge)) for each in (main, other))
            gaps = abs(own.risk - beside.risk), abs(own.test_risk - beside.test_risk)
            told.append(Regression(ridge, own.risk, gaps[0], own.test_risk, gaps[1], own.norm, own.outputs))
        tested = np.array([_worth(data, *main[name].flow(float(time))).test_risk for time in times])
        held = data.held_out is not None
        found[name] = replace(mode, regression=tuple(told), test_risk=tested if held else None)
    return found


def _kernels(problem: Problem, data: FiniteData) -> tuple[Kernels, Kernels]:
    """K between all inputs and the samples by what is trained, in closed form or by a rule, and beside it another."""
    closed = closed_kernels(problem, data)
    if closed is not None:
        random = np.random.default_rng(0)
        noise = {name: 1.0 + ROUNDED * random.standard_normal(kernel.shape) for name, kernel in closed.items()}
        return closed, {name: kernel * noise[name] for name, kernel in closed.items()}
    plain = replace(problem, network=replace(problem.network, centred=False))
    labels = label_law(plain.initial_law)
    return (
        _by_rule(plain, data, labels, NODES, TOLERANCE),
        _by_rule(plain, data, labels.cut_elsewhere(), OTHER_NODES, COARSER * TOLERANCE),
    )


def _by_rule(problem: Problem, data: FiniteData, labels: LabelLaw, nodes: int, tolerance: float) -> Kernels:
    inputs, unit = all_inputs(data), problem.unit
    features: FeatureMap = SampleFeatures(inputs, unit.activation, unit.has_offset)
    if unit.has_coefficient:
        features = WithCoefficient(features, problem.geometry.names.index("a"))
    squares = TangentSquares(features, np.asarray(problem.geometry.mobility, dtype=float))
    law, _ = starting_atoms(problem.initial_law, squares, tolerance, labels, nodes, most_atoms(len(inputs)))
    count = len(data.training[1])
    factors = {name: tangent_factor(features, law, part) for name, part in moving(problem).items()}
    return {name: factor.T @ factor[:, :count] for name, factor in factors.items()}


def _worth(data: FiniteData, own: Array, other: Array, norm: float) -> Worth:
    """The risks of outputs."""
    _, y, weights = data.training
    held = data.held_out
    test_risk = np.nan if held is None else float(held[2] @ (held[1] - other) ** 2)
    return Worth(float(weights @ (y - own) ** 2), test_risk, norm, other)
