"""Files that are continued, drawn or read."""

from __future__ import annotations

from collections.abc import Iterator

from validation.compare_versions.cases.case import (
    FOLDER,
    GRID,
    NOISE,
    OUT,
    PROBLEM,
    RUN,
    TOML,
    Case,
    Command,
    sets,
    words,
)

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
