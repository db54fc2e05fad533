"""Ensembles of replicas of SGD on a graphics processor, beside the loop that one writes in JAX for it.

The work is that of the bench of SGD, with drawing: N neurons in R^d on the two-class mixture, activation
flat-slope-flat, one pass, several replicas. The peer is jax.vmap over replicas of a jitted lax.scan over steps whose
samples jax.random draws inside, on the same processor. Without one this bench says so and has no ratios.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from mfpde.solvers.sgd.device.ensemble import DeviceEnsemble, Stretch, Trajectories, planned, shape_of
from mfpde.solvers.sgd.device.memory import SIMULATED
from mfpde.solvers.sgd.device.processor import missing, processor
from validation.bench.benches.sgd import problem
from validation.bench.interface import Ratio, Setting, bench
from validation.bench.peers import PeerMissing

SIZES = (
    (800, (60, 260), 16, "float64"),
    (800, (60, 260), 128, "float32"),
    (100, (40,), 1024, "float64"),
    (100, (40,), 1024, "float32"),
)
MORE_SIZES = ((800, (60, 260), 128, "float64"), (2000, (400,), 32, "float64"))
GOAL, SECONDS, REPEATS, BLOCKS = 4.0, 0.4, 5, 8
PEER = "jax.vmap of lax.scan"

SCRIPT = """
import json, sys, time
import jax

neurons, dimension, first_block, replicas = map(int, sys.argv[1:5])
precision, seconds = sys.argv[5], float(sys.argv[6])
jax.config.update("jax_enable_x64", precision == "float64")
import jax.numpy as jnp

eps, chunk = 1e-5, 500


def step(w, key):
    labels, normals = jax.random.split(key)
    y = jax.random.rademacher(labels, (), dtype=precision)
    x = jax.random.normal(normals, (dimension,), dtype=precision)
    x = x.at[:first_block].multiply(1 + 0.8 * y)
    u = w @ x
    value = jnp.clip(10 * u - 7.5, -2.5, 7.5)
    gate = 10 * ((u >= 0.5) & (u < 1.5)).astype(w.dtype)
    return w + (eps * (y - value.mean()) * gate)[:, None] * x, None


def run(w, key):
    key, own = jax.random.split(key)
    return jax.lax.scan(step, w, jax.random.split(own, chunk))[0], key


run = jax.jit(jax.vmap(run), donate_argnums=0)
keys = jax.random.split(jax.random.key(0), replicas)
w = jax.random.normal(jax.random.key(1), (replicas, neurons, dimension), dtype=precision) * 0.8 / dimension**0.5
times = []
for attempt in range(1000):
    started = time.perf_counter()
    w, keys = run(w, keys)
    w.block_until_ready()
    times.append(time.perf_counter() - started)
    if attempt > 2 and sum(times[1:]) > seconds:
        break
print(json.dumps(chunk * replicas / sorted(times[1:])[len(times[1:]) // 2]))
"""


def ensemble(neurons: int, dimensions: tuple[int, ...], replicas: int, precision: str) -> DeviceEnsemble:
    """The replicas of the work."""
    return DeviceEnsemble.of(replace(problem(1, dimensions)[0], precision=precision), range(replicas))


def trajectories(device: DeviceEnsemble, neurons: int) -> Trajectories:
    """Their first states, on the processor."""
    count, dimension = len(device.members), device.problem.data.dimension
    w = np.random.default_rng(0).standard_normal((count, neurons, dimension)) * 0.8 / np.sqrt(dimension)
    return Trajectories(device.problem, device.replicas, device.start(w))


def median(action: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median time of what an action asks the processor for, in seconds, after one call to warm up."""
    found = []
    for _ in range(repeats + 1):
        processor().finish()
        started = time.perf_counter()
        action()
        processor().finish()
        found.append(time.perf_counter() - started)
    return float(np.median(found[1:]))


def rate(device: DeviceEnsemble, neurons: int) -> float:
    """Steps per second, all replicas together."""
    run, done = trajectories(device, neurons), [0]
    block = shape_of(device.problem, neurons, processor()).block

    def steps(count: int) -> None:
        run.advance(device.problem, done[0], done[0] + count)
        done[0] += count

    once = median(partial(steps, 64 * block), 1)
    count = max(1, int(SECONDS / once)) * 64 * block
    return count * len(device.members) / median(partial(steps, count))


def pieces(device: DeviceEnsemble, neurons: int) -> dict[str, float]:
    """Seconds that each piece takes of a step, all replicas together."""
    run = trajectories(device, neurons)
    shape = shape_of(device.problem, neurons, processor())
    count = BLOCKS * shape.block
    stretch = Stretch(run, device.problem, shape, count)
    held = processor().put(planned(device.problem, 0, count, shape.block), np.float64)
    found = {"drawing": median(lambda: stretch.draw_samples(0, count)) / count}
    if shape.fused:
        matrices = (stretch.x, run.w)
        return found | {"steps": median(lambda: stretch.launch(held, 0, 0, count, matrices)) / count}
    rows, (s, g, x) = shape.rows, (stretch.s, stretch.g, stretch.x)
    actions = {
        "S": lambda: processor().overlaps(s, run.w, x, 0, rows),
        "steps": lambda: stretch.launch(held, 0, 0, shape.block, (s, g)),
        "update": lambda: processor().update(run.w, s, x, 0, rows, 1.0),
    }
    found["G"] = median(lambda: processor().grams(g, x)) / count
    for name, action in actions.items():
        found[name] = median(partial(_often, action)) / count
    return found


def _often(action: Callable[[], None]) -> None:
    for _ in range(BLOCKS):
        action()


def described(neurons: int, dimensions: tuple[int, ...], replicas: int, precision: str) -> str:
    """The work, in words."""
    return f"N = {neurons}, d = {sum(dimensions)}, {replicas} replicas, {precision}"


@bench("sgd-cuda")
def sgd_device(setting: Setting) -> Iterator[Ratio]:
    """Steps per second of ensembles."""
    words = missing()
    if words or SIMULATED:
        print(f"left out: {words or 'the simulator measures nothing'}")
        return
    print(processor().name)
    for neurons, dimensions, replicas, precision in SIZES if setting.quick else SIZES + MORE_SIZES:
        device, work = (
            ensemble(neurons, dimensions, replicas, precision),
            described(neurons, dimensions, replicas, precision),
        )
        parts = ", ".join(f"{name} {1e6 * seconds:.3g}" for name, seconds in pieces(device, neurons).items())
        print(f"{work}: microseconds a step: {parts}", flush=True)
        sizes = [str(value) for value in (neurons, sum(dimensions), dimensions[0], replicas, precision, 1.0)]
        ours, theirs, note = rate(device, neurons), None, ""
        try:
            theirs = float(setting.peers.answer(("jax[cuda13]",), SCRIPT, *sizes))
        except PeerMissing as reason:
            note = str(reason)
        yield Ratio(work, ours, PEER, theirs, "steps/s", more_is_better=True, goal=GOAL, note=note)
