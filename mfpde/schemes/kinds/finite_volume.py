"""Finite volumes on a grid that the guide graded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mfpde.keys.declaration import key
from mfpde.keys.kinds import Number
from mfpde.keys.reader import Range
from mfpde.schemes.grids import (
    GridOptions,
    pair_on_grids,
    refined_cells,
    smearing,
    step_tolerance,
    too_many_coordinates,
)
from mfpde.schemes.interface import Reference, Refined, Refusal, SchemeKind, noisy, scheme

if TYPE_CHECKING:
    from mfpde.experiment import Experiment
    from mfpde.problem.problem import Problem
    from mfpde.schemes.pair import Pair
    from mfpde.solvers.arrays import Array
    from mfpde.solvers.objective.objective import Objective
    from mfpde.solvers.space.box import Box
    from mfpde.solvers.space.grid import Grid
    from mfpde.solvers.space.trails import Trails

NOISY_TOLERANCE = {1: 1e-5, 2: 5e-4, 3: 1e-3}
"""Tolerance of a noisy step at the default cells."""


@dataclass(frozen=True)
class FiniteVolumeOptions(GridOptions):
    """What finite volumes read of [solver]."""

    courant: float | None = key(
        None,
        Number(Range(1e-6, 1.0), fallback=0.5),
        "largest part of a cell's mass that may leave it in one step",
    )


@scheme("finite-volume")
class FiniteVolumeKind(SchemeKind):
    """Masses of the cells of a graded grid under upwind fluxes, see `pair_on_grids` for its errors."""

    Options = FiniteVolumeOptions
    place = 1
    less = "fewer solver.cells"
    by_default = True
    oracle = 1
    knows_dissipation = True
    straight = True
    convex = True

    def refusals(self, problem: Problem, experiment: Experiment) -> list[Refusal]:
        return super().refusals(problem, experiment) + too_many_coordinates(problem)

    def rehearsal(self) -> Callable[[], object]:
        import numpy as np

        from mfpde.solvers.finite_volume.finite_volume import FiniteVolume
        from mfpde.solvers.flow.flow import Flow
        from mfpde.solvers.objective.losses.square import SquareLoss
        from mfpde.solvers.objective.objective import DenseFeatures, Objective
        from mfpde.solvers.space.axis import Line
        from mfpde.solvers.space.geometry import Geometry
        from mfpde.solvers.space.grid import grid_from_edges

        class Place(DenseFeatures):
            rank = dimension = 1

            def values(self, points: Array) -> Array:
                return points

        def step() -> None:
            toy = Objective(Place(), SquareLoss(np.ones(1), np.ones(1)))  # type: ignore[arg-type]
            grid = grid_from_edges((np.linspace(0.0, 1.0, 9),), (False,))
            scheme = FiniteVolume(toy, Geometry.of({"z": Line()}), Flow(), grid, np.ones(8))
            scheme.advance(scheme.initial_state(), 1.0)

        return step

    def turns(self, problem: Problem) -> bool:
        return not noisy(problem)

    def reservations(self, problem: Problem) -> list[str]:
        return smearing(problem)

    def pair(self, problem: Problem, experiment: Experiment, guide: Trails, box: Box) -> Pair:
        from mfpde.solvers.finite_volume.finite_volume import FiniteVolume
        from mfpde.solvers.finite_volume.finite_volume import FiniteVolumeOptions as Steps

        asked: FiniteVolumeOptions = self.options(experiment.solver)
        options = Steps(order=asked.order)
        if asked.courant is not None:
            options = replace(options, courant=asked.courant)
        extended = sum(not axis.discrete for axis in problem.geometry.axes)
        noisy_tolerance = step_tolerance(problem, asked.cells, NOISY_TOLERANCE[extended])

        def make(objective: Objective, grid: Grid, masses: Array, coarser: float) -> FiniteVolume:
            fitting = replace(
                options, tolerance=coarser**2 * options.tolerance, noisy_tolerance=coarser**2 * noisy_tolerance
            )
            return FiniteVolume(objective, problem.geometry, problem.flow, grid, masses, fitting)

        return pair_on_grids(problem, experiment, guide, box, make)

    def refined(self, problem: Problem, experiment: Experiment, level: int) -> Refined:
        return refined_cells(problem, experiment, level)

    def reference(self, problem: Problem, experiment: Experiment, levels: int, refined: bool) -> Reference:
        finest = self.refined(problem, experiment, levels)
        return Reference(
            f"{self.name}, {finest.resolution:.0f} cells", "the finest grid refined once more", finest.solver
        )
