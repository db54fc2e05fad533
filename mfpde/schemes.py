"""From a problem and its configuration to a scheme, its coarser companion, and the grid it runs on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mfpde.configuration import Configuration, ConfigurationError
from mfpde.initial_laws import InitialLaw
from mfpde.problem import Problem
from mfpde.reduction.interface import Box, ReducedObjective
from mfpde.solvers.birth_death_process import ParticleProcess
from mfpde.solvers.characteristics import Characteristics, LabelLaw
from mfpde.solvers.feature_table import FeatureTable, build_table
from mfpde.solvers.finite_volume import FiniteVolume, FiniteVolumeOptions
from mfpde.solvers.grid import Grid, Guide, graded_grid
from mfpde.solvers.jko import Jko, JkoOptions
from mfpde.solvers.jko_grid import GridJko, GridJkoOptions
from mfpde.solvers.objective import Array, FeatureMap
from mfpde.solvers.time_loop import Law, Scheme, State, integrate

GUIDE_TIMES = 41
GUIDE_TOLERANCE = {1: 1e-4}
GUIDE_ATOMS = {1: 3000}
DEFAULT_CELLS = {1: 2048, 2: 128, 3: 48}
DIRAC_CELLS = {1: 4096, 2: 320, 3: 64}
"""Cells per axis where rho_0 is a Dirac mass, which a grid can only smear."""
NOISY_TOLERANCE = {1: 1e-5, 2: 5e-4, 3: 1e-3}
"""Tolerance of a noisy step at the default cells; it falls with the cells' width squared, the step with the width."""
DEFAULT_PARTICLES = 200
JKO_NODES = 60_000
"""Most nodes of a table made for proximal maps."""
SPREAD_ATOMS = 150
SPREAD_TIMES = 6
SPREAD_NODES = np.concatenate([np.linspace(-3.0, 3.0, 13), [-8.5, 8.5]])
"""Standard deviations by which noise spreads the atoms of the guide: the bulk, and tails of about 1e-14."""


@dataclass(frozen=True)
class Schemes:
    """A scheme ready to run.

    Attributes:
        main: the scheme asked for.
        companion: a coarser run of it, whose difference estimates the error of the risk; None where there is none.
        error_floor: error of the risk that refinement does not see (features, rounding).
        notes: what the user should know of the choices made.
        attributes: those choices, for the result file.
        fixed_step: length of the scheme's steps, cut at save times only; None where they adapt.
    """

    main: Scheme
    companion: Scheme | None
    error_floor: float
    notes: tuple[str, ...]
    attributes: dict[str, str | float | int]
    fixed_step: float | None = None


def make_schemes(
    problem: Problem, configuration: Configuration, progress: Callable[[str], object] | None = None
) -> Schemes:
    """The scheme of `configuration.solver` on this problem, with its companion."""
    say = progress or (lambda text: None)
    say("guide")
    guide = run_guide(problem, configuration)
    box = visited_box(problem, guide)
    say("features")
    if configuration.solver.scheme == "characteristics":
        return _characteristics(problem, configuration, guide, box)
    if configuration.solver.scheme == "particles":
        return _particles(problem, configuration, guide, box)
    if configuration.solver.scheme == "jko":
        noisy = np.isfinite(problem.flow.inverse_temperature)
        return (_jko_on_grid if noisy else _jko_on_atoms)(problem, configuration, guide, box)
    return _finite_volume(problem, configuration, guide, box)


def run_guide(problem: Problem, configuration: Configuration) -> Guide:
    """A cheap run of characteristics that shows where the law goes.

    Where panels are halved on the way, a second pass carries the final ones from the start, so that the atoms
    correspond from time to time.
    """
    law = _label_law(problem.initial_law)
    reach = _initial_reach(problem)
    objective = problem.reduction.rough(
        Box(np.maximum(problem.geometry.lower_bounds, -reach), np.maximum(4.0 * reach, 10.0)), 1e-5
    ).objective
    flow = replace(problem.flow, inverse_temperature=np.inf)
    labels = len(law.breaks)
    tolerance, atoms = GUIDE_TOLERANCE.get(labels, 1e-3), GUIDE_ATOMS.get(labels, 1000)
    scheme = Characteristics(objective, problem.geometry, flow, law, tolerance, atoms, order=6)
    end = flow.schedule.flow_time(configuration.time.end)
    times = np.concatenate([[0.0], end * np.geomspace(1e-4, 1.0, GUIDE_TIMES - 1)]) if end > 0 else np.zeros(1)
    laws: list[Law] = []

    def save(_: int, state: State) -> None:
        laws.append(scheme.observe(state).law)

    last = integrate(scheme, scheme.initial_state(), list(times), save)
    if len(laws[-1].weights) > len(laws[0].weights):
        laws.clear()
        integrate(scheme.without_halving(), scheme.state_on(last), list(times), save)
    return Guide(np.stack([law.positions for law in laws if law.positions is not None]), laws[0].weights, times)


def visited_box(problem: Problem, guide: Guide) -> Box:
    """The box the law visits, with a margin; radii start at 0 where the law comes near."""
    lower, upper = guide.positions.min(axis=(0, 1)), guide.positions.max(axis=(0, 1))
    margin = 0.25 * (upper - lower) + 0.02 * np.abs(upper)
    low, high = lower - margin, upper + margin
    bounded = np.isfinite(problem.geometry.lower_bounds)
    low = np.where(bounded & (low < 0.25 * lower), 0.0, low)
    flat = high - low <= 0
    return Box(np.where(flat & ~bounded, low - 0.5, low), np.where(flat, high + 0.5, high))


def spread_guide(problem: Problem, guide: Guide) -> Guide:
    """The guide as noise spreads it, one coordinate at a time and bounded from above.

    With only the ridge lambda the law in p dimensions is an Ornstein-Uhlenbeck law: by t it gains the variance
    s^2 = (1 - e^(-2 lambda t)) / (2 beta lambda) in each dimension, that is p s^2 in r^2. Every atom is taken
    without that gain, with half and with all of it, and moved by up to 8.5 s. In many dimensions the law is
    narrow: times are added between the guide's, so that it is seen everywhere on its way.
    """
    flow, geometry = problem.flow, problem.geometry
    guide = _between(_thinned(guide))
    doubled = 2.0 * flow.ridge
    gained = guide.times if doubled == 0.0 else -np.expm1(-doubled * guide.times) / doubled
    variance = (gained / flow.inverse_temperature)[:, None]
    shares, nodes = (part.ravel() for part in np.meshgrid([0.0, 0.5, 1.0], SPREAD_NODES, indexing="ij"))
    weights = np.maximum(np.exp(-0.5 * nodes**2), 1e-9)
    positions = np.repeat(guide.positions, len(nodes), axis=1)
    atoms = guide.positions.shape[1]
    share, node = np.tile(shares, atoms), np.tile(nodes, atoms)
    for axis, (p, moves) in enumerate(zip(geometry.block_dimensions, geometry.mobile, strict=True)):
        if moves:
            place = positions[:, :, axis]
            outward = np.sqrt(place**2 + share * p * variance) if p > 0 else place
            moved = outward + node * np.sqrt(variance)
            positions[:, :, axis] = np.maximum(moved, geometry.lower_bounds[axis])
    return Guide(positions, np.outer(guide.weights, weights / weights.sum()).ravel(), guide.times)


def _thinned(guide: Guide) -> Guide:
    """`SPREAD_ATOMS` atoms of equal weight drawn systematically, and the outermost ones."""
    cumulative = np.cumsum(guide.weights) / guide.weights.sum()
    drawn = np.searchsorted(cumulative, (np.arange(SPREAD_ATOMS) + 0.5) / SPREAD_ATOMS)
    drawn = np.unique(np.minimum(drawn, len(cumulative) - 1))
    outermost = np.unique([guide.positions.argmin(axis=1), guide.positions.argmax(axis=1)])
    weights = np.concatenate([np.ones(len(drawn)), np.full(len(outermost), 1e-3)])
    return Guide(guide.positions[:, np.concatenate([drawn, outermost])], weights / weights.sum(), guide.times)


def _between(guide: Guide) -> Guide:
    """The guide with `SPREAD_TIMES` - 1 times, and the atoms' places on a straight line, between its own."""
    count = len(guide.times)
    places = np.linspace(0.0, count - 1.0, (count - 1) * SPREAD_TIMES + 1)
    index = np.minimum(places.astype(int), max(count - 2, 0))
    following = np.minimum(index + 1, count - 1)
    share = places - index
    times = guide.times[index] * (1.0 - share) + guide.times[following] * share
    late = share[:, None, None]
    return Guide(guide.positions[index] * (1.0 - late) + guide.positions[following] * late, guide.weights, times)


def _initial_reach(problem: Problem) -> Array:
    """Largest |z| of each coordinate at t = 0, as far as the law is resolved."""
    law = problem.initial_law
    if not law.labels:
        return np.asarray(np.abs(law.embed(np.empty((1, 0)))[0]))
    ends = [marginal.breaks[[0, -1]] for marginal in law.labels]
    corners = np.stack([axis.ravel() for axis in np.meshgrid(*ends, indexing="ij")], axis=1)
    return np.asarray(np.abs(law.embed(corners)).max(axis=0))


def _label_law(law: InitialLaw) -> LabelLaw:
    return LabelLaw(tuple(marginal.breaks for marginal in law.labels), law.density, law.embed)


def _characteristics(problem: Problem, configuration: Configuration, guide: Guide, box: Box) -> Schemes:
    tolerance = configuration.solver.tolerance
    reduced = problem.reduction.tabulated(box, 0.1 * tolerance)
    labels = len(problem.initial_law.labels)
    asked = configuration.solver.atoms
    # A Dirac mass has no labels to spread atoms over.
    atoms = None if asked is None or not labels else (asked * labels if len(asked) == 1 else asked)[:labels]

    def run(coarser: int, counts: tuple[int, ...] | None) -> Characteristics:
        # with the atoms given, fewer of them are fewer nodes a panel or fewer panels
        order = 10 if counts is None else max(2, min(10, *counts))
        law = _label_law(problem.initial_law)
        return Characteristics(
            reduced.objective, problem.geometry, problem.flow, law, coarser * tolerance, order=order, atoms=counts
        )

    main = run(1, atoms)
    companion = run(10, None if atoms is None else tuple(max(2, count // 2) for count in atoms))
    # where saves lie closer than the steps, main and companion step alike and their difference says nothing
    floor = _floor(reduced, guide) + 0.1 * tolerance
    return Schemes(main, companion, floor, (), _described(reduced))


def _jko_on_atoms(problem: Problem, configuration: Configuration, guide: Guide, box: Box) -> Schemes:
    """Minimising movements of atoms, and the other formula of order 2 beside them.

    With the step given, the companion takes the same steps by the midpoint formula, whose error is another one; with
    steps that adapt it has ten times the tolerance as well.
    """
    solver = configuration.solver
    margin = 0.5 * (box.upper - box.lower)
    box = Box(np.maximum(box.lower - margin, problem.geometry.lower_bounds), box.upper + margin)
    reduced = problem.reduction.tabulated(box, 0.1 * solver.tolerance)
    table = _table_on(reduced.objective.features, box, 10.0 * solver.tolerance)
    labels = len(problem.initial_law.labels)
    atoms = None
    if solver.atoms is not None and labels:
        atoms = (solver.atoms * labels if len(solver.atoms) == 1 else solver.atoms)[:labels]

    def run(order: int, formula: str, coarser: float) -> Jko:
        options = JkoOptions(
            order=order,
            formula=formula,
            step=solver.step,
            tolerance=0.1 * coarser * solver.tolerance,
            resolution=10.0 * coarser * solver.tolerance,
            atoms=atoms,
        )
        return Jko(reduced.objective, table, problem.geometry, problem.flow, _label_law(problem.initial_law), options)

    main = run(2 if solver.order is None else solver.order, "bdf2", 1.0)
    companion = run(2, "midpoint", 1.0 if solver.step is not None else 10.0)
    floor = _floor(reduced, guide) + 0.1 * solver.tolerance
    return Schemes(main, companion, floor, (), _described(reduced), solver.step)


def _table_on(features: FeatureMap, box: Box, tolerance: float) -> FeatureTable:
    """The table behind tabulated features, or one on the box of features that have none."""
    table = getattr(features, "table", None)
    if isinstance(table, FeatureTable):
        return table
    edges = [np.array([low, high]) for low, high in zip(box.lower, box.upper, strict=True)]
    return build_table(features, edges, tolerance=tolerance, max_nodes=JKO_NODES, rounds=1, smallest_cell=2.0**-8)


def _jko_on_grid(problem: Problem, configuration: Configuration, guide: Guide, box: Box) -> Schemes:
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
    described = _described(reduced) | {"cells": " x ".join(map(str, main.grid.shape))}
    return Schemes(main, companion, _floor(reduced, guide), (), described, solver.step)


def _particles(problem: Problem, configuration: Configuration, guide: Guide, box: Box) -> Schemes:
    """N particles drawn from rho_0, and half as many drawn apart from them.

    The risks of N and N/2 particles differ by the bias of N, which is of order 1/N, and by fluctuations sqrt(3) times
    those of N: their difference estimates the distance from the mean-field law.
    """
    tolerance, seed = configuration.solver.tolerance, configuration.sgd.seed
    (count,) = configuration.solver.atoms or (DEFAULT_PARTICLES,)
    if np.isfinite(problem.flow.inverse_temperature):
        box = visited_box(problem, spread_guide(problem, guide))
    reduced = problem.reduction.tabulated(box, 0.1 * tolerance)

    def run(particles: int, stream: int) -> ParticleProcess:
        start = problem.initial_law.sample(particles, seed, stream)
        return ParticleProcess(reduced.objective, problem.geometry, problem.flow, start, seed, stream, tolerance)

    floor = _floor(reduced, guide) + 0.1 * tolerance
    notes = (f"{count} particles: risk_error is their distance from the mean-field law, seen from half as many",)
    return Schemes(run(count, 0), run(max(1, count // 2), 1), floor, notes, _described(reduced) | {"seed": seed})


def _finite_volume(problem: Problem, configuration: Configuration, guide: Guide, box: Box) -> Schemes:
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
    described = _described(reduced) | {"cells": " x ".join(map(str, main.grid.shape))}
    return Schemes(main, companion, _floor(reduced, guide), notes, described)


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


def _floor(reduced: ReducedObjective, guide: Guide) -> float:
    """Error of the risk that no refinement of the scheme shows, measured on laws of the guide."""
    chosen = np.linspace(0, len(guide.times) - 1, 6).astype(int)
    return reduced.risk_error((guide.positions[k], guide.weights) for k in chosen) + 1e-14


def _described(reduced: ReducedObjective) -> dict[str, str | float | int]:
    return {"features": reduced.method, "rank": reduced.rank, "feature_error": reduced.error}
