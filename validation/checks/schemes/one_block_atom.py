"""The risk of one atom on an axis, by quadrature over the norm of the only block that acts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import integrate, special

from mfpde.problem.laws.gaussian_mixture import GaussianMixture
from mfpde.problem.network import Network
from mfpde.problem.problem import Problem
from mfpde.solvers.space.box import Box
from validation.rows import Row, check
from validation.workbench import Workbench

RADIUS, DIMENSIONS, DELTA = 0.8630823, (4, 6), 0.8
ACCURACY = 1e-10


@check("one-block-atom", ("reduction",))
def one_block(bench: Workbench, scheme: str) -> Iterator[Row]:
    """R(delta_(r, 0)) for dims (4, 6), truncated ReLU: E over |x_1| of (y - E_n phi)^2."""
    del bench
    exact = 0.5 * sum(_class_risk(label, 1.0 + label * DELTA) for label in (1.0, -1.0))
    problem = Problem(GaussianMixture(delta=DELTA, dims=DIMENSIONS), Network("truncated-relu"))
    reduced = problem.represent("exact", Box(np.zeros(2), np.full(2, 2.0)), ACCURACY)
    risk = reduced.objective.risk(reduced.objective.outputs(np.array([[RADIUS, 0.0]]), np.ones(1)))
    yield Row(f"R(delta) at ({RADIUS}, 0), dims (4, 6)", scheme, exact, risk, 1e-12, 3.0 * reduced.error)


def _class_risk(label: float, scale: float) -> float:
    """E (label - phi(R))^2 with R = scale * chi(4), phi by quadrature over the angle to the block."""

    def unit(norm: float) -> float:
        knot = min(1.0, 1.0 / norm) if norm > 0.0 else 1.0
        # the first coordinate of a uniform point of S^3 has density (2 / pi) (1 - n^2)^(1/2)
        below = integrate.quad(lambda n: norm * n * np.sqrt(1 - n * n), 0.0, knot, epsabs=1e-14)[0]
        above = integrate.quad(lambda n: np.sqrt(1 - n * n), knot, 1.0, epsabs=1e-14)[0]
        return float(2.0 / np.pi * (below + above))

    def integrand(chi: float) -> float:
        density = chi**3 * np.exp(-chi * chi / 2) / (2.0 * special.gamma(2.0))
        return float(density * (label - unit(RADIUS * scale * chi)) ** 2)

    kink = 1.0 / (RADIUS * scale)
    pieces = [(0.0, min(kink, 9.0)), (min(kink, 9.0), 9.0)]
    return float(
        sum(integrate.quad(integrand, *piece, epsabs=1e-13, limit=200)[0] for piece in pieces if piece[0] < piece[1])
    )
