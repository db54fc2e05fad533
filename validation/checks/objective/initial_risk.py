"""R(rho_0) by quadrature over the data: a Gaussian start has f(x) = E sigma(tG) with t = kappa |x| / d^(1/2).

With |w| uniform f(x) is a mean over radii and the angle to x, by rules split at the kinks of the unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mfpde.configuration.parsing import parse
from validation.expected.quadrature import initial_risk, piecewise_linear_mean, two_class_scales, uniform_radius_risk
from validation.expected.reference import activation
from validation.rows import CHARACTERISTICS, SCHEMES, Row, allowance, check, within_estimate, worst
from validation.workbench import Workbench, at, configured, gaussian_mixture

QUADRATURE_ERROR = 1e-12
RANDOM = 30
"""Problems of each kind."""


class Start(NamedTuple):
    """An activation's letter, Delta, block dimensions and kappa."""

    letter: str
    delta: float
    dims: tuple[int, ...]
    kappa: float


ONE_BLOCK = (Start("M", 0.8, (40,), 1.2), Start("N", 0.5, (320,), 0.4))
TWO_BLOCKS = (Start("T", 0.8, (60, 260), 0.8), Start("M", 0.8, (10, 30), 1.2))
SMALL_BLOCKS = (Start("M", 0.8, (3,), 0.8), Start("T", 0.8, (4, 6), 0.8))


@check("initial-risk", SCHEMES, quick=(CHARACTERISTICS,))
def one_block(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Isotropic."""
    for start in ONE_BLOCK:
        yield _row(bench, scheme, start)


@check("initial-risk-two-blocks", SCHEMES)
def two_blocks(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Two blocks of 10 dimensions or more."""
    for start in TWO_BLOCKS:
        yield _row(bench, scheme, start)


@check("initial-risk-small-blocks", SCHEMES)
def small_blocks(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Block dimensions below 10."""
    for start in SMALL_BLOCKS:
        yield _row(bench, scheme, start)


@check("initial-risk-random", SCHEMES)
def random_starts(bench: Workbench, scheme: str) -> Iterator[Row]:
    """60 random problems within three of their errors: Gaussian starts of one or two blocks, uniform radii of one."""
    random = np.random.default_rng(11)
    for kind, draw in (("Gaussian", _gaussian_start), ("uniform", _uniform_start)):
        rows = []
        for number in range(RANDOM):
            tables, expected = draw(random)
            timed = {"time": {"end": 1e-3, "save": [0.0]}, "solver": {"scheme": scheme}}
            result = bench.run(parse({**tables, **timed}))
            rows.append(within_estimate(f"{kind} start {number}", scheme, 0.0, expected, QUADRATURE_ERROR, result))
        yield worst(rows)


def _unit(random: np.random.Generator) -> tuple[list[float], list[float]]:
    """Knots and values of two to four kinks."""
    count = int(random.integers(2, 5))
    knots = np.cumsum(np.append(random.uniform(-1.5, 0.5), random.uniform(0.2, 1.2, count - 1)))
    return knots.tolist(), random.uniform(-2.0, 2.0, count).tolist()


def _gaussian_start(random: np.random.Generator) -> tuple[dict[str, Any], float]:
    """Tables of a problem with w ~ N(0, kappa^2 Id / d), and its first risk; a is a number."""
    knots, values = _unit(random)
    blocks = int(random.integers(1, 3))
    dims = [int(p) for p in random.choice([2, 3, 5, 12, 40] if blocks == 1 else [5, 12, 40], blocks)]
    scales, kappa = random.uniform(0.5, 1.9, (blocks, 2)), float(random.uniform(0.3, 1.5))
    mean = piecewise_linear_mean(knots, values)
    tables = {
        "data": {"dims": dims, "scales": scales.tolist()},
        "network": {"activation": {"knots": knots, "values": values}},
        "initial": {"kappa": kappa},
    }
    return tables, initial_risk(mean, kappa, dims, scales.T)


def _uniform_start(random: np.random.Generator) -> tuple[dict[str, Any], float]:
    """Tables of one block with |w| uniform on an interval, and its first risk."""
    knots, values = _unit(random)
    dimension, scales = int(random.choice([1, 2, 3, 7, 40])), random.uniform(0.5, 1.9, 2)
    low = float(random.uniform(0.0, 0.8))
    radii = low, low + float(random.uniform(0.1, 1.5))
    tables = {
        "data": {"dims": [dimension], "scales": [scales.tolist()]},
        "network": {"activation": {"knots": knots, "values": values}},
        "initial": {"radius": {"uniform": list(radii)}},
    }
    return tables, uniform_radius_risk(knots, values, radii, dimension, scales.tolist())


def _row(bench: Workbench, scheme: str, start: Start) -> Row:
    table = activation(start.letter)
    mean = piecewise_linear_mean(table["knots"], table["values"])
    scales = two_class_scales(start.delta, len(start.dims))
    expected = initial_risk(mean, start.kappa, start.dims, scales)
    tables = gaussian_mixture(table, start.delta, start.dims, start.kappa)
    computed = at(bench.run(configured(tables, scheme, (0.0,))), "risk", 0.0)
    quantity = f"R(0) {start.letter} {list(start.dims)} Delta={start.delta:g} kappa={start.kappa:g}"
    return Row(quantity, scheme, expected, computed, QUADRATURE_ERROR, allowance(scheme, expected, QUADRATURE_ERROR))
