"""Cells per axis of the schemes on grids."""

from __future__ import annotations

from mfpde.errors import ConfigurationError
from mfpde.experiment import Experiment
from mfpde.problem.problem import Problem

DEFAULT_CELLS = {1: 2048, 2: 128, 3: 48}
DIRAC_CELLS = {1: 4096, 2: 320, 3: 64}
"""Cells per axis where rho_0 is a Dirac mass, which a grid can only smear."""


def cell_counts(problem: Problem, configuration: Experiment) -> tuple[int, ...]:
    """Cells per axis asked for, or the default; ConfigurationError where no grid has so many axes."""
    dimension = problem.geometry.dimension
    if dimension > 3:
        raise ConfigurationError(
            [
                f"solver.scheme: a grid takes at most 3 reduced coordinates, this problem has {dimension} "
                f'({", ".join(problem.geometry.names)}); write scheme = "characteristics"'
            ]
        )
    default = DEFAULT_CELLS if problem.initial_law.labels else DIRAC_CELLS
    cells = configuration.solver.cells or (default[dimension],)
    return tuple(cells) * dimension if len(cells) == 1 else tuple(cells)
