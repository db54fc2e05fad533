"""Minimal norms that interpolate data, and the path norm of a run beside the variation norm of what it learned."""

from __future__ import annotations

import numpy as np

from mfpde.problem.laws.finite_data import FiniteData
from mfpde.problem.problem import Problem
from mfpde.results.answers.samples.margin import sphere_kernel
from mfpde.results.answers.samples.rates import DataNorms, PathNorm
from mfpde.solvers.arrays import Array
from mfpde.solvers.objective.tangent import TangentRegression
from mfpde.solvers.optimum.sphere.least import minimal_variation
from mfpde.solvers.space.measure import Measure
from mfpde.studies.bounds.fits import FAILS, HOLDS, UNDECIDED
from mfpde.studies.margin.margin import slopes_of

FITTED = 1e-8
"""What is left of the targets, over their size, where a function still interpolates them."""
ROUNDING = 1e-7
"""By how much, relatively, an inequality may be missed by rounding."""
NORMS = {"l2": 2, "l1": 1}


def refusals(problem: Problem) -> list[str]:
    """Why there are no norms of data here."""
    if not isinstance(problem.data, FiniteData):
        words = "is no finite set of samples, of which the norms are; write law = dataset, or draw data.samples"
        return [f'data.law: "{problem.data.name}" {words}']
    if problem.unit.activation.homogeneity != 1.0:
        return ['network.activation: norms of data need units with sigma(c u) = c sigma(u) for c > 0; write "relu"']
    return []


def homogeneous_inputs(problem: Problem) -> Array:
    """x_p, with the coordinate 1 where there are offsets, shape (P, D)."""
    assert isinstance(problem.data, FiniteData)
    x = problem.data.training[0]
    return np.column_stack([x, np.ones(len(x))]) if problem.network.offsets != "none" else x


def data_norms(problem: Problem, targets: Array | None = None) -> DataNorms:
    """H_data and Omega_data of targets y_p, those of the data where none are given.

    H_data^2 = y . K^{-1} y with the kernel of uniform directions; inf where no function of its space interpolates.
    """
    assert isinstance(problem.data, FiniteData)
    points, slopes = homogeneous_inputs(problem), slopes_of(problem.unit.activation)
    y = problem.data.training[1] if targets is None else targets
    kernel, ones = sphere_kernel(slopes, points, points), np.ones(len(y))
    fitted, _, norm = TangentRegression.of(kernel, ones, y).ridge(0.0)
    rkhs = norm if np.abs(fitted - y).max() <= FITTED * np.abs(y).max(initial=0.0) else np.inf
    try:
        found = minimal_variation(points, y, slopes)
    except ValueError:
        empty = np.zeros((0, points.shape[1] + 1))
        return DataNorms(rkhs, np.inf, np.inf, True, empty, np.zeros(0), _names(problem))
    places = np.column_stack([found.units, np.sign(found.coefficients)])
    order = np.argsort(-np.abs(found.coefficients), kind="stable")
    masses = np.abs(found.coefficients)[order]
    return DataNorms(rkhs, found.value, found.lower, found.certified, places[order], masses, _names(problem))


def path_norm(problem: Problem, law: Measure, time: float, norm: str) -> PathNorm:
    """∫|a| |(w, b)| drho of a law of neurons, beside the least variation that has its outputs at the samples."""
    assert isinstance(problem.data, FiniteData)
    w, a, b = problem.unit.parted(law.points)
    a = a if problem.unit.has_coefficient else np.ones(len(w))
    whole = np.column_stack([w, b]) if problem.unit.has_offset else w
    paths = {name: float(law.weights @ (np.abs(a) * np.linalg.norm(whole, ord=o, axis=1))) for name, o in NORMS.items()}
    outputs = problem.predict(law, problem.data.training[0])
    found = data_norms(problem, outputs)
    return PathNorm(time, norm, paths[norm], paths["l2"], found.variation, found.lower, found.certified)


def judged(found: DataNorms) -> str:
    """Omega_data <= H_data: an upper end of the first above the second is an error of one of them."""
    numbers = f"Omega = {found.variation:.6g}, H = {found.rkhs:.6g}"
    if np.isinf(found.rkhs) and np.isinf(found.variation):
        return f"{HOLDS}: nothing interpolates these data, both are infinite"
    word = HOLDS if found.variation <= found.rkhs * (1.0 + ROUNDING) else FAILS
    return f"{UNDECIDED if word == FAILS and not found.certified else word}: {numbers}"


def path_judged(found: PathNorm) -> str:
    """Path norm >= Omega of the outputs: its lower end is held against it."""
    numbers = f"path norm {found.euclidean:.6g} with |w|_2, variation norm {found.variation:.6g} of the outputs"
    below = found.euclidean >= found.lower * (1.0 - ROUNDING)
    return f"{HOLDS if below else FAILS if found.certified else UNDECIDED}: {numbers}"


def _names(problem: Problem) -> tuple[str, ...]:
    own = tuple(f"w{place}" for place in range(1, int(problem.data.dimension) + 1))
    return (*own, *(("b",) if problem.network.offsets != "none" else ()), "sign")
