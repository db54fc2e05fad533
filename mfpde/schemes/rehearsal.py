"""What a first run compiles, on toys; see `mfpde.shell.ahead`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mfpde.schemes.choice import scheme_of
from mfpde.shell.ahead import compile_ahead

if TYPE_CHECKING:
    from mfpde.experiment import Experiment


def compile_scheme(experiment: Experiment) -> None:
    """Let another process compile the scheme of this experiment and its tables; this one begins with the features.

    What the features themselves compile comes before either, and is left to this process.
    """
    # what the two processes share must be imported before they part
    import mfpde.solvers.objective.table.feature_table  # noqa: F401

    kind = scheme_of(experiment)
    compile_ahead(kind.name, kind.rehearsal(), rehearse_table)


def rehearse_table() -> None:
    """A table of one cell, asked for everything; last for what a run asks first."""
    import numpy as np

    from mfpde.solvers.objective.table.feature_table import FeatureTable

    edges, ones = np.array([0.0, 1.0]), np.ones(2)
    table = FeatureTable((edges, edges), 1, np.ones((2, 2, 2)), 1.0, 0.0, 0.0, ones, ones, ones)
    points = np.full((3, 2), 0.5)
    table.contract(points, ones)
    table.outputs(points, np.ones(3))
    table.values(points)
    table.values_and_gradients(points)
