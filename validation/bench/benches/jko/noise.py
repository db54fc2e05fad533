"""Minimising movements with noise, .0025 Lap in a box, plain Lebesgue geometry, to t = 3, beside implicit finite
volumes, an entropic JKO written here, POT and py-pde.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from mfpde.solvers.finite_volume.finite_volume import FiniteVolume, FiniteVolumeOptions
from mfpde.solvers.jko.grid.jko import GridJko, GridJkoOptions
from validation.bench.benches.jko.curves import Run, at_equal_error
from validation.bench.benches.jko.elsewhere import SCRIPT
from validation.bench.benches.jko.entropic import EntropicJko
from validation.bench.benches.jko.problem import END, box_problem, threads, timed_to
from validation.bench.interface import Ratio, Setting, bench
from validation.bench.peers import PeerMissing, Peers

NOISY_RISK, NOISY_MEAN = 0.85802451, 0.56340329
OUTPERFORMED = 100.0
"""How many times as fast as sums of exponentials minimising movements are to be."""


@bench("jko-noise")
def noisy(setting: Setting) -> Iterator[Ratio]:
    """Seconds to the larger of the errors in R and in mean r1."""
    with threads(1):
        curves = dict(_curves(setting.quick))
    for name, cells in () if setting.quick else (("pot", 48), ("py-pde", 128)):
        try:
            curves[name] = elsewhere(name, cells, setting.peers)
        except PeerMissing as missing:
            yield Ratio("with noise in the box", np.nan, name, None, note=str(missing))
    reached = {name: float(f"{1.01 * min(run.error for run in runs):.2g}") for name, runs in curves.items()}
    own = ("jko", "finite-volume")
    levels = sorted({5e-4, *(error for name, error in reached.items() if name not in own)}, reverse=True)
    least = reached.get("entropic, log domain", np.nan)
    goals = {} if setting.quick else {(name, least): OUTPERFORMED for name in curves if name.startswith("entropic")}
    yield from at_equal_error("with noise in the box", curves, levels, goals)


def _curves(quick: bool) -> Iterator[tuple[str, Sequence[Run]]]:
    """The schemes that run here."""
    second = partial(GridJkoOptions, 2, 2)
    cases = [(16, 0.2), (24, 0.2), (32, 0.2), (32, 0.1), (48, 0.1), (64, 0.1), (64, 0.05), (128, 0.1), (128, 0.05)]
    yield "jko", noisy_runs(GridJko, [(cells, second(tau)) for cells, tau in cases[: 6 if quick else None]])
    sizes, tolerances = (16, 32, 64, 128)[: 3 if quick else None], (4e-2, 1e-2, 2e-3)
    volumes = [(n, FiniteVolumeOptions(noisy_tolerance=tolerance)) for n in sizes for tolerance in tolerances]
    yield "finite-volume", noisy_runs(FiniteVolume, volumes)
    shared = [(64, 0.1, 2.0), (128, 0.1, 2.0), (128, 0.05, 2.0), (128, 0.025, 2.0)]
    mild = [(128, 0.1, 1.0), (128, 0.05, 1.0)]
    yield "entropic, products", entropic_runs(shared[:1] if quick else shared + mild + [(256, 0.0125, 2.0)], False)
    yield "entropic, log domain", entropic_runs(shared[:1] if quick else shared + mild, True)


def elsewhere(package: str, cells: int, peers: Peers) -> Sequence[Run]:
    """POT's dense kernel or py-pde in its environment."""
    answer = peers.answer((package,), SCRIPT, package, str(cells))
    return [_noted(f"{package} {cells}^2", answer["risk"], answer["mean"], answer["seconds"], 0)]


def noisy_runs(kind: type, cases: Sequence[tuple[int, Any]]) -> list[Run]:
    """Runs of a scheme in the box, printed as they come."""
    runs = []
    for cells, options in cases:
        scheme = box_problem(kind, cells, options)
        seen, steps, seconds = timed_to(scheme, END, 10 if cells <= 64 else 3)
        step = getattr(options, "step", None)
        length = f"tau {step:g}" if step else f"tolerance {getattr(options, 'noisy_tolerance', 0.0):g}"
        runs.append(_noted(f"{kind.__name__} {cells}^2 {length}", seen.risk, float(seen.mean[0]), seconds, steps))
    return runs


def entropic_runs(cases: Sequence[tuple[int, float, float]], dense_logarithms: bool) -> list[Run]:
    """Runs of `EntropicJko` for (cells, tau, gamma / sigma)."""
    runs = []
    EntropicJko(8, 1.0, 2.0, dense_logarithms).run()
    for cells, tau, gamma in cases:
        solver = EntropicJko(cells, tau, gamma, dense_logarithms)
        seconds = np.inf
        for _ in range(1 if dense_logarithms else 3):
            begin = time.perf_counter()
            risk, mean, iterations = solver.run()
            seconds = min(seconds, time.perf_counter() - begin)
        label = (
            f"entropic, {'log domain' if dense_logarithms else 'products'}, {cells}^2 tau {tau:g} gamma {gamma:g} sigma"
        )
        runs.append(_noted(label, risk, mean, seconds, iterations))
    return runs


def _noted(label: str, risk: float, mean: float, seconds: float, steps: int) -> Run:
    """Print a run in the box; its error is the larger of those in R and in mean r1."""
    print(
        f"  {label:<56} {steps:>5} {seconds:>9.4f} s  R {risk - NOISY_RISK:+.1e}  mean r1 {mean - NOISY_MEAN:+.1e}",
        flush=True,
    )
    return Run(label, max(abs(risk - NOISY_RISK), abs(mean - NOISY_MEAN)), seconds)
