"""Speed of the SGD engine beside loops that one writes in NumPy, PyTorch and JAX.

The work is one-pass SGD, batch 1, float64, of N neurons in R^d on the two-class mixture, activation flat-slope-flat,
drawing included. Beside the blocked engine: NumPy with an outer product and with BLAS's rank-one update, PyTorch
without and with its autograd, JAX with lax.scan; and the engine itself on the teacher y = erf(x_1), step by step, in
single precision, moving the weights by products of matrices, with samples drawn ahead on a second processor (by the
clock of the thread that computes: what a free processor would give), and two replicas on two threads. Shares of the
peak count 4 N d operations a step against a large product of matrices on one thread. All but two replicas run on one
processor, and are timed by the processor's clock; two replicas by the wall's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from scipy import special
from scipy.linalg import blas

from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array
from mfpde.solvers.sgd import engine as engine
from mfpde.solvers.sgd.blas import one_thread
from mfpde.solvers.sgd.engine import GaussianClasses, Sgd, SgdState
from mfpde.solvers.sgd.ensemble import Ensemble
from mfpde.solvers.sgd.samplers import Projections
from validation.bench.clocks import one_processor, processor_best
from validation.bench.interface import Ratio, Setting, bench
from validation.bench.peers import PeerMissing, Peers

SIZES = ((100, (40,)), (800, (60, 260)), (10_000, (400, 1600)))
REPLICA_SIZES, REPLICA_COUNTS = ((20, 10), (100, 40), (200, 40), (800, 320)), (16, 64)
STEP_SIZE, GRAM_NEURONS = 1e-5, 100

TORCH = """
import json, sys, time
import torch

kind, neurons, dimension, first_block, seconds = sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5])
eps, chunk = 1e-5, max(4, min(2000, int(2e8 / (neurons * dimension))))
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


advance()
done, started = 0, time.process_time()
while time.process_time() - started < seconds:
    advance()
    done += chunk
print(json.dumps(done / (time.process_time() - started)))
"""

JAX = """
import json, sys, time
import jax

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp

kind, neurons, dimension, first_block, seconds = sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5])
count = int(kind.split()[0]) if kind.endswith("replicas") else 0
together = max(1, count)
eps, chunk = 1e-5, max(4, min(500 if count else 2000, int(2e8 / (neurons * dimension * together))))


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


keys = jax.random.split(jax.random.key(0), together)
w = jax.random.normal(jax.random.key(1), (together, neurons, dimension)) * 0.8 / dimension**0.5
state = [w, keys] if count else [w[0], keys[0]]
run = jax.jit(jax.vmap(run) if count else run, donate_argnums=0)


def advance():
    state[:] = run(*state)
    state[0].block_until_ready()


rates = []
for _ in range(5):
    advance()
    done, started = 0, time.process_time()
    while time.process_time() - started < seconds / 5:
        advance()
        done += chunk * together
    rates.append(done / (time.process_time() - started))
print(json.dumps(max(rates)))
"""
PACKAGES = {"torch": (TORCH, "PyTorch no-grad", "PyTorch autograd"), "jax": (JAX, "JAX lax.scan")}


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


def ensemble_rate(
    sgd: Sgd, start: SgdState, replicas: range, seconds: float, clock: Callable[[], float] = time.process_time
) -> float:
    """Steps per second of all replicas, the best of five stretches."""
    together, steps = Ensemble.of(sgd, replicas), max(16, int(2e9 / (start.w.size * len(replicas))) // 16 * 16)
    states = [start] * len(replicas)

    def advance() -> int:
        states[:] = together.advance(states, states[0].step + steps)
        return steps * len(replicas)

    return max(rate_of(advance, seconds / 5.0, clock) for _ in range(5))


def two_threads_rate(rate: Callable[[int], float]) -> float:
    """Steps per second of two threads together, each told its number."""
    rates = [0.0, 0.0]

    def work(number: int) -> None:
        rates[number] = rate(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
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


def gram_cost(dimension: int, gram: bool, seconds: float) -> float:
    """Microseconds a step takes, with the state of inner products or with that of weights."""
    sgd = replace(problem(1, (dimension,))[0], gram=gram)
    return 1e6 / engine_rate(sgd, sgd.start(sgd.embed(np.full((GRAM_NEURONS, 1), 0.8))), seconds)


def peak() -> float:
    """Operations per second of a large product on one thread, the best of several."""
    size = 1200
    first, out = np.asfortranarray(np.random.default_rng(0).random((size, size))), np.zeros((size, size), order="F")
    return 2.0 * size**3 / processor_best(lambda: blas.dgemm(1.0, first, first, 0.0, out, overwrite_c=1), 8)


def variants(sgd: Sgd, start: SgdState, seconds: float) -> Iterator[tuple[str, float]]:
    """Steps per second of the engine run otherwise."""
    with one_processor(), one_thread():
        teacher = Projections.of(sgd.data.dimension, 1, lambda x: special.erf(x[:, 0]))
        yield "single index", engine_rate(replace(sgd, data=teacher), start, seconds)
        with products_of_matrices():
            yield "by products", engine_rate(sgd, start, seconds)
        yield "single precision", engine_rate(replace(sgd, precision="float32"), start, seconds)
        yield "step by step", engine_rate(replace(sgd, block=1), start, seconds)
    with one_thread():
        yield "drawn ahead", engine_rate(replace(sgd, overlap=True), start, seconds, time.thread_time)


def others(
    sgd: Sgd, start: SgdState, seconds: float, peers: Peers, first_block: int
) -> Iterator[tuple[str, float | None, str]]:
    """Loops in NumPy and in other packages: their names, steps per second, and why there are none."""
    yield "NumPy outer", numpy_rate(sgd, start, seconds, in_place=False), ""
    yield "NumPy dger", numpy_rate(sgd, start, seconds, in_place=True), ""
    sizes = [str(len(start.w)), str(sgd.data.dimension), str(first_block), str(seconds)]
    for package, (script, *kinds) in PACKAGES.items():
        for kind in kinds:
            try:
                yield kind, float(peers.answer((package,), script, kind, *sizes)), ""
            except PeerMissing as missing:
                yield kind, None, str(missing)


@bench("sgd")
def rates(setting: Setting) -> Iterator[Ratio]:
    """Steps per second of one-pass SGD."""
    seconds = 0.5 if setting.quick else 3.0
    for neurons, dimensions in SIZES[:2] if setting.quick else SIZES:
        sgd, start = problem(neurons, dimensions)
        work = f"one-pass SGD, N = {neurons}, d = {sum(dimensions)}"
        with one_processor(), one_thread():
            limit, ours = peak(), engine_rate(sgd, start, seconds)
            beside = list(others(sgd, start, seconds, setting.peers, dimensions[0]))
            ours = max(ours, engine_rate(sgd, start, seconds))
        for kind, rate, why in beside:
            yield Ratio(work, ours, kind, rate, "steps/s", more_is_better=True, note=why)
        reached = 4e-9 * neurons * sum(dimensions) * ours
        yield Ratio(work, reached, "a product of matrices", 1e-9 * limit, "GFlop/s", more_is_better=True)
        for kind, rate in variants(sgd, start, seconds):
            yield Ratio(f"{work}, {kind}", rate, "blocked, float64", ours, "steps/s", more_is_better=True)
        alone = engine_rate(sgd, start, seconds, time.perf_counter)
        both = two_threads_rate(_alone(sgd, start, seconds))
        yield Ratio(f"{work}, two replicas", both, "one, by the wall's clock", alone, "steps/s", more_is_better=True)


def _alone(sgd: Sgd, start: SgdState, seconds: float) -> Callable[[int], float]:
    return lambda replica: engine_rate(replace(sgd, replica=replica), start, seconds, time.perf_counter)


def _group(sgd: Sgd, start: SgdState, count: int, seconds: float) -> Callable[[int], float]:
    return lambda half: ensemble_rate(
        sgd, start, range(half * count // 2, (half + 1) * count // 2), seconds, time.perf_counter
    )


@bench("sgd-replicas")
def replicas(setting: Setting) -> Iterator[Ratio]:
    """Steps per second of many replicas on a core, beside JAX's lax.scan over steps under vmap, and on two."""
    seconds = 0.5 if setting.quick else 3.0
    for neurons, dimension in REPLICA_SIZES[:2] if setting.quick else REPLICA_SIZES:
        sgd, start = problem(neurons, (dimension,))
        for count in REPLICA_COUNTS:
            work = f"{count} replicas, N = {neurons}, d = {dimension}"
            sizes = [f"{count} replicas", *(str(number) for number in (neurons, dimension, dimension))]
            with one_processor(), one_thread():
                ours = ensemble_rate(sgd, start, range(count), seconds)
                try:
                    theirs, why = float(setting.peers.answer(("jax",), JAX, *sizes, str(seconds))), ""
                except PeerMissing as missing:
                    theirs, why = None, str(missing)
            goal = 6.0 if (neurons, dimension) == (100, 40) else None
            yield Ratio(work, ours, "JAX vmap of lax.scan", theirs, "steps/s", more_is_better=True, goal=goal, note=why)
        with one_thread():
            alone = ensemble_rate(sgd, start, range(count), seconds, time.perf_counter)
            both = two_threads_rate(_group(sgd, start, count, seconds))
        yield Ratio(f"{work}, two cores", both, "one, by the wall's clock", alone, "steps/s", more_is_better=True)


@bench("sgd-gram")
def gram(setting: Setting) -> Iterator[Ratio]:
    """A step where the state holds inner products, beside the same with weights, and against d."""
    seconds = 0.5 if setting.quick else 3.0
    with one_processor(), one_thread():
        costs = [gram_cost(dimension, True, seconds) for dimension in (500, 5000, 100_000)]
        for cost, dimension in zip(costs, (500, 5000), strict=False):
            weights = gram_cost(dimension, False, seconds)
            yield Ratio(f"a step, N = {GRAM_NEURONS}, d = {dimension}", cost, "state of weights", weights, "us")
    yield Ratio(f"a step, N = {GRAM_NEURONS}, d = 10^5", costs[2], "the same, d = 5000", costs[1], "us")


@contextmanager
def products_of_matrices() -> Iterator[None]:
    """Without sums over subsets."""
    before, engine.SUBSET_WORK = engine.SUBSET_WORK, 2**62
    try:
        yield
    finally:
        engine.SUBSET_WORK = before
