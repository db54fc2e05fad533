"""SGD beside the equation: the published reference point, with replicas, and the 1/N bias of the finite network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mfpde.configuration.parsing import parse
from mfpde.studies.sgd.replicas import sgd
from validation.expected.reference import activation
from validation.rows import Row, check
from validation.workbench import Workbench, at, configured, gaussian_mixture

NEURONS, STEP_SIZE, REPLICAS = 800, 1e-5, 10
TIMES = (10.0, 30.0)
PUBLISHED, SPREAD = 0.709, 0.007
"""R_N(10) over ten replicas and its standard deviation."""
BIAS = (7.0, 12.0)
"""N (R_N - R) at t = 10, about."""
SIGMAS = 4.0
"""A row fails by chance once in 15,000 times."""


@check("sgd-isotropic", ("sgd",))
def reference_point(bench: Workbench, scheme: str) -> Iterator[Row]:
    """d = 40, Delta = .8, activation M, kappa = .8: t = k eps, no factor 2; at t = 30 a separatrix splits the mass."""
    tables = gaussian_mixture(activation("M"), 0.8, (40,), 0.8)
    options = {"neurons": NEURONS, "step_size": STEP_SIZE, "replicas": REPLICAS}
    runs = sgd(parse({**tables, "time": {"end": TIMES[-1], "save": list(TIMES)}, "sgd": options}))
    mean, deviation = runs.risk.mean(axis=0), runs.risk.std(axis=0, ddof=1)
    error = deviation / np.sqrt(REPLICAS)
    pde = bench.run(configured(tables, "characteristics", TIMES))
    known = SPREAD / np.sqrt(REPLICAS)
    label = f"SGD isotropic N={NEURONS} eps={STEP_SIZE:g}"
    yield Row(f"{label} R_N(10)", scheme, PUBLISHED, float(mean[0]), known, SIGMAS * float(np.hypot(known, error[0])))
    yield Row(f"{label} spread of R_N(10)", scheme, SPREAD, float(deviation[0]), np.inf, np.inf)
    for index, time in enumerate(TIMES):
        expected = at(pde, "risk", time)
        allowed = SIGMAS * float(error[index]) + BIAS[1] / NEURONS
        quantity = f"{label} R_N({time:g}) against the equation"
        yield Row(quantity, scheme, expected, float(mean[index]), at(pde, "risk_error", time), allowed)
    bias = NEURONS * (float(mean[0]) - at(pde, "risk", 10.0))
    middle, half = 0.5 * (BIAS[0] + BIAS[1]), 0.5 * (BIAS[1] - BIAS[0])
    yield Row(f"{label} N (R_N - R) at t=10", scheme, middle, bias, half, half + SIGMAS * NEURONS * float(error[0]))
