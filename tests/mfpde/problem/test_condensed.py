"""Tables of many knots as few polynomials: what is kept exactly, what they may differ by, and what stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss

from mfpde.problem.condensed import Condensed, condensed
from mfpde.problem.marginals import Tabulated, Uniform

BUMP = Tabulated(
    tuple(np.linspace(0.2, 1.4, 400)), tuple(np.exp(-0.5 * ((np.linspace(0.2, 1.4, 400) - 0.8) / 0.15) ** 2))
)
GAPS = Tabulated(tuple(np.linspace(0.0, 1.0, 101)), tuple(np.maximum(np.sin(9.0 * np.linspace(0.0, 1.0, 101)), 0.0)))


@pytest.mark.parametrize("table", [BUMP, GAPS])
@pytest.mark.parametrize("accuracy", [1e-5, 1e-7])
def test_a_condensed_table_keeps_its_accuracy_and_is_a_law(table: Tabulated, accuracy: float) -> None:
    few = condensed(table, accuracy)
    assert isinstance(few, Condensed)
    x = np.linspace(table.breaks[0], table.breaks[-1], 5003)
    assert np.max(np.abs(few.cumulative(x) - table.cumulative(x))) <= 1.1 * accuracy
    assert few.density(x).min() >= -1e-3
    assert few.density(np.array([table.breaks[0] - 0.1, table.breaks[-1] + 0.1])).tolist() == [0.0, 0.0]
    middles = 0.5 * (x[1:] + x[:-1])
    slope = np.diff(few.cumulative(x)) / np.diff(x)
    smooth = np.diff(np.searchsorted(few.breaks, x)) == 0
    np.testing.assert_allclose(few.density(middles)[smooth], slope[smooth], rtol=0, atol=1e-4)


def test_few_panels_keep_the_moments_of_the_table() -> None:
    few = condensed(BUMP, 1e-7)
    assert len(few.breaks) <= 9
    assert set(few.breaks) <= set(BUMP.breaks)

    def moments(law: Tabulated | Condensed, breaks: np.ndarray) -> list[float]:
        nodes, weights = leggauss(12)
        half = 0.5 * np.diff(breaks)
        x = (breaks[:-1, None] + half[:, None] * (nodes + 1.0)).ravel()
        masses = (half[:, None] * weights).ravel() * law.density(x)
        return [float(masses @ x**k) for k in range(10)]

    assert isinstance(few, Condensed)
    np.testing.assert_allclose(moments(few, few.breaks), moments(BUMP, BUMP.breaks), rtol=1e-12)


def test_what_is_short_or_no_table_stays_as_it_is() -> None:
    short = Tabulated((0.0, 0.5, 1.0), (1.0, 3.0, 0.0))
    assert condensed(short, 1e-5) is short
    law = Uniform(0.0, 1.0)
    assert condensed(law, 1e-5) is law
    # exact where nothing may differ
    assert len(condensed(BUMP, 0.0).breaks) == 400
