"""The ratios as a table of text, and as one page."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence

from mfpde import __version__
from mfpde.results.pages.elements import listing, paragraph, table, text
from mfpde.results.pages.page import Section, document
from validation.bench.interface import Ratio
from validation.bench.running import Outcome

LINE = "{:<14} {:<52} {:>22} {:<34} {:>22} {:>8} {:>6}  {}"
HEAD = LINE.format("bench", "work", "ours", "beside", "theirs", "ratio", "goal", "")
HEADER = ("work", "ours", "beside", "theirs", "times as good", "goal, at least", "verdict", "note")


def cells(ratio: Ratio) -> tuple[str, ...]:
    """A row as text, column by column."""
    return (
        *(ratio.work, _number(ratio.ours, ratio.unit), ratio.peer, _number(ratio.theirs, ratio.unit)),
        *(_short(ratio.ratio), _short(ratio.goal), ratio.verdict, ratio.note),
    )


def line(name: str, ratio: Ratio) -> str:
    """A row of the table of text, of the bench of this name."""
    *shown, verdict, note = cells(ratio)
    return LINE.format(name, *shown, " ".join(filter(None, (verdict, note)))).rstrip()


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many goals are met, those missed, and the benches that failed."""
    verdicts = [(outcome.name, ratio) for outcome in outcomes for ratio in outcome.ratios if ratio.verdict]
    missed = [(name, ratio) for name, ratio in verdicts if ratio.verdict != "met"]
    count = sum(len(outcome.ratios) for outcome in outcomes)
    lines = [f"{count} numbers of {len(outcomes)} benches; {len(verdicts) - len(missed)} of {len(verdicts)} goals met"]
    lines += [line(name, ratio) for name, ratio in missed]
    lines += [f"{outcome.name} FAILED: {outcome.failure}" for outcome in outcomes if outcome.failure]
    return "\n".join(lines)


def bench_page(outcomes: Sequence[Outcome]) -> str:
    """One page: all ratios with peers, then each bench with what it printed."""
    machine = f"mfpde {__version__}, Python {platform.python_version()}, {_machine()}"
    compared = [
        (outcome.name, *cells(ratio)) for outcome in outcomes for ratio in outcome.ratios if ratio.theirs is not None
    ]
    words = "Above 1 this program is faster, or takes less; each pair of numbers is of one run on this machine."
    every = Section("ratios", "All ratios", paragraph(words) + table(("bench", *HEADER), compared, "ratios"))
    lead = f"{summary(outcomes).splitlines()[0]}. {machine}."
    return document("Benchmarks of mfpde", lead, [every, *map(_section, outcomes)])


def _section(outcome: Outcome) -> Section:
    title = f"{outcome.name}{': FAILED' if outcome.failure else ''}"
    anchor = "".join(mark if mark.isalnum() else "-" for mark in outcome.name)
    about = f"<p>{text(outcome.about)} It took {outcome.seconds:.0f} s. {text(outcome.failure)}</p>"
    printed = listing(outcome.printed) if outcome.printed.strip() else ""
    return Section(anchor, title, about + table(HEADER, [cells(ratio) for ratio in outcome.ratios], anchor) + printed)


def _number(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.4g} {unit}"


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _machine() -> str:
    """The processor's name where the system tells it, and how many processors there are."""
    name = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} processors"
