"""margin: what gradient flows of a loss that falls for ever come to on classes that units can tell apart.

L. Chizat, F. Bach, Implicit bias of gradient descent for wide two-layer neural networks trained with the logistic loss,
COLT 2020: where all parameters move, the direction of largest margin over measures of variation 1; where only the
outputs move, that over functions of norm 1 of the kernel's space.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mfpde.configuration.sources import Source, experiment_of
from mfpde.errors import raise_mistakes
from mfpde.experiment import Experiment
from mfpde.problem.laws.finite_data import FiniteData
from mfpde.problem.laws.interface import DataLaw, LawWithin
from mfpde.problem.problem import Problem, build_problem
from mfpde.results.answers.samples.margin import KernelSide, Margins, VariationSide, sphere_kernel
from mfpde.shell.progress import Progress, silent
from mfpde.solvers.activations.activation import Activation
from mfpde.solvers.optimum.sphere.hilbert import kernel_margin
from mfpde.solvers.optimum.sphere.least import variation_margin
from mfpde.solvers.optimum.sphere.pricing import Slopes
from mfpde.studies.run.arithmetic import strict_arithmetic
from mfpde.studies.run.output import kept, output_file

ABOVE = 1e-7
"""How far gamma_2 may lie above the upper end of gamma_1, relative to it, by rounding."""


def margin(
    source: Source,
    *,
    output: str | Path | None = None,
    force: bool = False,
    progress: Progress = silent,
    **given: Any,
) -> Margins:
    """The largest margins gamma_1 by total variation and gamma_2 by the kernel, gamma_2 <= gamma_1.

    Args:
        source: a preset's name, the path of a TOML file, an experiment, or a problem made in Python.
        output: JSON file; an existing one is kept unless `force`.
        given: overrides=, use=, and keys of [time], [solver] and [sgd], as `experiment_of` takes them.

    Raises:
        ArithmeticError: gamma_2 > gamma_1, which is an error of one of them, or the linear programme fails.
        ConfigurationError: no finite set of samples in two classes, or units that are not homogeneous.
        OutputError: `output` cannot be written.
    """
    configuration = experiment_of(source, **given)
    refuse(configuration)
    with output_file(output, force=force, kind="OUT.json", resumable=False) as path, strict_arithmetic():
        progress("margins", 0.0)
        return kept(margins(build_problem(configuration)), path)


def refuse(configuration: Experiment) -> None:
    """Raise ConfigurationError where there are no classes, or no homogeneous units."""
    problem = build_problem(configuration)
    law, activation, messages = _samples(problem), problem.unit.activation, []
    if law is None or law.objective_loss.recession is None:
        words = "margins are those of samples in two classes under a loss that falls for ever"
        messages.append(f'data.law: {words}; write law = "dataset", loss = "logistic" and values of -1 and 1')
    if activation.homogeneity != 1.0:
        words = "margins need units with sigma(c u) = c sigma(u) for c > 0"
        messages.append(f'network.activation: {words}; write activation = "relu"')
    raise_mistakes(messages)


def margins(problem: Problem) -> Margins:
    """Both of them, with what reaches them."""
    law = _samples(problem)
    assert law is not None
    x, towards, offset = law.training[0], law.objective_loss.recession, problem.network.offsets != "none"
    assert towards is not None
    points = np.column_stack([x, np.ones(len(x))]) if offset else x
    classes, activation = np.sign(towards), problem.unit.activation
    slopes = slopes_of(activation)
    wide = variation_margin(points, classes, slopes)
    narrow = kernel_margin(sphere_kernel(slopes, points, points), classes)
    upper = wide.upper if wide.certified else max(wide.upper, narrow.lower)
    if not (narrow.lower <= upper * (1.0 + ABOVE)):
        raise ArithmeticError(f"the margin of the kernel, {narrow.lower:g}, exceeds that of the variation, {upper:g}")
    names = (*(f"w{place}" for place in range(1, x.shape[1] + 1)), *(("b",) if offset else ()))
    order = np.argsort(-np.abs(wide.coefficients), kind="stable")
    return Margins(
        names=(*names, "sign"),
        variation=VariationSide(
            lower=wide.lower,
            upper=upper,
            certified=wide.certified,
            positions=np.column_stack([wide.units, np.sign(wide.coefficients)])[order],
            weights=np.abs(wide.coefficients)[order],
        ),
        rkhs=KernelSide(narrow.lower, narrow.upper, narrow.weights),
        slopes=slopes,
        points=points,
        classes=classes,
    )


def slopes_of(activation: Activation) -> Slopes:
    """sigma' to the right of 0 and to the left, of a homogeneous unit."""
    right, left = activation.value(np.array([1.0, -1.0]))
    return float(right), -float(left)


def _samples(problem: Problem) -> FiniteData | None:
    """The finite set of samples that a problem is about."""
    law: DataLaw = problem.data
    while isinstance(law, LawWithin) and not isinstance(law, FiniteData):
        law = law.inner
    return law if isinstance(law, FiniteData) else None
