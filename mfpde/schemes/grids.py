"""What the schemes on grids share: cells per axis, a run beside two coarser ones, and what no grid can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mfpde.keys.declaration import key
from mfpde.keys.kinds import Integer
from mfpde.schemes.choice import most_trusted
from mfpde.schemes.interface import Refined, Refusal, noisy
from mfpde.schemes.memory import refuse_cells
from mfpde.schemes.options import PerCoordinate

if TYPE_CHECKING:
    from mfpde.experiment import Experiment
    from mfpde.problem.problem import Problem
    from mfpde.schemes.pair import Pair
    from mfpde.solvers.arrays import Array
    from mfpde.solvers.flow.time_loop import Scheme
    from mfpde.solvers.objective.objective import Objective
    from mfpde.solvers.objective.representation import ReducedObjective
    from mfpde.solvers.space.box import Box
    from mfpde.solvers.space.grid import Grid
    from mfpde.solvers.space.trails import Trails

Maker = Callable[["Objective", "Grid", "Array", float], "Scheme"]
"""A scheme from an objective, a grid, the masses of its cells, and how much coarser than asked its steps are."""

DEFAULT_CELLS = {1: 2048, 2: 128, 3: 48}
DIRAC_CELLS = {1: 4096, 2: 320, 3: 64}
"""Cells per axis where rho_0 is a Dirac mass, which a grid can only smear."""
CIRCLE_CELLS = 512
"""Most cells of a circle then: they are right to 1e-5 in the risk, and eight times as many take minutes."""
COARSEST_CELLS = {1: 128, 2: 32, 3: 12}
"""Cells per axis of the coarsest level of a refinement; every level doubles them."""
FEWEST_CELLS = 4
"""Cells per axis of the runs beside; where these would be fewer they are finer than the main one."""
LARGEST_DIMENSION = 3
LARGEST_TOLERANCE = 4e-3
"""Of a noisy step, however coarse the grid."""
NARROW = 1e-3
"""Standard deviation, over the place or 1, of a coordinate that no grid resolves once it moves."""


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


def smearing(problem: Problem) -> list[str]:
    """Why a grid is a poor choice without noise: rho_0 has no density in coordinates that move."""
    law, geometry = problem.initial_law, problem.geometry
    if noisy(problem) or not problem.flow.transport:
        return []
    mean, deviation = law.moments
    narrow = np.array(geometry.mobile) & (law.atomic | (deviation <= NARROW * np.maximum(1.0, np.abs(mean))))
    return _smeared(problem, narrow, "a grid smears rho_0, which is a point (or nearly one) in")


def _smeared(problem: Problem, narrow: NDArray[np.bool_], words: str) -> list[str]:
    """The smearing of narrow coordinates, in these words, or of a law without a density."""
    names = [name for name, held in zip(problem.geometry.names, narrow, strict=True) if held]
    if names:
        return [f"{words} {', '.join(names)}"]
    pairs = zip(problem.geometry.names, problem.geometry.axes, strict=True)
    extended = [name for name, axis in pairs if not axis.discrete]
    if problem.initial_law.spread < len(extended) and problem.flow.transport:
        return [f"a grid smears rho_0, which has no density in ({', '.join(extended)})"]
    return []


def cell_counts(problem: Problem, cells: tuple[int, ...] | None) -> tuple[int, ...]:
    """Cells per axis asked for, or the default."""
    dimension = problem.geometry.dimension
    extended = sum(not axis.discrete for axis in problem.geometry.axes)
    default = DEFAULT_CELLS if problem.initial_law.spread else DIRAC_CELLS
    smeared = not problem.initial_law.spread and problem.geometry.periodic.any()
    cells = cells or (min(default[extended], CIRCLE_CELLS) if smeared else default[extended],)
    return tuple(cells) * dimension if len(cells) == 1 else tuple(cells)


def laid_out(problem: Problem, counts: tuple[int, ...]) -> tuple[int, ...]:
    """Cells per axis of the grid itself, where signs have two, whatever is asked for."""
    return tuple(2 if axis.discrete else count for axis, count in zip(problem.geometry.axes, counts, strict=True))


def step_tolerance(problem: Problem, cells: tuple[int, ...] | None, at_default: float) -> float:
    """Tolerance of a noisy step on the cells asked for: it falls with their width squared, the step with the width."""
    extended = sum(not axis.discrete for axis in problem.geometry.axes)
    relative = max(cell_counts(problem, cells)) / DEFAULT_CELLS[extended]
    return min(LARGEST_TOLERANCE, at_default / relative**2)


TELLING = 0.1
"""Mass past the ends of a grid, over the error that its features leave, below which it says nothing."""
ALIGNED = 1e-9
"""Distance of a kink from a face, in cells, and slope of its plane, that are none."""


def pair_on_grids(
    problem: Problem, experiment: Experiment, guide: Trails, box: Box, make: Maker, fixed_step: float | None = None
) -> Pair:
    """A scheme on the cells of a grid, beside it on half and on a quarter of them per axis.

    Steps coarsen with the cells, and features are others, so that no error is shared. Where the errors of two grids are
    alike their difference says nothing; then that to the quarter does, by the share that an error of the scheme's order
    leaves of it. Grids that smear rho_0 are all wrong: without noise the most trusted scheme runs beside the main one.
    """
    from mfpde.problem.marginals import ATOM_CELLS
    from mfpde.schemes.guide import spread_guide, visited_box
    from mfpde.schemes.pair import Pair, described, dissipation_floor_of, error_floor_of
    from mfpde.solvers.space.grid import graded_grid

    solver, visited = experiment.solver, guide
    if noisy(problem):
        visited = spread_guide(problem, guide)
        box = visited_box(problem, visited)
    counts = cell_counts(problem, solver.cells)
    accuracy = 0.03 * solver.tolerance
    reduced = problem.represent("compressed", box, accuracy)
    better = problem.represent("compressed", box, accuracy, reduced).objective

    def fewer(ratio: int) -> tuple[int, ...]:
        return tuple(count // ratio if count // ratio >= FEWEST_CELLS else count * ratio for count in counts)

    refuse_cells([laid_out(problem, cells) for cells in (counts, fewer(2), fewer(4))], reduced.rank)

    def beside(ratio: int) -> Scheme:
        cells = fewer(ratio)
        coarser = graded_grid(visited, problem.geometry, cells)
        return make(better, coarser, starting_masses(problem, coarser), max(counts) / max(cells))

    grid = graded_grid(visited, problem.geometry, counts)
    masses = starting_masses(problem, grid)
    floor = error_floor_of(reduced, guide)
    floor += past_the_ends(problem, reduced, grid, masses, TELLING * floor)
    words = described(reduced, floor) | {"cells": " x ".join(map(str, grid.shape))}
    rates = dissipation_floor_of(reduced, problem, guide, floor)
    pair = Pair(make(reduced.objective, grid, masses, 1.0), None, floor, (), words, fixed_step, rates)
    width = _cells_at_start(problem, grid)
    signs = np.array([axis.discrete for axis in problem.geometry.axes])
    narrow = ~signs & (problem.initial_law.atomic | (problem.initial_law.moments[1] < width))
    bent = _oblique(problem, grid)
    notes = tuple(_smeared(problem, narrow, "the grid smears rho_0, which is a point or narrower than a cell in"))
    if notes and not noisy(problem):
        trusted = most_trusted(problem, experiment, guide, box)
        return replace(
            pair,
            companion=trusted.main,
            further=() if trusted.companion is None else ((trusted.companion, 1.0),),
            notes=notes + bent,
            error_floor=floor + trusted.error_floor,
            dissipation_floor=rates + trusted.dissipation_floor,
        )
    if notes:
        smear = ATOM_CELLS * float(np.max(width[narrow] if narrow.any() else width))
        forgotten = problem.flow.inverse_temperature * smear**2
        pair = replace(pair, notes=(f"{notes[0]}: its free energy is not known",), energy_from=forgotten)
    return replace(
        pair, notes=pair.notes + bent, companion=beside(2), further=((beside(4), 0.5 ** (solver.order or 2)),)
    )


def starting_masses(problem: Problem, grid: Grid) -> Array:
    """rho_0 on the cells of a grid; what lies past the cut of a circle, by up to a turn, is brought back."""
    from mfpde.solvers.space.grid import brought_back

    periods = [axis.period for axis in problem.geometry.axes]
    return brought_back(problem.initial_law.cell_masses(grid.longer(periods)), periods)


def past_the_ends(problem: Problem, reduced: ReducedObjective, grid: Grid, masses: Array, most: float) -> float:
    """What R of rho_0 changes by with its mass past the ends of a grid, if that is more than `most`.

    It is counted in the outermost cells, those of coarser grids too; left out altogether it is a larger error.

    Args:
        masses: of the cells, what is past the ends included.
    """
    law, within = problem.initial_law, masses.copy()
    for axis in np.flatnonzero(~problem.geometry.periodic).tolist():
        lines = np.moveaxis(within, axis, 0)
        for end, past in zip((0, -1), law.mass_beyond(grid, axis), strict=True):
            held = lines[end].sum()
            if past > 0.0 and held > 0.0:
                lines[end] *= 1.0 - min(1.0, law.mass * past / held)
    total, left = masses.sum(), within.sum()
    if not (total - left > most):
        return 0.0
    points, objective = grid.points, reduced.objective
    risks = [objective.risk(objective.outputs(points, held.ravel())) for held in (masses, within * (total / left))]
    return abs(risks[0] - risks[1])


def _oblique(problem: Problem, grid: Grid) -> tuple[str, ...]:
    """What is to be said of kinks of Psi that lie on no faces of the grid."""
    if problem.kinks is None:
        return ()
    count = total = 0
    for normal, offset in zip(problem.kinks.normals, problem.kinks.offsets, strict=True):
        (axes,) = np.nonzero(np.abs(normal) > ALIGNED)
        places = grid.edges[axes[0]] - offset / normal[axes[0]]
        if len(axes) == 1 and not (places[0] <= 0.0 < places[-1]):
            continue
        total += 1
        count += len(axes) > 1 or not np.any(np.abs(places) <= ALIGNED * grid.widths[axes[0]].max())
    words = f"of the {total} planes where Psi has kinks {count} lie on no faces of the cells"
    return (f"{words}: mass that sticks to them is spread over a cell or two",) if count else ()


def _cells_at_start(problem: Problem, grid: Grid) -> Array:
    """Width of the cell about the mean of rho_0 per axis, 0 for an axis of one cell."""
    mean = problem.initial_law.moments[0]
    found = np.zeros(len(grid.shape))
    for axis, width in enumerate(grid.widths):
        cell = int(np.clip(np.searchsorted(grid.edges[axis], mean[axis]) - 1, 0, len(width) - 1))
        found[axis] = width[cell] if len(width) > 1 else 0.0
    return found


def refined_cells(problem: Problem, experiment: Experiment, level: int) -> Refined:
    """Cells, those asked for or `COARSEST_CELLS`, doubled `level` times: steps are halved with them."""
    coarsest = experiment.solver.cells or (COARSEST_CELLS[problem.geometry.dimension],)
    cells = tuple(count * 2**level for count in coarsest)
    return Refined("cells", float(cells[0]), experiment.solver.having(cells=cells))
