"""The table as text."""

from __future__ import annotations

from collections.abc import Sequence

from validation.rows import Row

LINE = "{:<50} {:<15} {:>19} {:>19} {:>9} {:>8} {:>8}  {}"
HEAD = LINE.format("quantity", "scheme", "expected", "computed", "error bar", "error", "allowed", "verdict")


def line(row: Row) -> str:
    """A row of the table."""
    return LINE.format(
        row.quantity,
        row.scheme,
        f"{row.expected:.13g}",
        f"{row.computed:.13g}",
        f"{row.error_bar:.0e}",
        f"{row.error:.1e}",
        f"{row.allowed:.1e}",
        row.verdict,
    )


def summary(rows: Sequence[Row], seconds: float) -> str:
    """What the table comes to: the failures again, or the row nearest to failing."""
    failed = [row for row in rows if not row.holds]
    lines = [f"{len(rows)} rows, {len(rows) - len(failed)} hold, {len(failed)} fail; {seconds:.0f} s"]
    if failed:
        lines += ["rows that fail:", *map(line, failed)]
    elif rows:
        lines += ["nearest to failing:", line(max(rows, key=lambda row: row.severity))]
    return "\n".join(lines)
