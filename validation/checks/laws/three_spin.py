"""The spherical 3-spin in d = 3, where its risk is an integral over a sphere that a product rule computes.

    R = E (f(x) - (1/N) sum_i a_i sigma(<w_i, x> + b_i))^2,    x = sqrt(3) (sqrt(1 - z^2) cos phi, .. sin phi, z),

by Gauss' rule in z and equal weights in phi, f by its tensor: no harmonics.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import special

from mfpde.configuration.parsing import parse
from validation.expected.quadrature import Array
from validation.rows import Row, check
from validation.workbench import Workbench, at

PARTICLES = "particles"
TIMES = (0.0, 1.0, 4.0)
KEY, DIMENSION, NODES = 7, 3, 80
ALLOWED = 1e-10


@check("three-spin", (PARTICLES,))
def risks(bench: Workbench, scheme: str) -> Iterator[Row]:
    """The risk of the population flow of 8 neurons."""
    tables = {
        "data": {"law": "three-spin", "dim": DIMENSION, "tensor": {"key": KEY}},
        "network": {},
        "initial": {"b": {"normal": [0.0, 1.0]}},
        "time": {"end": TIMES[-1], "save": list(TIMES)},
        "solver": {"scheme": scheme, "atoms": 8, "tolerance": 1e-6},
    }
    result = bench.run(parse(tables))
    for time in TIMES:
        expected = _integrated(result.law(time).points)
        yield Row(f"three-spin R({time:g})", scheme, expected, at(result, "risk", time), 1e-13, ALLOWED)


def _integrated(neurons: Array) -> float:
    """R of rows (w, a, b)."""
    tensor = np.random.Generator(np.random.Philox(key=KEY)).standard_normal((DIMENSION,) * 3)
    heights, weights = np.polynomial.legendre.leggauss(NODES)
    turns = 2.0 * np.pi / (2 * NODES) * np.arange(2 * NODES)
    z, phi = (each.ravel() for each in np.meshgrid(heights, turns, indexing="ij"))
    round_z = np.sqrt(1.0 - z**2)
    x = np.sqrt(DIMENSION) * np.column_stack([round_z * np.cos(phi), round_z * np.sin(phi), z])
    target = np.einsum("pqr,np,nq,nr->n", tensor, x, x, x) / DIMENSION
    w, a, b = neurons[:, :DIMENSION], neurons[:, DIMENSION], neurons[:, DIMENSION + 1]
    outputs = special.expit(x @ w.T + b) @ a / len(a)
    return float(np.repeat(weights, 2 * NODES) @ (target - outputs) ** 2) / (4.0 * NODES)
