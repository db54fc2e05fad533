"""The anisotropic preset by three schemes at equal error in R; steps only, one thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mfpde.configuration.sources import load_configuration
from mfpde.problem.problem import build_problem
from mfpde.schemes.pair import make_pair
from mfpde.solvers.flow.time_loop import Scheme
from validation.bench.benches.jko.curves import Run, at_equal_error
from validation.bench.benches.jko.problem import threads, timed_to
from validation.bench.interface import Ratio, Setting, bench

PRESET = "anisotropic-relu"
TOLERANCES = ("1e-3", "1e-4", "1e-5", "1e-6", "1e-7")


def scheme_of(name: str, *overrides: str) -> Scheme:
    """A scheme of the preset."""
    configuration = load_configuration(PRESET, [f"solver.scheme={name}", *overrides])
    return make_pair(build_problem(configuration), configuration).main


@bench("jko-preset")
def preset(setting: Setting) -> Iterator[Ratio]:
    """Minimising movements beside characteristics and finite volumes."""
    end = load_configuration(PRESET, []).time.end
    tolerances = TOLERANCES[:3] if setting.quick else TOLERANCES
    levels = {
        "characteristics": [f"solver.tolerance={t}" for t in tolerances],
        "jko": [f"solver.tolerance={t}" for t in tolerances],
        "finite-volume": [f"solver.cells={n},{n}" for n in ((32, 64) if setting.quick else (32, 64, 128))],
    }
    curves: dict[str, Sequence[Run]] = {}
    with threads(1):
        oracle = timed_to(scheme_of("characteristics", "solver.tolerance=1e-10"), end, 1)[0].risk
        for name, runs in levels.items():
            made: list[Run] = []
            for override in runs:
                seen, steps, seconds = timed_to(scheme_of(name, override), end, 1)
                made.append(Run(override, abs(seen.risk - oracle), seconds))
                size = f"{seen.law.weights.size:>6} {steps:>5} steps"
                print(f"{name:<16} {override:<24} {size}, error {made[-1].error:.1e}, {seconds:.3f} s")
            curves[name] = made
    yield from at_equal_error(f"{PRESET} to t = {end:g}", curves, (1e-4, 1e-5, 1e-6, 1e-7), {})
