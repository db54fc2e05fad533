"""Kernels of a data set in closed form, where rho_0 is a product of normal laws and constants of w and b.

    M^a(x, x') = E sigma(u) sigma(u'),     M^w(x, x') = E a^2 <x, x'> E sigma'(u) sigma'(u'),     M^b likewise with 1

for u = <w, x> + b, which are normal in pairs: the moments of two neurons on Gaussian inputs, the parts exchanged.
"""

from __future__ import annotations

import numpy as np

from mfpde.problem.laws.finite_data import FiniteData
from mfpde.problem.marginals import Normal
from mfpde.problem.problem import Problem
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.gradient import Pairs

VANISHING = 1e-14
"""Mean of the coefficients, over their deviation, that is 0 but for rounding."""


def moving(problem: Problem) -> dict[str, Array]:
    """The rates at which coordinates move, shape (D,), by what is trained of them: "w", "a", and "all" of several."""
    geometry, own = problem.geometry, len(problem.data.axes())
    rates = np.asarray(geometry.mobility, dtype=float)
    parts = {"w": range(own), "a": [i for i, name in enumerate(geometry.names) if i >= own and name == "a"]}
    found = {name: np.where(np.isin(np.arange(len(rates)), list(part)), rates, 0.0) for name, part in parts.items()}
    found = {name: part for name, part in found.items() if part.any()}
    return found if any(np.array_equal(part, rates) for part in found.values()) else {**found, "all": rates}


def all_inputs(data: FiniteData) -> Array:
    """The inputs of the samples, then of those held out."""
    held = data.held_out
    return data.training[0] if held is None else np.vstack([data.training[0], held[0]])


def closed_kernels(problem: Problem, data: FiniteData) -> dict[str, Array] | None:
    """K between all inputs and the samples by what is trained, shape (M + n, M); None where rho_0 is no such product.

    Also None where f_0 is not 0.
    """
    places, names, count = problem.initial_law.coordinates, problem.geometry.names, len(data.training[1])
    if places is None:
        return None
    mean, spread = problem.initial_law.moments
    laws = {
        name: problem.initial_law.labels[at] if isinstance(at, int) else None
        for name, at in zip(names, places, strict=True)
    }
    if not all(law is None or isinstance(law, Normal) for name, law in laws.items() if name != "a"):
        return None
    head = names.index("a") if "a" in names else None
    if not (problem.centred or (head is not None and abs(mean[head]) <= VANISHING * spread[head])):
        return None
    inputs, own = all_inputs(data), [place for place, name in enumerate(names) if name != "a"]
    padded = np.column_stack([inputs, np.ones(len(inputs))])[:, : len(own)]
    pairs = Pairs.of(problem.unit.activation, padded * spread[own], padded @ mean[own])
    square = 1.0 if head is None else float(mean[head] ** 2 + spread[head] ** 2)
    slopes, values = square * pairs.moments(1, 1)[:, :count], pairs.moments(0, 0)[:, :count]
    return {name: _sum(part, own, head, padded, slopes, values) for name, part in moving(problem).items()}


def _sum(rates: Array, own: list[int], head: int | None, inputs: Array, slopes: Array, values: Array) -> Array:
    """sum_i rates_i E d_i Phi d_i Phi'."""
    found = slopes * ((inputs * rates[own]) @ inputs[: slopes.shape[1]].T)
    return found if head is None else found + rates[head] * values
