"""optimum: the law of least free energy on a box, with a proven lower bound: atoms, or with noise a Gibbs law."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from mfpde.configuration.sources import Source, experiment_of
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.results.answers.optimum import AtomicOptimum, GibbsOptimum
from mfpde.results.answers.signed import SignedOptimum
from mfpde.shell.progress import Progress, silent
from mfpde.studies.optimum.atoms import DEFAULT_RADIUS, optimum_atoms, refuse_atoms
from mfpde.studies.optimum.gibbs import gibbs_optimum, refuse_gibbs
from mfpde.studies.optimum.signed import is_signed, optimum_on_a_circle, refuse_signed
from mfpde.studies.run.output import kept, output_file


def optimum(
    source: Source,
    radius: float | None = None,
    *,
    output: str | Path | None = None,
    force: bool = False,
    progress: Progress = silent,
    **given: Any,
) -> AtomicOptimum | GibbsOptimum | SignedOptimum:
    """The law of least free energy.

    Args:
        source: a preset's name, the path of a TOML file, an experiment, or a problem made in Python.
        radius: R of the box 0 <= r_j <= R, -R <= a, b <= R; None for 10, with noise for a box that holds all the mass.
            There is none on a circle.
        output: JSON file; an existing one is kept unless `force`.
        given: overrides=, use=, and keys of [time], [solver] and [sgd], as `experiment_of` takes them.

    Raises:
        ConfigurationError: with noise but without confinement, or with a frozen random coordinate.
        ArithmeticError: if Psi is not finite on the box, or Newton's method fails.
        OutputError: `output` cannot be written.
    """
    configuration = experiment_of(source, **given)
    with output_file(output, force=force, kind="OUT.json", resumable=False) as path:
        if is_signed(build_problem(configuration)):
            return kept(optimum_on_a_circle(configuration, radius), path)
        if _without_noise(configuration):
            return kept(optimum_atoms(configuration, DEFAULT_RADIUS if radius is None else radius), path)
        return kept(gibbs_optimum(configuration, radius), path)


def refuse_optimum(configuration: Experiment) -> None:
    """Raise ConfigurationError with everything for which the optimum cannot be found."""
    problem = build_problem(configuration)
    if is_signed(problem):
        refuse_signed(problem, None)
    elif _without_noise(configuration):
        refuse_atoms(problem)
    else:
        refuse_gibbs(problem, None)


def _without_noise(configuration: Experiment) -> bool:
    return math.isinf(configuration.dynamics.inverse_temperature)
