"""Every command on every preset."""

from __future__ import annotations

from collections.abc import Iterator

from validation.compare_versions.cases.case import FIGURES, FOLDER, GRID, OUT, RUN, Case, Command, sets, words

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
