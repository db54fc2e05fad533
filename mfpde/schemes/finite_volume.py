"""Finite volumes on a grid that the guide graded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mfpde.experiment import Experiment
from mfpde.problem.problem import Problem
from mfpde.schemes.cells import DEFAULT_CELLS, cell_counts
from mfpde.schemes.guide import spread_guide, visited_box
from mfpde.schemes.pair import Schemes, described, error_floor_of
from mfpde.solvers.finite_volume.finite_volume import FiniteVolume, FiniteVolumeOptions
from mfpde.solvers.space.box import Box
from mfpde.solvers.space.grid import Grid, Guide, graded_grid

NOISY_TOLERANCE = {1: 1e-5, 2: 5e-4, 3: 1e-3}
"""Tolerance of a noisy step at the default cells; it falls with the cells' width squared, the step with the width."""


def finite_volume(problem: Problem, configuration: Experiment, guide: Guide, box: Box) -> Schemes:
    solver = configuration.solver
    dimension = problem.geometry.dimension
    counts = cell_counts(problem, configuration)
    noisy = np.isfinite(problem.flow.inverse_temperature)
    visited = spread_guide(problem, guide) if noisy else guide
    box = visited_box(problem, visited) if noisy else box
    reduced = problem.represent("grid", box, 0.1 * solver.tolerance)
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
