"""Speed of minimising movements as ratios measured side by side: `python -m validation.bench_jko [--full]`.

Every number is measured in this run, on one thread unless said; times are the best of several runs.

1. Without noise: the two-class problem at d = infinity (rank 2) to t = 3 on 8,100 atoms.
2. The anisotropic preset by three schemes at equal error in R.
3. The proximal map on all nodes of a table, and a noisy step, against an implicit finite-volume step.
4. With noise (.0025 Lap in a box, plain Lebesgue geometry): minimising movements against implicit finite volumes,
   an entropic JKO written here and, with `--full`, POT and py-pde in environments of their own.

Equal error: the runs of a scheme that no other run of it beats in both error and seconds form its curve; between them
log(seconds) is linear in log(error).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from numba import get_num_threads, njit, set_num_threads

from mfpde.configuration.sources import load_configuration
from mfpde.problem.problem import build_problem
from mfpde.schemes.pair import make_pair
from mfpde.solvers.arrays import Array
from mfpde.solvers.characteristics.characteristics import Characteristics, LabelLaw
from mfpde.solvers.finite_volume.diffusion import Diffusion
from mfpde.solvers.finite_volume.finite_volume import FiniteVolume, FiniteVolumeOptions
from mfpde.solvers.flow.confinement import Confinement
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import Observation, Scheme, State, integrate
from mfpde.solvers.jko.atoms.dual import DualStep, Movement
from mfpde.solvers.jko.atoms.jko import Jko
from mfpde.solvers.jko.atoms.options import JkoOptions
from mfpde.solvers.jko.grid.jko import GridJko, GridJkoOptions
from mfpde.solvers.jko.prox.kernels import contract, locate
from mfpde.solvers.objective.table.feature_table import FeatureTable, build_table
from mfpde.solvers.space.grid import grid_from_edges
from tests.solvers.problems import RANK_TWO_RISK, bump, line, rank_two
from validation.bench.benches.finite_volume import stream
from validation.bench.clocks import best

END = 3.0
CENTRE, DEVIATION, SIDE = (0.35, 0.72), 0.08, 1.6
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
BETA = 200.0
NOISY_RISK, NOISY_MEAN = 0.85802451, 0.56340329
SETTLED = 1e-6
"""Mean change of the logarithm of a potential at which entropic scaling stops."""
VERDICTS: list[str] = []


class Run(NamedTuple):
    """A run: its label, error and seconds."""

    label: str
    error: float
    seconds: float


def verdict(goal: str, measured: float, limit: float, at_most: bool) -> None:
    """Print whether a ratio meets its goal, and keep the line for the summary."""
    met = measured <= limit if at_most else measured >= limit
    text = f"{'met' if met else 'missed':<6}  {goal}: {measured:.3g} ({'at most' if at_most else 'at least'} {limit:g})"
    VERDICTS.append(text)
    print(f"  goal {text}")


def timed_to(scheme: Scheme, end: float, repeats: int) -> tuple[Observation, int, float]:
    """What is seen at `end`, the number of steps, and the shortest wall time of the steps in seconds."""
    start, steps = scheme.initial_state(), 0

    def count(_: State) -> None:
        nonlocal steps
        steps += 1

    last = integrate(scheme, start, [end], lambda index, state: None, count)
    seconds = best(lambda: integrate(scheme, start, [end], lambda index, state: None), repeats)
    return scheme.observe(last), steps, seconds


def front(runs: Sequence[Run]) -> list[Run]:
    """The runs that no other beats in both error and seconds, by rising seconds."""
    kept: list[Run] = []
    for run in sorted(runs, key=lambda run: (run.seconds, run.error)):
        if not kept or run.error < kept[-1].error:
            kept.append(run)
    return kept


def seconds_at(runs: Sequence[Run], error: float) -> float:
    """Seconds to this error; those of the cheapest run where that is more accurate, inf where no run is."""
    curve = front(runs)[::-1]
    if not (error >= curve[0].error):
        return float("inf")
    logs = np.log([[run.error, run.seconds] for run in curve])
    return float(np.exp(np.interp(np.log(error), logs[:, 0], logs[:, 1])))


def at_equal_error(curves: dict[str, Sequence[Run]], ours: str, levels: Sequence[float]) -> None:
    """Print seconds to common errors, and how many times those of `ours` they are."""
    print(f"  {'seconds to error':>24} " + " ".join(f"{level:>17.1e}" for level in levels))
    own = [seconds_at(curves[ours], level) for level in levels]
    for name, runs in curves.items():
        seconds = [seconds_at(runs, level) for level in levels]
        cells = (
            f"{mine:>8.4f} ({mine / base:>5.1f}x)" if np.isfinite(mine) else f"{'not reached':>17}"
            for mine, base in zip(seconds, own, strict=True)
        )
        print(f"  {name:>24} " + " ".join(cells))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """numba's number of threads inside."""
    before = get_num_threads()
    set_num_threads(count)
    try:
        yield
    finally:
        set_num_threads(before)


# --- without noise: atoms


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


def noise_free(many: int) -> None:
    table, exact, seconds = table_to(END, 1e-6)
    print(
        f"1. rank 2 to t = {END:g} without noise; R by characteristics at 1e-10 in {seconds:.2f} s, "
        f"{exact - RANK_TWO_RISK[END]:+.0e} from the value known; table of {table.nodes} nodes, degree {table.degree}"
    )
    print(
        f"  {'formula':<9} {'tau':>7} {'error':>9} {'prototype':>9} {'passes/step':>11} {'gap':>8} {'atoms':>6} "
        f"{'1 thread us':>11} {f'{many} threads us':>12} {'/stream':>8} {'/table':>7}   (per atom and step)"
    )
    streaming, evaluating = limits(atoms(table, "plain", 0.25), table)
    costs: dict[str, float] = {}
    for formula, errors in PROTOTYPE.items():
        for tau, theirs in errors.items():
            scheme = atoms(table, formula, tau)
            repeats = max(1, round(tau / 0.03))
            with counted_passes() as passes:
                seen, steps, one = timed_to(scheme, END, repeats)
            with threads(many):
                two = timed_to(scheme, END, repeats)[2] if tau > 0.02 else float("nan")
            scale = 1e6 / (steps * len(seen.law.weights))
            costs[formula] = min(costs.get(formula, np.inf), scale * one)
            print(
                f"  {formula:<9} {tau:>7.4f} {seen.risk - exact:>9.1e} {theirs:>9.1e} {np.mean(passes):>11.2f} "
                f"{seen.residual or 0.0:>8.0e} {len(seen.law.weights):>6} {scale * one:>11.3f} {scale * two:>12.3f} "
                f"{scale * one / streaming:>8.0f} {scale * one / evaluating:>7.1f}"
            )
    print(
        f"  limits: one stream of {STREAMED} arrays {streaming:.4f} us per atom, value, gradient and Hessian from the "
        f"table once {evaluating:.3f} us; the prototype took {PROTOTYPE_PASSES} passes, .4-.6 us"
    )
    verdict("us per atom and step against the prototype's, plain", costs["plain"], PROTOTYPE_COST, at_most=True)
    verdict("us per atom and step against the prototype's, bdf2", costs["bdf2"], PROTOTYPE_COST, at_most=True)


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
    evaluating = best(lambda: evaluate(positions, dual._mesh, dual._plan, nodal, out), 50)
    return 1e6 * streaming / count, 1e6 * evaluating / count


def large_steps() -> None:
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
        print(f"  tau = {tau:<5g} {len(energies) - 1:>3} plain steps, F falls at each, least by {-rise:.1e}")
    begin = time.perf_counter()
    scheme = atoms(table, "plain", 10.0)
    seen = scheme.observe(integrate(scheme, scheme.initial_state(), [100.0], lambda index, state: None))
    print(
        f"  tau = 10: R(100) {seen.risk:.10f} in {time.perf_counter() - begin:.2f} s, characteristics {exact:.10f} "
        f"in {seconds:.2f} s, gap {seen.residual or 0.0:.0e}"
    )
    verdict("R(100) by tau = 10 to 8 digits, error", abs(seen.risk - exact), 1e-8, at_most=True)


def _note_energy(scheme: Scheme, energies: list[float], state: State) -> None:
    energies.append(scheme.observe(state).free_energy)


# --- a preset, three schemes


def preset_schemes(full: bool, preset: str = "anisotropic-relu") -> None:
    def scheme(name: str, *overrides: str) -> Scheme:
        configuration = load_configuration(preset, [f"solver.scheme={name}", *overrides])
        return make_pair(build_problem(configuration), configuration).main

    end = load_configuration(preset, []).time.end
    oracle = timed_to(scheme("characteristics", "solver.tolerance=1e-10"), end, 1)[0].risk
    print(f"2. {preset} to t = {end:g}: R = {oracle:.10f} by characteristics at 1e-10; steps only, one thread")
    tolerances = ["1e-3", "1e-4", "1e-5", "1e-6", "1e-7"] + (["1e-8"] if full else [])
    levels = {
        "characteristics": [(f"solver.tolerance={t}",) for t in tolerances],
        "jko": [(f"solver.tolerance={t}",) for t in tolerances],
        "finite-volume": [(f"solver.cells={n},{n}",) for n in ((32, 64, 128, 256) if full else (32, 64, 128))],
    }
    curves: dict[str, Sequence[Run]] = {}
    for name, runs in levels.items():
        made: list[Run] = []
        for overrides in runs:
            seen, steps, seconds = timed_to(scheme(name, *overrides), end, 1)
            error = abs(seen.risk - oracle)
            made.append(Run(overrides[0], error, seconds))
            print(
                f"  {name:<16} {overrides[0]:<24} {seen.law.weights.size:>6} {steps:>5} steps, "
                f"error {error:.1e}, {seconds:.3f} s"
            )
        curves[name] = made
    at_equal_error(curves, "jko", (1e-4, 1e-5, 1e-6, 1e-7))


# --- one step against an implicit finite-volume step


def box_problem(kind: type, cells: int, options: Any) -> Any:
    """The noisy problem in the box by `GridJko` or `FiniteVolume`."""
    edge = np.linspace(0.0, SIDE, cells + 1)
    grid = grid_from_edges((edge, edge), (False, False))
    masses = bump(grid.edges, CENTRE, DEVIATION)
    return kind(rank_two()[0], line(2), Flow(inverse_temperature=BETA), grid, masses, options)


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


def mean_step(scheme: Scheme, tau: float, repeats: int) -> float:
    """Seconds of a step of length tau, averaged over a run to `END` (first steps, without secants, included)."""
    start, steps = scheme.initial_state(), 0

    def count(_: State) -> None:
        nonlocal steps
        steps += 1

    def run() -> object:
        return integrate(scheme, start, [END], lambda index, state: None, count, tau)

    run()
    taken = steps
    return best(run, repeats) / taken


def steps_against_finite_volumes(full: bool) -> None:
    print(
        "3. one step on n^2 nodes, in milliseconds and over the implicit finite-volume step of the same order in time"
    )
    print(
        f"  {'n':>4} {'tau':>7} {'implicit Euler':>14} {'JKO, plain':>17} {'FV order 2':>10} {'JKO, order 2':>17} "
        f"{'envelope':>17} {'whole dual step':>18}"
    )
    worst = np.zeros(4)
    for cells, tau in [(129, 0.05), (129, 0.2)] + ([(257, 0.05), (257, 0.2)] if full else []):
        euler = best(implicit_euler(cells, tau), 20)
        plain = mean_step(box_problem(GridJko, cells, GridJkoOptions(order=1, step=tau)), tau, 3)
        volume = mean_step(box_problem(FiniteVolume, cells, FiniteVolumeOptions(noisy_tolerance=1.0)), tau, 3)
        second = mean_step(box_problem(GridJko, cells, GridJkoOptions(order=2, step=tau)), tau, 3)
        envelope, whole = proximal_step(cells, tau)
        worst = np.maximum(worst, [plain / euler, second / volume, envelope / euler, whole / euler])
        print(
            f"  {cells:>4} {tau:>7g} {1e3 * euler:>14.2f} {1e3 * plain:>9.2f} ({plain / euler:>4.1f}x) "
            f"{1e3 * volume:>10.2f} {1e3 * second:>9.2f} ({second / volume:>4.1f}x) "
            f"{1e3 * envelope:>9.2f} ({envelope / euler:>4.1f}x) {1e3 * whole:>9.1f} ({whole / euler:>5.1f}x)"
        )
    print("  envelope: the best node for every node; whole dual step: an atom on every node, global proximal maps")
    verdict("noisy plain JKO step over an implicit Euler finite-volume step", float(worst[0]), 3.0, at_most=True)
    verdict("noisy JKO step of order 2 over the finite-volume step of order 2", float(worst[1]), 3.0, at_most=True)
    verdict("best node for every node over an implicit Euler finite-volume step", float(worst[2]), 3.0, at_most=True)
    verdict("whole dual step, an atom on every node, over the same", float(worst[3]), 3.0, at_most=True)


def proximal_step(nodes: int, tau: float) -> tuple[float, float]:
    """Seconds of the lower envelope over all nodes, and of a whole movement of atoms on all nodes."""
    objective, geometry = rank_two()
    degree = 8
    edges = [np.linspace(low, SIDE, (nodes - 1) // degree + 1) for low in (0.0, 0.0)]
    table = build_table(objective.features, edges, degree=degree, tolerance=np.inf)
    dual = DualStep(objective, table, geometry, Confinement.even(0.0, geometry.dimension))
    places = np.stack([part.ravel() for part in np.meshgrid(*dual._axes, indexing="ij")], axis=1)
    masses = np.exp(-0.5 * (((places - CENTRE) / DEVIATION) ** 2).sum(axis=1))
    masses /= masses.sum()
    g = objective.loss_gradient(table.outputs(places, masses))
    envelope = best(lambda: dual._best_nodes(g, tau), 20)
    whole = best(lambda: dual.globally(places, masses, tau, places, g), 2)
    return envelope, whole


# --- with noise: the box


@njit(cache=True, nogil=True)
def log_blurred(log_kernel, potential, out):  # type: ignore[no-untyped-def]
    """out[j, i] = log sum_k exp(log_kernel[j, k] + potential[i, k]): one axis, the axes swapped."""
    lines, n = potential.shape
    for i in range(lines):
        for j in range(n):
            largest = -np.inf
            for k in range(n):
                largest = max(largest, log_kernel[j, k] + potential[i, k])
            total = 0.0
            for k in range(n):
                exponent = log_kernel[j, k] + potential[i, k] - largest
                if exponent > -37.0:
                    total += np.exp(exponent)
            out[j, i] = largest + np.log(total)


class EntropicJko:
    """Minimising movements by entropic transport (Peyre, SIAM J. Imaging Sci. 8 (2015) 2323), scaled to a fixed point.

    With sigma = 1/(2 beta) and regularisation gamma a step minimises over plans pi with first marginal mu

        <|x - y|^2, pi> / (2 tau) + gamma sum pi log pi + <Psi, rho> + (sigma - gamma/2) sum rho log rho,

    rho the second marginal: gamma sum pi log pi acts as (gamma/2) sum rho log rho to leading order, which is taken off.
    log a = log mu - K log b, log rho = (gamma K log a - Psi) / (gamma/2 + sigma), log b = log rho - K log a, where K u
    is the log of the Gaussian blur of e^u, applied axis by axis. Psi is linearised anew in every iteration, at outputs
    extrapolated from the steps before, and K log a starts from that of the step before. At gamma = 2 sigma the plan
    alone makes the noise and b needs no scaling.

    Args:
        cells: per axis.
        tau: step.
        gamma: over sigma.
        dense_logarithms: sums every exponential of each log-sum; False: matrix products of e^u, shifted to its maximum.
    """

    def __init__(self, cells: int, tau: float, gamma: float, dense_logarithms: bool) -> None:
        edge = np.linspace(0.0, SIDE, cells + 1)
        self._centres = 0.5 * (edge[1:] + edge[:-1])
        points = np.stack([part.ravel() for part in np.meshgrid(self._centres, self._centres, indexing="ij")], axis=1)
        self.objective = rank_two()[0]
        self._features = self.objective.features.values(points).T.reshape(-1, cells, cells)
        self._start = np.log(np.maximum(bump((edge, edge), CENTRE, DEVIATION), 1e-100))
        self._tau = tau
        self._sigma = 0.5 / BETA
        self._gamma = gamma * self._sigma
        difference = self._centres[:, None] - self._centres
        self._log_kernel = -(difference**2) / (2.0 * tau * self._gamma)
        self._kernel = np.exp(self._log_kernel)
        self._dense = dense_logarithms

    def run(self) -> tuple[float, float, int]:
        """R and mean r1 at `END`, and iterations."""
        log_mu, log_s, iterations = self._start, np.zeros_like(self._start), 0
        outputs = self._outputs(log_mu)
        trend = np.zeros_like(outputs)
        for _ in range(round(END / self._tau)):
            log_rho, log_s, new, count = self._step(log_mu, log_s, outputs + trend)
            trend, outputs, log_mu, iterations = new - outputs, new, log_rho, iterations + count
        law = np.exp(log_mu)
        return self.objective.risk(outputs), float(law.sum(axis=1) @ self._centres / law.sum()), iterations

    def _step(self, log_mu: Array, log_s: Array, outputs: Array) -> tuple[Array, Array, Array, int]:
        """From log K a and the outputs guessed: log rho, log K a, outputs, iterations; every rho has mass 1."""
        spread = self._sigma + 0.5 * self._gamma
        log_b = np.full_like(log_mu, np.inf)
        for count in range(1, 200):
            psi = np.einsum("m,mij->ij", self.objective.loss_gradient(outputs), self._features)
            before, log_b = log_b, ((0.5 * self._gamma - self._sigma) * log_s - psi) / spread
            log_s = self._blurred(log_mu - self._blurred(log_b))
            log_rho = log_b + log_s
            previous, outputs = outputs, self._outputs(log_rho)
            change = float(np.exp(np.maximum(log_rho, -700.0)).ravel() @ np.abs(log_b - before).ravel())
            if change <= SETTLED and float(np.abs(outputs - previous).max()) <= 0.1 * SETTLED:
                return log_rho, log_s, outputs, count
        raise ArithmeticError(f"entropic step not solved in 200 iterations: tau {self._tau}, gamma {self._gamma}")

    def _blurred(self, potential: Array) -> Array:
        if self._dense:
            first, second = np.empty_like(potential), np.empty_like(potential)
            log_blurred(self._log_kernel, potential, first)
            log_blurred(self._log_kernel, first, second)
            return second
        shift = float(potential.max())
        blurred = self._kernel @ np.exp(np.maximum(potential - shift, -700.0)) @ self._kernel
        return np.asarray(np.log(np.maximum(blurred, 1e-300)) + shift)

    def _outputs(self, log_law: Array) -> Array:
        return np.asarray(np.einsum("mij,ij->m", self._features, np.exp(np.maximum(log_law, -700.0))))


def noisy_runs(kind: type, cases: Sequence[tuple[int, Any]]) -> list[Run]:
    """Runs of a scheme in the box, printed as they come."""
    runs = []
    for cells, options in cases:
        scheme = box_problem(kind, cells, options)
        seen, steps, seconds = timed_to(scheme, END, 10 if cells <= 64 else 3)
        step = getattr(options, "step", None)
        length = f"tau {step:g}" if step else f"tolerance {getattr(options, 'noisy_tolerance', 0.0):g}"
        runs.append(_noted(f"{kind.__name__} {cells}^2 {length}", seen.risk, float(seen.mean[0]), seconds, steps))
    return runs


def entropic_runs(cases: Sequence[tuple[int, float, float]], dense_logarithms: bool) -> list[Run]:
    """Runs of `EntropicJko` for (cells, tau, gamma / sigma)."""
    runs = []
    EntropicJko(8, 1.0, 2.0, dense_logarithms).run()
    for cells, tau, gamma in cases:
        solver = EntropicJko(cells, tau, gamma, dense_logarithms)
        seconds = np.inf
        for _ in range(1 if dense_logarithms else 3):
            begin = time.perf_counter()
            risk, mean, iterations = solver.run()
            seconds = min(seconds, time.perf_counter() - begin)
        label = (
            f"entropic, {'log domain' if dense_logarithms else 'products'}, {cells}^2 tau {tau:g} gamma {gamma:g} sigma"
        )
        runs.append(_noted(label, risk, mean, seconds, iterations))
    return runs


def _noted(label: str, risk: float, mean: float, seconds: float, steps: int) -> Run:
    """Print a run in the box; its error is the larger of those in R and in mean r1."""
    print(
        f"  {label:<56} {steps:>5} {seconds:>9.4f} s  R {risk - NOISY_RISK:+.1e}  mean r1 {mean - NOISY_MEAN:+.1e}",
        flush=True,
    )
    return Run(label, max(abs(risk - NOISY_RISK), abs(mean - NOISY_MEAN)), seconds)


def noisy(full: bool) -> None:
    print(
        "4. .0025 Lap in the box to t = 3: steps (iterations of entropic scaling), seconds, errors in R and mean r1; "
        "the larger is `error` below"
    )
    second = partial(GridJkoOptions, 2, 2)
    cases = [(16, 0.2), (24, 0.2), (32, 0.2), (32, 0.1), (48, 0.1), (64, 0.1), (64, 0.05), (128, 0.1), (128, 0.05)]
    curves: dict[str, Sequence[Run]] = {"jko": noisy_runs(GridJko, [(cells, second(tau)) for cells, tau in cases])}
    curves["finite-volume"] = noisy_runs(
        FiniteVolume,
        [(n, FiniteVolumeOptions(noisy_tolerance=tol)) for n in (16, 32, 64, 128) for tol in (4e-2, 1e-2, 2e-3)],
    )
    shared = [(64, 0.1, 2.0), (128, 0.1, 2.0), (128, 0.05, 2.0), (128, 0.025, 2.0)]
    mild = [(128, 0.1, 1.0), (128, 0.05, 1.0)]
    curves["entropic, products"] = entropic_runs(shared + mild + ([(256, 0.0125, 2.0)] if full else []), False)
    curves["entropic, log domain"] = entropic_runs(shared + (mild if full else []), True)
    if full:
        curves |= elsewhere()
    reached = {name: min(run.error for run in runs) for name, runs in curves.items()}
    theirs = (1.01 * reached[name] for name in curves if name not in ("jko", "finite-volume"))
    levels = sorted({5e-4, *(float(f"{error:.2g}") for error in theirs)}, reverse=True)
    at_equal_error(curves, "jko", levels)
    for name in ("entropic, log domain", "entropic, products"):
        # the least error that sums of exponentials reach here, the same for both (they agree up to rounding)
        error = 1.01 * reached["entropic, log domain"]
        ratio = seconds_at(curves[name], error) / seconds_at(curves["jko"], error)
        verdict(f"{name}: seconds over those of jko at error {error:.1e}", ratio, 100.0, at_most=False)


PACKAGES = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np
from scipy.special import erf

cells, end, centre = int(sys.argv[2]), 3.0, (0.35, 0.72)
edges = np.linspace(0, 1.6, cells + 1)
x = 0.5 * (edges[1:] + edges[:-1])
r1, r2 = np.meshgrid(x, x, indexing="ij")
mass = np.outer(*(np.diff(erf((edges - c) / (0.08 * np.sqrt(2)))) for c in centre))
mass /= mass.sum()


def q(t):
    slope = (1 - np.exp(-0.5 / t**2)) / np.sqrt(2 * np.pi)
    return t * slope + 0.5 * (1 - erf(1 / (t * np.sqrt(2))))


features = np.array([q(np.hypot(1.8 * r1, r2)), q(np.hypot(0.2 * r1, r2))])


def psi_of(plus, minus):
    return 0.5 * (plus - 1) * features[0] + 0.5 * (minus + 1) * features[1]


def with_pot(tau=0.1, share=1.5):
    import ot

    sigma = 0.0025
    gamma, left = share * sigma, (1 - 0.5 * share) * sigma
    points = np.stack([r1.ravel(), r2.ravel()], axis=1)
    cost = ot.dist(points, points) / (2 * tau)
    law, warm, trend = np.maximum(mass.ravel(), 1e-100), None, np.zeros(2)
    flat = features.reshape(2, -1)
    outputs = flat @ law
    for _ in range(round(end / tau)):
        guess = outputs + trend
        for _ in range(6):
            psi = psi_of(*guess).ravel()
            target = np.exp(-(psi - 0.5 * (psi.max() + psi.min())) / left)
            plan, log = ot.unbalanced.sinkhorn_unbalanced(
                law, target, cost, gamma, (np.inf, left), reg_type="entropy", warmstart=warm, stopThr=1e-6, log=True
            )
            warm, new = (log["logu"], log["logv"]), plan.sum(axis=0)
            previous, guess = guess, flat @ new
            if np.abs(guess - previous).max() <= 1e-6:
                break
        law, trend, outputs = new, guess - outputs, guess
    return law.reshape(cells, cells)


def with_py_pde():
    import pde

    grid = pde.CartesianGrid([[0, 1.6], [0, 1.6]], [cells, cells])
    volume = (1.6 / cells) ** 2
    closed = {"derivative": 0}

    class TwoClass(pde.PDEBase):
        def evolution_rate(self, state, t=0):
            plus, minus = ((phi * state.data).sum() * volume for phi in features)
            velocity = pde.ScalarField(grid, psi_of(plus, minus)).gradient(closed)
            return (state * velocity).divergence({"normal_value": 0}) + 0.0025 * state.laplace(closed)

    start = pde.ScalarField(grid, mass / volume)
    end_state = TwoClass().solve(start, t_range=end, dt=1e-3, adaptive=True, tracker=None, backend="numpy")
    return end_state.data * volume


solve = with_pot if sys.argv[1] == "pot" else with_py_pde
times = []
for _ in range(1 if sys.argv[1] == "pot" else 2):
    begin = time.perf_counter()
    law = solve()
    times.append(time.perf_counter() - begin)
plus, minus = ((phi * law).sum() for phi in features)
risk = 0.5 * (1 - plus) ** 2 + 0.5 * (1 + minus) ** 2
mean = float(law.sum(axis=1) @ x / law.sum())
print(json.dumps({"seconds": min(times), "risk": risk, "mean": mean}))
"""


def elsewhere() -> dict[str, Sequence[Run]]:
    """POT's dense kernel and py-pde in a temporary environment; none, with a message, where they cannot be had."""
    found: dict[str, Sequence[Run]] = {}
    with tempfile.TemporaryDirectory() as folder:
        python = str(Path(folder) / "bin" / "python")
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        for package, cells in (("pot", 48), ("py-pde", 128)):
            try:
                venv.create(folder, with_pip=True)
                subprocess.run(
                    [python, "-m", "pip", "install", "-q", package], check=True, capture_output=True, timeout=600
                )
                script = [python, "-c", PACKAGES, package, str(cells)]
                done = subprocess.run(script, check=True, capture_output=True, text=True, env=clean, timeout=900)
                answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
            except (OSError, subprocess.SubprocessError, ValueError, IndexError) as failure:
                print(f"  {package} skipped: {failure} {str(getattr(failure, 'stderr', '') or '')[-300:]}")
                continue
            label = f"{package} {cells}^2"
            found[label] = [_noted(label, answer["risk"], answer["mean"], answer["seconds"], 0)]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed of minimising movements.")
    parser.add_argument("--full", action="store_true", help="finer levels, POT and py-pde")
    parser.add_argument("--sections", default="1234", help="digits of the sections to run, all by default")
    options = parser.parse_args()
    many = get_num_threads()
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        print("the entropic scheme's matrix products may use several threads: set OPENBLAS_NUM_THREADS=1")
    begin = time.perf_counter()
    with threads(1):
        if "1" in options.sections:
            noise_free(many)
            large_steps()
        if "2" in options.sections:
            preset_schemes(options.full)
        if "3" in options.sections:
            steps_against_finite_volumes(options.full)
        if "4" in options.sections:
            noisy(options.full)
    print(f"goals, in {time.perf_counter() - begin:.0f} s:")
    print("\n".join(f"  {text}" for text in VERDICTS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
