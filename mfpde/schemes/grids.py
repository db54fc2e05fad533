"""What the schemes on grids share: cells per axis, their refinement, and what no grid can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mfpde.keys.declaration import key
from mfpde.keys.kinds import Integer
from mfpde.schemes.interface import Refined, Refusal
from mfpde.schemes.options import PerCoordinate

if TYPE_CHECKING:
    from mfpde.experiment import Experiment
    from mfpde.problem.problem import Problem

DEFAULT_CELLS = {1: 2048, 2: 128, 3: 48}
DIRAC_CELLS = {1: 4096, 2: 320, 3: 64}
"""Cells per axis where rho_0 is a Dirac mass, which a grid can only smear."""
COARSEST_CELLS = {1: 128, 2: 32, 3: 12}
"""Cells per axis of the coarsest level of a refinement; every level doubles them."""
LARGEST_DIMENSION = 3


@dataclass(frozen=True)
class GridOptions:
    """What the schemes on grids read of [solver]."""

    cells: tuple[int, ...] | None = key(
        None, PerCoordinate(2, 10**7, "[128, 128]"), "cells per reduced coordinate; one number stands for all"
    )
    order: int = key(2, Integer(1, 2), "order of the reconstruction and of the time step")


def too_many_coordinates(problem: Problem) -> list[Refusal]:
    """The refusal of more axes than a grid has."""
    names = problem.geometry.names
    if len(names) <= LARGEST_DIMENSION:
        return []
    words = f"a grid takes at most {LARGEST_DIMENSION} reduced coordinates, this problem has {len(names)}"
    return [Refusal("solver.scheme", f"{words} ({', '.join(names)})", subject="so many coordinates")]


def cell_counts(problem: Problem, cells: tuple[int, ...] | None) -> tuple[int, ...]:
    """Cells per axis asked for, or the default."""
    dimension = problem.geometry.dimension
    default = DEFAULT_CELLS if problem.initial_law.labels else DIRAC_CELLS
    cells = cells or (default[dimension],)
    return tuple(cells) * dimension if len(cells) == 1 else tuple(cells)


def refined_cells(problem: Problem, experiment: Experiment, level: int) -> Refined:
    """Cells, those asked for or `COARSEST_CELLS`, doubled `level` times: steps are halved with them."""
    coarsest = experiment.solver.cells or (COARSEST_CELLS[problem.geometry.dimension],)
    cells = tuple(count * 2**level for count in coarsest)
    return Refined("cells", float(cells[0]), experiment.solver.having(cells=cells))
