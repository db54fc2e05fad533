"""The rows of the table, and the checks that produce them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mfpde.results.answers.solve import SolveResult
from validation.workbench import Workbench, at

CHARACTERISTICS, FINITE_VOLUME = "characteristics", "finite-volume"
SCHEMES = (CHARACTERISTICS, FINITE_VOLUME)
ESTIMATE_FACTOR = 3.0
"""The true error lies below this multiple of `risk_error`."""


@dataclass(frozen=True)
class Row:
    """One number and the value it should have.

    Attributes:
        quantity: what it is.
        scheme: what computed it.
        expected: the exact or reference value.
        computed: the value found; NaN where there is none.
        error_bar: uncertainty of `expected`.
        allowed: largest |computed - expected| that holds; inf for a number that is shown without a promise.
    """

    quantity: str
    scheme: str
    expected: float
    computed: float
    error_bar: float
    allowed: float

    @property
    def error(self) -> float:
        """|computed - expected|."""
        return abs(self.computed - self.expected)

    @property
    def holds(self) -> bool:
        """Whether the error is allowed; a NaN is not."""
        return self.error <= self.allowed

    @property
    def verdict(self) -> str:
        """The verdict in a word."""
        if not self.holds:
            return "FAILS"
        return "holds" if math.isfinite(self.allowed) else "shown"

    @property
    def severity(self) -> float:
        """error / allowed, infinite for a NaN: above 1 the row fails."""
        if not (self.error < math.inf):
            return math.inf
        if not (self.allowed > 0.0):
            return 0.0 if self.holds else math.inf
        return self.error / self.allowed


@dataclass(frozen=True)
class Check:
    """A named producer of rows.

    Attributes:
        name: what --only selects by.
        schemes: the schemes it can be run with.
        rows: (workbench, scheme) -> rows.
        quick: the schemes it is run with under --quick.
        draw: (workbench, folder) -> the figures written there, once the rows are done.
    """

    name: str
    schemes: Sequence[str]
    rows: Callable[[Workbench, str], Iterable[Row]]
    quick: Sequence[str] = ()
    draw: Callable[[Workbench, Path], Iterable[Path]] | None = None


CHECKS: list[Check] = []
"""Every check, in the order of registration."""


def check(
    name: str, schemes: Sequence[str] = SCHEMES, quick: Sequence[str] = ()
) -> Callable[[Callable[[Workbench, str], Iterable[Row]]], Callable[[Workbench, str], Iterable[Row]]]:
    """Register the decorated (workbench, scheme) -> rows under a name."""

    def register(rows: Callable[[Workbench, str], Iterable[Row]]) -> Callable[[Workbench, str], Iterable[Row]]:
        CHECKS.append(Check(name, schemes, rows, quick))
        return rows

    return register


def worst(rows: Iterable[Row]) -> Row:
    """The row nearest to failing, or failing most; among shown rows the one with the largest error."""
    return max(rows, key=lambda row: (row.severity, row.error))


def within_estimate(case: str, scheme: str, time: float, expected: float, error_bar: float, result: SolveResult) -> Row:
    """The risk at a save time against the error that the run itself reports."""
    allowed = ESTIMATE_FACTOR * (at(result, "risk_error", time) + error_bar)
    quantity = f"{case} R({time:g}) -+ {ESTIMATE_FACTOR:g} risk_error"
    return Row(quantity, scheme, expected, at(result, "risk", time), error_bar, allowed)


def allowance(scheme: str, expected: float, error_bar: float = 0.0) -> float:
    """Error that a scheme is allowed at its defaults.

    max(1e-6, 3 error bars) for characteristics at tolerance 1e-8; 1e-3 relative for finite volumes, or those
    error bars where they are larger.
    """
    claim = 1e-6 if scheme == CHARACTERISTICS else 1e-3 * abs(expected)
    return max(claim, 3.0 * error_bar)
