"""Finite volumes on a grid that the guide graded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mfpde.keys.declaration import key
from mfpde.keys.kinds import Number
from mfpde.keys.reader import Range
from mfpde.schemes.grids import DEFAULT_CELLS, GridOptions, cell_counts, refined_cells, too_many_coordinates
from mfpde.schemes.interface import Reference, Refined, Refusal, SchemeKind, noisy, scheme

if TYPE_CHECKING:
    from mfpde.experiment import Experiment
    from mfpde.problem.problem import Problem
    from mfpde.schemes.pair import Pair
    from mfpde.solvers.space.box import Box
    from mfpde.solvers.space.grid import Grid
    from mfpde.solvers.space.trails import Trails

NOISY_TOLERANCE = {1: 1e-5, 2: 5e-4, 3: 1e-3}
"""Tolerance of a noisy step at the default cells; it falls with the cells' width squared, the step with the width."""


@dataclass(frozen=True)
class FiniteVolumeOptions(GridOptions):
    """What finite volumes read of [solver]."""

    courant: float | None = key(
        None,
        Number(Range(0.0, 1.0, low_open=True), fallback=0.5),
        "largest part of a cell's mass that may leave it in one step",
    )


@scheme("finite-volume")
class FiniteVolumeKind(SchemeKind):
    """Masses of the cells of a graded grid under upwind fluxes; the companion has half as many cells per axis."""

    Options = FiniteVolumeOptions
    place = 1
    by_default = True
    oracle = 1
    knows_dissipation = True
    straight = True

    def refusals(self, problem: Problem, experiment: Experiment) -> list[Refusal]:
        return super().refusals(problem, experiment) + too_many_coordinates(problem)

    def pair(self, problem: Problem, experiment: Experiment, guide: Trails, box: Box) -> Pair:
        from mfpde.schemes.guide import spread_guide, visited_box
        from mfpde.schemes.pair import Pair, described, dissipation_floor_of, error_floor_of
        from mfpde.solvers.finite_volume.finite_volume import FiniteVolume
        from mfpde.solvers.finite_volume.finite_volume import FiniteVolumeOptions as Steps
        from mfpde.solvers.space.grid import graded_grid

        asked: FiniteVolumeOptions = self.options(experiment.solver)
        dimension = problem.geometry.dimension
        counts = cell_counts(problem, asked.cells)
        visited = spread_guide(problem, guide) if noisy(problem) else guide
        box = visited_box(problem, visited) if noisy(problem) else box
        reduced = problem.represent("grid", box, 0.1 * experiment.solver.tolerance)
        options = Steps(order=asked.order)
        if asked.courant is not None:
            options = replace(options, courant=asked.courant)

        def on_grid(grid: Grid) -> FiniteVolume:
            masses = problem.initial_law.cell_masses(grid)
            relative = max(grid.shape) / DEFAULT_CELLS[dimension]
            fitting = replace(options, noisy_tolerance=min(4e-3, NOISY_TOLERANCE[dimension] / relative**2))
            return FiniteVolume(reduced.objective, problem.geometry, problem.flow, grid, masses, fitting)

        main = on_grid(graded_grid(visited, problem.geometry, counts))
        companion = on_grid(graded_grid(visited, problem.geometry, tuple(max(8, count // 2) for count in counts)))
        notes = () if problem.initial_law.labels else ("rho_0 is a Dirac mass: deposited on the nearest cells",)
        words = described(reduced) | {"cells": " x ".join(map(str, main.grid.shape))}
        dissipation_floor = dissipation_floor_of(reduced, problem, guide)
        return Pair(main, companion, error_floor_of(reduced, guide), notes, words, dissipation_floor=dissipation_floor)

    def refined(self, problem: Problem, experiment: Experiment, level: int) -> Refined:
        return refined_cells(problem, experiment, level)

    def reference(self, problem: Problem, experiment: Experiment, levels: int, refined: bool) -> Reference:
        finest = self.refined(problem, experiment, levels)
        return Reference(
            f"{self.name}, {finest.resolution:.0f} cells", "the finest grid refined once more", finest.solver
        )
