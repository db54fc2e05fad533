"""The plane's teacher at equal error, `relu-teacher-spread` beside the scripts that people write for it; index laws.

R(20) of 100 ReLU neurons to 1e-7: by characteristics on the circle of directions, by explicit Euler steps of the
particles (NumPy, exact kernel), and by full-batch gradient descent on equidistant inputs as a script in PyTorch does it
(here in NumPy: the products are the same). Errors of their steps are of order one: the step for that error, and its
time, follow from coarser ones. All run in one process, one after the other, the best of three times.

`index-laws` has what single-index-erf takes by the processor's clock, everything compiled: to set up (problem, guide,
features, first atoms) at d = 40 and 10^4, and to follow to t = 10 at 1e-8.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

import mfpde
from mfpde.configuration.sources import load_configuration
from mfpde.experiment import Experiment
from mfpde.problem.problem import build_problem
from mfpde.schemes.pair import make_pair
from mfpde.solvers.arrays import Array
from validation.bench.clocks import best, processor_best
from validation.bench.interface import Ratio, Setting, bench

ANGLES = np.array([-1.2, 2.64, 0.1, 3.84, 1.3])
WEIGHTS = np.array([1.0, -0.8, 1.2, -1.0, 0.7])
END, EXACT, ERROR = 20.0, 0.009377867215954018, 1e-7
"""R(20), to 2e-10 from an independent integration."""


MOST = 1024
"""Samples of the full batch at most; what these leave of R is not counted against it."""


def start() -> tuple[Array, Array]:
    """w, shape (100, 2), and a."""
    angles = np.tile(2.0 * np.pi * (np.arange(50) + 0.5) / 50, 2)
    return np.column_stack([np.cos(angles), np.sin(angles)]), np.repeat([1.0, -1.0], 50)


def ours() -> float:
    """R(20) by the program."""
    keys = [f"time.end={END}", f"time.save=[0,{END}]", "solver.tolerance=1e-6"]
    return float(mfpde.solve("relu-teacher-spread", overrides=keys).risk[-1])


def particle_loop(step: float, end: float) -> float:
    """Explicit Euler steps of the neurons under the exact kernel."""
    w, a = start()
    teachers = np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])

    def field(w: Array, a: Array) -> tuple[Array, Array, float]:
        places, masses = np.vstack([w, teachers]), np.concatenate([a / len(a), -WEIGHTS])
        lengths = np.linalg.norm(places, axis=1)
        both = np.outer(lengths, lengths)
        cosine = np.clip(places @ places.T / both, -1.0, 1.0)
        turned, sine = np.pi - np.arccos(cosine), np.sqrt(1.0 - cosine**2)
        value = both * (sine + turned * cosine) / (4.0 * np.pi) @ masses
        radial = (sine * lengths) @ masses / lengths
        slope = ((turned * masses) @ places + radial[:, None] * places) / (4.0 * np.pi)
        return slope[: len(w)], value[: len(w)], float(masses @ value)

    for _ in range(round(end / step)):
        slope, value, _ = field(w, a)
        w, a = w - step * a[:, None] * slope, a - step * value
    return field(w, a)[2]


def full_batch(step: float, end: float, samples: int) -> float:
    """Gradient descent on equidistant inputs."""
    w, a = start()
    angles = 2.0 * np.pi * (np.arange(samples) + 0.5) / samples
    x = np.column_stack([np.cos(angles), np.sin(angles)])
    y = np.maximum(x @ np.column_stack([np.cos(ANGLES), np.sin(ANGLES)]).T, 0.0) @ WEIGHTS
    for _ in range(round(end / step)):
        u = x @ w.T
        active = u > 0.0
        excess = (np.where(active, u, 0.0) @ a / len(a) - y) / samples
        change = a[:, None] * ((active * excess[:, None]).T @ x)
        w, a = w - step * change, a - step * (excess @ np.where(active, u, 0.0))
    return float(np.mean((np.maximum(x @ w.T, 0.0) @ a / len(a) - y) ** 2))


def seconds_for_error(run: Callable[[float, float], float], exact: float) -> tuple[float, float]:
    """Step and seconds at which the error of order one of a script is `ERROR`, from two coarse steps and one run."""
    coarse = (run(0.02, END) - exact) / 0.02
    step = ERROR / abs(coarse)
    error = abs((run(0.005, END) - exact) / 0.005 / coarse - 1.0)
    assert error < 0.1, "steps are not of order one yet"
    return step, best(lambda: run(0.005, END), 3) * 0.005 / step


@bench("teachers")
def teachers(setting: Setting) -> Iterator[Ratio]:
    """The plane's teacher beside a loop over particles and full-batch descent."""
    error = abs(ours() - EXACT)
    own = best(ours, 3)
    work, note = f"R(20) of 100 ReLU neurons to {ERROR:.0e}", f"error {error:.1e}"
    step, seconds = seconds_for_error(particle_loop, EXACT)
    yield Ratio(work, own, "particle loop, NumPy", seconds, note=f"{note}; steps of {step:.1e}")
    if setting.quick:
        return
    samples = 64
    while samples < MOST and abs(full_batch(0.02, END, samples) - full_batch(0.02, END, 2 * samples)) > 0.5 * ERROR:
        samples *= 2
    limit = 2.0 * full_batch(0.0025, END, samples) - full_batch(0.005, END, samples)
    step, seconds = seconds_for_error(lambda h, t: full_batch(h, t, samples), limit)
    yield Ratio(work, own, f"full batch of {samples}, NumPy", seconds, note=f"{note}; steps of {step:.1e}")


@bench("index-laws")
def index_laws(setting: Setting) -> Iterator[Ratio]:
    """single-index-erf, set up and followed."""
    keys = ["solver.scheme=characteristics", "solver.tolerance=1e-8", "time.save=[0,10]"]
    taken = []
    for dim in (40, 10_000):
        experiment = load_configuration("single-index-erf", [*keys, f"data.dim={dim}"])

        def set_up(experiment: Experiment = experiment) -> None:
            make_pair(build_problem(experiment), experiment).main.initial_state()

        set_up()
        taken.append(processor_best(set_up, 2))
    yield Ratio("single-index-erf: set up, d = 10^4", taken[1], "the same, d = 40", taken[0], "processor s")
    if setting.quick:
        return
    begin = time.process_time()
    found = mfpde.solve("single-index-erf", overrides=keys)
    words = f"R(10) = {found.risk[-1]:.12f}, error {found.risk_error[-1]:.1e}"
    spent = time.process_time() - begin
    yield Ratio("single-index-erf: to t = 10 at 1e-8, d = 40", spent, unit="processor s", note=words)
