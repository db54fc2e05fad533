"""Bad input."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from validation.compare_versions.cases.case import (
    FIGURES,
    FOLDER,
    GRID,
    NOISE,
    PROBLEM,
    RUN,
    TOML,
    Case,
    Command,
    sets,
    words,
)
from validation.compare_versions.cases.files import SMALL, SOLVE, STARTS, STEPS, SWEEP

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
