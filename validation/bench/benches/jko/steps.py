"""The proximal map on all nodes of a table, and a noisy step, beside an implicit finite-volume step on n^2 nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from mfpde.solvers.finite_volume.diffusion import Diffusion
from mfpde.solvers.finite_volume.finite_volume import FiniteVolume, FiniteVolumeOptions
from mfpde.solvers.flow.confinement import Confinement
from mfpde.solvers.jko.atoms.dual import DualStep
from mfpde.solvers.jko.grid.jko import GridJko, GridJkoOptions
from mfpde.solvers.objective.table.feature_table import build_table
from tests.solvers.problems import rank_two
from validation.bench.benches.jko.problem import CENTRE, DEVIATION, SIDE, box_problem, mean_step, threads
from validation.bench.clocks import best
from validation.bench.interface import Ratio, Setting, bench

WITHIN = 1.0 / 3.0
"""A step may take three times as long as that of finite volumes."""


def implicit_euler(cells: int, tau: float) -> Callable[[], object]:
    """The cheapest implicit finite-volume step: potential, rates and outputs once, one solve per axis."""
    made = box_problem(FiniteVolume, cells, FiniteVolumeOptions())
    state = made.initial_state()
    mass, parts, diffusion = state.arrays["mass"], made._cells, made._diffusion
    assert isinstance(diffusion, Diffusion)

    def step() -> object:
        psi = parts.potential(parts.gradient(state.arrays["outputs"]))
        rates = diffusion.rates(psi, diffusion.factors(psi, mass))
        return parts.outputs(diffusion.euler(mass, rates, tau)[0])

    return step


@bench("jko-step")
def steps(setting: Setting) -> Iterator[Ratio]:
    """One step in milliseconds beside the implicit finite-volume step of the same order in time."""
    cases = [(129, 0.05), (129, 0.2), (257, 0.05), (257, 0.2)]
    with threads(1):
        for cells, tau in cases[:1] if setting.quick else cases:
            yield from _step(cells, tau)


def _step(cells: int, tau: float) -> Iterator[Ratio]:
    where = f"on {cells}^2 nodes, tau = {tau:g}"
    euler = 1e3 * best(implicit_euler(cells, tau), 20)
    plain = 1e3 * mean_step(box_problem(GridJko, cells, GridJkoOptions(order=1, step=tau)), tau, 3)
    volume = 1e3 * mean_step(box_problem(FiniteVolume, cells, FiniteVolumeOptions(noisy_tolerance=1.0)), tau, 3)
    second = 1e3 * mean_step(box_problem(GridJko, cells, GridJkoOptions(order=2, step=tau)), tau, 3)
    envelope, whole = (1e3 * seconds for seconds in proximal_step(cells, tau))
    yield Ratio(f"noisy plain step {where}", plain, "finite volumes, Euler", euler, "ms", goal=WITHIN)
    yield Ratio(f"noisy step of order 2 {where}", second, "finite volumes, order 2", volume, "ms", goal=WITHIN)
    yield Ratio(f"best node for every node {where}", envelope, "finite volumes, Euler", euler, "ms", goal=WITHIN)
    yield Ratio(f"atoms on every node {where}", whole, "finite volumes, Euler", euler, "ms", goal=WITHIN)


def proximal_step(nodes: int, tau: float) -> tuple[float, float]:
    """Seconds of the lower envelope over all nodes, and of a whole movement of atoms on all nodes."""
    objective, geometry = rank_two()
    degree = 8
    edges = [np.linspace(low, SIDE, (nodes - 1) // degree + 1) for low in (0.0, 0.0)]
    table = build_table(objective.features, edges, degree=degree, tolerance=np.inf)
    dual = DualStep(objective, table, geometry, Confinement.even(0.0, geometry.dimension))
    places = np.stack([part.ravel() for part in np.meshgrid(*dual.maps.axes, indexing="ij")], axis=1)
    masses = np.exp(-0.5 * (((places - CENTRE) / DEVIATION) ** 2).sum(axis=1))
    masses /= masses.sum()
    g = objective.loss_gradient(table.outputs(places, masses))
    envelope = best(lambda: dual.maps.best_nodes(g, tau), 20)
    whole = best(lambda: dual.globally(places, masses, tau, places, g), 2)
    return envelope, whole
