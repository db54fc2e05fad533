"""Speed of the finite volumes as ratios measured side by side: `python -m validation.bench_solve [--quick]`.

The problem is the two-class problem at d = infinity (rank 2) to t = 3, whose R(3) is known to 12 digits.
Rows: error and time per grid on one and two threads, time per cell, stage and feature pair against a plain
stream of the same arrays, py-pde at its default accuracy, the cost of a stage at the rank of a preset, and the cost of
problems in small blocks over that of one block of 3 (`--blocks`: these alone; OPENBLAS_NUM_THREADS=1 as for commands).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
import venv
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numba import get_num_threads, njit, set_num_threads

from mfpde.configuration.sources import load_configuration
from mfpde.problem.problem import build_problem
from mfpde.schemes.pair import make_pair
from mfpde.solvers.arrays import Array
from mfpde.solvers.finite_volume.finite_volume import FiniteVolume
from mfpde.solvers.flow.flow import Flow
from mfpde.solvers.flow.time_loop import Scheme, State, integrate
from tests.solvers.grids import uniform_grid
from tests.solvers.problems import RANK_TWO_MEAN_R1, RANK_TWO_RISK, bump, rank_two

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


def best(action: Callable[[], object], repeats: int) -> float:
    """Shortest wall time of `action` in seconds."""
    shortest = np.inf
    for _ in range(repeats):
        begin = time.perf_counter()
        action()
        shortest = min(shortest, time.perf_counter() - begin)
    return float(shortest)


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


def error_table(sizes: tuple[int, ...], threads: int) -> None:
    """Prints one row per grid: errors, steps, times on one and on all threads."""
    print(
        f"{'cells':>6} {'R(3) error':>11} {'mean r1 error':>13} {'least':>6} {'steps':>6} {'1 thread s':>10} "
        f"{f'{threads} threads s':>11} {'speed-up':>8} {'ns/cell/stage':>13} {'/stream':>8}"
    )
    for cells in sizes:
        scheme = two_class(cells)
        last, steps = solve(scheme)
        seen = scheme.observe(last)
        set_num_threads(1)
        one = best(partial(solve, scheme), 3)
        arrays, out = np.ones((4, cells * cells)), np.empty(cells * cells)
        plain = best(partial(stream, arrays, out), 20)
        sweep = best(stage(scheme), 20)
        set_num_threads(threads)
        many = best(partial(solve, scheme), 3)
        error = seen.risk - RANK_TWO_RISK[3.0]
        print(
            f"{cells:>4}^2 {error:>11.1e} {seen.mean[0] - RANK_TWO_MEAN_R1[3.0]:>13.1e} "
            f"{seen.law.weights.min():>6.0e} {steps:>6} {one:>10.4f} {many:>11.4f} {one / many:>8.2f} "
            f"{1e9 * one / (2 * steps * cells**2):>13.2f} {sweep / plain:>8.1f}"
        )


def py_pde(cells: int) -> dict[str, float] | None:
    """py-pde on the same problem in an environment of its own; None, with a message, where it cannot be
    had."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            venv.create(folder, with_pip=True)
            python = str(Path(folder) / "bin" / "python")
            subprocess.run(
                [python, "-m", "pip", "install", "-q", "py-pde"], check=True, capture_output=True, timeout=600
            )
            clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            done = subprocess.run(
                [python, "-c", PY_PDE, str(cells)],
                check=True,
                capture_output=True,
                text=True,
                env=clean,
                timeout=900,
            )
        except (OSError, subprocess.SubprocessError) as failure:
            detail = getattr(failure, "stderr", "") or ""
            print(f"py-pde skipped: {failure} {str(detail)[-300:]}")
            return None
        answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return answer


def against_py_pde(cells: int) -> None:
    """Ratio of times at the coarsest of our grids that is at least as accurate as py-pde."""
    theirs = py_pde(cells)
    if theirs is None:
        return
    error = abs(theirs["risk"] - RANK_TWO_RISK[3.0])
    print(f"py-pde {cells}^2: R(3) error {error:.1e}, least density {theirs['least']:.1e}, {theirs['seconds']:.3f} s")
    set_num_threads(1)
    for size in range(cells // 2, 2 * cells, 8):
        scheme = two_class(size)
        ours = abs(scheme.observe(solve(scheme)[0]).risk - RANK_TWO_RISK[3.0])
        if ours <= error:
            seconds = best(partial(solve, scheme), 10)
            print(
                f"  finite volumes {size}^2: error {ours:.1e}, {seconds:.4f} s on one thread, "
                f"{theirs['seconds'] / seconds:.0f} times faster"
            )
            return


def real_rank(cells: int, preset: str = "anisotropic-relu") -> None:
    """Cost of a stage at the rank of a preset, over that at rank 2, on one thread."""
    overrides = ["solver.scheme=finite-volume", f"solver.cells={cells},{cells}"]
    configuration = load_configuration(preset, overrides)
    scheme = make_pair(build_problem(configuration), configuration).main
    assert isinstance(scheme, FiniteVolume)
    set_num_threads(1)
    small, large = best(stage(two_class(cells)), 20), best(stage(scheme), 20)
    rank = scheme.objective.features.rank
    print(
        f"{preset} {cells}^2: rank {rank}, {1e9 * large / cells**2:.2f} ns/cell/stage, "
        f"{large / small:.2f} times rank 2, {1e9 * large / cells**2 / (rank / 2):.2f} per pair of features"
    )


def small_blocks(problems: dict[str, list[str]] = BLOCKS, preset: str = "anisotropic-relu") -> None:
    """Prints the processor time of setting up and of running each, over those of one block of 3, compiled before."""
    first = (0.0, 0.0)
    print(f"{'blocks':>24} {'set-up s':>9} {'run s':>7} {'set-up':>7} {'whole':>6}")
    for name, overrides in problems.items():
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
        first = first if first[0] else seconds
        ratios = f"{seconds[0] / first[0]:>7.1f} {sum(seconds) / sum(first):>6.1f}"
        print(f"{name:>24} {seconds[0]:>9.2f} {seconds[1]:>7.2f} {ratios}", flush=True)


def _run(scheme: Scheme, end: float) -> None:
    integrate(scheme, scheme.initial_state(), [end], lambda index, state: None)


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of the finite volumes.")
    parser.add_argument("--quick", action="store_true", help="up to 256^2 cells, without py-pde")
    parser.add_argument("--blocks", action="store_true", help="only the cost of small blocks over that of one of 3")
    options = parser.parse_args()
    quick = options.quick
    if options.blocks:
        small_blocks()
        return
    error_table((64, 128, 256) if quick else (64, 128, 256, 512), get_num_threads())
    if not quick:
        against_py_pde(128)
    real_rank(256)
    small_blocks()


if __name__ == "__main__":
    main()
