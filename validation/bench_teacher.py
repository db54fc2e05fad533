"""The plane's teacher at equal error: `relu-teacher-spread` beside the scripts that people write for it; index laws.

    python -m validation.bench_teacher [--laws]

A second table, alone with --laws, has what single-index-erf takes by the processor's clock, everything compiled: to
set up (problem, guide, features, first atoms) at d = 40 and 10^4, and to follow to t = 10 at 1e-8, next to R there.

R(20) of 100 ReLU neurons to 1e-7: by characteristics on the circle of directions, by explicit Euler steps of the
particles (NumPy, exact kernel), and by full-batch gradient descent on equidistant inputs as a script in PyTorch does it
(here in NumPy: the products are the same). Errors of their steps are of order one: the step for that error, and its
time, follow from coarser ones. All run in this process, one after the other, the best of three times.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

import mfpde
from mfpde.solvers.arrays import Array

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


def timed(run: Callable[[], float], repeats: int = 3) -> tuple[float, float]:
    """The error of R(20) and the best time."""
    best, found = np.inf, np.nan
    for _ in range(repeats):
        begin = time.perf_counter()
        found = run()
        best = min(best, time.perf_counter() - begin)
    return abs(found - EXACT), best


def scaled(run: Callable[[float, float], float], exact: float) -> tuple[float, float]:
    """Step and seconds at which the error of order one of a script is `ERROR`, from two coarse steps and one run."""
    coarse = (run(0.02, END) - exact) / 0.02
    step = ERROR / abs(coarse)
    error = abs((run(0.005, END) - exact) / 0.005 / coarse - 1.0)
    assert error < 0.1, "steps are not of order one yet"
    seconds = timed(lambda: run(0.005, END))[1] * 0.005 / step
    return step, seconds


def single_index() -> None:
    """Print the seconds of single-index-erf."""
    from mfpde.configuration.sources import load_configuration
    from mfpde.problem.problem import build_problem
    from mfpde.schemes.pair import make_pair

    keys = ["solver.scheme=characteristics", "solver.tolerance=1e-8", "time.save=[0,10]"]
    print(f"{'single-index-erf':32s}{'seconds':>10s}{'R(10)':>18s}{'error':>10s}")
    for dim in (40, 10_000):
        experiment = load_configuration("single-index-erf", [*keys, f"data.dim={dim}"])
        taken = []
        for _ in range(3):
            begin = time.process_time()
            make_pair(build_problem(experiment), experiment).main.initial_state()
            taken.append(time.process_time() - begin)
        print(f"{f'set up, d = {dim}':32s}{min(taken[1:]):10.2f}")
    begin = time.process_time()
    found = mfpde.solve("single-index-erf", overrides=keys)
    spent = time.process_time() - begin
    print(f"{'to t = 10 at 1e-8, d = 40':32s}{spent:10.2f}{found.risk[-1]:18.12f}{found.risk_error[-1]:10.1e}")


def main() -> None:
    """Print the tables."""
    single_index()
    if "--laws" in sys.argv[1:]:
        return
    ours()
    error, own = timed(ours)
    samples = 64
    while samples < MOST and abs(full_batch(0.02, END, samples) - full_batch(0.02, END, 2 * samples)) > 0.5 * ERROR:
        samples *= 2
    rows = [("particle loop", *scaled(particle_loop, EXACT))]
    rows.append(
        (f"full batch of {samples}", *scaled(lambda h, t: full_batch(h, t, samples), full_batch_limit(samples)))
    )
    print(f"{'R(20) of 100 neurons':32s}{'step':>10s}{'error':>10s}{'seconds':>10s}{'ratio':>8s}")
    print(f"{'characteristics on directions':32s}{'adaptive':>10s}{error:10.1e}{own:10.2f}{1.0:8.1f}")
    for name, step, seconds in rows:
        print(f"{name:32s}{step:10.1e}{ERROR:10.1e}{seconds:10.1f}{seconds / own:8.1f}")


def full_batch_limit(samples: int) -> float:
    """R(20) of full-batch descent at vanishing steps, by extrapolation from two."""
    return 2.0 * full_batch(0.0025, END, samples) - full_batch(0.005, END, samples)


if __name__ == "__main__":
    main()
