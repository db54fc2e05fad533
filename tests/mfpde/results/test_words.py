"""What is told of energies: a gap below 0 by rounding is none, one below by more is not hidden."""

from __future__ import annotations

import math

from mfpde.results.words import excess


def test_a_gap_is_not_negative_by_rounding() -> None:
    assert excess(0.3, 0.3 + 2e-14) == excess(1e4, 1e4 * (1.0 + 4e-16)) == excess(-0.5, -0.5) == 0.0
    assert excess(0.3 + 2e-14, 0.3) > 0.0
    assert excess(0.3, 0.3 + 1e-9) < -0.9e-9
    assert math.isnan(excess(math.nan, 0.3))
