"""R(rho_0) by quadrature over the data: a Gaussian start has f(x) = E sigma(tG) with t = kappa |x| / d^(1/2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from validation.quadrature import initial_risk, piecewise_linear_mean, two_class_scales
from validation.reference import activation
from validation.rows import CHARACTERISTICS, SCHEMES, Row, allowance, check
from validation.workbench import Workbench, at, configured, gaussian_mixture

QUADRATURE_ERROR = 1e-12


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


def _row(bench: Workbench, scheme: str, start: Start) -> Row:
    table = activation(start.letter)
    mean = piecewise_linear_mean(table["knots"], table["values"])
    scales = two_class_scales(start.delta, len(start.dims))
    expected = initial_risk(mean, start.kappa, start.dims, scales)
    tables = gaussian_mixture(table, start.delta, start.dims, start.kappa)
    computed = at(bench.run(configured(tables, scheme, (0.0,))), "risk", 0.0)
    quantity = f"R(0) {start.letter} {list(start.dims)} Delta={start.delta:g} kappa={start.kappa:g}"
    return Row(quantity, scheme, expected, computed, QUADRATURE_ERROR, allowance(scheme, expected, QUADRATURE_ERROR))
