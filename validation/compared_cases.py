"""The cases of `compare_versions`: every command on every preset, every option once, files of all kinds, bad input."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

FOLDER = "FOLDER"
"""What stands for the temporary folder of a case in arguments."""
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
