"""The result of `report`: the page, and what became of each of its parts."""

from __future__ import annotations

from dataclasses import dataclass

from mfpde.results.answer import ANSWERS, Answer
from mfpde.results.objects import Part


@dataclass(frozen=True)
class ReportPart(Part):
    """A command of a report.

    Attributes:
        name: of it.
        title: what it finds, in words.
        command: as one would type it beside problem.toml.
        status: "success", "refused", "stopped" (out of time), "failed", "interrupted", or "waiting".
        message: why, where it did not succeed.
        seconds: that it took.
    """

    name: str
    title: str
    command: str
    status: str
    message: str
    seconds: float


@ANSWERS.register("report")
@dataclass(frozen=True)
class Report(Answer):
    """A page that shows one problem as a whole.

    Attributes:
        page: the file.
        parts: its commands.
        status: "success", or "interrupted" where the page is not there yet.
        wall_seconds: of this run.
    """

    JSON = ("page", "parts", "wall_seconds", "status")

    page: str
    parts: tuple[ReportPart, ...]
    wall_seconds: float
    status: str

    @property
    def message(self) -> str:
        """What to do where it was interrupted."""
        return "" if self.status == "success" else "the parts that are done are kept; --resume goes on with the others"

    def table(self) -> str:
        """A line for each part, then the page."""
        width = max(len(part.title) for part in self.parts)
        lines = [f"{part.title:<{width}}  {part.status:<11}  {part.seconds:6.1f} s" for part in self.parts]
        return "\n".join([*lines, self.page])
