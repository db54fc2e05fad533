"""The report of a validation: a page that opens in any browser, a section for each check, its figures beside it."""

from __future__ import annotations

import base64
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mfpde import __version__
from mfpde.results.pages.elements import table, text
from mfpde.results.pages.page import Section, document
from validation.rows import Row

HEADER = ("quantity", "by", "expected", "computed", "its error bar", "error", "allowed", "verdict")


@dataclass(frozen=True)
class Outcome:
    """What became of a check.

    Attributes:
        name: of it.
        source: where its expected values are from, in words.
        rows: in their order.
        figures: written.
        seconds: it took.
    """

    name: str
    source: str
    rows: tuple[Row, ...]
    figures: tuple[Path, ...]
    seconds: float

    @property
    def failed(self) -> int:
        """Rows that do not hold."""
        return sum(not row.holds for row in self.rows)


def validation_page(outcomes: Sequence[Outcome], seconds: float) -> str:
    """The whole page, failures first."""
    rows = sum(len(outcome.rows) for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    verdict = f"{rows} rows, {rows - failed} hold, {failed} fail; {seconds:.0f} s"
    machine = f"mfpde {__version__}, Python {platform.python_version()}, {platform.machine()}"
    ordered = sorted(outcomes, key=lambda outcome: not outcome.failed)
    return document("Validation of mfpde", f"{verdict}. {machine}.", [_section(outcome) for outcome in ordered])


def _section(outcome: Outcome) -> Section:
    title = f"{outcome.name}: {f'{outcome.failed} FAIL' if outcome.failed else 'holds'}"
    anchor = "".join(mark if mark.isalnum() else "-" for mark in outcome.name)
    body = table(HEADER, [_cells(row) for row in outcome.rows], anchor)
    pictures = "".join(_picture(place) for place in outcome.figures)
    return Section(anchor, title, f"<p>{text(outcome.source)} It took {outcome.seconds:.1f} s.</p>{body}{pictures}")


def _cells(row: Row) -> tuple[str, ...]:
    return (
        *(row.quantity, row.scheme, f"{row.expected:.13g}", f"{row.computed:.13g}", f"{row.error_bar:.0e}"),
        *(f"{row.error:.1e}", f"{row.allowed:.1e}", row.verdict),
    )


def _picture(place: Path) -> str:
    content = base64.b64encode(place.read_bytes()).decode("ascii")
    words = text(place.stem)
    return f'<figure><img alt="{words}" src="data:image/png;base64,{content}"><figcaption>{words}</figcaption></figure>'
