"""Minimising movements, on atoms and on the cells of a grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mfpde.schemes.grids import GridOptions, pair_on_grids, refined_cells, step_tolerance, too_many_coordinates
from mfpde.schemes.interface import Refined, Refusal, SchemeKind, noisy, scheme, too_many_labels
from mfpde.schemes.options import AtomOptions

if TYPE_CHECKING:
    from mfpde.experiment import Experiment
    from mfpde.problem.problem import Problem
    from mfpde.schemes.pair import Pair
    from mfpde.solvers.arrays import Array
    from mfpde.solvers.characteristics.characteristics import LabelLaw
    from mfpde.solvers.jko.atoms.jko import Jko
    from mfpde.solvers.jko.grid.jko import GridJko
    from mfpde.solvers.objective.objective import FeatureMap, Objective
    from mfpde.solvers.objective.table.feature_table import FeatureTable
    from mfpde.solvers.space.box import Box
    from mfpde.solvers.space.geometry import Geometry
    from mfpde.solvers.space.grid import Grid
    from mfpde.solvers.space.trails import Trails

JKO_NODES = 60_000
"""Most nodes of a table made for proximal maps."""
MOST_COORDINATES = 4
"""Coordinates of such a table."""
LEAST_END = 1e-12
COARSEST_STEPS = 256
"""Steps of the coarsest run of a refinement; every level doubles them."""
NOISY_TOLERANCE = 1e-4
"""Tolerance of a step on a grid of the default cells."""
STEP_TOLERANCE = 1e-7
"""Tolerance of the parts that are not refined, so that the step shows."""


@dataclass(frozen=True)
class JkoOptions(GridOptions, AtomOptions):
    """What minimising movements read of [solver]: cells with noise, atoms without."""


@scheme("jko")
class JkoKind(SchemeKind):
    """Steps that minimise W2^2 / (2 tau) + F / 2: on atoms without noise, on the cells of a grid with it."""

    Options = JkoOptions
    unshared = ("atoms",)
    place = 2
    less = "fewer solver.cells (with noise) or solver.atoms (without)"
    knows_dissipation = True
    straight = True
    convex = True
    refines_steps = True

    def refusals(self, problem: Problem, experiment: Experiment) -> list[Refusal]:
        own = too_many_coordinates(problem) if noisy(problem) else [*too_many_labels(problem), *_beyond_tables(problem)]
        if _on_branches(problem) and not problem.flow.mobility.even:
            words = "movements that land on kinks have one metric for all that moves"
            own.append(Refusal("dynamics.mobility", words, "numbers that are 0 or 1", "unequal mobilities"))
        if not noisy(problem) and not problem.flow.confinement(problem.geometry).bends_everywhere:
            words = "proximal maps of atoms need a potential that bends everywhere: no path, no power below 2"
            own.append(Refusal("dynamics.penalty", words, "a power of 2 or more", "such penalties"))
        return super().refusals(problem, experiment) + own

    def turns(self, problem: Problem) -> bool:
        return not noisy(problem)

    def pair(self, problem: Problem, experiment: Experiment, guide: Trails, box: Box) -> Pair:
        if _on_branches(problem):
            return _on_kinks(problem, experiment, self.options(experiment.solver), guide, box)
        make = _on_grid if noisy(problem) else _on_atoms
        return make(problem, experiment, self.options(experiment.solver), guide, box)

    def refined(self, problem: Problem, experiment: Experiment, level: int) -> Refined:
        """On atoms half the step, on a grid twice the cells, which halves the steps as well."""
        solver = experiment.solver
        end = problem.flow.schedule.flow_time(experiment.time.end)
        if noisy(problem) or not (end > 0.0):
            return refined_cells(problem, experiment, level)
        step = (solver.step or end / COARSEST_STEPS) / 2**level
        return Refined("step", step, replace(solver, step=step, tolerance=min(solver.tolerance, STEP_TOLERANCE)))


def _on_branches(problem: Problem) -> bool:
    """Whether proximal maps are found among the branches between kinks, without a table."""
    return problem.kinks is not None and not (noisy(problem) or problem.flow.reacts)


def _beyond_tables(problem: Problem) -> list[Refusal]:
    """The refusal of more coordinates than the table has that proximal maps are searched on."""
    count = problem.geometry.dimension
    if count <= MOST_COORDINATES or _on_branches(problem):
        return []
    words = f"proximal maps are searched on a table of at most {MOST_COORDINATES} coordinates, this problem has {count}"
    return [Refusal("solver.scheme", words, subject="so many coordinates")]


def _on_atoms(problem: Problem, experiment: Experiment, asked: JkoOptions, guide: Trails, box: Box) -> Pair:
    """Minimising movements of atoms, and the other formula of order 2 beside them.

    With the step given, the companion takes the same steps by the midpoint formula, whose error is another one, or two
    for each where births have both of them take that; with steps that adapt it has ten times the tolerance as well. Its
    labels of rho_0 are others, and births and deaths are cut off farther out.
    """
    import numpy as np

    from mfpde.problem.labels import label_law
    from mfpde.schemes.guide import TABLE_SHARE
    from mfpde.schemes.label_nodes import atoms_per_label, nodes_along, other_atoms
    from mfpde.schemes.memory import refuse_atoms
    from mfpde.schemes.pair import Pair, described, dissipation_floor_of, error_floor_of
    from mfpde.solvers.jko.atoms.jko import Jko
    from mfpde.solvers.jko.atoms.options import JkoOptions as Steps
    from mfpde.solvers.space.box import Box

    reacts = problem.flow.reacts
    accuracy = TABLE_SHARE * experiment.solver.tolerance
    law, other = (label_law(problem.initial_law, guide.reach, share * accuracy, reacts) for share in (1, 10))
    other = other.farther() if reacts else other
    starts = other.corners
    solver, margin = experiment.solver, 0.5 * (box.upper - box.lower)
    reached = 1e-3 * margin
    box = problem.geometry.cut(
        Box(
            np.minimum(box.lower - margin, starts.min(axis=0) - reached),
            np.maximum(box.upper + margin, starts.max(axis=0) + reached),
        )
    )
    reduced = problem.represent("tabulated", box, 0.1 * solver.tolerance)
    if reduced.table is None:
        # few features, of which proximal maps want a table all the same
        reduced = problem.represent("compressed", box, 0.1 * solver.tolerance)
    turning = problem.geometry.periodic.any()
    table = None if turning else reduced.table
    if table is None:
        table = _table_on(reduced.objective.features, problem.geometry, box, 10.0 * solver.tolerance)
    reduced = replace(reduced, objective=replace(reduced.objective, features=table))
    atoms = atoms_per_label(problem.initial_law, asked.atoms)
    dimension = problem.geometry.dimension
    held = reduced.rank * (1 + dimension)
    nodes, other_nodes = nodes_along(problem.initial_law)
    refuse_atoms((law, other), (nodes, other_nodes), (atoms, other_atoms(atoms)), held, dimension)

    def run(
        law: LabelLaw,
        order: int,
        formula: str,
        coarser: float,
        nodes: int,
        atoms: tuple[int, ...] | None,
        parts: int = 1,
    ) -> Jko:
        options = Steps(
            order=order,
            formula=formula,
            step=solver.step,
            tolerance=0.1 * coarser * solver.tolerance,
            resolution=10.0 * coarser * solver.tolerance,
            nodes=nodes,
            atoms=atoms,
            parts=parts,
        )
        return Jko(reduced.objective, table, problem.geometry, problem.flow, law, options)

    main = run(law, asked.order, "bdf2", 1.0, nodes, atoms)
    coarser = 1.0 if solver.step is not None else 10.0
    parts = 2 if reacts and solver.step is not None and asked.order == 2 else 1
    companion = run(other.cut_elsewhere(), 2, "midpoint", coarser, other_nodes, other_atoms(atoms), parts)
    # main and companion may agree with each other better than with the truth, as their tables and first steps do
    floor = error_floor_of(reduced, guide) + solver.tolerance
    dissipation_floor = dissipation_floor_of(reduced, problem, guide, floor) + solver.tolerance
    note = "means and (co)variances have no error bars: the run beside moves atoms by the same table of features"
    return Pair(main, companion, floor, (note,), described(reduced, floor), solver.step, dissipation_floor)


def _on_kinks(problem: Problem, experiment: Experiment, asked: JkoOptions, guide: Trails, box: Box) -> Pair:
    """Where Psi has kinks: plain steps, which land on them, beside steps of twice the length from other labels."""
    from mfpde.problem.labels import label_law
    from mfpde.schemes.label_nodes import NODES, atoms_per_label, nodes_within, other_atoms
    from mfpde.schemes.pair import Pair, described, error_floor_of
    from mfpde.solvers.jko.kinks.proximal import KinkedJko

    reduced = problem.represent("exact", box, 0.1 * experiment.solver.tolerance)
    law, atoms = label_law(problem.initial_law, plain=True), atoms_per_label(problem.initial_law, asked.atoms)
    end = problem.flow.schedule.flow_time(experiment.time.end)
    length = experiment.solver.step or max(end, LEAST_END) / COARSEST_STEPS

    def run(law: LabelLaw, length: float, order: int, counts: tuple[int, ...] | None) -> KinkedJko:
        order = nodes_within(order, counts)
        made = KinkedJko(reduced.objective, problem.geometry, problem.flow, law, order=order, atoms=counts)
        return made.with_step(length)

    main = run(law, length, NODES[0], atoms)
    other = run(law.cut_elsewhere(), 2.0 * length, NODES[1], other_atoms(atoms))
    floor = error_floor_of(reduced, guide) + 1e-12
    note = f"Psi has kinks, on which steps land: these are plain ones, of order 1, of length {length:.3g}"
    return Pair(main, other, floor, (note,), described(reduced, floor), experiment.solver.step, dissipation_floor=floor)


def _table_on(features: FeatureMap, geometry: Geometry, box: Box, tolerance: float) -> FeatureTable:
    """A table on the box, circles unrolled, of features that have none, small enough for proximal maps."""
    import numpy as np

    from mfpde.solvers.objective.table.feature_table import build_table
    from mfpde.solvers.objective.turned import TurnedFeatures

    if geometry.periodic.any():
        features, box = TurnedFeatures(features, geometry), geometry.unrolled(box)
    edges = [np.array([low, high]) for low, high in zip(box.lower, box.upper, strict=True)]
    return build_table(features, edges, tolerance=tolerance, max_nodes=JKO_NODES, rounds=1, smallest_cell=2.0**-8)


def _on_grid(problem: Problem, experiment: Experiment, asked: JkoOptions, guide: Trails, box: Box) -> Pair:
    """Minimising movements with noise on the cells of a grid."""
    from mfpde.solvers.jko.grid.jko import GridJko, GridJkoOptions

    step = experiment.solver.step
    tolerance = step_tolerance(problem, asked.cells, NOISY_TOLERANCE)

    def make(objective: Objective, grid: Grid, masses: Array, coarser: float) -> GridJko:
        options = GridJkoOptions(
            order=asked.order,
            step=None if step is None else coarser * step,
            tolerance=coarser**2 * tolerance,
        )
        return GridJko(objective, problem.geometry, problem.flow, grid, masses, options)

    return pair_on_grids(problem, experiment, guide, box, make, fixed_step=step)
