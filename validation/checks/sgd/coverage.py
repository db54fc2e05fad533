"""How often intervals of slopes hold the slope of simulated sweeps of few replicas."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from mfpde.studies.bounds.analysis import BIAS, FLOW_GAP
from mfpde.studies.bounds.fits import Bootstrap, Quantity
from validation.expected.quadrature import Array
from validation.rows import CHARACTERISTICS, Row, check
from validation.workbench import Workbench

SWEEPS, SEED = 300, 11
NEURONS, TIME = np.array([25.0, 50.0, 100.0, 200.0]), np.linspace(0.0, 1.0, 3)
SPREAD = {"absolute": 0.1, "signed": 0.025, "signed and faint": 1.0 / 3.0}
"""Standard deviation of a gap at the first point over its mean: faint ones are three from 0."""
HELD = {"absolute": (0.955, 0.025), "signed": (0.94, 0.03), "signed and faint": (0.905, 0.025)}
"""Middle and half width of the coverage that is stated of intervals of 95 %."""
CHANCE = 3.0
"""Standard deviations of so many sweeps: a row fails falsely once in 370 times where the end of its range is true."""


@check("coverage", (CHARACTERISTICS,), quick=())
def slopes(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Gaps that fall like 1/N: of one sign with replicas that points share, and with noise like N^(-1/2) of either."""
    del bench
    for kind, (middle, half) in HELD.items():
        for replicas in (2, 3, 4, 5):
            told, held = _covered(BIAS if kind.startswith("signed") else FLOW_GAP, replicas, SPREAD[kind])
            doubt = math.sqrt(middle * (1.0 - middle) / told)
            quantity = f"coverage of {told} {kind} slopes, {replicas} replicas"
            yield Row(quantity, scheme, middle, held / told, doubt, half + CHANCE * doubt)


def _covered(quantity: Quantity, replicas: int, spread: float) -> tuple[int, int]:
    """How many slopes have an interval, and how many of them hold -1."""
    random, told, held = np.random.default_rng((SEED, replicas)), 0, 0
    for _ in range(SWEEPS):
        gaps = _gaps(random, replicas, spread, quantity.signed)
        curves = [(TIME, column[:, None] + 0.0 * TIME) for column in gaps.T]
        found = quantity.along(NEURONS, curves, Bootstrap.of(replicas))[0].exponent
        told += int(np.isfinite(found.low))
        held += int(found.low <= -1.0 <= found.high)
    return told, held


def _gaps(random: np.random.Generator, replicas: int, spread: float, signed: bool) -> Array:
    """Shape (replicas, points)."""
    own = random.standard_normal((replicas, len(NEURONS)))
    if signed:
        return np.asarray(1.0 / NEURONS + spread * own / np.sqrt(NEURONS * NEURONS[0]))
    shared = random.standard_normal((replicas, 1))
    return np.asarray(np.exp(spread * (0.95 * shared + 0.3 * own)) / NEURONS)
