"""Birth and death: N particles against their mean-field law, and the mixture experiment on the line."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from mfpde.configuration.sources import load_configuration
from mfpde.problem.problem import build_problem
from mfpde.schemes.pair import make_pair
from mfpde.solvers.arrays import Array
from mfpde.solvers.flow.time_loop import integrate
from mfpde.solvers.particles.birth_death_process import ParticleProcess
from validation.rows import CHARACTERISTICS, Row, check
from validation.workbench import Workbench, at

PARTICLES = "particles"
COUNTS = (50, 200, 800)
REPLICAS = 200
START = "initial.position={ normal = [-1.0, 1.5] }"
TIME = 1.5
PLAIN = ("dynamics.flow=wasserstein", "dynamics.fisher_rao_rate=0")


@check("birth-death-rate", (PARTICLES,))
def rate(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Mean square error of the mean ~ N^(-1/2), mean error of the risk ~ 1/N, and the averages at the largest N."""
    settings = [START, f"time.end={TIME}", f"time.save=[0.0, {TIME}]"]
    limit = bench.run(load_configuration("bumps-bad", [*settings, f"solver.scheme={CHARACTERISTICS}"]))
    expected = np.array([at(limit, "risk", TIME), at(limit, "mean", TIME, 0)])
    errors = {count: _replicas(settings, count) - expected for count in COUNTS}
    fluctuations = [math.sqrt(float(np.mean(errors[count][:, 1] ** 2))) for count in COUNTS]
    order = -float(np.polyfit(np.log(COUNTS), np.log(fluctuations), 1)[0])
    yield Row("order in N of the fluctuation of the mean", scheme, 0.5, order, 0.0, 0.1)
    average, spread = errors[COUNTS[-1]].mean(axis=0), errors[COUNTS[-1]].std(axis=0) / math.sqrt(REPLICAS)
    for name, value, found, error in zip(("R", "mean_z"), expected, average, spread, strict=True):
        label = f"average {name}({TIME:g}) of {REPLICAS} x {COUNTS[-1]} particles"
        yield Row(label, scheme, float(value), float(value + found), float(error), 4.0 * float(error))


def _replicas(settings: list[str], count: int) -> Array:
    """Risk and mean at the end of every replica, shape (replicas, 2)."""
    configuration = load_configuration("bumps-bad", [*settings, f"solver.atoms={count}", "solver.tolerance=1e-4"])
    problem = build_problem(configuration)
    objective = make_pair(problem, configuration).main.objective  # type: ignore[attr-defined]
    rows = []
    for stream in range(REPLICAS):
        start = problem.initial_law.sample(count, 7, stream)
        process = ParticleProcess(objective, problem.geometry, problem.flow, start, 7, stream, 1e-4)
        seen = process.observe(integrate(process, process.initial_state(), [TIME], lambda index, state: None))
        rows.append((seen.risk, float(seen.mean[0])))
    return np.array(rows)


@check("mixture-experiment", (CHARACTERISTICS, PARTICLES))
def experiment(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Final risk over that of plain descent: below a hundredth from the bad start, below a tenth from the good."""
    for name, ratio in (("bumps-bad", 0.01), ("bumps-good", 0.1)):
        settings = [f"solver.scheme={scheme}", "time.save=[0.0, 100.0]"]
        risks = [bench.run(load_configuration(name, [*settings, *further])).risk[-1] for further in ((), PLAIN)]
        yield Row(f"{name} R(100), births / plain", scheme, 0.0, float(risks[0] / risks[1]), 0.0, ratio)
