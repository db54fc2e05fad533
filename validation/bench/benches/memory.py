"""Largest memory of every command, beside what its arrays need."""

from __future__ import annotations

from collections.abc import Iterator

from validation.bench.command import MIB, spent
from validation.bench.interface import Ratio, Setting, bench

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
    start = spent("solve", "isotropic-gaussians", *SHORT, "--set", "solver.cells=[8]").mib
    yield Ratio("a solve of 8 cells: the interpreter, its libraries, compiled kernels", start, unit="MiB")
    yield from _large(start, setting.quick)
    for words, arguments in SMALL.items():
        yield Ratio(words, spent(*arguments).mib, unit="MiB", note=f"{start:.0f} of it before it computes")


def _large(start: float, quick: bool) -> Iterator[Ratio]:
    """Problems whose arrays count: what was held above `start`, beside what they need."""
    side, atoms, neurons = (512, 300, 20_000) if quick else (1024, 1000, 100_000)
    grid = ("solve", "anisotropic-relu", *SHORT, "--set", f"solver.cells=[{side},{side}]")
    yield Ratio(f"{side}^2 cells", spent(*grid).mib - start, unit="MiB")
    law = (
        "solve",
        "anisotropic-relu",
        *SHORT,
        "--scheme",
        "characteristics",
        "--set",
        f"solver.atoms=[{atoms},{atoms}]",
    )
    yield Ratio(f"{atoms}^2 atoms", spent(*law).mib - start, unit="MiB")
    steps = "--set", "time.end=0.002", "--set", "time.save=2"
    gram = ("sgd", "anisotropic-relu", *steps, "--set", f"sgd.neurons={neurons}", "--set", 'sgd.state="gram"')
    needed = neurons * 320 * 8 / MIB
    yield Ratio(f"SGD of {neurons} neurons in the coordinates they span", spent(*gram).mib - start, "W", needed, "MiB")
