"""Schemes that carry the law on the cells of a grid: finite volumes, minimising movements with noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mfpde.configuration import Configuration, ConfigurationError
from mfpde.problem import Problem
from mfpde.reduction.interface import Box
from mfpde.schemes.choice import Schemes, described, error_floor_of
from mfpde.schemes.guide import spread_guide, visited_box
from mfpde.solvers.finite_volume import FiniteVolume, FiniteVolumeOptions
from mfpde.solvers.grid import Grid, Guide, graded_grid
from mfpde.solvers.jko_grid import GridJko, GridJkoOptions

DEFAULT_CELLS = {1: 2048, 2: 128, 3: 48}
DIRAC_CELLS = {1: 4096, 2: 320, 3: 64}
"""Cells per axis where rho_0 is a Dirac mass, which a grid can only smear."""
NOISY_TOLERANCE = {1: 1e-5, 2: 5e-4, 3: 1e-3}
"""Tolerance of a noisy step at the default cells; it falls with the cells' width squared, the step with the width."""


def finite_volume(problem: Problem, configuration: Configuration, guide: Guide, box: Box) -> Schemes:
    solver = configuration.solver
    dimension = problem.geometry.dimension
    counts = _cell_counts(problem, configuration)
    noisy = np.isfinite(problem.flow.inverse_temperature)
    visited = spread_guide(problem, guide) if noisy else guide
    box = visited_box(problem, visited) if noisy else box
    reduced = problem.reduction.for_grid(box, 0.1 * solver.tolerance)
    options = FiniteVolumeOptions()
    if solver.courant is not None:
        options = replace(options, courant=solver.courant)
    if solver.order is not None:
        options = replace(options, order=solver.order)

    def on_grid(grid: Grid) -> FiniteVolume:
        masses = problem.initial_law.cell_masses(grid)
        relative = max(grid.shape) / DEFAULT_CELLS[dimension]
        fitting = replace(options, noisy_tolerance=min(4e-3, NOISY_TOLERANCE[dimension] / relative**2))
        return FiniteVolume(reduced.objective, problem.geometry, problem.flow, grid, masses, fitting)

    main = on_grid(graded_grid(visited, problem.geometry, counts))
    companion = on_grid(graded_grid(visited, problem.geometry, tuple(max(8, count // 2) for count in counts)))
    notes = () if problem.initial_law.labels else ("rho_0 is a Dirac mass: deposited on the nearest cells",)
    words = described(reduced) | {"cells": " x ".join(map(str, main.grid.shape))}
    return Schemes(main, companion, error_floor_of(reduced, guide), notes, words)


def jko_on_grid(problem: Problem, configuration: Configuration, guide: Guide, box: Box) -> Schemes:
    """Minimising movements with noise on the cells of a grid, and with half as many cells beside them."""
    solver = configuration.solver
    counts = _cell_counts(problem, configuration)
    visited = spread_guide(problem, guide)
    reduced = problem.reduction.for_grid(visited_box(problem, visited), 0.1 * solver.tolerance)

    def on_grid(cells: tuple[int, ...], coarser: float) -> GridJko:
        grid = graded_grid(visited, problem.geometry, cells)
        relative = max(grid.shape) / DEFAULT_CELLS[problem.geometry.dimension]
        options = GridJkoOptions(
            order=2 if solver.order is None else solver.order,
            step=None if solver.step is None else coarser * solver.step,
            tolerance=min(4e-3, 1e-4 / relative**2),
        )
        masses = problem.initial_law.cell_masses(grid)
        return GridJko(reduced.objective, problem.geometry, problem.flow, grid, masses, options)

    main, companion = on_grid(counts, 1.0), on_grid(tuple(max(8, count // 2) for count in counts), 2.0)
    words = described(reduced) | {"cells": " x ".join(map(str, main.grid.shape))}
    return Schemes(main, companion, error_floor_of(reduced, guide), (), words, solver.step)


def _cell_counts(problem: Problem, configuration: Configuration) -> tuple[int, ...]:
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
