"""What a first run compiles, on toys; see `mfpde.shell.ahead`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mfpde.schemes.choice import scheme_of
from mfpde.shell.ahead import compile_ahead

if TYPE_CHECKING:
    from mfpde.experiment import Experiment


def compile_scheme(experiment: Experiment) -> None:
    """Let another process compile the scheme of this experiment and its tables; this one begins with the features.

    What the features compile comes before either, so that most of it is left to this process.
    """
    kind = scheme_of(experiment)
    compile_ahead(kind.name, kind.rehearsal(), rehearse_table, rehearse_steps, lambda: rehearse_features(experiment))


def rehearse_features(experiment: Experiment) -> None:
    """What is asked of features at the end of their set-up, of a few atoms."""
    import numpy as np

    from mfpde.problem.problem import build_problem

    problem = build_problem(experiment)
    points = problem.initial_law.sample(8, seed=0)
    objective = problem.objective_about(points)
    outputs = objective.outputs(points, np.full(8, 0.125))
    objective.features.contract(points, objective.loss_gradient(outputs))


def rehearse_steps() -> None:
    """A step of the characteristics that show where a law goes."""
    import numpy as np

    from mfpde.solvers.flow.dop853 import Dop853

    Dop853(lambda places, out: np.negative(places, out), 0.0, np.ones(2), 1.0).step()


def rehearse_table() -> None:
    """A table of one cell, asked for everything; last for what a run asks first."""
    import numpy as np

    from mfpde.solvers.objective.table.feature_table import FeatureTable
    from mfpde.solvers.objective.table.kernels import POINT_BLOCK

    edges, ones = np.array([0.0, 1.0]), np.ones(2)
    table = FeatureTable((edges, edges), 1, np.ones((2, 2, 2)), 1.0, 0.0, 0.0, ones, ones, ones)
    few = np.full((2, 2), 0.5)
    table.contract(few, ones)
    table.outputs(few, ones)
    # more than one thread would take, so that their sharing is compiled, too
    points = np.full((POINT_BLOCK + 1, 2), 0.5)
    table.values(points)
    table.values_and_gradients(points)
