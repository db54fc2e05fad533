"""The same commands with two versions of mfpde, and whether they say the same.

    python -m validation.compare_versions record --python PYTHON --folder CHECKOUT -o BEFORE
    python -m validation.compare_versions record --python PYTHON --folder OTHER_CHECKOUT -o AFTER
    python -m validation.compare_versions compare BEFORE AFTER
    python -m validation.compare_versions handover BEFORE --python PYTHON --folder OTHER_CHECKOUT -o HANDED

`record` runs every case with `PYTHON -m mfpde` from the folder of a checkout, so that the package of this checkout is
imported, and keeps what each said: exit codes, both outputs, and the files it wrote, read back as numbers. `compare`
tells every difference. `handover` lets the second version read, draw and continue the files that the first one wrote,
and compares that with what the first made of them. `cases` prints the cases. This script imports neither version.

A case is one or more commands in a temporary folder, which their arguments call FOLDER. Commands to `prepare` it write
the files that the others read; in a handover these files come from the first version.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import netcdf_file

FOLDER, CHECKOUT = "FOLDER", "CHECKOUT"
"""What stands for the temporary folder of a case, and for the checkout, in arguments and in what is recorded."""
ENVIRONMENT = {
    **dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    "MPLBACKEND": "Agg",
    "COLUMNS": "80",
    "LC_ALL": "C.UTF-8",
    "SOURCE_DATE_EPOCH": "0",
}
"""One thread, and nothing of the terminal or the date."""
POLLED, UNDER_WAY, FEW_FILES = 0.01, 0.5, 4
"""Seconds between two looks at what a command has written, seconds and files after which it is under way."""
INTERRUPTED_CODE = 130
Command = tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """Commands that run one after the other in one temporary folder.

    Attributes:
        name: group/what.
        commands: their arguments after `mfpde`; all run, whatever the exit codes.
        prepare: commands before those, whose files another version can provide.
        files: files to write first, with their text.
        interrupted: whether the commands of `prepare` are interrupted once they have begun to write their file.
        damaged: files to damage after `prepare`: "cut" off, "flipped" in one byte, or "text".
    """

    name: str
    commands: tuple[Command, ...]
    prepare: tuple[Command, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    damaged: Mapping[str, str] = field(default_factory=dict)
    interrupted: bool = False


def words(text: str) -> Command:
    """The arguments of a command line."""
    return tuple(shlex.split(text))


def sets(*overrides: str) -> Command:
    """The options --set of some overrides."""
    return tuple(part for override in overrides for part in ("--set", override))


# --- cases: every command on every preset -----------------------------------------------------------------------------

SCHEMES = ("finite-volume", "characteristics", "jko", "particles")
ENDS = {
    "anisotropic-relu": 1.0,
    "anisotropic-relu-infinite": 2.0,
    "bumps-bad": 0.4,
    "bumps-good": 0.4,
    "isotropic-gaussians": 1.0,
    "nonmonotone-failure": 0.05,
    "nonmonotone-success": 0.3,
}
"""The presets, each with the end of a short run."""
TWO_BLOCKS = ("anisotropic-relu", "anisotropic-relu-infinite")
NEURONS = ("--workers", "1", *sets("sgd.neurons=20", "sgd.step_size=1e-3", "sgd.replicas=2"))
OUT, RUN, GRID, FIGURES = (f"{FOLDER}/{name}" for name in ("out.json", "run.nc", "grid.nc", "figures"))


def short(preset: str) -> Command:
    """Source and options of a short run of a preset."""
    return (preset, *sets(f"time.end={ENDS[preset]}", "time.save=4"))


def by(scheme: str, preset: str) -> Command:
    """The scheme, and options that keep it cheap."""
    coarse = {
        "finite-volume": "solver.cells=32" if preset in TWO_BLOCKS else "solver.cells=96",
        "characteristics": "solver.tolerance=1e-5",
        "jko": "solver.tolerance=1e-4",
        "particles": "solver.atoms=50",
    }
    return ("--scheme", scheme, *sets(coarse[scheme]))


def preset_cases(preset: str) -> Iterator[Case]:
    """Every command on one preset."""
    yield Case(f"{preset}/presets", (("presets", preset),))
    yield from solve_cases(preset)
    yield from sgd_cases(preset)
    yield from law_cases(preset)
    yield from reading_cases(preset)


def solve_cases(preset: str) -> Iterator[Case]:
    """The dynamics by every scheme, and their convergence."""
    run, end = short(preset), ENDS[preset] / 4.0
    for scheme in SCHEMES:
        yield Case(f"{preset}/solve-{scheme}", (("solve", *run, *by(scheme, preset), "-o", RUN),))
    refine = ("convergence", preset, *sets(f"time.end={end!r}", "time.save=2", f"solver.step={end / 8.0!r}"))
    yield Case(f"{preset}/convergence", ((*refine, "--scheme", "finite-volume", "--levels", "2"),))
    yield Case(f"{preset}/convergence-all", ((*refine, "--schemes", "all", "--levels", "2", "--json"),))
    by_atoms = by("characteristics", preset)
    yield Case(f"{preset}/solve-plot", (("solve", *run, *by_atoms, "--json", "--plot", FIGURES),))


def sgd_cases(preset: str) -> Iterator[Case]:
    """SGD, beside the equation, and a sweep of both."""
    run = short(preset)
    cells, atoms = by("finite-volume", preset), by("characteristics", preset)
    yield Case(f"{preset}/sgd", (("sgd", *run, *NEURONS, *atoms, "-o", RUN),))
    yield Case(f"{preset}/compare", (("compare", *run, *NEURONS, *cells, "-o", RUN, "--plot", FIGURES),))
    yield Case(f"{preset}/compare-json", (("compare", *run, *NEURONS, *atoms, "--no-coupled", "--json"),))
    sweep = words("--neurons 10,20 --step-sizes 1e-3,2e-3 --dims 160,320 --replicas 2 --workers 1")
    sweep += sets("time.end=0.05", "time.save=3")
    yield Case(f"{preset}/bounds", (("bounds", preset, *atoms, *sweep, "-o", f"{FOLDER}/sweep", "--plot", FIGURES),))


def law_cases(preset: str) -> Iterator[Case]:
    """Optimum, stationary laws, basins and branches."""
    atoms = by("characteristics", preset)
    bumps = preset.startswith("bumps")
    for command in ("optimum", "stationary"):
        yield Case(f"{preset}/{command}", ((command, preset, *atoms, "-o", OUT),))
    ranges = ("--vary", "data.width=0.45:0.5:2" if bumps else "data.delta=0.5:0.6:2", "--atoms", "1")
    yield Case(f"{preset}/branches", (("branches", preset, *atoms, *ranges, "-o", OUT, "--plot", FIGURES),))
    starts = ("--vary", "data.width=0.4:0.5:2" if bumps else "initial.kappa=0.3:0.6:3", "--workers", "1")
    yield Case(f"{preset}/basins", (("basins", *short(preset), *atoms, *starts, "-o", OUT, "--plot", FIGURES),))


def reading_cases(preset: str) -> Iterator[Case]:
    """Commands that read the files of runs."""
    run, end = short(preset), str(ENDS[preset])
    atoms = ("solve", *run, *by("characteristics", preset), "--quiet", "-o", RUN)
    cells = ("solve", *run, *by("finite-volume", preset), "--quiet", "-o", GRID)
    yield Case(f"{preset}/plot", (("plot", RUN), ("plot", GRID)), (atoms, cells))
    apart = ("distance", RUN, RUN, "--time-a", "0", "--time-b", end, "--json")
    yield Case(f"{preset}/distance", (apart, ("distance", RUN, GRID)), (atoms, cells))
    yield Case(f"{preset}/stationary-from", (("stationary", "--from", RUN, "-o", OUT),), (atoms,))


# --- cases: one difference from a small problem each ------------------------------------------------------------------

PROBLEM = f"{FOLDER}/problem.toml"
TOML = "[data]\ndims = [20]\n\n[network]\n\n[time]\nend = 0.5\nsave = 3\n"
"""One block of twenty coordinates, all else by default."""
BUMPS = TOML.replace("dims = [20]", 'law = "gaussian-bumps"')
"""The other law of the data; problems of variants called bumps."""
KNOTS = "network.activation={ knots = [0.5, 1.5], values = [-2.5, 7.5] }"
NOISE = ("dynamics.inverse_temperature=50", "dynamics.ridge=0.1")
VARIANTS: dict[str, tuple[str, ...]] = {
    "defaults": ("solve --scheme finite-volume",),
    "one-block": ("solve --scheme finite-volume --json", "data.dims=40", "solver.cells=128"),
    "two-blocks": ("solve --scheme jko", "data.dims=6,14", "solver.tolerance=1e-4"),
    "three-blocks": ("solve --scheme finite-volume", "data.dims=20,30,50", "solver.cells=12"),
    "three-blocks-particles": ("solve --scheme particles", "data.dims=20,30,50", "solver.atoms=60", "sgd.seed=7"),
    "three-blocks-atoms": (
        "solve --scheme characteristics",
        "data.dims=20,30,50",
        "solver.tolerance=1e-2",
        "solver.atoms=6",
    ),
    "infinite": ("solve --scheme characteristics", "data.dims=infinite", "data.fractions=0.3,0.7"),
    "infinite-grid": ("solve --scheme finite-volume", "data.dims=infinite", "data.fractions=1.0", "solver.cells=64"),
    "infinite-radius": (
        "solve --scheme characteristics",
        "data.dims=infinite",
        "data.fractions=1.0",
        "initial.radius={ uniform = [0.2, 1.0] }",
    ),
    "block-of-one": ("solve --scheme finite-volume", "data.dims=1", "solver.cells=64"),
    "block-of-two": ("solve --scheme characteristics", "data.dims=2", "solver.tolerance=1e-4"),
    "blocks-one-and-three": ("solve --scheme characteristics", "data.dims=1,3", "solver.tolerance=1e-3"),
    "block-of-three-relu": ("solve --scheme jko", "data.dims=3", "network.activation=relu", "solver.tolerance=1e-4"),
    "scales": (
        "solve --scheme finite-volume",
        "data.dims=8,12",
        "data.scales=[[1.5, 0.5], [0.8, 1.2]]",
        "solver.cells=24",
    ),
    "trained-a": ("solve --scheme finite-volume", "network.coefficients=trained", "solver.cells=32"),
    "trained-a-normal": (
        "solve --scheme characteristics",
        "network.coefficients=trained",
        "initial.a={ normal = [0.5, 0.5] }",
        "solver.tolerance=1e-4",
    ),
    "trained-a-and-b": (
        "solve --scheme particles",
        "network.coefficients=trained",
        "network.offsets=trained",
        "initial.b={ normal = [0.0, 0.3] }",
        "solver.atoms=40",
    ),
    "trained-b-atoms": ("solve --scheme characteristics", "network.offsets=trained", "solver.tolerance=1e-4"),
    "trained-b-grid": (
        "solve --scheme finite-volume",
        "network.offsets=trained",
        "network.activation=tanh",
        "initial.b={ normal = [0.2, 0.3] }",
        "solver.cells=24",
    ),
    "fixed-b-normal": (
        "solve --scheme jko",
        "network.offsets=fixed",
        "initial.b={ normal = [0.0, 0.3] }",
        "solver.tolerance=1e-3",
    ),
    "fixed-b": ("solve --scheme characteristics", "network.offsets=fixed", "initial.b=0.4"),
    "fixed-a-normal": ("solve --scheme characteristics", "initial.a={ normal = [1.0, 0.2] }", "solver.tolerance=1e-4"),
    "radius-uniform": ("solve --scheme finite-volume", "initial.radius={ uniform = [0.2, 1.0] }", "solver.cells=64"),
    "radius-uniform-two-blocks": (
        "solve --scheme characteristics",
        "data.dims=6,14",
        "initial.radius={ uniform = [0.2, 1.0] }",
        "solver.tolerance=1e-3",
    ),
    "radius-table": (
        "solve --scheme characteristics",
        "initial.radius={ table = [[0.2, 0.6, 1.0], [0.0, 1.0, 0.0]] }",
    ),
    "knots": ("solve --scheme jko", KNOTS, "solver.tolerance=1e-4"),
    "tanh": ("solve --scheme characteristics", "network.activation=tanh", "network.offsets=fixed", "initial.b=0.5"),
    "erf": ("solve --scheme finite-volume", "network.activation=erf", "network.offsets=fixed", "initial.b=0.5"),
    "sigmoid": ("solve --scheme characteristics", "network.activation=sigmoid", "network.coefficients=trained"),
    "ridge": ("solve --scheme characteristics", "dynamics.ridge=0.2"),
    "ridge-jko": ("solve --scheme jko", "dynamics.ridge=0.2", "solver.tolerance=1e-4"),
    "noise-grid": ("solve --scheme finite-volume", *NOISE, "solver.cells=64"),
    "noise-grid-two-blocks": ("solve --scheme finite-volume", *NOISE, "data.dims=6,14", "solver.cells=24"),
    "noise-jko": ("solve --scheme jko", *NOISE, "solver.cells=48"),
    "noise-particles": ("solve --scheme particles", *NOISE, "solver.atoms=40"),
    "noise-birth-death": (
        "solve --scheme finite-volume",
        *NOISE,
        "dynamics.flow=wasserstein-fisher-rao",
        "dynamics.fisher_rao_rate=1.0",
        "solver.cells=48",
    ),
    "schedule-power": ("solve --scheme finite-volume", "dynamics.schedule={ power = -0.25 }"),
    "schedule-scale": ("solve --scheme characteristics", "dynamics.schedule={ scale = 0.5, power = 0.5 }"),
    "wasserstein-fisher-rao": (
        "solve --scheme characteristics",
        "dynamics.flow=wasserstein-fisher-rao",
        "dynamics.fisher_rao_rate=2.0",
    ),
    "wasserstein-fisher-rao-grid": (
        "solve --scheme finite-volume",
        "dynamics.flow=wasserstein-fisher-rao",
        "dynamics.fisher_rao_rate=2.0",
        "solver.cells=64",
    ),
    "fisher-rao": ("solve --scheme finite-volume", "dynamics.flow=fisher-rao", "dynamics.fisher_rao_rate=1.0"),
    "fisher-rao-jko": (
        "solve --scheme jko",
        "dynamics.flow=fisher-rao",
        "dynamics.fisher_rao_rate=1.0",
        "solver.tolerance=1e-4",
    ),
    "fisher-rao-particles": (
        "solve --scheme particles",
        "dynamics.flow=fisher-rao",
        "dynamics.fisher_rao_rate=1.0",
        "solver.atoms=40",
    ),
    "bumps-noise": ("solve --scheme finite-volume", *NOISE, "solver.cells=64"),
    "bumps-noise-jko": ("solve --scheme jko", *NOISE, "solver.cells=48"),
    "bumps-weights": (
        "solve --scheme characteristics",
        "data.centres=-1.0,1.5",
        "data.weights=0.3,0.7",
        "initial.position={ uniform = [-3.0, 3.0] }",
    ),
    "bumps-until-stationary": (
        "solve --scheme characteristics --until stationary",
        "time.end=1000.0",
        "time.stationary_tolerance=1e-3",
        "solver.tolerance=1e-4",
    ),
    "until-stationary-grid": (
        "solve --scheme finite-volume",
        *NOISE,
        "time.until=stationary",
        "time.end=100.0",
        "time.stationary_tolerance=1e-2",
        "solver.cells=32",
    ),
    "log-save": ("solve --scheme characteristics", "time.save={ log = 8, first = 0.01 }"),
    "list-save": ("solve --scheme finite-volume --json", "time.save=[0.0, 0.1, 0.3]", "solver.cells=64"),
    "tolerance": ("solve --scheme characteristics", "solver.tolerance=1e-9"),
    "tolerance-grid": ("solve --scheme finite-volume", "solver.tolerance=1e-3"),
    "first-order-grid": ("solve --scheme finite-volume", "solver.order=1", "solver.cells=64"),
    "courant": ("solve --scheme finite-volume", "solver.courant=0.3", "solver.cells=64"),
    "step": ("solve --scheme finite-volume", "solver.step=0.01", "solver.cells=64"),
    "atoms": ("solve --scheme characteristics", "solver.atoms=30"),
    "jko-first-order": ("solve --scheme jko", "solver.order=1", "solver.step=0.02"),
    "jko-second-order": ("solve --scheme jko", "solver.order=2", "solver.step=0.02"),
    "jko-noise-step": ("solve --scheme jko", *NOISE, "solver.order=1", "solver.step=0.02", "solver.cells=48"),
    "one-thread": ("solve --scheme finite-volume --threads 1 --quiet", "solver.cells=64"),
    "sgd": ("sgd --workers 1", "sgd.neurons=20", "sgd.step_size=1e-3", "sgd.seed=3"),
    "sgd-json": ("sgd --workers 1 --json", "sgd.neurons=20", "sgd.step_size=1e-3", "sgd.replicas=2"),
    "sgd-gram": ("sgd --workers 1", "sgd.neurons=8", "sgd.step_size=1e-3", "sgd.state=gram", "data.dims=100"),
    "sgd-float32": ("sgd --workers 1", "sgd.neurons=20", "sgd.step_size=1e-3", "sgd.precision=float32"),
    "sgd-batch": ("sgd --workers 1", "sgd.neurons=20", "sgd.step_size=1e-2", "sgd.batch=16"),
    "sgd-noise": (
        "sgd --workers 1",
        *NOISE,
        "sgd.neurons=20",
        "sgd.step_size=1e-3",
        "dynamics.schedule={ power = -0.25 }",
    ),
    "sgd-trained": (
        "sgd --workers 1",
        "network.coefficients=trained",
        "network.offsets=trained",
        "network.activation=tanh",
        "initial.b={ normal = [0.0, 0.3] }",
        "sgd.neurons=20",
        "sgd.step_size=1e-3",
    ),
    "sgd-knots-blocks": ("sgd --workers 1", KNOTS, "data.dims=1,2,9", "sgd.neurons=15", "sgd.step_size=1e-3"),
    "compare-noise": (
        "compare --workers 1 --scheme finite-volume --no-coupled",
        *NOISE,
        "sgd.neurons=20",
        "sgd.step_size=1e-3",
        "solver.cells=64",
    ),
    "compare-trained": (
        "compare --workers 1 --scheme particles --json",
        "network.coefficients=trained",
        "sgd.neurons=20",
        "sgd.step_size=1e-3",
        "solver.atoms=50",
    ),
    "optimum-noise": ("optimum --scheme finite-volume", *NOISE),
    "optimum-trained": ("optimum --scheme characteristics --radius 3", "network.coefficients=trained"),
    "optimum-ridge": ("optimum --scheme characteristics --radius 5", "dynamics.ridge=0.1", KNOTS),
    "stationary-ridge": ("stationary --scheme characteristics --radius 5", "dynamics.ridge=0.1"),
    "stationary-birth-death": (
        "stationary --scheme characteristics --radius 5 --json",
        "dynamics.flow=wasserstein-fisher-rao",
        "dynamics.fisher_rao_rate=1.0",
    ),
    "stationary-noise": ("stationary --scheme finite-volume", *NOISE),
    "branches-two-atoms": ("branches --scheme characteristics --vary data.delta=0.4:0.5:2 --atoms 2 --radius 5", KNOTS),
    "basins-two-keys": (
        "basins --scheme characteristics --workers 1 --vary initial.kappa=0.3,0.8 --vary data.delta=0.5:0.8:2 --json",
        KNOTS,
        "solver.tolerance=1e-4",
    ),
    "basins-particles": ("basins --scheme particles --workers 1 --vary sgd.seed=1:3:3", KNOTS, "solver.atoms=40"),
    "convergence-noise": ("convergence --scheme finite-volume --levels 2", *NOISE, "solver.cells=16"),
    "convergence-noise-jko": ("convergence --scheme jko --levels 2 --json", *NOISE, "solver.cells=16"),
    "bounds-step": ("bounds --scheme characteristics --workers 1 --step-sizes 1e-3,2e-3,4e-3 --json", "sgd.neurons=10"),
}
"""The command and its options, then what --set changes in the small problem."""


def variant_cases() -> Iterator[Case]:
    """The small problem with one thing changed; results go to a file where the command takes one."""
    for name, (line, *overrides) in VARIANTS.items():
        command, *options = words(line)
        kept = {"solve": ("-o", RUN), "sgd": ("-o", RUN), "compare": ("-o", RUN), "convergence": ()}
        where = kept.get(command, ("-o", f"{FOLDER}/sweep") if command == "bounds" else ("-o", OUT))
        source = {"problem.toml": BUMPS if name.startswith("bumps") else TOML}
        yield Case(f"variant/{name}", ((command, PROBLEM, *options, *sets(*overrides), *where),), (), source)


# --- cases: files that are continued, drawn or read -------------------------------------------------------------------

SMALL = (PROBLEM, *words("--scheme characteristics"), *sets("sgd.neurons=10", "sgd.step_size=1e-3"))
SOLVE, STEPS = ("solve", *SMALL, "-o", RUN), ("sgd", *SMALL, "--workers", "1", "-o", RUN)
SWEEP = ("bounds", *SMALL, *words(f"--workers 1 --neurons 10,20 -o {FOLDER}/sweep"))
STARTS = ("basins", *SMALL, *words(f"--workers 1 --vary initial.kappa=0.3,0.8 -o {OUT}"))
NOISY = ("solve", PROBLEM, "--scheme", "finite-volume", *sets(*NOISE, "solver.cells=48"), "-o", GRID)
FILES: dict[str, tuple[tuple[Command, ...], tuple[Command, ...]]] = {
    "resume-finished": ((SOLVE,), ((*SOLVE, "--resume"),)),
    "resume-sgd-finished": ((STEPS,), ((*STEPS, "--resume"),)),
    "resume-bounds-more": ((SWEEP,), ((*SWEEP, "--resume"), (*SWEEP, "--resume", "--step-sizes", "1e-3,2e-3"))),
    "force": ((SOLVE,), ((*SOLVE, "--force"),)),
    "figures": (
        (SOLVE,),
        tuple(("plot", RUN, "-o", f"{FOLDER}/figure{suffix}") for suffix in (".png", ".svg", ".pdf", ".gif")),
    ),
    "stationary-from-sgd": ((STEPS,), (("stationary", "--from", RUN, "--json"),)),
    "stationary-from-grid": (
        (NOISY,),
        (("stationary", "--from", GRID), ("distance", GRID, GRID, "--time-a", "0"), ("plot", GRID)),
    ),
}
"""Commands that write files, and commands that read or continue them."""

LONG = sets("time.end=20.0", "time.save=400")
STEPWISE = (PROBLEM, "--workers", "1", *sets("sgd.neurons=40", "sgd.step_size=2e-4"))
INTERRUPTED: dict[str, Command] = {
    "resume-finite-volume": ("solve", PROBLEM, "--scheme", "finite-volume", *LONG, "-o", RUN),
    "resume-characteristics": ("solve", PROBLEM, "--scheme", "characteristics", *LONG, "-o", RUN),
    "resume-jko": ("solve", PROBLEM, "--scheme", "jko", *sets("solver.tolerance=1e-4"), *LONG, "-o", RUN),
    "resume-particles": ("solve", PROBLEM, "--scheme", "particles", *sets("solver.atoms=400"), *LONG, "-o", RUN),
    "resume-noise": ("solve", PROBLEM, "--scheme", "finite-volume", *sets(*NOISE), *LONG, "-o", RUN),
    "resume-noise-jko": ("solve", PROBLEM, "--scheme", "jko", *sets(*NOISE, "solver.cells=48"), *LONG, "-o", RUN),
    "resume-births": (
        *("solve", PROBLEM, "--scheme", "particles", *LONG, "-o", RUN),
        *sets("dynamics.flow=wasserstein-fisher-rao", "dynamics.fisher_rao_rate=1.0", "solver.atoms=400"),
    ),
    "resume-sgd": ("sgd", *STEPWISE, *LONG, "-o", RUN),
    "resume-sgd-gram": ("sgd", *STEPWISE, *LONG, *sets("sgd.state=gram", "data.dims=100"), "-o", RUN),
    "resume-sgd-float32": ("sgd", *STEPWISE, *LONG, *sets("sgd.precision=float32"), "-o", RUN),
    "resume-compare": ("compare", *STEPWISE, "--scheme", "characteristics", *LONG, "--no-coupled", "-o", RUN),
    "resume-bounds": (*SWEEP, *sets("sgd.replicas=4", "time.end=2.0")),
    "resume-basins": ("basins", *SMALL, *words(f"--workers 1 --vary initial.kappa=0.2:1:17 -o {OUT}")),
}
"""Commands that are interrupted, and then go on with --resume: the end does not depend on when that was."""


def file_cases() -> Iterator[Case]:
    """Reading and continuing files beyond those of the presets."""
    source = {"problem.toml": TOML}
    for name, (prepare, commands) in FILES.items():
        yield Case(f"files/{name}", commands, prepare, source)
    for name, command in INTERRUPTED.items():
        yield Case(f"files/{name}", ((*command, "--resume"),), (command,), source, interrupted=True)


# --- cases: bad input -------------------------------------------------------------------------------------------------

BAD: dict[str, str] = {
    "no-command": "",
    "unknown-command": "slove anisotropic-relu",
    "unknown-option": "solve anisotropic-relu --tolernace 1e-3",
    "no-source": "solve",
    "unknown-preset": "solve anisotropic-rleu",
    "unknown-preset-shown": "presets anisotropic-rleu",
    "misspelled-key": "solve anisotropic-relu --set time.ned=3",
    "misspelled-table": "solve anisotropic-relu --set tiem.end=3",
    "misspelled-choice": "solve anisotropic-relu --set network.activation=tahn",
    "misspelled-scheme": "solve anisotropic-relu --scheme finite-volumes",
    "no-equals": "solve anisotropic-relu --set time.end",
    "no-table": "solve anisotropic-relu --set end=3",
    "type-text": "solve anisotropic-relu --set time.end=soon",
    "type-fraction": "solve anisotropic-relu --set solver.cells=3.5",
    "type-boolean": "solve anisotropic-relu --set initial.kappa=true",
    "type-radius": "solve anisotropic-relu --set initial.radius=3",
    "type-schedule": "solve anisotropic-relu --set 'dynamics.schedule={ powr = 1 }'",
    "range-delta": "solve anisotropic-relu --set data.delta=1.5",
    "range-negative": "solve anisotropic-relu --set time.end=-1 --set solver.tolerance=2",
    "range-cells": "solve anisotropic-relu --set solver.cells=100000,100000",
    "range-dims": "solve anisotropic-relu --set data.dims=0,5",
    "counts-of-cells": "solve anisotropic-relu --set solver.cells=8,8,8",
    "particles-pair": "solve anisotropic-relu --scheme particles --set solver.atoms=5,5",
    "many-mistakes": "solve anisotropic-relu --set time.ned=3 --set data.delta=2 --set sgd.neurons=none --set x.y=1",
    "kappa-and-radius": "solve anisotropic-relu --set 'initial.radius={ uniform = [0.2, 1.0] }'",
    "delta-and-scales": "solve anisotropic-relu --set 'data.scales=[[1.5, 0.5], [1.0, 1.0]]'",
    "rate-without-flow": "solve anisotropic-relu --set dynamics.fisher_rao_rate=1",
    "flow-without-rate": "solve anisotropic-relu --set dynamics.flow=fisher-rao",
    "offset-without-offsets": "solve anisotropic-relu --set initial.b=1",
    "foreign-keys": "solve bumps-good --set data.delta=0.5 --set network.activation=tanh",
    "fractions-at-finite": "solve anisotropic-relu --set data.fractions=0.5,0.5",
    "fractions-missing": f"solve {PROBLEM} --set data.dims=infinite",
    "fractions-sum": "solve anisotropic-relu-infinite --set data.fractions=0.5,0.6",
    "knots-order": "solve anisotropic-relu --set 'network.activation={ knots = [1.5, 0.5], values = [0.0, 1.0] }'",
    "save-order": "solve anisotropic-relu --set 'time.save=[0.0, 2.0, 1.0]'",
    "save-beyond": "solve anisotropic-relu --set 'time.save=[0.0, 20.0]'",
    "noise-unconfined": "solve anisotropic-relu --set dynamics.inverse_temperature=50",
    "noise-at-infinity": "solve anisotropic-relu-infinite --set dynamics.inverse_temperature=50 --set dynamics.ridge=1",
    "noise-by-characteristics": f"solve {PROBLEM} --scheme characteristics {shlex.join(sets(*NOISE))}",
    "noise-in-large-blocks": f"solve {PROBLEM} --set data.dims=5000 {shlex.join(sets(*NOISE))}",
    "noise-births-particles": f"solve {PROBLEM} --scheme particles {shlex.join(sets(*NOISE))} "
    "--set dynamics.flow=fisher-rao --set dynamics.fisher_rao_rate=1",
    "sgd-at-infinity": "sgd anisotropic-relu-infinite",
    "sgd-gram-noise": f"sgd {PROBLEM} --set sgd.state=gram {shlex.join(sets(*NOISE))}",
    "compare-gram-coupled": f"compare {PROBLEM} --set sgd.state=gram",
    "sgd-diverges": f"sgd {PROBLEM} --workers 1 --set network.activation=relu --set sgd.neurons=5 "
    "--set sgd.step_size=10 --set time.end=10000.0",
    "workers-zero": f"sgd {PROBLEM} --workers 0",
    "threads-zero": f"solve {PROBLEM} --threads 0",
    "threads-text": f"solve {PROBLEM} --threads many --set time.ned=1",
    "until-unknown": f"solve {PROBLEM} --until later",
    "tolerance-unused": f"solve {PROBLEM} --set time.stationary_tolerance=1e-3",
    "missing-source": f"solve {FOLDER}/none.toml",
    "source-syntax": f"solve {FOLDER}/syntax.toml",
    "source-empty": f"solve {FOLDER}/empty.toml",
    "source-mistakes": f"solve {FOLDER}/mistakes.toml",
    "source-folder": f"solve {FOLDER}",
    "missing-run": f"plot {FOLDER}/none.nc",
    "missing-runs": f"distance {FOLDER}/none.nc {FOLDER}/nothing.nc --time soon",
    "missing-run-from": f"stationary --from {FOLDER}/none.nc",
    "not-a-run": f"plot {PROBLEM}",
    "folder-run": f"plot {FOLDER}",
    "output-exists": f"solve {PROBLEM} -o {FOLDER}/empty.toml",
    "output-folder": f"solve {PROBLEM} -o {FOLDER}",
    "output-nowhere": f"solve {PROBLEM} -o {FOLDER}/none/run.nc",
    "output-exists-json": f"optimum {PROBLEM} -o {FOLDER}/empty.toml",
    "output-and-mistakes": f"sgd {PROBLEM} -o {FOLDER}/empty.toml --workers none --set sgd.neurons=0",
    "plots-in-file": f"solve {PROBLEM} --plot {FOLDER}/empty.toml",
    "resume-without-output": f"solve {PROBLEM} --resume",
    "resume-and-force": f"solve {PROBLEM} --resume --force -o {RUN}",
    "resume-nothing": f"solve {PROBLEM} --resume -o {FOLDER}/none.nc",
    "resume-text": f"solve {PROBLEM} --resume -o {FOLDER}/empty.toml",
    "resume-no-sweep": f"bounds {PROBLEM} --resume -o {FOLDER}/none",
    "bounds-numbers": f"bounds {PROBLEM} --neurons 10,x --step-sizes 0 --dims -3 --replicas none",
    "bounds-one-setting": f"bounds {PROBLEM} --workers 1 --set sgd.neurons=5 --set sgd.step_size=1e-2",
    "radius-negative": f"optimum {PROBLEM} --radius -1",
    "radius-large": f"stationary {PROBLEM} --radius 1e9",
    "stationary-nothing": "stationary --set time.end=x",
    "stationary-both": f"stationary {PROBLEM} --from {RUN}",
    "branches-no-vary": f"branches {PROBLEM}",
    "branches-form": f"branches {PROBLEM} --vary data.delta=0.5 --atoms 9",
    "branches-key": f"branches {PROBLEM} --vary data.dleta=0.4:0.5",
    "branches-time": f"branches {PROBLEM} --vary time.end=1:2",
    "basins-no-vary": f"basins {PROBLEM}",
    "basins-twice": f"basins {PROBLEM} --vary initial.kappa=0.1:1:3 --vary initial.kappa=0.1:1:3",
    "basins-values": f"basins {PROBLEM} --vary initial.kappa=-1:1:9",
    "levels": f"convergence {PROBLEM} --levels 9",
    "schemes-unknown": f"convergence {PROBLEM} --schemes jok,finite-volume",
    "schemes-and-scheme": f"convergence {PROBLEM} --schemes all --scheme jko",
    "convergence-refused": f"convergence {PROBLEM} --schemes characteristics {shlex.join(sets(*NOISE))}",
}
"""Command lines that are refused, or fail."""
SOURCES = {
    "problem.toml": TOML,
    "syntax.toml": "[data\ndims = 3\n",
    "empty.toml": "",
    "mistakes.toml": "[data]\ndelta = 'x'\ndimz = [4]\n[network]\nactivation = 'rleu'\n[solver]\ncells = []\n",
}
DAMAGES = ("cut", "flipped", "text")
OTHER = ("solve", PROBLEM, *words("--scheme characteristics"), *sets("data.dims=5,15"), "-o", GRID)
MISUSED: dict[str, tuple[tuple[Command, ...], tuple[Command, ...]]] = {
    "existing-run": ((SOLVE,), (SOLVE, (*STEPS, "--resume"), ("plot", RUN, "-o", f"{FOLDER}/figure.bmp"))),
    "existing-figure": ((SOLVE, ("plot", RUN)), (("plot", RUN), ("plot", RUN, "--force"))),
    "existing-figures": (
        (("solve", *SMALL, "--plot", FIGURES),),
        (("solve", *SMALL, "--plot", FIGURES), ("solve", *SMALL, "--plot", FIGURES, "--force")),
    ),
    "existing-sweep": ((SWEEP,), (SWEEP, (*SWEEP, "--resume", *sets("data.delta=0.5")))),
    "existing-basins": ((STARTS,), (STARTS, (*STARTS, "--resume", *sets("data.delta=0.5")))),
    "resume-another": ((SOLVE,), ((*SOLVE, "--resume", *sets("data.delta=0.5", "initial.kappa=0.5")),)),
    "resume-shorter": ((SOLVE,), ((*SOLVE, "--resume", *sets("time.end=0.1")),)),
    "times": ((SOLVE,), (("distance", RUN, RUN, "--time", "0.3"), words(f"distance {RUN} {RUN} --time 1 --time-a 1"))),
    "coordinates": ((SOLVE, OTHER), (("distance", RUN, GRID),)),
    "sgd-run": ((STEPS,), (("plot", RUN), ("distance", RUN, RUN), (*SOLVE, "--resume"))),
}
"""Commands that write files, and commands that misuse them."""


def bad_cases() -> Iterator[Case]:
    """Input that is refused: messages and exit codes."""
    for name, line in BAD.items():
        yield Case(f"bad/{name}", (words(line),), (), SOURCES)
    for name, (prepare, commands) in MISUSED.items():
        yield Case(f"bad/{name}", commands, prepare, SOURCES)
    readers = (("plot", RUN), ("distance", RUN, RUN), ("stationary", "--from", RUN), (*SOLVE, "--resume"))
    for how in DAMAGES:
        yield Case(f"bad/{how}-run", readers, (SOLVE,), SOURCES, {"run.nc": how})
        yield Case(f"bad/{how}-sgd", ((*STEPS, "--resume"),), (STEPS,), SOURCES, {"run.nc": how})
        yield Case(f"bad/{how}-basins", ((*STARTS, "--resume"),), (STARTS,), SOURCES, {"out.json": how})


COMMANDS = words("presets solve plot convergence distance sgd compare bounds optimum stationary branches basins")


def help_cases() -> Iterator[Case]:
    """What every command says of itself."""
    yield Case("help/mfpde", (("--help",),))
    yield Case("help/version", (("--version",),))
    yield Case("help/list-of-presets", (("presets",),))
    for command in COMMANDS:
        yield Case(f"help/{command}", ((command, "--help"),))


def all_cases() -> list[Case]:
    """Every case, the cheap ones first."""
    presets = [case for preset in ENDS for case in preset_cases(preset)]
    cases = [*help_cases(), *bad_cases(), *file_cases(), *variant_cases(), *presets]
    assert len({case.name for case in cases}) == len(cases), "two cases have one name"
    return cases


def chosen_cases(only: str) -> list[Case]:
    """The cases whose name matches a regular expression."""
    return [case for case in all_cases() if re.search(only, case.name)]


# --- recording --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Version:
    """An installation: the interpreter, and the checkout whose package it imports.

    Attributes:
        python: the interpreter.
        checkout: the folder from which the commands run.
        timeout: seconds that one command may take.
    """

    python: str
    checkout: Path
    timeout: float

    @property
    def place(self) -> dict[str, Any]:
        """Where commands run, and in which environment."""
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | ENVIRONMENT
        return {"cwd": self.checkout, "env": environment, "stdin": subprocess.DEVNULL}

    def call(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run the interpreter from the checkout; a run that takes too long ends with exit code -1."""
        command = [self.python, *arguments]
        run = partial(subprocess.run, command, capture_output=True, text=True, check=False, **self.place)
        try:
            return run(timeout=self.timeout)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, -1, "", f"no answer after {self.timeout:g} s\n")

    def check(self) -> None:
        """Exit where the package that the interpreter imports is not that of the checkout."""
        done = self.call(["-c", "import mfpde; print(mfpde.__file__)"])
        if self.checkout not in Path(done.stdout.strip()).resolve().parents:
            found = done.stdout.strip() or done.stderr.strip()
            sys.exit(f"{self.python}: does not import the package of {self.checkout}, but {found}")


def record_case(case: Case, version: Version, target: Path, source: Path | None) -> float:
    """Run a case and store what it said; with a `source`, the prepared files are those of that record."""
    started = monotonic()
    folder = Path(tempfile.mkdtemp(prefix="versions-")).resolve()
    try:
        for name, text in case.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        said = []
        if source is None:
            first = interrupt_command if case.interrupted else run_command
            said = [first(command, version, folder) for command in case.prepare]
            keep_files(case, folder, target)
        else:
            shutil.copytree(files_of(case, source), folder, dirs_exist_ok=True)
        for name, how in case.damaged.items():
            damage(folder / name, how)
        said += [run_command(command, version, folder) for command in case.commands]
        write_record(case, said, folder, place_of(case, target))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return monotonic() - started


def place_of(case: Case, target: Path) -> Path:
    """The file of a case in a record."""
    return target / f"{case.name.replace('/', '.')}.json"


def files_of(case: Case, target: Path) -> Path:
    """The folder of a case's prepared files in a record."""
    return target / "files" / case.name.replace("/", ".")


def keep_files(case: Case, folder: Path, target: Path) -> None:
    """Store the prepared files as they are, for a handover."""
    if case.prepare:
        kept = files_of(case, target)
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(folder, kept)


def run_command(command: Command, version: Version, folder: Path) -> dict[str, Any]:
    """Run one command: what it said, and how long it took."""
    started = monotonic()
    arguments = [part.replace(FOLDER, str(folder)) for part in command]
    done = version.call(["-m", "mfpde", *arguments])
    anonymous = partial(without_places, folder=folder, version=version)
    return {
        "argv": list(command),
        "code": done.returncode,
        "stdout": anonymous(done.stdout),
        "stderr": anonymous(done.stderr),
        "seconds": monotonic() - started,
    }


def interrupt_command(command: Command, version: Version, folder: Path) -> dict[str, Any]:
    """Interrupt a command once it writes its output, or has locked it for a while; how far it came is not recorded."""
    started = monotonic()
    arguments = [version.python, "-m", "mfpde", *(part.replace(FOLDER, str(folder)) for part in command)]
    target = Path(arguments[arguments.index("-o") + 1])
    silent = subprocess.DEVNULL
    with subprocess.Popen(arguments, stdout=silent, stderr=silent, **version.place) as process:
        begun = started
        while process.poll() is None and monotonic() - begun < UNDER_WAY:
            sleep(POLLED)
            if target.is_file() or (target.is_dir() and len(list(target.iterdir())) >= FEW_FILES):
                break
            if not target.with_name(f".{target.name}.lock").exists() and monotonic() - started < version.timeout:
                begun = monotonic()
        process.send_signal(signal.SIGINT)
        code = process.wait()
    if code != INTERRUPTED_CODE:
        print(f"not interrupted, but exit code {code}: mfpde {shlex.join(command)}", file=sys.stderr)
    return {"argv": list(command), "code": code, "stdout": "", "stderr": "", "seconds": monotonic() - started}


def without_places(text: str, folder: Path, version: Version) -> str:
    """A text that does not depend on where the folder, the checkout and the interpreter are."""
    places = {str(folder): FOLDER, version.python: "PYTHON", str(version.checkout): CHECKOUT}
    for place, name in places.items():
        text = text.replace(place, name)
    return text


def damage(path: Path, how: str) -> None:
    """Damage a file: "cut" where no revision or timing before moves the place, "flipped" in one byte, or "text"."""
    content = bytearray(path.read_bytes())
    if how == "cut":
        content = content[:-80] if path.suffix == ".nc" else content[:50]
    elif how == "flipped":
        content[-9] ^= 0x10
    else:
        content = bytearray(b"nothing of the kind\n")
    path.write_bytes(content)


def write_record(case: Case, said: list[dict[str, Any]], folder: Path, place: Path) -> None:
    """Store what the commands said and the files they left, floating-point numbers in full."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    skipped = {*case.files, *case.damaged}
    files = {name: {"kind": "skipped"} if name in skipped else read_file(folder / name) for name in names}
    record = {"name": case.name, "commands": said, "files": files}
    text = json.dumps(record).replace(str(folder), FOLDER)
    place.write_text(text, encoding="utf-8")


def read_file(path: Path) -> dict[str, Any]:
    """The content of a file in a form that can be compared."""
    content = path.read_bytes()
    if path.suffix == ".nc":
        return read_netcdf(path)
    if path.suffix == ".json":
        return {"kind": "json", "value": json.loads(content)}
    if path.suffix == ".toml":
        return {"kind": "text", "text": content.decode("utf-8")}
    if path.suffix == ".png":
        content = pixels(content)
    elif path.suffix == ".svg":
        # the names of markers and clip paths are drawn at random
        content = re.sub(rb"\b[mp][0-9a-f]{10}\b", b"name", content)
    return {"kind": "figure", "hash": hashlib.sha256(content).hexdigest()}


def read_netcdf(path: Path) -> dict[str, Any]:
    """Attributes and variables of a NetCDF-3 file."""
    with path.open("rb") as stream, netcdf_file(stream, "r", mmap=False) as file:
        variables = {
            name: {
                **array_as_json(np.array(variable.data)),
                "dimensions": list(variable.dimensions),
                "attributes": {key: plain(value) for key, value in variable._attributes.items()},
            }
            for name, variable in file.variables.items()
        }
        attributes = {key: plain(value) for key, value in file._attributes.items()}
    return {"kind": "netcdf", "attributes": attributes, "variables": variables}


def array_as_json(array: NDArray[Any]) -> dict[str, Any]:
    """An array with its type and shape; text as one string."""
    if array.dtype.kind == "S":
        return {"dtype": "text", "shape": list(array.shape), "data": array.tobytes().decode("utf-8")}
    native = array.astype(array.dtype.newbyteorder("="))
    return {"dtype": str(native.dtype), "shape": list(native.shape), "data": native.ravel().tolist()}


def plain(value: Any) -> Any:
    """An attribute as text or numbers."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def pixels(content: bytes) -> bytes:
    """The header and image data of a PNG file, without compression and texts."""
    found, start = {b"IHDR": b"", b"IDAT": b""}, 8
    while start + 8 <= len(content):
        length = int.from_bytes(content[start : start + 4], "big")
        kind = content[start + 4 : start + 8]
        if kind in found:
            found[kind] += content[start + 8 : start + 8 + length]
        start += 12 + length
    return found[b"IHDR"] + zlib.decompress(found[b"IDAT"])


def record(cases: Sequence[Case], version: Version, target: Path, jobs: int, source: Path | None = None) -> None:
    """Run cases and store each in a file of the folder `target`; says how long each took."""
    version.check()
    # what starts in the background ignores interruptions, and so would the commands
    signal.signal(signal.SIGINT, signal.default_int_handler)
    target.mkdir(parents=True, exist_ok=True)
    started = monotonic()
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        times = pool.map(lambda case: record_case(case, version, target, source), cases)
        for number, (case, seconds) in enumerate(zip(cases, times, strict=True), 1):
            print(f"{number:4d} of {len(cases)}  {seconds:6.1f} s  {case.name}", flush=True)
    print(f"{len(cases)} cases in {monotonic() - started:.0f} s, kept in {target}")


# --- comparing --------------------------------------------------------------------------------------------------------

VOLATILE = re.compile(r"(\w+_)?seconds|git_revision|version_\w+|checksum")
"""Keys whose values change from run to run, or with the version."""
REPLACED = (
    (re.compile(r"\b[0-9a-f]{40}\b\+?"), "REVISION"),
    (re.compile(r"\bmfpde \d+\.\d+[\w.+]*"), "mfpde VERSION"),
    (re.compile(r"\b\d+(\.\d+)?(e[+-]?\d+)? s\b"), "TIME s"),
    (re.compile(r"\b\d+(\.\d+)?(e[+-]?\d+)? steps/s\b"), "RATE steps/s"),
    (re.compile(rf"^((?:{'|'.join(SCHEMES)}) +\w+ .*?) +\d+\.\d\d$", re.MULTILINE), r"\1 TIME"),
    (re.compile(r"\b0x[0-9a-f]{6,}\b"), "ADDRESS"),
    (re.compile(r"/[^\s'\"]*/site-packages/"), "PACKAGES/"),
)
"""Parts of a text that change from run to run, or with the version, and what stands for them."""


@dataclass
class Difference:
    """What two records of a case have not in common.

    Attributes:
        largest: largest difference of two numbers, relative to the largest number of their array, or to 1.
        where: which array that is.
        bits: whether all numbers are equal to the bit.
        messages: differences of texts, exit codes and files, each some lines.
        seconds: time of the commands in both records.
    """

    largest: float = 0.0
    where: str = ""
    bits: bool = True
    messages: list[str] = field(default_factory=list)
    seconds: tuple[float, float] = (0.0, 0.0)

    def holds(self, tolerance: float) -> bool:
        """Whether nothing differs but numbers, by no more than the tolerance."""
        return not self.messages and self.largest <= tolerance

    def verdict(self, tolerance: float) -> str:
        """The difference in a few words."""
        if self.bits:
            numbers = "equal to the bit"
        else:
            beyond = "" if self.largest <= tolerance else " BEYOND THE TOLERANCE"
            numbers = f"differ by {self.largest:.1e}{beyond} ({self.where})"
        return f"MESSAGES DIFFER, numbers {numbers}" if self.messages else numbers


def compare_records(before: dict[str, Any], after: dict[str, Any]) -> Difference:
    """Everything in which two records of a case differ."""
    found = Difference(seconds=(total_seconds(before), total_seconds(after)))
    if len(before["commands"]) != len(after["commands"]):
        found.messages.append("the case has other commands: record it again")
    for first, second in zip(before["commands"], after["commands"], strict=False):
        compare_commands(first, second, found)
    compare_values("", before["files"], after["files"], found)
    return found


def total_seconds(recorded: dict[str, Any]) -> float:
    """Time of the commands of a case."""
    return float(sum(command["seconds"] for command in recorded["commands"]))


def compare_commands(before: dict[str, Any], after: dict[str, Any], found: Difference) -> None:
    """Arguments, exit codes and both outputs of a command."""
    line = f"mfpde {shlex.join(before['argv'])}"
    if before["argv"] != after["argv"]:
        found.messages.append(f"{line}\nwas recorded with other arguments: record it again")
    if before["code"] != after["code"]:
        found.messages.append(f"{line}\nexit code {before['code']} before, {after['code']} after")
    objects = json_object(before["stdout"]), json_object(after["stdout"])
    both = objects[0] is not None and objects[1] is not None
    if both:
        compare_values("stdout", *objects, found)
    for stream in ("stderr",) if both else ("stdout", "stderr"):
        compare_texts(f"{line}\n{stream}", before[stream], after[stream], found)


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is, if it is one."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def normalised(text: str) -> str:
    """A text without timings, revisions, versions and addresses."""
    for pattern, name in REPLACED:
        text = pattern.sub(name, text)
    return text


def compare_texts(where: str, before: str, after: str, found: Difference) -> None:
    """A unified difference of two texts, if they say different things."""
    first, second = (normalised(text).splitlines() for text in (before, after))
    if first != second:
        lines = difflib.unified_diff(first, second, "before", "after", lineterm="", n=1)
        found.messages.append("\n".join([where, *lines]))


def compare_values(where: str, before: Any, after: Any, found: Difference) -> None:
    """Two JSON values, part by part."""
    first, second = array_of(before), array_of(after)
    if first is not None and second is not None:
        compare_arrays(where, first, second, found)
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            if not VOLATILE.fullmatch(key):
                compare_parts(f"{where} {key}".strip(), before, after, key, found)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            compare_values(f"{where}[{index}]", one, other, found)
    elif isinstance(before, str) and isinstance(after, str):
        compare_texts(where, before, after, found)
    elif before != after:
        found.messages.append(f"{where}: {brief(before)} before, {brief(after)} after")


def compare_parts(where: str, before: dict[str, Any], after: dict[str, Any], key: str, found: Difference) -> None:
    """The values of a key, which may be missing in one of two objects."""
    if key in before and key in after:
        compare_values(where, before[key], after[key], found)
    else:
        found.messages.append(f"{where}: only {'before' if key in before else 'after'}")


def brief(value: Any) -> str:
    """The beginning of a value."""
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def array_of(value: Any) -> NDArray[Any] | None:
    """The array of numbers that a JSON value is, if it is one; None in a list stands for NaN."""
    if isinstance(value, dict) and {"dtype", "shape", "data"} <= value.keys() and value["dtype"] != "text":
        return np.array(value["data"], dtype=value["dtype"]).reshape(value["shape"])
    if isinstance(value, int | float) and not isinstance(value, bool):
        return np.array(value)
    if isinstance(value, list) and value and all_numbers(value):
        try:
            return np.array(value, dtype=float)
        except ValueError:
            return None
    return None


def all_numbers(values: list[Any]) -> bool:
    """Whether a nested list holds numbers and None only."""
    return all(
        all_numbers(value) if isinstance(value, list) else value is None or type(value) in (int, float)
        for value in values
    )


def compare_arrays(where: str, before: NDArray[Any], after: NDArray[Any], found: Difference) -> None:
    """Two arrays of numbers: type, shape, bits, and the largest relative difference."""
    if before.shape != after.shape:
        found.messages.append(f"{where}: shape {before.shape} before, {after.shape} after")
        return
    if before.dtype != after.dtype:
        found.messages.append(f"{where}: {before.dtype} before, {after.dtype} after")
    if before.dtype == after.dtype and before.tobytes() == after.tobytes():
        return
    found.bits = False
    apart = relative_difference(before.astype(float), after.astype(float))
    if apart > found.largest or not found.where:
        found.largest, found.where = max(apart, found.largest), where


def relative_difference(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Largest difference over the largest number, or over 1 where that is larger; infinite if NaN or inf moved."""
    finite = np.isfinite(before)
    same = np.array_equal(before[~finite], after[~finite], equal_nan=True)
    if not (same and np.all(np.isfinite(after[finite]))):
        return math.inf
    if not np.any(finite):
        return 0.0
    scale = max(1.0, float(np.max(np.abs(before[finite]))), float(np.max(np.abs(after[finite]))))
    return float(np.max(np.abs(before[finite] - after[finite]))) / scale


def compare(before: Path, after: Path, names: Sequence[str], tolerance: float, allow: str | None) -> int:
    """Print the table and every difference; 1 if anything differs that is not allowed."""
    found: dict[str, Difference] = {}
    failed = []
    for name in names:
        difference = compare_files(before / name, after / name)
        case = name.removesuffix(".json").replace(".", "/")
        found[case] = difference
        allowed = allow is not None and re.search(allow, case) is not None
        word = "" if difference.holds(tolerance) else " (allowed)" if allowed else " (FAILS)"
        if word == " (FAILS)":
            failed.append(case)
        seconds = "{:7.1f} {:7.1f} s".format(*difference.seconds)
        print(f"{case:<48} {seconds}  {difference.verdict(tolerance)}{word}")
    show_messages(found)
    show_summary(found, failed)
    return 1 if failed else 0


def compare_files(before: Path, after: Path) -> Difference:
    """The difference of two stored cases, one of which may be missing."""
    for path, word in ((before, "before"), (after, "after")):
        if not path.is_file():
            return Difference(messages=[f"not recorded {word}"])
    return compare_records(*(json.loads(path.read_text(encoding="utf-8")) for path in (before, after)))


def show_messages(found: Mapping[str, Difference]) -> None:
    """Print what is not a number and differs, case by case."""
    for case, difference in found.items():
        if difference.messages:
            print(f"\n=== {case}")
            print("\n".join(difference.messages))


def show_summary(found: Mapping[str, Difference], failed: Sequence[str]) -> None:
    """Print counts, the largest difference and both times."""
    exact = sum(difference.bits and not difference.messages for difference in found.values())
    largest = max((difference.largest for difference in found.values()), default=0.0)
    times = [sum(difference.seconds[side] for difference in found.values()) for side in (0, 1)]
    print(f"\n{len(found)} cases: {exact} equal to the bit, {len(failed)} fail; largest difference {largest:.1e}")
    print(f"commands took {times[0]:.0f} s before, {times[1]:.0f} s after")
    if failed:
        print("fail: " + ", ".join(failed))


# --- the command line -------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, compare, hand over or list; 0 if nothing differs, 1 if something does."""
    options = parser().parse_args(arguments)
    cases = chosen_cases(options.only)
    if not cases:
        sys.exit(f"--only {options.only}: no case has such a name; `cases` prints them")
    if options.action == "cases":
        for case in cases:
            print(case.name, *(f"\n    mfpde {shlex.join(command)}" for command in (*case.prepare, *case.commands)))
        return 0
    if options.action == "compare":
        names = recorded_names(cases, options.before, options.after)
        return compare(options.before, options.after, names, options.tolerance, options.allow)
    version = Version(options.python, options.folder.resolve(), options.timeout)
    if options.action == "record":
        record(cases, version, options.output, options.jobs)
        return 0
    handed = [case for case in cases if case.prepare and files_of(case, options.before).is_dir()]
    record(handed, version, options.output, options.jobs, options.before)
    return compare_handed(handed, options)


def recorded_names(cases: Sequence[Case], before: Path, after: Path) -> list[str]:
    """The names of the files of cases that at least one record has."""
    names = [place_of(case, Path()).name for case in cases]
    found = [name for name in names if (before / name).is_file() or (after / name).is_file()]
    return found or sys.exit(f"{before}, {after}: hold no record of these cases")


def compare_handed(cases: Sequence[Case], options: argparse.Namespace) -> int:
    """Compare what the second version made of the files with what the first made of them."""
    whole = options.output / "before"
    whole.mkdir(exist_ok=True)
    for case in cases:
        stored = json.loads(place_of(case, options.before).read_text(encoding="utf-8"))
        stored["commands"] = stored["commands"][len(case.prepare) :]
        place_of(case, whole).write_text(json.dumps(stored), encoding="utf-8")
    names = [place_of(case, Path()).name for case in cases]
    return compare(whole, options.output, names, options.tolerance, options.allow)


def parser() -> argparse.ArgumentParser:
    """The options of the four actions."""
    top = argparse.ArgumentParser(
        prog="python -m validation.compare_versions", description="Two versions, side by side."
    )
    actions = top.add_subparsers(dest="action", required=True)
    record_it = actions.add_parser("record", help="run every case with one version and keep what it said")
    compare_them = actions.add_parser("compare", help="tell every difference of two records")
    hand_over = actions.add_parser("handover", help="let a second version read and continue the files of a record")
    list_them = actions.add_parser("cases", help="print the cases")
    for action in (compare_them, hand_over):
        action.add_argument("before", type=Path, metavar="BEFORE", help="the record of the first version")
        action.add_argument("--tolerance", type=float, default=1e-12, help="largest relative difference of numbers")
        action.add_argument("--allow", metavar="REGEX", help="cases that may differ, for example ^help/")
    compare_them.add_argument("after", type=Path, metavar="AFTER", help="the record of the second version")
    for action in (record_it, hand_over):
        add_version(action)
    for action in (record_it, compare_them, hand_over, list_them):
        action.add_argument("--only", metavar="REGEX", default="", help="cases whose name matches, as in re.search")
    return top


def add_version(action: argparse.ArgumentParser) -> None:
    """The options that say what runs, and where the record goes."""
    action.add_argument("--python", required=True, help="an interpreter that has what mfpde needs")
    action.add_argument("--folder", required=True, type=Path, metavar="CHECKOUT", help="the checkout to import from")
    action.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="where the record goes")
    action.add_argument("--jobs", type=int, default=1, help="cases that run at the same time (default 1)")
    action.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS", help="longest time of a command")


if __name__ == "__main__":
    sys.exit(main())
