"""Speed of the finite volumes, on one thread unless said, beside py-pde, plain streams of arrays and one another.

The problem is the two-class problem at d = infinity (rank 2) to t = 3, whose R(3) is known to 12 digits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
from numba import get_num_threads, njit, set_num_threads

from mfpde.configuration.sources import load_configuration
from mfpde.problem.problem import build_problem
from mfpde.schemes.pair import make_pair
from mfpde.solvers.arrays import Array
from mfpde.solvers.finite_volume.cell_features import CellFeatures
from mfpde.solvers.finite_volume.diffusion import Diffusion
from mfpde.solvers.finite_volume.finite_volume import FiniteVolume, FiniteVolumeOptions
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import Scheme, State, integrate
from mfpde.solvers.space.grid import grid_from_edges
from tests.solvers.grids import uniform_grid
from tests.solvers.problems import RANK_TWO_RISK, bump, line, rank_two
from validation.bench.clocks import best
from validation.bench.interface import Ratio, Setting, bench
from validation.bench.peers import PeerMissing, Peers

PY_PDE = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np, pde
from scipy.special import erf

cells = int(sys.argv[1])
grid = pde.CartesianGrid([[0, 1.6], [0, 1.6]], [cells, cells])
r1, r2 = grid.cell_coords[..., 0], grid.cell_coords[..., 1]
volume = (1.6 / cells) ** 2


def q(t):
    slope = (1 - np.exp(-0.5 / t**2)) / np.sqrt(2 * np.pi)
    return t * slope + 0.5 * (1 - erf(1 / (t * np.sqrt(2))))


features = [q(np.hypot(1.8 * r1, r2)), q(np.hypot(0.2 * r1, r2))]
closed = {"derivative": 0}


class TwoClass(pde.PDEBase):
    def evolution_rate(self, state, t=0):
        plus, minus = ((phi * state.data).sum() * volume for phi in features)
        psi = pde.ScalarField(grid, 0.5 * (plus - 1) * features[0] + 0.5 * (minus + 1) * features[1])
        velocity = psi.gradient(closed)
        return (state * velocity).divergence({"normal_value": 0})


edges = np.linspace(0, 1.6, cells + 1)
mass = np.outer(*(np.diff(erf((edges - c) / (0.08 * np.sqrt(2)))) for c in (0.35, 0.72)))
start = pde.ScalarField(grid, mass / mass.sum() / volume)
equation = TwoClass()
times = []
for _ in range(2):
    begin = time.perf_counter()
    end = equation.solve(start, t_range=3, dt=1e-3, adaptive=True, tracker=None, backend="numpy")
    times.append(time.perf_counter() - begin)
plus, minus = ((phi * end.data).sum() * volume for phi in features)
risk = 0.5 * (1 - plus) ** 2 + 0.5 * (1 + minus) ** 2
print(json.dumps({"seconds": min(times), "risk": risk, "least": end.data.min()}))
"""


@njit(cache=True)
def stream(arrays: Array, out: Array) -> None:
    """out = the sum of the rows of `arrays`: reads what a stage reads once, and writes what it writes."""
    for k in range(out.shape[0]):
        total = 0.0
        for i in range(arrays.shape[0]):
            total += arrays[i, k]
        out[k] = total


KNOTS = np.linspace(0.2, 1.4, 400)
TABLE = f"[{KNOTS.tolist()}, {np.exp(-0.5 * ((KNOTS - 0.8) / 0.15) ** 2).tolist()}]"
BLOCKS = {
    "[3]": ["data.dims=[3]"],
    "[1, 1]": ["data.dims=[1, 1]"],
    "[1, 2]": ["data.dims=[1, 2]"],
    "[2, 20]": ["data.dims=[2, 20]"],
    "[1, 50]": ["data.dims=[1, 50]"],
    "[20, 20], 400 knots": ["data.dims=[20, 20]", f"initial.radius={{table = {TABLE}}}"],
    "[20, 20, 20]": ["data.dims=[20, 20, 20]", "solver.tolerance=1e-5"],
}


def two_class(cells: int) -> FiniteVolume:
    objective, geometry = rank_two()
    grid = uniform_grid((0.0, 0.0), (1.6, 1.6), (cells, cells), geometry)
    return FiniteVolume(objective, geometry, Flow(), grid, bump(grid.edges, (0.35, 0.72), 0.08))


def solve(scheme: FiniteVolume) -> tuple[State, int]:
    """State at t = 3 and the number of steps."""
    steps = 0

    def count(_: State) -> None:
        nonlocal steps
        steps += 1

    return integrate(scheme, scheme.initial_state(), [3.0], lambda index, state: None, count), steps


def stage(scheme: FiniteVolume) -> Callable[[], object]:
    """One Heun stage from the initial state, as a call."""
    state = scheme.initial_state()
    mass, new = state.arrays["mass"], np.empty_like(state.arrays["mass"])
    gradient = scheme._cells.gradient(state.arrays["outputs"])
    return lambda: scheme._cells.sweep(mass, mass, 0.5, state.step, gradient, new)


def risk_error(scheme: FiniteVolume, state: State) -> float:
    """Of R(3)."""
    return abs(scheme.observe(state).risk - RANK_TWO_RISK[3.0])


@bench("finite-volume")
def sweeps(setting: Setting) -> Iterator[Ratio]:
    """A run on all threads beside one; a stage beside a plain stream of the same arrays, and at a preset's rank."""
    threads = get_num_threads()
    for cells in (64, 128, 256) if setting.quick else (64, 128, 256, 512):
        scheme = two_class(cells)
        last, steps = solve(scheme)
        set_num_threads(1)
        one = best(partial(solve, scheme), 3)
        arrays, out = np.ones((4, cells * cells)), np.empty(cells * cells)
        plain = best(partial(stream, arrays, out), 20)
        sweep = best(stage(scheme), 20)
        set_num_threads(threads)
        many = best(partial(solve, scheme), 3)
        note = f"R(3) error {risk_error(scheme, last):.1e}, {steps} steps, {1e9 * sweep / cells**2:.2f} ns/cell/stage"
        yield Ratio(f"to t = 3 on {cells}^2 cells, {threads} threads", many, "1 thread", one, note=note)
        yield Ratio(f"a stage on {cells}^2 cells", 1e6 * sweep, "a stream of 4 arrays", 1e6 * plain, "us")
    yield real_rank(256)


PARTS = {
    "sweeps": (CellFeatures, "sweep"),
    "outputs": (CellFeatures, "outputs"),
    "potential": (CellFeatures, "potential"),
    "gradient of the loss": (CellFeatures, "gradient"),
    "energy": (CellFeatures, "energy"),
    "entropy": (Diffusion, "_entropies"),
    "distance of outputs": (CellFeatures, "distance"),
    "factors": (Diffusion, "factors"),
    "rates": (Diffusion, "rates"),
    "solves": (Diffusion, "swept"),
    "correction": (Diffusion, "corrected"),
    "changes": (Diffusion, "changes"),
}
"""What a step calls, none within another."""


@bench("profile")
def profile(setting: Setting) -> Iterator[Ratio]:
    """What a step consists of, on one thread and on all: without noise, with it, and of a preset."""
    sizes = (256,) if setting.quick else (256, 512, 1024)
    schemes = {f"{cells}^2": two_class(cells) for cells in sizes}
    edge = np.linspace(0.0, 1.6, 257)
    grid, options = grid_from_edges((edge, edge), (False, False)), FiniteVolumeOptions(noisy_tolerance=16.0 / 256**2)
    law = bump(grid.edges, (0.35, 0.72), 0.08)
    schemes["256^2 with noise"] = FiniteVolume(
        rank_two()[0], line(2), Flow(inverse_temperature=200.0), grid, law, options
    )
    if not setting.quick:
        schemes["512^2 of a preset"] = preset_scheme(512)
    threads = get_num_threads()
    for name, scheme in schemes.items():
        found = {}
        for count in dict.fromkeys((1, threads)):
            set_num_threads(count)
            found[count] = parts_of_step(scheme, 20)
        one, many = found[1], found[threads]
        for part, seconds in one.items():
            work = f"a step on {name}: {part}, {threads} threads"
            note = f"{seconds / one['all']:.1%} of one thread's"
            yield Ratio(work, 1e3 * many[part], "1 thread", 1e3 * seconds, "ms", note=note)


def parts_of_step(scheme: FiniteVolume, steps: int) -> dict[str, float]:
    """Seconds of the fastest of some steps from the initial state, by its parts."""
    state, fastest = scheme.initial_state(), {"all": np.inf}
    spent = dict.fromkeys(PARTS, 0.0)
    with ExitStack() as patches:
        for part, (owner, method) in PARTS.items():
            patches.enter_context(patch.object(owner, method, timed(getattr(owner, method), part, spent)))
        for _ in range(steps):
            spent.update(dict.fromkeys(PARTS, 0.0))
            begin = time.perf_counter()
            scheme.advance(state, 3.0)
            whole = time.perf_counter() - begin
            if whole < fastest["all"]:
                fastest = {"all": whole, **spent, "Python and the rest": whole - sum(spent.values())}
    return {part: seconds for part, seconds in fastest.items() if seconds > 0.0}


def timed(method: Callable[..., Any], part: str, spent: dict[str, float]) -> Callable[..., Any]:
    """The method, its time added to what is spent."""

    def call(*arguments: Any, **named: Any) -> Any:
        begin = time.perf_counter()
        found = method(*arguments, **named)
        spent[part] += time.perf_counter() - begin
        return found

    return call


@bench("py-pde")
def against_py_pde(setting: Setting) -> Iterator[Ratio]:
    """py-pde at its default accuracy beside the coarsest of our grids that is at least as accurate."""
    cells = 64 if setting.quick else 128
    set_num_threads(1)
    scheme = two_class(cells // 2)
    error, seconds, note = risk_error(scheme, solve(scheme)[0]), None, ""
    try:
        theirs = py_pde(cells, setting.peers)
        error, seconds = abs(theirs["risk"] - RANK_TWO_RISK[3.0]), theirs["seconds"]
        note = f"theirs on {cells}^2: error {error:.1e}, least density {theirs['least']:.1e}"
    except PeerMissing as missing:
        note = str(missing)
    for size in range(cells // 2, 2 * cells, 8):
        scheme = two_class(size)
        ours = risk_error(scheme, solve(scheme)[0])
        if ours <= error:
            work = f"to t = 3 on {size}^2 cells, R(3) to {ours:.1e}"
            yield Ratio(work, best(partial(solve, scheme), 10), "py-pde", seconds, note=note)
            return


def py_pde(cells: int, peers: Peers) -> dict[str, float]:
    """Seconds, risk and least density of py-pde on the same problem."""
    answer: dict[str, float] = peers.answer(("py-pde",), PY_PDE, str(cells))
    return answer


def real_rank(cells: int, preset: str = "anisotropic-relu") -> Ratio:
    """Cost of a stage at the rank of a preset, over that at rank 2, on one thread."""
    scheme = preset_scheme(cells, preset)
    set_num_threads(1)
    small, large = best(stage(two_class(cells)), 20), best(stage(scheme), 20)
    rank = scheme.objective.features.rank
    note = f"{1e9 * large / cells**2 / (rank / 2):.2f} ns/cell per pair of features"
    return Ratio(f"a stage on {cells}^2 cells at rank {rank}", 1e6 * large, "rank 2", 1e6 * small, "us", note=note)


def preset_scheme(cells: int, preset: str = "anisotropic-relu") -> FiniteVolume:
    """Finite volumes of a preset."""
    overrides = ["solver.scheme=finite-volume", f"solver.cells={cells},{cells}"]
    configuration = load_configuration(preset, overrides)
    scheme = make_pair(build_problem(configuration), configuration).main
    assert isinstance(scheme, FiniteVolume)
    return scheme


@bench("blocks")
def small_blocks(setting: Setting, preset: str = "anisotropic-relu") -> Iterator[Ratio]:
    """Setting up and running problems in small blocks, beside one block of 3; compiled before."""
    first = (0.0, 0.0)
    for name, overrides in list(BLOCKS.items())[: 3 if setting.quick else None]:
        configuration = load_configuration(preset, overrides)
        problem = build_problem(configuration)
        if not first[0]:
            _run(make_pair(problem, configuration).main, 0.1)
        begin = time.process_time()
        pair = make_pair(problem, configuration)
        made = time.process_time()
        end = problem.flow.schedule.flow_time(configuration.time.end)
        for scheme in filter(None, (pair.main, pair.companion)):
            _run(scheme, end)
        seconds = made - begin, time.process_time() - made
        if not first[0]:
            first = seconds
            continue
        yield Ratio(f"blocks {name}: set up", seconds[0], "[3]", first[0], "processor s")
        yield Ratio(f"blocks {name}: set up and run", sum(seconds), "[3]", sum(first), "processor s")


def _run(scheme: Scheme, end: float) -> None:
    integrate(scheme, scheme.initial_state(), [end], lambda index, state: None)
