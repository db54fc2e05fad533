"""Minimising movements of atoms without noise: two classes at d = infinity (rank 2) to t = 3 on 8,100 atoms."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
from numba import get_num_threads, njit

from mfpde.solvers.characteristics.characteristics import Characteristics, LabelLaw
from mfpde.solvers.flow.confinement import Confinement
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import Observation, Scheme, State, integrate
from mfpde.solvers.jko.atoms.dual import DualStep, Movement
from mfpde.solvers.jko.atoms.jko import Jko
from mfpde.solvers.jko.atoms.options import JkoOptions
from mfpde.solvers.jko.prox.kernels import contract, locate
from mfpde.solvers.objective.table.feature_table import FeatureTable, build_table
from tests.solvers.problems import RANK_TWO_RISK, rank_two
from validation.bench.benches.finite_volume import stream
from validation.bench.benches.jko.problem import CENTRE, DEVIATION, END, SIDE, threads, timed_to
from validation.bench.clocks import best
from validation.bench.interface import Ratio, Setting, bench

ATOMS = (90, 90)
PROTOTYPE = {
    "plain": {0.25: 3.6e-3, 0.0625: 9.3e-4, 0.015625: 2.3e-4},
    "bdf2": {0.25: 4.6e-4, 0.0625: 2.6e-5, 0.015625: 1.6e-6},
    "midpoint": {0.25: 1.4e-4, 0.0625: 8.7e-6, 0.015625: 5.4e-7},
}
"""Errors in R(3) of the prototype, which took `PROTOTYPE_PASSES` a step and up to `PROTOTYPE_COST` us per atom."""
PROTOTYPE_PASSES, PROTOTYPE_COST = 2, 0.6
STREAMED = 6
"""Arrays of n numbers that a pass reads in two dimensions: places, centres, masses (it writes the places)."""
PLATEAU = 1e-8
"""The error of R(100) by ten steps of tau = 10 that is aimed at."""


@contextmanager
def counted_passes() -> Iterator[list[int]]:
    """A list to which every minimising movement of atoms made inside adds its proximal passes."""
    passes: list[int] = []
    local = DualStep.local

    def counting(self: DualStep, *arguments: Any) -> Movement:
        found = local(self, *arguments)
        passes.append(found.passes)
        return found

    with patch.object(DualStep, "local", counting):
        yield passes


@njit(cache=True, nogil=True)
def evaluate(positions, mesh, plan, nodal, out):  # type: ignore[no-untyped-def]
    """Value, gradient and Hessian of a table of one feature at every atom; their sum into `out`."""
    dimension, count = positions.shape[1], mesh.nodes.size
    bases = np.empty((dimension, 3 * count))
    first, second = np.empty((15, plan.rows.size * count)), np.empty((15, plan.rows.size * count))
    for i in range(positions.shape[0]):
        base = locate(positions[i], mesh, plan.polynomials, bases)
        found = contract(base, nodal, bases, plan, first, second)
        out[i] = found[: plan.sizes[dimension]].sum()


def bump_law() -> LabelLaw:
    """The Gaussian bump cut at the box, as labels in standard deviations."""
    breaks = tuple(np.array([max(-c / DEVIATION, -7.0), min((SIDE - c) / DEVIATION, 7.0)]) for c in CENTRE)
    return LabelLaw(
        breaks,
        lambda labels: np.exp(-0.5 * (labels**2).sum(axis=1)),
        lambda labels: np.array(CENTRE) + DEVIATION * labels,
    )


def table_to(end: float, tolerance: float) -> tuple[FeatureTable, float, float]:
    """Features on the box that the atoms visit until `end`, with a margin; R(end) by characteristics, seconds."""
    objective, geometry = rank_two()
    exact = Characteristics(objective, geometry, Flow(), bump_law(), 1e-10)
    seen: list[Observation] = []
    begin = time.perf_counter()
    integrate(
        exact, exact.initial_state(), list(np.linspace(0.0, end, 7)), lambda i, state: seen.append(exact.observe(state))
    )
    seconds = time.perf_counter() - begin
    places = np.concatenate([one.law.points for one in seen])
    lower, upper = places.min(axis=0), places.max(axis=0)
    margin = 0.25 * (upper - lower)
    edges = [np.array(pair) for pair in zip(np.maximum(lower - margin, 0.0), upper + margin, strict=True)]
    return build_table(objective.features, edges, tolerance=tolerance), seen[-1].risk, seconds


def atoms(table: FeatureTable, formula: str, tau: float) -> Jko:
    """The scheme with a fixed step on `ATOMS`."""
    objective, geometry = rank_two()
    order = 1 if formula == "plain" else 2
    form = "bdf2" if formula == "plain" else formula
    options = JkoOptions(order=order, formula=form, step=tau, resolution=1e-2, atoms=ATOMS)
    return Jko(objective, table, geometry, Flow(), bump_law(), options)


@bench("jko-atoms")
def noise_free(setting: Setting) -> Iterator[Ratio]:
    """Time per atom and step beside the prototype's, a stream of the same arrays and the table; then large steps."""
    many = get_num_threads()
    with threads(1):
        table, exact, _ = table_to(END, 1e-6)
        known = exact - RANK_TWO_RISK[END]
        print(f"R(3) by characteristics: {known:+.0e} off; table of {table.nodes} nodes, degree {table.degree}")
        yield from per_atom(table, exact, many, setting.quick)
        if not setting.quick:
            yield from large_steps()


def per_atom(table: FeatureTable, exact: float, many: int, quick: bool) -> Iterator[Ratio]:
    """Microseconds per atom and step of every formula, the least over its steps, beside what limits it."""
    streaming, evaluating = limits(atoms(table, "plain", 0.25), table)
    for formula, errors in PROTOTYPE.items():
        cost, alone, shared = np.inf, np.nan, np.nan
        for tau, theirs in list(errors.items())[: 1 if quick else None]:
            scheme = atoms(table, formula, tau)
            with counted_passes() as passes:
                seen, steps, one = timed_to(scheme, END, max(1, round(tau / 0.03)))
            scale = 1e6 / (steps * len(seen.law.weights))
            cost = min(cost, scale * one)
            if tau == max(errors):
                with threads(many):
                    alone, shared = scale * one, scale * timed_to(scheme, END, max(1, round(tau / 0.03)))[2]
            words = f"error {seen.risk - exact:.1e}, the prototype's {theirs:.1e}; gap {seen.residual or 0.0:.0e}"
            print(f"{formula:<9} tau {tau:<8.4f} {np.mean(passes):.2f} passes a step, {words}")
        work = f"an atom's step, {formula}"
        note = f"that took {PROTOTYPE_PASSES} passes a step"
        yield Ratio(work, cost, "the prototype", PROTOTYPE_COST, "us", goal=1.0, note=note)
        yield Ratio(work, cost, f"a stream of {STREAMED} arrays", streaming, "us")
        yield Ratio(work, cost, "value, gradient, Hessian of the table", evaluating, "us")
        yield Ratio(f"{work}, {many} threads", shared, "1 thread", alone, "us")


def limits(scheme: Jko, table: FeatureTable) -> tuple[float, float]:
    """Microseconds per atom of a stream of a pass's arrays, and of one evaluation of the table."""
    positions = np.ascontiguousarray(scheme.initial_state().arrays["positions"].reshape(-1, table.dimension))
    count = len(positions)
    dual, out = (
        DualStep(scheme.objective, table, scheme.geometry, Confinement.even(0.0, scheme.geometry.dimension)),
        np.empty(count),
    )
    nodal = np.ascontiguousarray(table._flat[:, 0])
    rows = np.ones((STREAMED, count))
    streaming = best(lambda: stream(rows, out), 200)
    evaluating = best(lambda: evaluate(positions, dual.maps.mesh, dual.maps.plan, nodal, out), 50)
    return 1e6 * streaming / count, 1e6 * evaluating / count


def large_steps() -> Iterator[Ratio]:
    """The energy at plain steps up to tau = 3, and R(100) by ten steps of tau = 10."""
    table, exact, seconds = table_to(100.0, 1e-9)
    for tau in (0.25, 1.0, 2.0, 3.0):
        scheme = atoms(table, "plain", tau)
        energies = [scheme.observe(scheme.initial_state()).free_energy]
        scheme_step = partial(_note_energy, scheme, energies)
        integrate(scheme, scheme.initial_state(), [12.0], lambda index, state: None, scheme_step)
        rise = float(np.diff(energies).max())
        if not (rise < 0.0):
            raise AssertionError(f"plain step with tau = {tau}: F rises by {rise:.1e}")
        print(f"tau = {tau:<5g} {len(energies) - 1:>3} plain steps, F falls at each, least by {-rise:.1e}")
    begin = time.perf_counter()
    scheme = atoms(table, "plain", 10.0)
    seen = scheme.observe(integrate(scheme, scheme.initial_state(), [100.0], lambda index, state: None))
    taken, error = time.perf_counter() - begin, abs(seen.risk - exact)
    yield Ratio("R(100) by 10 steps of tau = 10", taken, "characteristics at 1e-10", seconds, note=f"error {error:.1e}")
    yield Ratio("R(100) by 10 steps of tau = 10, error", error, "8 digits", PLATEAU, "", goal=1.0)


def _note_energy(scheme: Scheme, energies: list[float], state: State) -> None:
    energies.append(scheme.observe(state).free_energy)
