"""Harmonics of steep units in two blocks: a ramp of slope 1e8 against a step, and what kinks alone lose."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss
from scipy import special

from mfpde.problem.reduction.zonal.harmonics import log_pole
from mfpde.problem.reduction.zonal.kernels import _Gegenbauer
from mfpde.solvers.activations.piecewise_linear import PiecewiseLinear
from mfpde.solvers.arrays import Array

TAU, RHO = np.array([0.2, 1.0, 30.0, 1e5]), np.array([0.3, 1.1, 2.5])


def expected(unit: PiecewiseLinear, degree: int, dimensions: Array) -> Array:
    """max |Y_l| E sigma(s n) C^_l(n), each ramp a mean of 30 steps and a step an integral in the angle."""
    total = float(dimensions.sum())
    node, weight = leggauss(30)
    polynomial = special.gegenbauer(degree, total / 2 - 1)
    found = np.zeros((len(TAU), len(RHO)))
    angle, share = leggauss(200)
    for low, width, rise in zip(unit.pieces.knots[:-1], unit.pieces.widths, unit.pieces.rises, strict=True):
        for place, part in zip(low + 0.5 * width * (node + 1.0), 0.5 * weight, strict=True):
            x = np.clip(place / np.outer(TAU, RHO), -1.0, 1.0)
            end = np.arccos(x)
            phi = 0.5 * end[..., None] * (angle + 1.0)
            inside = polynomial(np.cos(phi)) * np.sin(phi) ** (total - 2.0)
            found += rise * part * (inside @ share) * 0.5 * end
    scale = polynomial(1.0) * special.beta(0.5, (total - 1.0) / 2.0)
    return np.asarray(found / scale) * float(np.exp(log_pole(degree // 2, *dimensions)[-1]))


@pytest.mark.parametrize("width", [1e-2, 1e-4, 2e-8])
@pytest.mark.parametrize("dimensions", [(1.0, 2.0), (3.0, 5.0)])
def test_harmonics_of_steep_units_do_not_cancel(width: float, dimensions: tuple[float, float]) -> None:
    """To 1e-11 of the largest value; what kinks of slope 1e9 lose grows with s."""
    unit = PiecewiseLinear.through([-0.3 - width, -0.3, 0.5, 0.5 + width], [1.0, -14.0, -14.0, -6.0])
    blocks = np.array(dimensions)
    harmonics = _Gegenbauer(unit, blocks, TAU, RHO)
    for degree in (2, 4, 6, 8):
        # the middle piece is flat, so that steps are all there is
        np.testing.assert_allclose(harmonics.next(), expected(unit, degree, blocks), rtol=0, atol=15e-11)
