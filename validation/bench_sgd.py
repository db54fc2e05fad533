"""Speed of the SGD engine as ratios measured side by side: `python -m validation.bench_sgd [--quick] [--json]`.

The work is one-pass SGD, batch 1, float64, of N neurons in R^d on the two-class mixture, activation flat-slope-flat,
drawing included. Rows: the blocked engine, the same on the teacher y = erf(x_1), step by step, in single precision,
moving the weights by products of matrices, with samples drawn ahead on a second processor (by the clock of the thread
that computes: what a free processor would give), two replicas on two threads, NumPy with an outer product and with
BLAS's rank-one update, PyTorch without and with its autograd, JAX with lax.scan. A second table has the cost of a step
against d where the state holds inner products. What is compared with is installed in a temporary environment; what
cannot be is left out with a note. Shares of the peak count 4 N d operations a step against a large product of matrices
on one thread. All but two replicas run on one processor, and are timed by the processor's clock, so that neighbours on
a shared machine disturb less; two replicas by the wall's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import threading
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import special
from scipy.linalg import blas

from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.sgd import engine as engine
from mfpde.solvers.sgd.blas import one_thread
from mfpde.solvers.sgd.engine import GaussianClasses, Sgd, SgdState
from mfpde.solvers.sgd.samplers import Projections

SIZES = ((100, (40,)), (800, (60, 260)), (10_000, (400, 1600)))
STEP_SIZE = 1e-5
PACKAGES = {"torch": ("PyTorch no-grad", "PyTorch autograd"), "jax": ("JAX lax.scan",)}
INSTALL_SECONDS = 1800

OTHERS = """
import json, os, sys, time
kind, neurons, dimension, first_block, seconds = sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5])
eps = 1e-5


def rate(advance, chunk):
    advance()
    done, started = 0, time.process_time()
    while time.process_time() - started < seconds:
        advance()
        done += chunk
    return done / (time.process_time() - started)


chunk = max(4, min(2000, int(2e8 / (neurons * dimension))))
if kind.startswith("PyTorch"):
    import torch

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    w = torch.randn(neurons, dimension) * 0.8 / dimension**0.5

    def samples():
        y = torch.randint(0, 2, (chunk,)) * 2.0 - 1.0
        x = torch.randn(chunk, dimension)
        x[:, :first_block] *= (1.0 + 0.8 * y)[:, None]
        return x, y.tolist()

    if kind.endswith("no-grad"):

        @torch.no_grad()
        def advance():
            x, y = samples()
            for k in range(chunk):
                u = torch.mv(w, x[k])
                value = torch.clamp(10.0 * u - 7.5, -2.5, 7.5)
                gate = 10.0 * ((u >= 0.5) & (u < 1.5))
                w.addr_(gate, x[k], alpha=eps * (y[k] - float(value.mean())))
    else:
        w.requires_grad_(True)

        def advance():
            x, y = samples()
            for k in range(chunk):
                loss = 0.5 * neurons * (y[k] - torch.clamp(10.0 * (w @ x[k]) - 7.5, -2.5, 7.5).mean()) ** 2
                loss.backward()
                with torch.no_grad():
                    w.add_(w.grad, alpha=-eps)
                    w.grad = None

    answer = rate(advance, chunk)
else:
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    def step(w, sample):
        x, y = sample
        u = w @ x
        value = jnp.clip(10.0 * u - 7.5, -2.5, 7.5)
        gate = 10.0 * ((u >= 0.5) & (u < 1.5))
        return w + (eps * (y - value.mean()) * gate)[:, None] * x, None

    def run(w, key):
        key, normals, labels = jax.random.split(key, 3)
        y = jax.random.rademacher(labels, (chunk,), dtype=jnp.float64)
        x = jax.random.normal(normals, (chunk, dimension))
        x = x.at[:, :first_block].multiply((1.0 + 0.8 * y)[:, None])
        return jax.lax.scan(step, w, (x, y))[0], key

    run = jax.jit(run, donate_argnums=0)
    key = jax.random.key(0)
    state = [jax.random.normal(key, (neurons, dimension)) * 0.8 / dimension**0.5, key]

    def advance():
        state[:] = run(*state)
        state[0].block_until_ready()

    answer = rate(advance, chunk)
print(json.dumps(answer))
"""


def problem(neurons: int, dimensions: tuple[int, ...]) -> tuple[Sgd, SgdState]:
    """The engine and its first state."""
    data = GaussianClasses(dimensions, ((1.8, 0.2), (1.0, 1.0))[: len(dimensions)])
    sgd = Sgd(data, PiecewiseLinear.through(np.array([0.5, 1.5]), np.array([-2.5, 7.5])), STEP_SIZE)
    w = np.random.default_rng(0).standard_normal((neurons, data.dimension))
    return sgd, sgd.start(0.8 / np.sqrt(data.dimension) * w)


def rate_of(advance: Callable[[], int], seconds: float, clock: Callable[[], float] = time.process_time) -> float:
    """Steps per second of a call that makes and returns a number of them, after one call to warm up."""
    advance()
    done, started = 0, clock()
    while clock() - started < seconds:
        done += advance()
    return done / (clock() - started)


def engine_rate(sgd: Sgd, start: SgdState, seconds: float, clock: Callable[[], float] = time.process_time) -> float:
    """Steps per second of `Sgd.advance`."""
    states = [start]
    work = 4.0 * start.w.size
    steps = max(1, int(5e9 / (work * (1.0 if sgd.block != 1 else 8.0)) / 128)) * 128

    def advance() -> int:
        states[0] = sgd.advance(states[0], states[0].step + steps)
        return steps

    return rate_of(advance, seconds, clock)


def two_replicas_rate(sgd: Sgd, start: SgdState, seconds: float) -> float:
    """Steps per second of two replicas together, one thread each."""
    rates = [0.0, 0.0]

    def work(replica: int) -> None:
        rates[replica] = engine_rate(replace(sgd, replica=replica), start, seconds, time.perf_counter)

    threads = [threading.Thread(target=work, args=(replica,)) for replica in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(rates)


def numpy_rate(sgd: Sgd, start: SgdState, seconds: float, in_place: bool) -> float:
    """Steps per second of the loop that one writes in NumPy; `in_place` updates by BLAS's dger."""
    random = np.random.default_rng(0)
    assert isinstance(sgd.data, GaussianClasses)
    scales = sgd.data.coordinate_scales
    w: Array = np.asfortranarray(start.w.T) if in_place else start.w.copy()
    chunk = max(4, min(2000, int(2e8 / w.size)))

    def advance() -> int:
        nonlocal w
        labels = random.integers(0, 2, chunk)
        x = random.standard_normal((chunk, sgd.data.dimension)) * scales[labels]
        for k in range(chunk):
            u = x[k] @ w if in_place else w @ x[k]
            value = np.clip(10.0 * u - 7.5, -2.5, 7.5)
            gate = 10.0 * ((u >= 0.5) & (u < 1.5))
            error = STEP_SIZE * (1.0 - 2.0 * labels[k] - value.mean())
            if in_place:
                w = blas.dger(error, x[k], gate, a=w, overwrite_a=1)
            else:
                w += np.outer(error * gate, x[k])
        return chunk

    return rate_of(advance, seconds)


@contextmanager
def products_of_matrices() -> Iterator[None]:
    """Without sums over subsets."""
    before, engine.SUBSET_WORK = engine.SUBSET_WORK, 2**62
    try:
        yield
    finally:
        engine.SUBSET_WORK = before


def gram_costs(seconds: float, neurons: int = 100) -> list[dict[str, float | str]]:
    """Seconds a step takes against d, with the state of inner products and with that of weights."""
    found: list[dict[str, float | str]] = []
    for dimension in (500, 5000, 100_000):
        for gram in (True, False):
            if gram or dimension <= 5000:
                sgd = replace(problem(1, (dimension,))[0], gram=gram)
                start = sgd.start(sgd.embed(np.full((neurons, 1), 0.8)))
                rate = engine_rate(sgd, start, seconds)
                state = "inner products" if gram else "weights"
                found.append({"neurons": neurons, "dimension": dimension, "state": state, "seconds": 1.0 / rate})
    return found


def peak() -> float:
    """Operations per second of a large product on one thread, the best of several."""
    size = 1200
    first, out = np.asfortranarray(np.random.default_rng(0).random((size, size))), np.zeros((size, size), order="F")
    best = np.inf
    for _ in range(8):
        started = time.process_time()
        blas.dgemm(1.0, first, first, 0.0, out, overwrite_c=1)
        best = min(best, time.process_time() - started)
    return 2.0 * size**3 / best


@contextmanager
def one_processor() -> Iterator[None]:
    """Keep this process and its children on one processor, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def environment(reuse: Path | None) -> Iterator[dict[str, Path]]:
    """An interpreter for each package that could be installed; `reuse` names an environment that has them."""
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for package in PACKAGES:
            python = (reuse or Path(folder)) / "bin" / "python"
            try:
                if reuse is None:
                    venv.create(folder, with_pip=True)
                    command = [str(python), "-m", "pip", "install", "-q", "--no-cache-dir", package]
                    subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_SECONDS)
                subprocess.run([str(python), "-c", f"import {package}"], check=True, capture_output=True, timeout=300)
                found[package] = python
            except (OSError, subprocess.SubprocessError) as failure:
                reason = getattr(failure, "stderr", None) or b""
                print(f"# {package} left out: {failure} {reason.decode(errors='replace')[-200:]}", flush=True)
        yield found


def other_rate(python: Path, kind: str, neurons: int, dimensions: tuple[int, ...], seconds: float) -> float:
    """Steps per second of a loop in another environment."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    sizes = [str(neurons), str(sum(dimensions)), str(dimensions[0]), str(seconds)]
    command = [str(python), "-c", OTHERS, kind, *sizes]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=clean | threads, timeout=1200)
    return float(json.loads(done.stdout.splitlines()[-1]))


def measure(neurons: int, dimensions: tuple[int, ...], seconds: float, others: dict[str, Path]) -> dict[str, float]:
    """Steps per second of every row at one size."""
    sgd, start = problem(neurons, dimensions)
    rates = {}
    with one_processor(), one_thread():
        rates["blocked"] = engine_rate(sgd, start, seconds)
        teacher = Projections.of(sgd.data.dimension, 1, lambda x: special.erf(x[:, 0]))
        rates["single index"] = engine_rate(replace(sgd, data=teacher), start, seconds)
        with products_of_matrices():
            rates["by products"] = engine_rate(sgd, start, seconds)
        rates["single precision"] = engine_rate(replace(sgd, precision="float32"), start, seconds)
        rates["step by step"] = engine_rate(replace(sgd, block=1), start, seconds)
        rates["NumPy outer"] = numpy_rate(sgd, start, seconds, in_place=False)
        rates["NumPy dger"] = numpy_rate(sgd, start, seconds, in_place=True)
        for package, python in others.items():
            for kind in PACKAGES[package]:
                try:
                    rates[kind] = other_rate(python, kind, neurons, dimensions, seconds)
                except (OSError, subprocess.SubprocessError, ValueError, IndexError) as failure:
                    print(f"# {kind} failed: {failure} {str(getattr(failure, 'stderr', ''))[-300:]}", flush=True)
        rates["blocked again"] = engine_rate(sgd, start, seconds)
    with one_thread():
        rates["drawn ahead"] = engine_rate(replace(sgd, overlap=True), start, seconds, time.thread_time)
    rates["two replicas"] = two_replicas_rate(sgd, start, seconds)
    return rates


def main(arguments: list[str] | None = None) -> int:
    """Print the table, or one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m validation.bench_sgd", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the two small sizes, a second each, nothing installed")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    parser.add_argument("--environment", type=Path, help="an environment that has torch and jax, to install nothing")
    options = parser.parse_args(arguments)
    sizes, seconds = (SIZES[:2], 0.5) if options.quick else (SIZES, 3.0)
    answer: list[dict[str, object]] = []
    with environment(options.environment) if not options.quick else _nothing() as others:
        for neurons, dimensions in sizes:
            with one_processor(), one_thread():
                limit = peak()
            rates = measure(neurons, dimensions, seconds, others)
            best = max(rates["blocked"], rates["blocked again"])
            share = 4.0 * neurons * sum(dimensions) * best / limit
            print(f"N = {neurons}, d = {sum(dimensions)}: DGEMM {limit / 1e9:.1f} GFlop/s, share {share:.2f}")
            for name, rate in rates.items():
                print(f"  {name:18s} {rate:12,.0f} steps/s   blocked is {best / rate:6.2f} times as fast", flush=True)
            answer.append({"neurons": neurons, "dimension": sum(dimensions), "peak": limit, "rates": rates})
    with one_processor(), one_thread():
        costs = gram_costs(seconds)
    for row in costs:
        where = f"N = {row['neurons']}, d = {row['dimension']}, state of {row['state']}"
        print(f"{where}: {1e6 * float(row['seconds']):.1f} microseconds a step", flush=True)
    if options.json:
        print(json.dumps({"rates": answer, "gram": costs}))
    return 0


@contextmanager
def _nothing() -> Iterator[dict[str, Path]]:
    yield {}


if __name__ == "__main__":
    raise SystemExit(main())
