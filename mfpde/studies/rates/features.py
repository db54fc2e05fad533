"""Random features: the least risk over the outputs of n units with drawn directions, by medians over draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.bounds import Exponent
from mfpde.results.answers.samples.rates import RandomFeatures
from mfpde.solvers.arrays import Array
from mfpde.solvers.networks.random_features import least_risks
from mfpde.studies.bounds.fits import FAILS, HOLDS, TOLERANCE, UNDECIDED, positive_slopes

RESAMPLES = 1000
STREAM = 2**31
"""From which on the streams of random numbers are those of directions."""
LEVELS = (0.025, 0.975)
RESOLVED = 1e-12
"""Share of E|f*|^2 below which a risk is rounding."""


def random_features(experiment: Experiment, neurons: Sequence[int], replicas: int) -> RandomFeatures | str:
    """Medians of the least risks of uniform directions, and their slope in n; or why there are none, in words."""
    problem, dimension = build_problem(experiment), experiment.data.dimension
    rows = problem.data.represented(problem.unit) if np.isfinite(dimension) else None
    if rows is None:
        return "data.law: the target is no sum of neurons of this kind on Gaussian inputs without offset"
    w, a, b = problem.unit.parted(rows)
    if problem.unit.has_offset and np.any(b):
        return 'network.offsets: random features have directions alone; write offsets = "none"'
    if getattr(experiment.data, "spherical", False) and problem.unit.activation.homogeneity != 1.0:
        return 'data.inputs: random features have closed kernels on Gaussian inputs; write inputs = "gaussian"'
    counts, d = sorted(set(neurons)), int(dimension)
    found = np.empty((replicas, len(counts)))
    weights = (a if problem.unit.has_coefficient else np.ones(len(w))) / len(w)
    for replica in range(replicas):
        random = np.random.Generator(np.random.Philox(key=(experiment.sgd.seed, STREAM + replica)))
        features = random.standard_normal((counts[-1], d))
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        found[replica] = least_risks(problem.unit.activation, features, w, weights, counts)
    found = np.maximum(found, RESOLVED * found.max())
    chosen = np.random.default_rng(0).integers(replicas, size=(RESAMPLES, replicas))
    medians = np.vstack([np.median(found, axis=0), np.median(found[chosen], axis=1)])
    slopes, x = positive_slopes(np.array(counts, dtype=float), medians), np.array(counts, dtype=float)
    low, high = np.quantile(medians[1:], LEVELS, axis=0)
    reference = -3.0 / (d - 1.0) if problem.unit.activation.homogeneity == 1.0 and d > 1 else np.nan
    exponent = _exponent(slopes) if replicas > 1 else Exponent(float(slopes[0]), np.nan, np.nan)
    trained = abs(float(least_risks(problem.unit.activation, w, w, weights, [len(w)])[0]))
    return RandomFeatures(x, medians[0], low, high, exponent, reference, d, len(w), trained)


def _exponent(slopes: Array) -> Exponent:
    low, high = np.quantile(slopes[1:], LEVELS)
    return Exponent(float(slopes[0]), float(low), float(high))


def trained_judged(found: RandomFeatures, constant: float) -> str:
    """Whether neurons that find their places do no worse than independent ones, the constant over their number."""
    bound = constant / found.teachers
    numbers = f"risk {found.trained:.2g} of {found.teachers} neurons, bound {bound:.4g}"
    return f"{HOLDS if found.trained <= bound else FAILS}: {numbers}"


def judged(found: RandomFeatures) -> str:
    """Whether the slope is that of the theory, on both sides; few features in many dimensions fall faster at first."""
    slope, reference = found.exponent, found.reference
    claim = f"(theory: slope {reference:.3g})"
    if not np.isfinite(reference):
        return f"{UNDECIDED}: a slope is known for units that are homogeneous of degree one, from two dimensions on"
    if not np.isfinite(slope.low):
        return f"{UNDECIDED}: write --replicas 20 and several --neurons {claim}"
    numbers = f"slope {slope.value:.2f}, 95 % interval [{slope.low:.2f}, {slope.high:.2f}]"
    if slope.high + TOLERANCE < reference:
        return f"{UNDECIDED}: {numbers}, steeper than where n is large; write larger --neurons {claim}"
    return f"{HOLDS if slope.low - TOLERANCE <= reference else FAILS}: {numbers} {claim}"
