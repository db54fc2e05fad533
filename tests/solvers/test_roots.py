"""Roots: Brent's method, step by step as another implementation takes it, and what has no root."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from mfpde.solvers.roots import root


@pytest.mark.parametrize(("within", "share"), [(1e-9, 2.0**-50), (1e-15, 1e-14), (1e-3, 1e-3)])
def test_every_step_is_that_of_scipy(within: float, share: float) -> None:
    """Fails by any other choice between a half, a secant and a parabola: both look at the same places, bit by bit."""
    random = np.random.default_rng(0)
    for _ in range(100):
        slope, (shift, phase, cubic) = random.uniform(0.1, 5.0), random.normal(size=3).tolist()
        seen: tuple[list[float], list[float]] = [], []

        def wave(x: float, looks: list[float]) -> float:
            looks.append(float(x))
            return float(math.tanh(slope * (x - shift)) + 0.3 * math.sin(3.0 * x + phase) + 0.02 * cubic * x**3)  # noqa: B023

        if wave(-3.0, []) * wave(4.0, []) < 0.0:
            found = root(lambda x: wave(x, seen[0]), -3.0, 4.0, within, share)  # noqa: B023
            assert found == brentq(wave, -3.0, 4.0, (seen[1],), within, share)
            assert seen[0] == seen[1]


def test_a_root_at_an_end_is_found_and_none_is_refused() -> None:
    assert root(lambda x: x, 0.0, 1.0, 1e-9) == 0.0
    assert root(lambda x: x - 1.0, 0.0, 1.0, 1e-9) == 1.0
    with pytest.raises(ValueError, match="one sign"):
        root(lambda x: 1.0 + x * x, -1.0, 1.0, 1e-9)
    with pytest.raises(ValueError, match="no value at 0, where"):
        root(lambda x: x if x else math.nan, -1.0, 1.0, 1e-9)
    assert abs(root(lambda x: math.cbrt(x - 0.5), 0.0, 2.0, 1e-12) - 0.5) < 1e-12
