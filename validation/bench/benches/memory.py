"""Largest memory of every command, beside what its arrays need."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from mfpde.solvers.networks.pair_series import MOST, STRIDE
from mfpde.solvers.networks.risk import SIDE
from mfpde.solvers.threads.blocks import threads
from validation.bench.benches.finite_volume import preset_scheme
from validation.bench.command import MIB, spent
from validation.bench.interface import Ratio, Setting, bench

WITHIN = 1.0 / 1.5
"""What the arrays need, over what is held, that is aimed at."""

SHORT = ("--set", "time.end=0.02", "--set", "time.save=2")
FEW = ("--set", "sgd.neurons=20", "--set", "data.dims=[20]")
SMALL = {
    "solve anisotropic-relu": ("solve", "anisotropic-relu", *SHORT),
    "sgd isotropic-gaussians": ("sgd", "isotropic-gaussians", *SHORT, *FEW),
    "compare isotropic-gaussians": ("compare", "isotropic-gaussians", *SHORT, *FEW),
    "bounds isotropic-gaussians": (
        "bounds", "isotropic-gaussians", *SHORT, *FEW, "--neurons", "10,20", "--step-sizes", "1e-3", "--dims", "20",
        "--replicas", "2",
    ),
    "generalisation generalisation-relu": ("generalisation", "generalisation-relu", *SHORT, "--samples", "10,20"),
    "rates single-index-relu": ("rates", "single-index-relu", "--neurons", "4,8", "--replicas", "2"),
    "check anisotropic-relu": ("check", "anisotropic-relu"),
    "convergence isotropic-gaussians": ("convergence", "isotropic-gaussians", *SHORT),
    "optimum single-index-relu": ("optimum", "single-index-relu"),
    "stationary isotropic-gaussians": ("stationary", "isotropic-gaussians"),
    "kernel single-index-relu": ("kernel", "single-index-relu", *SHORT, "--set", "network.centred=true"),
    "margin margin-plane": ("margin", "margin-plane"),
    "basins isotropic-gaussians": ("basins", "isotropic-gaussians", *SHORT, "--vary", "initial.kappa=0.5:0.9:2"),
    "report isotropic-gaussians": ("report", "isotropic-gaussians", "-o", "report.html"),
}  # fmt: skip
"""Every command that computes, on a small problem."""


@bench("memory")
def memory(setting: Setting) -> Iterator[Ratio]:
    """In MiB, the process's own start apart; a command's arrays should take no more than 1.5 times what they need."""
    # the first of two compiles
    _, start = (spent("solve", "isotropic-gaussians", *SHORT, "--set", "solver.cells=[8]").mib for _ in range(2))
    yield Ratio("a solve of 8 cells: the interpreter, its libraries, compiled kernels", start, unit="MiB")
    yield from _large(setting.quick)
    for words, arguments in SMALL.items():
        yield Ratio(words, spent(*arguments).mib, unit="MiB", note=f"{start:.0f} of it before it computes")
    with tempfile.TemporaryDirectory() as folder:
        yield from _of_files(Path(folder), start)


def _of_files(folder: Path, start: float) -> Iterator[Ratio]:
    """Commands that read what others have written."""
    run, points = folder / "run.nc", folder / "points.csv"
    points.write_text("x1\n0.5\n")
    spent("solve", "dataset-tanh", *SHORT, "-o", str(run))
    for arguments in (("plot", str(run)), ("distance", str(run), str(run)), ("predict", str(run), str(points))):
        yield Ratio(arguments[0], spent(*arguments).mib, unit="MiB", note=f"a solve begins with {start:.0f}")


def _large(quick: bool) -> Iterator[Ratio]:
    """Problems whose arrays count: what a large one holds above a small one, beside what it needs at once, counted."""
    side, atoms, many, neurons = (512, 300, 300, 20_000) if quick else (1024, 300, 1000, 100_000)
    solve, rank = ("solve", "anisotropic-relu"), preset_scheme(16).objective.features.rank
    # the features, a point of 2 coordinates and 4 laws of the step, on three grids of halved cells; 2 recorded laws
    cells = side**2 * ((rank + 2 + 4) * (1 + 1 / 4 + 1 / 16) + 2)
    yield _grown(f"{side}^2 cells", cells, f"solver.cells=[{side},{side}]", "solver.cells=[8,8]", *solve, *SHORT)
    # 11 stages, the place of the next, both ends; walls, gradient, value; the state and 2 recorded laws
    moved = 14 * 2 + 2 * 2 + 1 + 3 * 3
    # two states of places, those before, action and mass; centre, guess, place before and after, rate; as above
    proximal = 2 * 6 + 5 * 2 + 2 * 3
    for scheme, count, numbers, end in (("characteristics", many, moved, 1e-3), ("jko", atoms, proximal, 3e-3)):
        asked = *solve, "--scheme", scheme, "--set", f"time.end={end}", *SHORT[2:]
        sizes = (f"solver.atoms=[{each},{each}]" for each in (count, 20))
        yield _grown(f"{count}^2 atoms, {scheme}", count**2 * numbers, *sizes, *asked)
    # the expansions of units; on each thread the inner products of a block, and which of them are left
    units, blocks = MOST + STRIDE, threads() * SIDE**2 * 9 / 8
    one = "sgd", "anisotropic-relu", *SHORT, "--set", "sgd.replicas=1", "--set", "time.end=4e-4"
    for dims, state in (((20, 20), "gram"), ((60, 260), "weights")):
        # the weights of the state, of the steps, scaled for a class
        held = (3 * sum(dims) + units) * neurons + blocks
        of = (f"sgd.neurons={each}" for each in (neurons, 20))
        asked_of = *one, "--set", f"data.dims={list(dims)}", "--set", f"sgd.state={state}"
        yield _grown(f"SGD of {neurons} neurons, d = {sum(dims)}, {state}", held, *of, *asked_of)


def _grown(words: str, numbers: float, large: str, small: str, *arguments: str) -> Ratio:
    """What a command holds with a large number of items above what it does with a small one, beside so many numbers."""
    # the first of them compiles
    _, *held = (spent(*arguments, "--set", size).mib for size in (small, small, large))
    note = f"{held[0]:.0f} with {small}"
    return Ratio(words, held[1] - held[0], "its arrays", 8.0 * numbers / MIB, "MiB", goal=WITHIN, note=note)
